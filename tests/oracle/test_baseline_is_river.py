"""The baseline as a river estimator: river's own checks, and that log loss is what it goes down."""

import copy
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import checks, compose, linear_model, optim, preprocessing

from fraud_system.errors import ConfigError
from fraud_system.models.baseline import baseline
from fraud_system.models.fast_forward import fast_forward
from fraud_system.models.interactions import Interactions
from fraud_system.models.model_settings import BaselineSettings
from fraud_system.models.pipeline import parts
from fraud_system.models.scoring import sigmoid
from fraud_system.models.squash import Squash

# Two columns of each of the data sets that river's checks use.
TRUMP, PHISHING = ("gallup", "ipsos"), ("long_url", "age_of_domain")
ESTIMATORS = {
    "squash": lambda: Squash(),
    "squash of another limit": lambda: Squash(0.5),
    "no interactions": lambda: Interactions(),
    "one interaction": lambda: Interactions((TRUMP,)),
    "interactions": lambda: Interactions((TRUMP, ("ipsos", "ipsos"), ("ipsos", "absent"))),
    "baseline": lambda: baseline(),
    "baseline with interactions": lambda: baseline((PHISHING, ("long_url", "long_url"))),
}


@pytest.fixture
def _rivers_chance_is_fixed():
    """River's checks shuffle with the global generator."""
    before = random.getstate()
    random.seed(0)
    yield
    random.setstate(before)


@pytest.mark.usefixtures("_rivers_chance_is_fixed")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_rivers_own_checks(name):
    checks.check_estimator(ESTIMATORS[name]())


def test_rivers_checks_cover_what_they_should():
    """A check that is skipped, or has no data to run on, proves nothing."""
    names = [check.__name__ for check in checks.yield_checks(baseline())]
    assert {"check_pickling", "check_predict_proba_one", "check_emerging_features"} <= set(names)
    assert baseline()._unit_test_skips() == {"check_learn_many_matches_learn_one"}
    assert Squash()._unit_test_skips() == Interactions()._unit_test_skips() == set()
    for data in (data for data in checks._yield_datasets(baseline())):
        assert all(set(PHISHING) <= set(x) for x, _ in data)
    for data in checks._yield_datasets(Interactions()):
        assert all(set(TRUMP) <= set(x) for x, _ in data)


def test_the_pipeline_is_made_of_rivers_own_parts():
    scaler, squash, interactions, logistic = parts(baseline((("a", "b"),)))
    assert type(scaler) is preprocessing.StandardScaler
    assert type(squash) is Squash
    assert type(interactions) is Interactions
    assert type(logistic) is linear_model.LogisticRegression
    assert type(logistic.optimizer) is optim.AdaGrad
    assert type(logistic.loss) is optim.losses.Log
    assert type(baseline()) is compose.Pipeline


def test_a_clone_starts_afresh_with_the_same_options():
    chosen = BaselineSettings(0.02, 0.3, 0.5, 0.07, 2.5)
    model = baseline((("a", "b"), ("b", "b")), chosen)
    fast_forward(model, ["a", "b"], np.arange(20.0).reshape(-1, 2), np.arange(10) % 3 == 0)
    clone = model.clone()
    assert repr(clone) == repr(model) == repr(baseline((("a", "b"), ("b", "b")), chosen))
    _, squash, interactions, logistic = parts(clone)
    assert not logistic.weights
    assert logistic.intercept == pytest.approx(math.log(0.02 / 0.98))
    assert squash.limit == 2.5
    assert list(interactions.pairs) == [("a", "b"), ("b", "b")]
    assert (logistic.optimizer.learning_rate, logistic.optimizer.eps) == (0.3, 0.5)
    assert logistic.intercept_lr.get(0) == 0.07


@pytest.mark.parametrize("z", [-1e308, -7.0, -0.1, 0.0, 1e-9, 0.3, 12.0, 1e308, math.inf])
def test_squash_is_bounded_and_the_identity_near_zero(z):
    squashed = Squash(5.0).transform_one({"a": z})["a"]
    assert abs(squashed) <= min(5.0, abs(z))
    assert squashed == pytest.approx(5.0 * np.tanh(z / 5.0), rel=1e-15)
    if abs(z) <= 0.3:
        assert squashed == pytest.approx(z, abs=4e-4)  # z^3 / (3 x 25)


