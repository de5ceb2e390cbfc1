"""Small pictures as SVG: lines and bars from zero to a round top, which the page writes beside them.

Colours come from the style sheet by class, so that they fit light and dark. Every picture has a name and says
in words what it shows; the table beside it holds its figures.
"""

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

WIDTH, HEIGHT = 240.0, 56.0
_PADDING = 2.0


def sparkline(
    values: Sequence[float | None], name: str, least_top: float, bars: Sequence[float] = ()
) -> Markup:
    """One line, for a row of a table.

    Args:
        values: evenly spaced; a gap where one is None.
        name: what a screen reader says.
        least_top: the top is at least here, so that nothing looks large only because all is small.
        bars: levels to be drawn across, such as thresholds; those beyond the top are left out.
    """
    known = [each for each in values if each is not None]
    top = max([least_top, *known])
    across = "".join(f"M0 {_y(each, top, HEIGHT):.0f}h{WIDTH:g}" for each in bars if each <= top)
    drawn = [f'<path class="level" d="{across}"/>'] if across else []
    # There is one in each row of long tables: whole numbers, of half a pixel each, keep the page small.
    return _svg(name, "spark", WIDTH, HEIGHT, drawn + _lines(values, top, "a", WIDTH, HEIGHT, 0))


def top_of(least: float, *series: Sequence[float | None]) -> float:
    """A round number that nothing exceeds, and at least so much: few payments are not to look like many.

    >>> top_of(10.0, [3.0, None]), top_of(10.0, [11.0], [38.0]), top_of(0.02, [0.018])
    (10.0, 50.0, 0.02)
    """
    highest = max([least, *(v for each in series for v in each if v is not None)])
    power = 10.0 ** math.floor(math.log10(highest))
    return next(
        each * power for each in (1.0, 2.0, 5.0, 10.0) if each * power >= highest * 0.999999
    )


def highest(values: Sequence[float | None]) -> float | None:
    """Of those that are known."""
    return max((each for each in values if each is not None), default=None)


def lines(series: Sequence[Sequence[float | None]], name: str, top: float) -> Markup:
    """Up to three lines over the same time, from zero to `top`; classes a, b and c."""
    drawn = []
    for values, kind in zip(series, "abc", strict=False):
        drawn += _lines(values, top, kind, WIDTH, HEIGHT)
    return _svg(name, "chart", WIDTH, HEIGHT, drawn)


def stacks(series: Sequence[Sequence[float]], name: str, top: float) -> Markup:
    """Up to three kinds on top of each other, one bar for each moment; classes a, b and c."""
    columns = list(zip(*series, strict=True))
    step = WIDTH / max(1, len(columns))
    width = f"{max(step - 0.4, 0.4):.1f}"
    bars: dict[
        str, list[str]
    ] = {}  # one path for each kind: hundreds of elements would be long to send
    for place, column in enumerate(columns):
        below = 0.0
        for value, kind in zip(column, "abc", strict=False):
            low, high = _y(below, top, HEIGHT), _y(below + value, top, HEIGHT)
            if value > 0.0:
                bar = f"M{place * step:.1f} {low:.1f}v{high - low:.1f}h{width}v{low - high:.1f}z"
                bars.setdefault(kind, []).append(bar)
            below += value
    drawn = [f'<path class="{kind}" d="{"".join(bars[kind])}"/>' for kind in sorted(bars)]
    return _svg(name, "chart", WIDTH, HEIGHT, drawn)


def pairs(came: Sequence[float], expected: Sequence[float], name: str, top: float) -> Markup:
    """Bars of what came, and a line of what was expected."""
    step = WIDTH / max(1, len(came))
    drawn = [
        f'<rect class="a" x="{place * step:.1f}" y="{_y(value, top, HEIGHT):.1f}"'
        f' width="{max(step - 1.0, 0.5):.1f}" height="{HEIGHT - _y(value, top, HEIGHT):.1f}"/>'
        for place, value in enumerate(came)
    ]
    middles = [(place + 0.5) * step for place in range(len(expected))]
    points = " ".join(
        f"{x:.1f},{_y(each, top, HEIGHT):.1f}" for x, each in zip(middles, expected, strict=True)
    )
    drawn.append(f'<polyline class="b" points="{points}"/>')
    return _svg(name, "chart", WIDTH, HEIGHT, drawn)


def _lines(
    values: Sequence[float | None],
    top: float,
    kind: str,
    width: float,
    height: float,
    decimals: int = 1,
) -> list[str]:
    """Polylines, one for each run without a gap."""
    step = (width - 2.0 * _PADDING) / max(1, len(values) - 1)
    runs: list[list[str]] = [[]]
    for place, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            x, y = _PADDING + place * step, _y(value, top, height)
            runs[-1].append(f"{x:.{decimals}f},{y:.{decimals}f}")
    drawn = []
    for run in runs:
        if len(run) == 1:
            cx, cy = run[0].split(",")
            drawn.append(f'<circle class="{kind}" cx="{cx}" cy="{cy}" r="2"/>')
        elif run:
            drawn.append(f'<polyline class="{kind}" points="{" ".join(run)}"/>')
    return drawn


def _y(value: float, top: float, height: float) -> float:
    """Zero at the bottom; what is negative is drawn there."""
    return height - (height - _PADDING) * max(0.0, value) / top


def _svg(name: str, kind: str, width: float, height: float, drawn: Sequence[str]) -> Markup:
    return Markup(
        f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}" preserveAspectRatio="none" role="img"'
        f' aria-label="{escape(name)}">{"".join(drawn)}</svg>'
    )
