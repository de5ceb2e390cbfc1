"""Rates without labels: against all label sets enumerated, and against labels drawn later."""

import math

import numpy as np
import pytest

from fraud_system.errors import DataError
from fraud_system.metrics import expected_rates, rates_at, value_detection_rate


def _exact_interval(part, rest, chance, level):
    """Quantiles of part / (part + rest) over enumerated label sets of known probability."""
    seen = part + rest > 0
    rate = part[seen] / (part + rest)[seen]
    order = np.argsort(rate)
    reached = np.cumsum(chance[seen][order]) / chance[seen].sum()
    ends = np.searchsorted(reached, [(1 - level) / 2, (1 + level) / 2])
    return rate[order][ends]


def test_against_all_label_sets():
    probability = np.array([0.9, 0.7, 0.55, 0.31, 0.2, 0.12, 0.05, 0.02, 0.6, 0.01])
    flagged = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 1], dtype=bool)
    amount = np.array([10, 200, 30, 5, 400, 20, 1000, 3, 70, 60.0])
    labels = ((np.arange(1024)[:, None] >> np.arange(10)) & 1).astype(float)
    chance = np.where(labels == 1, probability, 1 - probability).prod(axis=1)
    found = expected_rates(probability, flagged, amount, draws=40_000, level=0.8)
    for name, mass, side in (
        ("recall", labels, flagged),
        ("specificity", 1 - labels, ~flagged),
        ("value_detection_rate", labels * amount, flagged),
    ):
        part, rest = mass[:, side].sum(axis=1), mass[:, ~side].sum(axis=1)
        low, high = _exact_interval(part, rest, chance, level=0.8)
        assert getattr(found, name) == pytest.approx(chance @ part / (chance @ (part + rest)))
        assert getattr(found, f"{name}_low") == pytest.approx(low)
        assert getattr(found, f"{name}_high") == pytest.approx(high)


def test_realised_rates_fall_within_as_often_as_promised():
    inside = np.zeros(3)
    for seed in range(200):
        generator = np.random.default_rng(seed)
        probability = generator.beta(0.2, 6, 1_000)
        flagged, amount = probability > 0.1, generator.lognormal(3, 1.5, 1_000)
        found = expected_rates(probability, flagged, amount, draws=199, seed=seed)
        is_fraud = generator.random(1_000) < probability
        rates, value = rates_at(flagged, is_fraud), value_detection_rate(flagged, is_fraud, amount)
        inside += [
            found.recall_low <= rates.recall <= found.recall_high,
            found.specificity_low <= rates.specificity <= found.specificity_high,
            found.value_detection_rate_low <= value <= found.value_detection_rate_high,
        ]
    assert inside / 200 == pytest.approx([0.95] * 3, abs=0.045)


def test_certain_probabilities_give_the_realised_rates():
    is_fraud = np.array([True, True, False, False, False])
    flagged, amount = np.array([True, False, True, False, False]), np.array([30.0, 10, 5, 5, 5])
    found = expected_rates(is_fraud.astype(float), flagged, amount, draws=9)
    assert (found.recall_low, found.recall, found.recall_high) == (0.5, 0.5, 0.5)
    assert (found.specificity_low, found.specificity_high) == pytest.approx((2 / 3, 2 / 3))
    assert (found.value_detection_rate, found.value_detection_rate_low) == (0.75, 0.75)


def test_undefined_is_nan():
    found = expected_rates([0.0, 0.0], [True, False])
    assert math.isnan(found.recall)
    assert math.isnan(found.recall_low)
    assert (found.specificity, found.specificity_low) == (0.5, 0.5)
    assert math.isnan(expected_rates([0.5], [True]).value_detection_rate)
    assert math.isnan(expected_rates([], []).specificity)
    with pytest.raises(DataError, match=r"^flagged: has 2 rows where probability has 1"):
        expected_rates([0.5], [True, True])
