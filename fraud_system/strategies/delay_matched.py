"""`delay_matched`: both terms of the loss lag alike, so that learning is early and unbiased.

A fraud teaches when it is reported. That a transaction is none, no message ever says; so the first term
of the loss, `softplus(logit)`, is learned after a delay D with a law G that is chosen so that both terms
lag alike, and the second, `-logit`, when a fraud is reported, after R with the law F of the frauds'
delays. If the report comes first, both terms are learned with it. At age a the terms learned of
transactions with a chance p of a report are then, on average,

    first: G(a) + p F(a) (1 - G(a))        second: p F(a)

and their ratio is p at every age if G = F (1 - p) / (1 - p F): the share F of those who would have been
reported by then, times the chance that who has not been reported never will be. So the rate is right at
every moment; `mature` waits for the slowest instead. p is what the model said when it decided. Where it
was wrong the balance is off while the transactions are young, and whole again once they are old, since
each first term is learned once, and each second term once.

D is the quantile u' = u / (1 - p + p u) of F, with u from a hash of the transaction. (With G = F and the
terms always apart the rate would be right as well, but what is certainly fraud would move the weights by
p + p^2 of variance instead of p (1 - p): on the Handbook's stream that cost 5 % of log loss.)

What it rests on, and does not correct:

- Delays that do not depend on the features. Where one kind of fraud is reported later than others it
  is under-predicted while its rate rises, and over-predicted while it falls.
- It learns the rate of frauds that are *reported* within the horizon, as every strategy does.
- A law that changes is followed with the lag of its estimate; all that still wait wait by the new law.
- Until FIRST_REPORTS frauds have been reported or the first transaction has matured nothing is learned:
  then what has been held back is learned in the order in which it would have been.
"""

import numpy as np
from numpy.typing import NDArray

from fraud_system.delay_law import DelayLaw
from fraud_system.events import Resolution, Table
from fraud_system.labels import LabelSettings
from fraud_system.logged import LoggedFeatures
from fraud_system.strategies.examples import Examples
from fraud_system.strategies.first_terms import FirstTerms
from fraud_system.strategies.settings import LearningSettings

Ints = NDArray[np.int64]
STRATA = 64
FIRST_REPORTS = 64
REPORTS_PER_LAW = 64  # so often are the delays taken from the law anew
TARGET_OF = np.zeros(len(Resolution), np.int64)
TARGET_OF[[Resolution.FRAUD, Resolution.LATE_FRAUD]] = 1
TARGET_OF[Resolution.REVERSED] = -1


