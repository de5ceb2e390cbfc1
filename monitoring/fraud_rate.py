"""Has the share of frauds changed, whatever the model thinks of it?

Reports are compared with those that as many transactions brought by the same age in earlier weeks, so it
does not wait for maturity. What was usual is learned from the cohorts of the horizon that are older than
`gap_s`: reports over transactions x F(age), for each place of the cohort in the week (drawn towards the
overall share as far as chance explains the differences). A cohort takes what is usual at its birth, so that a
shift does not make itself usual before `gap_s` has passed; after the horizon it is the new usual. The
statistic is the e-detector of `watch`; because what is usual is itself an estimate from R reports, the
tolerance grows by two of its standard errors, sqrt(dispersion / R).

It cannot see: a change that is slower than the horizon, or that a season of its own explains; and whether
reports are missing because there is less fraud or because they are late. Frauds that come in clusters make it
slow: the dispersion around a constant share is larger than around the model's probabilities, because the
model knows of running episodes.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.events import DAY_US, SECOND_US
from fraud_system.setting_checks import check_positive
from monitoring.e_detector import EDetectorSettings
from monitoring.findings import Finding
from monitoring.stretch import Stretch
from monitoring.watch import Marks, Told, Watch
from monitoring.weeks import places_in_week

Floats = NDArray[np.float64]
MONITOR, SUBJECT = "fraud_rate", "share"


@dataclass(frozen=True)
class FraudRateSettings:
    """Args:
        detector: see `EDetectorSettings`.
        gap_s: cohorts younger than this are not usual yet, seconds.
        least_reports: below this many in the reference nothing is judged.

    Raises:
        ConfigError: a number is out of range.
    """

    detector: EDetectorSettings = field(default_factory=EDetectorSettings)
    gap_s: int = 14 * 86_400
    least_reports: float = 100.0

    def __post_init__(self) -> None:
        check_positive("fraud_rate", gap_s=self.gap_s, least_reports=self.least_reports)


class FraudRate:
    """The fold over stretches.

    Args:
        settings: see `FraudRateSettings`.
        cohorts: held apart (see `EDetector`).
        size: cohorts whose labels may still come, at most.
        cohort_us: length of a stretch.
    """

    def __init__(
        self, settings: FraudRateSettings, cohorts: int, size: int, cohort_us: int
    ) -> None:
        self.settings = settings
        told = Told("reports", "by the shares of earlier weeks it would be {} by now")
        self.watch = Watch(MONITOR, SUBJECT, told, settings.detector, cohorts)
        self._usual = np.zeros(
            size
        )  # share that was usual at a cohort's birth, by number; 0: unknown
        self._shares = np.zeros(places_in_week(cohort_us))  # by place in the week, as of today
        self._slack = 0.0

    def fold(self, stretch: Stretch) -> list[Finding]:
        """Take the next stretch; returns what has changed."""
        size = len(self._usual)
        if stretch.end_us % DAY_US < stretch.cohort_us:
            self._learn(stretch)
        self._usual[stretch.number % size] = self._shares[stretch.number % len(self._shares)]
        cohort = stretch.report_cohort[stretch.report_cohort >= stretch.cohort[0]]
        cohort = cohort[self._usual[cohort % size] > 0.0]
        usual = self._usual[stretch.cohort % size]
        return self.watch.fold(
            stretch,
            Marks(cohort, np.ones(len(cohort))),
            Marks(stretch.cohort, usual * stretch.rows * stretch.share),
            stretch.rate_dispersion,
            self._slack,
        )

    def _learn(self, stretch: Stretch) -> None:
        """What is usual at each place in the week, from the cohorts that are old enough."""
        young = -(-self.settings.gap_s * SECOND_US // stretch.cohort_us)
        reports, total = stretch.reported[:-young], float(stretch.reported[:-young].sum())
        if total < self.settings.least_reports:
            return
        known = np.cumsum(stretch.share[::-1])[::-1]
        place, places = stretch.cohort[:-young] % len(self._shares), len(self._shares)
        self._shares = shrunk_shares(
            _sums(place, reports, places),
            _sums(place, (stretch.rows * known)[:-young], places),
            stretch.rate_dispersion,
        )
        self._slack = min(0.5, 2.0 * math.sqrt(stretch.rate_dispersion / total))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical copy, for a snapshot."""
        arrays: dict[str, NDArray[Any]] = {
            "usual": self._usual.copy(),
            "shares": self._shares.copy(),
            "slack": np.array([self._slack]),
        }
        return arrays | {f"watch.{n}": a for n, a in self.watch.to_arrays().items()}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""
        self._usual, self._shares = arrays["usual"].copy(), arrays["shares"].copy()
        self._slack = float(arrays["slack"][0])
        self.watch.restore({n[6:]: a for n, a in arrays.items() if n.startswith("watch.")})


def _sums(place: NDArray[np.int64], values: Floats, places: int) -> Floats:
    sums: Floats = np.bincount(place, values, places).astype(np.float64)
    return sums


def shrunk_shares(reports: Floats, rows: Floats, dispersion: float) -> Floats:
    """(n,) reports per row of each place, drawn towards the overall share.

    As far as the places differ by no more than chance lets them, all get the overall share; as far as they
    differ by more, their own (empirical Bayes: a gamma law of shares, its variance by moments).

    >>> shrunk_shares(np.array([11.0, 9.0]), np.array([1_000.0, 1_000.0]), 1.0)
    array([0.01, 0.01])
    >>> shrunk_shares(np.array([900.0, 100.0]), np.array([1_000.0, 1_000.0]), 1.0).round(2)
    array([0.9, 0.1])
    """
    overall = float(reports.sum() / rows.sum())
    expected = overall * rows
    beyond_chance = ((reports - expected) ** 2).sum() - dispersion * expected.sum()
    if beyond_chance <= 0.0:
        return np.full(len(reports), overall)
    variance = float(beyond_chance / (rows**2).sum())
    prior_rows = dispersion * overall / variance
    shares: Floats = (reports + overall * prior_rows) / (rows + prior_rows)
    return shares
