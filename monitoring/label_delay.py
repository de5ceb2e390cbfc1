"""Do reports still take as long as they used to?

Given that a report comes in a stretch, its transaction belongs to cohort c with a chance in proportion to

    (sum of p in c) x (share of all reports that come at the age of c),

whatever the fraud rate is. So each report is evidence about the law of delays alone: a bet that all delays
are `factor` times as long, or `held_s` longer, multiplies its wealth by the ratio of both chances of what
came. Bets begin with every stretch, as heavy as its transactions, and their mean is an e-detector as in
`e_detector`; its unit is transactions. Each law is mixed with a little of "any cohort alike", so that no
report is impossible. The law is learned as it goes (`fraud_system.delay_law`, which forgets over months), so
that after an alarm it becomes the new one.

A bet on twice as long loses until delays are some 1.4 times as long: that is the tolerance.

It cannot see: delays that move by less; a feed that stopped (`label_feed`); a change in which frauds are
reported late rather than in how many.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.errors import ConfigError
from fraud_system.events import DAY_US, SECOND_US
from fraud_system.setting_checks import check_positive
from monitoring.cohorts import Stretch
from monitoring.findings import Finding, Level

Floats = NDArray[np.float64]
MONITOR, SUBJECT = "label_delay", "reports"
ANY_COHORT = 0.02  # share of "any cohort alike" in each law
MOST = 1e300
END_OF_WARNING = 0.1  # of the threshold at which it began


@dataclass(frozen=True)
class LabelDelaySettings:
    """Args:
        factors: bets are on delays that are so many times as long,
        held_s: and on delays that are so many seconds longer.
        mean_time_between_false_alarms, mean_time_between_false_warnings: in transactions.
        recovery_reports: that come after an alarm before it may end.

    Raises:
        ConfigError: a number is out of range.
    """

    factors: tuple[float, ...] = (0.5, 2.0, 4.0)
    held_s: tuple[float, ...] = (7 * 86_400.0, 14 * 86_400.0)
    mean_time_between_false_alarms: float = 1e7
    mean_time_between_false_warnings: float = 1e6
    recovery_reports: float = 50.0

    def __post_init__(self) -> None:
        check_positive(
            "label_delay",
            mean_time_between_false_alarms=self.mean_time_between_false_alarms,
            mean_time_between_false_warnings=self.mean_time_between_false_warnings,
            recovery_reports=self.recovery_reports,
        )
        bets = (*self.factors, *self.held_s)
        if not bets or not all(0.0 < each < math.inf for each in bets):
            raise ConfigError("must be positive", field="label_delay.factors")


class LabelDelay:
    """The fold over stretches.

    Args:
        settings: see `LabelDelaySettings`.
    """

    def __init__(self, settings: LabelDelaySettings) -> None:
        self.settings = settings
        self.level = Level.OK
        self._wealth = np.zeros(len(settings.factors) + len(settings.held_s))
        self._seen = np.zeros(
            3
        )  # reports, sum of their ages in days, and of those that were expected

    @property
    def evidence(self) -> float:
        """Mean over the bets, in transactions."""
        return float(self._wealth.mean())

    def fold(self, stretch: Stretch) -> list[Finding]:
        """Take the next stretch; returns what has changed."""
        if stretch.number < stretch.judged_from:
            return []
        self._bet(stretch)
        level = self._level()
        findings = []
        if level != self.level:
            findings = [self._finding(level, stretch)]
            self.level = level
        if self.evidence >= self.settings.mean_time_between_false_alarms:
            self._wealth[:] = 0.0
            self._seen[:] = 0.0
        self._wealth = np.minimum(self._wealth + stretch.transactions, MOST)
        return findings

    def _bet(self, stretch: Stretch) -> None:
        age = stretch.number - stretch.report_cohort
        age = age[age < len(stretch.cohort)]
        if not len(age):
            return
        held = stretch.share[::-1]  # by age
        law = np.cumsum(held)
        risk = stretch.risk[::-1]
        usual = _chances(risk * held)
        gain = np.zeros(len(self._wealth))
        ages = np.arange(len(law), dtype=np.float64)
        days = (ages + 0.5) * stretch.cohort_us / DAY_US
        moved = [ages / factor for factor in self.settings.factors]
        moved += [ages - each * SECOND_US / stretch.cohort_us for each in self.settings.held_s]
        for bet, other in enumerate(moved):
            known = np.interp(other, np.append(-1.0, ages), np.append(0.0, law), left=0.0)
            chances = _chances(risk * np.diff(known, prepend=0.0))
            gain[bet] = np.log(chances[age] / usual[age]).sum() / stretch.dispersion
        self._wealth = np.minimum(self._wealth * np.exp(np.minimum(gain, 690.0)), MOST)
        # Of late only, for the words: older ones fade.
        fade = 0.98 ** len(age)
        came = np.array([len(age), days[age].sum(), len(age) * float(days @ usual)])
        self._seen = fade * self._seen + came

    def _level(self) -> Level:
        settings, found = self.settings, self.evidence
        if found >= settings.mean_time_between_false_alarms:
            return Level.ALARM
        warning = settings.mean_time_between_false_warnings
        if self.level == Level.ALARM and self._seen[0] < settings.recovery_reports / 2.0:
            return Level.ALARM
        if found >= (warning * END_OF_WARNING if self.level != Level.OK else warning):
            return Level.WARNING
        return Level.OK

    def _finding(self, level: Level, stretch: Stretch) -> Finding:
        settings = self.settings
        threshold = {
            Level.ALARM: settings.mean_time_between_false_alarms,
            Level.WARNING: settings.mean_time_between_false_warnings,
        }.get(level, float("nan"))
        reports, ages, expected = self._seen.tolist()
        words = "no reports of late"
        if reports > 0.0:
            words = (
                f"reports of late came {ages / reports:.1f} days after their transactions on average, "
                f"where the delays so far make it {expected / reports:.1f}"
            )
        return Finding(
            MONITOR,
            SUBJECT,
            level,
            self.evidence,
            threshold,
            stretch.seq,
            stretch.end_us,
            words,
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical copy, for a snapshot."""
        return {
            "level": np.array([self.level], np.int64),
            "wealth": self._wealth.copy(),
            "seen": self._seen.copy(),
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""
        self.level = Level(int(arrays["level"][0]))
        self._wealth, self._seen = arrays["wealth"].copy(), arrays["seen"].copy()


def _chances(weight: Floats) -> Floats:
    total = weight.sum()
    if total <= 0.0:
        return np.full(len(weight), 1.0 / len(weight))
    return (1.0 - ANY_COHORT) * weight / total + ANY_COHORT / len(weight)
