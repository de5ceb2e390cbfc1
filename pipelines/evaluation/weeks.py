"""The same figures week by week, and whether the model beat both baselines in each of them."""

from typing import Any

import numpy as np

from fraud_system.events import DAY_US, Column
from fraud_system.metrics import (
    expected_over_observed,
    log_loss,
    normalised_entropy,
    rates_at,
    roc_auc,
    value_detection_rate,
)

from .periods import WEEK_US, Calendar, evaluated, iso
from .run_files import Predictions
from .scores import REFERENCE_PREVALENCE, SCORERS, score_of

WARM_UP_WEEKS = 2


def week_figures(
    predictions: Predictions, weight: Column | None, calendar: Calendar, threshold: float
) -> list[dict[str, Any]]:
    """One entry per week of the run, the warm-up included.

    Args:
        predictions: all rows.
        weight: (n,) 1/propensity, or None.
        calendar: of the run.
        threshold: on expected fraud, for recall, specificity and value detected.

    Returns:
        per week: `transactions`, `evaluated` (settled with a known label), `frauds`, the three log
        losses and so on. `complete` is False for a week that the run, or its settled part, ends
        within: less than seven days. `below_both` is None there, in the warm-up and where nothing
        is evaluated.
    """
    week = calendar.week(predictions.event_time_us)
    counted = evaluated(predictions, calendar)
    last = int(calendar.week(np.array([calendar.last_us]))[0])
    figures = []
    for number in range(1, last + 1):
        here = week == number
        chosen = here & counted
        start_us = calendar.first_day_us + (number - 1) * WEEK_US
        figures.append(
            {
                "week": number,
                "from": iso(start_us),
                "to": iso(min(start_us + WEEK_US, calendar.last_us + 1)),
                "warm_up": number <= WARM_UP_WEEKS,
                "complete": _complete(start_us, calendar),
                "transactions": np.count_nonzero(here),
            }
            | _figures(
                predictions.rows(chosen), None if weight is None else weight[chosen], threshold
            )
        )
        figures[-1]["below_both"] = _below_both(figures[-1])
    return figures


def verdict(weeks: list[dict[str, Any]]) -> dict[str, Any]:
    """In how many of the judged weeks the model's log loss was below both others'.

    `incomplete` are those that would have been judged if they had had seven days.

    >>> whole = {"warm_up": False, "evaluated": 9, "complete": True, "below_both": True}
    >>> cut = whole | {"complete": False, "below_both": None}
    >>> verdict([{"week": 3} | whole, {"week": 4} | cut])
    {'weeks': 1, 'below_both': 1, 'not_below': [], 'incomplete': [4]}
    """
    judged = [week for week in weeks if week["below_both"] is not None]
    return {
        "weeks": len(judged),
        "below_both": sum(week["below_both"] for week in judged),
        "not_below": [week["week"] for week in judged if not week["below_both"]],
        "incomplete": [
            week["week"]
            for week in weeks
            if week["evaluated"] and not week["warm_up"] and not week["complete"]
        ],
    }


def _figures(rows: Predictions, weight: Column | None, threshold: float) -> dict[str, Any]:
    y, amount = rows.is_fraud, rows.amount
    scores = {scorer: score_of(rows, scorer) for scorer in SCORERS}
    flagged = rows.probability * amount >= threshold
    rates = rates_at(flagged, y, weight, REFERENCE_PREVALENCE)
    each = np.ones(len(rows)) if weight is None else weight
    total = each.sum()
    return {
        "evaluated": len(rows),
        "frauds": np.count_nonzero(y),
        "fraud_money": float(amount[y].sum()),
        "fraud_share": float((each * y).sum() / total) if total else np.nan,
        "expected_share": float((each * rows.probability).sum() / total) if total else np.nan,
        "log_loss": {name: log_loss(p, y, weight) for name, p in scores.items()},
        "normalised_entropy": {
            name: normalised_entropy(p, y, weight) for name, p in scores.items()
        },
        "roc_auc": {name: roc_auc(p, y, weight) for name, p in scores.items()},
        "expected_over_observed": expected_over_observed(rows.probability, y, weight=weight),
        "expected_over_observed_money": expected_over_observed(rows.probability, y, amount, weight),
        "recall": rates.recall,
        "specificity": rates.specificity,
        "value_detected": value_detection_rate(flagged, y, amount, weight),
    }


def _complete(start_us: int, calendar: Calendar) -> bool:
    """Whether something of the week's seventh day is settled."""
    end_us = min(calendar.last_us + 1, calendar.evaluated_end_us)
    return end_us > start_us + WEEK_US - DAY_US


def _below_both(week: dict[str, Any]) -> bool | None:
    if week["warm_up"] or not week["evaluated"] or not week["complete"]:
        return None
    losses = week["log_loss"]
    return bool(losses["model"] < min(losses["heuristic"], losses["constant"]))
