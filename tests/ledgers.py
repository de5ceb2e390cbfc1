"""Ledgers of both kinds, and small frames whose every event is found by its key."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from fraud_system.events import Frame
from fraud_system.ledger import MemoryLedger, SqliteLedger

LEDGERS = ("memory", "sqlite")


def opened(kind: str, folder: Path) -> MemoryLedger | SqliteLedger:
    return MemoryLedger() if kind == "memory" else SqliteLedger(folder / "ledger.db")


def frame_of(
    first_seq: int,
    transactions: Iterable[int] = (),
    labels: Iterable[tuple[int, int]] = (),
    versions: Iterable[int] = (),
) -> Frame:
    """Transaction keys, then (label key, transaction key), then weights: an event each, in order."""
    rows = {
        "transaction": list(transactions),
        "label": list(labels),
        "published": list(versions),
    }
    tables: dict[str, Any] = {}
    seq = first_seq
    for name, content in rows.items():
        if content:
            tables[name] = {"seq": np.arange(seq, seq + len(content))}
            seq += len(content)
    if rows["transaction"]:
        tables["transaction"]["transaction_key"] = np.array(rows["transaction"], np.uint64)
    if rows["label"]:
        key, about = np.array(rows["label"], np.uint64).T
        tables["label"] |= {"label_key": key.copy(), "transaction_key": about.copy()}
    if rows["published"]:
        tables["published"]["version"] = np.array(rows["published"], np.int64)
    if not tables:
        tables["tick"], seq = {"seq": np.array([seq])}, seq + 1
    return Frame(first_seq, seq - 1, 1_000 * seq, tables)
