"""`make evaluate`: from a finished run's predictions to `metrics.json`, every figure of the report.

Reads `predictions.parquet` and `run.json` of a run directory; computes with `fraud_system.metrics`;
writes `metrics.json`, the same bytes for the same inputs. `pipelines.report` draws and words it.

Evaluated are transactions in the settled part of the run whose label is known (see
`evaluation.periods`); the first two weeks, the warm-up, appear in `by_week` only. Where
transactions were let through at random, rows weigh 1/propensity. A figure with an interval is
`{"value", "low", "high"}`: 95 %, cards resampled. What is undefined is null. Probabilities are as
served; money is in the currency of the amounts; log losses are in nats; times are UTC.

    format          1
    data            rows, first and last event time, name, fingerprint
    evaluated       rows, frauds, money, fraud_money, fraud_share, from, to
    method          warm_up_days, bins, draws (of the null), bootstrap_draws, level, clusters,
                    cluster_unit, weighted, reference_prevalence, headline_threshold, thresholds
    headline        {model, heuristic, constant}: log_loss, normalised_entropy, brier, roc_auc,
                    average_precision, expected_over_observed (count), expected_over_observed_money,
                    calibration_error_money {error, null_mean, centred, relative, p_value,
                    null_high}, calibration_line {slope, intercept}, and at the headline threshold
                    recall, specificity, value_detected
    gain            over_heuristic, over_constant: share by which the model's log loss is lower
    thresholds      a list: threshold on p x amount, then per scorer flagged_share, recall,
                    specificity, value_detected, balanced_accuracy, informedness, and recall and
                    specificity with p moved to the reference prevalence
    calibration     reliability {count, money}, periods (before, during and after a drift)
    by_week         per week, the warm-up included; `below_both` is the week's verdict
    verdict         in how many weeks after the warm-up the model's log loss is below both others
    drift_marks     time, what, week_position (1.5 is the end of week 1)
    policy          actions, costs, cost {served, approve_all, model, heuristic, constant}
    cost_curve      cost of declining above a threshold on expected fraud
    labels          evaluated, unlabelled, too_young; delays by source; the joiner's counts
    set_aside       from run.json
    truth           simulations only, else null: log loss of the truth, share of the possible gain

With nothing to evaluate (a run shorter than warm-up and maturity) `headline` and `thresholds` are empty,
and `gain`, `calibration`, `policy`, `cost_curve` and `truth` are null.
"""

from pathlib import Path
from typing import Any

import numpy as np

from fraud_system.events import DAY_US, Column

from .evaluation.calibration import calibration_figures
from .evaluation.cards import Bootstrap
from .evaluation.labels import label_figures
from .evaluation.money import cost_curve_figures, policy_costs, policy_figures
from .evaluation.periods import (
    WARM_UP_US,
    WEEK_US,
    Calendar,
    calendar_of,
    evaluated,
    iso,
    weight_of,
)
from .evaluation.run_files import (
    METRICS,
    Predictions,
    RunFiles,
    json_text,
    plain,
    read_run_files,
)
from .evaluation.scores import (
    BINS,
    REFERENCE_PREVALENCE,
    SCORERS,
    headline,
    round_thresholds,
)
from .evaluation.truth import truth_figures
from .evaluation.weeks import verdict, week_figures

FORMAT = 1
_HEADLINE_THRESHOLD = 1  # which of the round thresholds stands in the headline
_AT_THRESHOLD = ("recall", "specificity", "value_detected")


def evaluate(run_dir: Path, draws: int = 499) -> dict[str, Any]:
    """Compute and write `metrics.json`; returns its content.

    Args:
        run_dir: holds `predictions.parquet` and `run.json`.
        draws: redraws of the labels for the null of the calibration error; the smallest p-value
            that can be seen is 1 / (draws + 1).

    Raises:
        ArtefactError: a file, column or setting is missing or not usable.
    """
    files = read_run_files(run_dir)
    metrics: dict[str, Any] = plain(figures_of(files, draws, Bootstrap()))
    (run_dir / METRICS).write_text(json_text(metrics), encoding="utf-8")
    return metrics


