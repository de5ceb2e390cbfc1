"""An e-detector with a level: when an alarm begins, and when it ends.

An alarm begins when the evidence of a side reaches the mean time between false alarms. The detector
then starts again with the cohorts that follow. Once they were expected to bring `recovery_reports`, the alarm
ends if what they brought is within the tolerance and one standard deviation on that side; if not, it starts
again once more: what was wrong soon after an alarm is not held against what is right by now. A warning
begins at its own threshold and ends when the evidence is a tenth of it.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraud_system.events import DAY_US
from monitoring.e_detector import FEWER, MORE, EDetector, EDetectorSettings
from monitoring.findings import Finding, Level
from monitoring.stretch import Stretch

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
END_OF_WARNING = 0.1  # of the threshold at which it began
SIDES = ("more", "fewer")
OWN = ("levels", "evidence")


class Marks(NamedTuple):
    """Marks (n,), and the number of the cohort that each belongs to."""

    cohort: Ints
    mark: Floats


class Told(NamedTuple):
    """The words of a watch.

    Args:
        what: that is counted.
        expected: who expected how many, with a place for the number.
        begins: before `the last 3.5 days`.
        ends: before `the alarm`.
    """

    what: str
    expected: str
    begins: str = "from the transactions of"
    ends: str = "from the transactions since"


class Watch:
    """One number that is watched on both sides.

    Args:
        monitor, subject: of the findings; the side is added to the subject.
        told: its words.
        settings: of the detector.
        cohorts: held apart.
        sides: MORE, FEWER: what is told; the other side is not even looked at.
    """

    def __init__(
        self,
        monitor: str,
        subject: str,
        told: Told,
        settings: EDetectorSettings,
        cohorts: int,
        sides: tuple[int, ...] = (MORE, FEWER),
    ) -> None:
        self.monitor, self.subject, self.told = monitor, subject, told
        self.settings, self.sides = settings, sides
        self.detector = EDetector(settings, cohorts)
        self.levels = [Level.OK, Level.OK]
        self.evidence = (0.0, 0.0)

    def fold(
        self,
        stretch: Stretch,
        reports: Marks,
        expected: Marks,
        dispersion: float,
        slack: float = 0.0,
    ) -> list[Finding]:
        """Take what came in a stretch, and what was expected; returns what has changed."""
        detector, first = self.detector, stretch.judged_from
        if stretch.number < first:
            return []
        if detector.next_cohort == 0:
            detector.begin(0.0)
        detector.report(reports.cohort - first, reports.mark, dispersion)
        detector.expect(expected.cohort - first, expected.mark, dispersion, slack)
        findings = self._judge(stretch, dispersion)
        detector.begin(float(stretch.transactions))
        return findings

    def _judge(self, stretch: Stretch, dispersion: float) -> list[Finding]:
        more, fewer = self.detector.evidence()
        self.evidence = more * (MORE in self.sides), fewer * (FEWER in self.sides)
        findings = []
        for side in self.sides:
            level = self._level(side, dispersion)
            if level != self.levels[side]:
                findings.append(self._finding(side, level, stretch))
                self.levels[side] = level
        is_judged = Level.ALARM in self.levels and self._is_enough
        if is_judged or max(self.evidence) >= self._threshold(Level.ALARM):
            self.detector.restart()
        return findings

    def _level(self, side: int, dispersion: float) -> Level:
        found, held = self.evidence[side], self.levels[side]
        if found >= self._threshold(Level.ALARM):
            return Level.ALARM
        if held == Level.ALARM and not self._recovered(side, dispersion):
            return Level.ALARM
        warning = self._threshold(Level.WARNING)
        if found >= (warning * END_OF_WARNING if held == Level.WARNING else warning):
            return Level.WARNING
        return Level.OK

    @property
    def _is_enough(self) -> bool:
        return self.detector.total[1] >= self.settings.recovery_reports

    def _recovered(self, side: int, dispersion: float) -> bool:
        observed, expected = self.detector.total
        beyond = observed - expected if side == MORE else expected - observed
        chance = math.sqrt(dispersion * expected)
        return self._is_enough and beyond <= self.settings.tolerance * expected + chance

    def _threshold(self, level: Level) -> float:
        if level == Level.ALARM:
            return self.settings.mean_time_between_false_alarms
        return self.settings.mean_time_between_false_warnings

    def _finding(self, side: int, level: Level, stretch: Stretch) -> Finding:
        told, (observed, expected) = self.told, self.detector.total
        since = f"{told.ends} the alarm"
        if level != Level.OK:
            cohort, observed, expected = self.detector.since(side)
            days = (self.detector.next_cohort - cohort) * stretch.cohort_us / DAY_US
            long = f"{days:.1f} days" if days >= 2.0 else f"{24.0 * days:.0f} hours"
            since = f"{told.begins} the last {long}"
        came = f"{observed:,.0f}" if observed == int(observed) else f"{observed:,.1f}"
        words = (
            f"{since} came {came} {told.what}, where {told.expected.format(f'{expected:,.1f}')}; "
            f"tolerated is {self.settings.tolerance:.0%} more or fewer"
        )
        return Finding(
            self.monitor,
            f"{self.subject}: {SIDES[side]}",
            level,
            self.evidence[side],
            self._threshold(level),
            stretch.seq,
            stretch.end_us,
            words,
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical copy, for a snapshot."""
        own = {"levels": np.array(self.levels, np.int64), "evidence": np.array(self.evidence)}
        return own | self.detector.to_arrays()

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""
        self.levels = [Level(each) for each in arrays["levels"].tolist()]
        more, fewer = arrays["evidence"].tolist()
        self.evidence = (more, fewer)
        self.detector.restore({name: a for name, a in arrays.items() if name not in OWN})
