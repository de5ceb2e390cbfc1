"""A team can look at so many alerts a day: what does it find if it takes those of highest score?"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fraud_system.metrics.checks import (
    Flags,
    Floats,
    Integers,
    flags,
    floats,
    integers,
    ratio,
    same_length,
    whole,
)


class AlertBudget(NamedTuple):
    """Share of all frauds, and of all fraud money, among the alerts; nan where there is none."""

    recall: float
    value_detection_rate: float


def card_precision_at_k(
    day_index: ArrayLike,
    card_code: ArrayLike,
    probability: ArrayLike,
    is_fraud: ArrayLike,
    k: int = 100,
    *,
    remove_detected: bool = True,
) -> float:
    """Mean over days of `card_precision_by_day`; nan without rows.

    >>> card_precision_at_k([0, 0, 1], [7, 8, 8], [0.9, 0.1, 0.8], [True, False, False], k=1)
    0.5
    """
    by_day = card_precision_by_day(
        day_index, card_code, probability, is_fraud, k, remove_detected=remove_detected
    )
    return ratio(by_day.sum(), len(by_day))


def card_precision_by_day(
    day_index: ArrayLike,
    card_code: ArrayLike,
    probability: ArrayLike,
    is_fraud: ArrayLike,
    k: int = 100,
    *,
    remove_detected: bool = True,
) -> Floats:
    """Per day: of the k cards with the highest score that day, the share with a fraud that day.

    As "Card Precision top-k" of the Fraud Detection Handbook (Le Borgne et al. 2022, chapter 4):
    a card's score is its largest probability of the day, hits are divided by k even on days with
    fewer cards, and a card that was found is left out of the days after. Equal scores go by card
    code, so a score with many ties is judged partly by the codes.

    Args:
        day_index: (n,) whole numbers, rising with time; need not be sorted.
        card_code: (n,) whole numbers.
        probability, is_fraud: (n,) columns.
        k: cards a day.
        remove_detected: leave out cards found on an earlier day.

    Returns:
        (days,) shares, for the days that have rows, in order.

    Raises:
        DataError: a column or a setting is not usable.

    >>> days, cards = [0, 0, 0, 1, 1], [7, 7, 8, 7, 8]
    >>> score, labels = [0.1, 0.9, 0.5, 0.8, 0.3], [True, False, False, True, True]
    >>> card_precision_by_day(days, cards, score, labels, k=1)
    array([1., 1.])
    >>> card_precision_by_day(days, cards, score, labels, k=2, remove_detected=False)
    array([0.5, 1. ])
    """
    days, cards = integers(day_index, "day_index"), integers(card_code, "card_code")
    chance, labels = floats(probability, "probability", high=1.0), flags(is_fraud, "is_fraud")
    same_length(day_index=days, card_code=cards, probability=chance, is_fraud=labels)
    whole(k, "k")
    if len(days) == 0:
        return np.zeros(0)
    days, cards, best, hit = _by_day_and_card(days, cards, chance, labels)
    edges = np.append(np.flatnonzero(np.append(True, days[1:] != days[:-1])), len(days))
    found = cards[:0]
    precision = np.zeros(len(edges) - 1)
    for day in range(len(precision)):
        rows = np.arange(edges[day], edges[day + 1])
        rows = rows[~np.isin(cards[rows], found)]
        top = rows[np.argsort(-best[rows], kind="stable")[:k]]
        hits = cards[top[hit[top]]]
        precision[day] = len(hits) / k
        if remove_detected:
            found = np.append(found, hits)
    return precision


def alert_budget(
    score: ArrayLike,
    is_fraud: ArrayLike,
    amount: ArrayLike,
    alerts_per_day: int,
    day_index: ArrayLike,
) -> AlertBudget:
    """What is found if each day the transactions of highest score are alerts, up to a number.

    Where the budget ends among equal scores, each of them counts with its chance of being drawn:
    the figure is the mean over random tie-breaking, whatever the order of the rows.

    Args:
        score: (n,) not negative: a probability, or an expected loss in money.
        is_fraud, amount: (n,) columns.
        alerts_per_day: the budget, at least 1.
        day_index: (n,) whole numbers; need not be sorted.

    Raises:
        DataError: a column or a setting is not usable.

    >>> alert_budget([0.9, 0.5, 0.5, 0.2], [True, True, False, True], [10, 40, 5, 50], 2, [0] * 4)
    AlertBudget(recall=0.5, value_detection_rate=0.3)
    """
    chance = alert_chance(score, alerts_per_day, day_index)
    labels, money = flags(is_fraud, "is_fraud"), floats(amount, "amount")
    same_length(score=chance, is_fraud=labels, amount=money)
    fraud = labels.astype(np.float64)
    stolen = fraud * money
    return AlertBudget(
        ratio(np.sum(chance * fraud), fraud.sum()), ratio(np.sum(chance * stolen), stolen.sum())
    )


def alert_chance(score: ArrayLike, alerts_per_day: int, day_index: ArrayLike) -> Floats:
    """(n,) chance of each transaction to be an alert: 1 within the day's budget, 0 beyond it.

    Args:
        score: (n,) not negative.
        alerts_per_day: the budget, at least 1.
        day_index: (n,) whole numbers; need not be sorted.

    Raises:
        DataError: a column or a setting is not usable.

    >>> alert_chance([0.2, 0.5, 0.9, 0.5], 2, [0, 0, 0, 0])
    array([0. , 0.5, 1. , 0.5])
    """
    scores, days = floats(score, "score"), integers(day_index, "day_index")
    same_length(score=scores, day_index=days)
    whole(alerts_per_day, "alerts_per_day")
    order = np.lexsort((-scores, days))
    chance = np.empty(len(scores))
    chance[order] = _chance_within_budget(days[order], scores[order], alerts_per_day)
    return chance


def _by_day_and_card(
    days: Integers, cards: Integers, chance: Floats, labels: Flags
) -> tuple[Integers, Integers, Floats, Flags]:
    """One row per day and card: its largest probability, and whether any row is fraud."""
    order = np.lexsort((cards, days))
    days, cards = days[order], cards[order]
    changed = (days[1:] != days[:-1]) | (cards[1:] != cards[:-1])
    start = np.flatnonzero(np.append(True, changed))
    best = np.maximum.reduceat(chance[order], start)
    return days[start], cards[start], best, np.logical_or.reduceat(labels[order], start)


def _chance_within_budget(days: Integers, scores: Floats, budget: int) -> Floats:
    """Chance of each row, sorted by day and falling score, to be among the first `budget`."""
    if len(days) == 0:
        return np.zeros(0)
    new_day = np.append(True, days[1:] != days[:-1])
    tie_start = np.flatnonzero(new_day | np.append(True, scores[1:] != scores[:-1]))
    tie_size = np.diff(np.append(tie_start, len(days)))
    day_start = np.maximum.accumulate(np.where(new_day, np.arange(len(days)), 0))
    ahead = tie_start - day_start[tie_start]
    return np.repeat(np.clip((budget - ahead) / tie_size, 0.0, 1.0), tie_size)
