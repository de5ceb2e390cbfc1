"""Online Platt scaling: a line through the log odds that were served, so that probabilities stay true.

    p = sigmoid(offset + slope * log odds of the model)

It starts at the identity and learns each transaction's label against the log odds that were *served* for it,
with the weights of that moment: so it sees what the model does to new transactions, not what it has
learned about old ones (Platt 1999; updated online as in Kuleshov and Ermon 2017, here second order with
forgetting, see `gaussian`). It is a stage that any model can have: two numbers in a publication.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.errors import ConfigError
from fraud_system.models.gaussian import (
    empty_pending,
    factorised,
    learn_rows,
    pending_arrays,
    prior_gaussian,
    restore_pending,
)
from fraud_system.setting_checks import check_positive

Floats = NDArray[np.float64]
IDENTITY = np.array([0.0, 1.0])
# A model that wants more than this is broken, which is for the monitors to see and not to be hidden here.
LARGEST_OFFSET = 3.0
SLOPES = (0.2, 5.0)
MAX_LOG_ODDS = 50.0  # of a row that is learned: beyond it a probability says no more


@dataclass(frozen=True)
class RecalibrationSettings:
    """How firmly it starts at the identity, and how long it remembers.

    Args:
        enabled: otherwise it stays the identity.
        offset_precision, slope_precision: of the Gaussian prior around offset 0 and slope 1.
        memory_labels: labels after which what was known has faded to 1/e; may be infinite.

    Raises:
        ConfigError: a number is out of range.
    """

    enabled: bool = False
    offset_precision: float = 100.0
    slope_precision: float = 1_000.0
    memory_labels: float = 50_000.0

    def __post_init__(self) -> None:
        if not isinstance(self.enabled, bool):
            raise ConfigError("must be true or false", field="recalibration.enabled")
        numbers = {name: value for name, value in asdict(self).items() if name != "enabled"}
        check_positive("recalibration", infinite="memory_labels", **numbers)
        if self.memory_labels < 10.0:
            raise ConfigError("must be at least 10", field="recalibration.memory_labels")


class Recalibration:
    """The line and how sure it is.

    Args:
        settings: see `RecalibrationSettings`.
        block_labels: labels that are learned together.

    >>> stage = Recalibration(RecalibrationSettings(enabled=True), block_labels=1)
    >>> stage.line()
    array([0., 1.])
    >>> stage.learn(np.array([-2.0]), np.array([1.0]), np.array([1.0]))  # a fraud that had .12
    >>> bool(stage.line()[0] > 0.0)
    True
    """

    def __init__(self, settings: RecalibrationSettings, block_labels: int = 250) -> None:
        self.settings = settings
        prior = np.array([settings.offset_precision, settings.slope_precision])
        self._gaussian = prior_gaussian(IDENTITY, prior)
        self._pending = empty_pending(block_labels, 2)

    def learn(self, log_odds: Floats, curve: Floats, target: Floats) -> None:
        """Take examples (n,) in order; a row without log odds (nan) is passed over.

        See `fast_forward_terms` for `curve` and `target`.
        """
        if not self.settings.enabled:
            return
        usable = np.isfinite(log_odds)
        bounded = np.clip(log_odds[usable], -MAX_LOG_ODDS, MAX_LOG_ODDS)
        rows = np.column_stack([np.ones(len(bounded)), bounded])
        keep = 1.0 - 1.0 / self.settings.memory_labels
        before = np.empty(len(rows))
        learn_rows(self._gaussian, self._pending, rows, curve[usable], target[usable], keep, before)

    def line(self) -> Floats:
        """(2,) offset and slope, within their bounds."""
        offset, slope = self._gaussian.mean
        return np.array(
            [
                min(max(offset, -LARGEST_OFFSET), LARGEST_OFFSET),
                min(max(slope, SLOPES[0]), SLOPES[1]),
            ]
        )

    @property
    def refused_blocks(self) -> int:
        """Blocks that would have spoiled the line."""
        return int(self._pending.refused[0])

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical copy, for a snapshot."""
        arrays = {"mean": self._gaussian.mean.copy(), "precision": self._gaussian.precision.copy()}
        return arrays | pending_arrays(self._pending)

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""
        self._gaussian.mean[:] = arrays["mean"]
        self._gaussian.precision[:] = arrays["precision"]
        self._gaussian.factor[:] = factorised(self._gaussian.precision)
        restore_pending(self._pending, arrays)
