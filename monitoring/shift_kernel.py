"""The loop of `shift`, compiled: rows are counted, and every hour that is over is judged."""

from typing import Any

from fraud_system.events import SECOND_US
from monitoring.bins import EDGES
from monitoring.compiled import borrowing
from monitoring.hour_counts import (
    HOURS_IN_WEEK,
    ROWS,
    SWITCHED,
    add_window,
    count,
    keep,
    rows_in,
    window,
)
from monitoring.shift_tests import HOUR, OK, PERIOD, REJECTIONS, judge

HOUR_US = 3_600 * SECOND_US


@borrowing
def fold(
    hours: Any,
    null: Any,
    limits: Any,
    scratch: Any,
    deviation: Any,
    known_us: Any,
    features: Any,
    served: Any,
    by_plan_b: Any,
    start: int,
    last_us: int,
    out: Any,
) -> int:
    """Count rows from `start`, and judge every hour that is over by `last_us`.

    Stops early where `out` may not hold what the next hour says; returns the first row not counted.

    Args:
        features: (n, d); `served`: (n, k) what depends on the model and on who answers.
        by_plan_b: (n,) whether plan B answered by decree.
    """
    row, first = start, features.shape[1]
    while True:
        end_us = (null.clock[HOUR] + 1) * HOUR_US
        stop = row
        while stop < len(known_us) and known_us[stop] < end_us:
            hours.rows[SWITCHED] |= by_plan_b[stop]
            stop += 1
        hours.rows[ROWS] += stop - row
        count(hours, features, 0, row, stop)
        count(hours, served, first, row, stop)
        row = stop
        if last_us < end_us or out.filled[0] + len(null.level) > len(out.found):
            return row
        _close_hour(hours, null, limits, scratch, deviation, out)


@borrowing
def _close_hour(hours: Any, null: Any, limits: Any, scratch: Any, deviation: Any, out: Any) -> None:
    """Judge the hour that is over, and begin the next one."""
    hour, subjects = null.clock[HOUR], len(hours.missing)
    place, rows = hour % len(hours.hour), hours.rows[ROWS]
    switched = hours.rows[SWITCHED] > 0
    keep(hours, hour)
    if hour // limits.period_hours != null.clock[PERIOD]:
        null.clock[PERIOD] = hour // limits.period_hours
        null.clock[REJECTIONS] = 0
    width = window(hours, hour, limits.least_rows)
    if width > 0 and rows > 0:
        add_window(hours, hour, width, scratch.now_above, scratch.now_missing)
        _add_weeks(hours, hour, width, limits.weeks, scratch)
        now_rows = rows_in(hours, hour, width)
        for test in range(2 * subjects):
            if not (switched and test % subjects >= limits.first_served):
                judge(hours.edges, null, limits, scratch, deviation, test, now_rows, out)
    for test in range(2 * subjects):
        is_switched = switched and test % subjects >= limits.first_served
        hours.is_bad[place, test] = null.level[test] > OK or is_switched
    null.clock[HOUR] = hour + 1


@borrowing
def _add_weeks(hours: Any, hour: int, width: int, weeks: int, scratch: Any) -> None:
    """The same hours of earlier weeks; for each test those weeks only in which it was well throughout."""
    scratch.past_above[:] = 0.0
    scratch.past_missing[:] = 0.0
    scratch.past_rows[:] = 0.0
    size, subjects = len(hours.hour), len(hours.missing)
    for week in range(1, weeks + 1):
        then = hour - week * HOURS_IN_WEEK
        is_held = True
        for back in range(width):
            is_held = is_held and hours.hour[(then - back) % size] == then - back
        if not is_held:
            continue
        add_window(hours, then, width, scratch.week_above, scratch.week_missing)
        rows = rows_in(hours, then, width)
        for test in range(2 * subjects):
            is_bad = False
            for back in range(width):
                is_bad = is_bad or hours.is_bad[(then - back) % size, test]
            if is_bad:
                continue
            subject = test % subjects
            if test < subjects:
                scratch.past_rows[test] += rows - scratch.week_missing[subject]
                for edge in range(EDGES):
                    scratch.past_above[edge, subject] += scratch.week_above[edge, subject]
            else:
                scratch.past_rows[test] += rows
                scratch.past_missing[subject] += scratch.week_missing[subject]
