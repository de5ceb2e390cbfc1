"""The monitors as a table for the documents, from what their own modules say of themselves.

    python -m monitoring.described

Each module opens with what it asks, and says what it cannot see; which alarms may switch is a setting of
`health`. `docs/monitoring.md` holds this table, and a test holds it against this.
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
    """As Markdown: what each asks, what it cannot see, where it is set, and what may switch."""
    lines = ["| monitor | asks | cannot see | its alarms that may switch |", "|---|---|---|---|"]
    for module in MODULES:
        name = module.__name__.rpartition(".")[2]
        words = inspect.getdoc(module) or ""
        asks = words.splitlines()[0]
        may = ", ".join(f"`{pattern}`" for pattern in switching(module)) or "no"
        lines.append(f"| `{name}` | {asks} | {cannot_see(words)} | {may} |")
    return "\n".join(lines)


def cannot_see(words: str) -> str:
    """What a module's docstring says of its limits, on one line.

    >>> cannot_see("Is it so? It cannot see: what is\\nhidden, and why. Else it does.\\n\\nMore.")
    'what is hidden, and why. Else it does.'
    """
    found = re.search(r"\bIt cannot see:?\s+(.*?)(?:\n\n|\Z)", words, re.DOTALL)
    assert found is not None, words
    return " ".join(found[1].split())


def switching(module: ModuleType) -> list[str]:
    """The patterns of `HealthSettings.switching` that its findings can match."""
    told = [text for text in vars(module).values() if isinstance(text, str) and "\n" not in text]
    others = {
        other.MONITOR for other in MODULES if other is not module and hasattr(other, "MONITOR")
    }
    found = []
    for pattern in HealthSettings().switching:
        monitor, _, subject = pattern.partition("/")
        is_own = monitor in told and monitor not in others
        if is_own or (monitor in told and any(fnmatchcase(text, subject) for text in told)):
            found.append(pattern)
    return found


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
