"""Calibration: does a fraud probability of 2 % come true 2 % of the time, and per unit of money?

Expected loss is probability x amount, so the policy is only as right as this. Three questions, in
the order in which to ask them: is the level right (`expected_over_observed`), is it right
everywhere along the score (`null_centred_calibration_error`), and in which direction is it wrong
(`calibration_line`).

The binned calibration error of a *perfect* model is not zero: noise alone gives it up to about
0.8 sqrt(bins / frauds) of the base rate, 14 % with 500 frauds in 15 bins, and more when weighted by
money. Never gate on the naive figure; gate on the null-centred one and its p-value.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fraud_system.metrics.checks import Floats, ratio, scored, whole
from fraud_system.metrics.redraw import redrawn_sums
from fraud_system.metrics.reliability import equal_mass_bins, sums_by

NULL_QUANTILE = 0.95


@dataclass(frozen=True)
class NullCentred:
    """A calibration error beside what chance alone gives a model whose probabilities are true.

    Args:
        error: the naive error, as `expected_calibration_error`.
        null_mean: its mean when labels are drawn from the probabilities.
        centred: error - null_mean; about 0 for a perfect model, can be negative.
        relative: centred / (sum a p / sum a), a share of the expected rate; nan if that is 0.
        p_value: (1 + #{null >= error}) / (draws + 1): uniform, up to its steps, for a perfect
            model.
        null_high: the null's 95 % quantile: an error above it is significant at 5 %.
    """

    error: float
    null_mean: float
    centred: float
    relative: float
    p_value: float
    null_high: float


def expected_over_observed(
    probability: ArrayLike,
    is_fraud: ArrayLike,
    amount: ArrayLike | None = None,
    weight: ArrayLike | None = None,
) -> float:
    """Frauds expected over frauds seen; with `amount`, fraud money expected over seen.

    Above 1 the model over-predicts. nan when nothing was observed.

    >>> expected_over_observed([0.5, 0.25, 0.25], [True, False, False])
    1.0
    >>> expected_over_observed([0.5, 0.25, 0.25], [True, False, False], amount=[10, 40, 20])
    2.0
    """
    columns = scored(probability, is_fraud, amount, weight)
    mass = columns.amount * columns.weight
    return ratio(np.sum(mass * columns.probability), np.sum(mass[columns.is_fraud]))


def expected_calibration_error(
    probability: ArrayLike,
    is_fraud: ArrayLike,
    amount: ArrayLike | None = None,
    bins: int = 15,
    weight: ArrayLike | None = None,
) -> float:
    """`sum_b |sum_b a (p - y)| / sum a` over bins of equal mass; a is the amount, or 1.

    Bins hold equal counts, or with `amount` equal money, and are pooled over equal probabilities.
    nan without any mass. Biased upwards by noise: see `null_centred_calibration_error`.

    Args:
        probability, is_fraud: (n,) columns.
        amount: (n,), to weigh by money.
        bins: the largest number of bins.
        weight: (n,) importance weights, or None.

    Raises:
        DataError: a column or a setting is not usable.

    >>> expected_calibration_error([0.25, 0.25, 0.5, 0.5], [False, True, True, False], bins=2)
    0.125
    """
    columns = scored(probability, is_fraud, amount, weight)
    mass = columns.amount * columns.weight
    order, index = equal_mass_bins(columns.probability, mass, whole(bins, "bins"))
    expected, observed = _bin_sums(
        columns.probability[order], columns.is_fraud[order].astype(float), mass[order], index
    )
    return ratio(np.abs(expected - observed).sum(), mass.sum())


def null_centred_calibration_error(
    probability: ArrayLike,
    is_fraud: ArrayLike,
    amount: ArrayLike | None = None,
    bins: int = 15,
    draws: int = 999,
    seed: int = 0,
    weight: ArrayLike | None = None,
) -> NullCentred:
    """The expected calibration error, minus what a perfect model would show, with an exact test.

    Labels are redrawn, y ~ Bernoulli(p) independently, `draws` times; the bins stay, as they are
    made from p and the masses alone. Under the hypothesis "every p is true" observed and redrawn
    errors are exchangeable, so the Monte Carlo p-value is exact for any number of draws (Davison
    and Hinkley 1997, section 4.2). The hypothesis includes independence: frauds of one card come
    in bursts, which alone can make a well calibrated model fail; thin to one row per card to rule
    that out. All nan without any mass.

    Args:
        probability, is_fraud, amount, bins, weight: as `expected_calibration_error`.
        draws: redrawn sets of labels; the smallest possible p-value is 1 / (draws + 1).
        seed: of the redraws.

    Raises:
        DataError: a column or a setting is not usable.

    >>> generator = np.random.default_rng(1)
    >>> truth = generator.uniform(0.0, 0.1, 20_000)
    >>> labels = generator.random(20_000) < truth
    >>> right = null_centred_calibration_error(truth, labels, draws=199)
    >>> wrong = null_centred_calibration_error(truth * 1.5, labels, draws=199)
    >>> right.p_value > 0.1, wrong.p_value == 1 / 200, round(wrong.relative, 1)
    (True, True, 0.3)
    """
    columns = scored(probability, is_fraud, amount, weight)
    whole(draws, "draws")
    mass = columns.amount * columns.weight
    total = mass.sum()
    order, index = equal_mass_bins(columns.probability, mass, whole(bins, "bins"))
    if not total > 0.0:
        return NullCentred(*[float("nan")] * 6)
    ascending, mass = columns.probability[order], mass[order]
    expected, observed = _bin_sums(ascending, columns.is_fraud[order].astype(float), mass, index)
    redrawn = redrawn_sums(ascending, mass, index, len(expected), draws, seed)
    # One expression for both, so that equal label sets give equal bits and ties are counted.
    errors = np.abs(expected - np.vstack([observed, redrawn])).sum(axis=1) / total
    error, null = float(errors[0]), errors[1:]
    null_mean = float(null.mean())
    return NullCentred(
        error=error,
        null_mean=null_mean,
        centred=error - null_mean,
        relative=ratio(error - null_mean, expected.sum() / total),
        p_value=float((1 + np.count_nonzero(null >= error)) / (draws + 1)),
        null_high=float(np.quantile(null, NULL_QUANTILE)),
    )


def _bin_sums(
    probability: Floats, is_fraud: Floats, mass: Floats, index: NDArray[np.intp]
) -> tuple[Floats, Floats]:
    """Expected and observed fraud mass by bin."""
    return sums_by(index, mass * probability), sums_by(index, mass * is_fraud)