def figures_of(files: RunFiles, draws: int, bootstrap: Bootstrap) -> dict[str, Any]:
    """Everything that `metrics.json` holds, before it is made plain JSON."""
    predictions, run = files.predictions, files.run
    calendar = calendar_of(predictions, run)
    counted = evaluated(predictions, calendar)
    weight = weight_of(predictions, counted)
    judged = counted & (predictions.event_time_us >= calendar.warm_up_end_us)
    rows = predictions.rows(judged)
    thresholds = round_thresholds(predictions.amount)
    weeks = week_figures(predictions, weight, calendar, thresholds[_HEADLINE_THRESHOLD])
    return {
        "format": FORMAT,
        "data": _data(predictions, run),
        "evaluated": _evaluated(rows, calendar),
        "method": {
            "warm_up_days": WARM_UP_US // DAY_US,
            "bins": BINS,
            "draws": draws,
            "bootstrap_draws": bootstrap.draws,
            "level": bootstrap.level,
            "clusters": len(np.unique(rows.cluster)),
            "cluster_unit": "card" if files.has_cards else "interleaved group",
            "weighted": weight is not None,
            "reference_prevalence": REFERENCE_PREVALENCE,
            "headline_threshold": thresholds[_HEADLINE_THRESHOLD],
            "thresholds": thresholds,
        },
        "by_week": weeks,
        "verdict": verdict(weeks),
        "drift_marks": [
            {
                "time": iso(moment),
                "what": what,
                "week_position": 0.5 + (moment - calendar.first_day_us) / WEEK_US,
            }
            for moment, what in calendar.drift
        ],
        "labels": label_figures(predictions, calendar, run),
        "set_aside": run.get("set_aside", []),
    } | _judged(files, rows, None if weight is None else weight[judged], calendar, draws, bootstrap)


def _judged(
    files: RunFiles,
    rows: Predictions,
    weight: Column | None,
    calendar: Calendar,
    draws: int,
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    """The figures over everything after the warm-up."""
    parts = ("gain", "calibration", "policy", "cost_curve", "truth")
    costs = policy_costs(files.run)
    thresholds = round_thresholds(files.predictions.amount)
    if not len(rows):
        return {"headline": {}, "thresholds": []} | dict.fromkeys(parts)
    figures, at_thresholds, gain = headline(rows, weight, thresholds, draws, bootstrap)
    for scorer in SCORERS:
        at_headline = at_thresholds[_HEADLINE_THRESHOLD][scorer]
        figures[scorer] |= {name: at_headline[name] for name in _AT_THRESHOLD}
    return {
        "headline": figures,
        "thresholds": at_thresholds,
        "gain": gain,
        "calibration": calibration_figures(rows, weight, calendar, draws, bootstrap),
        "policy": policy_figures(rows, weight, costs),
        "cost_curve": cost_curve_figures(rows, weight, costs, thresholds),
        "truth": truth_figures(files.predictions, calendar) if files.has_truth else None,
    }


def _data(predictions: Predictions, run: dict[str, Any]) -> dict[str, Any]:
    given = run.get("data", {})
    return {
        "rows": len(predictions),
        "first_event_time": iso(int(predictions.event_time_us.min())),
        "last_event_time": iso(int(predictions.event_time_us.max())),
        "name": given.get("name", ""),
        "fingerprint": given.get("fingerprint", ""),
    }


def _evaluated(rows: Predictions, calendar: Calendar) -> dict[str, Any]:
    return {
        "rows": len(rows),
        "frauds": np.count_nonzero(rows.is_fraud),
        "money": float(rows.amount.sum()),
        "fraud_money": float(rows.amount[rows.is_fraud].sum()),
        "fraud_share": float(rows.is_fraud.mean()) if len(rows) else None,
        "from": iso(calendar.warm_up_end_us),
        "to": iso(calendar.evaluated_end_us),
    }
