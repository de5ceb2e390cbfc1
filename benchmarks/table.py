"""What every benchmark leaves: a table for a person, and the same figures in `results/<target>.json`."""

import json
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path("results")


@dataclass(frozen=True)
class Row:
    """One figure.

    Args:
        name, value, unit: what was measured.
        low, high: spread of `value` over the rounds; None where there was one measurement.
        against: name of the row that it is compared with.
        ratio: of the two values, the way round that the goal is stated in.
        ratio_low, ratio_high: spread of the ratio over the rounds.
        goal: as text, or empty.
    """

    name: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    against: str | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    goal: str = ""

    def as_json(self) -> dict[str, Any]:
        """What is known of it."""
        return {name: value for name, value in asdict(self).items() if value not in (None, "")}


def rates(name: str, unit: str, amount: float, seconds: Sequence[float]) -> Row:
    """A row for `amount` of work that took so many seconds in each round: the median rate.

    >>> rates("learn", "rows/s", 100.0, [1.0, 2.0, 4.0])
    Row(name='learn', value=50.0, unit='rows/s', low=25.0, high=100.0, ...)
    """
    each = [amount / s for s in seconds]
    return Row(name, amount / statistics.median(seconds), unit, min(each), max(each))


def compared(ours: Row, theirs: Row, rounds: Sequence[float] = (), goal: str = "") -> Row:
    """Our row once more, against theirs; `rounds` are the ratios within each round.

    >>> compared(Row("a", 6.0, "rows/s"), Row("b", 2.0, "rows/s"), [2.5, 3.5], ">= 2").ratio
    3.0
    """
    return Row(
        ours.name,
        ours.value,
        ours.unit,
        ours.low,
        ours.high,
        theirs.name,
        ours.value / theirs.value,
        min(rounds, default=None),
        max(rounds, default=None),
        goal,
    )


def text(rows: Sequence[Row]) -> str:
    """For the terminal: a row per figure, the comparison below it."""
    lines = []
    for row in rows:
        if row.against is None or row.ratio is None:
            spread = "" if row.low is None else f"  [{_short(row.low)} .. {_short(row.high)}]"
            lines.append(f"{row.name:66} {_short(row.value):>10} {row.unit}{spread}")
            continue
        spread = ""
        if row.ratio_low is not None and row.ratio_high is not None:
            spread = f" [{row.ratio_low:.3g} .. {row.ratio_high:.3g}]"
        goal = f"  goal {row.goal}" if row.goal else ""
        lines.append(f"  {row.ratio:8.4g} x{spread}{goal}   {row.name} / {row.against}")
    return "\n".join(lines)


def write(
    target: str,
    rows: Sequence[Row],
    packages: Sequence[str],
    about: Mapping[str, Any] | None = None,
) -> Path:
    """Write `results/<target>.json`; a package that is not installed has no version there."""
    result = {
        "target": target,
        "machine": platform.processor() or platform.machine(),
        "versions": {"python": platform.python_version()} | _versions(packages),
        **(about or {}),
        "rows": [row.as_json() for row in rows],
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{target}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return path


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"
