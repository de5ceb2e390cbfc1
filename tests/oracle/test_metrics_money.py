"""Money and alerts: hand-worked cases, and slow and obvious programs as oracles."""

import itertools
import math
from collections import defaultdict

import numpy as np
import pytest

from fraud_system.errors import DataError
from fraud_system.events import Action
from fraud_system.metrics import (
    alert_budget,
    card_precision_at_k,
    card_precision_by_day,
    cost_curve,
    loss_prevented,
    realised_cost,
    value_detection_rate,
)

COSTS = {
    "fee": 15.0,
    "margin_share": 0.02,
    "goodwill": 5.0,
    "review_cost": 3.0,
    "review_catch_share": 0.8,
}


def test_detected_value_by_hand():
    flagged, is_fraud = [True, False, True, True], [True, True, False, True]
    amount, weight = [100, 300, 1_000, 50], [1, 1, 1, 2]
    assert value_detection_rate(flagged, is_fraud, amount) == pytest.approx(150 / 450)
    assert value_detection_rate(flagged, is_fraud, amount, weight) == pytest.approx(200 / 500)
    assert loss_prevented(flagged, is_fraud, amount) == 150
    assert loss_prevented(flagged, is_fraud, amount, weight, fee=15) == 115 + 2 * 65
    assert math.isnan(value_detection_rate([True], [False], [10]))


def test_realised_cost_by_hand():
    action = [Action.APPROVE, Action.REVIEW, Action.DECLINE] * 2
    is_fraud, amount = [True] * 3 + [False] * 3, [200.0] * 6
    each = [215.0, 3 + 0.2 * 215, 0.0, 0.0, 3.0, 4 + 5.0]
    assert realised_cost(action, is_fraud, amount, **COSTS) == pytest.approx(sum(each))
    weight = [1, 0, 1, 1, 1, 10]
    assert realised_cost(action, is_fraud, amount, **COSTS, weight=weight) == pytest.approx(
        np.dot(each, weight)
    )


def test_approving_all_minus_declining_frauds_is_the_loss_prevented():
    generator = np.random.default_rng(0)
    is_fraud, amount = generator.random(500) < 0.1, generator.lognormal(3, 1, 500)
    none, best = np.zeros(500, int), np.where(is_fraud, Action.DECLINE, Action.APPROVE)
    saved = realised_cost(none, is_fraud, amount, **COSTS)
    saved -= realised_cost(best, is_fraud, amount, **COSTS)
    assert saved == pytest.approx(loss_prevented(is_fraud, is_fraud, amount, fee=15))


@pytest.mark.parametrize("above", [Action.DECLINE, Action.REVIEW])
def test_cost_curve_is_the_realised_cost_at_each_threshold(above):
    generator = np.random.default_rng(1)
    probability = np.round(generator.beta(0.5, 5, 300), 1)  # ties, so that the edge matters
    is_fraud = generator.random(300) < probability
    amount, weight = generator.integers(0, 20, 300) * 10.0, generator.random(300)
    thresholds = [50.0, 0.0, 1.0, 3.0, 1e9]
    curve = cost_curve(
        probability, is_fraud, amount, thresholds, **COSTS, above=above, weight=weight
    )
    for threshold, cost in zip(thresholds, curve, strict=True):
        action = np.where(probability * amount > threshold, above, Action.APPROVE)
        one = realised_cost(action, is_fraud, amount, **COSTS, weight=weight)
        assert cost == pytest.approx(one)


def test_unusable_costs_and_actions_are_refused():
    with pytest.raises(DataError, match=r"^margin_share: row 0 is 2"):
        realised_cost([0], [True], [1.0], **{**COSTS, "margin_share": 2.0})
    with pytest.raises(DataError, match=r"^fee: "):
        loss_prevented([True], [True], [1.0], fee=math.nan)
    with pytest.raises(DataError, match=r"^action: holds a code"):
        realised_cost([7], [True], [1.0], **COSTS)
    with pytest.raises(DataError, match=r"^action: is of type float64"):
        realised_cost([0.0], [True], [1.0], **COSTS)


