"""The figures of each slice, and which slices stand out.

A slice *stands out* where the interval of expected over seen fraud excludes 1, by count or by
money, or where the heuristic's log loss is below the model's. With some thirty slices, a few
intervals of 95 % exclude 1 by chance alone; the summary says how many to expect. Slices of
different dimensions hold the same transactions, so they are not independent pieces of evidence.
"""

from dataclasses import asdict
from typing import Any

import numpy as np

from fraud_system.events import Column

from .cards import Bootstrap, auc_placements, per, row_loss, sums_by_card
from .dimensions import Dimension
from .run_files import Predictions

ENOUGH_FRAUDS = 30
"""Intervals from fewer cards with frauds are too narrow to tell anything (see `cluster_bootstrap`)."""

_STATISTICS = {
    "expected_over_observed": lambda s: per(s["expected"], s["frauds"]),
    "expected_over_observed_money": lambda s: per(s["expected_money"], s["fraud_money"]),
    "log_loss": lambda s: s["loss"] / s["rows"],
    "gain_over_heuristic": lambda s: 1.0 - per(s["loss"], s["heuristic_loss"]),
    "recall": lambda s: per(s["caught"], s["frauds"]),
    "specificity": lambda s: 1.0 - per(s["false_alarms"], s["rows"] - s["frauds"]),
    "value_detected": lambda s: per(s["caught_money"], s["fraud_money"]),
}


def slice_figures(
    rows: Predictions,
    weight: Column | None,
    dimensions: list[Dimension],
    threshold: float,
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    """The model in every slice of every dimension.

    Args:
        rows: the evaluated transactions after the warm-up.
        weight: (n,) 1/propensity, or None.
        dimensions: with `place` for these rows.
        threshold: on expected fraud, for recall, specificity and value detected.
        bootstrap: of the intervals.

    Returns:
        `dimensions`: a list of {name, slices: [figures]}, empty slices left out;
        `summary`: see `summary`.
    """
    columns = _columns(rows, weight, threshold)
    found = [
        {
            "name": dimension.name,
            "slices": [
                asdict(each) | _figures(rows.rows(here), _rows(columns, here), bootstrap)
                for place, each in enumerate(dimension.slices)
                if (here := np.flatnonzero(dimension.place == place)).size
            ],
        }
        for dimension in dimensions
    ]
    return {
        "enough_frauds": ENOUGH_FRAUDS,
        "dimensions": found,
        "summary": summary(found, bootstrap.level),
    }


def summary(dimensions: list[dict[str, Any]], level: float) -> dict[str, Any]:
    """How many slices stand out, and how many would by chance at this level of the intervals.

    Returns:
        `slices`; `judged`: those with enough frauds; `off`: judged ones whose E/O excludes 1, by
        `count` and by `money`; `off_by_chance`: how many of each would if each probability were true;
        `heuristic_better`: slices where the heuristic's log loss is lower; `clearly` where frauds
        are enough and the interval of the gain excludes 0.
    """
    every = [each for dimension in dimensions for each in dimension["slices"]]
    judged = [each for each in every if each["judged"]]
    behind = [each for each in every if each["heuristic_better"]]
    return {
        "slices": len(every),
        "judged": len(judged),
        "off": {
            "count": sum(each["off_count"] != "" for each in judged),
            "money": sum(each["off_money"] != "" for each in judged),
        },
        "off_by_chance": (1.0 - level) * len(judged),
        "heuristic_better": len(behind),
        "heuristic_clearly_better": sum(
            each["judged"] and each["gain_over_heuristic"]["high"] < 0.0 for each in behind
        ),
    }


def off_side(figure: dict[str, float]) -> str:
    """`high` or `low` where the interval of expected over seen excludes 1, else nothing.

    >>> [off_side({"low": low, "high": high}) for low, high in ((1.1, 2), (0.5, 0.9), (0.9, 1.1))]
    ['high', 'low', '']
    """
    if figure["low"] > 1.0:
        return "high"
    return "low" if figure["high"] < 1.0 else ""


def _columns(rows: Predictions, weight: Column | None, threshold: float) -> dict[str, Column]:
    """What is added up by card in each slice."""
    p, fraud = rows.probability, rows.is_fraud
    each = np.ones(len(rows)) if weight is None else weight
    money = each * rows.amount
    flagged = p * rows.amount >= threshold
    return {
        "rows": each,
        "frauds": each * fraud,
        "expected": each * p,
        "fraud_money": money * fraud,
        "expected_money": money * p,
        "loss": each * row_loss(p, fraud),
        "heuristic_loss": each * row_loss(rows.probability_heuristic, fraud),
        "caught": each * (flagged & fraud),
        "false_alarms": each * (flagged & ~fraud),
        "caught_money": money * (flagged & fraud),
    }


def _rows(columns: dict[str, Column], here: Column) -> dict[str, Column]:
    return {name: column[here] for name, column in columns.items()}


def _figures(rows: Predictions, columns: dict[str, Column], bootstrap: Bootstrap) -> dict[str, Any]:
    fraud = rows.is_fraud
    of_fraud, of_legitimate = auc_placements(rows.probability, fraud, columns["rows"])
    ranks = {
        "fraud_rank": columns["rows"] * of_fraud,
        "legitimate_rank": columns["rows"] * of_legitimate,
    }
    sums = sums_by_card(columns | ranks, rows.cluster)
    frauds = columns["frauds"].sum()
    auc = ranks["fraud_rank"].sum() / frauds if frauds else np.nan
    figures = bootstrap.figures(
        _STATISTICS
        | {
            "roc_auc": lambda s: (
                per(s["fraud_rank"], s["frauds"])
                + per(s["legitimate_rank"], s["rows"] - s["frauds"])
                - auc
            )
        },
        sums,
    )
    fraud_cards = np.count_nonzero(sums["frauds"])
    judged = max(fraud_cards, sums["expected"].sum()) >= ENOUGH_FRAUDS
    ratio, by_money = figures["expected_over_observed"], figures["expected_over_observed_money"]
    heuristic = float(sums["heuristic_loss"].sum() / sums["rows"].sum())
    return {
        "transactions": len(rows),
        "frauds": np.count_nonzero(fraud),
        "fraud_cards": fraud_cards,
        "money": float(rows.amount.sum()),
        "fraud_money": float(rows.amount[fraud].sum()),
        **figures,
        "log_loss_heuristic": heuristic,
        "judged": bool(judged),
        "off_count": off_side(ratio) if judged else "",
        "off_money": off_side(by_money) if judged else "",
        # Without a fraud the lower score wins, which says nothing.
        "heuristic_better": bool(fraud_cards and figures["log_loss"]["value"] > heuristic),
    }
