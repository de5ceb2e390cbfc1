"""What only a simulation knows: the true probabilities, and the frauds that nobody reported."""

from typing import Any

import numpy as np

from fraud_system.metrics import expected_over_observed, log_loss

from .periods import Calendar, calibration_periods, evaluated
from .run_files import Predictions
from .scores import SCORERS, score_of


def truth_figures(predictions: Predictions, calendar: Calendar) -> dict[str, Any]:
    """How much of what could be known was known.

    The log loss of the true probabilities is the floor: nobody can be better in expectation. The
    share of the possible gain is where a scorer stands between the constant rate (0) and that
    floor (1). Counted over all transactions after the warm-up, whether their labels came or not.

    Returns:
        `log_loss` of each scorer and of the truth; `gain_share`; `periods` with expected fraud
        over truly expected fraud (sum p / sum of true p: no luck of the draw in it); `labels`: how
        far the labels themselves are from the truth, among evaluated transactions.
    """
    rows = predictions.rows(predictions.event_time_us >= calendar.warm_up_end_us)
    fraud = rows.true_is_fraud > 0.5
    losses = {scorer: log_loss(score_of(rows, scorer), fraud) for scorer in SCORERS}
    floor = log_loss(rows.true_probability, fraud)
    reach = losses["constant"] - floor
    return {
        "rows": len(rows),
        "frauds": np.count_nonzero(fraud),
        "log_loss": losses | {"truth": floor},
        "gain_share": {
            scorer: (losses["constant"] - losses[scorer]) / reach if reach > 0 else np.nan
            for scorer in ("model", "heuristic")
        },
        "periods": [
            {"name": period.name, "role": period.role}
            | _against_truth(rows.rows(period.holds(rows.event_time_us)))
            for period in calibration_periods(calendar)
        ],
        "labels": _label_errors(predictions.rows(evaluated(predictions, calendar))),
    }


def _against_truth(rows: Predictions) -> dict[str, Any]:
    p, truth = rows.probability, rows.true_probability
    expected, money = float(truth.sum()), float((rows.amount * truth).sum())
    return {
        "rows": len(rows),
        "expected_over_true": float(p.sum()) / expected if expected else np.nan,
        "expected_over_true_money": float((rows.amount * p).sum()) / money if money else np.nan,
        "expected_over_true_frauds": expected_over_observed(p, rows.true_is_fraud > 0.5),
    }


def _label_errors(rows: Predictions) -> dict[str, Any]:
    fraud = rows.true_is_fraud > 0.5
    return {
        "true_frauds": np.count_nonzero(fraud),
        "labelled_frauds": np.count_nonzero(rows.is_fraud),
        "never_reported": np.count_nonzero(fraud & ~rows.is_fraud),
        "falsely_reported": np.count_nonzero(~fraud & rows.is_fraud),
    }
