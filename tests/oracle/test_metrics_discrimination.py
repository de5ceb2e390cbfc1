"""ROC, precision-recall and confusion-matrix rates, by hand and against scikit-learn."""

import math

import numpy as np
import pytest
import sklearn.metrics
from scipy import stats
from scipy.special import expit, logit

from fraud_system.errors import DataError
from fraud_system.metrics import (
    average_precision,
    partial_roc_auc,
    rates_at,
    rebase_probability,
    roc_auc,
    roc_curve_points,
)


def _rows(seed, rows=3_000, steps=None):
    generator = np.random.default_rng(seed)
    probability = generator.beta(0.4, 5, rows)
    is_fraud = generator.random(rows) < probability
    if steps:
        probability = np.round(probability * steps) / steps  # many ties
    return probability, is_fraud, generator.integers(0, 4, rows) * generator.random(rows)


def test_by_hand():
    probability = [0.9, 0.8, 0.8, 0.3, 0.1]
    is_fraud = [True, False, True, True, False]
    # Pairs won: .9 beats two; .8 ties one, beats one; .3 beats one.
    assert roc_auc(probability, is_fraud) == pytest.approx((2 + 1.5 + 1) / 6)
    # Precision 1/1, 2/3, 3/4 where recall rises.
    assert average_precision(probability, is_fraud) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    # Up to rate .5: a step to 1/3, then a slope to 2/3 at .5.
    area = 0.5 * (1 / 3 + 2 / 3) / 2
    standard = 0.5 * (1 + (area - 0.125) / (0.5 - 0.125))
    assert partial_roc_auc(probability, is_fraud, 0.5) == pytest.approx(standard)


