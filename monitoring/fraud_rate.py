"""Has the share of frauds changed, whatever the model thinks of it?

Reports are compared with those that as many transactions brought by the same age in earlier weeks, so it
does not wait for maturity. What was usual is learned from the cohorts of the horizon that are older than
`gap_s`: reports over transactions x F(age), for each place of the cohort in the week (drawn towards the
overall share by as much as `prior_reports` would). A cohort takes what is usual at its birth, so that a
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
from monitoring.watch import Marks, Watch
from monitoring.weeks import places_in_week

Floats = NDArray[np.float64]
MONITOR = "fraud_rate"


@dataclass(frozen=True)
class FraudRateSettings:
    """Args:
        detector: see `EDetectorSettings`.
        gap_s: cohorts younger than this are not usual yet, seconds.
        prior_reports: pull of the overall share on each place in the week.
        least_reports: below this many in the reference nothing is judged.

    Raises:
        ConfigError: a number is out of range.
    """

    detector: EDetectorSettings = field(default_factory=EDetectorSettings)
    gap_s: int = 14 * 86_400
    prior_reports: float = 20.0
    least_reports: float = 100.0

    def __post_init__(self) -> None:
        check_positive(
            "fraud_rate",
            gap_s=self.gap_s,
            prior_reports=self.prior_reports,
            least_reports=self.least_reports,
        )


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
        self.watch = Watch(
            MONITOR, "share", "reports", "earlier weeks had", settings.detector, cohorts
        )
        self._reports = np.zeros(size)  # of each cohort, by its number % size
        self._usual = np.zeros(size)  # share of frauds that was usual at its birth; 0 where unknown
        self._shares = np.zeros(places_in_week(cohort_us))  # by place in the week, as of today
        self._slack = 0.0

    def fold(self, stretch: Stretch) -> list[Finding]:
        """Take the next stretch; returns what has changed."""
        size, place = len(self._usual), stretch.number % len(self._shares)
        at = stretch.cohort % size
        self._reports[at[-1]] = 0.0
        if stretch.end_us % DAY_US < stretch.cohort_us:
            self._learn(stretch, at)
        self._usual[at[-1]] = self._shares[place]
        cohort = stretch.report_cohort[stretch.report_cohort >= stretch.cohort[0]]
        np.add.at(self._reports, cohort % size, 1.0)
        cohort = cohort[self._usual[cohort % size] > 0.0]
        return self.watch.fold(
            stretch,
            Marks(cohort, np.ones(len(cohort))),
            Marks(stretch.cohort, self._usual[at] * stretch.rows * stretch.share),
            stretch.rate_dispersion,
            self._slack,
        )

    def _learn(self, stretch: Stretch, at: NDArray[np.int64]) -> None:
        """What is usual at each place in the week, from the cohorts that are old enough."""
        young = -(-self.settings.gap_s * SECOND_US // stretch.cohort_us)
        reports = self._reports[at[:-young]]
        if reports.sum() < self.settings.least_reports:
            return
        known = np.cumsum(stretch.share[::-1])[::-1]
        exposed = (stretch.rows * known)[:-young]
        overall = reports.sum() / exposed.sum()
        places = len(self._shares)
        place = stretch.cohort[:-young] % places
        prior = self.settings.prior_reports
        self._shares = (np.bincount(place, reports, places) + prior) / (
            np.bincount(place, exposed, places) + prior / overall
        )
        self._slack = min(0.5, 2.0 * math.sqrt(stretch.rate_dispersion / reports.sum()))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical copy, for a snapshot."""
        own = {"reports": self._reports, "usual": self._usual, "shares": self._shares}
        arrays = {name: array.copy() for name, array in own.items()}
        arrays["slack"] = np.array([self._slack])
        return arrays | {f"watch.{n}": a for n, a in self.watch.to_arrays().items()}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""
        self._reports, self._usual, self._shares = (
            arrays[name].copy() for name in ("reports", "usual", "shares")
        )
        self._slack = float(arrays["slack"][0])
        self.watch.restore({n[6:]: a for n, a in arrays.items() if n.startswith("watch.")})
