"""The cluster bootstrap: against copied rows, known standard errors, and simulated coverage."""

import math

import numpy as np
import pytest
from scipy import stats

from fraud_system.errors import DataError
from fraud_system.metrics import (
    brier,
    cluster_bootstrap,
    expected_over_observed,
    log_loss,
    rates_at,
    roc_auc,
    roc_auc_bootstrap,
)


def _rows(seed, rows=400, cards=60):
    generator = np.random.default_rng(seed)
    probability = np.round(generator.beta(0.5, 3, rows), 2)
    return probability, generator.random(rows) < probability, generator.integers(5, 5 + cards, rows)


@pytest.mark.parametrize("statistic", [roc_auc, log_loss, expected_over_observed])
def test_weights_do_what_copying_whole_cards_would(statistic):
    probability, is_fraud, card = _rows(0)
    names = np.unique(card)
    generator = np.random.default_rng(7)
    drawn = []
    for _ in range(40):
        picked = names[generator.integers(0, len(names), len(names))]
        rows = np.concatenate([np.flatnonzero(card == each) for each in picked])
        drawn.append(statistic(probability[rows], is_fraud[rows]))
    expected = np.quantile(drawn, [0.1, 0.9], method="inverted_cdf")
    found = cluster_bootstrap(statistic, (probability, is_fraud), card, 40, seed=7, level=0.8)
    assert found == pytest.approx(tuple(expected), rel=1e-12)


def test_mean_has_its_textbook_interval():
    probability, is_fraud, _ = _rows(1, rows=2_000)
    squares = (probability - is_fraud) ** 2
    half = 1.96 * squares.std() / math.sqrt(2_000)
    low, high = cluster_bootstrap(brier, (probability, is_fraud), None, draws=1_000)
    assert low == pytest.approx(squares.mean() - half, abs=0.15 * half)
    assert high == pytest.approx(squares.mean() + half, abs=0.15 * half)


def test_repeating_every_row_within_its_card_changes_nothing():
    probability, is_fraud, _ = _rows(2)
    once = cluster_bootstrap(brier, (probability, is_fraud), np.arange(400), 50)
    five = np.repeat(np.arange(400), 5)
    repeated = cluster_bootstrap(brier, (probability[five], is_fraud[five]), five, 50)
    assert repeated == pytest.approx(once, rel=1e-12)


def test_clustered_interval_covers_where_the_row_interval_does_not():
    """Cards with their own fraud rates: 40 cards of 25 rows, the mean over cards is 0.3."""
    covered = np.zeros(2)
    for seed in range(100):
        generator = np.random.default_rng(seed)
        card = np.repeat(np.arange(40), 25)
        is_fraud = generator.random(1_000) < generator.beta(0.6, 1.4, 40)[card]
        columns = (np.ones(1_000), is_fraud)  # Brier of "always 1" is the share of non-frauds
        for way, cluster in enumerate((card, None)):
            low, high = cluster_bootstrap(brier, columns, cluster, draws=99, seed=seed)
            covered[way] += low <= 0.7 <= high
    clustered, by_row = covered / 100
    assert clustered > 0.88
    assert by_row < 0.65


def test_weights_multiply_the_draws():
    probability, is_fraud, card = _rows(6)
    kept = np.isin(np.arange(400), np.unique(card, return_index=True)[1])  # a row of every card
    kept |= np.random.default_rng(0).random(400) < 0.5
    columns = (probability, is_fraud)
    weighted = cluster_bootstrap(brier, columns, card, 50, weight=2.0 * kept)
    fewer = cluster_bootstrap(brier, (probability[kept], is_fraud[kept]), card[kept], 50)
    assert weighted == pytest.approx(fewer, rel=1e-12)
    assert weighted != cluster_bootstrap(brier, columns, card, 50)


def test_auc_interval_is_the_generic_one_and_near_the_known_error():
    probability, is_fraud, card = _rows(3)
    weight = np.random.default_rng(0).integers(0, 3, 400).astype(float)
    columns = (probability, is_fraud)
    assert roc_auc_bootstrap(*columns, card, 50, 1, 0.9, weight) == cluster_bootstrap(
        roc_auc, columns, card, 50, 1, 0.9, weight
    )
    generator = np.random.default_rng(5)
    is_fraud = np.repeat([True, False], [300, 2_700])
    probability = generator.random(3_000)  # no skill: the Mann-Whitney variance is exact
    low, high = roc_auc_bootstrap(probability, is_fraud, None, draws=400)
    error = math.sqrt((3_000 + 1) / (12 * 300 * 2_700))
    assert high - low == pytest.approx(2 * stats.norm.ppf(0.975) * error, rel=0.15)


def test_undefined_draws_are_left_out():
    labels = np.array([True] + [False] * 9)
    low, high = cluster_bootstrap(
        lambda flagged, is_fraud, weight: rates_at(flagged, is_fraud, weight).recall,
        (np.ones(10, dtype=bool), labels),
        None,
    )
    assert (low, high) == (1.0, 1.0)
    never = cluster_bootstrap(roc_auc, (np.full(5, 0.5), np.zeros(5, dtype=bool)), None, 5)
    assert np.isnan(never).all()


def test_infinite_statistics_are_quantiles_too():
    perfect = (np.array([True, False] * 20), np.array([True, False] * 20))
    interval = cluster_bootstrap(
        lambda flagged, is_fraud, weight: (
            rates_at(flagged, is_fraud, weight).positive_likelihood_ratio
        ),
        perfect,
        None,
    )
    assert interval == (math.inf, math.inf)


def test_seed_decides():
    probability, is_fraud, card = _rows(4)
    results = [
        cluster_bootstrap(brier, (probability, is_fraud), card, 50, seed=s) for s in (1, 1, 2)
    ]
    assert results[0] == results[1] != results[2]


def test_unusable_arguments_are_refused():
    columns = (np.full(3, 0.5), np.zeros(3, dtype=bool))
    with pytest.raises(DataError, match=r"^cluster: has 2 rows where"):
        cluster_bootstrap(brier, columns, [1, 2])
    with pytest.raises(DataError, match=r"^cluster: is of type float64"):
        cluster_bootstrap(brier, columns, [1.0, 2.0, math.nan])
    with pytest.raises(DataError, match=r"^columns: has no rows"):
        cluster_bootstrap(brier, ([], []), None)
    with pytest.raises(DataError, match=r"^level: is 95"):
        cluster_bootstrap(brier, columns, None, level=95)
    with pytest.raises(DataError, match=r"^columns\[1\]: has 2 rows"):
        cluster_bootstrap(brier, (np.full(3, 0.5), np.zeros(2, dtype=bool)), None)
