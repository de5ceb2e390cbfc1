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
from monitoring.weeks import place_in_week, places_in_week

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
    """

    def __init__(self, settings: FraudRateSettings, cohorts: int) -> None:
        self.settings = settings
        self.watch = Watch(
            MONITOR, "share", "reports", "earlier weeks had", settings.detector, cohorts
        )
        self._reports = np.zeros(0)  # of the cohorts in the books, oldest first
        self._usual = np.zeros(0)  # share of frauds in each, as it was usual at its birth
        self._shares = np.zeros(0)  # by place in the week, as of today
        self._slack = 0.0

    def fold(self, stretch: Stretch) -> list[Finding]:
        """Take the next stretch; returns what has changed."""
        older = len(stretch.cohort) - 1
        self._usual = self._usual[len(self._usual) - older :]
        self._reports = self._reports[len(self._reports) - older :]
        if stretch.end_us % DAY_US < stretch.cohort_us:
            self._learn(stretch)
        self._usual = np.append(self._usual, self._usual_now(stretch))
        self._reports = np.append(self._reports, 0.0)
        age = stretch.number - stretch.report_cohort
        held = age < len(self._reports)
        np.add.at(self._reports, -1 - age[held], 1.0)
        judged = held & np.isfinite(self._usual[-1 - np.minimum(age, len(self._usual) - 1)])
        usual = np.nan_to_num(self._usual)
        cohort = stretch.report_cohort[judged]
        return self.watch.fold(
            stretch,
            Marks(cohort, np.ones(len(cohort))),
            Marks(stretch.cohort, usual * stretch.rows * stretch.share),
            stretch.rate_dispersion,
            self._slack,
        )

    def _usual_now(self, stretch: Stretch) -> float:
        """Share of frauds that is usual at this place in the week; nan while that is not known."""
        if not len(self._shares):
            return float("nan")
        return float(self._shares[place_in_week(stretch.cohort[-1:], stretch.cohort_us)[0]])

    def _learn(self, stretch: Stretch) -> None:
        """What is usual at each place in the week, from the cohorts that are old enough."""
        cohort, rows = stretch.cohort[:-1], stretch.rows[:-1]
        known = np.cumsum(stretch.share[::-1])[::-1][:-1]
        old = (stretch.number - cohort) * stretch.cohort_us >= self.settings.gap_s * SECOND_US
        reports = self._reports[old]
        if reports.sum() < self.settings.least_reports:
            return
        exposed = rows[old] * known[old]
        overall = reports.sum() / exposed.sum()
        place = place_in_week(cohort[old], stretch.cohort_us)
        places = places_in_week(stretch.cohort_us)
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
