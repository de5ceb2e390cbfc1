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
from monitoring.compiled import borrowing
from monitoring.findings import Finding, Level
from monitoring.stretch import Stretch

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
        held = np.array(self.settings.held_s) * SECOND_US / stretch.cohort_us
        gain = np.zeros(len(self._wealth))
        expected_age = _gains(
            stretch.risk[::-1].copy(),
            np.cumsum(stretch.share[::-1]),
            np.array(self.settings.factors),
            held,
            age,
            gain,
        )
        gain = np.minimum(gain / stretch.dispersion, 690.0)
        self._wealth = np.minimum(self._wealth * np.exp(gain), MOST)
        # Of late only, for the words: older ones fade.
        days, reports = stretch.cohort_us / DAY_US, len(age)
        came = np.array([reports, (age + 0.5).sum() * days, reports * expected_age * days])
        self._seen = 0.98**reports * self._seen + came

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


@borrowing
def _gains(risk: Any, law: Any, factors: Any, held: Any, age: Any, gain: Any) -> float:
    """Add to `gain` (bets,) the log likelihood ratio of the reports' ages (m,), in stretches.

    Args:
        risk: (c,) sum of p of the cohort of each age.
        law: (c,) share of all reports that come by that age.
        factors, held: the bets.

    Returns: the mean age to expect under the law, in stretches.
    """
    usual, mean = 0.0, 0.0
    for each in range(len(law)):
        chance = risk[each] * _step(law, each, 1.0, 0.0)
        usual += chance
        mean += chance * (each + 0.5)
    for bet in range(len(gain)):
        factor = factors[bet] if bet < len(factors) else 1.0
        shift = held[bet - len(factors)] if bet >= len(factors) else 0.0
        total = 0.0
        for each in range(len(law)):
            total += risk[each] * _step(law, each, factor, shift)
        for row in range(len(age)):
            moved = _chance(risk[age[row]] * _step(law, age[row], factor, shift), total, len(law))
            now = _chance(risk[age[row]] * _step(law, age[row], 1.0, 0.0), usual, len(law))
            gain[bet] += math.log(moved / now)
    return mean / usual if usual > 0.0 else 0.0


@borrowing
def _step(law: Any, age: int, factor: float, held: float) -> float:
    """Share of the reports that come at an age if delays are `factor` times as long and `held` longer."""
    return _share_by(law, (age - held) / factor) - _share_by(law, (age - 1 - held) / factor)


@borrowing
def _share_by(law: Any, age: float) -> float:
    """The law between the ages that it is given for: a straight line, from nothing at the age -1."""
    if age <= -1.0:
        return 0.0
    before = math.floor(age)
    if before >= len(law) - 1:
        return law[len(law) - 1]
    below = law[before] if before >= 0 else 0.0
    return below + (age - before) * (law[before + 1] - below)


@borrowing
def _chance(weight: float, total: float, cohorts: int) -> float:
    known = weight / total if total > 0.0 else 1.0 / cohorts
    return (1.0 - ANY_COHORT) * known + ANY_COHORT / cohorts
