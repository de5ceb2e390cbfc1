"""Frauds by what is known of them: their kind, and the terminals that lost most.

Both are chosen by the outcome, so they say what was found and nothing about calibration: among
frauds alone, expected fraud is below what was seen whatever the model.
"""

from typing import Any

import numpy as np

from fraud_system.events import Column

from .cards import Bootstrap, per, sums_by_card
from .details import NOBODY, Details
from .run_files import Predictions

WORST_TERMINALS = 5
NO_KIND, FALSE_REPORT = "no_kind", "false_report"
_STATISTICS = {
    "recall": lambda s: per(s["caught"], s["frauds"]),
    "value_detected": lambda s: per(s["caught_money"], s["money"]),
    "recall_heuristic": lambda s: per(s["caught_heuristic"], s["frauds"]),
    "value_detected_heuristic": lambda s: per(s["caught_money_heuristic"], s["money"]),
}


def kind_figures(
    rows: Predictions,
    details: Details,
    judged: Column,
    weight: Column | None,
    threshold: float,
    bootstrap: Bootstrap,
) -> list[dict[str, Any]] | None:
    """What was found of each kind of fraud at a threshold on expected fraud.

    Args:
        rows: the evaluated transactions after the warm-up.
        details: of all rows, of which `judged` (a bool for each) says which are evaluated.
        weight: (n,) 1/propensity of the evaluated rows, or None.
        threshold: on expected fraud.
        bootstrap: of the intervals.

    Returns:
        largest money first: `kind`, `frauds`, `fraud_money` and, with intervals, recall and value
        detected by model and heuristic. `no_kind` are frauds of none of the kinds; `false_report`
        were reported, and the simulator knows that they were none. None where no kind is known.
    """
    if details.fraud_kind is None:
        return None
    fraud = np.flatnonzero(rows.is_fraud)
    code = details.fraud_kind.code[judged][fraud]
    false_report = (code == NOBODY) & (rows.true_is_fraud[fraud] < 0.5)
    names = [*details.fraud_kind.names, NO_KIND, FALSE_REPORT]
    code = np.where(code == NOBODY, len(names) - 2, code)
    code = np.where(false_report, len(names) - 1, code)
    columns = _columns(rows.rows(fraud), None if weight is None else weight[fraud], threshold)
    found = []
    for place, name in enumerate(names):
        here = np.flatnonzero(code == place)
        if here.size:
            chosen = {key: column[here] for key, column in columns.items()}
            sums = sums_by_card(chosen, rows.cluster[fraud][here])
            about = {
                "kind": name,
                "frauds": len(here),
                "fraud_money": float(rows.amount[fraud][here].sum()),
            }
            found.append(about | bootstrap.figures(_STATISTICS, sums))
    return sorted(found, key=lambda each: (-each["fraud_money"], each["kind"]))


def worst_terminals(
    rows: Predictions, details: Details, judged: Column, threshold: float
) -> list[dict[str, Any]] | None:
    """The few terminals with most fraud money: how much, how much expected, how much flagged.

    Returns:
        most fraud money first: `terminal` (its key), `transactions`, `frauds`, `fraud_money`,
        `expected_money`, `value_detected`. None where there are no terminals.
    """
    if details.terminal is None:
        return None
    code = details.terminal.code[judged]
    known = code != NOBODY
    money, flagged = rows.amount, rows.probability * rows.amount >= threshold

    def total(column: Column) -> Column:
        size = len(details.terminal.names) if details.terminal else 0
        return np.bincount(code[known], column[known].astype(np.float64), minlength=size)

    fraud_money = total(money * rows.is_fraud)
    sums = {
        "transactions": total(known),
        "frauds": total(rows.is_fraud),
        "fraud_money": fraud_money,
        "expected_money": total(money * rows.probability),
        "value_detected": per(total(money * (rows.is_fraud & flagged)), fraud_money),
    }
    worst = np.argsort(-fraud_money, kind="stable")[:WORST_TERMINALS]
    return [
        {"terminal": details.terminal.names[place]}
        | {
            name: int(column[place]) if name in ("transactions", "frauds") else column[place]
            for name, column in sums.items()
        }
        for place in worst
        if fraud_money[place] > 0
    ]


def _columns(rows: Predictions, weight: Column | None, threshold: float) -> dict[str, Column]:
    each = np.ones(len(rows)) if weight is None else weight
    found = rows.probability * rows.amount >= threshold
    by_heuristic = rows.probability_heuristic * rows.amount >= threshold
    return {
        "frauds": each,
        "money": each * rows.amount,
        "caught": each * found,
        "caught_money": each * rows.amount * found,
        "caught_heuristic": each * by_heuristic,
        "caught_money_heuristic": each * rows.amount * by_heuristic,
    }
