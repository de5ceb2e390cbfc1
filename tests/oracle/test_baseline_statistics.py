"""The baseline on streams whose true probabilities are known.

Excess log loss is the mean Kullback-Leibler divergence of the truth from the prediction: log loss
without the luck of the labels, 0 for a perfect model. It is given as a share of the truth's own entropy.
"""

from itertools import pairwise

import numpy as np
import pytest
from river import optim
from scipy.special import expit, rel_entr
from served_weights import served_of

from fraud_system.compiled import compiled
from fraud_system.models.baseline import baseline
from fraud_system.models.fast_forward import fast_forward
from fraud_system.models.model_settings import BaselineSettings
from fraud_system.models.pipeline import parts
from fraud_system.models.scoring import logit_of, sigmoid

NAMES = list("abcdefgh")
PAIRS = (("a", "d"), ("b", "c"), ("e", "e"))
TRUE_WEIGHTS = {"a": 0.8, "b": -0.6, "c": 0.4, "a*d": 0.5}  # every other term is null
EVERY = 500


@compiled
def score_rows(served, rows, out):
    term = np.zeros(rows.shape[1])
    for row in range(len(rows)):
        out[row] = sigmoid(logit_of(served, rows[row], term))


def stationary_stream(rows, intercept, seed):
    """Uniform features of mean 0 and variance 1, so that the weights are on the scaler's scale."""
    generator = np.random.default_rng(seed)
    features = generator.uniform(-(3**0.5), 3**0.5, size=(rows, len(NAMES)))
    a, b, c, d = features.T[:4]
    true = expit(intercept + 0.8 * a - 0.6 * b + 0.4 * c + 0.5 * a * d)
    return features, true, generator.random(rows) < true


def predict_then_learn(model, features, is_fraud):
    """Each row is scored with what had been learned at the last publication before it."""
    predicted = np.empty(len(features))
    for start in range(0, len(features), EVERY):
        cut = slice(start, start + EVERY)
        score_rows(served_of(model, NAMES), features[cut], predicted[cut])
        fast_forward(model, NAMES, features[cut], is_fraud[cut])
    return predicted


def excess_share(true, predicted):
    divergence = rel_entr(true, predicted) + rel_entr(1.0 - true, 1.0 - predicted)
    entropy = -(true * np.log(true) + (1.0 - true) * np.log1p(-true)).mean()
    return divergence / entropy


@pytest.mark.parametrize("seed", range(3))
def test_excess_log_loss_falls_and_is_small_at_the_end(seed):
    features, true, is_fraud = stationary_stream(40_000, -3.0, seed)
    model = baseline(PAIRS, BaselineSettings(prevalence=float(true.mean())))
    predicted = predict_then_learn(model, features, is_fraud)
    excess = excess_share(true, predicted)
    edges = (0, 500, 2_000, 8_000, 20_000)
    means = [excess[start:stop].mean() for start, stop in pairwise(edges)]
    assert all(later < earlier for earlier, later in pairwise(means))
    constant = excess_share(true, np.full(len(true), true.mean())).mean()
    assert means[0] == pytest.approx(constant, rel=0.3)  # it starts as the constant rate
    assert excess[20_000:].mean() < 0.01 < 0.1 * constant

    weights = dict(parts(model)[3].weights)
    for name, weight in weights.items():
        assert weight == pytest.approx(TRUE_WEIGHTS.get(name, 0.0), abs=0.15), name


def test_half_a_percent_of_fraud():
    features, true, is_fraud = stationary_stream(120_000, -6.0, seed=3)
    assert 0.004 < true.mean() < 0.006
    model = baseline(PAIRS, BaselineSettings())
    predicted = predict_then_learn(model, features, is_fraud)
    excess = excess_share(true, predicted)
    constant = excess_share(true, np.full(len(true), true.mean())).mean()
    late = slice(60_000, None)
    assert excess[late].mean() < 0.2 * constant < excess[:500].mean()
    assert predicted[late].sum() == pytest.approx(true[late].sum(), rel=0.15)
    # Calibrated where it matters too: among the tenth that it thinks most suspicious.
    top = np.argsort(predicted[late])[-6_000:]
    assert predicted[late][top].sum() == pytest.approx(true[late][top].sum(), rel=0.2)
    assert true[late][top].mean() > 3.0 * true.mean()


