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


class Hours(NamedTuple):
    """What was counted, by hour; s subjects; place in the ring = hour % size.

    Args:
        edges: (EDGES, s) ascending.
        now: (COUNTS, s) of the hour that is not over: rows above each edge, and rows that are nan.
        rows: (2,) rows in it, and whether any of them was answered under plan B.
        hour: (size,) number of the hour that is held, or NO_HOUR.
        past: (size, COUNTS, s) of earlier hours.
        past_rows: (size,) rows in each.
        is_bad: (size, s) not to be compared with: the subject was found to have shifted.
    """

    edges: NDArray[np.float32]
    now: Counts
    rows: NDArray[np.int64]
    hour: NDArray[np.int64]
    past: Counts
    past_rows: NDArray[np.int64]
    is_bad: NDArray[np.bool_]


@borrowing
def count(hours: Any, values: Any, first: int, start: int, stop: int) -> None:
    """Count the rows start..stop-1 of `values` (n, k), which are the subjects from `first` on."""
    width = values.shape[1]
    for row in range(start, stop):
        for edge in range(EDGES):
            for each in range(width):
                hours.now[edge, first + each] += values[row, each] > hours.edges[edge, first + each]
        for each in range(width):
            hours.now[MISSING, first + each] += values[row, each] != values[row, each]


@borrowing
def keep(hours: Any, hour: int) -> None:
    """Move what was counted into the ring, for what is too old; the next hour begins with nothing."""
    place = hour % len(hours.hour)
    hours.hour[place] = hour
    hours.past_rows[place] = hours.rows[ROWS]
    hours.rows[:] = 0
    for each in range(COUNTS):
        for subject in range(hours.now.shape[1]):
            hours.past[place, each, subject] = hours.now[each, subject]
            hours.now[each, subject] = 0


@borrowing
def window(hours: Any, hour: int, least_rows: int) -> int:
    """How many hours, up to this one, hold `least_rows` rows; 0 if a week does not."""
    rows, size = 0, len(hours.hour)
    for back in range(HOURS_IN_WEEK):
        place = (hour - back) % size
        if hours.hour[place] != hour - back:
            return 0
        rows += hours.past_rows[place]
        if rows >= least_rows:
            return back + 1
    return 0


@borrowing
def add_window(hours: Any, hour: int, width: int, total: Any) -> float:
    """Put what the `width` hours up to `hour` hold into `total` (COUNTS, s); returns their rows.

    -1 where one of them is not held.
    """
    size, rows = len(hours.hour), 0
    total[:] = 0
    for back in range(width):
        place = (hour - back) % size
        if hours.hour[place] != hour - back:
            return -1.0
        rows += hours.past_rows[place]
        for each in range(COUNTS):
            for subject in range(total.shape[1]):
                total[each, subject] += hours.past[place, each, subject]
    return float(rows)
