"""Calibration: hand-worked bins, statsmodels and scipy as oracles, and simulated truth."""

import math

import numpy as np
import pytest
import statsmodels.api
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from fraud_system.errors import DataError
from fraud_system.metrics import (
    brier,
    calibration_line,
    expected_calibration_error,
    expected_over_observed,
    null_centred_calibration_error,
    reliability_bins,
    score_decomposition,
    spiegelhalter_z,
)


def _perfect(seed, rows, level=-3.0):
    generator = np.random.default_rng(seed)
    probability = 1 / (1 + np.exp(-generator.normal(level, 1.2, rows)))
    return probability, generator.random(rows) < probability, generator.lognormal(3, 1, rows)


def test_expected_over_observed_by_hand():
    probability, is_fraud, amount = [0.5, 0.1, 0.2], [True, False, True], [10, 100, 40]
    assert expected_over_observed(probability, is_fraud) == pytest.approx(0.8 / 2)
    assert expected_over_observed(probability, is_fraud, amount) == pytest.approx(23 / 50)
    weighted = expected_over_observed(probability, is_fraud, amount, [2, 1, 0])
    assert weighted == pytest.approx((10 + 10) / 20)
    assert math.isnan(expected_over_observed([0.5], [False]))


def test_calibration_error_by_hand():
    probability = [0.1, 0.2, 0.6, 0.8]
    is_fraud = [False, True, True, True]
    # Two bins of two: |0.3 - 1| + |1.4 - 2|, over four rows.
    assert expected_calibration_error(probability, is_fraud, bins=2) == pytest.approx(1.3 / 4)
    # By money the last row alone is half of it: |6 + 4 + 12 - 40| + |64 - 80|, over 180.
    amount = [60, 20, 20, 80]
    assert expected_calibration_error(probability, is_fraud, amount, bins=2) == pytest.approx(
        (18 + 16) / 180
    )


def test_calibration_error_against_an_even_split():
    probability, is_fraud, _ = _perfect(0, 3_000)
    order = np.argsort(probability)
    gap = (probability - is_fraud)[order]
    split = sum(abs(part.sum()) for part in np.array_split(gap, 15)) / 3_000
    assert expected_calibration_error(probability, is_fraud) == pytest.approx(split, rel=1e-12)


def test_centred_error_matches_a_plain_monte_carlo():
    probability, is_fraud, amount = _perfect(1, 600)
    found = null_centred_calibration_error(probability, is_fraud, amount, draws=4_000)
    generator = np.random.default_rng(0)
    plain = [
        expected_calibration_error(probability, generator.random(600) < probability, amount)
        for _ in range(2_000)
    ]
    spread = np.std(plain) * math.sqrt(1 / 2_000 + 1 / 4_000)
    assert found.error == expected_calibration_error(probability, is_fraud, amount)
    assert found.null_mean == pytest.approx(np.mean(plain), abs=3.5 * spread)
    assert found.null_high == pytest.approx(np.quantile(plain, 0.95), rel=0.05)
    assert found.p_value == pytest.approx(np.mean(np.array(plain) >= found.error), abs=0.05)
    assert found.centred == found.error - found.null_mean
    base = np.sum(amount * probability) / np.sum(amount)
    assert found.relative == pytest.approx(found.centred / base)


def test_perfect_model_has_uniform_p_values_and_no_centred_error():
    found = [
        null_centred_calibration_error(*_perfect(seed, 500), draws=99, seed=seed)
        for seed in range(400)
    ]
    p_values = np.array([each.p_value for each in found])
    spread = np.random.default_rng(0).random(400) / 100  # p-values come in steps of 1/100
    assert stats.kstest(p_values - spread, "uniform").pvalue > 0.01
    centred = np.array([each.centred for each in found])
    assert abs(centred.mean()) / (centred.std() / 20) < 3
    naive = np.array([each.error for each in found])
    assert naive.mean() > 10 * abs(centred.mean())


def test_naive_error_of_a_perfect_model_is_the_stated_share_of_the_base_rate():
    probability = np.linspace(0.0099, 0.0101, 50_000)  # 500 frauds expected
    found = null_centred_calibration_error(probability, np.zeros(50_000, bool), draws=400)
    assert found.null_mean / 0.01 == pytest.approx(0.8 * math.sqrt(15 / 500), rel=0.03)


