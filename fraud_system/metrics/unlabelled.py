"""What to expect of a rule before its labels are in: rates from the probabilities alone.

Labels take weeks. If the probabilities are true, they already say how many frauds are among the
flagged and how many are not, hence recall, specificity and the share of fraud money found. This
reports what the model *believes*; it cannot notice that the model is wrong, which is what
`calibration` is for.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fraud_system.metrics.checks import (
    Flags,
    Floats,
    flags,
    floats,
    ratio,
    same_length,
    share,
    whole,
)
from fraud_system.metrics.redraw import redrawn_sums


@dataclass(frozen=True)
class ExpectedRates:
    """Expected rates, each with the interval in which the realised rate should fall.

    Args:
        recall, specificity: as `Rates`; nan where that class is expected to be empty.
        value_detection_rate: share of fraud money flagged; nan without amounts.
        *_low, *_high: of the realised rate, once labels are known.
    """

    recall: float
    recall_low: float
    recall_high: float
    specificity: float
    specificity_low: float
    specificity_high: float
    value_detection_rate: float
    value_detection_rate_low: float
    value_detection_rate_high: float


def expected_rates(
    probability: ArrayLike,
    flagged: ArrayLike,
    amount: ArrayLike | None = None,
    draws: int = 999,
    seed: int = 0,
    level: float = 0.95,
) -> ExpectedRates:
    """Recall, specificity and value detection rate of a rule, assuming calibration.

    The figures are ratios of expectations, e.g. `sum_flagged p / sum p`. The intervals are
    quantiles of the rates over labels redrawn from the probabilities: Monte Carlo from the
    Poisson-binomial law, not the delta method, which fails when a few payments hold most of the
    expected fraud money. They hold chance in the labels only, taken as independent: not
    miscalibration, nor bursts of fraud on one card, both of which make the truth wider. Draws
    without any fraud are left out.

    Args:
        probability: (n,) in [0, 1].
        flagged: (n,) bool.
        amount: (n,) not negative, or None.
        draws: redrawn sets of labels.
        seed: of the redraws.
        level: of the intervals.

    Raises:
        DataError: a column or a setting is not usable.

    >>> rates = expected_rates([0.9, 0.6, 0.5], [True, True, False], amount=[10, 10, 100])
    >>> rates.recall, rates.specificity, round(rates.value_detection_rate, 4)
    (0.75, 0.5, 0.2308)
    >>> rates.recall_low, rates.recall_high
    (0.0, 1.0)
    """
    chance, raised = floats(probability, "probability", high=1.0), flags(flagged, "flagged")
    money = np.zeros(len(chance)) if amount is None else floats(amount, "amount")
    same_length(probability=chance, flagged=raised, amount=money)
    whole(draws, "draws")
    share(level, "level")
    rows = np.bincount(raised, minlength=2).astype(np.float64)
    count = _expected_and_redrawn(chance, np.ones(len(chance)), raised, draws, seed)
    value = _expected_and_redrawn(chance, money, raised, draws, seed)
    return ExpectedRates(
        *_rate(count[:, 1], count[:, 0], level),
        *_rate(rows[0] - count[:, 0], rows[1] - count[:, 1], level),
        *_rate(value[:, 1], value[:, 0], level),
    )


def _expected_and_redrawn(
    probability: Floats, coefficient: Floats, flagged: Flags, draws: int, seed: int
) -> Floats:
    """(1 + draws, 2): fraud mass not flagged and flagged; row 0 is its expectation."""
    expected = np.bincount(flagged, coefficient * probability, minlength=2)
    redrawn = redrawn_sums(probability, coefficient, flagged.astype(np.int64), 2, draws, seed)
    return np.vstack([expected, redrawn])


def _rate(part: Floats, rest: Floats, level: float) -> tuple[float, float, float]:
    """`part / (part + rest)` of row 0, and the interval of the other rows."""
    total = part + rest
    seen = total[1:] > 0
    if total[0] <= 0 or not seen.any():
        return ratio(part[0], total[0]), float("nan"), float("nan")
    drawn = part[1:][seen] / total[1:][seen]
    low = np.quantile(drawn, (1.0 - level) / 2.0, method="lower")
    high = np.quantile(drawn, (1.0 + level) / 2.0, method="higher")
    return ratio(part[0], total[0]), float(low), float(high)
