"""Do reports still take as long as they used to?

Given that a report comes in a stretch, its transaction belongs to cohort c with a chance in proportion to

    (sum of p in c) x (share of all reports that come at the age of c) x (reports so far / expected so far),

the last one of c and of what is within a day of it, so that a fraud rate that moves is not taken for delays
that move. So each report is evidence about the law of delays alone: a bet that all delays are `factor` times
as long, or `held_s` longer, multiplies its wealth by the ratio of both chances of what came. Bets begin with
every stretch, as heavy as its transactions, and their mean is an e-detector as in `e_detector` (but for the
ratio of reports, which is an estimate); its unit is transactions. Each law is mixed with a little of "any
cohort alike", so that no report is impossible. The law is learned as it goes (`fraud_system.delay_law`,
which forgets over months), so that after an alarm it becomes the new one.

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
from monitoring.findings import Finding, Level
from monitoring.stretch import Stretch

Floats = NDArray[np.float64]
MONITOR, SUBJECT = "label_delay", "reports"
PRIOR_REPORTS = 10.0  # pull of the model's probabilities on how many reports a cohort brings
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
        self._reports_since = 0  # the last alarm began
        self._law_number = -1  # of the law that these are of:
        self._laws: Floats = np.zeros((0, 0))
        self._seen = np.zeros(3)  # reports, sum of their ages in days, and of those expected

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
            self._reports_since = 0
        self._wealth = np.minimum(self._wealth + stretch.transactions, MOST)
        return findings

    def _bet(self, stretch: Stretch) -> None:
        age = stretch.number - stretch.report_cohort
        age = age[age < len(stretch.cohort)]
        if not len(age):
            return
        if self._law_number != stretch.law_number:
            self._law_number = stretch.law_number
            self._laws = self._moved(stretch)
        # (1 + bets, c) of each law: the chance that a report of this stretch is about the cohort of an age.
        weight = self._laws[:, : len(stretch.cohort)] * stretch.risk[::-1] * self._rates(stretch)
        total = weight.sum(axis=1, keepdims=True)
        even = 1.0 / weight.shape[1]
        known = np.divide(weight, total, out=np.full_like(weight, even), where=total > 0.0)
        chance = (1.0 - ANY_COHORT) * known + ANY_COHORT * even
        logs = np.log(chance[:, age])
        gain = np.minimum((logs[1:] - logs[0]).sum(axis=1) / stretch.dispersion, 690.0)
        self._wealth = np.minimum(self._wealth * np.exp(gain), MOST)
        # Of late only, for the words: older ones fade.
        days, reports = stretch.cohort_us / DAY_US, len(age)
        self._reports_since += reports
        expected = (known[0] * (np.arange(weight.shape[1]) + 0.5)).sum()
        came = np.array([reports, (age + 0.5).sum(), reports * expected])
        self._seen = 0.98**reports * self._seen + came * np.array([1.0, days, days])

    def _rates(self, stretch: Stretch) -> Floats:
        """(1 + bets, c) how many reports each cohort brings, by age, in units of the model's probabilities.

        Of those that came before, within a day around; drawn towards 1.
        """
        expected = np.cumsum(self._laws, axis=1)[:, : len(stretch.cohort)]
        expected = (expected - self._laws[:, : len(stretch.cohort)]) * stretch.risk[::-1]
        both = np.vstack([stretch.reported[::-1], expected])
        total = np.cumsum(np.pad(both, ((0, 0), (1, 0))), axis=1)
        place, width = np.arange(both.shape[1]), DAY_US // stretch.cohort_us
        near = total[:, np.minimum(place + width + 1, len(place))]
        near = near - total[:, np.maximum(place - width, 0)]
        return (PRIOR_REPORTS + near[0]) / (PRIOR_REPORTS + near[1:])

    def _moved(self, stretch: Stretch) -> Floats:
        """(1 + bets, a) the law by age, and what it would be under each bet."""
        ages = np.arange(-1.0, len(stretch.law))
        known = np.append(0.0, np.cumsum(stretch.law))
        held = [each * SECOND_US / stretch.cohort_us for each in self.settings.held_s]
        moved = [ages, *(ages / each for each in self.settings.factors), *(ages - h for h in held)]
        return np.diff([np.interp(each, ages, known) for each in moved], axis=1)

    def _level(self) -> Level:
        settings, found = self.settings, self.evidence
        if found >= settings.mean_time_between_false_alarms:
            return Level.ALARM
        warning = settings.mean_time_between_false_warnings
        if self.level == Level.ALARM and self._reports_since < settings.recovery_reports:
            return Level.ALARM
        if found >= (warning * END_OF_WARNING if self.level != Level.OK else warning):
            return Level.WARNING
        return Level.OK

    def _finding(self, level: Level, stretch: Stretch) -> Finding:
        settings = self.settings
        threshold = settings.mean_time_between_false_warnings
        if level == Level.ALARM:
            threshold = settings.mean_time_between_false_alarms
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
            "level": np.array([self.level, self._reports_since], np.int64),
            "wealth": self._wealth.copy(),
            "seen": self._seen.copy(),
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""
        level, self._reports_since = arrays["level"].tolist()
        self.level = Level(level)
        self._wealth, self._seen = arrays["wealth"].copy(), arrays["seen"].copy()