def test_wrong_models_are_detected():
    probability, is_fraud, amount = _perfect(7, 20_000)
    logit = np.log(probability / (1 - probability))
    too_high = probability * 1.3
    too_steep = 1 / (1 + np.exp(-(1.5 * logit + 1.2)))
    assert null_centred_calibration_error(probability, is_fraud, draws=199).p_value > 0.05
    for wrong in (np.minimum(too_high, 1), too_steep):
        for money in (None, amount):
            found = null_centred_calibration_error(wrong, is_fraud, money, draws=199)
            assert found.p_value == 1 / 200
            assert found.relative > 0.1
            assert found.error > found.null_high


def test_degenerate_inputs():
    certain = null_centred_calibration_error([0.0, 1.0], [False, True], draws=9)
    assert (certain.error, certain.centred, certain.p_value) == (0.0, 0.0, 1.0)
    assert math.isnan(null_centred_calibration_error([0.0], [False], draws=9).relative)
    assert math.isnan(null_centred_calibration_error([], []).p_value)
    assert math.isnan(expected_calibration_error([0.5], [True], amount=[0.0]))
    assert math.isnan(score_decomposition([], []).brier)
    assert len(reliability_bins([], [], [])) == 0
    with pytest.raises(DataError, match=r"^draws: is 0"):
        null_centred_calibration_error([0.5], [True], draws=0)
    with pytest.raises(DataError, match=r"^bins: is 0"):
        expected_calibration_error([0.5], [True], bins=0)
    with pytest.raises(DataError, match=r"^by: is 'rows'"):
        reliability_bins([0.5], [True], [1], by="rows")


def test_reliability_bins_by_hand():
    probability = [0.1, 0.2, 0.2, 0.9, 0.8, 0.2]
    is_fraud = [False, True, False, True, False, False]
    amount = [10, 20, 30, 40, 0, 0]
    bins = reliability_bins(probability, is_fraud, amount, bins=3)
    # Middles of the runs .1 | .2 .2 .2 | .8 | .9 at .5, 2.5, 4.5, 5.5 of 6: bins 0, 1, 2, 2.
    assert bins.lower.tolist() == [0.1, 0.2, 0.8]
    assert bins.upper.tolist() == [0.1, 0.2, 0.9]
    assert bins.count.tolist() == [1, 3, 2]
    assert bins.mean_probability == pytest.approx([0.1, 0.2, 0.85])
    assert bins.fraud_share == pytest.approx([0, 1 / 3, 1 / 2])
    assert bins.amount.tolist() == [10, 50, 40]
    assert bins.expected_amount_share == pytest.approx([0.1, 0.2, 0.9])
    assert bins.fraud_amount_share == pytest.approx([0, 0.4, 1])
    low, high = proportion_confint([0, 1, 1], [1, 3, 2], method="wilson")
    assert bins.fraud_share_low == pytest.approx(low, abs=1e-12)
    assert bins.fraud_share_high == pytest.approx(high, abs=1e-12)
    # Money: 20 and 30 count as (50^2 / 1300) rows.
    low, high = proportion_confint(0.4 * 2500 / 1300, 2500 / 1300, method="wilson")
    assert (bins.fraud_amount_share_low[1], bins.fraud_amount_share_high[1]) == pytest.approx(
        (low, high)
    )


def test_bins_by_amount_hold_equal_money_and_no_money_is_nan():
    probability, is_fraud, amount = _perfect(3, 4_000)
    money = reliability_bins(probability, is_fraud, amount, bins=10, by="amount").amount
    assert money == pytest.approx(np.full(10, amount.sum() / 10), abs=amount.max())
    empty = reliability_bins([0.1, 0.9], [False, True], [5, 0], bins=2)
    assert empty.count.tolist() == [1, 1]
    assert np.isnan(empty.fraud_amount_share).tolist() == [False, True]


def test_constant_predictor_has_one_bin():
    bins = reliability_bins([0.3] * 10, [True] * 3 + [False] * 7, [1.0] * 10)
    assert len(bins) == 1
    assert bins.fraud_share.tolist() == [0.3]


def test_wilson_covers_the_true_share():
    """Over 400 perfect data sets, bins' true mean probability lies within the interval in 95 %."""
    inside = []
    for seed in range(400):
        bins = reliability_bins(*_perfect(seed, 600, level=-1.0), bins=5)
        inside.append(bins.fraud_share_low < bins.mean_probability)
        inside[-1] &= bins.mean_probability < bins.fraud_share_high
    assert np.mean(inside) == pytest.approx(0.95, abs=0.02)


