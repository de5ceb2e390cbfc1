"""Are the weights in force old, although there was something to learn?

- *publications overdue*: labels that were resolved since the weights in force were adopted, in units of what
  makes a publication due. Said with the very label that makes it so.
- *age of weights*: seconds since the first label was resolved that they do not know, at the end of a stretch;
  judged only once a second publication is due by the labels that came. So with little traffic, or before
  there is any, weights are old and well.

It cannot see a learner that publishes in time and learns nothing.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.errors import ConfigError
from fraud_system.events import SECOND_US, Frame, Table
from fraud_system.setting_checks import check_positive
from monitoring.findings import Finding
from monitoring.limits import At, Limits
from monitoring.stretch import Stretch

MONITOR = "sanity"
AGE, OVERDUE = "age of weights", "publications overdue"
NEVER_US = -1
DUE = 2.0  # publications: the first may be on its way


@dataclass(frozen=True)
class StalenessSettings:
    """Args:
        overdue_warning, overdue_alarm: publications.
        age_warning_s, age_alarm_s: since there is a label that the weights do not know, seconds.

    Raises:
        ConfigError: a number is out of range.
    """

    overdue_warning: float = 5.0
    overdue_alarm: float = 20.0
    age_warning_s: float = 2 * 86_400.0
    age_alarm_s: float = 7 * 86_400.0

    def __post_init__(self) -> None:
        check_positive("staleness", **asdict(self))
        for name, unit in (("overdue", ""), ("age", "_s")):
            warning, alarm = (getattr(self, f"{name}_{w}{unit}") for w in ("warning", "alarm"))
            if warning > alarm:
                raise ConfigError(
                    "must not exceed that of the alarm", field=f"staleness.{name}_warning{unit}"
                )


class Staleness:
    """The fold over frames and stretches.

    Args:
        settings: see `StalenessSettings`.
        publish_every_labels: how many labels make a publication due.
    """

    def __init__(self, settings: StalenessSettings, publish_every_labels: int) -> None:
        self.settings = settings
        self.publish_every_labels = publish_every_labels
        self.limits = Limits(MONITOR, [AGE, OVERDUE])
        self._labels = 0  # resolved since the weights in force were adopted,
        self._newer_us = self._due_us = (
            NEVER_US  # the first of them, and the one that makes a second due
        )

    def fold(self, frame: Frame) -> list[Finding]:
        """Take the next frame; returns what has changed."""
        if "published" in frame.tables:
            self._newer_us, self._due_us, self._labels = NEVER_US, NEVER_US, 0
            at = At(int(frame.tables["published"]["seq"][0]), frame.known_time_us)
            return self._overdue(0.0, at, "newer weights were adopted")
        return self._count(frame.tables["resolved"]) if "resolved" in frame.tables else []

    def fold_stretch(self, stretch: Stretch) -> list[Finding]:
        """Take the next stretch; returns what has changed."""
        is_due = NEVER_US < self._due_us < stretch.end_us
        age_s = (stretch.end_us - self._newer_us) / SECOND_US if is_due else 0.0
        return self.limits.above(
            AGE,
            age_s,
            (self.settings.age_warning_s, self.settings.age_alarm_s),
            At(stretch.seq, stretch.end_us),
            lambda: self._words(age_s),
        )

    def _words(self, age_s: float) -> str:
        if age_s < self.settings.age_warning_s:
            return "newer weights were adopted"
        return (
            f"for {age_s / 3_600:.1f} hours labels have come that the weights in force do not know, "
            f"{self._labels:,} by now"
        )

    def _count(self, resolved: Table) -> list[Finding]:
        before, rows = self._labels, len(resolved["seq"])
        if before == 0:
            self._newer_us = int(resolved["known_time_us"][0])
        self._labels += rows
        findings: list[Finding] = []
        for publications in (DUE, self.settings.overdue_warning, self.settings.overdue_alarm):
            row = math.ceil(publications * self.publish_every_labels) - before - 1
            if not 0 <= row < rows:
                continue
            at = At(int(resolved["seq"][row]), int(resolved["known_time_us"][row]))
            if publications == DUE:
                self._due_us = at.known_us
            words = f"{before + row + 1:,} labels resolved since the weights in force were adopted"
            findings += self._overdue(publications, at, words)
        return findings

    def _overdue(self, publications: float, at: At, words: str) -> list[Finding]:
        limits = self.settings.overdue_warning, self.settings.overdue_alarm
        return self.limits.above(OVERDUE, publications, limits, at, lambda: words)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical copy, for a snapshot."""
        since = self._newer_us, self._due_us, self._labels
        return {"levels": self.limits.array(), "since": np.array(since, np.int64)}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""
        self.limits.restore(np.asarray(arrays["levels"]))
        self._newer_us, self._due_us, self._labels = arrays["since"].tolist()
