"""Bins of equal mass along the probability: the reliability diagram and Brier's decomposition.

Equal probabilities are never split between bins, so the order of the rows does not matter and a
constant predictor has one bin. Bins are made from probabilities and masses, never from labels: that
is what lets `calibration` redraw labels and keep the bins.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from fraud_system.errors import DataError
from fraud_system.metrics.checks import Floats, scored, share, whole


@dataclass(frozen=True)
class ReliabilityBins:
    """One entry per bin, in rising order of probability; at most as many bins as asked for.

    Args:
        lower, upper: smallest and largest probability in the bin (of rows with weight).
        count: sum of weights; without weights the number of rows.
        mean_probability, fraud_share: predicted and observed share of frauds.
        fraud_share_low, fraud_share_high: Wilson interval of the observed share.
        amount: sum of (weighted) amounts.
        expected_amount_share, fraud_amount_share: predicted and observed share of the money that is
            fraud; nan where the bin holds no money.
        fraud_amount_share_low, fraud_amount_share_high: its interval, which takes fraud and
            amount to be independent within a bin: rough where a few payments hold most of the
            money.
    """

    lower: Floats
    upper: Floats
    count: Floats
    mean_probability: Floats
    fraud_share: Floats
    fraud_share_low: Floats
    fraud_share_high: Floats
    amount: Floats
    expected_amount_share: Floats
    fraud_amount_share: Floats
    fraud_amount_share_low: Floats
    fraud_amount_share_high: Floats

    def __len__(self) -> int:
        return len(self.count)


@dataclass(frozen=True)
class ScoreDecomposition:
    """Brier = miscalibration - discrimination + uncertainty + within_bin.

    Args:
        brier: the Brier score.
        miscalibration: mean squared distance of a bin's mean probability from its fraud share (0
            is best).
        discrimination: how far the bins' fraud shares spread around the overall one (more is
            better).
        uncertainty: variance of the labels; no model changes it.
        within_bin: what binning hides: spread of probabilities within bins, minus twice their
            covariance with the labels. Negative when the model still tells frauds apart inside a
            bin.
    """

    brier: float
    miscalibration: float
    discrimination: float
    uncertainty: float
    within_bin: float


def equal_mass_bins(
    probability: Floats, mass: Floats, bins: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Cut the rows, sorted by probability, into at most `bins` bins of about equal mass.

    A run of equal probabilities goes whole into the bin in which the middle of its mass falls.

    Returns:
        order: (n,) rows in rising probability; bin_index: (n,) bin of each of these, 0, 1, 2...

    >>> equal_mass_bins(np.array([0.3, 0.1, 0.1, 0.2]), np.ones(4), bins=2)
    (array([1, 2, 3, 0]), array([0, 0, 1, 1]))
    """
    order = np.argsort(probability, kind="stable")
    ascending = probability[order]
    run = np.cumsum(np.diff(ascending, prepend=-1.0) > 0) - 1
    run_mass = sums_by(run, mass[order])
    total = run_mass.sum()
    middle = np.cumsum(run_mass) - 0.5 * run_mass
    place = np.minimum(np.floor(middle * bins / total) if total > 0 else 0.0 * middle, bins - 1)
    bin_of_run = np.cumsum(np.diff(place, prepend=-1.0) > 0) - 1  # number the bins that are used
    return order, bin_of_run[run]


def sums_by(index: NDArray[np.intp], value: Floats) -> Floats:
    """Sum of `value` for each index from 0 to the largest, adding in row order.

    >>> sums_by(np.array([0, 1, 0]), np.array([1.0, 2.0, 4.0]))
    array([5., 2.])
    """
    return np.bincount(index, value).astype(np.float64, copy=False)


