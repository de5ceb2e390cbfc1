"""More figures of each score, for a reader who wants them all: Brier and its parts, average
precision, partial ROC AUC, calibration by count, the line through the logits, Spiegelhalter's test.

Intervals resample cards where the figure is made of sums. Figures that need the whole order of the
transactions are computed on a table of cells: the transactions between two neighbouring frauds are
one cell, which changes neither of the two figures. Slope and intercept have sandwich intervals.
"""

from dataclasses import asdict
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.special import expit, ndtri

from fraud_system.events import Column
from fraud_system.metrics import (
    average_precision,
    calibration_line,
    cluster_bootstrap,
    null_centred_calibration_error,
    partial_roc_auc,
    score_decomposition,
    spiegelhalter_z,
)
from fraud_system.metrics.proper import CLIP
from fraud_system.metrics.reliability import equal_mass_bins

from .cards import Bootstrap, sums_by_card
from .run_files import Predictions
from .scores import BINS, SCORERS, score_of

MAX_FALSE_POSITIVE_RATE = 0.05
"""Of the partial ROC AUC: more false alarms than this no team looks at."""


def more_scores(
    rows: Predictions, weight: Column | None, draws: int, bootstrap: Bootstrap
) -> dict[str, dict[str, Any]]:
    """The figures of each scorer.

    Args:
        rows: the evaluated transactions after the warm-up.
        weight: (n,) 1/propensity, or None.
        draws: redraws of the labels for the null of the calibration error.
        bootstrap: of the intervals.

    Returns:
        per scorer: `brier` and `brier_parts`, `average_precision`, `partial_roc_auc`,
        `calibration_error_count`, `calibration_line` (slope, intercept), and `spiegelhalter`
        (z, p_value; undefined with weights).
    """
    return {
        scorer: _figures(rows, score_of(rows, scorer), weight, draws, bootstrap)
        for scorer in SCORERS
    }


def _figures(
    rows: Predictions, p: Column, weight: Column | None, draws: int, bootstrap: Bootstrap
) -> dict[str, Any]:
    y = rows.is_fraud
    error = null_centred_calibration_error(p, y, None, BINS, draws, weight=weight)
    test = spiegelhalter_z(p, y)._asdict() if weight is None else {"z": np.nan, "p_value": np.nan}
    return {
        **brier_figures(p, y, weight, rows.cluster, bootstrap),
        **order_figures(p, y, weight, rows.cluster, bootstrap),
        "calibration_error_count": asdict(error),
        "calibration_line": line_figures(p, y, weight, rows.cluster, bootstrap.level),
        "spiegelhalter": test,
    }


def brier_figures(
    p: Column, y: Column, weight: Column | None, cluster: Column, bootstrap: Bootstrap
) -> dict[str, Any]:
    """Brier score and where it comes from (see `score_decomposition`).

    Miscalibration, a squared distance, is above 0 for a perfect score too and resampling adds to
    it: instead of an interval it stands beside `miscalibration_by_chance`, its mean for a perfect
    score. The intervals of the others hold the bins fixed.
    """
    each = np.ones(len(p)) if weight is None else weight
    order, index = equal_mass_bins(p, each, BINS)
    place = np.empty(len(p), dtype=np.int64)
    place[order] = index
    bins = int(index.max()) + 1
    mass = np.bincount(place, each)
    # Var of a bin's fraud share if every p is true, weighted as the term itself.
    noise = np.bincount(place, each**2 * p * (1.0 - p)) / np.where(mass > 0, mass, np.nan)
    columns = {"rows": each, "frauds": each * y, "squares": each * (p - y) ** 2}
    for number in range(bins):
        here = each * (place == number)
        columns |= {f"rows_{number}": here, f"frauds_{number}": here * y}
    figures = bootstrap.figures(
        {
            "brier": lambda s: s["squares"] / s["rows"],
            "discrimination": lambda s: _discrimination(s, bins),
            "uncertainty": lambda s: s["frauds"] / s["rows"] * (1.0 - s["frauds"] / s["rows"]),
        },
        sums_by_card(columns, cluster),
    )
    parts = score_decomposition(p, y, BINS, weight)
    return {
        "brier": figures.pop("brier"),
        "brier_parts": {
            "miscalibration": parts.miscalibration,
            "miscalibration_by_chance": float(np.nansum(noise) / each.sum()),
            **figures,
            "within_bin": parts.within_bin,
        },
    }


