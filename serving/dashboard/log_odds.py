"""The look-up's sum: from the average transaction to the model's probability, so that its rows add up."""

import math
from typing import NamedTuple

from fraud_system.models.scoring import sigmoid
from serving.wire import Contribution, Explanation

SHOWN = 8  # of each direction; the others are one row


class Side(NamedTuple):
    """What moves the log odds one way.

    Args:
        shown: largest first.
        others: how many more there are.
        others_add: to the log odds, together.
        adds: all of them.
    """

    shown: list[Contribution]
    others: int
    others_add: float
    adds: float


class Sum(NamedTuple):
    """The rows of the sum.

    Args:
        base, base_probability: of the average transaction.
        raises, lowers: what features and pairs add.
        recalibration: what the line through the log odds adds; 0 where it is off.
        log_odds, probability: of all rows together.
    """

    base: float
    base_probability: float
    raises: Side
    lowers: Side
    recalibration: float
    log_odds: float
    probability: float


def sum_of(found: Explanation, shown: int = SHOWN) -> Sum | None:
    """The sum; None where the weights are not on record any more, or gave no number."""
    base, recalibration = found.log_odds_base, found.log_odds_recalibration
    if base is None or recalibration is None:
        return None
    raises = _side([each for each in found.contributions if each.contribution > 0.0], shown)
    lowers = _side([each for each in found.contributions if each.contribution < 0.0], shown)
    log_odds = base + raises.adds + lowers.adds + recalibration
    return Sum(base, sigmoid(base), raises, lowers, recalibration, log_odds, sigmoid(log_odds))


def _side(sorted_contributions: list[Contribution], shown: int) -> Side:
    adds = [each.contribution for each in sorted_contributions]
    others = adds[shown:]
    return Side(sorted_contributions[:shown], len(others), math.fsum(others), math.fsum(adds))