class DelayMatched:
    """The delay law, who waits, who need not wait any more, and what is held back at the start.

    Args:
        settings: of learning.
        labels: the joiner's clocks.
        logged: the transactions.
    """

    def __init__(
        self, settings: LearningSettings, labels: LabelSettings, logged: LoggedFeatures
    ) -> None:
        self.law = DelayLaw(labels)
        self.first_terms = FirstTerms(STRATA, settings, logged)
        self.held = np.zeros((0, 3), np.int64)  # time, ordinal, target of each second term
        # Ordinals learned whole before their first term was due, each once, in order.
        self.whole = np.zeros(0, np.int64)
        self.reports = 0
        self.has_started = False

    @property
    def oldest_waiting(self) -> int:
        """No earlier ordinal's first term is still to be learned (while some are held back: none is)."""
        return self.first_terms.oldest_waiting

    def examples(self, resolved: Table) -> Examples:
        """What to learn up to the last of the next resolved labels (in the ledger's order)."""
        pieces = [Examples(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))]
        start, rows = 0, len(resolved["seq"])
        while start < rows:
            stop, renews = self._next_law(resolved["resolution"][start:])
            piece = {name: column[start : start + stop] for name, column in resolved.items()}
            start += stop
            pieces.append(self._terms(piece))
            if renews:
                now_us = int(piece["known_time_us"][-1])
                chance = (np.arange(STRATA) + 0.5) / STRATA
                self.first_terms.delay_us[:] = self.law.quantiles(chance, now_us)
                self.has_started = True
        return Examples(
            np.concatenate([piece.ordinal for piece in pieces]),
            np.concatenate([piece.curve for piece in pieces]),
            np.concatenate([piece.target for piece in pieces]),
        )

    def _next_law(self, resolution: NDArray[np.uint8]) -> tuple[int, bool]:
        """How many rows to take until the delays are taken anew, and whether they are after these."""
        counted = np.cumsum(TARGET_OF[resolution] > 0)
        wanted = REPORTS_PER_LAW - self.reports % REPORTS_PER_LAW
        if not self.has_started:
            wanted = FIRST_REPORTS - self.reports
        stop = int(np.searchsorted(counted, wanted)) + 1
        if not self.has_started:
            matured = np.flatnonzero(resolution == Resolution.MATURED)
            stop = min(stop, int(matured[0]) + 1) if len(matured) else stop
        return min(stop, len(resolution)), stop <= len(resolution)

    def _terms(self, resolved: Table) -> Examples:
        """The second terms of these rows, and before each the first terms that were due before it."""
        times_us = resolved["known_time_us"]
        target = TARGET_OF[resolved["resolution"]]
        is_report = target > 0
        self.reports += int(is_report.sum())
        self.law.observe(resolved["transaction_time_us"][is_report], times_us[is_report])
        second = np.column_stack([times_us, resolved["ordinal"], target])[target != 0]
        second = np.concatenate([self.held, second])
        if not self.has_started:
            self.held = second
            return Examples(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
        self.held = second[:0]
        told_us, told, targets = second.T
        is_whole = (targets > 0) & ~self.first_terms.is_due_before(told, told_us)
        self.whole = _with(self.whole, told[is_whole])
        ordinal, due_us = self.first_terms.due_before(int(times_us[-1]))
        place = np.searchsorted(self.whole, ordinal)
        is_new = np.append(self.whole, -1)[place] != ordinal
        # Those whose turn has come will not be asked for again.
        self.whole = np.delete(self.whole, place[~is_new])
        ordinal, due_us = ordinal[is_new], due_us[is_new]
        # At the same moment the report comes first, as labels do in the ledger.
        place = np.argsort(np.concatenate([told_us, due_us]), kind="stable")
        return Examples(
            np.concatenate([told, ordinal])[place],
            np.concatenate([is_whole, np.ones(len(ordinal))])[place],
            np.concatenate([targets, np.zeros(len(ordinal))])[place],
        )

    def to_arrays(self) -> dict[str, Ints]:
        """A canonical copy, for a snapshot."""
        return {
            "held": self.held.copy(),
            "whole": self.whole.copy(),
            "next": self.first_terms.next.copy(),
            "delay_us": self.first_terms.delay_us.copy(),
            "progress": np.array([self.reports, self.has_started], dtype=np.int64),
        } | {f"law_{name}": array for name, array in self.law.to_arrays().items()}

    def restore(self, arrays: dict[str, Ints]) -> None:
        """Take a snapshot's state."""
        self.held, self.whole = arrays["held"].copy(), arrays["whole"].copy()
        self.first_terms.next[:] = arrays["next"]
        self.first_terms.delay_us[:] = arrays["delay_us"]
        self.reports, self.has_started = int(arrays["progress"][0]), bool(arrays["progress"][1])
        self.law.restore({name[4:]: a for name, a in arrays.items() if name.startswith("law_")})


def _with(ordered: Ints, more: Ints) -> Ints:
    """An array of different numbers in order, and more of them: a burst of reports brings them in thousands.

    >>> _with(np.array([2, 5]), np.array([9, 5, 3, 9]))
    array([2, 3, 5, 9])
    """
    more = np.unique(more)
    place = np.searchsorted(ordered, more)
    is_new = np.append(ordered, -1)[place] != more
    return np.insert(ordered, place[is_new], more[is_new])