def _discrimination(s: dict[str, Any], bins: int) -> Any:
    rate = s["frauds"] / s["rows"]
    total = np.zeros_like(rate)
    for number in range(bins):
        rows = np.maximum(s[f"rows_{number}"], 1e-300)  # a bin may be missing from a resample
        total = total + rows * (s[f"frauds_{number}"] / rows - rate) ** 2
    return total / s["rows"]


def order_figures(
    p: Column, y: Column, weight: Column | None, cluster: Column, bootstrap: Bootstrap
) -> dict[str, Any]:
    """Average precision and partial ROC AUC, with cards resampled exactly."""
    each = np.ones(len(p)) if weight is None else weight
    cell, is_fraud, score = _cells(p, y)
    _, card = np.unique(cluster, return_inverse=True)
    cards = int(card.max()) + 1
    by_card = csr_array((each, (cell, card)), shape=(len(score), cards))
    every = np.arange(cards)
    statistics: dict[str, Any] = {
        "average_precision": average_precision,
        "partial_roc_auc": lambda s, f, weight: partial_roc_auc(
            s, f, MAX_FALSE_POSITIVE_RATE, weight
        ),
    }
    found = {}
    for name, statistic in statistics.items():

        def on_drawn(_: Column, weight: Column, statistic: Any = statistic) -> float:
            return float(statistic(score, is_fraud, by_card @ weight))

        low, high = cluster_bootstrap(
            on_drawn, (every,), None, bootstrap.draws, bootstrap.seed, bootstrap.level
        )
        found[name] = {"value": on_drawn(every, np.ones(cards)), "low": low, "high": high}
    return found


def _cells(p: Column, y: Column) -> tuple[Column, Column, Column]:
    """A coarser table with the same order: all that lies between two neighbouring frauds is one.

    Returns:
        (n,) the cell of each row; (cells,) whether a cell holds frauds; (cells,) its score, rising.

    >>> cell, is_fraud, score = _cells(np.array([0.1, 0.2, 0.3]), np.array([False, False, True]))
    >>> cell, score.round(2)
    (array([0, 0, 3]), array([0.  , 0.  , 0.33, 0.33, 0.67, 0.67]))
    """
    frauds = np.unique(p[y])
    place = np.searchsorted(frauds, p, "left") + np.searchsorted(frauds, p, "right")
    places = 2 * len(frauds) + 1
    is_fraud = np.tile([False, True], places)
    return 2 * place + y, is_fraud, np.repeat(np.arange(places) / places, 2)


def line_figures(
    p: Column, y: Column, weight: Column | None, cluster: Column, level: float
) -> dict[str, dict[str, float]]:
    """Slope and intercept with sandwich intervals, clustered by card (Liang and Zeger 1986)."""
    line = calibration_line(p, y, weight)
    nowhere = {"low": np.nan, "high": np.nan}
    if np.isnan(line.slope):
        return {name: {"value": value, **nowhere} for name, value in line._asdict().items()}
    each = np.ones(len(p)) if weight is None else weight
    clipped = np.clip(p, CLIP, 1.0 - CLIP)
    logit = np.log(clipped) - np.log1p(-clipped)
    fitted = expit(line.intercept + line.slope * logit)
    curvature, residual = each * fitted * (1.0 - fitted), each * (y - fitted)
    cross = (curvature * logit).sum()
    bread = np.array([[(curvature * logit**2).sum(), cross], [cross, curvature.sum()]])
    sums = sums_by_card({"slope": residual * logit, "intercept": residual}, cluster)
    pieces = np.column_stack([sums["slope"], sums["intercept"]])
    half = np.linalg.solve(bread, pieces.T)
    reach = float(ndtri((1.0 + level) / 2.0)) * np.sqrt((half**2).sum(axis=1))
    return {
        name: {"value": value, "low": value - reach[place], "high": value + reach[place]}
        for place, (name, value) in enumerate(line._asdict().items())
    }
