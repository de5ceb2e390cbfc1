"""Frames for the tests of switch, probation and overseer."""

from collections.abc import Sequence

import numpy as np

from fraud_system.events import SECOND_US, Frame, Health, Resolution
from fraud_system.switching import Switch
from monitoring.findings import Finding, Level

HOUR_US = 3_600 * SECOND_US


def finding(
    name: str, level: Level = Level.ALARM, known_us: int = 0, seq: int = 1, words: str = "why"
) -> Finding:
    """A finding of `monitor/subject`."""
    monitor, subject = name.split("/", 1)
    return Finding(monitor, subject, level, 1.0, 0.5, seq, known_us, words)


def switched(health: Health, known_us: int, by_hand: bool = False, seq: int = 1) -> Frame:
    """A recorded switch."""
    switch = Switch(health, "a reason", by_hand=by_hand)
    return Frame(seq, seq, known_us, {"mode": switch.table(seq)})


def nothing(known_us: int, seq: int = 1) -> Frame:
    """A frame in which time went by."""
    return Frame(seq, seq, known_us, {"tick": {"known_time_us": np.array([known_us])}})


def scored(
    seq: Sequence[int], known_us: Sequence[int], model: Sequence[float], heuristic: Sequence[float]
) -> Frame:
    """Transactions with both probabilities."""
    seqs, known = np.asarray(seq, np.int64), np.asarray(known_us, np.int64)
    tables = {
        "transaction": {"seq": seqs, "known_time_us": known},
        "decision": {
            "seq": seqs,
            "probability_model": np.asarray(model, np.float64),
            "probability_heuristic": np.asarray(heuristic, np.float64),
        },
    }
    return Frame(int(seqs[0]), int(seqs[-1]), int(known[-1]), tables)


def resolved(
    transaction_seq: Sequence[int], known_us: int, kind: Resolution = Resolution.FRAUD
) -> Frame:
    """What the joiner made of reports about these transactions."""
    about = np.asarray(transaction_seq, np.int64)
    table = {
        "seq": np.arange(len(about)) + 1_000_000,
        "transaction_seq": about,
        "resolution": np.full(len(about), kind, np.uint8),
    }
    return Frame(1_000_000, 1_000_000 + len(about), known_us, {"resolved": table})
