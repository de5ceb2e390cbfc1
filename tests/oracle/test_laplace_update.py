"""The block update against a literal one, and against the optimum that scipy and scikit-learn find.

What it equals: with one label a block and no forgetting, each step is the exact mode of the Gaussian before
it and the label's likelihood. What it does not: a block of many labels goes one step of Newton's method, to
the best point along it and not on to the mode; and the precision has the curvature at the prediction, not at
the mode, so many labels end near the mode of them all and not at it.
"""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from laplace_oracle import learn_block, learn_blocks, symmetric
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from fraud_system.models.gaussian import LONGEST_STEP
from fraud_system.models.laplace import LaplaceRegression

KINDS = np.array([(1, 0), (1, 1), (0, 1), (0, -1), (1, -0.02), (0.7, 0), (3, 3), (0, 0)], float)
HOW_OFTEN = [0.5, 0.14, 0.1, 0.05, 0.05, 0.05, 0.05, 0.06]


def knowing(features, **options):
    """A classifier that has room for so many terms."""
    model = LaplaceRegression(**options)
    model.know([f"f{place}" for place in range(features)])
    return model


def design(rows, features, seed):
    return np.c_[np.ones(rows), np.random.default_rng(seed).normal(size=(rows, features))]


def labels_of(rows, weight, seed):
    return (np.random.default_rng(seed).random(len(rows)) < expit(rows @ weight)).astype(float)


def learned(model, rows, is_fraud):
    model.learn_terms(rows, np.ones(len(rows)), is_fraud)
    return model.gaussian


def objective(mean, precision, rows, curve, target):
    """Minus the log posterior, its gradient and its Hessian, as functions of the weights."""

    def value(weight):
        s = rows @ weight
        off = weight - mean
        return 0.5 * off @ precision @ off + np.sum(curve * np.logaddexp(0.0, s) - target * s)

    def gradient(weight):
        return precision @ (weight - mean) + rows.T @ (curve * expit(rows @ weight) - target)

    def hessian(weight):
        p = expit(rows @ weight)
        return precision + (rows.T * (curve * p * (1.0 - p))) @ rows

    return value, gradient, hessian


def mode(mean, precision, rows, curve, target):
    value, gradient, hessian = objective(mean, precision, rows, curve, target)
    found = minimize(value, mean, jac=gradient, hess=hessian, method="trust-exact").x
    for _ in range(5):  # scipy stops when the value no longer changes, the gradient is finer
        found = found - np.linalg.solve(hessian(found), gradient(found))
    assert np.abs(gradient(found)).max() < 1e-11 * (1.0 + np.abs(precision).max())
    return found


@pytest.mark.parametrize("memory_labels", [math.inf, 60.0])
@pytest.mark.parametrize("block_labels", [1, 3, 4, 50])
def test_blocks_of_all_kinds_of_terms_equal_the_literal_update(block_labels, memory_labels):
    draw = np.random.default_rng(block_labels)
    rows = design(303, 5, seed=2)
    rows[:, 4] *= 30.0
    rows[draw.random(rows.shape) < 0.1] = 0.0
    kinds = KINDS[draw.choice(len(KINDS), len(rows), p=HOW_OFTEN)]
    curve, target = kinds.T.copy()
    options = {"prevalence": 0.05, "prior_precision": 2.0, "intercept_precision": 0.5}
    model = knowing(5, memory_labels=memory_labels, block_labels=block_labels, **options)
    start, prior = np.zeros(6), np.array([0.5, *[2.0] * 5])
    start[0] = logit(0.05)
    mean, precision = learn_blocks(
        start, prior, rows, curve, target, 1.0 - 1.0 / memory_labels, block_labels
    )
    log_odds = model.learn_terms(rows, curve, target)
    gaussian = model.gaussian
    np.testing.assert_allclose(gaussian.mean, mean, rtol=1e-9, atol=1e-9)
    root = np.sqrt(np.diag(precision))  # the numbers beside a large one carry its rounding
    scale = np.outer(root, root)
    np.testing.assert_allclose(symmetric(gaussian.precision) / scale, precision / scale, atol=1e-9)
    factor = np.linalg.cholesky(precision).T
    np.testing.assert_allclose(np.triu(gaussian.factor) / root, factor / root, atol=1e-9)
    np.testing.assert_allclose(log_odds[:block_labels], rows[:block_labels] @ start)
    last = np.arange(300 - 300 % block_labels, 300)  # predicted before their block
    before, _ = learn_blocks(
        start, prior, rows[:300], curve[:300], target[:300], 1 - 1 / memory_labels, block_labels
    )
    np.testing.assert_allclose(log_odds[last], rows[last] @ before, rtol=1e-9, atol=1e-9)
    assert model.refused_blocks == 0
    assert np.abs(mean - start).max() > 0.2


