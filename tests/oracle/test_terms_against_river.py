"""`fast_forward_terms` against a river loop whose loss has the two terms apart."""

import numpy as np
import pytest
from river import compose, linear_model, optim, preprocessing
from scipy.special import expit

from fraud_system.models.baseline import baseline
from fraud_system.models.fast_forward import fast_forward, fast_forward_terms
from fraud_system.models.interactions import Interactions
from fraud_system.models.model_settings import BaselineSettings
from fraud_system.models.pipeline import parts
from fraud_system.models.squash import Squash

NAMES = ["a", "b", "c"]
PAIRS = (("a", "b"), ("c", "c"))


class TwoTermLoss(optim.losses.BinaryLoss):
    """`curve * softplus(logit) - target * logit`, for labels (curve, target)."""

    def __call__(self, y_true, y_pred):
        return y_true[0] * np.logaddexp(0.0, y_pred) - y_true[1] * y_pred

    def gradient(self, y_true, y_pred):
        return y_true[0] * expit(y_pred) - y_true[1]

    def mean_func(self, y_pred):
        return expit(y_pred)


def two_term_river():
    return compose.Pipeline(
        preprocessing.StandardScaler(),
        Squash(3.0),
        Interactions(PAIRS),
        linear_model.LogisticRegression(
            optimizer=optim.AdaGrad(0.2, eps=2.0),
            loss=TwoTermLoss(),
            intercept_init=-2.0,
            intercept_lr=0.05,
        ),
    )


def learn(model, row, curve, target):
    """What river does with one row, but for the scaler: only a first term is a new transaction."""
    scaler, squash, interactions, logistic = model.steps.values()
    x = {name: float(value) for name, value in zip(NAMES, row, strict=True) if value == value}
    if curve > 0.0:
        scaler.learn_one(x)
    terms = interactions.transform_one(squash.transform_one(scaler.transform_one(x)))
    logistic.learn_one(terms, (curve, target))


@pytest.fixture(scope="module")
def stream():
    draw = np.random.default_rng(3)
    features = draw.normal(2.0, 3.0, size=(700, 3))
    features[draw.random(features.shape) < 0.1] = np.nan
    kinds = np.array([(1, 0), (1, 1), (0, 1), (0, -1), (1, -0.02), (0.7, 0), (3, 3)], float)
    chosen = kinds[draw.choice(len(kinds), 700, p=[0.5, 0.1, 0.1, 0.05, 0.1, 0.1, 0.05])]
    return features, chosen[:, 0].copy(), chosen[:, 1].copy()


def compiled(stream):
    settings = BaselineSettings(float(expit(-2.0)), 0.2, 2.0, 0.05, 3.0)
    model = baseline(PAIRS, settings)
    fast_forward_terms(model, NAMES, *stream)
    return model


def test_the_two_terms_are_learned_as_river_would(stream) -> None:
    model, river = compiled(stream), two_term_river()
    for row, curve, target in zip(*stream, strict=True):
        learn(river, row, curve, target)
    scaler, _, _, logistic = parts(model)
    expected_scaler, _, _, expected = parts(river)
    assert dict(scaler.counts) == dict(expected_scaler.counts)
    for name in NAMES:
        assert scaler.means[name] == pytest.approx(expected_scaler.means[name], rel=1e-9)
        assert scaler.vars[name] == pytest.approx(expected_scaler.vars[name], rel=1e-9)
    assert dict(logistic.weights) == pytest.approx(dict(expected.weights), rel=1e-9, abs=1e-9)
    assert dict(logistic.optimizer.g2) == pytest.approx(dict(expected.optimizer.g2), rel=1e-9)
    assert logistic.intercept == pytest.approx(expected.intercept, rel=1e-9)
    assert max(map(abs, logistic.weights.values())) > 0.05


def test_the_gradient_of_the_oracle_is_that_of_its_loss() -> None:
    loss, at = TwoTermLoss(), 0.3
    for label in [(1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.0, -1.0), (2.5, 0.4)]:
        slope = (loss(label, at + 1e-6) - loss(label, at - 1e-6)) / 2e-6
        assert loss.gradient(label, at) == pytest.approx(slope, abs=1e-6)


def test_whole_labels_are_river_s_own_log_loss(stream) -> None:
    features, _, _ = stream
    is_fraud = np.random.default_rng(4).random(len(features)) < 0.2
    ones, whole = np.ones(len(features)), baseline(PAIRS)
    terms = baseline(PAIRS)
    fast_forward(whole, NAMES, features, is_fraud)
    fast_forward_terms(terms, NAMES, features, ones, is_fraud.astype(float))
    assert dict(parts(whole)[3].weights) == dict(parts(terms)[3].weights)
    assert parts(whole)[0].means == parts(terms)[0].means


def test_a_second_term_does_not_count_the_row_again(stream) -> None:
    features, _, _ = stream
    model = baseline(PAIRS)
    fast_forward_terms(model, NAMES, features, np.ones(700), np.zeros(700))
    before = dict(parts(model)[0].means), dict(parts(model)[0].counts)
    fast_forward_terms(model, NAMES, features[:50] + 100.0, np.zeros(50), np.ones(50))
    assert (dict(parts(model)[0].means), dict(parts(model)[0].counts)) == before