def _slow_card_precision(days, cards, score, is_fraud, k, remove_detected):
    """Dictionaries and loops, straight from the definition."""
    found, by_day = set(), []
    for day in sorted(set(days.tolist())):
        best, hit = defaultdict(float), defaultdict(bool)
        for row in np.flatnonzero(days == day):
            card = int(cards[row])
            if card not in found:
                best[card] = max(best[card], score[row])
                hit[card] |= bool(is_fraud[row])
        top = sorted(best, key=lambda card: (-best[card], card))[:k]
        hits = [card for card in top if hit[card]]
        by_day.append(len(hits) / k)
        found |= set(hits) if remove_detected else set()
    return by_day


@pytest.mark.parametrize("remove_detected", [True, False])
@pytest.mark.parametrize("steps", [5, 10_000])
def test_card_precision_against_a_slow_program(remove_detected, steps):
    generator = np.random.default_rng(steps)
    days, cards = generator.integers(3, 13, 2_000), generator.integers(0, 90, 2_000)
    score = np.round(generator.random(2_000) * steps) / steps
    is_fraud = generator.random(2_000) < 0.1 * score
    for k in (1, 10, 200):
        found = card_precision_by_day(
            days, cards, score, is_fraud, k, remove_detected=remove_detected
        )
        slow = _slow_card_precision(days, cards, score, is_fraud, k, remove_detected)
        assert found.tolist() == slow
        mean = card_precision_at_k(days, cards, score, is_fraud, k, remove_detected=remove_detected)
        assert mean == pytest.approx(np.mean(slow))


def test_card_precision_by_hand():
    # Day 0: cards 1 (.9, not the fraud row), 2 (.8). Day 1: card 1 is gone, 2 and 3 are left.
    days, cards = [0, 0, 0, 1, 1, 1], [1, 1, 2, 1, 2, 3]
    score = [0.9, 0.1, 0.8, 0.99, 0.5, 0.4]
    is_fraud = [False, True, False, True, False, True]
    assert card_precision_by_day(days, cards, score, is_fraud, k=1).tolist() == [1.0, 0.0]
    assert card_precision_by_day(days, cards, score, is_fraud, k=2).tolist() == [0.5, 0.5]
    kept = card_precision_by_day(days, cards, score, is_fraud, k=1, remove_detected=False)
    assert kept.tolist() == [1.0, 1.0]
    assert math.isnan(card_precision_at_k([], [], [], []))


def test_cards_may_be_64_bit_keys():
    high = np.array([2**63 + 1, 2**63 + 2], dtype=np.uint64)
    found = card_precision_by_day([0, 1], high[[0, 0]], [0.5, 0.5], [True, True], k=1)
    assert found.tolist() == [1.0, 0.0]  # found on day 0, gone on day 1


def test_alert_budget_by_hand():
    days = [0, 0, 0, 1, 1]
    score, is_fraud = [5.0, 9.0, 1.0, 2.0, 3.0], [True, False, True, True, False]
    amount = [10, 20, 30, 40, 50]
    one = alert_budget(score, is_fraud, amount, 1, days)
    assert one == (0.0, 0.0)
    two = alert_budget(score, is_fraud, amount, 2, days)
    assert two == pytest.approx((2 / 3, 50 / 80))
    assert alert_budget(score, is_fraud, amount, 3, days) == (1.0, 1.0)
    assert np.isnan(alert_budget([], [], [], 3, [])).all()


def test_alert_budget_is_the_mean_over_all_orders_of_ties():
    score = np.array([2.0, 1.0, 1.0, 1.0, 0.0])
    is_fraud = np.array([False, True, False, True, True])
    amount = np.array([1.0, 7.0, 5.0, 2.0, 9.0])
    for budget in range(1, 6):
        recalls, values = [], []
        for order in itertools.permutations(range(5)):
            ranked = sorted(order, key=lambda row: -score[row])[:budget]
            recalls.append(is_fraud[ranked].sum() / 3)
            values.append((is_fraud * amount)[ranked].sum() / 18)
        found = alert_budget(score, is_fraud, amount, budget, np.zeros(5, int))
        assert found == pytest.approx((np.mean(recalls), np.mean(values)))
