"""Has the distribution of one subject moved? The statistics of one test, compiled; `shift` says why."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitoring.bins import EDGES
from monitoring.compiled import borrowing
from monitoring.online_fdr import log_e_value, log_threshold

Floats = NDArray[np.float64]
OK, WARNING, ALARM = 0, 1, 2
HOUR, REJECTIONS, PERIOD = range(3)  # places in `Null.clock`
FOUND = 10  # columns of `Changes.found`
SMOOTHING = 0.5  # added to every bin, so that no share is 0


class Null(NamedTuple):
    """What the statistic of each test is when nothing has happened; 2 s tests: values, then missing shares.

    Args:
        mean, variance: (2 s,) of X^2 / degrees of freedom.
        seen: (2 s,) hours that went into them.
        level: (2 s,) of each test.
        psi: (2 s,) as of the last hour, less what chance explains; nan where not judged.
        clock: (3,) HOUR that is not over, REJECTIONS in this period, PERIOD.
    """

    mean: Floats
    variance: Floats
    seen: Floats
    level: NDArray[np.int64]
    psi: Floats
    clock: NDArray[np.int64]


class Limits(NamedTuple):
    """`ShiftSettings` as numbers; subjects from `first_served` on depend on who answers."""

    first_served: int
    least_rows: int
    weeks: int
    alpha: float
    period_hours: int
    psi_warning: float
    psi_alarm: float
    psi_end: float
    memory_hours: float


class Scratch(NamedTuple):
    """Room for one judgement.

    Args:
        now_above, week_above: (EDGES, s) sums of the window, and of the same hours of one earlier week.
        now_missing, week_missing: (s,).
        past_above: (EDGES, s) sums of the earlier weeks in which the test was well.
        past_missing: (s,).
        past_rows: (2 s,) rows among which each test compares: those that have a value, or all.
        now_bins, past_bins: (EDGES + 1,) of one test.
    """

    now_above: Floats
    week_above: Floats
    now_missing: Floats
    week_missing: Floats
    past_above: Floats
    past_missing: Floats
    past_rows: Floats
    now_bins: Floats
    past_bins: Floats


class Changes(NamedTuple):
    """Room for what is said; `filled[0]` rows of it are.

    Args:
        found: (most, FOUND) hour, test, level, PSI, PSI by chance, Wasserstein distance in standard
            deviations, log e-value, its threshold, rows, rows of earlier weeks.
    """

    found: Floats
    filled: NDArray[np.int64]


@borrowing
def judge(
    edges: Any,
    null: Any,
    limits: Any,
    scratch: Any,
    deviation: Any,
    test: int,
    window_rows: float,
    out: Any,
) -> None:
    """One test of the hour that is over: its level, what is said of a change, what is learned of the rest."""
    subjects = len(scratch.now_missing)
    subject = test % subjects
    is_value = test < subjects
    rows = window_rows - scratch.now_missing[subject] if is_value else window_rows
    past = scratch.past_rows[test]
    null.psi[test] = math.nan
    if 2.0 * rows < limits.least_rows or 2.0 * past < limits.least_rows:
        return
    bins = _fill_bins(scratch, subject, rows, past, is_value)
    statistic, freedom = _chi_square(scratch, bins, rows, past)
    by_chance = null.mean[test] * freedom * (1.0 / rows + 1.0 / past)
    log_p = _log_tail(statistic, null.mean[test], null.variance[test])
    log_e = log_e_value(log_p)
    threshold = log_threshold(
        limits.alpha, limits.period_hours * float(len(null.level)), null.clock[REJECTIONS]
    )
    level = null.level[test]
    # The index is needed for what has shifted, or looks like it; logarithms are dear.
    if level > OK or log_e >= threshold:
        psi = _stability_index(scratch, bins, rows, past) - by_chance
        null.psi[test] = psi
        level = _level(limits, level, psi, log_e >= threshold)
    else:
        null.psi[test] = 0.0
    if level != null.level[test]:
        if level > null.level[test] and null.level[test] == OK:
            null.clock[REJECTIONS] += 1
        null.level[test] = level
        said = out.found[out.filled[0]]
        out.filled[0] += 1
        said[0], said[1], said[2] = null.clock[HOUR], test, level
        said[3], said[4] = null.psi[test], by_chance
        said[5] = 0.0
        if is_value:
            said[5] = _wasserstein(edges, scratch, subject, rows, past) / deviation[subject]
        said[6], said[7], said[8], said[9] = log_e, threshold, rows, past
    if level == OK:
        _learn(null, test, statistic, limits.memory_hours)


@borrowing
def _fill_bins(scratch: Any, subject: int, rows: float, past: float, is_value: bool) -> int:
    now, before = scratch.now_bins, scratch.past_bins
    if not is_value:
        now[0], now[1] = rows - scratch.now_missing[subject], scratch.now_missing[subject]
        before[0], before[1] = past - scratch.past_missing[subject], scratch.past_missing[subject]
        return 2
    left, left_before = rows, past
    for edge in range(EDGES):
        now[edge] = left - scratch.now_above[edge, subject]
        before[edge] = left_before - scratch.past_above[edge, subject]
        left, left_before = scratch.now_above[edge, subject], scratch.past_above[edge, subject]
    now[EDGES], before[EDGES] = left, left_before
    return EDGES + 1


@borrowing
def _chi_square(scratch: Any, bins: int, rows: float, past: float) -> tuple[float, float]:
    """Pearson's statistic of two samples over its degrees of freedom, and those."""
    more, less = math.sqrt(past / rows), math.sqrt(rows / past)
    total, filled = 0.0, 0
    for each in range(bins):
        now, before = scratch.now_bins[each], scratch.past_bins[each]
        if now + before > 0.0:
            filled += 1
            total += (more * now - less * before) ** 2 / (now + before)
    if filled < 2:
        return 0.0, 1.0
    return total / (filled - 1), float(filled - 1)


