"""The dispersion of clustered frauds against statsmodels' two-way clustered variance, and by simulation."""

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.stats.sandwich_covariance import cov_cluster_2groups

from fraud_system.errors import ConfigError
from monitoring.dispersion import Dispersion, DispersionSettings

NO_PRIOR = DispersionSettings(start_reports=1e-9, start=1.0)


def keys_of(*columns) -> np.ndarray:
    return np.stack(columns, axis=1).astype(np.uint64) + np.uint64(1)


def fed(block: int, keys, probability, is_fraud, into: Dispersion | None = None) -> Dispersion:
    dispersion = into or Dispersion(NO_PRIOR, keys.shape[1])
    rows = dispersion.take(block, keys, probability)
    found = np.flatnonzero(is_fraud)
    dispersion.report(np.full(len(found), block), rows[found], probability[found])
    return dispersion


def after(dispersion: Dispersion, block: int) -> Dispersion:
    """Two blocks on, so that the first is judged."""
    nobody = np.zeros((1, dispersion.entities), np.uint64)
    for later in (block + 1, block + 2):
        dispersion.take(later, nobody, np.zeros(1))
    return dispersion


def clustered(seed: int, rows: int = 4_000):
    """Frauds in episodes at terminals; cards are independent of them."""
    draw = np.random.default_rng(seed)
    card, terminal = draw.integers(0, 900, rows), draw.integers(0, 150, rows)
    probability = draw.uniform(0.01, 0.1, rows)
    is_hot = draw.random(150) < 0.1
    is_fraud = draw.random(rows) < probability * np.where(is_hot[terminal], 6.0, 0.5)
    return keys_of(card, terminal), probability, is_fraud


def test_it_is_the_variance_of_statsmodels_in_units_of_the_reports():
    keys, probability, is_fraud = clustered(1)
    dispersion = after(fed(0, keys, probability, is_fraud), 0)
    for expected, found in (
        (probability, dispersion.of_model),
        (np.ones(4_000), dispersion.of_rate),
    ):
        error = is_fraud - expected * is_fraud.sum() / expected.sum()
        mean = sm.OLS(error, np.ones(len(error))).fit()
        both = cov_cluster_2groups(mean, keys[:, 0], keys[:, 1], use_correction=False)[0]
        # `is_fraud` sums to the same as expected, so the mean is 0 and its variance that of the sum.
        variance = float(both[0, 0]) * len(error) ** 2
        # statsmodels takes off clusters by both keys together, which here are nearly all of one row.
        assert found == pytest.approx(variance / is_fraud.sum(), rel=0.03)
        assert found > 2.0


def test_by_hand():
    # Three frauds at one terminal, one at another; each transaction was expected to bring a half.
    keys = keys_of(np.arange(8), np.array([0, 0, 0, 0, 1, 1, 1, 1]))
    is_fraud = np.array([1, 1, 1, 0, 1, 0, 0, 0], bool)
    dispersion = after(fed(0, keys, np.full(8, 0.5), is_fraud), 0)
    # Terminals: 1^2 + 1^2; cards: 8 x 1/4, which the single errors take off again. Over 4 reports.
    assert dispersion.of_model == max(1.0, 2.0 / 4.0)
    all_at_one = np.array([1, 1, 1, 1, 0, 0, 0, 0], bool)
    dispersion = after(fed(0, keys, np.full(8, 0.5), all_at_one), 0)
    assert dispersion.of_model == pytest.approx((2.0**2 + 2.0**2) / 4.0)


def test_independent_frauds_have_one():
    draw = np.random.default_rng(2)
    keys = keys_of(draw.integers(0, 3_000, 60_000), draw.integers(0, 500, 60_000))
    probability = np.full(60_000, 0.01)
    dispersion = after(fed(0, keys, probability, draw.random(60_000) < probability), 0)
    assert dispersion.of_model == pytest.approx(1.0, abs=0.2)
    assert dispersion.of_rate == pytest.approx(1.0, abs=0.2)


def test_clusters_of_five_have_about_five():
    draw = np.random.default_rng(3)
    card = np.repeat(np.arange(20_000), 5)
    keys = keys_of(card, np.arange(len(card)))
    is_fraud = np.repeat(draw.random(20_000) < 0.01, 5)
    dispersion = after(fed(0, keys, np.full(len(card), 0.01), is_fraud), 0)
    assert dispersion.of_model == pytest.approx(5.0, rel=0.1)


def test_what_the_model_knows_is_no_cluster():
    """Episodes that the probabilities tell of: frauds are independent around them, but not around a rate."""
    draw = np.random.default_rng(4)
    terminal = draw.integers(0, 100, 40_000)
    probability = np.where(terminal < 3, 0.3, 0.005)
    keys = keys_of(draw.integers(0, 5_000, 40_000), terminal)
    dispersion = after(fed(0, keys, probability, draw.random(40_000) < probability), 0)
    assert dispersion.of_model < 1.3
    assert dispersion.of_rate > 50.0


def test_until_a_block_is_judged_it_is_the_start_and_then_blocks_fade():
    settings = DispersionSettings(start=3.0, start_reports=50.0)
    keys, probability, is_fraud = clustered(5)
    dispersion = fed(0, keys, probability, is_fraud, Dispersion(settings, 2))
    assert (dispersion.of_model, dispersion.of_rate) == (3.0, 3.0)
    alone = after(fed(0, keys, probability, is_fraud), 0).of_model
    reports = is_fraud.sum()
    expected = (0.5 * 50.0 * 3.0 + alone * reports) / (0.5 * 50.0 + reports)
    assert after(dispersion, 0).of_model == pytest.approx(expected, rel=1e-6)


def test_without_entities_there_are_no_clusters():
    none = np.zeros((3, 0), np.uint64)
    dispersion = after(fed(0, none, np.full(3, 0.1), np.ones(3, bool), Dispersion(NO_PRIOR, 0)), 0)
    assert dispersion.of_model == dispersion.of_rate == 1.0


def test_reports_of_closed_blocks_and_unknown_keys_are_passed_over():
    keys = keys_of(np.arange(4), np.arange(4))
    keys[0] = 0
    dispersion = fed(0, keys, np.full(4, 0.5), np.ones(4, bool))
    dispersion.report(np.array([7]), np.zeros((1, 2), np.int32), np.ones(1))
    dispersion.report(np.array([0]), np.zeros((1, 2), np.int32), np.array([np.nan]))
    assert after(dispersion, 0).of_model == 1.0


def test_a_snapshot_goes_on_the_same():
    keys, probability, is_fraud = clustered(6)
    one = fed(0, keys, probability, is_fraud)
    other = Dispersion(NO_PRIOR, 2)
    other.restore({name: array.copy() for name, array in one.to_arrays().items()})
    for each in (one, other):
        fed(1, keys[::-1].copy(), probability, is_fraud, each)
        after(each, 1)
    assert one.of_model == other.of_model
    assert one.of_rate == other.of_rate


@pytest.mark.parametrize("wrong", [{"block_s": 0}, {"start": 0.5}, {"start_reports": 0.0}])
def test_settings_are_checked(wrong):
    with pytest.raises(ConfigError, match="dispersion"):
        DispersionSettings(**wrong)
