"""What the decisions cost, beside what others would have: approving everything, or other scores.

All on the evaluated transactions after the warm-up, with the costs of the run's own policy. Costs
are what `metrics.realised_cost` says: outcomes, except that the share that reviews catch is an
expectation.
"""

from dataclasses import asdict, fields
from typing import Any

import numpy as np

from fraud_system.compiled import compiled
from fraud_system.events import Action, Column
from fraud_system.metrics import cost_curve, realised_cost
from fraud_system.policy import PolicyCosts, cheapest_action

from .run_files import Predictions, setting
from .scores import SCORERS, score_of

_STEPS_PER_DECADE = 8


def policy_costs(run: dict[str, Any]) -> PolicyCosts:
    """The costs that the run recorded under `settings.policy`."""
    return PolicyCosts(
        **{field.name: setting(run, "policy", field.name) for field in fields(PolicyCosts)}
    )


def policy_figures(rows: Predictions, weight: Column | None, costs: PolicyCosts) -> dict[str, Any]:
    """What was done, and what it cost.

    Returns:
        `actions`: per action its transactions, money, frauds and fraud money; `cost`: realised
        cost of the actions `served`, of `approve_all`, and of the same policy on each scorer's
        probabilities.
    """
    every = np.full(len(rows), Action.APPROVE, dtype=np.uint8)
    chosen = {"served": rows.action, "approve_all": every} | {
        scorer: actions_of(costs, score_of(rows, scorer), rows.amount) for scorer in SCORERS
    }
    return {
        "costs": asdict(costs),
        "actions": [_action_figures(rows, action) for action in Action],
        "served_by_heuristic": np.count_nonzero(rows.scorer),
        "cost": {
            name: realised_cost(action, rows.is_fraud, rows.amount, weight=weight, **asdict(costs))
            for name, action in chosen.items()
        },
    }


def cost_curve_figures(
    rows: Predictions, weight: Column | None, costs: PolicyCosts, thresholds: list[float]
) -> dict[str, Any]:
    """Cost of declining all above a threshold on expected fraud, for a range of thresholds.

    Returns:
        `threshold` and a list for each scorer; `best`: per scorer its cheapest threshold and cost.
    """
    low, high = np.log10(thresholds[0]) - 2, np.log10(thresholds[-1]) + 1.5
    count = round((high - low) * _STEPS_PER_DECADE) + 1
    steps = np.logspace(low, high, count)
    priced = {name: getattr(costs, name) for name in ("fee", "margin_share", "goodwill")}
    curves = {
        scorer: cost_curve(
            score_of(rows, scorer), rows.is_fraud, rows.amount, steps, weight=weight, **priced
        )
        for scorer in SCORERS
    }
    best = {name: int(np.argmin(curve)) for name, curve in curves.items()}
    return {
        "threshold": steps,
        **curves,
        "best": {
            name: {"threshold": steps[place], "cost": curves[name][place]}
            for name, place in best.items()
        },
    }


def actions_of(costs: PolicyCosts, probability: Column, amount: Column) -> Column:
    """(n,) uint8: the cheapest `Action` for each, by the same rule that serves.

    >>> actions_of(PolicyCosts(), np.array([0.001, 0.9]), np.array([100.0, 100.0]))
    array([0, 2], dtype=uint8)
    """
    return np.asarray(_cheapest(costs.array(), probability, amount))


@compiled
def _cheapest(costs: Any, probability: Any, amount: Any) -> Any:
    actions = np.empty(len(probability), dtype=np.uint8)
    for row in range(len(probability)):
        actions[row] = cheapest_action(costs, probability[row], amount[row])
    return actions


def _action_figures(rows: Predictions, action: Action) -> dict[str, Any]:
    chosen = rows.action == action
    fraud = chosen & rows.is_fraud
    return {
        "action": action.name.lower(),
        "transactions": np.count_nonzero(chosen),
        "money": float(rows.amount[chosen].sum()),
        "frauds": np.count_nonzero(fraud),
        "fraud_money": float(rows.amount[fraud].sum()),
    }
