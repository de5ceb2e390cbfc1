"""The parts of `make bench-models` on small streams; Vowpal Wabbit is not run."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from benchmarks import models


def test_the_truth_of_a_stream_is_that_of_its_labels():
    stream = models.stream_of(seed=1, drift=0.0, rows=40_000)
    chance = expit(stream.truth[0] + stream.features @ stream.truth[1:])
    z = (stream.is_fraud - chance) / np.sqrt(chance * (1.0 - chance))
    assert abs(z.mean()) < 4.0 / math.sqrt(len(z))
    for column in stream.features.T:
        assert abs((z * column).mean()) < 4.0 / math.sqrt(len(z))
    moved = [
        models.stream_of(seed, drift=1.0, rows=400).truth
        - models.stream_of(seed, drift=0.0, rows=400).truth
        for seed in range(3)
    ]
    assert [each[0] for each in moved] == [0.0] * 3
    assert np.std(np.concatenate(moved)) > 0.3


@pytest.mark.parametrize("name", ["laplace", "baseline"])
def test_learned_weights_are_given_for_the_features_themselves(name):
    stream = models.stream_of(seed=2, drift=0.0, rows=30_000)
    stretched = models.Stream(3.0 * stream.features + 5.0, stream.is_fraud, stream.truth)
    loss, weight = models.learned(models.learners(0.0)[name], stretched)
    expected = stream.truth / np.array([1.0, *[3.0] * models.FEATURES])
    expected[0] -= 5.0 * expected[1:].sum()
    at_base_rate = stats.entropy([stream.is_fraud.mean(), 1.0 - stream.is_fraud.mean()])
    assert loss < 0.9 * at_base_rate
    if name == "laplace":
        np.testing.assert_allclose(weight[1:], expected[1:], atol=0.06)
        assert weight[0] == pytest.approx(expected[0], abs=0.7)


def test_the_excess_is_the_log_loss_beyond_that_of_the_truth():
    draw = np.random.default_rng(3)
    fresh = draw.normal(size=(200_000, 2))
    truth, weight = np.array([-1.0, 1.0, 0.5]), np.array([-0.7, 1.3, 0.5])
    true, said = (each[0] + fresh @ each[1:] for each in (truth, weight))
    label = draw.random(len(fresh)) < expit(true)

    def log_loss(logit):
        return np.logaddexp(0.0, np.where(label, -logit, logit))

    difference = log_loss(said) - log_loss(true)
    noise = difference.std() / math.sqrt(len(fresh))
    excess = models.excess_log_loss(weight, truth, fresh)
    assert excess == pytest.approx(difference.mean(), abs=4.0 * noise)
    assert excess > 8.0 * noise


def test_the_memory_is_that_of_a_kalman_filter_at_rest():
    """Iterate its variance: a step makes it wider, a label narrower, until both balance."""
    step, variance = 0.01, 1.0
    for _ in range(20_000):
        variance = 1.0 / (1.0 / (variance + step**2) + models.INFORMATION)
    gain = (variance + step**2) * models.INFORMATION
    assert models.memory_labels(step) == pytest.approx(1.0 / gain, rel=0.01)


def test_the_interval_of_the_mean_is_scipys():
    values = [1.0, 4.0, 2.0, 2.5]
    row = models.spread("a", "nats", values, "<= 0")
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert (row.low, row.value, row.high) == pytest.approx((low, np.mean(values), high))
    assert row.goal == "<= 0"
