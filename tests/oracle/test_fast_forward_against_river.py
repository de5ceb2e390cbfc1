"""`fast_forward` against river's own loop: the same weights, scaler, optimizer and predictions.

The promise is 1e-9; nothing here is compared with the compiled code itself.
"""

import math
from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import compose, linear_model, optim, preprocessing

from fraud_system.models.baseline import baseline
from fraud_system.models.columns import MAX_MAGNITUDE
from fraud_system.models.fast_forward import (
    fast_forward,
    read_state,
    write_state,
)
from fraud_system.models.interactions import Interactions
from fraud_system.models.model_settings import BaselineSettings
from fraud_system.models.pipeline import parts
from fraud_system.models.squash import Squash

NAMES = ["amount", "constant", "late", "gappy", "drifting", "switch"]
PAIRS = (
    ("amount", "amount"),
    ("amount", "gappy"),
    ("late", "drifting"),
    ("constant", "switch"),
    ("switch", "amount"),
    ("never", "amount"),
)


def present(names, row):
    """What river sees of a row: a nan is an absent key."""
    return {
        name: float(value)
        for name, value in zip(names, row, strict=True)
        if not math.isnan(float(value))
    }


def river_loop(model, names, features, is_fraud, weight=None):
    for row in range(len(features)):
        options = {} if weight is None else {"w": float(weight[row])}
        model.learn_one(present(names, features[row]), bool(is_fraud[row]), **options)


def assert_close(left, right):
    assert left.keys() == right.keys()
    for key, value in left.items():
        assert value == pytest.approx(right[key], rel=1e-9, abs=1e-9), key


def assert_same_state(compiled, river):
    """Weights, intercept, scaler and optimizer, and which keys there are."""
    scaler, _, _, logistic = parts(compiled)
    expected_scaler, _, _, expected = parts(river)
    assert dict(scaler.counts) == dict(expected_scaler.counts)
    assert_close(dict(scaler.means), dict(expected_scaler.means))
    assert_close(dict(scaler.vars), dict(expected_scaler.vars))
    assert_close(dict(logistic.weights), dict(expected.weights))
    assert_close(dict(logistic.optimizer.g2), dict(expected.optimizer.g2))
    assert logistic.intercept == pytest.approx(expected.intercept, rel=1e-9, abs=1e-9)
    assert logistic.optimizer.n_iterations == expected.optimizer.n_iterations


def assert_same_predictions(compiled, river, names, features):
    for row in features:
        x = present(names, row)
        probability = compiled.predict_proba_one(x)[True]
        assert probability == pytest.approx(river.predict_proba_one(x)[True], abs=1e-9)


