"""`laplace` as a river estimator: river's own checks, one label, many labels and columns give the same."""

import copy
import math
import pickle
import random
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import checks

from fraud_system.errors import ConfigError, DataError
from fraud_system.models import forward_laplace
from fraud_system.models.baseline import baseline
from fraud_system.models.fast_forward import fast_forward, fast_forward_terms
from fraud_system.models.laplace import LaplaceRegression, laplace
from fraud_system.models.model_settings import LaplaceSettings
from fraud_system.models.online import model_arrays, restore_model, weights_of
from fraud_system.models.pipeline import parts

PHISHING = ("long_url", "age_of_domain")  # two columns of the data set of river's checks
ESTIMATORS = {
    "classifier": LaplaceRegression(),
    "blocks": LaplaceRegression(block_labels=7, memory_labels=50.0),
    "pipeline": laplace((PHISHING, ("long_url", "long_url"))),
    "pipeline, label by label": laplace(settings=LaplaceSettings(block_labels=1)),
}
CHECKS = [
    pytest.param(model, check, id=f"{name}-{check.__name__}-{place}")
    for name, model in ESTIMATORS.items()
    for place, check in enumerate(checks.yield_checks(model))
]
NAMES = ["amount", "constant", "late", "gappy", "drifting"]
PAIRS = (("amount", "amount"), ("amount", "gappy"), ("late", "drifting"), ("never", "amount"))


@pytest.fixture
def _rivers_chance_is_fixed():
    """River's checks shuffle with the global generator."""
    before = random.getstate()
    random.seed(0)
    yield
    random.setstate(before)


@pytest.mark.usefixtures("_rivers_chance_is_fixed")
@pytest.mark.parametrize(("model", "check"), CHECKS)
def test_rivers_own_checks(model, check):
    check(model.clone())


def test_no_check_is_left_out():
    for model in ESTIMATORS.values():
        assert model._unit_test_skips() <= {"check_learn_many_matches_learn_one"}
    assert LaplaceRegression()._unit_test_skips() == set()
    names = {check.__name__ for check in checks.yield_checks(LaplaceRegression())}
    assert {"check_learn_many_matches_learn_one", "check_predict_proba_one_binary"} <= names
    assert "check_predict_proba_many_matches_predict_proba_one" in names


