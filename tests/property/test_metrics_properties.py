"""What must hold of the metrics for any columns: weights, order, cutting, monotone maps, balance."""

import math
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud_system import metrics as m
from fraud_system.errors import DataError
from fraud_system.metrics.checks import scored
from fraud_system.metrics.reliability import equal_mass_bins

COSTS = {"fee": 15, "margin_share": 0.1, "goodwill": 2, "review_cost": 3, "review_catch_share": 0.5}


@st.composite
def columns(draw, min_size=1, max_size=25):
    """Rows on grids whose sums are exact, so that equal figures can be asked to be nearly equal."""
    rows = draw(
        st.lists(
            st.tuples(st.integers(0, 16), st.booleans(), st.integers(0, 20), st.integers(0, 3)),
            min_size=min_size,
            max_size=max_size,
        )
    )
    probability, is_fraud, amount, weight = np.array(rows).reshape(-1, 4).T
    return probability / 16, is_fraud.astype(bool), amount * 1.0, weight * 1.0


def _threshold_curve(p, y, a, w):
    return m.cost_curve(p, y, a, [0, 1, 2, 9], **COSTS, weight=w)


WEIGHTED = {
    "log_loss": lambda p, y, a, w: m.log_loss(p, y, w),
    "brier": lambda p, y, a, w: m.brier(p, y, w),
    "normalised_entropy": lambda p, y, a, w: m.normalised_entropy(p, y, w),
    "expected_over_observed": lambda p, y, a, w: m.expected_over_observed(p, y, None, w),
    "expected_over_observed_amount": lambda p, y, a, w: m.expected_over_observed(p, y, a, w),
    "calibration_error": lambda p, y, a, w: m.expected_calibration_error(p, y, None, 4, w),
    "calibration_error_amount": lambda p, y, a, w: m.expected_calibration_error(p, y, a, 4, w),
    "calibration_line": lambda p, y, a, w: m.calibration_line(p, y, w),
    "decomposition": lambda p, y, a, w: astuple(m.score_decomposition(p, y, 4, w)),
    "roc_auc": lambda p, y, a, w: m.roc_auc(p, y, w),
    "partial_roc_auc": lambda p, y, a, w: m.partial_roc_auc(p, y, 0.3, w),
    "average_precision": lambda p, y, a, w: m.average_precision(p, y, w),
    "rates": lambda p, y, a, w: astuple(m.rates_at(p > 0.4, y, w)),
    "value_detection_rate": lambda p, y, a, w: m.value_detection_rate(p > 0.4, y, a, w),
    "loss_prevented": lambda p, y, a, w: m.loss_prevented(p > 0.4, y, a, w, fee=15),
    "realised_cost": lambda p, y, a, w: m.realised_cost(
        np.floor(p * 2.9).astype(int), y, a, **COSTS, weight=w
    ),
    "cost_curve": _threshold_curve,
}


