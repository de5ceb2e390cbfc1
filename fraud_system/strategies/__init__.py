"""What is learned when: from resolved labels to examples, in order.

`mature` waits until a label is final, `fake_negative_weighted` does not wait and corrects by weights,
`delay_matched` waits with each transaction as long as frauds take to be reported. Settings name one.
"""

from typing import Any, Protocol

from numpy.typing import NDArray

from fraud_system.events import Table
from fraud_system.labels import LabelSettings
from fraud_system.logged import LoggedFeatures
from fraud_system.strategies.delay_matched import DelayMatched
from fraud_system.strategies.examples import (
    Examples,
    corrected_for_noise,
    logit_shift,
    sampled,
    weighted,
)
from fraud_system.strategies.fake_negative_weighted import FakeNegativeWeighted
from fraud_system.strategies.mature import Mature
from fraud_system.strategies.settings import STRATEGIES, LearningSettings

__all__ = [
    "STRATEGIES",
    "DelayMatched",
    "Examples",
    "FakeNegativeWeighted",
    "LearningSettings",
    "Mature",
    "Strategy",
    "corrected_for_noise",
    "logit_shift",
    "sampled",
    "strategy_of",
    "weighted",
]


class Strategy(Protocol):
    """A fold over resolved labels."""

    @property
    def oldest_waiting(self) -> int | None:
        """No earlier ordinal is still to be learned; None if nothing is but what is yet to resolve."""

    def examples(self, resolved: Table) -> Examples:
        """What to learn from the next rows of the ledger's `resolved` table."""

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical copy, for a snapshot."""

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""


def strategy_of(
    settings: LearningSettings, labels: LabelSettings, logged: LoggedFeatures
) -> Strategy:
    """The strategy that the settings name, over the transactions in `logged`."""
    if settings.strategy == "delay_matched":
        return DelayMatched(settings, labels, logged)
    if settings.strategy == "fake_negative_weighted":
        return FakeNegativeWeighted(settings, logged)
    return Mature.under(labels)
