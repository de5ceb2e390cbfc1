"""How good the three scores are, side by side: model, heuristic and constant rate.

Figures that carry an interval are `{"value", "low", "high"}`; the rest are plain numbers. What is
undefined (no fraud, one class only) is nan.
"""

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from fraud_system.events import Column
from fraud_system.metrics import (
    average_precision,
    brier,
    calibration_line,
    expected_over_observed,
    log_loss,
    normalised_entropy,
    null_centred_calibration_error,
    rates_at,
    rebase_probability,
    roc_auc,
    value_detection_rate,
)

from .cards import Bootstrap, Sums, auc_placements, row_loss, sums_by_card
from .run_files import Predictions

SCORERS = ("model", "heuristic", "constant")
BINS = 15
REFERENCE_PREVALENCE = 0.01


def score_of(predictions: Predictions, scorer: str) -> Column:
    """(n,) the probabilities of a scorer."""
    name = "probability" if scorer == "model" else f"probability_{scorer}"
    return np.asarray(getattr(predictions, name))


def round_thresholds(amount: Column) -> list[float]:
    """Four round sums of money that suit the amounts, for thresholds on expected fraud.

    They depend on the power of ten nearest to the mean amount and on nothing else, so they do not
    move with the score or with small changes of the data.

    >>> round_thresholds(np.array([50.0, 70.0])), round_thresholds(np.array([9000.0]))
    ([1.0, 5.0, 10.0, 50.0], [100.0, 500.0, 1000.0, 5000.0])
    """
    mean = float(np.mean(amount))
    exponent = round(math.log10(mean)) if mean > 0 else 2
    return [float(f"{step}e{exponent - 2}") for step in (1, 5, 10, 50)]


def headline(
    rows: Predictions,
    weight: Column | None,
    thresholds: list[float],
    draws: int,
    bootstrap: Bootstrap,
) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    """Figures for each scorer, for each scorer at each threshold, and the model's gain in log loss.

    Args:
        rows: the evaluated transactions after the warm-up.
        weight: (n,) 1/propensity, or None.
        thresholds: on probability x amount.
        draws: redraws of the labels for the null of the calibration error.
        bootstrap: of the intervals.
    """
    sums = {
        scorer: sums_by_card(_columns(rows, weight, scorer, thresholds), rows.cluster)
        for scorer in SCORERS
    }
    figures = {
        scorer: _figures(rows, weight, scorer, sums[scorer], draws, bootstrap) for scorer in SCORERS
    }
    at_thresholds = [
        {"threshold": threshold}
        | {
            scorer: _at_threshold(rows, weight, scorer, threshold, number, sums[scorer], bootstrap)
            for scorer in SCORERS
        }
        for number, threshold in enumerate(thresholds)
    ]
    gain = {
        f"over_{other}": _gain(sums["model"], sums[other], bootstrap)
        for other in ("heuristic", "constant")
    }
    return figures, at_thresholds, gain


def _columns(
    rows: Predictions, weight: Column | None, scorer: str, thresholds: list[float]
) -> dict[str, Column]:
    """What is added up by card: everything the headline figures are made of."""
    probability, fraud = score_of(rows, scorer), rows.is_fraud
    each = np.ones(len(rows)) if weight is None else weight
    money = each * rows.amount
    fraud_rank, legitimate_rank = auc_placements(probability, fraud, each)
    columns = {
        "rows": each,
        "frauds": each * fraud,
        "loss": each * row_loss(probability, fraud),
        "expected": each * probability,
        "expected_money": money * probability,
        "fraud_money": money * fraud,
        "fraud_rank": each * fraud_rank,
        "legitimate_rank": each * legitimate_rank,
    }
    for number, threshold in enumerate(thresholds):
        flagged = probability * rows.amount >= threshold
        columns[f"caught_{number}"] = each * (flagged & fraud)
        columns[f"false_alarms_{number}"] = each * (flagged & ~fraud)
        columns[f"caught_money_{number}"] = money * (flagged & fraud)
    return columns


