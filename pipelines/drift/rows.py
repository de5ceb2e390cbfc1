"""The rows of a window of a ledger: transactions as they were answered, and labels as they were settled.

A window is found by bisection, so a long ledger is not read from its beginning, and a sample of bounded size
is kept of it, so that a long window does not take all memory. The sample depends on the seed and on the
events alone, not on how they were cut into frames.

Settled labels are those that became settled *within* the window, whenever their transactions happened. Of the
transactions of the last week hardly any is settled, and those that are, are all fraud.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fraud_system.events import Action, Column, Frame, LabelSource, Resolution, Scorer, Table
from fraud_system.ledger import Ledger
from pipelines.drift.windows import Window

TRANSACTION_COLUMNS = ("amount",)
DECISION_COLUMNS = ("features", "probability", "expected_loss", "action", "scorer")
RESOLVED_COLUMNS = ("resolution", "source", "known_time_us", "transaction_time_us")
FRAUD = (Resolution.FRAUD, Resolution.LATE_FRAUD)


class BoundedSample:
    """A simple random sample of rows that come piece by piece.

    Args:
        size: at most so many rows are kept.
        seed: of the choice.

    >>> sample = BoundedSample(size=3, seed=1)
    >>> sample.take({"x": np.arange(50)})
    >>> sample.take({"x": np.arange(50, 100)})
    >>> whole = BoundedSample(size=3, seed=1)
    >>> whole.take({"x": np.arange(100)})
    >>> sample.seen, sample.table()["x"].tolist() == whole.table()["x"].tolist()
    (100, True)
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.seen = size, 0
        self._generator = np.random.default_rng(seed)
        self._parts: list[Table] = []
        self._held = 0

    def take(self, table: Table) -> None:
        """The next rows: columns of equal length."""
        rows = len(next(iter(table.values())))
        self.seen += rows
        self._parts.append(table | {"draw": self._generator.random(rows)})
        self._held += rows
        if self._held > 2 * self.size + rows:
            self._shrink()

    def table(self) -> Table:
        """The rows that were chosen, in the order in which they came; no columns where none came."""
        self._shrink()
        return {name: column for name, column in self._joined().items() if name != "draw"}

    def _shrink(self) -> None:
        joined = self._joined()
        if joined:
            kept = np.sort(np.argsort(joined["draw"], kind="stable")[: self.size])
            self._parts = [{name: column[kept] for name, column in joined.items()}]
            self._held = len(kept)

    def _joined(self) -> Table:
        if not self._parts:
            return {}
        return {
            name: np.concatenate([part[name] for part in self._parts]) for name in self._parts[0]
        }


def read_window(
    ledger: Ledger, window: Window, size: int, seed: int
) -> tuple[BoundedSample, BoundedSample]:
    """Samples of the transactions and of the settled labels of a window."""
    transactions, settled = BoundedSample(size, seed), BoundedSample(size, seed)
    for frame in frames_within(ledger, window):
        if "transaction" in frame.tables:
            sent, decided = frame.tables["transaction"], frame.tables["decision"]
            within = _within(sent["known_time_us"], window)
            table = {name: sent[name][within] for name in TRANSACTION_COLUMNS}
            transactions.take(table | {name: decided[name][within] for name in DECISION_COLUMNS})
        if "resolved" in frame.tables:
            resolved = frame.tables["resolved"]
            within = _within(resolved["known_time_us"], window)
            settled.take({name: resolved[name][within] for name in RESOLVED_COLUMNS})
    return transactions, settled


def transactions_span(ledger: Ledger) -> Window | None:
    """From the first transaction to just after the last one; labels and ticks may come long after it."""
    first = next((f for f in ledger.frames(ledger.first_seq - 1) if _sent_us(f)), None)
    if first is None:
        return None
    frame = ledger.frame_at(ledger.last_seq)
    while not _sent_us(frame):
        frame = ledger.frame_at(frame.first_seq - 1)
    return Window(_sent_us(first)[0], _sent_us(frame)[-1] + 1)


def frames_within(ledger: Ledger, window: Window) -> Iterator[Frame]:
    """Those frames that may hold events of the window, in order."""
    last_seq = ledger.last_seq
    start = _first_seq_from(ledger, window.from_us, last_seq)
    if start > last_seq:
        return
    for frame in ledger.frames(start - 1):
        begins_us = min(_first_us(frame))
        if begins_us >= window.to_us or frame.first_seq > last_seq:
            return
        yield frame


def action_names(codes: Column) -> Column:
    """approve, review, decline."""
    return _names(Action)[codes]


def scorer_names(codes: Column) -> Column:
    """model, heuristic."""
    return _names(Scorer)[codes]


def source_names(codes: Column) -> Column:
    """chargeback, review, user_report, maturity."""
    return _names(LabelSource)[codes]


def is_fraud(resolution: Column) -> NDArray[np.bool_]:
    """What a settled label says; one that was taken back says that it was legitimate."""
    return np.isin(resolution, FRAUD)


def _first_seq_from(ledger: Ledger, from_us: int, last_seq: int) -> int:
    """A seq in the first frame that ends at that time or later; beyond the end if there is none."""
    low, high = ledger.first_seq, last_seq + 1
    while low < high:
        frame = ledger.frame_at((low + high) // 2)
        if frame.known_time_us < from_us:
            low = frame.last_seq + 1
        else:
            high = max(low, frame.first_seq)
    return low


def _sent_us(frame: Frame) -> list[int]:
    """When the first and the last transaction in it were known; empty if there is none."""
    if "transaction" not in frame.tables:
        return []
    known_us = frame.tables["transaction"]["known_time_us"]
    return [int(known_us[0]), int(known_us[-1])]


def _first_us(frame: Frame) -> list[int]:
    """When the first event of each table was known; not every table says."""
    tables = [table for table in frame.tables.values() if "known_time_us" in table]
    return [int(table["known_time_us"][0]) for table in tables] or [frame.known_time_us]


def _within(known_us: Column, window: Window) -> NDArray[np.bool_]:
    return (known_us >= window.from_us) & (known_us < window.to_us)


def _names(kind: type[Action] | type[Scorer] | type[LabelSource]) -> Column:
    return np.array([member.name.lower() for member in kind], dtype=object)
