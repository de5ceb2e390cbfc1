"""Who shall answer, and why: the state of the switch between the model and plan B, as the ledger records it.

    model ──alarm──> heuristic ──cause over──> probation ──proved──> model
      ^                  ^──────failed──────────┘
      └──released── forced <── by hand, from anywhere

The engine only obeys. What is proposed, and when, is the business of the monitors, or of a person.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fraud_system.events import Health, Scorer, Table

MAX_REASON_BYTES = 200
MAX_EVIDENCE_BYTES = 2_000


@dataclass(frozen=True)
class Switch:
    """One change of who answers.

    Args:
        health: the new state.
        reason: why, for a person; MAX_REASON_BYTES of it are kept.
        by_hand: somebody asked for it.
        evidence: what it rests on; MAX_EVIDENCE_BYTES of it are kept.

    >>> Switch(Health.PROBATION, "the cause is over").mode.name
    'HEURISTIC'
    """

    health: Health
    reason: str
    by_hand: bool = False
    evidence: str = ""

    @property
    def mode(self) -> Scorer:
        """Who answers in this state."""
        return Scorer.MODEL if self.health == Health.MODEL else Scorer.HEURISTIC

    def table(self, seq: int) -> Table:
        """As a table of one row."""
        return {
            "seq": np.array([seq]),
            "mode": np.array([self.mode], np.uint8),
            "health": np.array([self.health], np.uint8),
            "by_hand": np.array([self.by_hand]),
            "reason": _text_column(self.reason, MAX_REASON_BYTES),
            "evidence": _text_column(self.evidence, MAX_EVIDENCE_BYTES),
        }

    @classmethod
    def from_table(cls, table: Table) -> Self:
        """Back from a table of one row."""
        return cls(
            Health(int(table["health"][0])),
            table["reason"][0].decode(),
            bool(table["by_hand"][0]),
            table["evidence"][0].decode(),
        )


def _text_column(text: str, most_bytes: int) -> NDArray[Any]:
    """Whole characters only, and no zeros at the end: a fixed-bytes column would drop them."""
    encoded = text.encode()[:most_bytes].decode(errors="ignore").rstrip("\0").encode()
    return np.array([encoded], f"S{max(1, len(encoded))}")
