"""From a probability and an amount to an action: the one that is expected to cost least.

    approve   p x (amount + fee)
    decline   (1 - p) x (margin x amount + goodwill)
    review    review cost + p x (1 - catch) x (amount + fee)

For the same p a large payment is declined where a small one is approved: that is why the score has to
be a calibrated probability (Elkan 2001, "The foundations of cost-sensitive learning").
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.compiled import borrowing
from fraud_system.errors import ConfigError
from fraud_system.events import Action

APPROVE, REVIEW, DECLINE = int(Action.APPROVE), int(Action.REVIEW), int(Action.DECLINE)


@dataclass(frozen=True)
class PolicyCosts:
    """What mistakes cost, in the currency of the amounts.

    Args:
        fee: of a chargeback, on top of the amount.
        margin_share: of the amount, lost with a declined good customer.
        goodwill: lost with a declined good customer, whatever the amount.
        review_cost: of one manual review.
        review_catch_share: of the frauds that are reviewed, found.
    """

    fee: float = 15.0
    margin_share: float = 0.05
    goodwill: float = 5.0
    review_cost: float = 4.0
    review_catch_share: float = 0.8

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0.0 <= value < np.inf:
                raise ConfigError("must be a number >= 0", field=f"policy.{name}")
        if self.margin_share > 1.0 or self.review_catch_share > 1.0:
            raise ConfigError("a share is at most 1", field="policy")

    def array(self) -> NDArray[np.float64]:
        """(5,) in the order of the fields, for compiled code."""
        return np.array(list(asdict(self).values()))


@borrowing
def cheapest_action(costs: Any, probability: float, amount: float) -> int:
    """The `Action` of least expected cost; the milder one where two cost the same.

    >>> costs = PolicyCosts().array()
    >>> [Action(cheapest_action(costs, p, 100.0)).name for p in (0.001, 0.06, 0.9)]
    ['APPROVE', 'REVIEW', 'DECLINE']
    """
    missed = probability * (amount + costs[0])
    declined = (1.0 - probability) * (costs[1] * amount + costs[2])
    reviewed = costs[3] + (1.0 - costs[4]) * missed
    if missed <= reviewed and missed <= declined:
        return APPROVE
    return REVIEW if reviewed <= declined else DECLINE