def test_the_intercept_starts_at_the_prior_log_odds():
    """A start at one half costs more log loss than the model gains in thousands of labels."""
    features, true, is_fraud = stationary_stream(3_000, -6.0, seed=4)
    warm, cold = baseline(PAIRS, BaselineSettings(prevalence=0.005)), baseline(PAIRS)
    parts(cold)[3].intercept = 0.0  # river's default
    first = warm.predict_proba_one(dict(zip(NAMES, features[0], strict=True)))[True]
    assert first == pytest.approx(0.005, rel=1e-12)
    excess = {
        name: excess_share(true, predict_then_learn(model, features, is_fraud))
        for name, model in (("warm", warm), ("cold", cold))
    }
    assert excess["cold"][:500].mean() > 20.0 * excess["warm"][:500].mean()
    assert excess["cold"].mean() > 3.0 * excess["warm"].mean()


@pytest.mark.parametrize("seed", [5, 6])
def test_squashing_softens_wild_values(seed):
    """One row in a thousand is thirty times too large; what it costs on all the other rows."""
    features, true, is_fraud = stationary_stream(20_000, -3.0, seed)
    wild = features.copy()
    wild[5_000::1_000] *= 30.0
    clean = np.arange(5_000, 20_000) % 1_000 != 0
    excess = {}
    for limit in (5.0, 1e9):
        settings = BaselineSettings(prevalence=float(true.mean()), squash_limit=limit)
        model = baseline(PAIRS, settings)
        predicted = predict_then_learn(model, wild, is_fraud)[5_000:]
        excess[limit] = excess_share(true[5_000:], predicted)[clean].mean()
    assert excess[5.0] < 0.75 * excess[1e9]


def test_the_scaler_is_not_protected_from_absurd_values():
    """The limit that `Squash` states: the scaler forgets nothing, and later values shrink to nearly 0."""
    features, true, is_fraud = stationary_stream(20_000, -3.0, seed=5)
    absurd = features.copy()
    absurd[5_000::1_000] *= 1_000.0
    clean = np.arange(5_000, 20_000) % 1_000 != 0
    model = baseline(PAIRS, BaselineSettings(prevalence=float(true.mean())))
    predicted = predict_then_learn(model, absurd, is_fraud)[5_000:]
    excess = excess_share(true[5_000:], predicted)[clean].mean()
    constant = excess_share(true[5_000:], np.full(15_000, true.mean())).mean()
    assert 0.5 * constant < excess < 1.2 * constant


def test_row_weights_of_let_through_take_a_biased_sample_back():
    """Rows kept with a known propensity and weighted by its inverse give the rate of all rows."""
    features, true, is_fraud = stationary_stream(40_000, -3.0, seed=6)
    generator = np.random.default_rng(7)
    propensity = np.where(features[:, 4] > 0.0, 1.0, 0.25)
    biased = is_fraud & (features[:, 4] > 0.0)  # frauds are mostly seen where e is positive
    kept = generator.random(len(true)) < propensity
    assert biased[kept].mean() > 1.2 * biased.mean()
    sums = {}
    for name, weight in (("weighted", 1.0 / propensity[kept]), ("unweighted", None)):
        model = baseline((), BaselineSettings(prevalence=float(biased.mean())))
        parts(model)[3].optimizer.lr = optim.schedulers.Constant(1e-9)  # the intercept alone
        fast_forward(model, NAMES, features[kept], biased[kept], weight)
        sums[name] = expit(parts(model)[3].intercept)
    assert sums["weighted"] == pytest.approx(biased.mean(), rel=0.35)
    assert sums["unweighted"] > 1.2 * sums["weighted"]