def _figures(
    rows: Predictions,
    weight: Column | None,
    scorer: str,
    sums: dict[str, Column],
    draws: int,
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    p, y, amount = score_of(rows, scorer), rows.is_fraud, rows.amount
    auc = roc_auc(p, y, weight)

    def figure(value: float, statistic: Any) -> dict[str, float]:
        return bootstrap.figure(value, statistic, sums)

    return {
        "log_loss": figure(log_loss(p, y, weight), lambda s: s["loss"] / s["rows"]),
        "normalised_entropy": figure(normalised_entropy(p, y, weight), _normalised_entropy),
        "brier": brier(p, y, weight),
        "roc_auc": figure(
            auc,
            lambda s: (
                s["fraud_rank"] / s["frauds"]
                + s["legitimate_rank"] / (s["rows"] - s["frauds"])
                - auc
            ),
        ),
        "average_precision": average_precision(p, y, weight),
        "expected_over_observed": figure(
            expected_over_observed(p, y, weight=weight), lambda s: s["expected"] / s["frauds"]
        ),
        "expected_over_observed_money": figure(
            expected_over_observed(p, y, amount, weight),
            lambda s: s["expected_money"] / s["fraud_money"],
        ),
        "calibration_error_money": asdict(
            null_centred_calibration_error(p, y, amount, BINS, draws, weight=weight)
        ),
        "calibration_line": calibration_line(p, y, weight)._asdict(),
    }


def _at_threshold(
    rows: Predictions,
    weight: Column | None,
    scorer: str,
    threshold: float,
    number: int,
    sums: dict[str, Column],
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    """Rates of `probability x amount >= threshold`, also with p moved to a reference prior."""
    p, y, amount = score_of(rows, scorer), rows.is_fraud, rows.amount
    flagged = p * amount >= threshold
    rates = rates_at(flagged, y, weight, REFERENCE_PREVALENCE)
    moved = at_reference_prior(p, y, weight) * amount >= threshold
    reference = rates_at(moved, y, weight, REFERENCE_PREVALENCE)
    return {
        "flagged_share": rates.flagged_share,
        "recall": bootstrap.figure(
            rates.recall, lambda s: s[f"caught_{number}"] / s["frauds"], sums
        ),
        "specificity": bootstrap.figure(
            rates.specificity,
            lambda s: 1.0 - s[f"false_alarms_{number}"] / (s["rows"] - s["frauds"]),
            sums,
        ),
        "value_detected": bootstrap.figure(
            value_detection_rate(flagged, y, amount, weight),
            lambda s: s[f"caught_money_{number}"] / s["fraud_money"],
            sums,
        ),
        "balanced_accuracy": rates.balanced_accuracy,
        "informedness": rates.informedness,
        "recall_at_reference_prior": reference.recall,
        "specificity_at_reference_prior": reference.specificity,
    }


def at_reference_prior(
    probability: Column, is_fraud: Column, weight: Column | None = None
) -> Column:
    """The probabilities as they would be if frauds were `REFERENCE_PREVALENCE` of all.

    Recall at a fixed expected fraud rises by itself when fraud becomes more frequent and the model
    learns so: every p is higher then. Shifting the log odds to a fixed prior takes this out.

    >>> at_reference_prior(np.array([0.5, 0.5]), np.array([True, False]))
    array([0.01, 0.01])
    """
    rate = float(np.average(is_fraud, weights=weight))
    if not 0.0 < rate < 1.0:
        return probability
    return rebase_probability(probability, rate, REFERENCE_PREVALENCE)


def _gain(model: Sums, other: Sums, bootstrap: Bootstrap) -> dict[str, float]:
    """By which share the model's log loss is below the other's, on the same transactions."""
    paired = {"model": model["loss"], "other": other["loss"]}

    def statistic(sums: Sums) -> Any:
        return 1.0 - sums["model"] / sums["other"]

    value = float(1.0 - model["loss"].sum() / other["loss"].sum())
    return bootstrap.figure(value, statistic, paired)


def _normalised_entropy(sums: Sums) -> Any:
    rate = sums["frauds"] / sums["rows"]
    entropy = -(rate * np.log(rate) + (1.0 - rate) * np.log1p(-rate))
    return sums["loss"] / sums["rows"] / entropy