@pytest.mark.parametrize("steps", [None, 20, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_against_sklearn(steps, weighted):
    probability, is_fraud, weight = _rows(1, steps=steps)
    weight = weight if weighted else None
    assert roc_auc(probability, is_fraud, weight) == pytest.approx(
        sklearn.metrics.roc_auc_score(is_fraud, probability, sample_weight=weight), rel=1e-12
    )
    assert average_precision(probability, is_fraud, weight) == pytest.approx(
        sklearn.metrics.average_precision_score(is_fraud, probability, sample_weight=weight),
        rel=1e-12,
    )
    for limit in (0.001, 0.1, 0.5, 1.0):
        assert partial_roc_auc(probability, is_fraud, limit, weight) == pytest.approx(
            sklearn.metrics.roc_auc_score(
                is_fraud, probability, sample_weight=weight, max_fpr=limit
            ),
            rel=1e-10,
        )


def test_curve_against_sklearn():
    probability, is_fraud, _ = _rows(2, steps=50)
    curve = roc_curve_points(probability, is_fraud)
    rate, recall, threshold = sklearn.metrics.roc_curve(
        is_fraud, probability, drop_intermediate=False
    )
    assert curve.false_positive_rate == pytest.approx(rate)
    assert curve.recall == pytest.approx(recall)
    assert curve.threshold == pytest.approx(threshold)


def test_thinned_curve_keeps_its_ends_and_shape():
    probability, is_fraud, _ = _rows(3)
    full, thin = (roc_curve_points(probability, is_fraud, points=n) for n in (None, 60))
    assert 40 <= len(thin.recall) <= 60
    assert (thin.recall[0], thin.recall[-1], thin.false_positive_rate[-1]) == (0.0, 1.0, 1.0)
    assert set(thin.threshold) <= set(full.threshold)
    at = np.interp(full.false_positive_rate, thin.false_positive_rate, thin.recall)
    assert np.abs(at - full.recall).max() < 0.05
    assert len(roc_curve_points(probability, is_fraud, points=10**6).recall) == len(full.recall)


def test_auc_of_two_normals_is_known():
    """Scores N(0,1) and N(1,1): AUC = Phi(1 / sqrt 2). A binned AUC was far off on such data."""
    generator = np.random.default_rng(0)
    is_fraud = generator.random(200_000) < 0.02
    probability = expit(generator.normal(size=200_000) + is_fraud - 6)
    assert roc_auc(probability, is_fraud) == pytest.approx(
        stats.norm.cdf(1 / math.sqrt(2)), abs=0.015
    )


def test_undefined_is_nan():
    for labels in ([True, True], [False, False]):
        assert math.isnan(roc_auc([0.1, 0.2], labels))
        assert math.isnan(partial_roc_auc([0.1, 0.2], labels, 0.1))
    assert math.isnan(roc_auc([0.1, 0.2], [True, False], [1.0, 0.0]))
    assert math.isnan(average_precision([0.1, 0.2], [False, False]))
    assert average_precision([0.1, 0.2], [True, True]) == 1.0
    assert math.isnan(roc_auc([], []))
    curve = roc_curve_points([0.1, 0.2], [True, True])
    assert np.isnan(curve.false_positive_rate).all()
    assert curve.recall.tolist() == [0.0, 0.5, 1.0]
    with pytest.raises(DataError, match=r"^max_false_positive_rate: is 0"):
        partial_roc_auc([0.1], [True], 0.0)


def test_rates_by_hand():
    flagged = np.repeat([True, True, False, False], [3, 2, 1, 94])
    is_fraud = np.repeat([True, False, True, False], [3, 2, 1, 94])
    rates = rates_at(flagged, is_fraud, reference_prevalence=0.1)
    assert (rates.true_positives, rates.false_positives) == (3, 2)
    assert (rates.false_negatives, rates.true_negatives) == (1, 94)
    assert rates.recall == 0.75
    assert rates.specificity == pytest.approx(94 / 96)
    assert rates.balanced_accuracy == pytest.approx((0.75 + 94 / 96) / 2)
    assert rates.informedness == pytest.approx(0.75 - 2 / 96)
    assert rates.positive_likelihood_ratio == pytest.approx(0.75 * 96 / 2)
    assert rates.negative_likelihood_ratio == pytest.approx(0.25 * 96 / 94)
    assert rates.precision_at_reference == pytest.approx(0.075 / (0.075 + 0.9 * 2 / 96))
    assert rates.flagged_share == 0.05


def test_rates_against_sklearn():
    probability, is_fraud, weight = _rows(4)
    flagged = probability > 0.2
    rates = rates_at(flagged, is_fraud, weight)
    kwargs = {"sample_weight": weight}
    assert rates.recall == pytest.approx(sklearn.metrics.recall_score(is_fraud, flagged, **kwargs))
    assert rates.specificity == pytest.approx(
        sklearn.metrics.recall_score(is_fraud, flagged, pos_label=False, **kwargs)
    )
    assert rates.balanced_accuracy == pytest.approx(
        sklearn.metrics.balanced_accuracy_score(is_fraud, flagged, **kwargs)
    )
    ratios = sklearn.metrics.class_likelihood_ratios(is_fraud, flagged, **kwargs)
    found = (rates.positive_likelihood_ratio, rates.negative_likelihood_ratio)
    assert found == pytest.approx(ratios)
    prevalence = np.average(is_fraud, weights=weight)
    at_own = rates_at(flagged, is_fraud, weight, reference_prevalence=prevalence)
    assert at_own.precision_at_reference == pytest.approx(
        sklearn.metrics.precision_score(is_fraud, flagged, **kwargs)
    )


def test_rates_at_the_edges():
    nothing_flagged = rates_at([False, False], [True, False])
    assert (nothing_flagged.recall, nothing_flagged.specificity) == (0.0, 1.0)
    assert math.isnan(nothing_flagged.positive_likelihood_ratio)
    assert math.isnan(nothing_flagged.precision_at_reference)
    perfect = rates_at([True, False], [True, False])
    assert perfect.positive_likelihood_ratio == math.inf
    assert (perfect.negative_likelihood_ratio, perfect.precision_at_reference) == (0.0, 1.0)
    no_fraud = rates_at([True, False], [False, False])
    assert math.isnan(no_fraud.recall)
    assert math.isnan(no_fraud.informedness)
    assert no_fraud.specificity == 0.5
    assert math.isnan(rates_at([], []).flagged_share)
    with pytest.raises(DataError, match=r"^reference_prevalence: is 1.5"):
        rates_at([True], [True], reference_prevalence=1.5)


def test_rebasing_is_a_shift_of_the_logit():
    probability = np.array([1e-9, 0.003, 0.5, 0.999])
    moved = rebase_probability(probability, 0.02, 0.001)
    shift = logit(0.001) - logit(0.02)
    assert moved == pytest.approx(expit(logit(probability) + shift), rel=1e-12)
    assert rebase_probability(moved, 0.001, 0.02) == pytest.approx(probability, rel=1e-12)


def test_rebasing_is_bayes_rule():
    """Posterior of two normals at one prior, moved, is the posterior at the other prior."""
    score = np.linspace(-3, 5, 20)
    odds = stats.norm.pdf(score, 2) / stats.norm.pdf(score, 0)
    at = {prior: prior * odds / (prior * odds + 1 - prior) for prior in (0.05, 0.4)}
    assert rebase_probability(at[0.05], 0.05, 0.4) == pytest.approx(at[0.4], rel=1e-12)
