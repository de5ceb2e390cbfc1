"""More figures of decision rules: thresholds on the probability too, all rates, money, intervals."""

from dataclasses import asdict
from typing import Any

import numpy as np

from fraud_system.events import Action, Column
from fraud_system.metrics import cost_of_each
from fraud_system.policy import PolicyCosts

from .cards import Bootstrap, Sums, per, sums_by_card
from .money import actions_of
from .run_files import Predictions
from .scores import REFERENCE_PREVALENCE, SCORERS, score_of

PROBABILITY_THRESHOLDS = (0.01, 0.05, 0.2)


def rule_figures(
    rows: Predictions,
    weight: Column | None,
    threshold: float,
    costs: PolicyCosts,
    bootstrap: Bootstrap,
) -> list[dict[str, Any]]:
    """What each score finds by one threshold on expected fraud and some on the probability.

    Args:
        rows: the evaluated transactions after the warm-up.
        weight: (n,) 1/propensity, or None.
        threshold: on expected fraud.
        costs: of the policy, for the fee in the loss prevented.
        bootstrap: of the intervals.

    Returns:
        per rule `on` (expected_fraud or probability), `threshold`, and per scorer the figures that
        `metrics.Rates` describes, `value_detected` and `loss_prevented` (gross), all with intervals.
    """
    rules = [("expected_fraud", threshold), *(("probability", t) for t in PROBABILITY_THRESHOLDS)]
    found = []
    for on, limit in rules:
        amount = rows.amount if on == "expected_fraud" else 1.0
        found.append(
            {"on": on, "threshold": limit}
            | {
                scorer: _rates(
                    rows, weight, score_of(rows, scorer) * amount >= limit, costs, bootstrap
                )
                for scorer in SCORERS
            }
        )
    return found


def _rates(
    rows: Predictions,
    weight: Column | None,
    flagged: Column,
    costs: PolicyCosts,
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    fraud = rows.is_fraud
    each = np.ones(len(rows)) if weight is None else weight
    money = each * rows.amount
    columns = {
        "rows": each,
        "flagged": each * flagged,
        "frauds": each * fraud,
        "caught": each * (flagged & fraud),
        "fraud_money": money * fraud,
        "caught_money": money * (flagged & fraud),
    }
    return bootstrap.figures(
        {
            "flagged_share": lambda s: s["flagged"] / s["rows"],
            "recall": _recall,
            "specificity": lambda s: 1.0 - _false_alarm_rate(s),
            "balanced_accuracy": lambda s: (_recall(s) + 1.0 - _false_alarm_rate(s)) / 2.0,
            "informedness": lambda s: _recall(s) - _false_alarm_rate(s),
            "positive_likelihood_ratio": _positive_likelihood_ratio,
            "negative_likelihood_ratio": lambda s: per(
                1.0 - _recall(s), 1.0 - _false_alarm_rate(s)
            ),
            "precision_at_reference": _precision_at_reference,
            "value_detected": lambda s: per(s["caught_money"], s["fraud_money"]),
            "loss_prevented": lambda s: s["caught_money"] + costs.fee * s["caught"],
        },
        sums_by_card(columns, rows.cluster),
    )


def _recall(s: Sums) -> Any:
    return per(s["caught"], s["frauds"])


def _false_alarm_rate(s: Sums) -> Any:
    return per(s["flagged"] - s["caught"], s["rows"] - s["frauds"])


def _positive_likelihood_ratio(s: Sums) -> Any:
    """Infinite where something is found without a single false alarm."""
    recall, rate = _recall(s), _false_alarm_rate(s)
    return np.where((recall > 0.0) & (rate == 0.0), np.inf, per(recall, rate))


def _precision_at_reference(s: Sums) -> Any:
    hit = REFERENCE_PREVALENCE * _recall(s)
    return per(hit, hit + (1.0 - REFERENCE_PREVALENCE) * _false_alarm_rate(s))


def cost_figures(
    rows: Predictions, weight: Column | None, costs: PolicyCosts, bootstrap: Bootstrap
) -> dict[str, Any]:
    """What each way of deciding cost, and its saving against approving everything, with intervals.

    Returns:
        by way (served, model, heuristic, constant, approve_all): `cost` and `saving_share`.
    """
    each = np.ones(len(rows)) if weight is None else weight
    actions = {"served": rows.action} | {
        scorer: actions_of(costs, score_of(rows, scorer), rows.amount) for scorer in SCORERS
    }
    actions["approve_all"] = np.full(len(rows), Action.APPROVE, dtype=np.uint8)
    columns = {
        way: each * cost_of_each(action, rows.is_fraud, rows.amount, **asdict(costs))
        for way, action in actions.items()
    }
    statistics: dict[str, Any] = {}
    for way in actions:
        statistics[f"cost {way}"] = lambda s, way=way: s[way]
        statistics[f"saving {way}"] = lambda s, way=way: 1.0 - per(s[way], s["approve_all"])
    found = bootstrap.figures(statistics, sums_by_card(columns, rows.cluster))
    return {
        way: {"cost": found[f"cost {way}"], "saving_share": found[f"saving {way}"]}
        for way in actions
    }
