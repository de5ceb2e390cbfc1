"""`laplace` by hand: terms that come and go, blocks that are refused, settings, arrays."""

import math

import numpy as np
import pytest
from laplace_oracle import symmetric

from fraud_system.errors import ConfigError
from fraud_system.models.fast_forward import fast_forward, fast_forward_terms
from fraud_system.models.gaussian import MAX_WEIGHT, factorised
from fraud_system.models.laplace import LaplaceRegression, laplace
from fraud_system.models.model_settings import MAX_BLOCK_LABELS, LaplaceSettings
from fraud_system.models.online import model_arrays, new_model, restore_model, weights_of
from fraud_system.models.pipeline import parts

NAMES, PAIRS = ["a", "b", "c"], (("a", "b"), ("c", "c"))
BLOCK = LaplaceSettings(block_labels=8, prior_precision=1.0, memory_labels=500.0)


def rows_and_labels(rows, seed):
    draw = np.random.default_rng(seed)
    return draw.normal(2.0, 3.0, size=(rows, len(NAMES))), draw.random(rows) < 0.3


def one_row(row):
    return np.array([row], float), np.ones(1), np.ones(1)


def gaussian_bytes(model):
    return [array.tobytes() for array in model.gaussian]


def test_one_label_by_hand():
    """From N(0, 1) each: gradient 1/2, curvature 1/4, and the mode where m = (1 - p(m)) x."""
    model = LaplaceRegression(intercept_precision=1.0)
    model.learn_one({"a": 2.0}, True)
    intercept, weight = model.gaussian.mean
    assert weight == pytest.approx(2.0 * intercept)
    assert intercept == pytest.approx(1.0 / (1.0 + math.exp(intercept + 2.0 * weight)), rel=1e-9)
    expected = np.eye(2) + 0.25 * np.outer([1.0, 2.0], [1.0, 2.0])
    np.testing.assert_allclose(symmetric(model.gaussian.precision), expected, rtol=1e-12)
    row = np.array([1.0, 3.0])
    variance = row @ np.linalg.inv(expected) @ row
    assert model.logit_variance_one({"a": 3.0}) == pytest.approx(variance, rel=1e-12)


def test_forgetting_by_hand():
    """A label leaves 9/10 of what was known, and fills up from the prior; a second term alone does not."""
    model = LaplaceRegression(prior_precision=4.0, intercept_precision=2.0, memory_labels=10.0)
    model.know(["a"])
    model.gaussian.precision[:] = [[12.0, 5.0], [0.0, 24.0]]
    mean = model.gaussian.mean.copy()
    model.learn_terms(np.zeros((1, 2)), np.ones(1), np.zeros(1))
    np.testing.assert_allclose(model.gaussian.precision, [[11.0, 4.5], [0.0, 22.0]], rtol=1e-12)
    assert (model.gaussian.mean == mean).all()
    model.learn_terms(np.zeros((1, 2)), np.zeros(1), np.ones(1))
    np.testing.assert_allclose(model.gaussian.precision, [[11.0, 4.5], [0.0, 22.0]], rtol=1e-12)


@pytest.mark.parametrize("block_labels", [1, 4])
def test_a_late_report_moves_the_mean_by_the_covariance_times_the_row(block_labels):
    draw = np.random.default_rng(0)
    model = LaplaceRegression(block_labels=block_labels, memory_labels=50.0)
    model.know(NAMES)
    rows = np.c_[np.ones(40), draw.normal(size=(40, 3))]
    model.learn_terms(rows, np.ones(40), (draw.random(40) < 0.4).astype(float))
    mean, precision = model.gaussian.mean.copy(), model.gaussian.precision.copy()
    late = np.zeros((block_labels, 4))
    late[0] = [1.0, 2.0, -1.0, 0.5]
    one = np.zeros(block_labels)
    one[0] = 1.0
    model.learn_terms(late, np.zeros(block_labels), one)
    moved = np.linalg.solve(symmetric(precision), late[0])
    np.testing.assert_allclose(model.gaussian.mean - mean, moved, rtol=1e-9)
    assert model.gaussian.precision.tobytes() == precision.tobytes()
    model.learn_terms(late, np.zeros(block_labels), -one)
    np.testing.assert_allclose(model.gaussian.mean, mean, rtol=0.0, atol=1e-12)


