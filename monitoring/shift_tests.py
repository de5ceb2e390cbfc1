"""Has the distribution of a subject moved? The statistics of all tests of an hour, compiled.

`shift` says why. There are two tests for each of s subjects: of its values, and of the share that is missing.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitoring.bins import EDGES
from monitoring.compiled import borrowing
from monitoring.hour_counts import MISSING
from monitoring.online_fdr import log_e_value, log_threshold

Floats = NDArray[np.float64]
OK, WARNING, ALARM = 0, 1, 2
CLOCKS = 4
HOUR, REJECTIONS, PERIOD, SURGE = range(CLOCKS)  # places in `Null.clock`
FOUND = 10  # columns of `Changes.found`
LEARNED_ABOVE = math.log(1e-4)  # hours less likely than this teach nothing
QUARANTINE_HOURS = 24
SMOOTHING = 0.5  # added to every bin, so that no share is 0


class Null(NamedTuple):
    """What the statistic of each test is when nothing has happened: values first, then missing shares.

    Args:
        mean, variance: (2 s,) of X^2 / degrees of freedom.
        seen: (2 s,) hours that went into them.
        waiting: (QUARANTINE_HOURS, 2 s) statistics that are not learned yet, by hour; nan for none.
        level: (2 s,) of each test.
        clock: (CLOCKS,) HOUR that is not over, REJECTIONS in this period, PERIOD, last hour of a SURGE.
    """

    mean: Floats
    variance: Floats
    seen: Floats
    waiting: Floats
    level: NDArray[np.int64]
    clock: NDArray[np.int64]


class Limits(NamedTuple):
    """`ShiftSettings` as numbers; subjects from `first_served` on depend on who answers."""

    first_served: int
    least_rows: int
    weeks: int
    alpha: float
    period_hours: int
    least_moved: float
    psi_warning: float
    psi_alarm: float
    psi_end: float
    surge: float
    surge_hours: int
    settled_hours: float
    memory_hours: float


class Compared(NamedTuple):
    """Room for one comparison.

    Args:
        now, week: (COUNTS, s) counts of the window, and of the same hours of one earlier week.
        past: (COUNTS, s) of the earlier weeks in which the subject was well.
        is_well: (s,) 1 or 0, in one earlier week.
        past_rows: (s,) rows in `past`.
        left, past_left: (s,) rows that are above the edges so far.
        statistic, freedom: (2 s,) X^2 over its degrees of freedom, and those.
    """

    now: NDArray[np.int64]
    week: NDArray[np.int64]
    past: NDArray[np.int64]
    is_well: NDArray[np.int64]
    past_rows: Floats
    left: Floats
    past_left: Floats
    statistic: Floats
    freedom: Floats


class Changes(NamedTuple):
    """Room for what is said; `filled[0]` rows of it are.

    Args:
        found: (most, FOUND) hour, test, level, PSI, PSI by chance, Wasserstein distance in standard
            deviations, log e-value, its threshold, rows, rows of earlier weeks.
    """

    found: Floats
    filled: NDArray[np.int64]


@borrowing
def compare(at: Any, rows: float) -> None:
    """Pearson's statistic of two samples, over its degrees of freedom, of all tests."""
    subjects = len(at.past_rows)
    for each in range(subjects):
        at.left[each] = rows - at.now[MISSING, each]
        at.past_left[each] = at.past_rows[each] - at.past[MISSING, each]
        at.statistic[each] = 0.0
        at.freedom[each] = -1.0
    missing, past_missing = at.now[MISSING], at.past[MISSING]
    for edge in range(EDGES + 1):
        is_last = edge == EDGES  # beyond it there is nothing; the row of missing ones stands in
        above_edge, past_above_edge = at.now[edge], at.past[edge]
        for each in range(subjects):
            above = 0 if is_last else above_edge[each]
            past_above = 0 if is_last else past_above_edge[each]
            now, past = at.left[each] - above, at.past_left[each] - past_above
            all_now, all_past = rows - missing[each], at.past_rows[each] - past_missing[each]
            at.statistic[each] += _deviance(now, past, all_now, all_past)
            at.freedom[each] += 1.0 if now + past > 0.0 else 0.0
            at.left[each] = above
            at.past_left[each] = past_above
    for each in range(subjects):
        nan, past_nan, past_rows = (
            float(missing[each]),
            float(past_missing[each]),
            at.past_rows[each],
        )
        total = _deviance(nan, past_nan, rows, past_rows)
        total += _deviance(rows - nan, past_rows - past_nan, rows, past_rows)
        at.statistic[subjects + each] = total
        at.freedom[subjects + each] = 1.0
        at.freedom[each] = max(at.freedom[each], 1.0)
        at.statistic[each] /= at.freedom[each]


@borrowing
def _deviance(now: float, past: float, all_now: float, all_past: float) -> float:
    """What one bin adds to Pearson's X^2 of two samples."""
    difference = now * all_past - past * all_now
    return difference * difference / max((now + past) * all_now * all_past, 1.0)


