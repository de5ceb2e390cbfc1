"""Streaming scores of what was served: a fold over the ledger's frames that only looks.

    decision ──waits for its label──> resolved ──> `StreamingScores`

Each transaction is counted once, when its label is first resolved: as fraud when the report comes, as
legitimate when it matures. What comes later (a late fraud, a reversal) changes no figure: running sums
cannot take a row back. The batch metrics of a run, which know the whole stream, are the ones to quote.
"""

import numpy as np
from numpy.typing import NDArray

from fraud_system.events import Frame, Resolution
from fraud_system.metrics.streaming import StreamingScores

MATURED, FRAUD = int(Resolution.MATURED), int(Resolution.FRAUD)


class ServedScores:
    """Running figures of the served probabilities, in `scores`.

    Holds (probability, amount) of the transactions that have not matured, and no more.

    >>> from fraud_system.events import Frame
    >>> decided = {"seq": np.array([1]), "probability": np.array([0.25])}
    >>> paid = {"seq": np.array([1]), "amount": np.array([40.0])}
    >>> matured = {"ordinal": np.array([0]), "resolution": np.array([0])}
    >>> served = ServedScores()
    >>> served.fold(Frame(1, 1, 0, {"transaction": paid, "decision": decided}))
    >>> served.fold(Frame(2, 2, 0, {"resolved": matured}))
    >>> served.scores.rows, served.scores.brier
    (1, 0.0625)
    """

    def __init__(self) -> None:
        self.scores = StreamingScores()
        self._first = 0  # ordinal of the first transaction that is held
        self._probability: NDArray[np.float64] = np.zeros(0)
        self._amount: NDArray[np.float64] = np.zeros(0)

    def fold(self, frame: Frame) -> None:
        """Take the next frame; frames must come from the ledger's start, each once."""
        if "decision" in frame.tables:
            decided, paid = frame.tables["decision"], frame.tables["transaction"]
            self._probability = np.concatenate([self._probability, decided["probability"]])
            self._amount = np.concatenate([self._amount, paid["amount"]])
        resolved = frame.tables.get("resolved")
        if resolved is None:
            return
        counted = np.isin(resolved["resolution"], (MATURED, FRAUD))
        place = resolved["ordinal"][counted] - self._first
        is_fraud = resolved["resolution"][counted] == FRAUD
        self.scores.update(self._probability[place], is_fraud, self._amount[place])
        # They mature in their own order, so nothing before the last one is open any more.
        if not is_fraud.all():
            matured = int(place[~is_fraud][-1]) + 1
            self._probability, self._amount = self._probability[matured:], self._amount[matured:]
            self._first += matured
