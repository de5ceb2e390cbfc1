"""What a team finds that can look at so many alerts a day: by score, beside the best possible.

The best possible is an order that knows the labels. Intervals of the alert budgets resample cards
and keep the alerts that were raised; those of card precision resample days, because the cards are
chosen day by day.
"""

from typing import Any

import numpy as np

from fraud_system.events import DAY_US, Column
from fraud_system.metrics import alert_chance, card_precision_by_day, cluster_bootstrap

from .cards import Bootstrap, per, sums_by_card
from .details import NOBODY, Named
from .periods import WEEK_US, Calendar
from .run_files import Predictions
from .scores import SCORERS, score_of

BUDGETS = (10, 50, 100)
TOP_CARDS = 100
BEST = "best"


def alert_figures(
    rows: Predictions,
    card: Named | None,
    judged: Column,
    weight: Column | None,
    calendar: Calendar,
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    """Alert budgets and card precision of each scorer and of the best possible order.

    Args:
        rows: the evaluated transactions after the warm-up.
        card: of all rows, of which `judged` (a bool for each) says which are evaluated; or None.
        weight: (n,) 1/propensity of the evaluated rows, or None.
        calendar: of the run.
        bootstrap: of the intervals.

    Returns:
        `transactions_per_day`;
        `budgets`: per number of alerts a day and scorer `recall` (alerts by probability) and
        `value_detected` (alerts by expected fraud);
        `card_precision`: of the `k` cards of highest score a day the share with a fraud that day,
        cards found left out for the rest of the week, as the Fraud Detection Handbook has it per
        test week; None without cards.
    """
    day = (rows.event_time_us - calendar.first_day_us) // DAY_US
    days = len(np.unique(day))
    return {
        "days": days,
        "transactions_per_day": len(rows) / days if days else np.nan,
        "budgets": [
            {"alerts_per_day": budget}
            | {
                name: _found(rows, name, day, budget, weight, bootstrap)
                for name in (*SCORERS, BEST)
            }
            for budget in BUDGETS
        ],
        "card_precision": None
        if card is None
        else {"k": TOP_CARDS}
        | {
            name: _card_precision(rows, card.code[judged], name, day, bootstrap)
            for name in (*SCORERS, BEST)
        },
    }


def _score(rows: Predictions, name: str) -> Column:
    return rows.is_fraud.astype(np.float64) if name == BEST else score_of(rows, name)


def _found(
    rows: Predictions,
    name: str,
    day: Column,
    budget: int,
    weight: Column | None,
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    each = np.ones(len(rows)) if weight is None else weight
    score, fraud = _score(rows, name), each * rows.is_fraud
    money = fraud * rows.amount
    columns = {
        "frauds": fraud,
        "caught": fraud * alert_chance(score, budget, day),
        "money": money,
        "caught_money": money * alert_chance(score * rows.amount, budget, day),
    }
    return bootstrap.figures(
        {
            "recall": lambda s: per(s["caught"], s["frauds"]),
            "value_detected": lambda s: per(s["caught_money"], s["money"]),
        },
        sums_by_card(columns, rows.cluster),
    )


def _card_precision(
    rows: Predictions, card: Column, name: str, day: Column, bootstrap: Bootstrap
) -> dict[str, float]:
    known = card != NOBODY
    score, week = _score(rows, name), day // (WEEK_US // DAY_US)
    by_day = np.concatenate(
        [
            card_precision_by_day(
                day[here], card[here], score[here], rows.is_fraud[here], TOP_CARDS
            )
            for each in np.unique(week[known])
            if (here := known & (week == each)).any()
        ]
    )
    low, high = cluster_bootstrap(
        lambda precision, weight: float(np.average(precision, weights=weight)),
        (by_day,),
        None,
        bootstrap.draws,
        bootstrap.seed,
        bootstrap.level,
    )
    return {"value": float(by_day.mean()), "low": low, "high": high}
