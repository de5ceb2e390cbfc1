"""The learning curve: how good the served probabilities were after so many labels had been learned.

Each transaction was scored by weights of a known version, published after every so many resolved
labels, so the version tells how many labels they had seen. All evaluated transactions count, the
warm-up too: a learning curve begins at nothing. Cumulative figures are over everything so far;
rolling ones over the latest labels only, so they show a drift.
"""

from typing import Any

import numpy as np

from fraud_system.events import Column

from .cards import per, row_loss
from .periods import Calendar
from .run_files import Predictions
from .scores import SCORERS, score_of

POINTS = 40
WINDOW_POINTS = 4


def learning_figures(
    predictions: Predictions,
    weights_version: Column | None,
    counted: Column,
    weight: Column | None,
    calendar: Calendar,
    run: dict[str, Any],
) -> dict[str, Any] | None:
    """Log loss and normalised entropy by number of labels learned, for each score.

    Args:
        predictions: all rows.
        weights_version: (n,) int64, or None.
        counted: (n,) bool: evaluated, the warm-up included.
        weight: (n,) 1/propensity, or None.
        calendar: of the run.
        run: `run.json`, for the number of labels between publications.

    Returns:
        `unit` of the labels learned (`resolved labels`, or `publications` where the run does not
        say how many labels lie between); equally long lists `learned` and `transactions`;
        `log_loss` and `normalised_entropy`, each {cumulative, rolling} by scorer; `window`, the
        span of the rolling figures; `drift`, how many had been learned at each drift mark;
        `ahead_from`, the first of `learned` from which on the model's cumulative log loss stays
        below both others' (None: not at the end). None where versions are not known or nothing is evaluated.
    """
    if weights_version is None or not counted.any():
        return None
    labels, unit = _labels_per_version(run)
    rows = predictions.rows(counted)
    version = weights_version[counted]
    each = np.ones(len(rows)) if weight is None else weight[counted]
    edge, point = _points(version)
    used = np.flatnonzero(np.bincount(point, minlength=len(edge)))
    columns = {"rows": each, "frauds": each * rows.is_fraud} | {
        scorer: each * row_loss(score_of(rows, scorer), rows.is_fraud) for scorer in SCORERS
    }
    sums = {
        name: np.bincount(point, column, minlength=len(edge))[used]
        for name, column in columns.items()
    }
    cumulative = {name: np.cumsum(column) for name, column in sums.items()}
    rolling = {name: _rolling(column) for name, column in cumulative.items()}
    curves = {"cumulative": cumulative, "rolling": rolling}
    log_loss = {name: _log_loss(curve) for name, curve in curves.items()}
    return {
        "unit": unit,
        "learned": labels * edge[used],
        "transactions": np.bincount(point, minlength=len(edge))[used],
        "window": labels * WINDOW_POINTS * _step(version),
        "log_loss": log_loss,
        "normalised_entropy": {
            name: {s: per(log_loss[name][s], _entropy(curve)) for s in SCORERS}
            for name, curve in curves.items()
        },
        "drift": [
            labels * int(weights_version[predictions.event_time_us < moment].max(initial=0))
            for moment, _ in calendar.drift
        ],
        "ahead_from": _ahead_from(log_loss["cumulative"], labels * edge[used]),
    }


def _labels_per_version(run: dict[str, Any]) -> tuple[int, str]:
    try:
        return round(float(run["settings"]["publish_every_labels"])), "resolved labels"
    except (KeyError, TypeError, ValueError):
        return 1, "publications"


def _step(version: Column) -> int:
    """Versions to a point, so that there are at most `POINTS` beside version 0."""
    return max(1, -(-int(version.max()) // POINTS))


def _points(version: Column) -> tuple[Column, Column]:
    """The last version of each point, and the point of each row; version 0 is one of its own.

    >>> _points(np.array([0, 1, 2, 3]))
    (array([0, 1, 2, 3]), array([0, 1, 2, 3]))
    """
    step = _step(version)
    point = -(-version // step)
    return np.minimum(np.arange(point.max() + 1) * step, version.max()), point


def _rolling(cumulative: Column) -> Column:
    """Over the last `WINDOW_POINTS` points; the first ones over as many as there are."""
    before = np.append(np.zeros(WINDOW_POINTS), cumulative)[: len(cumulative)]
    return np.asarray(cumulative - before)


def _log_loss(sums: dict[str, Column]) -> dict[str, Column]:
    return {scorer: per(sums[scorer], sums["rows"]) for scorer in SCORERS}


def _entropy(sums: dict[str, Column]) -> Column:
    """Of the fraud rate; nan where only one class was seen."""
    rate = per(sums["frauds"], sums["rows"])
    rate = np.where((rate > 0.0) & (rate < 1.0), rate, np.nan)
    return np.asarray(-(rate * np.log(rate) + (1.0 - rate) * np.log1p(-rate)))


def _ahead_from(log_loss: dict[str, Column], learned: Column) -> Any:
    """
    >>> _ahead_from({"model": np.array([3, 1, 2, 1]), "heuristic": np.full(4, 2),
    ...     "constant": np.full(4, 4)}, np.array([0, 10, 20, 30]))
    30
    """
    ahead = log_loss["model"] < np.minimum(log_loss["heuristic"], log_loss["constant"])
    behind = np.flatnonzero(~ahead)
    first = behind[-1] + 1 if len(behind) else 0
    return int(learned[first]) if first < len(learned) else None
