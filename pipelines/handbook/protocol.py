"""The Handbook's folds: which transactions of which days count, and how they are scored.

A fold is a training week, seven days in which labels arrive, and a test week. From a test day are removed
the cards that are known to be compromised by then: those with a fraud in the training week, or on the
delay days up to eight days before that day. An online model is scored on the same transactions, with the
probabilities that it gave when they happened.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from fraud_system.events import DAY_US
from fraud_system.metrics import average_precision, card_precision_at_k, roc_auc

TRAINING_DAYS = DELAY_DAYS = TEST_DAYS = 7
TEST_STARTS = (date(2018, 7, 25), date(2018, 8, 1), date(2018, 8, 8), date(2018, 8, 15))
# Choices are made on folds whose last test day comes before the first day of the test folds.
CHOICE_STARTS = (date(2018, 6, 13), date(2018, 6, 20), date(2018, 6, 27), date(2018, 7, 4))
CARDS_A_DAY = 100


@dataclass(frozen=True)
class FoldScores:
    """One fold, or the mean of several."""

    roc_auc: float
    average_precision: float
    card_precision_100: float


def day_number(day: date) -> int:
    """Days since 1970.

    >>> day_number(date(1970, 1, 3))
    2
    """
    return (day - date(1970, 1, 1)).days


def scored_rows(
    start: date, day: NDArray[np.int64], card: NDArray[np.int64], is_fraud: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Positions of the transactions that a fold scores.

    Args:
        start: first day of the training week.
        day: (n,) days since 1970.
        card: (n,) code of each card.
        is_fraud: (n,) the truth.

    >>> day = np.array([0, 14, 14, 15])  # days after the start of the training week
    >>> card, fraud = np.array([7, 7, 8, 8]), np.array([True, False, True, False])
    >>> scored_rows(date(1970, 1, 1), day, card, fraud)  # card 7 is known; 8 is not yet known on day 15
    array([2, 3])
    """
    first = day_number(start)
    test_first = first + TRAINING_DAYS + DELAY_DAYS
    kept = []
    for number in range(TEST_DAYS):
        known = (day >= first) & (day < first + TRAINING_DAYS + number) & is_fraud
        compromised = np.unique(card[known])
        today = np.flatnonzero(day == test_first + number)
        kept.append(today[~np.isin(card[today], compromised)])
    return np.concatenate(kept)


def fold_scores(
    rows: NDArray[np.int64],
    day: NDArray[np.int64],
    card: NDArray[np.int64],
    is_fraud: NDArray[np.bool_],
    probability: NDArray[np.float64],
) -> FoldScores:
    """The book's three figures over one fold's rows."""
    p, y = probability[rows], is_fraud[rows]
    return FoldScores(
        roc_auc(p, y),
        average_precision(p, y),
        card_precision_at_k(day[rows], card[rows], p, y, CARDS_A_DAY, remove_detected=True),
    )


def mean_scores(folds: list[FoldScores]) -> FoldScores:
    """The mean of each figure."""
    return FoldScores(
        float(np.mean([fold.roc_auc for fold in folds])),
        float(np.mean([fold.average_precision for fold in folds])),
        float(np.mean([fold.card_precision_100 for fold in folds])),
    )


def days_of(event_time_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Days since 1970 of each event."""
    return event_time_us // DAY_US
