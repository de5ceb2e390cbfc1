"""Whatever is learned: the precision stays above the prior's, the weights finite, a refusal harmless."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from laplace_oracle import symmetric

from fraud_system.models.gaussian import MAX_WEIGHT
from fraud_system.models.laplace import LaplaceRegression

KINDS = np.array([(1, 0), (1, 1), (0, 1), (0, -1), (1, -0.02), (0.7, 0), (3, 3), (0, 0), (5e3, 0)])


@st.composite
def learned(draw, scales=(0.0, 1e-6, 1.0, 8.0, 64.0)):
    """A model that has learned anything, with terms that came late."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    model = LaplaceRegression(
        prevalence=draw(st.sampled_from([0.001, 0.3, 0.9])),
        prior_precision=draw(st.sampled_from([0.05, 1.0, 20.0])),
        intercept_precision=draw(st.sampled_from([0.05, 1.0])),
        memory_labels=draw(st.sampled_from([10.0, 200.0, np.inf])),
        block_labels=draw(st.sampled_from([1, 2, 5, 16])),
    )
    for terms in sorted(draw(st.lists(st.integers(0, 5), min_size=1, max_size=3))):
        model.know([f"f{place}" for place in range(terms)])
        size = len(model.gaussian.mean)
        rows = generator.normal(size=(draw(st.integers(0, 60)), size))
        rows *= np.array(draw(st.lists(st.sampled_from(scales), min_size=size, max_size=size)))
        rows[:, 0] = 1.0
        kinds = KINDS[generator.integers(0, len(KINDS), len(rows))]
        model.learn_terms(rows, *kinds.T.copy())
    return model


@settings(max_examples=150)
@given(learned())
def test_the_precision_never_falls_below_the_priors_in_any_direction(model):
    precision, prior = symmetric(model.gaussian.precision), model.gaussian.prior
    # x'Px >= x'P0x for all x: the eigenvalues of P against P0 are at least 1.
    root = np.sqrt(prior)
    relative = np.linalg.eigvalsh(precision / np.outer(root, root))
    assert relative.min() > 1.0 - 1e-9 * relative.max()
    factor = np.triu(model.gaussian.factor)
    np.testing.assert_allclose(factor.T @ factor, precision, rtol=1e-9, atol=1e-9 * precision.max())


@settings(max_examples=150)
@given(learned(scales=(0.0, 1.0, 1e6, 1e100, 1e160)))
def test_the_weights_stay_finite_whatever_is_learned(model):
    for array in model.gaussian:
        assert np.isfinite(array).all()
    assert np.abs(model.gaussian.mean).max() <= MAX_WEIGHT
    assert (np.diag(model.gaussian.factor) > 0.0).all()
    assert 0.0 <= model.predict_proba_one({"f0": 2.0, "f9": 1.0})[True] <= 1.0
    assert 0.0 < model.logit_variance_one({"f0": 2.0, "f9": 1.0}) < np.inf


@settings(max_examples=60)
@given(learned(), st.floats(-3.0, 3.0), st.integers(0, 5))
def test_a_late_report_and_its_reversal_restore_the_mean(model, value, filler):
    """(0, 1) and (0, -1) move the mean and not the precision; nothing else was learned between them."""
    while model.pending.held[0]:  # to a block's end
        model.learn_terms(np.zeros((1, len(model.gaussian.mean))), np.zeros(1), np.zeros(1))
    block = model.block_labels
    row = np.full((block, len(model.gaussian.mean)), value)
    row[:, 0] = 1.0
    before = model.gaussian.mean.copy(), model.gaussian.precision.tobytes()
    model.learn_terms(row, np.zeros(block), np.ones(block))
    moved = np.abs(model.gaussian.mean - before[0]).max()
    assert moved > 1e-9
    assert model.gaussian.precision.tobytes() == before[1]
    model.learn_terms(row, np.zeros(block), -np.ones(block))
    np.testing.assert_allclose(model.gaussian.mean, before[0], atol=1e-9 * (moved + 1.0))
    assert model.gaussian.precision.tobytes() == before[1]