def awkward_stream(rows, seed):
    """Drift in the mean and in what matters, a constant, a late and a gappy column, a 0/1 switch."""
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(rows, len(NAMES)))
    features[:, 0] = np.exp(features[:, 0]) * 100.0
    features[:, 1] = 0.1
    features[: rows // 3, 2] = np.nan
    features[generator.random(rows) < 0.4, 3] = np.nan
    features[:, 4] += np.linspace(0.0, 30.0, rows)
    features[:, 5] = generator.random(rows) < 0.02
    sign = np.where(np.arange(rows) < rows // 2, 1.0, -1.0)
    logit = -1.5 + sign * (np.log(features[:, 0]) - 4.6) + 2.0 * features[:, 5]
    return features, generator.random(rows) < 1.0 / (1.0 + np.exp(-logit))


def with_logistic(**options):
    """A baseline whose regression has other options."""
    given = {"optimizer": optim.AdaGrad(0.1, eps=1.0), "loss": optim.losses.Log()} | options
    return compose.Pipeline(
        preprocessing.StandardScaler(),
        Squash(),
        Interactions(PAIRS),
        linear_model.LogisticRegression(**given),
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_a_stream_with_drift_constants_gaps_and_late_columns(seed):
    features, is_fraud = awkward_stream(900, seed)
    compiled, river = baseline(PAIRS), baseline(PAIRS)
    fast_forward(compiled, NAMES, features, is_fraud)
    river_loop(river, NAMES, features, is_fraud)
    assert_same_state(compiled, river)
    assert_same_predictions(compiled, river, NAMES, features[::25])
    # The stream did exercise what it is for.
    scaler, _, _, logistic = parts(river)
    assert scaler.vars["constant"] == 0.0
    assert logistic.weights["constant"] == 0.0
    assert scaler.counts["late"] == 600
    assert "never*amount" not in logistic.weights
    assert max(abs(weight) for weight in logistic.weights.values()) > 0.3


@pytest.mark.parametrize(
    "options",
    [
        {"loss": optim.losses.Log(weight_pos=5.0, weight_neg=0.25)},
        {"clip_gradient": 0.05},
        {"clip_gradient": 0.3, "loss": optim.losses.Log(weight_pos=2.0, weight_neg=1.0)},
        {"intercept_init": -4.0, "intercept_lr": 0.0},
        {"intercept_init": 3.0, "intercept_lr": 0.5},
        {"optimizer": optim.AdaGrad(0.7)},  # river's own eps, 1e-8
    ],
    ids=["class weights", "clipped", "clipped and weighted", "held intercept", "fast", "eps"],
)
def test_options_of_the_regression(options):
    features, is_fraud = awkward_stream(400, seed=2)
    river = with_logistic(**options)
    compiled = river.clone()
    plain = with_logistic()
    fast_forward(compiled, NAMES, features, is_fraud)
    fast_forward(plain, NAMES, features, is_fraud)
    river_loop(river, NAMES, features, is_fraud)
    assert_same_state(compiled, river)
    # The option matters: without it the outcome is another.
    assert parts(plain)[3].weights["amount"] != pytest.approx(parts(river)[3].weights["amount"])


def test_sample_weights():
    features, is_fraud = awkward_stream(400, seed=3)
    weight = np.random.default_rng(4).exponential(2.0, len(features))
    weight[::7] = 0.0
    compiled, river, unweighted = (with_logistic(clip_gradient=1.5) for _ in range(3))
    fast_forward(compiled, NAMES, features, is_fraud, weight)
    river_loop(river, NAMES, features, is_fraud, weight)
    river_loop(unweighted, NAMES, features, is_fraud)
    assert_same_state(compiled, river)
    assert parts(unweighted)[3].intercept != pytest.approx(parts(river)[3].intercept, abs=1e-3)


def test_going_on_with_river_after_fast_forward_equals_river_from_the_start():
    features, is_fraud = awkward_stream(600, seed=5)
    model, river = baseline(PAIRS), baseline(PAIRS)
    fast_forward(model, NAMES, features[:250], is_fraud[:250])
    river_loop(model, NAMES, features[250:400], is_fraud[250:400])
    fast_forward(model, NAMES, features[400:550], is_fraud[400:550])
    river_loop(model, NAMES, features[550:], is_fraud[550:])
    river_loop(river, NAMES, features, is_fraud)
    assert_same_state(model, river)
    assert_same_predictions(model, river, NAMES, features[::20])


def test_predictions_between_the_blocks_change_nothing():
    features, is_fraud = awkward_stream(300, seed=6)
    model, river = baseline(PAIRS), baseline(PAIRS)
    for start in range(0, 300, 50):
        # River's scaler makes entries for the features that it is asked about, learned or not.
        model.predict_proba_one({"never": 3.0} | present(NAMES, features[start]))
        fast_forward(model, NAMES, features[start : start + 50], is_fraud[start : start + 50])
    river_loop(river, NAMES, features, is_fraud)
    river.predict_proba_one({"never": 3.0} | present(NAMES, features[0]))
    for row in range(0, 300, 50):
        river.predict_proba_one(present(NAMES, features[row]))
    assert_same_state(model, river)


def test_columns_in_another_order_and_features_that_only_river_was_given():
    features, is_fraud = awkward_stream(300, seed=7)
    model, river = baseline(PAIRS), baseline(PAIRS)
    for each in (model, river):
        river_loop(each, [*NAMES, "never"], np.c_[features, features[:, 0] ** 2], is_fraud)
    order = [3, 0, 5, 2, 4, 1]
    names = [NAMES[index] for index in order]
    fast_forward(model, names, features[:, order], is_fraud)
    river_loop(river, NAMES, features, is_fraud)
    assert_same_state(model, river)
    assert parts(model)[0].counts["never"] == 300
    assert "never*amount" in parts(model)[3].weights


def test_float32_columns_are_the_float64_numbers_that_they_round_to():
    features, is_fraud = awkward_stream(300, seed=8)
    narrow = features.astype(np.float32)
    assert not np.array_equal(narrow.astype(np.float64), features, equal_nan=True)
    compiled, river = baseline(PAIRS), baseline(PAIRS)
    fast_forward(compiled, NAMES, narrow, is_fraud)
    river_loop(river, NAMES, narrow, is_fraud)
    assert_same_state(compiled, river)


def test_memory_layout_and_type_of_the_columns_do_not_matter():
    features, is_fraud = awkward_stream(200, seed=9)
    wide = np.full((400, 2 * len(NAMES)), 7.0)
    wide[::2, ::2] = features
    frozen = features.copy()
    frozen.flags.writeable = False
    variants = (
        (np.asfortranarray(features), is_fraud.astype(np.int8), np.ones(200, np.float32)),
        (wide[::2, ::2], list(is_fraud), np.ones(400)[::2]),
        (frozen, is_fraud[::-1].copy()[::-1], [1] * 200),
        (features.tolist(), is_fraud.astype(float), None),
    )
    plain = baseline(PAIRS)
    fast_forward(plain, NAMES, features, is_fraud)
    for rows, labels, weight in variants:
        model = baseline(PAIRS)
        fast_forward(model, NAMES, rows, labels, weight)
        for left, right in zip(read_state(plain, NAMES), read_state(model, NAMES), strict=True):
            assert left.tobytes() == right.tobytes()
    assert np.array_equal(frozen, features, equal_nan=True)


def test_large_numbers_do_not_poison_the_weights():
    generator = np.random.default_rng(10)
    features = generator.normal(size=(60, 2)) * np.array([1e100, 1e-100])
    features[0] = [MAX_MAGNITUDE, -MAX_MAGNITUDE]
    is_fraud = generator.random(60) < 0.5
    compiled, river = (baseline((("a", "b"), ("a", "a"))) for _ in range(2))
    fast_forward(compiled, ["a", "b"], features, is_fraud)
    river_loop(river, ["a", "b"], features, is_fraud)
    assert np.isfinite(np.concatenate([*read_state(compiled, ["a", "b"])])).all()
    assert_same_state(compiled, river)
    for name in ("a", "b"):  # they span 300 orders of magnitude: 1e-9 of each
        for moment in ("means", "vars"):
            value, expected = (getattr(parts(m)[0], moment)[name] for m in (compiled, river))
            assert value == pytest.approx(expected, rel=1e-9, abs=0.0)


def test_nothing_to_learn_changes_nothing():
    features, is_fraud = awkward_stream(50, seed=11)
    model, river = baseline(PAIRS), baseline(PAIRS)
    for each in (model, river):
        river_loop(each, NAMES, features, is_fraud)
    fast_forward(model, NAMES, features[:0], is_fraud[:0])
    assert_same_state(model, river)
    fast_forward(model, [], np.zeros((4, 0)), [True, False, False, True])
    river_loop(river, [], np.zeros((4, 0)), [True, False, False, True])
    assert_same_state(model, river)
    gone = np.full((3, len(NAMES)), np.nan)
    fast_forward(model, NAMES, gone, [True, False, False])
    river_loop(river, NAMES, gone, [True, False, False])
    assert_same_state(model, river)


@st.composite
def streams(draw):
    """A stream of any small shape, and how it is cut into blocks learned by river or compiled."""
    features = draw(st.integers(0, 5))
    names = [f"f{index}" for index in range(features)]
    possible = list(combinations_with_replacement(names, 2))
    pairs = draw(st.lists(st.sampled_from(possible), unique=True)) if possible else []
    blocks = draw(st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=6))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows = sum(size for size, _ in blocks)
    scale = np.array(draw(st.lists(st.sampled_from([0.0, 1e-7, 1.0, 1e4]), min_size=5, max_size=5)))
    values = generator.normal(size=(rows, features)) * scale[:features] + 3.0 * scale[:features]
    values = np.round(values, draw(st.integers(0, 12)))
    values[generator.random(values.shape) < draw(st.sampled_from([0.0, 0.2, 0.9]))] = np.nan
    if draw(st.booleans()):
        values = values.astype(np.float32)
    weight = generator.exponential(size=rows) if draw(st.booleans()) else None
    return names, tuple(pairs), blocks, values, generator.random(rows) < 0.3, weight


@settings(max_examples=80, deadline=None)
@given(streams(), st.sampled_from([0.02, 0.1, 0.5]), st.sampled_from([0.5, 5.0, 50.0]))
def test_any_stream_cut_in_any_way(stream, learning_rate, squash_limit):
    names, pairs, blocks, values, is_fraud, weight = stream
    chosen = BaselineSettings(learning_rate=learning_rate, squash_limit=squash_limit)
    model, river = baseline(pairs, chosen), baseline(pairs, chosen)
    start = 0
    for size, by_river in blocks:
        cut = slice(start, start + size)
        learn = river_loop if by_river else fast_forward
        learn(model, names, values[cut], is_fraud[cut], None if weight is None else weight[cut])
        start += size
    river_loop(river, names, values, is_fraud, weight)
    assert_same_state(model, river)
    assert_same_predictions(model, river, names, values[:5])


def test_state_written_into_a_fresh_pipeline_is_the_state():
    features, is_fraud = awkward_stream(200, seed=12)
    model, fresh = baseline(PAIRS), baseline(PAIRS)
    river_loop(model, NAMES, features, is_fraud)
    write_state(fresh, NAMES, read_state(model, NAMES))
    parts(fresh)[3].optimizer.n_iterations = 200
    assert_same_state(fresh, model)
    for left, right in zip(read_state(fresh, NAMES), read_state(model, NAMES), strict=True):
        assert left.tobytes() == right.tobytes()


def test_reading_the_state_creates_no_entries():
    model = baseline(PAIRS)
    state = read_state(model, NAMES)
    scaler, _, _, logistic = parts(model)
    assert not state.seen.any()
    assert len(scaler.means) + len(scaler.vars) + len(scaler.counts) == 0
    assert len(logistic.weights) + len(logistic.optimizer.g2) == 0


def test_the_log_odds_are_what_river_gives_each_row_just_before_it_learns_it():
    features, is_fraud = awkward_stream(300, seed=4)
    river = baseline(PAIRS)
    scaler, squash, interactions, logistic = parts(river)
    expected = []
    for row, label in zip(features, is_fraud, strict=True):
        x = present(NAMES, row)
        scaler.learn_one(x)
        terms = interactions.transform_one(squash.transform_one(scaler.transform_one(x)))
        chance = logistic.predict_proba_one(terms)[True]
        expected.append(math.log(chance / (1.0 - chance)))
        logistic.learn_one(terms, bool(label))
    log_odds = fast_forward(baseline(PAIRS), NAMES, features, is_fraud)
    np.testing.assert_allclose(log_odds, expected, rtol=1e-7, atol=1e-9)
    assert np.ptp(log_odds) > 1.0
