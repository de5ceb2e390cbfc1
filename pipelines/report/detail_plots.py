"""The pictures of slices and of the learning curve; as `plots`, with colours by role."""

from typing import Any

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from .detail_words import DIMENSIONS, slice_title
from .formats import compact, significant
from .plots import STYLE, column
from .svg import COLOUR, inline_svg

_RANGE = (0.4, 2.5)
_TICKS = (0.5, 0.75, 1.0, 1.5, 2.0)
_SMALL = 12
_ROW_HEIGHT = 29
_MARGIN = 56
_MARKS = (  # what, colour, marker, distance from the middle of the row
    ("expected_over_observed_money", "model", "o", -0.17),
    ("expected_over_observed", "second", "s", 0.17),
)


def detail_pictures(metrics: dict[str, Any]) -> dict[str, str]:
    """Inline SVG by name; those that have no data are left out."""
    drawn = {}
    for dimension in (metrics["slices"] or {"dimensions": []})["dimensions"]:
        name = dimension["name"]
        drawn[f"slices_{name}"] = inline_svg(
            f"slices-{name.replace('_', '-')}",
            f"Expected over seen fraud by {DIMENSIONS[name].lower()}",
            "A point for money and one for count in each slice, with 95 % intervals; 1 is right."
            " The table of this section has the figures.",
            lambda axes, dimension=dimension: forest(axes, dimension),  # type: ignore[misc]
            height=_MARGIN + _ROW_HEIGHT * len(dimension["slices"]),
        )
    learning = metrics["learning"]
    if learning and len(learning["learned"]) > 1:
        about = "By labels learned; drift marked. The table of this section has the figures."
        drawn["learning_cumulative"] = inline_svg(
            "learning-cumulative",
            "Cumulative log loss by labels learned",
            about,
            lambda axes: curve(axes, learning, learning["log_loss"]["cumulative"]),
        )
        drawn["learning_rolling"] = inline_svg(
            "learning-rolling",
            "Rolling normalised entropy by labels learned",
            about,
            lambda axes: curve(
                axes, learning, learning["normalised_entropy"]["rolling"], level=1.0, cap=1.5
            ),
        )
    return drawn


def forest(axes: Any, dimension: dict[str, Any]) -> None:
    """Expected over seen of each slice, by money and by count; hollow where frauds are too few.

    What lies outside the axis is an arrow at its edge, with its value.
    """
    slices = dimension["slices"]
    axes.axvline(1.0, color=COLOUR["muted"], linewidth=1.2, zorder=1)
    for row, each in enumerate(slices):
        for name, role, marker, off in _MARKS:
            _mark(axes, each[name], row + off, COLOUR[role], marker, solid=each["judged"])
    axes.set_xscale("log")
    axes.set_xlim(*_RANGE)
    axes.set_ylim(len(slices) - 0.45, -0.55)
    axes.xaxis.set_major_locator(FixedLocator(_TICKS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    titles = [_short(slice_title(dimension["name"], each)) for each in slices]
    axes.set_yticks(range(len(slices)), titles)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    axes.set_xlabel("expected / seen")


def curve(
    axes: Any,
    learning: dict[str, Any],
    lines: dict[str, Any],
    level: float | None = None,
    cap: float = np.inf,
) -> None:
    """A figure of each scorer by labels learned, up to a cap; every drift is marked."""
    learned = column(learning["learned"])
    if level is not None:
        axes.axhline(level, color=COLOUR["muted"], linewidth=1.2, zorder=1)
    values = {scorer: column(lines[scorer]) for scorer in STYLE}
    for scorer, style in STYLE.items():
        axes.plot(learned, values[scorer], **style)
    seen = np.concatenate([each[np.isfinite(each)] for each in values.values()])
    if len(seen):
        low, high = seen.min(), min(cap, seen.max())
        margin = 0.08 * (high - low) or 0.1
        axes.set_ylim(low - margin, high + margin)
    axes.set_xlim(0, learned.max())
    numbered = len(learning["drift"]) > 1
    for number, mark in enumerate(learning["drift"], start=1):
        axes.axvline(mark, color=COLOUR["drift"], linewidth=1.3, linestyle=(0, (3, 2)), zorder=1.5)
        axes.text(
            mark, 1.01, f"drift {number}" if numbered else "drift",
            transform=axes.get_xaxis_transform(), color=COLOUR["drift"], fontsize=_SMALL,
            ha="center", va="bottom",
        )  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: compact(value)))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.set_xlabel(f"{learning['unit']} learned")


def _mark(
    axes: Any, figure: dict[str, Any], height: float, colour: str, marker: str, *, solid: bool
) -> None:
    value = figure["value"]
    if value is None:
        return
    low, high = _RANGE
    if figure["low"] is not None:
        ends = np.clip([figure["low"], figure["high"]], low, high)
        axes.hlines(height, *ends, color=colour, alpha=0.7, linewidth=2, zorder=3)
    if low < value < high:
        face = colour if solid else COLOUR["paper"]
        axes.plot(
            value, height, marker, color=colour, markerfacecolor=face, markersize=6,
            markeredgewidth=1.5, zorder=4,
        )  # fmt: skip
        return
    right = value >= high
    arrow = "\N{RIGHTWARDS ARROW}" if right else "\N{LEFTWARDS ARROW}"
    text = f"{significant(value, 2)} {arrow}" if right else f"{arrow} {significant(value, 2)}"
    axes.annotate(
        text, (high if right else low, height), (-3 if right else 3, 0),
        textcoords="offset points", ha="right" if right else "left", va="center", color=colour,
        fontsize=_SMALL, zorder=6,
        bbox={"facecolor": COLOUR["paper"], "edgecolor": "none", "pad": 1.0},
    )  # fmt: skip


def _short(title: str) -> str:
    """Without what the table says.

    >>> _short("new: first seen less than 7 days before"), _short("7 days to 30 days")
    ('new', '7 to 30 days')
    """
    return title.split(":")[0].replace(" days to", " to")
