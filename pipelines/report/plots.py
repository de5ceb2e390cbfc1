"""The pictures of the report, one function for each; they draw what is in `metrics.json`.

Each takes matplotlib axes and part of the metrics, and uses colours by role (see `svg`). Model,
heuristic and constant rate differ by line style too, so that no reading depends on colour.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from .formats import axis_percent, compact, significant
from .svg import COLOUR

STYLE: dict[str, dict[str, Any]] = {
    "model": {"color": COLOUR["model"], "linestyle": "-", "linewidth": 2.2, "zorder": 4},
    "heuristic": {"color": COLOUR["heuristic"], "linestyle": (0, (5, 2)), "zorder": 3},
    "constant": {"color": COLOUR["constant"], "linestyle": (0, (1.2, 1.8)), "zorder": 2},
}
SECOND: dict[str, Any] = {"color": COLOUR["second"], "linestyle": (0, (5, 2)), "zorder": 3}
THIRD: dict[str, Any] = {"color": COLOUR["third"], "linestyle": (0, (1.2, 1.8)), "zorder": 3}
_SMALL = 12


def reliability(axes: Any, bins: dict[str, Any], money: bool) -> None:
    """Observed against expected share of fraud, both on log axes; the diagonal is perfect.

    A bin without any fraud has no place on a log axis: an open triangle on the lower edge.
    """
    kind = "fraud_amount_share" if money else "fraud_share"
    expected = column(bins["expected_amount_share" if money else "mean_probability"])
    observed, low, high = (
        column(bins[kind]),
        column(bins[f"{kind}_low"]),
        column(bins[f"{kind}_high"]),
    )
    drawn = expected > 0
    expected, observed, low, high = expected[drawn], observed[drawn], low[drawn], high[drawn]
    if not len(expected):
        return
    positive = np.concatenate([expected, observed[observed > 0]])
    floor, top = positive.min() / 2.5, min(1.3, max(positive.max(), high.max(initial=0.0)) * 1.6)
    axes.set(xscale="log", yscale="log", xlim=(floor, top), ylim=(floor, top))
    axes.plot([floor, top], [floor, top], color=COLOUR["muted"], linewidth=1.2, zorder=1)
    axes.vlines(expected, np.maximum(low, floor), high, color=COLOUR["model"], alpha=0.55, zorder=3)
    seen = observed > 0
    axes.plot(expected[seen], observed[seen], "o", color=COLOUR["model"], markersize=6, zorder=4)
    bottom = np.full(np.count_nonzero(~seen), floor * 1.12)
    axes.plot(
        expected[~seen], bottom, "v", markerfacecolor="none", markeredgecolor=COLOUR["model"],
        markersize=7, markeredgewidth=1.5, zorder=4,
    )  # fmt: skip
    axes.grid(visible=True, axis="both")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(base=10, numticks=6))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: axis_percent(value)))
    money_word = " of the money" if money else ""
    axes.set_xlabel(f"expected share of fraud{money_word}")
    axes.set_ylabel(f"share of fraud{money_word} seen")


def weekly(
    axes: Any,
    metrics: dict[str, Any],
    lines: Iterable[tuple[list[Any], dict[str, Any]]],
    *,
    shares: bool = False,
    level: float | None = None,
    floor: float | None = None,
    cap: float = np.inf,
) -> None:
    """Lines over the weeks, with the warm-up shaded and every drift marked.

    Args:
        axes: to draw on.
        metrics: for weeks and drift.
        lines: (a value for each week, None where undefined; line style).
        shares: whether the values are shares, shown in percent.
        level: a value to compare with, drawn across.
        floor: where the value axis begins; without it, what the data need.
        cap: the value axis ends here at the latest, so that one wild week does not flatten the rest;
            values beyond it are written at the upper edge.
    """
    weeks = column([week["week"] for week in metrics["by_week"]])
    _mark_time(axes, metrics)
    if level is not None:
        axes.axhline(level, color=COLOUR["muted"], linewidth=1.2, zorder=1)
    drawn = [(column(values), style) for values, style in lines]
    for values, style in drawn:
        axes.plot(weeks, values, marker="o", **style)
    top = min(cap, _largest([level or 0.0, *(each for values, _ in drawn for each in values)]))
    lowest = -_largest([-(top if level is None else level), *(-v for d, _ in drawn for v in d)])
    margin = 0.08 * (top - (lowest if floor is None else floor)) or 0.5
    axes.set_ylim(lowest - margin if floor is None else floor, min(cap, top + margin))
    for line, (values, style) in enumerate(drawn):
        _write_beyond(axes, weeks, values, cap, style["color"], line)
    axes.set_xlim(0.5, len(weeks) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=9, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    if shares:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: axis_percent(value)))
    axes.set_xlabel("week of the run")


def cost_curve(axes: Any, curve: dict[str, Any], policy: dict[str, Any]) -> None:
    """Cost of declining everything above a threshold on expected fraud; lower is better."""
    thresholds = column(curve["threshold"])
    for name in ("constant", "heuristic", "model"):
        axes.plot(thresholds, column(curve[name]), **STYLE[name])
    axes.axhline(policy["approve_all"], color=COLOUR["muted"], linewidth=1.2, zorder=1)
    axes.axhline(policy["served"], color=COLOUR["good"], linewidth=1.6, zorder=3)
    axes.set_xscale("log")
    axes.set_xlim(thresholds.min(), thresholds.max())
    axes.set_ylim(0, 1.35 * max(policy["approve_all"], policy["served"]))
    axes.text(
        thresholds.min(), policy["approve_all"], "approve everything", ha="left", va="bottom",
        color=COLOUR["muted"], fontsize=_SMALL,
    )  # fmt: skip
    axes.text(
        thresholds.min(), policy["served"], "the policy as served", ha="left", va="bottom",
        color=COLOUR["good"], fontsize=_SMALL,
    )  # fmt: skip
    axes.xaxis.set_major_locator(LogLocator(base=10, numticks=7))
    axes.xaxis.set_minor_locator(NullLocator())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: compact(value)))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.set_xlabel("declined where expected fraud is above (currency units)")


def label_delay(axes: Any, curve: dict[str, Any], maturity_days: float) -> None:
    """Share of reported frauds known after so many days, by source."""
    styles = dict(zip(_SOURCES, (STYLE["model"], SECOND, THIRD), strict=True))
    for name, known_share in curve["known_share"].items():
        axes.plot(column(curve["days"]), column(known_share), **styles[name])
    axes.axvline(maturity_days, color=COLOUR["drift"], linewidth=1.3, linestyle=(0, (3, 2)))
    axes.annotate(
        "maturity", (maturity_days, 0.04), (5, 0), textcoords="offset points", ha="left",
        va="bottom", color=COLOUR["drift"], fontsize=_SMALL,
    )  # fmt: skip
    axes.set_ylim(0, 1.04)
    axes.set_xlim(left=0)
    axes.yaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: axis_percent(value)))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    axes.set_xlabel("days after the transaction")


_SOURCES = ("chargeback", "review", "user_report")


def column(values: Iterable[Any]) -> Any:
    """Numbers as float64, None as nan.

    >>> column([1, None])
    array([ 1., nan])
    """
    return np.array([np.nan if each is None else each for each in values], dtype=np.float64)


def _write_beyond(axes: Any, weeks: Any, values: Any, cap: float, colour: str, line: int) -> None:
    """The value of each point above the cap, at the upper edge; one row of text for each line."""
    for place in np.flatnonzero(values > cap):
        axes.annotate(
            f"{significant(values[place], 2)} \N{UPWARDS ARROW}", (weeks[place], cap),
            (0, -3 - 15 * line), textcoords="offset points", ha="center", va="top", color=colour,
            fontsize=_SMALL, zorder=6,
            bbox={"facecolor": COLOUR["paper"], "edgecolor": "none", "pad": 1.5},
        )  # fmt: skip


def _largest(values: Iterable[float]) -> float:
    """The largest number; nan does not count."""
    return max(each for each in values if each == each)


def _mark_time(axes: Any, metrics: dict[str, Any]) -> None:
    """Shade the warm-up; a line at every drift, numbered if there are several."""
    high = axes.get_xaxis_transform()
    warm_up = sum(week["warm_up"] for week in metrics["by_week"])
    axes.axvspan(0.5, warm_up + 0.5, color=COLOUR["shade"], zorder=0, linewidth=0)
    if warm_up:
        axes.text(
            0.6, 1.01, "warm-up", transform=high, color=COLOUR["muted"], fontsize=_SMALL,
            va="bottom",
        )  # fmt: skip
    marks = metrics["drift_marks"]
    for number, mark in enumerate(marks, start=1):
        axes.axvline(mark["week_position"], color=COLOUR["drift"], linewidth=1.3, zorder=1.5,
                     linestyle=(0, (3, 2)))  # fmt: skip
        axes.text(
            mark["week_position"], 1.01, f"drift {number}" if len(marks) > 1 else "drift",
            transform=high, color=COLOUR["drift"], fontsize=_SMALL, ha="center", va="bottom",
        )  # fmt: skip
