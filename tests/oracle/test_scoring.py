"""The kernel that scores: river's `predict_proba_one` for the same state, and the same bits in any batch."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from served_weights import served_of

from fraud_system.compiled import compiled
from fraud_system.models.baseline import baseline
from fraud_system.models.fast_forward import fast_forward
from fraud_system.models.scoring import Served, logit_of, sigmoid

NAMES = ["a", "b", "constant", "gappy", "never"]
PAIRS = (("a", "a"), ("a", "b"), ("gappy", "b"), ("constant", "a"), ("never", "b"))


def probability_of(served, row):
    return sigmoid(logit_of(served, row, np.zeros(len(served.mean))))


def rivers_probability(model, names, row):
    known = {n: float(v) for n, v in zip(names, row, strict=True) if not math.isnan(v)}
    return model.predict_proba_one(known)[True]


def learned_model(seed=0, rows=400):
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(rows, len(NAMES))) * 3.0 + 1.0
    features[:, 2] = 0.7
    features[generator.random(rows) < 0.5, 3] = np.nan
    features[:, 4] = np.nan
    is_fraud = generator.random(rows) < expit(features[:, 0] * features[:, 1] / 5.0)
    model = baseline(PAIRS)
    fast_forward(model, NAMES, features, is_fraud)
    return model, features


def test_the_score_is_rivers():
    model, features = learned_model()
    served = served_of(model, NAMES)
    assert served.deviation[2] == 0.0  # a constant column
    assert served.deviation[4] == 0.0  # a column that was never seen
    scores = np.array([probability_of(served, row) for row in features])
    expected = [rivers_probability(model, NAMES, row) for row in features]
    assert scores == pytest.approx(expected, rel=0.0, abs=1e-9)
    assert scores.max() - scores.min() > 0.5


@pytest.mark.parametrize("missing", [(), (0,), (1, 3), (0, 1, 2, 3, 4)])
@pytest.mark.parametrize("value", [0.7, -1e30, 1e300, math.inf, -math.inf, 5e-324])
def test_missing_extreme_and_never_seen_values_score_as_in_river(missing, value):
    model, _ = learned_model()
    served = served_of(model, NAMES)
    for column in range(len(NAMES)):
        row = np.array([1.0, -2.0, 0.7, 3.0, 4.0])
        row[column] = value
        row[list(missing)] = np.nan
        assert probability_of(served, row) == pytest.approx(
            rivers_probability(model, NAMES, row), rel=0.0, abs=1e-9
        )


def test_a_missing_feature_adds_nothing_and_its_pairs_neither():
    model, _ = learned_model()
    served = served_of(model, NAMES)
    row = np.array([1.0, -2.0, 5.0, np.nan, 9.0])
    everything_else = np.full(len(NAMES), np.nan)
    term = np.zeros(len(NAMES))
    assert logit_of(served, everything_else, term) == served.intercept[0]
    changed = served._replace(weight=served.weight.copy())
    changed.weight[3] = 1e6
    changed.weight[len(NAMES) + 2] = -1e6  # gappy x b
    assert logit_of(changed, row, term) == logit_of(served, row, term)
    row[3] = 0.0
    assert logit_of(changed, row, term) != logit_of(served, row, term)


def test_hand_worked_logit():
    served = Served(
        mean=np.array([10.0, 0.0]),
        deviation=np.array([2.0, 0.0]),
        weight=np.array([0.5, 7.0, -0.25]),
        intercept=np.array([-1.0]),
        left=np.array([0]),
        right=np.array([0]),
        squash_limit=np.array([5.0]),
        recalibration=np.array([0.0, 1.0]),
        rule_feature=np.zeros((0, 4), np.int64),
        rule_above=np.zeros((0, 4), np.bool_),
        rule_threshold=np.zeros((0, 4)),
        rates=np.full(2, 0.01),
    )
    # z = (14 - 10) / 2 = 2, squashed 5 tanh(0.4) = 1.8997448; the constant column counts for 0.
    squashed = 1.8997448112761241
    expected = 0.5 * squashed - 0.25 * squashed**2 - 1.0
    found = logit_of(served, np.array([14.0, 3.0]), np.zeros(2))
    assert found == pytest.approx(expected, abs=1e-15)


@compiled
def score_many(served, rows, out):
    """As the engine's kernel does: the scoring kernel inlined in a loop over a batch."""
    term = np.zeros(rows.shape[1])
    for row in range(len(rows)):
        out[row] = sigmoid(logit_of(served, rows[row], term))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_gets_the_same_bits_alone_and_in_any_batch(dtype):
    model, _ = learned_model()
    served = served_of(model, NAMES)
    generator = np.random.default_rng(1)
    rows = (generator.normal(size=(513, len(NAMES))) * 4.0).astype(dtype)
    rows[generator.random(rows.shape) < 0.1] = np.nan
    together = np.empty(len(rows))
    score_many(served, rows, together)
    for row in range(len(rows)):
        alone = np.empty(1)
        score_many(served, rows[row : row + 1].copy(), alone)
        assert alone.tobytes() == together[row : row + 1].tobytes()
        assert np.float64(probability_of(served, rows[row])).tobytes() == alone.tobytes()
    for start, stop in ((1, 513), (7, 9), (100, 511)):
        some = np.empty(stop - start)
        score_many(served, rows[start:stop], some)
        assert some.tobytes() == together[start:stop].tobytes()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 30), st.integers(1, 6), st.sampled_from([0.3, 5.0]))
