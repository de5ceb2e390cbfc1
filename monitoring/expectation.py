"""How good should it be, while no labels are in? From the probabilities alone.

If the probabilities are true they say how many frauds are among what was flagged, hence recall and the
share of fraud money found, weeks before labels. The figures are ratios of sums over the last `window_s`;
with intervals, and for any rows at hand, `fraud_system.metrics.expected_rates` gives them. A warning, if the
expected recall falls below `least_recall`, or the share that is flagged rises above `most_flagged`.

It cannot see that the model is wrong: `calibration` does. It is what should be, not what is.
"""

import math
from collections import deque
from dataclasses import asdict, astuple, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.errors import ConfigError
from fraud_system.events import SECOND_US
from fraud_system.setting_checks import check_positive
from monitoring.findings import Finding, Level
from monitoring.stretch import Expected, Stretch

MONITOR = "expectation"
RECALL, FLAGGED = "expected recall", "share flagged"


@dataclass(frozen=True)
class ExpectationSettings:
    """Args:
        window_s: over which is summed.
        least_rows: that the window must hold before anything is said.
        least_recall: 0 for no warning.
        most_flagged: 1 for no warning.

    Raises:
        ConfigError: a number is out of range.
    """

    window_s: int = 86_400
    least_rows: int = 1_000
    least_recall: float = 0.0
    most_flagged: float = 1.0

    def __post_init__(self) -> None:
        check_positive("expectation", zero_or_more="least_recall", **asdict(self))
        if self.least_recall > 1.0 or self.most_flagged > 1.0:
            raise ConfigError("is a share", field="expectation.most_flagged")


@dataclass(frozen=True)
class ExpectedFigures:
    """Of the window; nan where there is nothing to divide by."""

    transactions: float
    frauds: float
    share_flagged: float
    recall: float
    specificity: float
    value_detection_rate: float


class Expectation:
    """The fold over stretches.

    Args:
        settings: see `ExpectationSettings`.
        cohort_us: length of a stretch.
    """

    def __init__(self, settings: ExpectationSettings, cohort_us: int) -> None:
        self.settings = settings
        stretches = max(1, settings.window_s * SECOND_US // cohort_us)
        self._window: deque[Expected] = deque(maxlen=stretches)
        self.levels = dict.fromkeys((RECALL, FLAGGED), Level.OK)

    def fold(self, stretch: Stretch) -> list[Finding]:
        """Take the next stretch; returns what has changed."""
        self._window.append(stretch.expected)
        settings = self.settings
        if stretch.number < stretch.judged_from:
            return []
        if settings.least_recall == 0.0 and settings.most_flagged == 1.0:
            return []
        figures = self.figures()
        findings = []
        for subject, value, limit, is_bad in (
            (RECALL, figures.recall, settings.least_recall, figures.recall < settings.least_recall),
            (
                FLAGGED,
                figures.share_flagged,
                settings.most_flagged,
                figures.share_flagged > settings.most_flagged,
            ),
        ):
            enough = figures.transactions >= settings.least_rows
            level = Level.WARNING if is_bad and enough else Level.OK
            if level != self.levels[subject]:
                self.levels[subject] = level
                words = f"{subject} {value:.3f} of {figures.transactions:,.0f} transactions"
                ends = stretch.seq, stretch.end_us
                findings.append(Finding(MONITOR, subject, level, value, limit, *ends, words))
        return findings

    def figures(self) -> ExpectedFigures:
        """Of the window."""
        sums = np.array([astuple(each) for each in self._window], np.float64)
        rows, flagged, fraud, found, money, money_found = sums.reshape(-1, 6).sum(axis=0).tolist()

        def ratio(part: float, total: float) -> float:
            return part / total if total > 0.0 else math.nan

        return ExpectedFigures(
            transactions=rows,
            frauds=fraud,
            share_flagged=ratio(flagged, rows),
            recall=ratio(found, fraud),
            specificity=ratio((rows - flagged) - (fraud - found), rows - fraud),
            value_detection_rate=ratio(money_found, money),
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical copy, for a snapshot."""
        window = [astuple(each) for each in self._window]
        return {
            "window": np.array(window, np.float64).reshape(-1, len(fields(Expected))),
            "levels": np.array(list(self.levels.values()), np.int64),
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""
        self._window.clear()
        self._window += [Expected(*row) for row in arrays["window"].tolist()]
        levels = [Level(each) for each in arrays["levels"].tolist()]
        self.levels = dict(zip(self.levels, levels, strict=True))
