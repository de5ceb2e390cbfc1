"""What is learned when: from resolved labels to examples, in order.

`mature` waits: every transaction is learned once, when it matures, whichever way it was resolved.
Learning frauds on arrival and legitimate ones at maturity would over-predict (by up to 1.8 times while
the two are out of step); waiting costs freshness instead.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fraud_system.events import SECOND_US, Resolution, Table
from fraud_system.labels import LabelSettings

FRAUD, REVERSED = Resolution.FRAUD, Resolution.REVERSED
Ints = NDArray[np.int64]
Learn = Callable[[list[int] | Ints, list[bool] | bool], None]


@dataclass(frozen=True)
class Examples:
    """Transactions to learn, in order.

    Args:
        ordinal: (n,) int64, which transaction.
        is_fraud: (n,) bool.
    """

    ordinal: NDArray[np.int64]
    is_fraud: NDArray[np.bool_]


@dataclass
class Mature:
    """Learn each transaction at its maturity.

    A fraud that is reported early waits in a heap until it is due; a reversal before that turns it
    into a legitimate example. What comes after maturity (a late fraud, a late reversal) is learned at
    once with its new label, on top of the old one.

    Args:
        maturity_us: of the joiner.
        waiting: heap of (due_us, ordinal), at most the open transactions.
        reversed_: ordinals in `waiting` whose fraud was taken back.
    """

    maturity_us: int
    waiting: list[tuple[int, int]] = field(default_factory=list)
    reversed_: set[int] = field(default_factory=set)

    @classmethod
    def under(cls, settings: LabelSettings) -> "Mature":
        """The strategy for a joiner's settings."""
        return cls(settings.maturity_s * SECOND_US)

    def examples(self, resolved: Table) -> Examples:
        """What to learn from the next resolved labels (the ledger's `resolved` table, in order)."""
        known_us, ordinals = resolved["known_time_us"], resolved["ordinal"]
        pieces: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
        frauds: list[NDArray[np.bool_]] = [np.zeros(0, np.bool_)]

        def learn(chosen: list[int] | Ints, is_fraud: list[bool] | bool) -> None:
            pieces.append(np.asarray(chosen, dtype=np.int64))
            frauds.append(np.broadcast_to(np.asarray(is_fraud, np.bool_), len(pieces[-1])))

        # Most rows have matured and are taken as runs; only the others are looked at one by one.
        others = np.flatnonzero(resolved["resolution"] != Resolution.MATURED)
        start = 0
        for stop in [*others.tolist(), len(known_us)]:
            start = self._matured_run(known_us, ordinals, start, stop, learn)
            if stop == len(known_us):
                break
            self._release(int(known_us[stop]), learn)
            self._other(resolved, stop, learn)
            start = stop + 1
        return Examples(np.concatenate(pieces), np.concatenate(frauds))

    def _matured_run(
        self, known_us: Ints, ordinals: Ints, start: int, stop: int, learn: Learn
    ) -> int:
        """Learn matured rows start..stop-1, each early fraud released at its own place among them."""
        while start < stop:
            due_us = self.waiting[0][0] if self.waiting else None
            until = stop
            if due_us is not None:
                until = start + int(np.searchsorted(known_us[start:stop], due_us, side="right"))
            learn(ordinals[start:until], False)
            if until < stop:
                self._release(int(known_us[until]), learn)
            start = until
        return start

    def _release(self, now_us: int, learn: Learn) -> None:
        while self.waiting and self.waiting[0][0] < now_us:
            _, ordinal = heapq.heappop(self.waiting)
            learn([ordinal], [ordinal not in self.reversed_])
            self.reversed_.discard(ordinal)

    def _other(self, resolved: Table, row: int, learn: Learn) -> None:
        resolution, ordinal = resolved["resolution"][row], int(resolved["ordinal"][row])
        due_us = int(resolved["transaction_time_us"][row]) + self.maturity_us
        open_still = due_us > int(resolved["known_time_us"][row])
        if resolution == FRAUD and open_still:
            heapq.heappush(self.waiting, (due_us, ordinal))
        elif resolution == REVERSED and open_still:
            self.reversed_.add(ordinal)
        else:
            learn([ordinal], [resolution != REVERSED])

    def to_arrays(self) -> dict[str, NDArray[np.int64]]:
        """A canonical copy, for a snapshot."""
        waiting = np.array(sorted(self.waiting), dtype=np.int64).reshape(-1, 2)
        return {"waiting": waiting, "reversed": np.array(sorted(self.reversed_), dtype=np.int64)}

    def restore(self, arrays: dict[str, NDArray[np.int64]]) -> None:
        """Take a snapshot's state (a sorted list is a heap)."""
        self.waiting = [(int(due), int(ordinal)) for due, ordinal in arrays["waiting"]]
        self.reversed_ = {int(ordinal) for ordinal in arrays["reversed"]}
