"""Score decompositions, bias by bin, rates and calibration error against model-diagnostics and relplot."""

import numpy as np
import pytest
import relplot
from model_diagnostics.calibration import compute_bias
from model_diagnostics.scoring import ElementaryScore, LogLoss, SquaredError, decompose
from numpy.typing import NDArray

from fraud_system.metrics import (
    brier,
    expected_calibration_error,
    log_loss,
    normalised_entropy,
    null_centred_calibration_error,
    rates_at,
    reliability_bins,
    score_decomposition,
)
from fraud_system.metrics.reliability import equal_mass_bins

Rows = tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]


@pytest.fixture(scope="module")
def rows() -> Rows:
    """Probability, label, weight; the probabilities are somewhat too high."""
    generator = np.random.default_rng(11)
    true = generator.beta(0.4, 6.0, 6_000)
    return (
        np.clip(1.3 * true, 0.0, 1.0),
        generator.random(6_000) < true,
        generator.random(6_000) + 0.1,
    )


@pytest.fixture(params=[False, True], ids=["plain", "weighted"])
def weight(request: pytest.FixtureRequest, rows: Rows) -> NDArray[np.float64] | None:
    return rows[2] if request.param else None


def test_scores(rows: Rows, weight: NDArray[np.float64] | None) -> None:
    p, y, _ = rows
    assert brier(p, y, weight) == pytest.approx(SquaredError()(y, p, weight), rel=1e-12)
    assert log_loss(p, y, weight) == pytest.approx(LogLoss()(y.astype(float), p, weight), rel=1e-9)


def test_normalised_entropy_is_score_over_uncertainty(
    rows: Rows, weight: NDArray[np.float64] | None
) -> None:
    p, y, _ = rows
    parts = decompose(y.astype(float), p, weight, scoring_function=LogLoss())
    expected = parts["score"].item() / parts["uncertainty"].item()
    assert normalised_entropy(p, y, weight) == pytest.approx(expected, rel=1e-9)


def test_parts_of_brier_where_bins_and_isotonic_regression_must_agree(
    rows: Rows, weight: NDArray[np.float64] | None
) -> None:
    """Five distinct probabilities whose fraud shares rise: isotonic regression gives just these shares."""
    _, _, weights = rows
    generator = np.random.default_rng(2)
    p = np.repeat([0.02, 0.1, 0.3, 0.5, 0.9], 1_200)
    y = generator.random(6_000) < np.repeat([0.05, 0.15, 0.25, 0.6, 0.8], 1_200)
    theirs = decompose(y.astype(float), p, weight, scoring_function=SquaredError())
    ours = score_decomposition(p, y, bins=15, weight=weight)
    assert len(reliability_bins(p, y, weights, bins=15, weight=weight)) == 5
    assert ours.miscalibration == pytest.approx(theirs["miscalibration"].item(), rel=1e-9)
    assert ours.discrimination == pytest.approx(theirs["discrimination"].item(), rel=1e-9)
    assert ours.uncertainty == pytest.approx(theirs["uncertainty"].item(), rel=1e-9)
    assert ours.within_bin == pytest.approx(0.0, abs=1e-12)


# model-diagnostics 1.5.0 enters a string cache that polars 2 has made empty.
@pytest.mark.filterwarnings("ignore:the string cache:DeprecationWarning")
def test_bias_of_each_bin(rows: Rows, weight: NDArray[np.float64] | None) -> None:
    p, y, amount = rows
    bins = reliability_bins(p, y, amount, bins=8, weight=weight)
    order, index = equal_mass_bins(p, np.ones(len(p)) if weight is None else weight, 8)
    place = np.empty(len(p), dtype=np.int64)
    place[order] = index
    names = np.array([f"bin {each}" for each in range(len(bins))])
    theirs = compute_bias(y.astype(float), p, names[place], weight, n_bins=20).sort("feature")
    np.testing.assert_allclose(
        bins.mean_probability - bins.fraud_share, theirs["bias_mean"].to_numpy(), rtol=0, atol=1e-12
    )
    np.testing.assert_allclose(bins.count, theirs["bias_weights"].to_numpy(), rtol=1e-12)


@pytest.mark.parametrize("threshold", [0.01, 0.1, 0.4])
def test_rates_give_the_point_of_a_murphy_diagram(
    rows: Rows, weight: NDArray[np.float64] | None, threshold: float
) -> None:
    """An elementary score is the cost of flagging above it, a miss at 1 - it and a false alarm at it."""
    p, y, _ = rows
    prevalence = np.average(y, weights=weight)
    rates = rates_at(p >= threshold, y, weight)
    misses, false_alarms = 1.0 - rates.recall, 1.0 - rates.specificity
    ours = (1.0 - threshold) * misses * prevalence
    ours += threshold * false_alarms * (1.0 - prevalence)
    theirs = ElementaryScore(eta=threshold)(y.astype(float), p, weight)
    assert theirs == pytest.approx(ours, rel=1e-9)


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.2])
def test_calibration_error_beside_the_smooth_one(shift: float) -> None:
    """Błasiok and Nakkiran's smooth error needs no bins; both find how far a level is off."""
    generator = np.random.default_rng(5)
    true = generator.uniform(0.2, 0.7, 20_000)
    y = generator.random(20_000) < true
    p = true + shift
    smooth = relplot.smECE(p, y.astype(float))
    binned = expected_calibration_error(p, y, bins=15)
    assert smooth == pytest.approx(shift, abs=0.012)
    assert binned == pytest.approx(shift, abs=0.012)
    centred = null_centred_calibration_error(p, y, np.ones(len(p)), bins=15, draws=99, seed=1)
    assert (centred.p_value <= 0.05) == (shift > 0.0)