@pytest.mark.parametrize("name", WEIGHTED)
@given(rows=columns())
def test_whole_weights_are_repeated_rows(name, rows):
    repeat = np.repeat(np.arange(len(rows[0])), rows[3].astype(int))
    weighted = WEIGHTED[name](*rows)
    repeated = WEIGHTED[name](*(column[repeat] for column in rows[:3]), None)
    assert weighted == pytest.approx(repeated, rel=1e-6, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("name", WEIGHTED)
@given(rows=columns(), data=st.data())
def test_order_of_rows_does_not_matter(name, rows, data):
    order = np.array(data.draw(st.permutations(range(len(rows[0])))))
    shuffled = WEIGHTED[name](*(column[order] for column in rows))
    assert shuffled == pytest.approx(WEIGHTED[name](*rows), rel=1e-6, abs=1e-9, nan_ok=True)


@given(rows=columns())
def test_whole_weights_are_repeated_rows_in_reliability_bins(rows):
    repeat = np.repeat(np.arange(len(rows[0])), rows[3].astype(int))
    p, y, a = (column[repeat] for column in rows[:3])
    for by in ("count", "amount"):
        weighted = m.reliability_bins(*rows[:3], 4, rows[3], by)
        repeated = m.reliability_bins(p, y, a, 4, None, by)
        for name in ("lower", "upper", "count", "mean_probability", "fraud_share", "amount"):
            found = getattr(weighted, name)
            assert found == pytest.approx(getattr(repeated, name), nan_ok=True)


@given(rows=columns(), bins=st.integers(1, 6))
def test_bins_keep_equal_probabilities_together_and_none_is_too_heavy(rows, bins):
    probability, _, mass, _ = rows
    order, index = equal_mass_bins(probability, mass, bins)
    assert sorted(order.tolist()) == list(range(len(probability)))
    assert len(np.unique(index)) == index.max() + 1 <= bins
    lows, highs = (
        [f(probability[order][index == b]) for b in range(index.max() + 1)] for f in (min, max)
    )
    assert all(high < low for high, low in zip(highs[:-1], lows[1:], strict=True))
    heaviest_run = max(mass[probability == each].sum() for each in probability)
    heaviest_bin = np.bincount(index, mass[order]).max()
    assert heaviest_bin <= mass.sum() / bins + heaviest_run + 1e-9


@given(rows=columns())
def test_monotone_maps_leave_the_ranking_metrics(rows):
    probability, is_fraud, _, weight = rows
    for mapped in (probability / 2, probability**2, np.sqrt(probability), (probability + 1) / 2):
        for metric in (m.roc_auc, m.average_precision):
            before = metric(probability, is_fraud, weight)
            assert metric(mapped, is_fraud, weight) == pytest.approx(before, nan_ok=True)


@given(rows=columns())
def test_turning_scores_and_labels_round_leaves_the_auc(rows):
    probability, is_fraud, _, weight = rows
    assert m.roc_auc(1 - probability, ~is_fraud, weight) == pytest.approx(
        m.roc_auc(probability, is_fraud, weight), nan_ok=True
    )


@given(rows=columns(), copies=st.integers(2, 5))
def test_rarer_fraud_moves_precision_and_nothing_else(rows, copies):
    probability, is_fraud, _, _ = rows
    flagged = probability > 0.4
    rarer = np.concatenate([np.flatnonzero(is_fraud), np.repeat(np.flatnonzero(~is_fraud), copies)])
    before = m.rates_at(flagged, is_fraud)
    after = m.rates_at(flagged[rarer], is_fraud[rarer])
    for name in (
        "recall",
        "specificity",
        "balanced_accuracy",
        "informedness",
        "positive_likelihood_ratio",
        "negative_likelihood_ratio",
        "precision_at_reference",
    ):
        assert getattr(after, name) == pytest.approx(getattr(before, name), nan_ok=True)
    for auc in (m.roc_auc, lambda p, y: m.partial_roc_auc(p, y, 0.2)):
        assert auc(probability[rarer], is_fraud[rarer]) == pytest.approx(
            auc(probability, is_fraud), nan_ok=True
        )
    if before.true_positives and before.false_positives:
        precision = [
            r.true_positives / (r.true_positives + r.false_positives) for r in (before, after)
        ]
        assert precision[1] < precision[0]
    if m.roc_auc(probability, is_fraud) < 1:
        assert m.average_precision(probability[rarer], is_fraud[rarer]) < m.average_precision(
            probability, is_fraud
        )


@given(rows=columns(), cuts=st.lists(st.integers(0, 25), max_size=4))
def test_streaming_does_not_depend_on_the_cutting(rows, cuts):
    probability, is_fraud, amount, _ = rows
    whole, parts = m.StreamingScores(), m.StreamingScores()
    whole.update(probability, is_fraud, amount)
    for part in np.split(
        np.arange(len(probability)), sorted(min(c, len(probability)) for c in cuts)
    ):
        parts.update(probability[part], is_fraud[part], amount[part])
    assert np.array_equal(whole._sums, parts._sums)
    assert whole.log_loss == pytest.approx(m.log_loss(probability, is_fraud), nan_ok=True)


@given(rows=columns(), seed=st.integers(0, 2**40))
def test_null_centred_error_keeps_its_promises(rows, seed):
    found = m.null_centred_calibration_error(*rows[:3], bins=4, draws=19, seed=seed)
    again = m.null_centred_calibration_error(*rows[:3], bins=4, draws=19, seed=seed)
    assert astuple(found) == pytest.approx(astuple(again), nan_ok=True, rel=0, abs=0)
    if rows[2].sum() > 0:
        assert 1 / 20 <= found.p_value <= 1
        assert found.error == m.expected_calibration_error(*rows[:3], bins=4)


@given(rows=columns())
def test_alerts_are_more_with_a_larger_budget_and_all_in_the_end(rows):
    probability, is_fraud, amount, weight = rows
    found = [
        m.alert_budget(probability, is_fraud, amount, n, weight.astype(int)) for n in (1, 3, 25)
    ]
    if is_fraud.any():
        assert found[0].recall <= found[1].recall <= found[2].recall == 1


@given(
    probability=st.floats(1e-6, 1 - 1e-6),
    before=st.floats(1e-4, 0.5),
    after=st.floats(1e-4, 0.5),
)
def test_rebasing_there_and_back(probability, before, after):
    there = m.rebase_probability([probability], before, after)
    assert m.rebase_probability(there, after, before) == pytest.approx([probability], rel=1e-6)
    assert (there[0] > probability) == (after > before) or there[0] == pytest.approx(probability)


TAKERS = {
    "log_loss": m.log_loss,
    "brier": m.brier,
    "normalised_entropy": m.normalised_entropy,
    "expected_over_observed": m.expected_over_observed,
    "expected_calibration_error": m.expected_calibration_error,
    "null_centred_calibration_error": m.null_centred_calibration_error,
    "calibration_line": m.calibration_line,
    "spiegelhalter_z": m.spiegelhalter_z,
    "score_decomposition": m.score_decomposition,
    "roc_auc": m.roc_auc,
    "average_precision": m.average_precision,
    "roc_curve_points": m.roc_curve_points,
    "partial_roc_auc": lambda p, y: m.partial_roc_auc(p, y, 0.1),
    "reliability_bins": lambda p, y: m.reliability_bins(p, y, [1.0, 1.0]),
    "cost_curve": lambda p, y: m.cost_curve(p, y, [1.0, 1.0], [0.0], **COSTS),
    "card_precision_at_k": lambda p, y: m.card_precision_at_k([0, 0], [1, 2], p, y),
    "roc_auc_bootstrap": lambda p, y: m.roc_auc_bootstrap(p, y, None),
    "streaming": lambda p, y: m.StreamingScores().update(p, y, [1.0, 1.0]),
}


@pytest.mark.parametrize("name", TAKERS)
def test_unusable_columns_are_refused_by_name(name):
    for bad in ([0.5, math.nan], [0.5, 1.1], [-0.1, 0.5], [[0.5, 0.5]]):
        with pytest.raises(DataError, match=r"^probability: "):
            TAKERS[name](bad, [True, False])
    for labels in ([1, 0], [1.0, math.nan], [True, False, True]):
        with pytest.raises(DataError, match=r"^is_fraud: "):
            TAKERS[name]([0.5, 0.5], labels)


def test_unusable_amounts_and_weights_are_refused_by_name():
    for bad in ([1.0, math.inf], [1.0, -1.0], [1.0]):
        with pytest.raises(DataError, match=r"^amount: "):
            scored([0.5, 0.5], [True, False], amount=bad)
        with pytest.raises(DataError, match=r"^weight: "):
            scored([0.5, 0.5], [True, False], weight=bad)
