"""Money: how much of the fraud is seen, and what a policy costs.

Costs are the policy's, in the amount's currency unit. Letting a fraud through costs `amount +
fee`; declining a legitimate payment costs `margin_share x amount + goodwill`; a review costs
`review_cost` and catches `review_catch_share` of the frauds, the rest cost as if let through.
Declining a fraud and approving a legitimate payment cost nothing.
"""

import numpy as np
from numpy.typing import ArrayLike

from fraud_system.errors import DataError
from fraud_system.events import Action
from fraud_system.metrics.checks import (
    Flags,
    Floats,
    flags,
    floats,
    integers,
    ratio,
    same_length,
    scored,
    weights_or_ones,
)


def value_detection_rate(
    flagged: ArrayLike, is_fraud: ArrayLike, amount: ArrayLike, weight: ArrayLike | None = None
) -> float:
    """Share of the fraud money that is flagged; nan without fraud money.

    >>> value_detection_rate([True, False, True], [True, True, False], [30, 10, 99])
    0.75
    """
    raised, labels, money, weights = _ruled(flagged, is_fraud, amount, weight)
    stolen = np.where(labels, money * weights, 0.0)
    return ratio(np.sum(stolen * raised), np.sum(stolen))


def loss_prevented(
    flagged: ArrayLike,
    is_fraud: ArrayLike,
    amount: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    fee: float = 0.0,
) -> float:
    """Money that the flagged frauds would have cost: sum of `amount + fee`.

    Gross: what flags on legitimate payments and reviews cost is not taken off. Net of everything
    is the `realised_cost` of approving all minus that of the actions taken.

    >>> loss_prevented([True, False, True], [True, True, False], [30, 10, 99], fee=15)
    45.0
    """
    raised, labels, money, weights = _ruled(flagged, is_fraud, amount, weight)
    _cost(fee, "fee")
    return float(np.sum(np.where(raised & labels, (money + fee) * weights, 0.0)))


def realised_cost(
    action: ArrayLike,
    is_fraud: ArrayLike,
    amount: ArrayLike,
    *,
    fee: float,
    margin_share: float,
    goodwill: float,
    review_cost: float,
    review_catch_share: float,
    weight: ArrayLike | None = None,
) -> float:
    """What the actions cost: `cost_of_each`, summed over transactions.

    Args:
        action, is_fraud, amount: (n,) columns, as `cost_of_each`.
        fee, margin_share, goodwill, review_cost, review_catch_share: as `cost_of_each`.
        weight: (n,) importance weights, or None.

    Raises:
        DataError: a column or a cost is not usable.

    >>> costs = dict(fee=15, margin_share=0.1, goodwill=2, review_cost=3, review_catch_share=0.75)
    >>> realised_cost([0, 1, 2, 2], [True, True, True, False], [100, 100, 100, 100], **costs)
    158.75
    """
    cost = cost_of_each(
        action,
        is_fraud,
        amount,
        fee=fee,
        margin_share=margin_share,
        goodwill=goodwill,
        review_cost=review_cost,
        review_catch_share=review_catch_share,
    )
    weights = weights_or_ones(weight, len(cost))
    same_length(action=cost, weight=weights)
    return float(np.sum(cost * weights))


def cost_of_each(
    action: ArrayLike,
    is_fraud: ArrayLike,
    amount: ArrayLike,
    *,
    fee: float,
    margin_share: float,
    goodwill: float,
    review_cost: float,
    review_catch_share: float,
) -> Floats:
    """(n,) what each action cost, now that the labels are known.

    The share that reviews catch is an expectation, not an outcome: the log does not say which.

    Args:
        action: (n,) codes of `events.Action`.
        is_fraud, amount: (n,) columns.
        fee, goodwill, review_cost: money per transaction, not negative.
        margin_share, review_catch_share: shares in [0, 1].

    Raises:
        DataError: a column or a cost is not usable.

    >>> costs = dict(fee=15, margin_share=0.1, goodwill=2, review_cost=3, review_catch_share=0.75)
    >>> cost_of_each([0, 1, 2, 2], [True, True, True, False], [100, 100, 100, 100], **costs)
    array([115.  ,  31.75,   0.  ,  12.  ])
    """
    codes = integers(action, "action")
    if not np.isin(codes, [code.value for code in Action]).all():
        raise DataError("holds a code that is not an Action", field="action")
    labels, money = flags(is_fraud, "is_fraud"), floats(amount, "amount")
    same_length(action=codes, is_fraud=labels, amount=money)
    by_action = _costs_by_action(
        labels, money, fee, margin_share, goodwill, review_cost, review_catch_share
    )
    return np.asarray(np.choose(codes.astype(np.intp), [by_action[each] for each in Action]))


