"""The policy for any costs: no action is expected to cost less than the one that was chosen."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fraud_system.events import Action
from fraud_system.policy import PolicyCosts, cheapest_action

MONEY = st.one_of(st.floats(0, 1e6), st.integers(0, 100).map(float))
SHARE = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
COSTS = st.builds(PolicyCosts, MONEY, SHARE, MONEY, MONEY, SHARE)


def expected_costs(costs: PolicyCosts, probability: float, amount: float) -> list[Fraction]:
    """By the formulas of the module, without rounding; in the order of `Action`."""
    p, a = Fraction(probability), Fraction(amount)
    missed = p * (a + Fraction(costs.fee))
    slipped = (1 - Fraction(costs.review_catch_share)) * missed
    reviewed = Fraction(costs.review_cost) + slipped
    declined = (1 - p) * (Fraction(costs.margin_share) * a + Fraction(costs.goodwill))
    return [missed, reviewed, declined]


@given(COSTS, SHARE, MONEY)
def test_nothing_costs_less_and_ties_go_to_the_milder(
    costs: PolicyCosts, probability: float, amount: float
) -> None:
    chosen = cheapest_action(costs.array(), probability, amount)
    exact = expected_costs(costs, probability, amount)
    # Two that differ by less than rounding may go either way.
    slack = Fraction(max(exact)) * Fraction(1e-14) + Fraction(1e-300)
    assert exact[chosen] <= min(exact) + slack
    clearly_cheaper = [action for action in Action if exact[action] < min(exact) + slack]
    if len(clearly_cheaper) == 1:
        assert chosen == clearly_cheaper[0]


@given(
    st.integers(0, 8), st.integers(0, 64), st.integers(0, 8), st.integers(0, 64), st.integers(0, 4)
)
def test_exact_ties_go_to_the_milder(
    eighths: int, amount: int, goodwill: int, review_cost: int, catch: int
) -> None:
    """Small integers and binary fractions: no rounding, and many ties."""
    costs = PolicyCosts(0.0, 0.5, float(goodwill), float(review_cost), catch / 4)
    exact = expected_costs(costs, eighths / 8, float(amount))
    assert cheapest_action(costs.array(), eighths / 8, float(amount)) == exact.index(min(exact))


@given(COSTS, MONEY)
def test_a_higher_probability_is_never_treated_more_mildly(
    costs: PolicyCosts, amount: float
) -> None:
    array = costs.array()
    actions = [cheapest_action(array, p, amount) for p in np.linspace(0, 1, 65)]
    exact = [expected_costs(costs, p, amount) for p in np.linspace(0, 1, 65)]
    for index in range(64):
        if actions[index] > actions[index + 1]:
            # Only where the two cost the same to rounding.
            left, right = exact[index + 1][actions[index]], exact[index + 1][actions[index + 1]]
            assert abs(left - right) <= Fraction(1e-13) * max(left, right)
