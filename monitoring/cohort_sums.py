"""The sums of `cohorts`, compiled: row by row in a fixed order, so that any cutting gives the same bits."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.events import Action, Resolution
from monitoring.compiled import borrowing
from monitoring.stretch import Matured

APPROVE = int(Action.APPROVE)
FRAUD, MATURED = int(Resolution.FRAUD), int(Resolution.MATURED)
LATE_FRAUD = int(Resolution.LATE_FRAUD)
OUT_OF_PLACE = -1
# Places in the sums of a cohort: rows, sum of p, of p x mark; then `Expected` without its rows; then reports.
REPORTED = 8
COHORT_SUMS = 9
# Places in the sums of what has matured: counts and money, log losses, and products not yet among them.
LOSSES = 6
LIKELIHOODS = LOSSES + 3
MATURED_SUMS = LIKELIHOODS + 3
LEAST_CHANCE = 1e-15  # log losses are finite
SMALL = 1e-100


@borrowing
def add_transactions(
    sums: Any, probability: Any, amount: Any, action: Any, cut_off: float, start: int, stop: int
) -> None:
    """Add transactions start..stop-1 to the sums (COHORT_SUMS,) of their cohort."""
    for row in range(start, stop):
        flagged = 1.0 if action[row] != APPROVE else 0.0
        sums[0] += 1.0
        sums[3] += flagged
        chance = probability[row]
        if not math.isfinite(chance):
            continue
        sums[1] += chance
        sums[4] += chance
        sums[5] += chance * flagged
        sums[6] += chance * amount[row]
        sums[7] += chance * amount[row] * flagged
        mark = min(amount[row] / cut_off, 1.0)
        if mark == mark:  # there is a cut-off by now
            sums[2] += chance * mark


@borrowing
def add_matured(
    sums: Any,
    cohort_us: int,
    ordinal: Any,
    resolution: Any,
    happened_us: Any,
    expected_seq: Any,
    start: int,
    stop: int,
    seq: Any,
    amount: Any,
    action: Any,
    model: Any,
    heuristic: Any,
    constant: Any,
    report: Any,
) -> int:
    """Add what was resolved first, of start..stop-1, to the sums (cohorts, MATURED_SUMS) of its cohort.

    From `seq` on the columns are rings of the open transactions. Which rows are reports goes into `report`.

    Returns: how many are, or OUT_OF_PLACE where a transaction is not in its place.
    """
    last, reports = len(seq) - 1, 0
    for row in range(start, stop):
        at, fraud = ordinal[row] & last, resolution[row] == FRAUD
        if seq[at] != expected_seq[row]:
            return OUT_OF_PLACE
        if fraud or resolution[row] == LATE_FRAUD:
            report[reports] = row
            reports += 1
        if not (fraud or resolution[row] == MATURED) or not math.isfinite(model[at]):
            continue
        into = sums[happened_us[row] // cohort_us % len(sums)]
        flagged = 1.0 if action[at] != APPROVE else 0.0
        if fraud:
            into[1] += 1.0
            into[3] += flagged
            into[4] += amount[at]
            into[5] += amount[at] * flagged
        else:
            into[0] += 1.0
            into[2] += flagged
        _multiply(into, 0, model[at], fraud)
        _multiply(into, 1, heuristic[at], fraud)
        _multiply(into, 2, constant[at], fraud)
    return reports


@borrowing
def _multiply(sums: Any, which: int, chance: float, is_fraud: bool) -> None:
    """Log losses are logarithms of products, taken now and then: one costs as much as ten products."""
    right = chance if is_fraud else 1.0 - chance
    product = sums[LIKELIHOODS + which] * max(right, LEAST_CHANCE)
    if product < SMALL:
        sums[LOSSES + which] -= math.log(product)
        product = 1.0
    sums[LIKELIHOODS + which] = product


def matured_of(sums: NDArray[np.float64]) -> Matured:
    """The sums of one cohort (MATURED_SUMS,) as a value."""
    losses = sums[LOSSES:LIKELIHOODS] - np.log(sums[LIKELIHOODS:])
    return Matured(*sums[:LOSSES].tolist(), *losses.tolist())
