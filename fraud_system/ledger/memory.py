"""A ledger in memory: for tests, and for replays that leave nothing behind.

It keeps the encoded records, not the caller's arrays: what is read back cannot have been changed
since, and has passed the same checks as in a durable ledger.
"""

import threading
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

from fraud_system.errors import CorruptFrame, LedgerError
from fraud_system.events import Column, Frame
from fraud_system.ledger.base import (
    SNAPSHOTS_KEPT,
    check_chain,
    check_held,
    check_position,
    repeated_transaction,
    transaction_places,
)
from fraud_system.ledger.codec import decode_arrays, decode_frame, encode_arrays, encode_frame


class MemoryLedger:
    """`Ledger` without durability.

    >>> with MemoryLedger() as ledger:
    ...     ledger.last_seq, ledger.seq_of(7)
    (0, None)
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._first_seqs: list[int] = []
        self._records: list[bytes] = []
        self._seq_of: dict[int, int] = {}
        self._snapshots: dict[str, dict[int, bytes]] = {}
        self._last_seq = 0
        self._closed = False

    @property
    def last_seq(self) -> int:
        """See `Ledger.last_seq`."""
        self._check_open()
        return self._last_seq

    def append(self, frames: Sequence[Frame]) -> None:
        """See `Ledger.append`."""
        records = [encode_frame(frame) for frame in frames]
        keys, seqs = transaction_places(frames)
        with self._turn:
            self._check_open()
            check_chain(frames, self._last_seq)
            places = dict(zip(keys.tolist(), seqs.tolist(), strict=True))
            if len(places) != len(keys) or not self._seq_of.keys().isdisjoint(places):
                raise repeated_transaction()
            self._seq_of.update(places)
            self._first_seqs += [frame.first_seq for frame in frames]
            self._records += records
            self._last_seq = frames[-1].last_seq if frames else self._last_seq

    def frames(self, after_seq: int = 0) -> Iterator[Frame]:
        """See `Ledger.frames`."""
        check_position(after_seq, self.last_seq)
        while after_seq < self.last_seq:
            frame = self.frame_at(after_seq + 1)
            after_seq = frame.last_seq
            yield frame

    def seq_of(self, transaction_key: int) -> int | None:
        """See `Ledger.seq_of`."""
        with self._turn:
            self._check_open()
            return self._seq_of.get(int(transaction_key))

    def frame_at(self, seq: int) -> Frame:
        """See `Ledger.frame_at`."""
        with self._turn:
            self._check_open()
            check_held(seq, self._last_seq)
            record = self._records[bisect_right(self._first_seqs, seq) - 1]
        return decode_frame(record)

    def save_snapshot(self, name: str, seq: int, arrays: Mapping[str, Column]) -> None:
        """See `Ledger.save_snapshot`."""
        record = encode_arrays(arrays, note=f"{name}@{seq}")
        with self._turn:
            self._check_open()
            check_position(seq, self._last_seq)
            kept = {**self._snapshots.get(name, {}), seq: record}
            newest = sorted(kept, reverse=True)[:SNAPSHOTS_KEPT]
            self._snapshots[name] = {each: kept[each] for each in newest}

    def latest_snapshot(
        self, name: str, at_most_seq: int | None = None
    ) -> tuple[int, dict[str, Column]] | None:
        """See `Ledger.latest_snapshot`."""
        with self._turn:
            self._check_open()
            kept = self._snapshots.get(name, {})
        for seq, record in kept.items():
            if at_most_seq is None or seq <= at_most_seq:
                try:
                    return seq, decode_arrays(record, note=f"{name}@{seq}")
                except CorruptFrame:
                    continue
        return None

    def close(self) -> None:
        """See `Ledger.close`."""
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise LedgerError("the ledger is closed", fix="open it again")