def stream_of(rows, seed):
    """A constant, a late, a gappy and a drifting column; what matters turns round in the middle."""
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(rows, len(NAMES)))
    features[:, 0] = np.exp(features[:, 0]) * 100.0
    features[:, 1] = 0.1
    features[: rows // 3, 2] = np.nan
    features[draw.random(rows) < 0.4, 3] = np.nan
    features[:, 4] += np.linspace(0.0, 10.0, rows)
    sign = np.where(np.arange(rows) < rows // 2, 1.0, -1.0)
    logit = -1.5 + sign * (np.log(features[:, 0]) - 4.6)
    return features, draw.random(rows) < 1.0 / (1.0 + np.exp(-logit))


def present(row):
    return {name: float(v) for name, v in zip(NAMES, row, strict=True) if not math.isnan(v)}


def river_loop(model, features, is_fraud, weight=None):
    for place, row in enumerate(features):
        options = {} if weight is None else {"w": float(weight[place])}
        model.learn_one(present(row), bool(is_fraud[place]), **options)


def river_terms(model, features, curve, target):
    """What river does with two terms apart: only a first one is a transaction for the scaler."""
    scaler, squash, interactions, regression = parts(model)
    for row, c, t in zip(features, curve, target, strict=True):
        x = present(row)
        if c > 0.0:
            scaler.learn_one(x)
        terms = interactions.transform_one(squash.transform_one(scaler.transform_one(x)))
        regression.know(terms)
        regression.learn_terms(regression._row(terms)[np.newaxis], np.array([c]), np.array([t]))


def same_bytes(left, right):
    assert left.keys() == right.keys()
    for name, array in left.items():
        assert array.tobytes() == right[name].tobytes(), name


def assert_close(left, right):
    """Two pipelines, term by term; what is not positive-definite is on the diagonal's scale."""
    a, b = model_arrays(left, NAMES), model_arrays(right, NAMES)
    assert parts(left)[3].refused_blocks == parts(right)[3].refused_blocks == 0
    root = np.sqrt(np.diag(b["precision"]))
    scale = {"precision": np.outer(root, root)}
    for name, array in a.items():
        by = scale.get(name, 1.0)
        np.testing.assert_allclose(array / by, b[name] / by, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("memory_labels", [math.inf, 100.0])
@pytest.mark.parametrize("block_labels", [1, 3, 250])
def test_fast_forward_is_the_river_loop(block_labels, memory_labels):
    features, is_fraud = stream_of(600, seed=block_labels)
    chosen = LaplaceSettings(0.1, 2.0, 0.5, memory_labels, block_labels, 3.0)
    compiled, river = laplace(PAIRS, chosen), laplace(PAIRS, chosen)
    fast_forward(compiled, NAMES, features, is_fraud)
    river_loop(river, features, is_fraud)
    assert list(parts(river)[3].positions) != list(parts(compiled)[3].positions)
    for row in features[::20]:
        one = compiled.predict_proba_one(present(row))[True]
        assert one == pytest.approx(river.predict_proba_one(present(row))[True], abs=1e-9)
    assert_close(compiled, river)
    assert np.abs(weights_of(river, NAMES).weight).max() > 0.2


@pytest.mark.parametrize("block_labels", [1, 3, 250])
def test_terms_apart_and_sample_weights_are_the_river_loop(block_labels):
    draw = np.random.default_rng(1)
    features, is_fraud = stream_of(500, seed=5)
    kinds = np.array([(1, 0), (1, 1), (0, 1), (0, -1), (1, -0.02), (0.7, 0), (3, 3)], float)
    curve, target = kinds[draw.choice(7, 500, p=[0.5, 0.15, 0.1, 0.05, 0.1, 0.05, 0.05])].T
    weight = draw.exponential(2.0, 500)
    weight[::7] = 0.0
    chosen = LaplaceSettings(0.1, 2.0, 0.5, 200.0, block_labels, 3.0)
    compiled, river = laplace(PAIRS, chosen), laplace(PAIRS, chosen)
    fast_forward_terms(compiled, NAMES, features, curve, target)
    river_terms(river, features, curve, target)
    assert_close(compiled, river)
    fast_forward(compiled, NAMES, features, is_fraud, weight)
    river_loop(river, features, is_fraud, weight)
    assert_close(compiled, river)


def test_the_log_odds_are_those_before_the_block_was_learned():
    features, is_fraud = stream_of(300, seed=8)
    model, river = laplace(PAIRS), laplace(PAIRS)
    log_odds = fast_forward(model, NAMES, features, is_fraud)
    scaler, squash, interactions, regression = parts(river)
    for row, label, expected in zip(features, is_fraud, log_odds, strict=True):
        scaler.learn_one(present(row))
        terms = interactions.transform_one(squash.transform_one(scaler.transform_one(present(row))))
        assert regression.logit_one(terms) == pytest.approx(expected, abs=1e-9)
        regression.learn_one(terms, bool(label))
    assert np.ptp(log_odds[:250]) == 0.0  # one block of the default
    assert np.ptp(log_odds[250:]) > 0.1


@settings(max_examples=30)
@given(
    sizes=st.lists(st.integers(0, 90), max_size=12),
    block_labels=st.sampled_from([1, 3, 64, 250]),
    at_once=st.sampled_from([1, 7, 4_096]),
)
def test_any_cutting_into_calls_gives_the_same_bytes(sizes, block_labels, at_once):
    features, is_fraud = stream_of(300, seed=3)
    chosen = LaplaceSettings(0.1, 2.0, 0.5, 80.0, block_labels, 3.0)
    whole, pieces = laplace(PAIRS, chosen), laplace(PAIRS, chosen)
    log_odds = fast_forward(whole, NAMES, features, is_fraud)
    found, start = [], 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forward_laplace, "ROWS_AT_ONCE", at_once)
        for size in [*sizes, 300]:
            cut = slice(start, start + size)
            found.append(fast_forward(pieces, NAMES, features[cut], is_fraud[cut]))
            start += size
    assert np.concatenate(found).tobytes() == log_odds.tobytes()
    same_bytes(model_arrays(whole, NAMES), model_arrays(pieces, NAMES))
    same_bytes(parts(whole)[3].gaussian._asdict(), parts(pieces)[3].gaussian._asdict())


@settings(max_examples=25)
@given(
    cuts=st.lists(st.integers(1, 40), max_size=6),
    block_labels=st.sampled_from([1, 4, 7, 1_000]),
    seed=st.integers(0, 1_000),
)
def test_many_labels_are_one_label_after_another_bit_for_bit(cuts, block_labels, seed):
    draw = np.random.default_rng(seed)
    rows = draw.normal(size=(120, 3)) * draw.choice([1e-3, 1.0, 30.0], 3)
    labels = draw.random(120) < 0.3
    options = {"block_labels": block_labels, "memory_labels": 70.0}
    one, many = LaplaceRegression(**options), LaplaceRegression(**options)
    for row, label in zip(rows.tolist(), labels.tolist(), strict=True):
        one.learn_one(dict(zip("abc", row, strict=True)), label)
    frame, series = pd.DataFrame(rows, columns=list("abc")), pd.Series(labels)
    start = 0
    for size in [*cuts, 120]:
        many.learn_many(frame[start : start + size], series[start : start + size])
        start += size
    same_bytes(one.to_arrays(), many.to_arrays())
    asked = frame[["c", "a", "b"]].assign(absent=4.0).set_index(np.arange(120) + 7)
    probability = many.predict_proba_many(asked)
    assert probability.index.tolist() == asked.index.tolist()
    assert probability.columns.tolist() == [False, True]
    for row, (_, p) in zip(rows.tolist(), probability.iterrows(), strict=True):
        assert one.predict_proba_one(dict(zip("abc", row, strict=True))) == p.to_dict()


def test_labels_of_any_type_are_booleans():
    models = [LaplaceRegression() for _ in range(4)]
    frame = pd.DataFrame({"a": [1.0, -2.0, 0.5]})
    for model, labels in zip(
        models, ([True, False, True], [1, 0, 1], [1.0, 0.0, 1.0], np.array([True, False, True])),
        strict=True,
    ):  # fmt: skip
        model.learn_many(frame, pd.Series(labels))
        same_bytes(models[0].to_arrays(), model.to_arrays())


def test_river_goes_on_where_fast_forward_stopped_and_the_other_way_round():
    features, is_fraud = stream_of(500, seed=4)
    chosen = LaplaceSettings(0.1, 2.0, 0.5, 100.0, 40, 3.0)
    model, river = laplace(PAIRS, chosen), laplace(PAIRS, chosen)
    fast_forward(model, NAMES, features[:170], is_fraud[:170])
    river_loop(model, features[170:330], is_fraud[170:330])
    fast_forward(model, NAMES, features[330:], is_fraud[330:])
    river_loop(river, features, is_fraud)
    assert_close(model, river)


def test_copies_go_on_alike_and_apart():
    features, is_fraud = stream_of(200, seed=6)
    model = laplace(PAIRS)
    fast_forward(model, NAMES, features[:130], is_fraud[:130])
    before = model_arrays(model, NAMES)
    restored = laplace(PAIRS)
    restore_model(restored, NAMES, before)
    copies = [copy.deepcopy(model), pickle.loads(pickle.dumps(model)), restored]
    for each in copies:
        fast_forward(each, NAMES, features[130:], is_fraud[130:])
        same_bytes(model_arrays(copies[0], NAMES), model_arrays(each, NAMES))
    same_bytes(before, model_arrays(model, NAMES))
    assert not np.array_equal(before["weight"], weights_of(copies[0], NAMES).weight)


def test_a_clone_starts_afresh_with_the_same_options():
    chosen = LaplaceSettings(0.02, 3.0, 0.5, 700.0, 9, 2.5)
    model = laplace((("a", "b"),), chosen)
    fast_forward(model, ["a", "b"], np.arange(20.0).reshape(-1, 2), np.arange(10) % 3 == 0)
    clone = model.clone()
    assert repr(clone) == repr(model) == repr(laplace((("a", "b"),), chosen))
    regression = parts(clone)[3]
    assert regression.positions == {}
    assert regression.gaussian.mean == pytest.approx([math.log(0.02 / 0.98)])
    assert regression.gaussian.prior.tolist() == [0.5]
    assert regression.pending.rows.shape == (9, 1)
    assert (regression.prior_precision, regression.memory_labels) == (3.0, 700.0)
    assert parts(clone)[1].limit == 2.5


@pytest.mark.parametrize("bad", ["infinite", "too long", "label", "weight"])
def test_bad_columns_are_refused_and_the_model_is_as_before(bad):
    features, is_fraud = stream_of(60, seed=7)
    model = laplace(PAIRS)
    fast_forward(model, NAMES, features, is_fraud)
    before = model_arrays(model, NAMES)
    weight, labels, rows = np.ones(60), is_fraud.astype(float), features.copy()
    if bad == "infinite":
        rows[3, 0] = np.inf
    elif bad == "too long":
        weight = np.ones(61)
    elif bad == "label":
        labels[4] = 0.5
    else:
        weight[5] = np.nan
    with pytest.raises(DataError):
        fast_forward(model, NAMES, rows, labels, weight)
    same_bytes(before, model_arrays(model, NAMES))


def test_a_model_that_knows_other_features_is_refused_and_is_as_before():
    features, is_fraud = stream_of(60, seed=7)
    model = laplace(PAIRS)
    fast_forward(model, NAMES, features, is_fraud)
    before = model_arrays(model, NAMES)
    with pytest.raises(ConfigError, match=re.escape("'constant'")):
        fast_forward(model, ["amount", "new"], features[:, :2], is_fraud)
    same_bytes(before, model_arrays(model, NAMES))


def test_it_predicts_what_the_baseline_does_before_any_label():
    x = {"amount": 3.0}
    assert laplace().predict_proba_one(x)[True] == pytest.approx(0.005)
    assert baseline().predict_proba_one(x)[True] == pytest.approx(0.005)