def test_a_reversal_within_the_block_of_its_report_changes_nothing():
    model = LaplaceRegression(block_labels=2)
    model.learn_one({"a": 1.0}, True)
    model.learn_one({"a": 2.0}, False)
    before = gaussian_bytes(model)
    late = np.tile([1.0, 3.0], (2, 1))
    model.learn_terms(late, np.zeros(2), np.array([1.0, -1.0]))
    assert gaussian_bytes(model) == before


def test_what_was_learned_in_between_shrinks_what_a_reversal_takes_back():
    """The report was worth more when less was known: so a part of it stays."""
    model = LaplaceRegression()
    model.know(["a"])
    row, nothing, one = np.array([[1.0, 1.0]]), np.zeros(1), np.ones(1)
    model.learn_terms(row, nothing, one)
    draw = np.random.default_rng(1)
    between = np.c_[np.ones(200), draw.normal(size=200)]
    without = LaplaceRegression()
    without.know(["a"])
    for each in (model, without):
        each.learn_terms(between, np.ones(200), (between[:, 1] > 0).astype(float))
    model.learn_terms(row, nothing, -one)
    assert np.abs(model.gaussian.mean - without.gaussian.mean).max() > 1e-3


@pytest.mark.parametrize(
    ("value", "target"),
    [(math.nan, 1.0), (math.inf, 1.0), (1e200, 1.0), (1.0, 1e9), (1.0, -1e9), (1.0, math.nan)],
)
@pytest.mark.parametrize("block_labels", [1, 3])
def test_a_block_that_would_spoil_the_weights_is_refused_and_counted(value, target, block_labels):
    draw = np.random.default_rng(2)
    model, clean = (
        LaplaceRegression(block_labels=block_labels, memory_labels=40.0) for _ in range(2)
    )
    for _ in range(12):
        x, label = dict(zip(NAMES, draw.normal(size=3), strict=True)), draw.random() < 0.4
        for each in (model, clean):
            each.learn_one(x, label)
    before = gaussian_bytes(model)
    rows = np.ones((block_labels, 4))
    rows[-1, 2] = value
    targets = np.zeros(block_labels)
    targets[-1] = target
    model.learn_terms(rows, np.ones(block_labels), targets)
    assert gaussian_bytes(model) == before
    assert model.refused_blocks == 1
    assert model.to_arrays()["pending_refused"].tolist() == [1]
    assert not model.to_arrays()["pending_rows"].any()
    for each in (model, clean):
        for _ in range(block_labels):
            each.learn_one({"a": 1.0, "b": -2.0, "c": 0.5}, True)
    assert gaussian_bytes(model) == gaussian_bytes(clean) != before
    assert (model.refused_blocks, clean.refused_blocks) == (1, 0)


def test_a_weight_at_the_limit_is_learned_and_one_beyond_it_is_not():
    for size, refused in ((0.99, 0), (1.01, 1)):
        model = LaplaceRegression(intercept_precision=1.0)
        model.learn_terms(np.ones((1, 1)), np.zeros(1), np.array([size * MAX_WEIGHT]))
        assert model.refused_blocks == refused
        assert model.gaussian.mean[0] == pytest.approx((1 - refused) * size * MAX_WEIGHT)


def test_a_missing_value_in_a_frame_of_columns_is_no_term_and_in_a_row_it_is_refused():
    model = laplace(settings=LaplaceSettings(block_labels=1))
    fast_forward(model, ["a", "b"], np.array([[1.0, np.nan], [3.0, np.nan]]), [True, False])
    assert parts(model)[3].refused_blocks == 0
    assert weights_of(model, ["a", "b"]).weight[1] == 0.0
    model.learn_one({"a": 1.0, "b": math.nan}, True)
    assert parts(model)[3].refused_blocks == 1


