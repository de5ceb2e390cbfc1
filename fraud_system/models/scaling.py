"""River's scaler, squash and interactions for one row, compiled: what every learner does first."""

import math
from typing import Any

from fraud_system.compiled import borrowing, compiled


@borrowing
def learn_and_scale(
    learned: Any,
    mean: Any,
    variance: Any,
    left: Any,
    right: Any,
    squash_limit: float,
    row: Any,
    counts_row: bool,
    term: Any,
) -> None:
    """Learn the scaler from `row` (d,) and write the row's terms to `term` (d + k,); nan where missing.

    The loops have no branches and no calls but `tanh`: so they become vector code, which does the same
    operations in the same order, twice as fast.

    Args:
        learned, mean, variance: (d,) of the scaler.
        left, right: (k,) sides of each pair.
        squash_limit: of the standardised features.
        row: (d,), nan where missing.
        counts_row: whether the scaler learns from it.
        term: (d + k,) to be written.
    """
    features = len(row)
    for j in range(features):
        # river's StandardScaler.learn_one (Welford), then transform_one; nothing for a nan.
        value, before = row[j], mean[j]
        present = value == value
        counts = present & counts_row
        count = learned[j] + 1.0
        after = before + (value - before) / count
        moved = (value - before) * (value - after) - variance[j]
        spread = variance[j] + moved / count
        after, spread = (after, spread) if counts else (before, variance[j])
        learned[j] = count if counts else learned[j]
        mean[j], variance[j] = after, spread
        z = (value - after) / math.sqrt(spread)
        z = z if spread != 0.0 else 0.0
        term[j] = z / squash_limit if present else math.nan
    for j in range(features):
        term[j] = squash_limit * math.tanh(term[j])
    for k in range(len(left)):
        term[features + k] = term[left[k]] * term[right[k]]


@compiled
def design_rows(
    learned: Any,
    mean: Any,
    variance: Any,
    left: Any,
    right: Any,
    squash_limit: float,
    rows: Any,
    counts_row: Any,
    out: Any,
) -> None:
    """The same for rows (n, d) in order: each as 1 and its terms in `out` (n, 1 + d + k), 0 where missing."""
    for row in range(len(rows)):
        design = out[row]
        learn_and_scale(
            learned,
            mean,
            variance,
            left,
            right,
            squash_limit,
            rows[row],
            counts_row[row],
            design[1:],
        )
        design[0] = 1.0
        for j in range(1, len(design)):
            design[j] = design[j] if design[j] == design[j] else 0.0
