"""What is known of a card's or a terminal's other transactions, before and after: hindsight.

When a transaction was answered, the frauds that came after it, and reports that had not arrived, were
unknown. Who audits its label later knows them: frauds come in episodes, false reports come alone.
"""

import numpy as np
from numpy.typing import NDArray

from fraud_system.events import DAY_US, Column


def others_within(
    entity: Column, time_us: Column, is_fraud: Column, days: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many other transactions of the same entity lie within `days` before or after, and frauds.

    Args:
        entity: (n,) int64 code, -1 where unknown (it has no others).
        time_us: (n,) int64, in any order.
        is_fraud: (n,) bool, as labelled; a transaction's own label never counts.
        days: both ends included.

    Returns:
        (others, frauds), both (n,) int64.

    >>> day = DAY_US * np.array([0, 1, 2, 9])
    >>> others, frauds = others_within(np.zeros(4, int), day, np.array([True, False, True, True]), 1)
    >>> others.tolist(), frauds.tolist()
    ([1, 2, 1, 0], [0, 2, 0, 0])
    """
    order = np.lexsort((time_us, entity))
    sorted_entity, sorted_us = entity[order], time_us[order]
    frauds_before = np.append(0, np.cumsum(is_fraud[order]))
    others = np.zeros(len(order), np.int64)
    frauds = np.zeros(len(order), np.int64)
    window_us = int(days * DAY_US)
    starts = np.flatnonzero(np.diff(sorted_entity, prepend=-2))
    for start, stop in zip(starts, np.append(starts[1:], len(order)), strict=True):
        if sorted_entity[start] < 0:
            continue
        own_us = sorted_us[start:stop]
        first = start + np.searchsorted(own_us, own_us - window_us, side="left")
        last = start + np.searchsorted(own_us, own_us + window_us, side="right")
        rows = order[start:stop]
        others[rows] = last - first - 1
        frauds[rows] = frauds_before[last] - frauds_before[first] - is_fraud[rows]
    return others, frauds
