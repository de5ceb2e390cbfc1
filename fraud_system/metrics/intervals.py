"""Intervals for any metric, by resampling cards and not rows.

Transactions of one card are alike, and its frauds come in bursts: intervals that take rows for
independent are too narrow. The bootstrap draws whole cards with replacement; a card drawn twice
has weight 2 in the metric, so no row is ever copied and any metric with a `weight` argument will
do.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fraud_system.errors import DataError
from fraud_system.metrics.checks import (
    Integers,
    integers,
    same_length,
    scored,
    share,
    weights_or_ones,
    whole,
)
from fraud_system.metrics.discrimination import roc_auc


def cluster_bootstrap(
    statistic: Callable[..., float],
    columns: tuple[Any, ...],
    cluster: ArrayLike | None,
    draws: int = 200,
    seed: int = 0,
    level: float = 0.95,
    weight: ArrayLike | None = None,
) -> tuple[float, float]:
    """Percentile interval of `statistic(*columns, weight=w)` over resampled clusters.

    Each draw takes as many clusters as there are, with replacement (multinomial multiplicities),
    and passes each row its cluster's multiplicity, times `weight` if given, as `w`. Draws in
    which the metric is nan (no fraud drawn) are left out; (nan, nan) if that is all of them. With
    fewer than some 30 clusters that hold frauds the interval is too narrow, and with draws=200
    its ends are the fifth smallest and fifth largest of 200 draws: enough to read, not to quote
    to three digits.

    Args:
        statistic: a metric with a `weight` argument, such as `log_loss` or a lambda around one.
        columns: its other arguments, each of n rows.
        cluster: (n,) whole numbers, e.g. card codes or keys; None takes each row for itself.
        draws: resamples.
        seed: of the resamples; the same seed gives the same resamples to every statistic, so
            differences of two metrics can be taken in one lambda.
        level: of the interval.
        weight: (n,) importance weights, or None.

    Raises:
        DataError: a column or a setting is not usable.

    >>> from fraud_system.metrics.proper import brier
    >>> chance, labels = np.full(6, 0.5), np.array([True, False] * 3)
    >>> cluster_bootstrap(brier, (chance, labels), cluster=[1, 1, 2, 2, 3, 3])
    (0.25, 0.25)
    """
    codes, clusters = _cluster_codes(cluster, columns)
    base = weights_or_ones(weight, len(codes))
    same_length(columns=codes, weight=base)
    whole(draws, "draws")
    share(level, "level")
    generator = np.random.default_rng(seed)
    drawn = np.empty(draws)
    for draw in range(draws):
        picked = generator.integers(0, clusters, clusters)
        multiplicity = np.bincount(picked, minlength=clusters).astype(np.float64)
        drawn[draw] = statistic(*columns, weight=multiplicity[codes] * base)
    drawn = drawn[~np.isnan(drawn)]
    if len(drawn) == 0:
        return float("nan"), float("nan")
    # Order statistics, not interpolation: likelihood ratios may be infinite.
    tails = [(1.0 - level) / 2.0, (1.0 + level) / 2.0]
    low, high = np.quantile(drawn, tails, method="inverted_cdf")
    return float(low), float(high)


def roc_auc_bootstrap(
    probability: ArrayLike,
    is_fraud: ArrayLike,
    cluster: ArrayLike | None,
    draws: int = 200,
    seed: int = 0,
    level: float = 0.95,
    weight: ArrayLike | None = None,
) -> tuple[float, float]:
    """`cluster_bootstrap` of `roc_auc`, sorting once instead of once a draw.

    >>> chance, labels = np.tile([0.1, 0.2, 0.3, 0.4], 9), np.tile([False, True], 18)
    >>> roc_auc_bootstrap(chance, labels, cluster=None, draws=20)
    (0.57..., 0.84...)
    """
    columns = scored(probability, is_fraud, weight=weight)
    codes, _ = _cluster_codes(cluster, (columns.probability,))
    order = np.argsort(columns.probability, kind="stable")
    return cluster_bootstrap(
        roc_auc,
        (columns.probability[order], columns.is_fraud[order]),
        codes[order],
        draws,
        seed,
        level,
        columns.weight[order],
    )


def _cluster_codes(cluster: ArrayLike | None, columns: tuple[Any, ...]) -> tuple[Integers, int]:
    """Clusters numbered from 0, and how many there are."""
    if not columns or len(columns[0]) == 0:
        raise DataError("has no rows to resample", field="columns")
    lengths: dict[str, NDArray[Any]] = {
        f"columns[{place}]": np.asarray(column) for place, column in enumerate(columns)
    }
    if cluster is None:
        same_length(**lengths)
        rows = len(columns[0])
        return np.arange(rows), rows
    names = integers(cluster, "cluster")
    same_length(**lengths, cluster=names)
    values, codes = np.unique(names, return_inverse=True)
    return codes, len(values)
