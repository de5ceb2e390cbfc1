"""What the probabilities say about transactions whose labels are still open.

Labels take weeks; the probabilities are there at once. If they are true, they tell how many frauds
a rule finds. Whether to believe them is checked on the latest settled window: what they said there
beside what came. The intervals of what was said hold chance in the labels only, not a wrong model
and no bursts of fraud on one card, so what came may lie outside more often than they say.
"""

from dataclasses import asdict
from typing import Any

import numpy as np

from fraud_system.events import Column
from fraud_system.metrics import expected_rates

from .cards import Bootstrap, per, sums_by_card
from .periods import Calendar, Period, iso
from .run_files import Predictions

_RATES = ("recall", "specificity", "value_detection_rate")


def unlabelled_figures(
    predictions: Predictions,
    judged: Column,
    weight: Column | None,
    calendar: Calendar,
    threshold: float,
    draws: int,
    bootstrap: Bootstrap,
) -> list[dict[str, Any]]:
    """Rates of the model at a threshold on expected fraud, said without labels.

    Args:
        predictions: all rows.
        judged: (n,) bool: evaluated, after the warm-up.
        weight: (n,) 1/propensity, or None.
        calendar: of the run.
        threshold: on expected fraud.
        draws: of labels from the probabilities.
        bootstrap: of the intervals of what came.

    Returns:
        `settled`: the last stretch, as long as maturity, whose labels are known, with `seen`; and
        `open`: everything after it, with `seen` None. Each with `transactions`, `flagged`,
        `expected_frauds` and `expected` rates. Windows without transactions are left out.
    """
    end, last = calendar.evaluated_end_us, calendar.last_us + 1
    begin = max(calendar.warm_up_end_us, end - calendar.maturity_us)
    found = []
    for window in (Period("settled", "settled", begin, end), Period("open", "open", end, last)):
        here = window.holds(predictions.event_time_us)
        if here.any():
            seen = None
            if window.role == "settled":
                known = here & judged
                each = np.ones(len(predictions)) if weight is None else weight
                seen = _seen(predictions.rows(known), each[known], threshold, bootstrap)
            found.append(
                {"window": window.name, "from": iso(window.start_us), "to": iso(window.stop_us)}
                | _said(predictions.rows(here), threshold, draws, bootstrap)
                | {"seen": seen}
            )
    return found


def _said(rows: Predictions, threshold: float, draws: int, bootstrap: Bootstrap) -> dict[str, Any]:
    flagged = rows.probability * rows.amount >= threshold
    rates = asdict(
        expected_rates(
            rows.probability, flagged, rows.amount, draws, bootstrap.seed, bootstrap.level
        )
    )
    return {
        "transactions": len(rows),
        "flagged": np.count_nonzero(flagged),
        "expected_frauds": float(rows.probability.sum()),
        "expected": {
            name: {"value": rates[name], "low": rates[f"{name}_low"], "high": rates[f"{name}_high"]}
            for name in _RATES
        },
    }


def _seen(
    rows: Predictions, each: Column, threshold: float, bootstrap: Bootstrap
) -> dict[str, Any] | None:
    if not len(rows):
        return None
    fraud, flagged = rows.is_fraud, rows.probability * rows.amount >= threshold
    columns = {
        "rows": each,
        "frauds": each * fraud,
        "caught": each * (flagged & fraud),
        "false_alarms": each * (flagged & ~fraud),
        "money": each * rows.amount * fraud,
        "caught_money": each * rows.amount * (flagged & fraud),
    }
    figures = bootstrap.figures(
        {
            "recall": lambda s: per(s["caught"], s["frauds"]),
            "specificity": lambda s: 1.0 - per(s["false_alarms"], s["rows"] - s["frauds"]),
            "value_detection_rate": lambda s: per(s["caught_money"], s["money"]),
        },
        sums_by_card(columns, rows.cluster),
    )
    return {"frauds": np.count_nonzero(fraud)} | figures
