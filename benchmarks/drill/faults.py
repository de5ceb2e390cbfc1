"""The drills: what is broken, when, and what should come of it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.drill import payments
from benchmarks.drill.payments import Distortion
from fraud_system.publication import Publication
from fraud_system.simulate import FraudRegime
from fraud_system.simulate.settings import AFTER_THE_DRIFT

Sabotage = Callable[[Publication], Publication]
PLAN_B, FOUND, MAY, IGNORED = "plan B", "found", "plan B or none", "ignored"


@dataclass(frozen=True)
class Drill:
    """One thing that goes wrong.

    Args:
        name: for the table.
        expected: PLAN_B: the model is broken, plan B has to answer and the model to come back. FOUND: a
            monitor has to say so, the model goes on. MAY: worse than before, and which of both is better
            depends. IGNORED: the model is well, no switch.
        days: how long it is broken; infinite: from then on the world is so.
        stream: what it does to the stream.
        weights: what it does to publications,
        only_one: and whether only to the first of them.
    """

    name: str
    expected: str
    days: float
    stream: Distortion | None = None
    weights: Sabotage | None = None
    only_one: bool = False


def zeroed(publication: Publication) -> Publication:
    """All weights are 0; the intercept is left."""
    return replace(publication, weight=np.zeros_like(publication.weight))


def sign_flipped(publication: Publication) -> Publication:
    """All weights have the other sign."""
    return replace(publication, weight=-publication.weight)


def not_numbers(publication: Publication) -> Publication:
    """No weight is a number."""
    return replace(publication, weight=np.full_like(publication.weight, np.nan))


_HABITS = FraudRegime()
TWICE_THE_FRAUD = replace(
    _HABITS,
    background_log_odds=_HABITS.background_log_odds + math.log(2.0),
    compromised_per_terminal_day=2.0 * _HABITS.compromised_per_terminal_day,
    stolen_per_card_day=2.0 * _HABITS.stolen_per_card_day,
    testing_per_card_day=2.0 * _HABITS.testing_per_card_day,
    large_amount_share=2.0 * _HABITS.large_amount_share,
)
FOR_GOOD = math.inf
CONTROL = Drill("nothing (control)", IGNORED, 0.0)
DRILLS = (
    Drill("amount frozen", MAY, 3.0, payments.amount_frozen),
    Drill("amount x 100", PLAN_B, 3.0, payments.amount_scaled),
    Drill("card frozen", PLAN_B, 3.0, payments.card_frozen),
    Drill("card and terminal swapped", PLAN_B, 3.0, payments.columns_swapped),
    Drill("channel missing", FOUND, 3.0, payments.channel_missing),
    Drill("weights zeroed, one publication", PLAN_B, 1.0, weights=zeroed, only_one=True),
    Drill("weights zeroed, 3 days", PLAN_B, 3.0, weights=zeroed),
    Drill(
        "weights sign-flipped, one publication", PLAN_B, 1.0, weights=sign_flipped, only_one=True
    ),
    Drill("weights sign-flipped, 3 days", PLAN_B, 3.0, weights=sign_flipped),
    Drill("weights NaN, one publication", PLAN_B, 1.0, weights=not_numbers, only_one=True),
    Drill("weights NaN, 3 days", PLAN_B, 3.0, weights=not_numbers),
    Drill("labels stopped, 14 days", FOUND, 14.0, payments.labels_stopped),
    Drill("labels 14 days later, for 14 days", FOUND, 14.0, payments.labels_delayed),
    Drill("3,000 false reports, taken back in 2 days", PLAN_B, 2.0, payments.labels_flipped),
    Drill("twice the fraud", MAY, FOR_GOOD, payments.other_frauds(TWICE_THE_FRAUD)),
    Drill("a new attack", MAY, FOR_GOOD, payments.other_frauds(AFTER_THE_DRIFT)),
    Drill("all 5 hours later in the day", IGNORED, FOR_GOOD, payments.hours_shifted),
    Drill("half the traffic at weekends", IGNORED, FOR_GOOD, payments.quiet_weekends),
    Drill("5 times the traffic, 1 day", IGNORED, 1.0, payments.traffic_five_times),
)
