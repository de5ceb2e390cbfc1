"""Is the model's probability still true? By count and by money, with reports counted as they come.

It sees frauds that exceed, or fall short of, what the model predicted by more than the tolerance: a new
kind of fraud, a fraud that ended, weights that were damaged. The statistic is an e-detector (see
`e_detector`) on the reports of each cohort against those that should have come by now (see `cohorts`); its
unit is transactions, as its threshold is a mean time between false alarms. Money counts each report with its
amount as a share of a cut-off, at most 1, so that one payment decides nothing.

The probability is the model's, whoever answers: in the shadow it is judged alike.

It cannot see: errors that cancel (too high for some, too low for others), which only the slices of the
report show; and whether missing reports mean less fraud or a silent feed, which `label_feed` and
`label_delay` tell apart. A report that is reversed later was counted.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.e_detector import EDetectorSettings
from monitoring.findings import Finding
from monitoring.stretch import Stretch
from monitoring.watch import Marks, Told, Watch

MONITOR = "calibration"
COUNT, MONEY = "count", "money"
EXPECTED = "the model predicted {} by now"


class Calibration:
    """The fold over stretches.

    Args:
        settings: see `EDetectorSettings`; for count and money alike.
        cohorts: held apart (see `EDetector`).
    """

    def __init__(self, settings: EDetectorSettings, cohorts: int) -> None:
        words = {COUNT: "reports", MONEY: "reports' worth of money"}
        self.watches = {
            subject: Watch(MONITOR, subject, Told(what, EXPECTED), settings, cohorts)
            for subject, what in words.items()
        }

    def fold(self, stretch: Stretch) -> list[Finding]:
        """Take the next stretch; returns what has changed."""
        scored = np.isfinite(stretch.report_mark)
        cohort, mark = stretch.report_cohort[scored], stretch.report_mark[scored]
        by_count = self.watches[COUNT].fold(
            stretch,
            Marks(cohort, np.ones(len(cohort))),
            Marks(stretch.cohort, stretch.risk * stretch.share),
            stretch.dispersion,
        )
        by_money = self.watches[MONEY].fold(
            stretch,
            Marks(cohort, mark),
            Marks(stretch.cohort, stretch.money * stretch.share),
            stretch.dispersion,
        )
        return by_count + by_money

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical copy, for a snapshot."""
        return {
            f"{subject}.{name}": array
            for subject, watch in self.watches.items()
            for name, array in watch.to_arrays().items()
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""
        for subject, watch in self.watches.items():
            cut = len(subject) + 1
            watch.restore({n[cut:]: a for n, a in arrays.items() if n.startswith(subject + ".")})