def test_calibration_line_against_statsmodels():
    probability, is_fraud, weight = _perfect(5, 5_000)
    probability = probability**1.4
    for each in (None, weight):
        design = statsmodels.api.add_constant(np.log(probability / (1 - probability)))
        oracle = statsmodels.api.GLM(
            is_fraud.astype(float),
            design,
            family=statsmodels.api.families.Binomial(),
            freq_weights=each,
        ).fit(tol=1e-12)
        line = calibration_line(probability, is_fraud, each)
        assert (line.intercept, line.slope) == pytest.approx(tuple(oracle.params), rel=1e-7)


def test_calibration_line_finds_a_known_distortion():
    probability, _, _ = _perfect(6, 200_000)
    logit = np.log(probability / (1 - probability))
    truth = 1 / (1 + np.exp(-(0.7 * logit - 0.5)))
    line = calibration_line(probability, np.random.default_rng(1).random(200_000) < truth)
    assert line == pytest.approx((0.7, -0.5), abs=0.05)


def test_calibration_line_survives_certain_probabilities_and_bad_starts():
    line = calibration_line([0.0, 0.0, 1.0, 1.0], [True, False, True, False])
    assert line == pytest.approx((0.0, 0.0), abs=1e-9)
    extreme = calibration_line([1e-9] * 100 + [1 - 1e-9] * 100, ([True] + [False] * 99) * 2)
    assert extreme.slope == pytest.approx(0.0, abs=1e-9)
    assert extreme.intercept == pytest.approx(-math.log(99))


@pytest.mark.parametrize(
    ("probability", "is_fraud"),
    [
        ([0.1, 0.2], [False, False]),  # one class
        ([0.3, 0.3], [False, True]),  # one probability
        ([0.1, 0.2, 0.8], [False, False, True]),  # separated
        ([0.1, 0.5, 0.5, 0.8], [False, False, True, True]),  # separated but for a tie
        ([0.1, 0.2, 0.8], [True, True, False]),  # separated the wrong way round
        ([], []),
    ],
)
def test_no_finite_line_is_nan(probability, is_fraud):
    assert np.isnan(calibration_line(probability, is_fraud)).all()


def test_spiegelhalter_by_hand_and_under_the_null():
    # Numerator .8 x .8 - .6 x .2... : (1 - .1)(.8) + (0 - .2)(.6); variance .64 x .09 + .36 x .16.
    test = spiegelhalter_z([0.1, 0.2], [True, False])
    assert test.z == pytest.approx((0.72 - 0.12) / math.sqrt(0.0576 + 0.0576))
    assert test.p_value == pytest.approx(2 * stats.norm.sf(test.z))
    p_values = [spiegelhalter_z(*_perfect(seed, 2_000)[:2]).p_value for seed in range(300)]
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    assert math.isnan(spiegelhalter_z([0.5, 0.0], [True, False]).z)


def test_spiegelhalter_sees_overconfidence():
    probability, is_fraud, _ = _perfect(2, 20_000, level=0.0)
    bold = probability**2 / (probability**2 + (1 - probability) ** 2)
    assert spiegelhalter_z(bold, is_fraud).z > 10
    assert abs(spiegelhalter_z(probability, is_fraud).z) < 3


def test_decomposition_by_hand():
    parts = score_decomposition([0.2] * 4 + [0.6] * 4, [True] + [False] * 3 + [True] * 4, bins=2)
    assert parts.miscalibration == pytest.approx((0.05**2 + 0.4**2) / 2)
    assert parts.discrimination == pytest.approx((0.375**2 + 0.375**2) / 2)
    assert parts.uncertainty == pytest.approx(0.625 * 0.375)
    assert parts.within_bin == pytest.approx(0.0, abs=1e-15)
    total = parts.miscalibration - parts.discrimination + parts.uncertainty
    assert parts.brier == pytest.approx(total)


def test_decomposition_adds_up_within_wide_bins():
    probability, is_fraud, weight = _perfect(8, 5_000, level=-1.0)
    parts = score_decomposition(probability, is_fraud, bins=3, weight=weight)
    total = parts.miscalibration - parts.discrimination + parts.uncertainty + parts.within_bin
    assert parts.within_bin < -1e-3
    assert total == pytest.approx(parts.brier, abs=1e-14)
    assert parts.brier == pytest.approx(brier(probability, is_fraud, weight))
