"""Exact running sums of the metrics that are sums: for monitors that see each batch once.

Log loss, Brier and expected / observed are ratios of sums, so a stream gives them exactly. AUC is
not, and is not offered here: approximations by bins were measured to be far off.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fraud_system.compiled import compiled
from fraud_system.metrics.checks import ratio, scored
from fraud_system.metrics.proper import CLIP

_ROWS, _FRAUDS, _EXPECTED, _MONEY_EXPECTED, _MONEY_FRAUD, _LOG_LOSS, _BRIER = range(7)


class StreamingScores:
    """Running log loss, Brier, normalised entropy and expected / observed.

    Sums are compensated (Neumaier 1974), row by row in a fixed order: any cutting of the same
    rows into batches gives the same bits, and another order agrees to the last digit or two. Each
    figure equals its batch counterpart up to rounding, and is nan where that is.

    >>> scores = StreamingScores()
    >>> scores.update([0.5], [True], [10.0])
    >>> scores.update([0.25], [False], [40.0])
    >>> scores.rows, scores.brier, scores.expected_over_observed
    (2, 0.15625, 0.75)
    """

    def __init__(self) -> None:
        self._sums = np.zeros((7, 2))  # sum, and what rounding took from it

    def update(self, probability: ArrayLike, is_fraud: ArrayLike, amount: ArrayLike) -> None:
        """Add a batch of labelled transactions; a refused batch (`DataError`) adds nothing."""
        columns = scored(probability, is_fraud, amount)
        _add(columns.probability, columns.is_fraud, columns.amount, self._sums)

    @property
    def rows(self) -> int:
        """Transactions so far."""
        return int(self._sum(_ROWS))

    @property
    def frauds(self) -> int:
        """Frauds so far."""
        return int(self._sum(_FRAUDS))

    @property
    def log_loss(self) -> float:
        """As `log_loss`."""
        return ratio(self._sum(_LOG_LOSS), self._sum(_ROWS))

    @property
    def brier(self) -> float:
        """As `brier`."""
        return ratio(self._sum(_BRIER), self._sum(_ROWS))

    @property
    def normalised_entropy(self) -> float:
        """As `normalised_entropy`."""
        rate = ratio(self._sum(_FRAUDS), self._sum(_ROWS))
        if not 0.0 < rate < 1.0:
            return float("nan")
        entropy = -(rate * math.log(rate) + (1.0 - rate) * math.log1p(-rate))
        return self.log_loss / entropy

    @property
    def expected_over_observed(self) -> float:
        """As `expected_over_observed`, by count."""
        return ratio(self._sum(_EXPECTED), self._sum(_FRAUDS))

    @property
    def expected_over_observed_amount(self) -> float:
        """As `expected_over_observed`, by money."""
        return ratio(self._sum(_MONEY_EXPECTED), self._sum(_MONEY_FRAUD))

    def _sum(self, which: int) -> float:
        return float(self._sums[which, 0] + self._sums[which, 1])


@compiled
def _add(probability: Any, is_fraud: Any, amount: Any, sums: Any) -> None:
    terms = np.empty(sums.shape[0])
    for row in range(len(probability)):
        chance, fraud = probability[row], is_fraud[row]
        clipped = min(max(chance, CLIP), 1.0 - CLIP)
        terms[_ROWS] = 1.0
        terms[_FRAUDS] = 1.0 if fraud else 0.0
        terms[_EXPECTED] = chance
        terms[_MONEY_EXPECTED] = amount[row] * chance
        terms[_MONEY_FRAUD] = amount[row] if fraud else 0.0
        terms[_LOG_LOSS] = -math.log(clipped) if fraud else -math.log1p(-clipped)
        terms[_BRIER] = (chance - terms[_FRAUDS]) ** 2
        for which in range(len(terms)):
            term, before = terms[which], sums[which, 0]
            after = before + term
            if abs(before) >= abs(term):
                sums[which, 1] += (before - after) + term
            else:
                sums[which, 1] += (term - after) + before
            sums[which, 0] = after
