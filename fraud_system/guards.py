"""Guards on learning: what must not reach the weights is refused and counted, and the last good weights stay.

Between the resolved labels and the model stand three of them:

- `BurstGuard`: where more reports come from one source in a day than can be true (a feed that flips, a
  forger), nothing is learned of the transactions beyond, neither that they are fraud nor that they are
  legitimate. The joiner still records the reports, so nothing is lost. What was learned of such a
  transaction before its report came (a first term, under `delay_matched` or `fake_negative_weighted`)
  stays, and the delay law counts the report.
- `usable_rows`: a transaction with an absurd feature is not learned: river's scaler never forgets one.
- `sound_weights`: weights that are no numbers, or beyond any that standardised features need, are not
  published; the learner goes back to the last ones that were sound.

Each is a fold over the ledger's resolved labels alone, so a replay refuses the same ones.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.errors import ConfigError
from fraud_system.events import DAY_US, LabelSource, Resolution, Table
from fraud_system.models.weights import Weights
from fraud_system.setting_checks import check_positive

REPORTS = (Resolution.FRAUD, Resolution.LATE_FRAUD)
BURST, ABSURD, RUNAWAY = "reports_beyond_the_burst_limit", "absurd_features", "runaway_weights"


@dataclass(frozen=True)
class GuardSettings:
    """Where refusing begins.

    Args:
        max_feature: of the size of a feature.
        max_weight: of the size of a weight, on standardised features.
        least_reports: reports of one source that are always learned in a day.
        max_reported_share: beyond those, the share of all labels of the last maturity that one source may
            report in a day; 1 for no limit.

    Raises:
        ConfigError: a number is out of range.
    """

    max_feature: float = 1e9
    max_weight: float = 100.0
    least_reports: int = 1_000
    max_reported_share: float = 0.02

    def __post_init__(self) -> None:
        check_positive("guards", **asdict(self))
        if not isinstance(self.least_reports, int):
            raise ConfigError("must be a whole number", field="guards.least_reports")
        if self.max_reported_share > 1.0:
            raise ConfigError("is a share, at most 1", field="guards.max_reported_share")


class BurstGuard:
    """Counts each source's reports of a day against what all labels of late make plausible.

    Args:
        settings: see `GuardSettings`.
        maturity_us: over which labels are counted, fading.

    >>> guard = BurstGuard(GuardSettings(least_reports=2), maturity_us=DAY_US)
    >>> reports = {
    ...     "seq": np.arange(3), "known_time_us": np.zeros(3, np.int64), "ordinal": np.arange(3),
    ...     "resolution": np.full(3, Resolution.FRAUD), "source": np.full(3, LabelSource.USER_REPORT)}
    >>> guard.refuse(reports)
    1
    >>> guard.learnable(np.arange(4))
    array([ True,  True, False,  True])
    """

    def __init__(self, settings: GuardSettings, maturity_us: int) -> None:
        self.settings = settings
        self.maturity_us = maturity_us
        self._labels = 0.0  # of the days before today, fading
        self._day = self._today = 0
        self._reports = np.zeros(len(LabelSource), np.int64)
        self._refused: set[int] = set()
        self._forgotten = self._looked_through = 0

    def refuse(self, resolved: Table) -> int:
        """Look through the next resolved labels; returns how many reports are beyond the limit."""
        refused = 0
        days = resolved["known_time_us"] // DAY_US
        other = resolved["resolution"] != Resolution.MATURED
        new_day = np.diff(days, prepend=self._day) != 0
        start = 0
        for row in np.flatnonzero(other | new_day).tolist():
            self._today += row - start
            start = row
            if new_day[row]:
                self._begin_day(int(days[row]))
            if other[row] and resolved["resolution"][row] in REPORTS:
                refused += self._refuses(resolved, row)
        self._today += len(days) - start
        return refused

    def learnable(self, ordinal: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(n,) whether the transactions with these ordinals had no report that was refused."""
        refused = self._refused
        if not refused:
            return np.ones(len(ordinal), np.bool_)
        return np.array([each not in refused for each in ordinal.tolist()], np.bool_)

    def _begin_day(self, day: int) -> None:
        fade = math.exp(-(day - self._day) * DAY_US / self.maturity_us)
        self._labels = self._labels * fade + self._today
        self._day, self._today = day, 0
        self._reports[:] = 0

    def _refuses(self, resolved: Table, row: int) -> bool:
        source = int(resolved["source"][row])
        self._reports[source] += 1
        share = self.settings.max_reported_share
        plausible = math.inf if share == 1.0 else share * self._labels
        if self._reports[source] <= max(self.settings.least_reports, plausible):
            return False
        self._refused.add(int(resolved["ordinal"][row]))
        return True

    def forget_before(self, ordinal: int) -> None:
        """No label can come any more of transactions before this one."""
        self._forgotten = ordinal
        # Looking through all of them at every frame would cost more than learning.
        if ordinal - self._looked_through >= max(len(self._refused), 1_000):
            self._looked_through = ordinal
            self._refused = {each for each in self._refused if each >= ordinal}

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical copy, for a snapshot."""
        return {
            "labels": np.array([self._labels]),
            "days": np.array([self._day, self._today], np.int64),
            "reports": self._reports.copy(),
            "refused": np.array(
                sorted(each for each in self._refused if each >= self._forgotten), np.int64
            ),
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""
        self._labels = float(arrays["labels"][0])
        self._day, self._today = (int(each) for each in arrays["days"])
        self._reports[:] = arrays["reports"]
        self._refused = {int(each) for each in arrays["refused"]}


def usable_rows(rows: NDArray[np.float32], settings: GuardSettings) -> NDArray[np.bool_]:
    """(n,) whether all features (n, d) are missing or of a plausible size.

    >>> usable_rows(np.array([[1.0, np.nan], [1e12, 0.0], [np.inf, 0.0]], np.float32), GuardSettings())
    array([ True, False, False])
    """
    usable: NDArray[np.bool_] = np.all(~(np.abs(rows) > settings.max_feature), axis=1)
    return usable


def sound_weights(weights: Weights, settings: GuardSettings) -> bool:
    """Whether these weights may be served.

    >>> good = Weights(np.zeros(1), np.ones(1), np.array([2.0]), np.array([-5.0]))
    >>> sound_weights(good, GuardSettings())
    True
    >>> sound_weights(good._replace(weight=np.array([np.nan])), GuardSettings())
    False
    """
    learned = np.concatenate([weights.weight, weights.intercept])
    scaler = np.concatenate([weights.mean, weights.deviation])
    return bool((np.abs(learned) <= settings.max_weight).all() and np.isfinite(scaler).all())