@pytest.mark.parametrize("is_fraud", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_one_label_a_block_is_the_exact_mode_of_prior_times_label(seed, is_fraud):
    draw = np.random.default_rng(seed)
    prior = math.exp(draw.uniform(-4.0, 2.0))
    model = knowing(4, prevalence=0.1, prior_precision=prior)
    rows = design(80, 4, seed=seed + 10)
    learned(model, rows[:70], labels_of(rows[:70], np.array([-1.0, 1, -1, 2, 0]), seed))
    for row in rows[70:]:
        before = model.gaussian.mean.copy(), symmetric(model.gaussian.precision)
        one = 3.0 * row[np.newaxis], np.ones(1), np.array([is_fraud])
        model.learn_terms(*one)
        np.testing.assert_allclose(model.gaussian.mean, mode(*before, *one), atol=1e-7)
        p = expit(3.0 * row @ before[0])
        # The curvature is that of the prediction.
        expected = before[1] + p * (1.0 - p) * np.outer(3.0 * row, 3.0 * row)
        np.testing.assert_allclose(symmetric(model.gaussian.precision), expected, rtol=1e-9)


@pytest.mark.parametrize("prior", [1e-3, 0.03, 1.0, 100.0])
@pytest.mark.parametrize("before", [-12.0, -4.45, -1.0, 0.0, 3.0, 9.0])
def test_a_surprise_goes_to_the_mode_too(before, prior):
    """Newton's method goes to and fro here: from -4.45 with variance 30, to 20 and back."""
    model = LaplaceRegression(prevalence=float(expit(before)), intercept_precision=prior)
    learned(model, np.ones((1, 1)), np.ones(1))
    exact = brentq(lambda w: prior * (w - before) + expit(w) - 1.0, before, 50.0, xtol=1e-14)
    assert model.gaussian.mean[0] == pytest.approx(exact, rel=1e-8)


def test_a_step_is_at_most_so_many_times_newtons():
    """Only under a prior that is wider than any in use does a label want to go further."""
    model = LaplaceRegression(prevalence=0.05, intercept_precision=1e-12)
    before = float(model.gaussian.mean[0])
    learned(model, np.ones((1, 1)), np.zeros(1))
    newton = -0.05 / (1e-12 + 0.05 * 0.95)
    assert model.gaussian.mean[0] == pytest.approx(before + LONGEST_STEP * newton, rel=1e-6)
    exact = brentq(lambda w: 1e-12 * (w - before) + expit(w), -60.0, before, xtol=1e-14)
    assert exact < model.gaussian.mean[0] - 1.0


def test_one_block_of_all_labels_is_one_step_towards_the_mode_and_not_the_mode():
    rows = design(400, 3, seed=1)
    is_fraud = labels_of(rows, np.array([-2.0, 2.0, -1.0, 0.5]), seed=1)
    model = knowing(3, block_labels=400)
    start, precision = model.gaussian.mean.copy(), symmetric(model.gaussian.precision)
    about = start, precision, rows, np.ones(400), is_fraud
    value, gradient, hessian = objective(*about)
    learned(model, rows, is_fraud)
    after, best = model.gaussian.mean, mode(*about)
    newton = -np.linalg.solve(hessian(start), gradient(start))
    along = (after - start) / newton
    np.testing.assert_allclose(along, along[0], rtol=1e-9)
    assert value(best) < value(after) < value(start + newton) < value(start)
    assert value(after) - value(best) < 0.1 * (value(start) - value(best))
    assert np.abs(after - best).max() > 0.05
    # Newton's method from there, with the prior held, goes on to the mode in a few more steps.
    for _ in range(8):
        after = after - np.linalg.solve(hessian(after), gradient(after))
    np.testing.assert_allclose(after, best, atol=1e-7)


def test_the_same_block_once_more_counts_its_labels_twice():
    rows = design(60, 3, seed=3)
    is_fraud = labels_of(rows, np.array([-1.0, 2.0, -1.0, 0.5]), seed=3)
    once, twice = knowing(3, block_labels=60), knowing(3, block_labels=60)
    learned(once, rows, is_fraud)
    learned(twice, rows, is_fraud)
    learned(twice, rows, is_fraud)
    mean, precision = learn_block(
        once.gaussian.mean,
        symmetric(once.gaussian.precision),
        once.gaussian.prior,
        rows,
        np.ones(60),
        is_fraud,
        1.0,
    )
    np.testing.assert_allclose(twice.gaussian.mean, mean, rtol=1e-9)
    np.testing.assert_allclose(symmetric(twice.gaussian.precision), precision, rtol=1e-9)


@pytest.mark.parametrize(("block_labels", "multiple"), [(1, 0.6), (25, 0.8), (250, 1.0)])
@pytest.mark.parametrize("seed", range(3))
def test_many_labels_end_near_the_weights_of_scikit_learn(seed, block_labels, multiple):
    """Penalised least loss over all rows at once: L2 of the prior. In posterior deviations."""
    rows = design(30_000, 6, seed=seed)
    truth = np.array([-2.5, 1.0, -0.7, 0.4, 0.0, 0.2, -0.1])
    is_fraud = labels_of(rows, truth, seed)
    prior, intercept_prior = 4.0, 1e-4
    model = knowing(
        6,
        prevalence=0.1,
        prior_precision=prior,
        intercept_precision=intercept_prior,
        block_labels=block_labels,
    )
    gaussian = learned(model, rows, is_fraud)
    # One penalty for all: the intercept's column is stretched instead.
    stretch = math.sqrt(prior / intercept_prior)
    stretched = rows * np.array([stretch, *[1.0] * 6])
    fitted = LogisticRegression(C=1.0 / prior, fit_intercept=False, tol=1e-10)
    fitted.set_params(solver="newton-cholesky")
    fitted.fit(stretched, is_fraud)
    best = fitted.coef_[0] * np.array([stretch, *[1.0] * 6])
    deviation = np.sqrt(np.diag(np.linalg.inv(symmetric(gaussian.precision))))
    off = np.abs(gaussian.mean - best) / deviation
    assert off.max() < multiple
    assert np.abs(best - truth).max() / deviation.min() < 6.0


def test_the_deviations_of_the_weights_are_those_of_statsmodels():
    rows = design(8_000, 4, seed=5)
    is_fraud = labels_of(rows, np.array([-1.5, 1.0, -0.7, 0.4, 0.0]), seed=5)
    model = knowing(
        4, prevalence=0.2, prior_precision=1e-3, intercept_precision=1e-3, block_labels=50
    )
    gaussian = learned(model, rows, is_fraud)
    covariance = np.linalg.inv(symmetric(gaussian.precision))
    fitted = sm.Logit(is_fraud, rows).fit(disp=False)
    np.testing.assert_allclose(np.diag(covariance), np.diag(fitted.cov_params()), rtol=0.1)
    for row in rows[:5]:
        x = {f"f{place}": value for place, value in enumerate(row[1:])}
        assert model.logit_variance_one(x) == pytest.approx(row @ covariance @ row, rel=1e-9)
