"""The loop of `shift`, compiled: rows are counted, and every hour that is over is judged."""

from typing import Any

from fraud_system.events import SECOND_US
from monitoring.compiled import borrowing
from monitoring.hour_counts import (
    COUNTS,
    HOURS_IN_WEEK,
    ROWS,
    SWITCHED,
    add_window,
    count,
    is_switched,
    keep,
    window,
)
from monitoring.shift_tests import HOUR, OK, PERIOD, REJECTIONS, SURGE, compare, judge

HOUR_US = 3_600 * SECOND_US


@borrowing
def fold(
    hours: Any,
    edges: Any,
    null: Any,
    limits: Any,
    at: Any,
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
        edges: (EDGES, s) of all subjects.
        features: (n, d); `served`: (n, k) what depends on the model and on who answers.
        by_plan_b: (n,) whether plan B answered by decree.
    """
    row = start
    while True:
        end_us = (null.clock[HOUR] + 1) * HOUR_US
        stop = row
        while stop < len(known_us) and known_us[stop] < end_us:
            hours.rows[SWITCHED] |= by_plan_b[stop]
            stop += 1
        hours.rows[ROWS] += stop - row
        count(hours.features, features, row, stop)
        count(hours.served, served, row, stop)
        row = stop
        if last_us < end_us or out.filled[0] + len(null.level) > len(out.found):
            return row
        _close_hour(hours, edges, null, limits, at, deviation, out)


@borrowing
def _close_hour(
    hours: Any, edges: Any, null: Any, limits: Any, at: Any, deviation: Any, out: Any
) -> None:
    """Judge the hour that is over, and begin the next one."""
    hour, subjects = null.clock[HOUR], hours.past.shape[2]
    place, counted = hour % len(hours.hour), hours.rows[ROWS]
    keep(hours, hour)
    if hour // limits.period_hours != null.clock[PERIOD]:
        null.clock[PERIOD] = hour // limits.period_hours
        null.clock[REJECTIONS] = 0
    width = window(hours, hour, limits.least_rows)
    if width > 0 and counted > 0:
        rows = add_window(hours, hour, width, 0, at.now)
        usual = add_weeks(hours, hour, width, limits.weeks, at)
        if usual > 0.0 and rows > limits.surge * usual:
            null.clock[SURGE] = hour
        compare(at, rows)
        skipped = limits.first_served if is_switched(hours, hour, width) else subjects
        judge(edges, null, limits, at, deviation, skipped, rows, out)
    switched = is_switched(hours, hour, 1)
    for each in range(subjects):
        is_well = null.level[each] == OK and null.level[subjects + each] == OK
        is_well &= null.clock[SURGE] != hour
        hours.is_bad[place, each] = not is_well or (switched and each >= limits.first_served)
    null.clock[HOUR] = hour + 1


@borrowing
def add_weeks(hours: Any, hour: int, width: int, weeks: int, at: Any) -> float:
    """Sum the same hours of earlier weeks; of each subject those weeks in which it was well throughout.

    Returns the rows of a week, whether well or not; 0 if there is none.
    """
    size, subjects = len(hours.hour), hours.past.shape[2]
    at.past[:] = 0
    at.past_rows[:] = 0.0
    held, all_rows = 0, 0.0
    for week in range(1, weeks + 1):
        then = hour - week * HOURS_IN_WEEK
        rows = add_window(hours, hour, width, hour - then, at.week)
        if rows < 0.0:
            continue
        held += 1
        all_rows += rows
        at.is_well[:] = 1
        for back in range(width):
            place = (then - back) % size
            is_bad = hours.is_bad[place]
            for each in range(subjects):
                at.is_well[each] &= not is_bad[each]
        for each in range(subjects):
            at.past_rows[each] += rows * at.is_well[each]
        for row in range(COUNTS):
            past, in_week = at.past[row], at.week[row]
            for each in range(subjects):
                past[each] += in_week[each] * at.is_well[each]
    return all_rows / held if held > 0 else 0.0