def wilson_interval(share: Floats, trials: Floats, level: float) -> tuple[Floats, Floats]:
    """Interval for a share seen in a number of trials (Wilson 1927); nan without trials.

    >>> low, high = wilson_interval(np.array([0.0]), np.array([10.0]), level=0.95)
    >>> round(float(low[0]), 3), round(float(high[0]), 3)
    (0.0, 0.278)
    """
    z_squared = float(ndtri((1.0 + level) / 2.0)) ** 2
    shrunk = trials / np.where(trials > 0, trials + z_squared, np.nan)
    middle = shrunk * share + (1.0 - shrunk) * 0.5
    noise = shrunk * share * (1.0 - share) + 0.25 * (1.0 - shrunk)
    half = np.sqrt((1.0 - shrunk) * noise)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def reliability_bins(
    probability: ArrayLike,
    is_fraud: ArrayLike,
    amount: ArrayLike,
    bins: int = 15,
    weight: ArrayLike | None = None,
    by: Literal["count", "amount"] = "count",
    level: float = 0.95,
) -> ReliabilityBins:
    """Predicted against observed fraud, by count and by money, in bins of equal mass.

    With weights, intervals use the effective number of rows (sum w)^2 / sum w^2 (Kish 1965), so
    weights mean importance there, not repetition.

    Args:
        probability, is_fraud, amount: (n,) columns.
        bins: the largest number of bins.
        weight: (n,) importance weights, or None.
        by: bins of equal weight ("count") or of equal money ("amount").
        level: of the intervals.

    Raises:
        DataError: a column or a setting is not usable.

    >>> labels = [False, False, True, False]
    >>> bins = reliability_bins([0.1, 0.1, 0.6, 0.6], labels, [5, 5, 9, 1], bins=2)
    >>> bins.fraud_share, bins.fraud_amount_share
    (array([0. , 0.5]), array([0. , 0.9]))
    """
    columns = scored(probability, is_fraud, amount, weight).with_weight()
    if by not in ("count", "amount"):
        raise DataError(f"is {by!r}, must be 'count' or 'amount'", field="by")
    share(level, "level")
    money = columns.amount * columns.weight
    mass = money if by == "amount" else columns.weight
    order, index = equal_mass_bins(columns.probability, mass, whole(bins, "bins"))
    lowest = np.flatnonzero(np.diff(index, prepend=-1))
    highest = np.flatnonzero(np.diff(index, append=-1))
    ascending = columns.probability[order]
    by_count = _shares(columns.weight[order], ascending, columns.is_fraud[order], index, level)
    by_money = _shares(money[order], ascending, columns.is_fraud[order], index, level)
    return ReliabilityBins(ascending[lowest], ascending[highest], *by_count, *by_money)


def score_decomposition(
    probability: ArrayLike, is_fraud: ArrayLike, bins: int = 15, weight: ArrayLike | None = None
) -> ScoreDecomposition:
    """Where the Brier score comes from; the parts add up to it exactly.

    Murphy (1973) for bins of one probability each; the two within-bin terms of Stephenson, Coelho
    and Jolliffe (2008), here one, make it exact for any bins.

    Like every binned figure, miscalibration is above 0 for a perfect model too: see
    `null_centred_calibration_error` for a test. All nan without rows.

    >>> parts = score_decomposition([0.0, 0.0, 1.0, 1.0], [False, False, True, False])
    >>> parts.brier, parts.miscalibration - parts.discrimination + parts.uncertainty
    (0.25, 0.25)
    """
    columns = scored(probability, is_fraud, weight=weight).with_weight()
    if len(columns.weight) == 0:
        return ScoreDecomposition(*[float("nan")] * 5)
    order, index = equal_mass_bins(columns.probability, columns.weight, whole(bins, "bins"))
    forecast, observed = columns.probability[order], columns.is_fraud[order].astype(np.float64)
    weights = columns.weight[order] / columns.weight.sum()
    mass = sums_by(index, weights)
    mean_forecast = sums_by(index, weights * forecast) / mass
    mean_observed = sums_by(index, weights * observed) / mass
    rate = np.sum(weights * observed)
    spread = forecast - mean_forecast[index]
    return ScoreDecomposition(
        brier=float(np.sum(weights * (forecast - observed) ** 2)),
        miscalibration=float(np.sum(mass * (mean_forecast - mean_observed) ** 2)),
        discrimination=float(np.sum(mass * (mean_observed - rate) ** 2)),
        uncertainty=float(rate * (1.0 - rate)),
        within_bin=float(
            np.sum(weights * spread * (spread - 2.0 * (observed - mean_observed[index])))
        ),
    )


def _shares(
    mass: Floats,
    probability: Floats,
    is_fraud: NDArray[np.bool_],
    index: NDArray[np.intp],
    level: float,
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Mass, expected share, observed share and its interval, by bin."""
    total = sums_by(index, mass)
    below = np.where(total > 0, total, np.nan)
    # An average of equal probabilities can round to just outside them.
    expected = np.clip(sums_by(index, mass * probability) / below, 0.0, 1.0)
    observed = np.clip(sums_by(index, mass * is_fraud) / below, 0.0, 1.0)
    effective = total**2 / np.where(total > 0, sums_by(index, mass**2), np.nan)
    low, high = wilson_interval(observed, effective, level)
    return total, expected, observed, low, high
