"""Reasons: by hand on three features, and against the log odds that they explain."""

import dataclasses

import numpy as np
import pytest
from streams import simulated_settings

from fraud_system.engine import Engine
from fraud_system.learner import Learner
from fraud_system.models.scoring import logit_of
from fraud_system.reasons import REASONS, Reasons, contributions


@pytest.fixture(scope="module")
def settings():
    return simulated_settings()


def served_of(settings, **changed):
    """Weights that are drawn once, with the given ones put in."""
    draw = np.random.default_rng(5)
    names = settings.features.names
    size, pairs = len(names), len(settings.features.pairs)
    first = Learner(settings).first_publication()
    weights = dataclasses.replace(
        first,
        mean=draw.normal(size=size),
        deviation=draw.uniform(0.5, 2.0, size),
        weight=draw.normal(size=size + pairs),
        intercept=np.array([-5.0]),
        **changed,
    )
    return Engine(settings).served_with(weights)


def test_contributions_and_the_intercept_are_the_log_odds(settings):
    served = served_of(settings)
    rows = np.random.default_rng(1).normal(size=(20, len(settings.features.names)))
    rows[3, 4] = np.nan
    for row in rows.astype(np.float32):
        expected = logit_of(served, row, np.zeros(len(row)))
        assert contributions(served, row).sum() + served.intercept[0] == pytest.approx(expected)


def test_the_reason_is_the_feature_that_moves_the_score(settings):
    names = settings.features.names
    weight = np.zeros(len(names) + len(settings.features.pairs))
    at = names.index("amount_to_mean:card:30d")
    weight[at], weight[names.index("is_night")] = 2.0, -1.0
    served = served_of(settings)._replace(
        weight=weight, mean=np.zeros(len(names)), deviation=np.ones(len(names))
    )
    rows = np.zeros((2, len(names)), np.float32)
    rows[0, at] = np.log(8.0)
    rows[:, names.index("is_night")] = 1.0
    found = Reasons(settings.features, settings.rules).of_model(served, rows)
    assert found == [["amount against the card's mean in 30 days: 8 times"], []]


def test_steps_of_one_staircase_are_one_reason(settings):
    names = settings.features.names
    steps = [i for i, name in enumerate(names) if name.startswith("fraud_run_older:terminal")]
    weight = np.zeros(len(names) + len(settings.features.pairs))
    weight[steps] = 1.0
    weight[names.index("is_new:card")] = 1.5
    served = served_of(settings)._replace(
        weight=weight, mean=np.zeros(len(names)), deviation=np.ones(len(names))
    )
    row = np.zeros((1, len(names)), np.float32)
    row[0, steps[:3]] = 1.0
    row[0, names.index("is_new:card")] = 1.0
    (found,) = Reasons(settings.features, settings.rules).of_model(served, row)
    assert len(found) == 2
    assert found[0].startswith("run of known frauds at this terminal for more than")
    assert found[1] == "first time this card is seen"


def test_an_interaction_counts_for_both_sides(settings):
    names, pairs = settings.features.names, settings.features.pairs
    weight = np.zeros(len(names) + len(pairs))
    weight[len(names)] = 1.0
    left, right = (names.index(name) for name in pairs[0])
    served = served_of(settings)._replace(
        weight=weight, mean=np.zeros(len(names)), deviation=np.ones(len(names))
    )
    row = np.zeros((1, len(names)), np.float32)
    row[0, [left, right]] = 1.0
    (found,) = Reasons(settings.features, settings.rules).of_model(served, row)
    words = [settings.features.features[at].words for at in (left, right)]
    assert sorted(sentence.split(":")[0] for sentence in found) == sorted(words)


def test_plan_b_gives_the_rule(settings):
    names = settings.features.names
    row = np.zeros(len(names), np.float32)
    reasons, served = Reasons(settings.features, settings.rules), served_of(settings)
    assert reasons.of_heuristic(served, row) == ["no rule holds"]
    row[names.index("amount_exceeds:0.999")] = 1.0
    assert reasons.of_heuristic(served, row) == [settings.rules[2].name]


def test_a_batch_gives_what_its_rows_give(settings):
    served, reasons = served_of(settings), Reasons(settings.features, settings.rules)
    rows = np.random.default_rng(2).normal(size=(9, len(settings.features.names)))
    rows = rows.astype(np.float32)
    together = reasons.of_model(served, rows)
    assert together == [reasons.of_model(served, rows[i : i + 1])[0] for i in range(9)]
    assert max(map(len, together)) == REASONS
