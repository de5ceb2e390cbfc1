"""Two drills in small: the model breaks, plan B answers, nothing is lost, the model comes back by itself."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.drill.exercise import Exercise, standard
from benchmarks.drill.faults import CONTROL, DRILLS
from benchmarks.drill.payments import Payments
from benchmarks.drill.plant import BATCH_EVENTS, State
from fraud_system.events import DAY_US, Health
from monitoring.health import HealthSettings
from monitoring.sanity import SanitySettings

DAYS, BROKEN_DAY, LASTS_DAYS = 22, 12, 1.5
# A block of scores and the rest of the one before, and the micro-batches in which they end.
BOUND = 2 * SanitySettings().block_rows + 2 * BATCH_EVENTS


@pytest.fixture(scope="module")
def exercise() -> Exercise:
    whole = standard(DAYS, BROKEN_DAY)
    settings = replace(whole.settings, publish_every_labels=200)
    return replace(
        whole, settings=settings, simulated=replace(whole.simulated, cards=1_200, terminals=400)
    )


@pytest.fixture(scope="module")
def payments(exercise: Exercise) -> Payments:
    return exercise.payments()


@pytest.fixture(scope="module")
def state(exercise: Exercise, payments: Payments) -> State:
    return exercise.before(payments)


@pytest.mark.parametrize("harm", ["zeroed", "NaN"])
def test_plan_b_answers_at_once_and_the_model_comes_back(
    exercise: Exercise, payments: Payments, state: State, harm: str
) -> None:
    (drill,) = (each for each in DRILLS if each.name == f"weights {harm}, 3 days")
    outcome, plant = exercise.run(replace(drill, days=LASTS_DAYS), payments, state)
    assert outcome.as_expected
    assert outcome.plan_b_after is not None
    assert outcome.plan_b_after <= BOUND
    assert outcome.switches == 1  # no flapping
    assert outcome.ends_with == "model"
    assert outcome.back_after_hours is not None
    assert outcome.refused == 0
    sent = payments.transactions
    sent = sent.rows(sent.known_time_us < exercise.simulated.start_us + DAYS * DAY_US)
    assert all(plant.ledger.seq_of(key) is not None for key in sent.transaction_key.tolist())
    answered = [f.tables["decision"] for f in plant.ledger.frames() if "decision" in f.tables]
    assert sum(len(each["probability"]) for each in answered) == len(sent)
    assert all(np.isfinite(each["probability"]).all() for each in answered)


def test_the_bill_of_never_switching_is_that_of_a_run_that_never_switches(
    exercise: Exercise, payments: Payments, state: State
) -> None:
    (drill,) = (each for each in DRILLS if each.name == "weights zeroed, 3 days")
    drill = replace(drill, days=LASTS_DAYS)
    with_switch, _ = exercise.run(drill, payments, state)
    stubborn = replace(exercise, health=HealthSettings(switching=("nothing/*",)))
    without, plant = stubborn.run(drill, payments, state)
    assert plant.engine.health == Health.MODEL
    assert without.switches == 0
    assert without.saved == pytest.approx(0.0)
    assert with_switch.bill + with_switch.saved == pytest.approx(without.bill)


def test_nothing_broken_nothing_switched(
    exercise: Exercise, payments: Payments, state: State
) -> None:
    outcome, _ = exercise.run(CONTROL, payments, state)
    assert (outcome.switches, outcome.found, outcome.saved) == (0, {}, 0.0)
