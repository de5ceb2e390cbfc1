"""The Handbook's folds: which transactions of which days count, and how they are scored.

A fold is a training week, seven days in which labels arrive, and a test week. From a test day are removed
the cards that are known to be compromised by then: those with a fraud in the training week, or on the
delay days up to eight days before that day. An online model is scored on the same transactions, with the
probabilities that it gave when they happened.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from fraud_system.errors import DataError
from fraud_system.events import DAY_US
from fraud_system.metrics import average_precision, card_precision_at_k, roc_auc

TRAINING_DAYS = DELAY_DAYS = TEST_DAYS = 7
CARDS_A_DAY = 100


@dataclass(frozen=True)
class FoldSet:
    """Weekly folds whose test weeks follow each other.

    Args:
        name: as given to `make handbook FOLDS=...`.
        starts: first day of each training week.
        before: only transactions before this day exist for these folds; None where all of them do.
    """

    name: str
    starts: tuple[date, ...]
    before: date | None = None

    @property
    def first_test_day(self) -> date:
        """The first day that is scored."""
        return self.starts[0] + timedelta(TRAINING_DAYS + DELAY_DAYS)

    @property
    def last_test_day(self) -> date:
        """The last day that is scored.

        >>> TEST.last_test_day, CHOICE.last_test_day
        (datetime.date(2018, 9, 4), datetime.date(2018, 7, 24))
        """
        return self.starts[-1] + timedelta(TRAINING_DAYS + DELAY_DAYS + TEST_DAYS - 1)


TEST = FoldSet("test", (date(2018, 7, 25), date(2018, 8, 1), date(2018, 8, 8), date(2018, 8, 15)))
# Every choice is made on these: nothing of theirs is later than the day before the first test fold.
CHOICE = FoldSet(
    "choice",
    (date(2018, 6, 13), date(2018, 6, 20), date(2018, 6, 27), date(2018, 7, 4)),
    before=date(2018, 7, 25),
)
FOLD_SETS = {each.name: each for each in (TEST, CHOICE)}


@dataclass(frozen=True)
class Scored:
    """What the protocol needs of a run, one row a transaction in ledger order.

    Args:
        day: (n,) int64, days since 1970.
        card: (n,) int64 codes from 0, as `pandas.factorize` gives them.
        is_fraud: (n,) bool, the truth.
        probability: (n,) float64.
    """

    day: NDArray[np.int64]
    card: NDArray[np.int64]
    is_fraud: NDArray[np.bool_]
    probability: NDArray[np.float64]


@dataclass(frozen=True)
class FoldScores:
    """The book's three figures of one fold."""

    roc_auc: float
    average_precision: float
    card_precision_100: float


def day_number(day: date) -> int:
    """Days since 1970.

    >>> day_number(date(1970, 1, 3))
    2
    """
    return (day - date(1970, 1, 1)).days


def days_of(event_time_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Days since 1970 of each event."""
    return event_time_us // DAY_US


def scored_rows(
    start: date, day: NDArray[np.int64], card: NDArray[np.int64], is_fraud: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Positions of the transactions that a fold scores.

    Args:
        start: first day of the training week.
        day: (n,) days since 1970.
        card: (n,) code of each card.
        is_fraud: (n,) the truth.

    Raises:
        DataError: there is none.

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
    rows = np.concatenate(kept)
    if not len(rows):
        raise DataError(
            f"has no transaction in the week from {start + timedelta(TRAINING_DAYS + DELAY_DAYS)}",
            field="data",
            fix="give the Handbook's stream, 2018-04-01 to 2018-09-04 or longer",
        )
    return rows


def labelled_rows(start: date, day: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n,) bool: whose label is known when the test week begins, so a batch model may learn it.

    >>> labelled_rows(date(1970, 1, 1), np.array([0, 6, 7, 14]))
    array([ True,  True, False, False])
    """
    return day < day_number(start) + TRAINING_DAYS


def fold_scores(rows: NDArray[np.int64], scored: Scored) -> FoldScores:
    """The book's three figures over one fold's rows; hits leave the following days of the week."""
    day, card = scored.day[rows], scored.card[rows]
    p, y = scored.probability[rows], scored.is_fraud[rows]
    return FoldScores(
        roc_auc(p, y),
        average_precision(p, y),
        card_precision_at_k(day, card, p, y, CARDS_A_DAY, remove_detected=True),
    )


def in_test_weeks(folds: FoldSet, day: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n,) bool: every transaction of the test weeks, those of compromised cards included."""
    return (day >= day_number(folds.first_test_day)) & (day <= day_number(folds.last_test_day))
