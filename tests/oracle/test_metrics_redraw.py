"""The jumping sampler draws what n independent Bernoullis draw: exact laws, not look-alikes."""

import numpy as np
import pytest
from scipy import stats

from fraud_system.metrics.redraw import redrawn_sums

# Zero, one, several octaves below the jumping limit, two values in one octave, and plain blocks.
MIXED = np.array([0.3, 0.13, 0.004, 1.0, 0.19, 0.0, 0.06, 0.9])


def test_every_subset_comes_with_its_probability():
    """Coefficients 1, 2, 4... make the sum name the set of frauds: 2^8 sets against the exact law."""
    draws = 200_000
    code = redrawn_sums(MIXED, 2.0 ** np.arange(8), np.zeros(8, int), 1, draws, seed=5)[:, 0]
    seen = np.bincount(code.astype(int), minlength=256)
    member = (np.arange(256)[:, None] >> np.arange(8)) & 1
    law = np.where(member, MIXED, 1.0 - MIXED).prod(axis=1)
    assert seen[law == 0].sum() == 0
    common = law * draws >= 5
    seen = np.append(seen[common], seen[~common].sum())
    expected = np.append(law[common], law[~common].sum()) * draws
    assert stats.chisquare(seen, expected).pvalue > 0.01


def test_counts_follow_the_poisson_binomial_law():
    """Hundreds of rows in one octave, so that one draw jumps and thins many times."""
    probability = np.linspace(0.0079, 0.0155, 400)
    law = np.array([1.0])
    for each in probability:
        law = np.convolve(law, [1.0 - each, each])
    draws = 50_000
    counts = redrawn_sums(probability, np.ones(400), np.zeros(400, int), 1, draws, seed=1)[:, 0]
    seen = np.bincount(counts.astype(int), minlength=401)
    common = law * draws >= 5
    seen = np.append(seen[common], seen[~common].sum())
    expected = np.append(law[common], law[~common].sum()) * draws
    assert stats.chisquare(seen, expected).pvalue > 0.01


def test_sums_by_group_have_the_exact_moments_and_are_uncorrelated():
    generator = np.random.default_rng(2)
    probability = 1 / (1 + np.exp(-generator.normal(-4, 2, 3_000)))
    amount = generator.lognormal(3, 1, 3_000)
    group = generator.integers(0, 6, 3_000)
    draws = 20_000
    sums = redrawn_sums(probability, amount, group, 6, draws, seed=9)
    mean = np.bincount(group, amount * probability)
    variance = np.bincount(group, amount**2 * probability * (1 - probability))
    assert np.abs((sums.mean(axis=0) - mean) / np.sqrt(variance / draws)).max() < 3.5
    assert sums.var(axis=0) == pytest.approx(variance, rel=0.06)
    between = np.corrcoef(sums.T)[np.triu_indices(6, 1)]
    assert np.abs(between).max() * np.sqrt(draws) < 3.5


def test_against_plain_sampling():
    generator = np.random.default_rng(4)
    probability = generator.beta(0.5, 20, 1_500)
    amount = generator.lognormal(3, 1.5, 1_500)
    fast = redrawn_sums(probability, amount, np.zeros(1_500, int), 1, 4_000, seed=3)[:, 0]
    plain = (generator.random((4_000, 1_500)) < probability) @ amount
    assert stats.ks_2samp(fast, plain).pvalue > 0.01


def test_draws_are_independent_of_each_other():
    sums = redrawn_sums(np.full(500, 0.02), np.ones(500), np.zeros(500, int), 1, 10_000, seed=8)
    series = sums[:, 0] - sums.mean()
    correlation = (series[1:] * series[:-1]).mean() / series.var()
    assert abs(correlation) * np.sqrt(len(series)) < 3.5


def test_seed_decides_and_coefficients_do_not_move_the_frauds():
    again = [redrawn_sums(MIXED, np.ones(8), np.zeros(8, int), 1, 50, seed=s) for s in (1, 1, 2)]
    assert np.array_equal(again[0], again[1])
    assert not np.array_equal(again[0], again[2])
    assert np.array_equal(
        3.0 * again[0], redrawn_sums(MIXED, np.full(8, 3.0), np.zeros(8, int), 1, 50, seed=1)
    )


def test_no_rows():
    nothing = np.zeros(0)
    assert (
        redrawn_sums(nothing, nothing, nothing.astype(int), 2, 3, seed=0).tolist()
        == [[0.0, 0.0]] * 3
    )
