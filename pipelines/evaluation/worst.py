"""The worst errors, one row each: to be read, looked up and understood.

What a transaction looked like to the model (its features) is in the ledger, not here; so the rows
say what was decided and what became known, and do not guess why.
"""

from typing import Any

import numpy as np

from fraud_system.events import DAY_US, Action, Column, LabelSource
from fraud_system.policy import PolicyCosts

from .details import Details
from .money import actions_of
from .periods import iso
from .run_files import NO_SOURCE, Predictions

SHOWN = 10


def worst_errors(
    predictions: Predictions, details: Details, judged: Column, costs: PolicyCosts
) -> dict[str, Any]:
    """The most costly missed frauds and the most confident false alarms.

    Args:
        predictions: all rows.
        details: of the same rows.
        judged: (n,) bool: evaluated, after the warm-up.
        costs: of the policy; a fraud that is let through costs its amount and the fee.

    Returns:
        `missed`: frauds that were approved, largest amount first; `false_alarms`: legitimate
        transactions that were not approved, highest probability first; each `SHOWN` at most, with
        `missed_total` and `false_alarms_total` of how many.
    """
    approved = predictions.action == Action.APPROVE
    missed = np.flatnonzero(judged & predictions.is_fraud & approved)
    alarms = np.flatnonzero(judged & ~predictions.is_fraud & ~approved)
    most_costly = missed[np.argsort(-predictions.amount[missed], kind="stable")]
    most_confident = alarms[np.argsort(-predictions.probability[alarms], kind="stable")]
    return {
        "missed_total": len(missed),
        "missed_cost": float((predictions.amount[missed] + costs.fee).sum()),
        "missed": [_told(predictions, details, costs, row) for row in most_costly[:SHOWN]],
        "false_alarms_total": len(alarms),
        "false_alarms": [_told(predictions, details, costs, row) for row in most_confident[:SHOWN]],
    }


def _told(
    predictions: Predictions, details: Details, costs: PolicyCosts, row: int
) -> dict[str, Any]:
    """One transaction in plain values; None for what is not known."""
    one = slice(row, row + 1)
    plan_b = actions_of(costs, predictions.probability_heuristic[one], predictions.amount[one])
    source = int(predictions.label_source[row])
    label_us, event_us = predictions.label_time_us[row], predictions.event_time_us[row]
    true_is_fraud = predictions.true_is_fraud[row]
    return {
        "transaction_id": _text(details.transaction_id, row),
        "event_time": iso(int(event_us)),
        "amount": predictions.amount[row],
        "probability": predictions.probability[row],
        "action": Action(predictions.action[row]).name.lower(),
        "probability_heuristic": predictions.probability_heuristic[row],
        "action_heuristic": Action(plan_b[0]).name.lower(),
        "card": details.card.name(row) if details.card else None,
        "terminal": details.terminal.name(row) if details.terminal else None,
        "label_source": None if source == NO_SOURCE else LabelSource(source).name.lower(),
        "label_time": iso(int(label_us)) if label_us else None,
        "label_delay_days": float((label_us - event_us) / DAY_US) if label_us else None,
        "true_is_fraud": None if np.isnan(true_is_fraud) else bool(true_is_fraud > 0.5),
        "fraud_kind": details.fraud_kind.name(row) if details.fraud_kind else None,
    }


def _text(column: Any, row: int) -> str | None:
    return None if column is None else str(column[row].as_py())