def test_new_terms_start_at_their_prior_and_change_nothing_else():
    model, whole = (
        LaplaceRegression(prior_precision=3.0, memory_labels=30.0, block_labels=4) for _ in range(2)
    )
    whole.know(["a", "b", "c", "d"])
    draw = np.random.default_rng(3)
    for place in range(30):
        names = ["a", "b", "c", "d"][: 1 + place // 8]
        x = dict(zip(names, draw.normal(size=4), strict=False))
        asked = {"a": 1.0, "d": 2.0, "z": -1.0}
        assert model.predict_proba_one(asked) == whole.predict_proba_one(asked)
        assert model.logit_variance_one(asked) == pytest.approx(whole.logit_variance_one(asked))
        label = bool(draw.random() < 0.5)
        model.learn_one(x, label)
        whole.learn_one(x, label)
    assert list(model.positions) == list(whole.positions)
    for name, array in model.to_arrays().items():
        assert array.tobytes() == whole.to_arrays()[name].tobytes(), name
    assert model.gaussian.factor.tobytes() == whole.gaussian.factor.tobytes()


def test_an_unknown_term_counts_nothing_in_the_score_and_its_prior_in_the_variance():
    model = LaplaceRegression(prior_precision=4.0, intercept_precision=0.5)
    assert model.logit_one({"a": 3.0}) == model.logit_one({})
    assert model.logit_variance_one({}) == pytest.approx(2.0)
    assert model.logit_variance_one({"a": 3.0, "b": 1.0}) == pytest.approx(2.0 + 10.0 / 4.0)
    assert model.positions == {}


def test_another_order_of_the_terms_is_the_same_gaussian():
    draw = np.random.default_rng(4)
    model = LaplaceRegression(block_labels=3, memory_labels=60.0, prior_precision=2.0)
    for _ in range(31):
        model.learn_one(dict(zip(NAMES, draw.normal(size=3), strict=True)), draw.random() < 0.4)
    x = dict(zip("abcz", draw.normal(size=4), strict=True))
    before = model.logit_one(x), model.logit_variance_one(x)
    precision, rows = symmetric(model.gaussian.precision), model.pending.rows.copy()
    model.order_as(["c", "new", "a", "b"])
    order = [0, 3, 1, 2]
    assert list(model.positions.items()) == [("c", 1), ("new", 2), ("a", 3), ("b", 4)]
    places = np.array([0, 1, 3, 4])
    after = symmetric(model.gaussian.precision)
    assert (after[np.ix_(places, places)] == precision[np.ix_(order, order)]).all()
    assert after[2].tolist() == [0.0, 0.0, 2.0, 0.0, 0.0]
    assert model.gaussian.prior.tolist() == [0.1, 2.0, 2.0, 2.0, 2.0]
    assert (model.pending.rows[:, places] == rows[:, order]).all()
    assert int(model.pending.held[0]) == 1
    assert not np.tril(model.gaussian.precision, -1).any()
    factor = np.triu(model.gaussian.factor)
    np.testing.assert_allclose(factor.T @ factor, after, rtol=1e-12, atol=1e-12)
    assert model.logit_one(x) == pytest.approx(before[0], rel=1e-12)
    assert model.logit_variance_one(x) == pytest.approx(before[1], rel=1e-12)


def test_a_term_that_is_not_listed_is_refused_and_nothing_changes():
    model = LaplaceRegression()
    model.learn_one({"a": 1.0, "b": 2.0}, True)
    before = gaussian_bytes(model)
    with pytest.raises(ConfigError, match="'b'") as caught:
        model.order_as(["a", "new"])
    assert (caught.value.field, bool(caught.value.fix)) == ("names", True)
    assert gaussian_bytes(model) == before
    assert list(model.positions) == ["a", "b"]


@pytest.mark.parametrize("learned", range(0, 21, 4))
def test_arrays_in_the_middle_of_a_block_give_the_same_model(learned):
    features, is_fraud = rows_and_labels(60, seed=5)
    model, restored = new_model(BLOCK, PAIRS), new_model(BLOCK, PAIRS)
    fast_forward(model, NAMES, features[:learned], is_fraud[:learned])
    arrays = model_arrays(model, NAMES)
    assert arrays["pending_held"].tolist() == [learned % 8]
    assert not arrays["pending_rows"][learned % 8 :].any()
    restore_model(restored, NAMES, {name: array.copy() for name, array in arrays.items()})
    assert gaussian_bytes(parts(restored)[3]) == gaussian_bytes(parts(model)[3])
    for each in (model, restored):
        fast_forward(each, NAMES, features[learned:], is_fraud[learned:])
        fast_forward_terms(each, NAMES, features[:3], np.zeros(3), np.ones(3))
    for name, array in model_arrays(model, NAMES).items():
        assert array.tobytes() == model_arrays(restored, NAMES)[name].tobytes(), name


def test_arrays_are_copies_and_equal_models_give_equal_ones_whatever_a_block_held_before():
    features, is_fraud = rows_and_labels(16, seed=6)
    model, other = (LaplaceRegression(block_labels=8) for _ in range(2))
    for each, first in ((model, features[:8]), (other, features[8:])):
        each.know(NAMES)
        each.learn_terms(np.c_[np.ones(8), first], np.ones(8), is_fraud[:8].astype(float))
        each.gaussian.mean[:], each.gaussian.precision[:] = 0.5, 2.0 * np.eye(4)
    for name, array in model.to_arrays().items():
        assert array.tobytes() == other.to_arrays()[name].tobytes(), name
        array[:] = 7
        assert not np.array_equal(array, model.to_arrays()[name])


def test_what_is_served_is_the_mean():
    features, is_fraud = rows_and_labels(100, seed=7)
    model = new_model(BLOCK, PAIRS)
    fast_forward(model, NAMES, features, is_fraud)
    weights = weights_of(model, NAMES)
    mean = parts(model)[3].gaussian.mean
    assert list(parts(model)[3].positions) == ["a", "b", "c", "a*b", "c*c"]
    assert weights.intercept.tolist() == [mean[0]]
    assert weights.weight.tolist() == mean[1:].tolist()
    np.testing.assert_allclose(weights.mean, features.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(weights.deviation, features.std(axis=0), rtol=1e-9)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 33])
