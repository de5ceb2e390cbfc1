"""Intervals that know about cards: frauds of one card come in bursts, not independently.

Every headline figure is a function of a few sums over transactions. So the rows are added up by card
once, and the bootstrap weighs cards in that small table: the same draws and the same answer as
weighing all rows, at a hundredth of the work.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import xlog1py, xlogy

from fraud_system.events import Column
from fraud_system.metrics import cluster_bootstrap
from fraud_system.metrics.proper import CLIP

Sums = dict[str, Any]
Statistic = Callable[[Sums], Any]


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How intervals are made.

    Args:
        draws: resamples of the cards.
        seed: of the resamples.
        level: of the intervals.
    """

    draws: int = 200
    seed: int = 0
    level: float = 0.95

    def figure(
        self, value: float, statistic: Statistic, sums: Mapping[str, Column]
    ) -> dict[str, float]:
        """A value with the percentile interval of `statistic` over resampled cards.

        Args:
            value: on all cards.
            statistic: from the totals of the columns (by name) to one number.
            sums: the columns, one row per card.

        >>> two = {"frauds": np.array([1.0, 1.0]), "rows": np.array([4.0, 4.0])}
        >>> Bootstrap(draws=9).figure(0.25, lambda s: s["frauds"] / s["rows"], two)
        {'value': 0.25, 'low': 0.25, 'high': 0.25}
        """
        names = list(sums)
        table = np.column_stack([sums[name] for name in names])

        def on_drawn(table: Any, weight: Any) -> float:
            with np.errstate(divide="ignore", invalid="ignore"):  # a draw without any fraud is nan
                found = statistic(dict(zip(names, weight @ table, strict=True)))
            return float(found) if np.isfinite(found) else float("nan")

        low, high = cluster_bootstrap(
            on_drawn, (table,), None, draws=self.draws, seed=self.seed, level=self.level
        )
        return {"value": value, "low": low, "high": high}

    def figures(
        self, statistics: Mapping[str, Statistic], sums: Mapping[str, Column]
    ) -> dict[str, dict[str, float]]:
        """Several statistics of the same sums, each with its interval, from one pass of resamples.

        Args:
            statistics: by name; each from the totals of the columns to a number, nan where
                undefined (see `per`). It is called with arrays of totals, one entry per resample,
                so it must work element by element.
            sums: the columns, one row per card; at least one card.

        >>> two = {"frauds": np.array([1.0, 1.0]), "rows": np.array([4.0, 4.0])}
        >>> Bootstrap(draws=9).figures({"rate": lambda s: s["frauds"] / s["rows"]}, two)
        {'rate': {'value': 0.25, 'low': 0.25, 'high': 0.25}}
        """
        table = np.column_stack([sums[name] for name in sums])
        totals = [table.sum(axis=0)]

        def remember(table: Any, weight: Any) -> float:
            totals.append(weight @ table)
            return 0.0

        cluster_bootstrap(remember, (table,), None, draws=self.draws, seed=self.seed)
        columns = dict(zip(sums, np.array(totals).T, strict=True))
        found = {}
        for name, statistic in statistics.items():
            drawn = np.asarray(statistic(columns))
            low, high = self._interval(drawn[1:])
            found[name] = {"value": float(drawn[0]), "low": low, "high": high}
        return found

    def _interval(self, drawn: Column) -> tuple[float, float]:
        """As `cluster_bootstrap`: order statistics of the draws that are defined."""
        drawn = drawn[~np.isnan(drawn)]
        if not len(drawn):
            return float("nan"), float("nan")
        tails = [(1.0 - self.level) / 2.0, (1.0 + self.level) / 2.0]
        low, high = np.quantile(drawn, tails, method="inverted_cdf")
        return float(low), float(high)


def per(above: Any, below: Any) -> Any:
    """`above / below`, element by element; nan where there is nothing below.

    >>> per(np.array([1.0, 1.0]), np.array([4.0, 0.0]))
    array([0.25,  nan])
    """
    return above / np.where(below > 0, below, np.nan)


def sums_by_card(columns: Mapping[str, Column], cluster: Column) -> dict[str, Column]:
    """Sum of each column over the rows of each card that occurs.

    >>> sums_by_card({"amount": np.array([1.0, 2.0, 4.0])}, np.array([7, 3, 7]))
    {'amount': array([2., 5.])}
    """
    present = np.bincount(cluster) > 0
    return {
        name: np.bincount(cluster, weights=column, minlength=len(present))[present]
        for name, column in columns.items()
    }


def row_loss(probability: Column, is_fraud: Column) -> Column:
    """(n,) the terms of which `metrics.log_loss` is the mean.

    >>> row_loss(np.array([0.5, 0.0]), np.array([True, False]))
    array([6.93147181e-01, 1.00000000e-15])
    """
    clipped = np.clip(probability, CLIP, 1.0 - CLIP)
    return np.asarray(-xlogy(is_fraud, clipped) - xlog1py(~is_fraud, -clipped))


def auc_placements(probability: Column, is_fraud: Column, weight: Column) -> tuple[Column, Column]:
    """Where each row stands among the other class, so that sums by card carry ROC AUC.

    For a fraud: the share of legitimate transactions below it (ties half). For a legitimate one:
    the share of frauds above it. The mean of either is the AUC. Under resampled cards the AUC is,
    to first order, `mean of the one + mean of the other - AUC` (Obuchowski 1997, "Nonparametric
    analysis of clustered ROC curve data"); one sort then serves all draws.

    Returns:
        (n,) of frauds, 0 elsewhere; (n,) of legitimate transactions, 0 elsewhere.

    >>> auc_placements(np.array([0.1, 0.4, 0.4]), np.array([False, False, True]), np.ones(3))
    (array([0.  , 0.  , 0.75]), array([1. , 0.5, 0. ]))
    """
    _, place = np.unique(probability, return_inverse=True)
    fraud_mass = np.bincount(place, weights=weight * is_fraud)
    legitimate_mass = np.bincount(place, weights=weight * ~is_fraud)
    frauds, legitimate = fraud_mass.sum(), legitimate_mass.sum()
    below = (np.cumsum(legitimate_mass) - 0.5 * legitimate_mass) / (legitimate or np.nan)
    above = 1.0 - (np.cumsum(fraud_mass) - 0.5 * fraud_mass) / (frauds or np.nan)
    return np.where(is_fraud, below[place], 0.0), np.where(is_fraud, 0.0, above[place])
