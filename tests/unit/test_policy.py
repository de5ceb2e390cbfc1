"""Actions by hand: three costs, the least of them, and which one a tie goes to."""

import math

import numpy as np
import pytest

from fraud_system.errors import ConfigError
from fraud_system.events import Action
from fraud_system.policy import PolicyCosts, cheapest_action

APPROVE, REVIEW, DECLINE = Action.APPROVE, Action.REVIEW, Action.DECLINE


# With the defaults and 100: missed = 115 p, declined = 10 (1 - p), reviewed = 4 + 23 p.
# Approve up to 4 / 92 = .0435, then review up to 6 / 33 = .1818, then decline.
@pytest.mark.parametrize(
    ("probability", "amount", "expected"),
    [
        (0.0, 100.0, APPROVE),
        (0.043, 100.0, APPROVE),  # 4.945 against 4.989 and 9.57
        (0.044, 100.0, REVIEW),  # 5.06 against 5.012 and 9.56
        (0.18, 100.0, REVIEW),  # 8.14 against 8.2
        (0.19, 100.0, DECLINE),  # 8.37 against 8.1
        (1.0, 100.0, DECLINE),
        # 10,000: missed = 10,015 p, declined = 505 (1 - p), reviewed = 4 + 2,003 p.
        (0.0005, 10_000.0, REVIEW),  # 5.0075 against 5.0015
        (0.3, 10_000.0, DECLINE),  # 604.9 against 353.5
        # 1: missed = 16 p, declined = 5.05 (1 - p), reviewed = 4 + 3.2 p: never worth a review.
        (0.23, 1.0, APPROVE),  # 3.68 against 3.889
        (0.25, 1.0, DECLINE),  # 4.0 against 3.788
    ],
)
def test_worked_by_hand(probability: float, amount: float, expected: Action) -> None:
    assert cheapest_action(PolicyCosts().array(), probability, amount) == expected


def test_where_two_cost_the_same_the_milder_is_taken() -> None:
    free = PolicyCosts(fee=0, margin_share=0, goodwill=0, review_cost=0, review_catch_share=1)
    assert cheapest_action(free.array(), 0.0, 50.0) == APPROVE
    assert cheapest_action(free.array(), 0.5, 50.0) == REVIEW, "both cost nothing"
    even = PolicyCosts(fee=0, margin_share=1, goodwill=0, review_cost=1e9, review_catch_share=0)
    assert cheapest_action(even.array(), 0.5, 64.0) == APPROVE, "32 against 32"
    # missed 64, reviewed 16 + 32 = 48, declined 0.5 * 96 = 48
    tie = PolicyCosts(fee=0, margin_share=0.75, goodwill=0, review_cost=16, review_catch_share=0.5)
    assert cheapest_action(tie.array(), 0.5, 128.0) == REVIEW


def test_the_same_probability_is_treated_by_the_amount() -> None:
    costs = PolicyCosts().array()
    actions = [cheapest_action(costs, 0.03, amount) for amount in (1.0, 100.0, 10_000.0)]
    assert actions == [APPROVE, APPROVE, REVIEW]
    actions = [cheapest_action(costs, 0.21, amount) for amount in (1.0, 100.0, 10_000.0)]
    assert actions == [APPROVE, DECLINE, DECLINE]


def test_costs_are_in_the_order_that_compiled_code_reads() -> None:
    costs = PolicyCosts(fee=1, margin_share=0.2, goodwill=3, review_cost=4, review_catch_share=0.5)
    assert costs.array().tolist() == [1.0, 0.2, 3.0, 4.0, 0.5]
    assert costs.array().dtype == np.float64


@pytest.mark.parametrize(
    "bad",
    [
        {"fee": -1.0},
        {"goodwill": math.nan},
        {"review_cost": math.inf},
        {"margin_share": 1.01},
        {"review_catch_share": 1.01},
    ],
)
def test_costs_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="policy"):
        PolicyCosts(**bad)