@borrowing
def _stability_index(scratch: Any, bins: int, rows: float, past: float) -> float:
    filled = 0
    for each in range(bins):
        filled += scratch.now_bins[each] + scratch.past_bins[each] > 0.0
    total = 0.0
    for each in range(bins):
        now, before = scratch.now_bins[each], scratch.past_bins[each]
        if now + before > 0.0:
            share = (now + SMOOTHING) / (rows + SMOOTHING * filled)
            was = (before + SMOOTHING) / (past + SMOOTHING * filled)
            total += (share - was) * math.log(share / was)
    return total


@borrowing
def _wasserstein(edges: Any, scratch: Any, subject: int, rows: float, past: float) -> float:
    """Distance of the two binned distributions, every value taken as the edge above it."""
    total = 0.0
    for edge in range(EDGES - 1):
        if math.isinf(edges[edge + 1, subject]):
            break
        difference = scratch.now_above[edge, subject] / rows
        difference -= scratch.past_above[edge, subject] / past
        total += abs(difference) * (edges[edge + 1, subject] - edges[edge, subject])
    return total


@borrowing
def _log_tail(statistic: float, mean: float, variance: float) -> float:
    """Logarithm of an upper bound of P(G >= statistic), G a gamma variable (Chernoff)."""
    ratio = statistic / mean
    if ratio <= 1.0:
        return 0.0
    return -(mean * mean / variance) * (ratio - 1.0 - math.log(ratio))


@borrowing
def _level(limits: Any, level: int, psi: float, is_rejected: bool) -> int:
    if level > OK:
        if psi < limits.psi_end:
            return OK
        return max(level, ALARM if psi >= limits.psi_alarm else WARNING)
    if not is_rejected or psi < limits.psi_warning:
        return OK
    return ALARM if psi >= limits.psi_alarm else WARNING


@borrowing
def _learn(null: Any, test: int, statistic: float, memory_hours: float) -> None:
    """What the statistic is when nothing has happened: mean and variance, the old ones fading."""
    null.seen[test] = min(null.seen[test] + 1.0, memory_hours)
    rate = 1.0 / null.seen[test]
    # A shift that is not believed yet should not make itself usual.
    most = null.mean[test] + 5.0 * math.sqrt(null.variance[test])
    step = min(statistic, most) - null.mean[test]
    null.mean[test] += rate * step
    null.variance[test] += rate * ((1.0 - rate) * step * step - null.variance[test])
