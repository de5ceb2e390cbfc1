"""Rows above fixed edges, counted by the hour and kept for some weeks: what `shift` compares."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitoring.bins import EDGES
from monitoring.compiled import borrowing

Floats = NDArray[np.float64]
Counts = NDArray[np.int32]
HOURS_IN_WEEK = 168
NO_HOUR = -1
ROWS, SWITCHED = 0, 1  # places in `Hours.rows`


class Hours(NamedTuple):
    """What was counted, by hour; s subjects; place in the ring = hour % size.

    Args:
        edges: (EDGES, s) ascending.
        above: (EDGES, s) rows above each edge in the hour that is not over.
        missing: (s,) rows in it where the subject is nan.
        rows: (2,) rows in it, and whether any of them was answered under plan B.
        hour: (size,) number of the hour that is held, or NO_HOUR.
        past_above, past_missing, past_rows: (size, ...) the same of earlier hours.
        is_bad: (size, 2 s) not to be compared with: it was found to have shifted.
    """

    edges: NDArray[np.float32]
    above: Counts
    missing: Counts
    rows: NDArray[np.int64]
    hour: NDArray[np.int64]
    past_above: Counts
    past_missing: Counts
    past_rows: NDArray[np.int64]
    is_bad: NDArray[np.bool_]


@borrowing
def count(hours: Any, values: Any, first: int, start: int, stop: int) -> None:
    """Count the rows start..stop-1 of `values` (n, k), which are the subjects from `first` on."""
    width = values.shape[1]
    for row in range(start, stop):
        for edge in range(EDGES):
            for each in range(width):
                hours.above[edge, first + each] += (
                    values[row, each] > hours.edges[edge, first + each]
                )
        for each in range(width):
            hours.missing[first + each] += values[row, each] != values[row, each]


@borrowing
def keep(hours: Any, hour: int) -> None:
    """Move what was counted into the ring, for what is too old; the next hour begins with nothing."""
    place = hour % len(hours.hour)
    hours.hour[place] = hour
    hours.past_rows[place] = hours.rows[ROWS]
    hours.rows[:] = 0
    for each in range(hours.above.shape[1]):
        hours.past_missing[place, each] = hours.missing[each]
        hours.missing[each] = 0
    for edge in range(EDGES):
        for each in range(hours.above.shape[1]):
            hours.past_above[place, edge, each] = hours.above[edge, each]
            hours.above[edge, each] = 0


@borrowing
def window(hours: Any, hour: int, least_rows: int) -> int:
    """How many hours back there are `least_rows` rows; 0 if not within a week."""
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
def rows_in(hours: Any, hour: int, width: int) -> float:
    """Rows of the hours up to `hour`, `width` of them."""
    rows = 0
    for back in range(width):
        rows += hours.past_rows[(hour - back) % len(hours.hour)]
    return float(rows)


@borrowing
def add_window(hours: Any, hour: int, width: int, above: Any, missing: Any) -> None:
    """What was counted in the hours up to `hour`, `width` of them."""
    above[:] = 0.0
    missing[:] = 0.0
    for back in range(width):
        place = (hour - back) % len(hours.hour)
        for edge in range(EDGES):
            for each in range(above.shape[1]):
                above[edge, each] += hours.past_above[place, edge, each]
        for each in range(above.shape[1]):
            missing[each] += hours.past_missing[place, each]
