"""Whose first term is due: every transaction's, once, some delay after it was known.

A transaction belongs to one of a few strata, by a hash of its key and the probability of a report that it
was given. All of a stratum wait the same time, which may change while they wait; so within a stratum
they come in their own order, and one cursor for each stratum is all that has to be remembered.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.compiled import borrowing, compiled
from fraud_system.keys import uniform
from fraud_system.logged import LoggedFeatures
from fraud_system.strategies.settings import LearningSettings

Ints = NDArray[np.int64]
DELAY_SEED = np.uint64(0xDE1A)
MOST_LIKELY = 0.999  # as likely as any report is taken to be


class FirstTerms:
    """The strata's delays and how far each has got.

    Args:
        strata: how many.
        settings: of learning; its shares of wrong labels say how probable a report is.
        logged: the transactions.
    """

    def __init__(self, strata: int, settings: LearningSettings, logged: LoggedFeatures) -> None:
        self.settings, self.logged = settings, logged
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
        found = _collect(
            self.logged.ring("known_us"),
            self.logged.ring("key"),
            self.logged.ring("probability"),
            self._report_line(),
            self.logged.tail,
            self.next,
            self.delay_us,
            now_us,
            ordinal,
            due_us,
        )
        order = np.lexsort((ordinal[:found], due_us[:found]))
        return ordinal[:found][order], due_us[:found][order]

    def is_due_before(self, ordinal: Ints, now_us: Ints) -> NDArray[np.bool_]:
        """Whether each transaction's first term was given out, or is due before its own `now_us`."""
        stratum = _strata(
            self.logged.column("key", ordinal),
            self.logged.column("probability", ordinal),
            self._report_line(),
            len(self.next),
        )
        due_us = self.logged.column("known_us", ordinal) + self.delay_us[stratum]
        given_out: NDArray[np.bool_] = (ordinal < self.next[stratum]) | (due_us < now_us)
        return given_out

    def _report_line(self) -> tuple[float, float]:
        """Chance of a report where the probability of fraud is 0, and what it adds up to 1."""
        none, certain = self.settings.reported_share(np.array([0.0, 1.0])).tolist()
        return none, certain - none


@borrowing
def _stratum_of(key: Any, probability: float, report_line: Any, strata: int) -> int:
    """A quantile u of those who are no fraud; see `delay_matched` for why it is bent."""
    quantile = uniform(DELAY_SEED, key)
    reported = report_line[0] + report_line[1] * probability
    reported = min(max(reported, 0.0), MOST_LIKELY)
    return int(quantile / (1.0 - reported + reported * quantile) * strata)


@compiled
def _strata(key: Any, probability: Any, report_line: Any, strata: int) -> Any:
    found = np.empty(len(key), np.int64)
    for row in range(len(key)):
        found[row] = _stratum_of(key[row], probability[row], report_line, strata)
    return found


@borrowing
def _collect(
    known_us: Any,
    key: Any,
    probability: Any,
    report_line: Any,
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
            place = ordinal & last
            if _stratum_of(key[place], probability[place], report_line, strata) == stratum:
                ordinal_out[found], due_out[found] = ordinal, due_us
                found += 1
            ordinal += 1
        next_ordinal[stratum] = ordinal
    return found