def test_transformers_leave_their_input_alone_and_multiply_what_came_in():
    x = {"a": 2.0, "a*b": 10.0, "b": -3.0}
    out = Interactions((("a", "a*b"), ("a", "a"), ("b", "c"))).transform_one(x)
    assert out == {"a": 2.0, "a*b": 10.0, "b": -3.0, "a*a*b": 20.0, "a*a": 4.0}
    assert x == {"a": 2.0, "a*b": 10.0, "b": -3.0}


@settings(max_examples=200, deadline=None)
@given(
    st.floats(-800.0, 800.0) | st.sampled_from([18.0, -18.0, np.nextafter(18.0, 19.0), 0.0]),
    st.booleans(),
    st.floats(0.01, 100.0),
    st.floats(0.01, 100.0),
)
def test_the_gradient_of_the_log_loss_is_rivers(logit, is_fraud, weight_pos, weight_neg):
    river = optim.losses.Log(weight_pos, weight_neg).gradient(is_fraud, logit)
    curve = weight_pos if is_fraud else weight_neg
    # Beyond 18 river drops the 1 of 1 + exp(18), or the exp(-18): 1.5e-8 of the gradient. Elsewhere both
    # are exact to the last bit of the curve; one minus nearly one has no more.
    is_rounded = abs(logit) > 18.0
    assert curve * sigmoid(logit) - is_fraud * curve == pytest.approx(
        river, rel=1.6e-8 if is_rounded else 1e-14, abs=1e-15 * curve
    )


@pytest.mark.parametrize("is_fraud", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_each_step_goes_down_the_slope_of_the_log_loss(seed, is_fraud):
    """Finite differences of -log p of the label, taken through the whole pipeline, are the update."""
    generator = np.random.default_rng(seed)
    names, pairs = ["a", "b", "c"], (("a", "b"), ("c", "c"))
    rate, first_gradient, intercept_rate = 0.2, 0.7, 0.05
    chosen = BaselineSettings(0.1, rate, first_gradient, intercept_rate)
    model = baseline(pairs, chosen)
    fast_forward(model, names, generator.normal(size=(40, 3)), generator.random(40) < 0.4)
    x = dict(zip(names, generator.normal(size=3).tolist(), strict=True))
    before = copy.deepcopy(model)
    scaler, _, _, logistic = parts(before)
    scaler.learn_one(x)  # river's scaler learns first, then the regression

    def loss():
        return -math.log(before.predict_proba_one(x)[is_fraud])

    def slope(weights, key):
        h = 1e-5
        middle = weights[key]
        weights[key] = middle + h
        above = loss()
        weights[key] = middle - h
        below = loss()
        weights[key] = middle
        return (above - below) / (2.0 * h)

    slopes = {term: slope(logistic._weights, term) for term in logistic.weights}
    intercept_slope = slope(vars(logistic), "intercept")
    assert max(abs(value) for value in slopes.values()) > 1e-3
    model.learn_one(x, is_fraud)
    learned = parts(model)[3]
    assert set(slopes) == {"a", "b", "c", "a*b", "c*c"}
    for term, value in slopes.items():
        step = rate / math.sqrt(logistic.optimizer.g2[term] + value**2 + first_gradient) * value
        moved = learned.weights[term] - logistic.weights[term]
        assert moved == pytest.approx(-step, rel=1e-6, abs=1e-9)
    moved = learned.intercept - logistic.intercept
    assert moved == pytest.approx(-intercept_rate * intercept_slope, rel=1e-6, abs=1e-9)
    assert before.predict_proba_one(x)[is_fraud] < model.predict_proba_one(x)[is_fraud]


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        (field, bad)
        for field in ("prevalence", "learning_rate", "first_gradient", "squash_limit")
        for bad in (0.0, -0.1, math.nan, math.inf, "0.1", None, True)
    ]
    + [("prevalence", 1.0), ("prevalence", 1.5)]
    + [("intercept_learning_rate", bad) for bad in (-0.1, math.nan, math.inf, "0.1", False)],
)
def test_settings_that_nothing_can_be_learned_with_are_refused(field, bad):
    with pytest.raises(ConfigError) as caught:
        BaselineSettings(**{field: bad})
    assert caught.value.field == f"model.{field}"


def test_settings_at_their_bounds():
    assert BaselineSettings(intercept_learning_rate=0.0).intercept_learning_rate == 0.0
    model = baseline(settings=BaselineSettings(prevalence=1e-12, squash_limit=1e-3))
    model.learn_one({"a": 1.0}, True)
    assert 0.0 < model.predict_proba_one({"a": 1.0})[True] < 1e-3