def test_the_factor_is_that_of_numpy_and_says_what_is_none(size):
    rows = np.random.default_rng(size).normal(size=(size + 3, size))
    matrix = rows.T @ rows
    found = np.triu(factorised(np.triu(matrix)))
    np.testing.assert_allclose(found, np.linalg.cholesky(matrix).T, rtol=1e-9, atol=1e-12)
    for bad in (
        -np.eye(size),
        np.zeros((size, size)),
        matrix * np.nan,
        matrix - 1e3 * np.eye(size),
    ):
        assert np.isnan(factorised(bad)[0, 0])


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        (field, bad)
        for field in (
            *("prevalence", "prior_precision", "intercept_precision"),
            *("memory_labels", "block_labels", "squash_limit"),
        )
        for bad in (0.0, -0.1, math.nan, -math.inf, "0.1", None, True)
    ]
    + [("prevalence", 1.0), ("prevalence", 1.5), ("memory_labels", 9.9)]
    + [(field, math.inf) for field in ("prevalence", "prior_precision", "squash_limit")]
    + [("block_labels", bad) for bad in (0, 2.5, 250.0, math.inf, MAX_BLOCK_LABELS + 1)]
    + [("kind", "baseline")],
)
def test_settings_that_nothing_can_be_learned_with_are_refused(field, bad):
    with pytest.raises(ConfigError) as caught:
        LaplaceSettings(**{field: bad})
    assert caught.value.field == f"model.{field}"


def test_settings_at_their_bounds():
    LaplaceSettings(memory_labels=10, block_labels=MAX_BLOCK_LABELS)
    chosen = LaplaceSettings(1e-12, 1e-3, 1e-3, math.inf, 1, 1e-3)
    model = laplace(settings=chosen)
    assert parts(model)[3].keep == 1.0
    model.learn_one({"a": 1.0}, True)
    assert 0.0 < model.predict_proba_one({"a": 1.0})[True] < 1.0
