"""Rows above fixed edges, counted by the hour and kept for some weeks: what `shift` compares."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitoring.bins import EDGES
from monitoring.compiled import borrowing

Counts = NDArray[np.int32]
MISSING, COUNTS = EDGES, EDGES + 1  # rows of a table of counts: above each edge, then missing
HOURS_IN_WEEK = 168
NO_HOUR = -1
ROWS, SWITCHED = 0, 1  # places in `Hours.rows`


class Group(NamedTuple):
    """Subjects whose values lie in one matrix; each array whole and in order, so that loops become vectors.

    Args:
        edges: (EDGES, k) ascending.
        now: (COUNTS, k) of the hour that is not over: rows above each edge, and rows that are nan.
    """

    edges: NDArray[np.float32]
    now: Counts


class Hours(NamedTuple):
    """What was counted, by hour; s subjects; place in the ring = hour % size.

    Args:
        features, served: the subjects, in that order.
        rows: (2,) rows in the hour that is not over, and whether any was answered under plan B.
        hour: (size,) number of the hour that is held, or NO_HOUR.
        past: (size, COUNTS, s) of earlier hours.
        past_rows: (size, 2) rows in each, and whether any of them was answered under plan B.
        is_bad: (size, s) not to be compared with: the subject was found to have shifted.
    """

    features: Group
    served: Group
    rows: NDArray[np.int64]
    hour: NDArray[np.int64]
    past: Counts
    past_rows: NDArray[np.int64]
    is_bad: NDArray[np.bool_]


@borrowing
def count(group: Any, values: Any, start: int, stop: int) -> None:
    """Count the rows start..stop-1 of `values` (n, k)."""
    row = start
    while (
        row + 4 <= stop
    ):  # four rows at a time: reading and writing the counts is half of the work
        a, b, c, d = values[row], values[row + 1], values[row + 2], values[row + 3]
        for place in range(EDGES):
            edges, now = group.edges[place], group.now[place]
            for each in range(len(edges)):
                edge = edges[each]
                two = np.int32(a[each] > edge) + np.int32(b[each] > edge)
                now[each] += two + np.int32(c[each] > edge) + np.int32(d[each] > edge)
        missing = group.now[MISSING]
        for each in range(len(missing)):
            two = np.int32(a[each] != a[each]) + np.int32(b[each] != b[each])
            missing[each] += two + np.int32(c[each] != c[each]) + np.int32(d[each] != d[each])
        row += 4
    while row < stop:
        a = values[row]
        for place in range(EDGES):
            edges, now = group.edges[place], group.now[place]
            for each in range(len(edges)):
                now[each] += np.int32(a[each] > edges[each])
        for each in range(len(a)):
            group.now[MISSING, each] += np.int32(a[each] != a[each])
        row += 1


@borrowing
def keep(hours: Any, hour: int) -> None:
    """Move what was counted into the ring, for what is too old; the next hour begins with nothing."""
    place, first = hour % len(hours.hour), hours.features.now.shape[1]
    hours.hour[place] = hour
    for each in range(2):
        hours.past_rows[place, each] = hours.rows[each]
        hours.rows[each] = 0
    for each in range(COUNTS):
        for subject in range(first):
            hours.past[place, each, subject] = hours.features.now[each, subject]
        for subject in range(hours.served.now.shape[1]):
            hours.past[place, each, first + subject] = hours.served.now[each, subject]
    hours.features.now[:] = 0
    hours.served.now[:] = 0


@borrowing
def window(hours: Any, hour: int, least_rows: int) -> int:
    """How many hours, up to this one, hold `least_rows` rows; 0 if a week does not."""
    rows, size = 0, len(hours.hour)
    for back in range(HOURS_IN_WEEK):
        place = (hour - back) % size
        if hours.hour[place] != hour - back:
            return 0
        rows += hours.past_rows[place, ROWS]
        if rows >= least_rows:
            return back + 1
    return 0


@borrowing
def is_switched(hours: Any, hour: int, width: int) -> bool:
    """Whether plan B answered anything in the `width` hours up to `hour`."""
    switched = False
    for back in range(width):
        switched |= hours.past_rows[(hour - back) % len(hours.hour), SWITCHED] > 0
    return switched


@borrowing
def add_window(hours: Any, hour: int, width: int, earlier: int, total: Any) -> float:
    """Put what `width` hours hold, `earlier` hours before those up to `hour`, into `total` (COUNTS, s).

    An hour counts only if there was traffic in it now: the same hours are compared. Returns the rows; -1
    where an hour is not held.
    """
    size, rows = len(hours.hour), 0
    total[:] = 0
    for back in range(width):
        then = hour - back - earlier
        place = then % size
        if hours.hour[place] != then:
            return -1.0
        if hours.past_rows[(hour - back) % size, ROWS] == 0:
            continue
        rows += hours.past_rows[place, ROWS]
        for each in range(COUNTS):
            into, counts = total[each], hours.past[place, each]
            for subject in range(len(into)):
                into[subject] += counts[subject]
    return float(rows)