@borrowing
def judge(
    edges: Any,
    null: Any,
    limits: Any,
    at: Any,
    deviation: Any,
    skipped: int,
    all_rows: float,
    out: Any,
) -> None:
    """Of each test: its level, what is said of a change, what is learned where there is none.

    Subjects from `skipped` on are left out. One call for all tests: to hand so many arrays over took more
    than all arithmetic.
    """
    subjects = len(at.past_rows)
    in_surge = null.clock[HOUR] - null.clock[SURGE] < limits.surge_hours
    for test in range(2 * subjects):
        subject = test % subjects
        if subject >= skipped:
            continue
        rows, past = all_rows, at.past_rows[subject]
        if test < subjects:
            rows -= at.now[MISSING, subject]
            past -= at.past[MISSING, subject]
        if at.past_rows[subject] == 0.0 and null.level[test] > OK:
            # It has not been well in any week that is remembered: so this is what is normal now.
            _say(null, test, OK, out)
            continue
        if 2.0 * rows < limits.least_rows or 2.0 * past < limits.least_rows:
            continue
        # Nothing is made out to be more exact than independent rows: what hardly ever differs, and then by
        # much (a rare value), has a small mean and still a long tail.
        statistic, mean = at.statistic[test], max(null.mean[test], 1.0)
        variance = null.variance[test] + mean - null.mean[test]
        log_p = _log_tail(statistic, mean, variance)
        log_e = log_e_value(log_p)
        threshold = log_threshold(
            limits.alpha, limits.period_hours * float(len(null.level)), null.clock[REJECTIONS]
        )
        # The index is asked for only where something may have shifted: logarithms are dear.
        is_settled = null.seen[test] >= limits.settled_hours
        if is_settled and (null.level[test] > OK or log_e >= threshold):
            by_chance = mean * at.freedom[test] * (1.0 / rows + 1.0 / past)
            psi = stability_index(at, test, rows, past) - by_chance
            few = test < subjects and moved_share(at, test, rows, past) < limits.least_moved
            level = _level(limits, null.level[test], 0.0 if few else psi, log_e >= threshold)
            level = min(level, max(WARNING, null.level[test])) if in_surge else level
            if level != null.level[test]:
                null.clock[REJECTIONS] += null.level[test] == OK
                said = out.found[_say(null, test, level, out)]
                said[3], said[4], said[6], said[7] = psi, by_chance, log_e, threshold
                said[8], said[9] = rows, past
                if test < subjects:
                    said[5] = wasserstein(edges, at, subject, rows, past) / deviation[subject]
        is_usual = log_p > LEARNED_ABOVE and not in_surge
        _wait(null, test, statistic if is_usual else math.nan, limits.memory_hours)


@borrowing
def _say(null: Any, test: int, level: int, out: Any) -> int:
    """A test's level from here on; returns the row that has room for the evidence."""
    row = out.filled[0]
    said = out.found[row]
    out.filled[0] += 1
    said[:] = 0.0
    said[0], said[1], said[2] = null.clock[HOUR], test, level
    null.level[test] = level
    return row


@borrowing
def _bin_of(counts: Any, test: int, each: int, rows: float) -> float:
    """Rows in one bin of a test, among `rows`."""
    subjects = counts.shape[1]
    if test >= subjects:
        missing = float(counts[MISSING, test - subjects])
        return missing if each == 0 else rows - missing
    below = rows if each == 0 else float(counts[each - 1, test])
    return below - (float(counts[each, test]) if each < EDGES else 0.0)


@borrowing
def stability_index(at: Any, test: int, rows: float, past: float) -> float:
    """Population stability index of a test, over the bins that are not empty in both samples."""
    bins = EDGES + 1 if test < at.now.shape[1] else 2
    filled = at.freedom[test] + 1.0
    total = 0.0
    for each in range(bins):
        now, before = _bin_of(at.now, test, each, rows), _bin_of(at.past, test, each, past)
        if now + before > 0.0:
            share = (now + SMOOTHING) / (rows + SMOOTHING * filled)
            was = (before + SMOOTHING) / (past + SMOOTHING * filled)
            total += (share - was) * math.log(share / was)
    return total


@borrowing
def moved_share(at: Any, test: int, rows: float, past: float) -> float:
    """Share of rows that are in another bin than before: the total variation distance of a test of values."""
    total = 0.0
    for each in range(EDGES + 1):
        now, before = _bin_of(at.now, test, each, rows), _bin_of(at.past, test, each, past)
        total += abs(now / rows - before / past)
    return total / 2.0


@borrowing
def wasserstein(edges: Any, at: Any, subject: int, rows: float, past: float) -> float:
    """Distance of the two binned distributions, every value taken as the edge at or above it."""
    total = 0.0
    for edge in range(EDGES - 1):
        if math.isinf(edges[edge + 1, subject]):
            break
        difference = at.now[edge, subject] / rows - at.past[edge, subject] / past
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
def _wait(null: Any, test: int, statistic: float, memory_hours: float) -> None:
    """Learn a statistic a day later, and only if nothing was found until then.

    A fault that begins fills the window by and by: it must not make itself usual before it is believed.
    """
    place = null.clock[HOUR] % QUARANTINE_HOURS
    if null.level[test] > OK:
        for each in range(QUARANTINE_HOURS):
            null.waiting[each, test] = math.nan
        return
    waited = null.waiting[place, test]
    null.waiting[place, test] = statistic
    if not math.isnan(waited):
        _learn(null, test, waited, memory_hours)


@borrowing
def _learn(null: Any, test: int, statistic: float, memory_hours: float) -> None:
    """What the statistic is when nothing has happened: mean and variance, the old ones fading."""
    null.seen[test] = min(null.seen[test] + 1.0, memory_hours)
    rate = 1.0 / null.seen[test]
    step = statistic - null.mean[test]
    null.mean[test] += rate * step
    null.variance[test] += rate * ((1.0 - rate) * step * step - null.variance[test])
