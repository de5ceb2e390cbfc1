"""Proper scoring rules: best, on average, when the stated probability is the truth.

Log loss is what the model learns on and what promotion compares. All are means over transactions,
weighted if weights are given; with no weight at all they are undefined and return nan.
"""

import numpy as np
from numpy.typing import ArrayLike

from fraud_system.metrics.checks import Floats, ratio, scored

CLIP = 1e-15


def log_loss(probability: ArrayLike, is_fraud: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Mean negative log likelihood, in nats.

    Probabilities are clipped to [1e-15, 1 - 1e-15], so a certain mistake costs 34.5 nats and not
    infinity. scikit-learn clips likewise (at 2.2e-16 for float64): the two differ only on rows
    closer than that to 0 or 1.

    Args:
        probability: (n,) in [0, 1].
        is_fraud: (n,) bool.
        weight: (n,) not negative, or None.

    Raises:
        DataError: a column is not usable.

    >>> round(log_loss([0.5, 0.25], [True, False]), 6)  # (ln 2 + ln 4/3) / 2
    0.490415
    """
    columns = scored(probability, is_fraud, weight=weight)
    clipped = np.clip(columns.probability, CLIP, 1.0 - CLIP)
    loss = -np.where(columns.is_fraud, np.log(clipped), np.log1p(-clipped))
    return _mean(loss, columns.weight)


def brier(probability: ArrayLike, is_fraud: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Mean squared distance of the probability from the label (Brier 1950, one class).

    With rare fraud it hardly sees the difference between 1e-3 and 1e-5: read log loss first.

    >>> brier([0.5, 0.25], [True, False])  # (1/4 + 1/16) / 2
    0.15625
    """
    columns = scored(probability, is_fraud, weight=weight)
    return _mean((columns.probability - columns.is_fraud) ** 2, columns.weight)


def normalised_entropy(
    probability: ArrayLike, is_fraud: ArrayLike, weight: ArrayLike | None = None
) -> float:
    """Log loss as a share of that of a constant prediction at the observed rate.

    1 is no better than knowing the rate, 0 is perfect; nan when only one class is seen. Comparable
    between periods of different fraud rates, unlike log loss. (He et al. 2014, "Practical lessons
    from predicting clicks on ads at Facebook", equation 1.)

    >>> normalised_entropy([0.5, 0.5], [True, False])
    1.0
    >>> normalised_entropy([0.1, 0.2], [False, False])
    nan
    """
    columns = scored(probability, is_fraud, weight=weight)
    rate = _mean(columns.is_fraud.astype(np.float64), columns.weight)
    if not 0.0 < rate < 1.0:  # nan as well
        return float("nan")
    entropy = -(rate * np.log(rate) + (1.0 - rate) * np.log1p(-rate))
    return ratio(log_loss(columns.probability, columns.is_fraud, columns.weight), entropy)


def _mean(value: Floats, weight: Floats) -> float:
    return ratio(np.sum(weight * value), np.sum(weight))
