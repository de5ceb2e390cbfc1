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
    by_week         per week, the warm-up included; `below_both` is the week's verdict, null where
                    the week is not `complete`
    verdict         in how many complete weeks after the warm-up the model's log loss is below both
                    others
    drift_marks     time, what, week_position (1.5 is the end of week 1)
    policy          actions, costs, cost {served, approve_all, model, heuristic, constant}
    cost_curve      cost of declining above a threshold on expected fraud
    labels          evaluated, unlabelled, too_young; delays by source; the joiner's counts
    set_aside       from run.json
    truth           simulations only, else null: log loss of the truth, share of the possible gain
    slices          dimensions (amount, card_age, terminal, hour, weekday), each with its slices:
                    transactions, frauds, E/O, log loss beside the heuristic's, recall, specificity,
                    roc_auc; which stand out; summary; kinds of fraud and the terminals that lost
                    most, where known
    learning        log loss and normalised entropy, cumulative and rolling, by labels learned;
                    null where the versions of the weights are not known
    worst           the most costly missed frauds, the most confident false alarms
    more            scores (Brier and its parts, average precision, partial ROC AUC, calibration by
                    count, Spiegelhalter's z), rules (all rates at thresholds on expected fraud and
                    on p), costs, alerts (budgets a day, card precision), unlabelled (what the
                    probabilities say of transactions without labels)

With nothing to evaluate (a run shorter than warm-up and maturity) `headline` and `thresholds` are empty,
and `gain`, `calibration`, `policy`, `cost_curve`, `truth`, `slices`, `worst` and `more` are null.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fraud_system.events import DAY_US, Column
from fraud_system.policy import PolicyCosts

from .evaluation.alerts import alert_figures
from .evaluation.calibration import calibration_figures
from .evaluation.cards import Bootstrap
from .evaluation.details import Details, read_details
from .evaluation.dimensions import dimensions
from .evaluation.kinds import kind_figures, worst_terminals
from .evaluation.labels import label_figures
from .evaluation.learning import learning_figures
from .evaluation.money import cost_curve_figures, policy_costs, policy_figures
from .evaluation.more_scores import more_scores
from .evaluation.open_window import unlabelled_figures
from .evaluation.periods import (
    WARM_UP_US,
    WEEK_US,
    Calendar,
    calendar_of,
    evaluated,
    iso,
    weight_of,
)
from .evaluation.rules import cost_figures, rule_figures
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
from .evaluation.slices import slice_figures
from .evaluation.truth import truth_figures
from .evaluation.weeks import verdict, week_figures
from .evaluation.worst import worst_errors

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
    files, details = read_run_files(run_dir), read_details(run_dir)
    metrics: dict[str, Any] = plain(figures_of(files, details, draws, Bootstrap()))
    (run_dir / METRICS).write_text(json_text(metrics), encoding="utf-8")
    return metrics


def figures_of(
    files: RunFiles, details: Details, draws: int, bootstrap: Bootstrap
) -> dict[str, Any]:
    """Everything that `metrics.json` holds, before it is made plain JSON."""
    predictions, run = files.predictions, files.run
    calendar = calendar_of(predictions, run)
    counted = evaluated(predictions, calendar)
    weight = weight_of(predictions, counted)
    judged = counted & (predictions.event_time_us >= calendar.warm_up_end_us)
    part = _Part(
        files, details, calendar, judged, predictions.rows(judged), weight, draws, bootstrap
    )
    weeks = week_figures(predictions, weight, calendar, part.threshold)
    return {
        "format": FORMAT,
        "data": _data(predictions, run),
        "evaluated": _evaluated(part.rows, calendar),
        "method": {
            "warm_up_days": WARM_UP_US // DAY_US,
            "bins": BINS,
            "draws": draws,
            "bootstrap_draws": bootstrap.draws,
            "level": bootstrap.level,
            "clusters": len(np.unique(part.rows.cluster)),
            "cluster_unit": files.cluster_unit,
            "weighted": weight is not None,
            "reference_prevalence": REFERENCE_PREVALENCE,
            "headline_threshold": part.threshold,
            "thresholds": part.thresholds,
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
        "learning": learning_figures(
            predictions, details.weights_version, counted, weight, calendar, run
        ),
        "set_aside": run.get("set_aside", []),
    } | _judged(part)


@dataclass(frozen=True, slots=True)
class _Part:
    """What is judged, and how: the evaluated transactions after the warm-up.

    `rows` are the `judged` ones of all predictions; `weight` has an entry for each prediction, and
    `judged_weight` for each of `rows`; both are None where nothing was withheld.
    """

    files: RunFiles
    details: Details
    calendar: Calendar
    judged: Column
    rows: Predictions
    weight: Column | None
    draws: int
    bootstrap: Bootstrap

    @property
    def judged_weight(self) -> Column | None:
        return None if self.weight is None else self.weight[self.judged]

    @property
    def thresholds(self) -> list[float]:
        return round_thresholds(self.files.predictions.amount)

    @property
    def threshold(self) -> float:
        return self.thresholds[_HEADLINE_THRESHOLD]


def _judged(part: _Part) -> dict[str, Any]:
    """The figures over everything after the warm-up."""
    rows, weight, draws, bootstrap = part.rows, part.judged_weight, part.draws, part.bootstrap
    costs = policy_costs(part.files.run)
    if not len(rows):
        parts = ("gain", "calibration", "policy", "cost_curve", "truth", "slices", "worst", "more")
        return {"headline": {}, "thresholds": []} | dict.fromkeys(parts)
    figures, at_thresholds, gain = headline(rows, weight, part.thresholds, draws, bootstrap)
    for scorer in SCORERS:
        at_headline = at_thresholds[_HEADLINE_THRESHOLD][scorer]
        figures[scorer] |= {name: at_headline[name] for name in _AT_THRESHOLD}
    predictions = part.files.predictions
    return {
        "headline": figures,
        "thresholds": at_thresholds,
        "gain": gain,
        "calibration": calibration_figures(rows, weight, part.calendar, draws, bootstrap),
        "policy": policy_figures(rows, weight, costs),
        "cost_curve": cost_curve_figures(rows, weight, costs, part.thresholds),
        "truth": truth_figures(predictions, part.calendar) if part.files.has_truth else None,
        "slices": _slices(part),
        "worst": worst_errors(predictions, part.details, part.judged, costs),
        "more": _more(part, costs),
    }


def _slices(part: _Part) -> dict[str, Any]:
    rows, details, judged, weight = part.rows, part.details, part.judged, part.judged_weight
    threshold, bootstrap = part.threshold, part.bootstrap
    cut = [
        replace(each, place=each.place[judged])
        for each in dimensions(part.files.predictions, details, judged)
    ]
    return slice_figures(rows, weight, cut, threshold, bootstrap) | {
        "kinds": kind_figures(rows, details, judged, weight, threshold, bootstrap),
        "worst_terminals": worst_terminals(rows, details, judged, threshold),
    }


def _more(part: _Part, costs: PolicyCosts) -> dict[str, Any]:
    rows, judged, weight, bootstrap = part.rows, part.judged, part.judged_weight, part.bootstrap
    return {
        "scores": more_scores(rows, weight, part.draws, bootstrap),
        "rules": rule_figures(rows, weight, part.threshold, costs, bootstrap),
        "costs": cost_figures(rows, weight, costs, bootstrap),
        "alerts": alert_figures(rows, part.details.card, judged, weight, part.calendar, bootstrap),
        "unlabelled": unlabelled_figures(
            part.files.predictions,
            judged,
            part.weight,
            part.calendar,
            part.threshold,
            part.draws,
            bootstrap,
        ),
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