def test_any_state_scores_as_in_river(seed, rows, features, squash_limit):
    generator = np.random.default_rng(seed)
    names = [f"f{index}" for index in range(features)]
    pairs = tuple((names[i], names[j]) for i in range(features) for j in range(i, features, 2))
    values = generator.normal(size=(rows + 5, features)) * 10.0 ** generator.integers(
        -3, 4, features
    )
    values[generator.random(values.shape) < 0.2] = np.nan
    model = baseline(pairs)
    model["Squash"].limit = squash_limit
    fast_forward(model, names, values[:rows], generator.random(rows) < 0.4)
    served = served_of(model, names)
    for row in values[rows:]:
        assert probability_of(served, row) == pytest.approx(
            rivers_probability(model, names, row), rel=0.0, abs=1e-9
        )


@pytest.mark.parametrize(
    ("logit", "probability"),
    [
        (0.0, 0.5),
        (-0.0, 0.5),
        (math.log(3.0), 0.75),
        (1e308, 1.0),
        (-1e308, 0.0),
        (math.inf, 1.0),
        (-math.inf, 0.0),
        (709.9, 1.0),
        (-36.8, math.exp(-36.8)),  # far below where 1 / (1 + exp) or river's own would say 0
        (-745.0, 5e-324),
    ],
)
def test_sigmoid_at_its_extremes(logit, probability):
    assert sigmoid(logit) == pytest.approx(probability, rel=1e-12, abs=0.0)


def test_a_logit_that_is_no_number_gives_no_probability():
    assert math.isnan(sigmoid(math.nan))


@settings(max_examples=200, deadline=None)
@given(st.floats(-1e4, 1e4), st.floats(0.0, 1e3))
def test_sigmoid_is_scipys_and_symmetric_and_increases(logit, more):
    assert sigmoid(logit) == pytest.approx(expit(logit), rel=1e-13, abs=1e-320)
    assert sigmoid(logit) + sigmoid(-logit) == pytest.approx(1.0, abs=1e-15)
    assert 0.0 <= sigmoid(logit) <= sigmoid(logit + more) <= 1.0


@pytest.mark.parametrize("poisoned", ["mean", "deviation", "weight", "intercept"])
def test_weights_that_are_no_numbers_give_a_score_that_is_no_number(poisoned):
    """The engine then answers with the heuristic; a plausible number would go unnoticed."""
    model, features = learned_model()
    served = served_of(model, NAMES)
    array = getattr(served, poisoned).copy()
    array[0] = np.nan
    row = np.where(np.isnan(features[0]), 1.0, features[0])
    assert math.isnan(probability_of(served._replace(**{poisoned: array}), row))
