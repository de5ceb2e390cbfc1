"""`mature`: every transaction is learned once, when it matures, whichever way it was resolved.

They are learned in their own order, so what has been learned is at every moment all transactions up to
one: never frauds whose legitimate neighbours are still to come, also after a long silence. Learning
frauds on arrival and legitimate ones at maturity would over-predict while the two are
out of step; waiting costs freshness instead. The share of frauds that are reported after maturity
is missing until each report comes, so their rate is under-predicted while it rises.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fraud_system.events import SECOND_US, Resolution, Table
from fraud_system.labels import LabelSettings
from fraud_system.strategies.examples import Examples

FRAUD, REVERSED = Resolution.FRAUD, Resolution.REVERSED
LEGITIMATE_TERMS, FRAUD_TERMS = (1.0, 0.0), (1.0, 1.0)
LATER_FRAUD_TERMS, TAKEN_BACK_TERMS = (0.0, 1.0), (0.0, -1.0)
Ints = NDArray[np.int64]
Learn = Callable[[list[int] | Ints, tuple[float, float]], None]


@dataclass
class Mature:
    """Learn each transaction at its maturity.

    A fraud that is reported early waits in a heap until its turn; a reversal before that turns it
    into a legitimate example. What comes after maturity (a late fraud, a late reversal) corrects the
    second term of what was learned, at once.

    Args:
        maturity_us: of the joiner.
        waiting: heap of (due_us, ordinal) of the frauds reported early; both orders are the same.
        reversed_: ordinals in `waiting` whose fraud was taken back.
    """

    maturity_us: int
    waiting: list[tuple[int, int]] = field(default_factory=list)
    reversed_: set[int] = field(default_factory=set)

    @classmethod
    def under(cls, settings: LabelSettings) -> "Mature":
        """The strategy for a joiner's settings."""
        return cls(settings.maturity_s * SECOND_US)

    @property
    def oldest_waiting(self) -> int | None:
        """The first ordinal that is still to be learned although it was resolved."""
        return self.waiting[0][1] if self.waiting else None

    def examples(self, resolved: Table) -> Examples:
        """What to learn from the next resolved labels (the ledger's `resolved` table, in order)."""
        ordinals = resolved["ordinal"]
        pieces: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
        terms: list[NDArray[np.float64]] = [np.zeros((0, 2))]

        def learn(chosen: list[int] | Ints, curve_and_target: tuple[float, float]) -> None:
            pieces.append(np.asarray(chosen, dtype=np.int64))
            terms.append(np.broadcast_to(curve_and_target, (len(pieces[-1]), 2)))

        # Most rows have matured and are taken as runs; only the others are looked at one by one.
        others = np.flatnonzero(resolved["resolution"] != Resolution.MATURED)
        start = 0
        for row in others.tolist():
            self._matured_run(ordinals[start:row], learn)
            self._other(resolved, row, learn)
            start = row + 1
        self._matured_run(ordinals[start:], learn)
        curve, target = np.concatenate(terms).T.copy()
        return Examples(np.concatenate(pieces), curve, target)

    def _matured_run(self, ordinals: Ints, learn: Learn) -> None:
        """Learn these as legitimate, and each early fraud at its own place among them."""
        start = 0
        while self.waiting and len(ordinals) and self.waiting[0][1] < ordinals[-1]:
            place = int(np.searchsorted(ordinals, self.waiting[0][1]))
            learn(ordinals[start:place], LEGITIMATE_TERMS)
            self._learn_waiting(learn)
            start = place
        learn(ordinals[start:], LEGITIMATE_TERMS)

    def _other(self, resolved: Table, row: int, learn: Learn) -> None:
        resolution, ordinal = resolved["resolution"][row], int(resolved["ordinal"][row])
        now_us = int(resolved["known_time_us"][row])
        # All that was due before has matured by now, so the turn of these has come too.
        while self.waiting and self.waiting[0][0] < now_us:
            self._learn_waiting(learn)
        due_us = int(resolved["transaction_time_us"][row]) + self.maturity_us
        has_matured = due_us < now_us
        if resolution == FRAUD and not has_matured:
            heapq.heappush(self.waiting, (due_us, ordinal))
        elif resolution == REVERSED and not has_matured:
            self.reversed_.add(ordinal)
        else:
            learn([ordinal], TAKEN_BACK_TERMS if resolution == REVERSED else LATER_FRAUD_TERMS)

    def _learn_waiting(self, learn: Learn) -> None:
        _, ordinal = heapq.heappop(self.waiting)
        learn([ordinal], LEGITIMATE_TERMS if ordinal in self.reversed_ else FRAUD_TERMS)
        self.reversed_.discard(ordinal)

    def to_arrays(self) -> dict[str, NDArray[np.int64]]:
        """A canonical copy, for a snapshot."""
        waiting = np.array(sorted(self.waiting), dtype=np.int64).reshape(-1, 2)
        return {"waiting": waiting, "reversed": np.array(sorted(self.reversed_), dtype=np.int64)}

    def restore(self, arrays: dict[str, NDArray[np.int64]]) -> None:
        """Take a snapshot's state (a sorted list is a heap)."""
        self.waiting = [(int(due), int(ordinal)) for due, ordinal in arrays["waiting"]]
        self.reversed_ = {int(ordinal) for ordinal in arrays["reversed"]}