def cost_curve(
    probability: ArrayLike,
    is_fraud: ArrayLike,
    amount: ArrayLike,
    thresholds: ArrayLike,
    *,
    fee: float,
    margin_share: float,
    goodwill: float,
    review_cost: float = 0.0,
    review_catch_share: float = 0.0,
    above: Action = Action.DECLINE,
    weight: ArrayLike | None = None,
) -> Floats:
    """Realised cost of acting on every transaction with expected loss above each threshold.

    Args:
        probability, is_fraud, amount: (n,) columns; expected loss is probability x amount.
        thresholds: (t,) in money; the rest is approved. Expected loss equal to it is approved too.
        fee, margin_share, goodwill, review_cost, review_catch_share: as `realised_cost`; the last
            two matter only for `above=Action.REVIEW`.
        above: what is done above the threshold.
        weight: (n,) importance weights, or None.

    Returns:
        (t,) total costs, in the order of `thresholds`.

    Raises:
        DataError: a column or a cost is not usable.

    >>> costs = dict(fee=0, margin_share=0.1, goodwill=0)
    >>> cost_curve([0.5, 0.2], [True, False], [100, 100], [0, 30, 60], **costs)
    array([ 10.,   0., 100.])
    """
    columns = scored(probability, is_fraud, amount, weight)
    limits = floats(thresholds, "thresholds")
    by_action = _costs_by_action(
        columns.is_fraud,
        columns.amount,
        fee,
        margin_share,
        goodwill,
        review_cost,
        review_catch_share,
    )
    expected_loss = columns.probability * columns.amount
    order = np.argsort(expected_loss, kind="stable")
    acted = np.append(0.0, np.cumsum((by_action[above] * columns.weight)[order][::-1]))[::-1]
    passed = np.append(0.0, np.cumsum((by_action[Action.APPROVE] * columns.weight)[order]))
    at_or_below = np.searchsorted(expected_loss[order], limits, side="right")
    return passed[at_or_below] + acted[at_or_below]


def _ruled(
    flagged: ArrayLike, is_fraud: ArrayLike, amount: ArrayLike, weight: ArrayLike | None
) -> tuple[Flags, Flags, Floats, Floats]:
    raised, labels = flags(flagged, "flagged"), flags(is_fraud, "is_fraud")
    money, weights = floats(amount, "amount"), weights_or_ones(weight, len(raised))
    same_length(flagged=raised, is_fraud=labels, amount=money, weight=weights)
    return raised, labels, money, weights


def _costs_by_action(
    is_fraud: Flags,
    amount: Floats,
    fee: float,
    margin_share: float,
    goodwill: float,
    review_cost: float,
    review_catch_share: float,
) -> dict[Action, Floats]:
    """What each action costs on each row."""
    for value, name in ((fee, "fee"), (goodwill, "goodwill"), (review_cost, "review_cost")):
        _cost(value, name)
    _cost(margin_share, "margin_share", high=1.0)
    _cost(review_catch_share, "review_catch_share", high=1.0)
    let_through = np.where(is_fraud, amount + fee, 0.0)
    return {
        Action.APPROVE: let_through,
        Action.REVIEW: review_cost + (1.0 - review_catch_share) * let_through,
        Action.DECLINE: np.where(is_fraud, 0.0, margin_share * amount + goodwill),
    }


def _cost(value: float, field: str, high: float = np.inf) -> None:
    floats([value], field, high)
