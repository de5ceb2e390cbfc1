"""Whose first term is due: every transaction's, once, some delay after it was known.

A transaction belongs to one of a few strata, by a hash of its key. All of a stratum wait the same time,
which may change while they wait; so within a stratum they come in their own order, and one cursor for
each stratum is all that has to be remembered.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.compiled import borrowing
from fraud_system.keys import uniform
from fraud_system.logged import LoggedFeatures

Ints = NDArray[np.int64]
DELAY_SEED = np.uint64(0xDE1A)


class FirstTerms:
    """The strata's delays and how far each has got.

    Args:
        strata: how many.
        logged: the transactions.
    """

    def __init__(self, strata: int, logged: LoggedFeatures) -> None:
        self.logged = logged
        self.delay_us = np.zeros(strata, np.int64)
        self.next = np.zeros(strata, np.int64)

    @property
    def oldest_waiting(self) -> int:
        """No first term of an earlier ordinal is still to be learned."""
        return int(self.next.min())

    def due_before(self, now_us: int) -> tuple[Ints, Ints]:
        """Those that became due before `now_us` and were not given out yet, by (due, ordinal).

        Strictly before: transactions that are known at the same microsecond may come later in the
        ledger.

        Returns:
            ordinals (n,) and the times in microseconds at which they were due.
        """
        room = self.logged.tail - self.oldest_waiting
        ordinal, due_us = np.empty(room, np.int64), np.empty(room, np.int64)
        known_us, key = self.logged.ring("known_us"), self.logged.ring("key")
        found = _collect(
            known_us, key, self.logged.tail, self.next, self.delay_us, now_us, ordinal, due_us
        )
        order = np.lexsort((ordinal[:found], due_us[:found]))
        return ordinal[:found][order], due_us[:found][order]


@borrowing
def _collect(
    known_us: Any,
    key: Any,
    tail: int,
    next_ordinal: Any,
    delay_us: Any,
    now_us: int,
    ordinal_out: Any,
    due_out: Any,
) -> int:
    strata, last, found = len(next_ordinal), len(known_us) - 1, 0
    for stratum in range(strata):
        ordinal = next_ordinal[stratum]
        while ordinal < tail:
            due_us = known_us[ordinal & last] + delay_us[stratum]
            if due_us >= now_us:
                break
            if int(uniform(DELAY_SEED, key[ordinal & last]) * strata) == stratum:
                ordinal_out[found], due_out[found] = ordinal, due_us
                found += 1
            ordinal += 1
        next_ordinal[stratum] = ordinal
    return found
