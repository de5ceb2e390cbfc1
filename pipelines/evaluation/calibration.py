"""Can the probabilities be taken at their word: along the score, by money, over time.

The binned error of a *perfect* model is not zero, so each error stands beside its null: what chance
alone gives if every probability is true. See `fraud_system.metrics.calibration`.
"""

from dataclasses import asdict
from typing import Any, Literal

import numpy as np

from fraud_system.events import Column
from fraud_system.metrics import (
    calibration_line,
    expected_over_observed,
    null_centred_calibration_error,
    reliability_bins,
)

from .cards import Bootstrap, sums_by_card
from .periods import Calendar, Period, calibration_periods, iso
from .run_files import Predictions
from .scores import BINS

_BY: tuple[tuple[str, Literal["count", "amount"]], ...] = (("count", "count"), ("money", "amount"))


def calibration_figures(
    rows: Predictions,
    weight: Column | None,
    calendar: Calendar,
    draws: int,
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    """The model's calibration.

    Args:
        rows: the evaluated transactions after the warm-up.
        weight: (n,) 1/propensity, or None.
        calendar: of the run.
        draws: redraws of the labels for the null.
        bootstrap: of the intervals.

    Returns:
        `reliability`: `count` and `money`, each a dict of equally long lists (see
            `ReliabilityBins`);
        `periods`: for each period its figures, see `period_figures`.
    """
    p, y, amount = rows.probability, rows.is_fraud, rows.amount
    return {
        "reliability": {
            name: asdict(reliability_bins(p, y, amount, BINS, weight, by=by)) for name, by in _BY
        },
        "periods": [
            period_figures(rows, weight, period, draws, bootstrap)
            for period in calibration_periods(calendar)
        ],
    }


def period_figures(
    rows: Predictions, weight: Column | None, period: Period, draws: int, bootstrap: Bootstrap
) -> dict[str, Any]:
    """Amount-weighted calibration error with its null, E/O and the line through the logits.

    `worst_bin` is the bin (of equal money) in which expected and observed fraud money differ most:
    `money_off_share` is that difference as a share of all fraud money expected in the period.
    """
    chosen = period.holds(rows.event_time_us)
    p, y, amount = rows.probability[chosen], rows.is_fraud[chosen], rows.amount[chosen]
    w = None if weight is None else weight[chosen]
    about = {
        "name": period.name,
        "role": period.role,
        "from": iso(period.start_us),
        "to": iso(period.stop_us),
        "rows": len(p),
        "frauds": np.count_nonzero(y),
        "fraud_money": float(amount[y].sum()),
    }
    if not len(p):
        return about
    each = np.ones(len(p)) if w is None else w
    columns = {
        "frauds": each * y,
        "expected": each * p,
        "fraud_money": each * amount * y,
        "expected_money": each * amount * p,
    }
    sums = sums_by_card(columns, rows.cluster[chosen])
    return about | {
        "expected_over_observed": bootstrap.figure(
            expected_over_observed(p, y, weight=w), lambda s: s["expected"] / s["frauds"], sums
        ),
        "expected_over_observed_money": bootstrap.figure(
            expected_over_observed(p, y, amount, w),
            lambda s: s["expected_money"] / s["fraud_money"],
            sums,
        ),
        "calibration_error_money": asdict(
            null_centred_calibration_error(p, y, amount, BINS, draws, weight=w)
        ),
        "calibration_error_count": asdict(
            null_centred_calibration_error(p, y, None, BINS, draws, weight=w)
        ),
        "calibration_line": calibration_line(p, y, w)._asdict(),
        "worst_bin": _worst_bin(p, y, amount, w),
    }


def _worst_bin(p: Column, y: Column, amount: Column, weight: Column | None) -> dict[str, float]:
    bins = reliability_bins(p, y, amount, BINS, weight, by="amount")
    expected = np.nan_to_num(bins.amount * bins.expected_amount_share)
    observed = np.nan_to_num(bins.amount * bins.fraud_amount_share)
    if not expected.sum() > 0:
        return {}
    worst = int(np.argmax(np.abs(expected - observed)))
    return {
        "lower": bins.lower[worst],
        "upper": bins.upper[worst],
        "expected_money": expected[worst],
        "fraud_money": observed[worst],
        "money_off_share": (expected[worst] - observed[worst]) / expected.sum(),
    }
