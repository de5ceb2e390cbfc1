"""What can be chosen about learning from labels."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fraud_system.errors import ConfigError
from fraud_system.toml_section import suggestion

STRATEGIES = ("mature", "fake_negative_weighted", "delay_matched")

# Lowest and highest value of each number.
LEARNING_RANGES = {
    "keep_legitimate": (1e-4, 1.0),
    "false_fraud_share": (0.0, 0.5),
    "missed_fraud_share": (0.0, 0.9),
    "weight_cap": (1.0, 1e6),
}


@dataclass(frozen=True)
class LearningSettings:
    """Which strategy, and what is done with its examples.

    Args:
        strategy: one of `STRATEGIES`.
        keep_legitimate: share in (0, 1] of legitimate transactions that the model learns from.
        false_fraud_share: known share of legitimate transactions that are reported as fraud.
        missed_fraud_share: known share of frauds that are never reported.
        weight_cap: at least 1, the most that one example with a propensity counts.

    Raises:
        ConfigError: one of them is out of range, or two exclude each other.

    >>> LearningSettings("matured")
    Traceback (most recent call last):
    fraud_system.errors.ConfigError: learning.strategy: unknown strategy 'matured' (fix: ...)
    """

    strategy: str = "mature"
    keep_legitimate: float = 1.0
    false_fraud_share: float = 0.0
    missed_fraud_share: float = 0.0
    weight_cap: float = 20.0

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise ConfigError(
                f"unknown strategy {self.strategy!r}",
                field="learning.strategy",
                fix=suggestion(str(self.strategy), STRATEGIES),
            )
        for name, (least, most) in LEARNING_RANGES.items():
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or math.isnan(value) or not least <= value <= most:
                raise ConfigError(
                    f"must be a number from {least:g} to {most:g}, not {value!r}",
                    field=f"learning.{name}",
                )
        noisy = self.false_fraud_share + self.missed_fraud_share
        if noisy >= 0.95:
            raise ConfigError(
                f"shares of wrong labels sum to {noisy:g}: nothing can be learned from them",
                field="learning.missed_fraud_share",
            )
        if noisy and self.keep_legitimate < 1.0:
            raise ConfigError(
                "cannot be combined with known shares of wrong labels: among those that are kept "
                "the shares are others",
                field="learning.keep_legitimate",
                fix="leave one of them out",
            )

    def reported_share(self, probability: NDArray[np.float64]) -> NDArray[np.float64]:
        """The chance of a report, given the probability of fraud.

        >>> noisy = LearningSettings(false_fraud_share=0.1, missed_fraud_share=0.4)
        >>> noisy.reported_share(np.array([0.0, 0.5, 1.0]))
        array([0.1 , 0.35, 0.6 ])
        """
        return self.false_fraud_share + probability * (
            1.0 - self.false_fraud_share - self.missed_fraud_share
        )

    def sampled_prevalence(self, prevalence: float) -> float:
        """The fraud rate among what the model learns from.

        >>> LearningSettings(keep_legitimate=0.1).sampled_prevalence(0.01)
        0.091743...
        """
        if self.keep_legitimate == 1.0:
            return prevalence
        return prevalence / (prevalence + self.keep_legitimate * (1.0 - prevalence))
