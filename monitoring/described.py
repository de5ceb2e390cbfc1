"""The monitors as a table for the documents, from what their own modules say of themselves.

    python -m monitoring.described

Each module opens with what it asks, and says what it cannot see; what its findings are called, and which may
switch, is in `switching_patterns`. `docs/monitoring.md` holds this table, and a test holds it against this.
"""

import inspect
import re
from dataclasses import fields
from fnmatch import fnmatchcase
from types import ModuleType

from monitoring import (
    calibration,
    expectation,
    fraud_rate,
    label_delay,
    label_feed,
    latency,
    performance,
    sanity,
    shift,
    staleness,
)
from monitoring.health import HealthSettings
from monitoring.settings import MonitorSettings
from monitoring.switching_patterns import MONITORS, SUBJECTS

MODULES = (
    sanity,
    staleness,
    latency,
    shift,
    calibration,
    fraud_rate,
    performance,
    expectation,
    label_feed,
    label_delay,
)


def table_of_monitors() -> str:
    """As Markdown: where each is set, what it asks, cannot see and tells, and what may switch."""
    lines = [
        "| settings | asks | cannot see | its findings | its alarms that switch by default |",
        "|---|---|---|---|---|",
    ]
    for module in MODULES:
        name = module.__name__.rpartition(".")[2]
        words = inspect.getdoc(module) or ""
        asks = words.splitlines()[0]
        may = ", ".join(f"`{pattern}`" for pattern in switching(module)) or "no"
        told = ", ".join(f"`{each}`" for each in findings(module))
        lines.append(f"| `[{name}]` | {asks} | {cannot_see(words)} | {told} | {may} |")
    return "\n".join(lines)


def cannot_see(words: str) -> str:
    """What a module's docstring says of its limits, on one line.

    >>> cannot_see("Is it so? It cannot see: what is\\nhidden, and why. Else it does.\\n\\nMore.")
    'what is hidden, and why. Else it does.'
    """
    found = re.search(r"\bIt cannot see:?\s+(.*?)(?:\n\n|\Z)", words, re.DOTALL)
    assert found is not None, words
    return " ".join(found[1].split())


def findings(module: ModuleType) -> list[str]:
    """What its findings are called, as `monitor/subject`.

    >>> findings(staleness)
    ['sanity/age of weights', 'sanity/publications overdue']
    """
    told = [text for text in vars(module).values() if isinstance(text, str)]
    found = []
    for monitor in (name for name in MONITORS if name in told):
        # Several modules may speak as one monitor; each names its own subjects then.
        shared = sum(getattr(each, "MONITOR", "") == monitor for each in MODULES) > 1
        subjects = SUBJECTS[monitor] or ("<feature>", "<feature>: missing")
        found += [f"{monitor}/{each}" for each in subjects if not shared or each in told]
    return found


def switching(module: ModuleType) -> list[str]:
    """The patterns of `HealthSettings.switching` that its findings can match."""
    own = findings(module)
    return [
        pattern
        for pattern in HealthSettings().switching
        if any(fnmatchcase(each, pattern) for each in own)
    ]


def undescribed() -> list[str]:
    """Settings of monitors that no module here is about; what all share is left out.

    >>> undescribed()
    []
    """
    shared = {"cohorts", "dispersion", "cohorts_held"}
    known = {module.__name__.rpartition(".")[2] for module in MODULES}
    return sorted({each.name for each in fields(MonitorSettings)} - known - shared)


if __name__ == "__main__":
    print(table_of_monitors())
