"""Proper scores and their streaming sums, by hand and against scikit-learn."""

import math

import numpy as np
import pytest
import sklearn.metrics

from fraud_system.metrics import StreamingScores, brier, log_loss, normalised_entropy
from fraud_system.metrics import expected_over_observed as e_over_o


@pytest.fixture(name="rows")
def _rows():
    generator = np.random.default_rng(3)
    probability = generator.beta(0.3, 6.0, 5_000)
    is_fraud = generator.random(5_000) < probability
    return probability, is_fraud, generator.lognormal(3, 1.5, 5_000), generator.random(5_000) * 4


def test_by_hand():
    probability, is_fraud = [0.8, 0.2, 0.1], [True, False, True]
    assert log_loss(probability, is_fraud) == pytest.approx(
        -(math.log(0.8) + math.log(0.8) + math.log(0.1)) / 3
    )
    assert brier(probability, is_fraud) == pytest.approx((0.04 + 0.04 + 0.81) / 3)
    weighted = -(3 * math.log(0.8) + 1 * math.log(0.8)) / 4
    assert log_loss(probability, is_fraud, [3, 1, 0]) == pytest.approx(weighted)


def test_certain_mistake_costs_the_clip_and_certain_truth_nothing():
    assert log_loss([0.0], [True]) == pytest.approx(15 * math.log(10))
    assert log_loss([1.0], [False]) == pytest.approx(15 * math.log(10), rel=1e-2)
    assert log_loss([0.0, 1.0], [False, True]) == pytest.approx(1e-15, rel=0.2)


def test_against_sklearn(rows):
    probability, is_fraud, _, weight = rows
    for each in (None, weight):
        assert log_loss(probability, is_fraud, each) == pytest.approx(
            sklearn.metrics.log_loss(is_fraud, probability, sample_weight=each), rel=1e-12
        )
        assert brier(probability, is_fraud, each) == pytest.approx(
            sklearn.metrics.brier_score_loss(is_fraud, probability, sample_weight=each), rel=1e-12
        )


def test_normalised_entropy_is_one_for_the_observed_rate(rows):
    probability, is_fraud, _, weight = rows
    rate = np.average(is_fraud, weights=weight)
    constant = np.full(len(is_fraud), rate)
    assert normalised_entropy(constant, is_fraud, weight) == pytest.approx(1.0, rel=1e-12)
    assert normalised_entropy(probability, is_fraud, weight) < 0.9


def test_undefined_is_nan():
    assert math.isnan(log_loss([], []))
    assert math.isnan(brier([0.5], [True], [0.0]))
    assert math.isnan(normalised_entropy([0.5, 0.5], [True, True]))
    assert math.isnan(StreamingScores().log_loss)
    assert math.isnan(StreamingScores().expected_over_observed)
    assert math.isnan(StreamingScores().normalised_entropy)


def test_streaming_equals_batch(rows):
    probability, is_fraud, amount, _ = rows
    scores = StreamingScores()
    for part in np.array_split(np.arange(len(probability)), 7):
        scores.update(probability[part], is_fraud[part], amount[part])
    assert (scores.rows, scores.frauds) == (5_000, int(is_fraud.sum()))
    assert scores.log_loss == pytest.approx(log_loss(probability, is_fraud), rel=1e-13)
    assert scores.brier == pytest.approx(brier(probability, is_fraud), rel=1e-13)
    assert scores.normalised_entropy == pytest.approx(
        normalised_entropy(probability, is_fraud), rel=1e-13
    )
    assert scores.expected_over_observed == pytest.approx(
        e_over_o(probability, is_fraud), rel=1e-13
    )
    assert scores.expected_over_observed_amount == pytest.approx(
        e_over_o(probability, is_fraud, amount), rel=1e-13
    )


@pytest.mark.parametrize("before", [0, 1_000])
def test_streaming_sums_lose_nothing_to_size(before):
    """Next to 1e17 a plain float sum loses the ones; fsum and compensated sums keep them."""
    amount = np.array([1.0] * before + [1e17] + [1.0] * 20)
    plain = 0.0
    for each in amount:
        plain += each
    scores = StreamingScores()
    rows = len(amount)
    scores.update(np.ones(rows), np.ones(rows, dtype=bool), amount)
    assert plain != math.fsum(amount)
    assert scores._sum(4) == math.fsum(amount)
