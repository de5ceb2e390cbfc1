"""A ledger in memory: for tests, and for replays that leave nothing behind.

It keeps the encoded records, not the caller's arrays: what is read back cannot have been changed
since, and has passed the same checks as in a durable ledger.
"""

import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence

from fraud_system.closing import Closing
from fraud_system.errors import CorruptFrame, LedgerError
from fraud_system.events import Column, Frame
from fraud_system.ledger.base import (
    DROPPED_AT_ONCE,
    SNAPSHOTS_KEPT,
    check_chain,
    check_droppable,
    check_held,
    check_position,
    check_snapshot,
    needed_from,
    repeated_transaction,
)
from fraud_system.ledger.codec import decode_frame, encode_frame
from fraud_system.ledger.places import (
    LabelPlaces,
    TransactionPlaces,
    labels_in,
    publications_in,
    transactions_in,
)
from fraud_system.ledger.snapshots import decode_snapshot, encode_snapshot


class MemoryLedger(Closing):
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
        self._label_seq: dict[int, int] = {}
        self._about: dict[int, int] = {}  # label key -> transaction key
        self._labels_about: dict[int, set[int]] = {}  # transaction key -> label keys
        self._publication_seq: dict[int, int] = {}
        self._snapshots: dict[str, dict[int, list[bytes]]] = {}
        self._last_seq = 0
        self._closed = False

    @property
    def first_seq(self) -> int:
        """See `Ledger.first_seq`."""
        self._check_open()
        return self._first_seqs[0] if self._first_seqs else 1

    @property
    def last_seq(self) -> int:
        """See `Ledger.last_seq`."""
        self._check_open()
        return self._last_seq

    def append(self, frames: Sequence[Frame], reusable_before_seq: int = 0) -> None:
        """See `Ledger.append`."""
        records = [encode_frame(frame) for frame in frames]
        transactions, labels = transactions_in(frames), labels_in(frames)
        versions, seqs = publications_in(frames)
        with self._turn:
            self._check_open()
            check_chain(frames, self._last_seq)
            self._seq_of.update(self._new_places(transactions, reusable_before_seq))
            self._place_labels(labels, reusable_before_seq)
            for version, seq in zip(versions.tolist(), seqs.tolist(), strict=True):
                self._publication_seq.setdefault(version, seq)
            self._first_seqs += [frame.first_seq for frame in frames]
            self._records += records
            self._last_seq = frames[-1].last_seq if frames else self._last_seq

    def _new_places(
        self, transactions: TransactionPlaces, reusable_before_seq: int
    ) -> dict[int, int]:
        keys, seqs = transactions.key.tolist(), transactions.seq.tolist()
        places = dict(zip(keys, seqs, strict=True))
        if len(places) == len(keys) and self._seq_of.keys().isdisjoint(places):
            return places
        places = {}
        for key, seq in zip(keys, seqs, strict=True):
            held = places.get(key, self._seq_of.get(key))
            if held is not None and held >= reusable_before_seq:
                raise repeated_transaction()
            places[key] = seq
        return places

    def _place_labels(self, labels: LabelPlaces, reusable_before_seq: int) -> None:
        for key, about, seq in zip(*(column.tolist() for column in labels), strict=True):
            held = self._label_seq.get(key)
            if held is not None and held >= reusable_before_seq:
                continue
            if held is not None:
                self._labels_about[self._about[key]].discard(key)
            self._label_seq[key], self._about[key] = seq, about
            self._labels_about.setdefault(about, set()).add(key)

    def frames(self, after_seq: int = 0) -> Iterator[Frame]:
        """See `Ledger.frames`."""
        check_position(after_seq, self.first_seq, self.last_seq)
        while after_seq < self.last_seq:
            frame = self.frame_at(after_seq + 1)
            after_seq = frame.last_seq
            yield frame

    def seq_of(self, transaction_key: int) -> int | None:
        """See `Ledger.seq_of`."""
        with self._turn:
            self._check_open()
            return self._seq_of.get(int(transaction_key))

    def label_seqs(self, transaction_key: int) -> list[int]:
        """See `Ledger.label_seqs`."""
        with self._turn:
            self._check_open()
            keys = self._labels_about.get(int(transaction_key), ())
            return sorted(self._label_seq[key] for key in keys)

    def known_labels(self, label_keys: Iterable[int]) -> dict[int, int]:
        """See `Ledger.known_labels`."""
        with self._turn:
            self._check_open()
            asked = {int(key) for key in label_keys}
            return {key: self._label_seq[key] for key in asked if key in self._label_seq}

    def publication_seq(self, version: int) -> int | None:
        """See `Ledger.publication_seq`."""
        with self._turn:
            self._check_open()
            return self._publication_seq.get(int(version))

    def frame_at(self, seq: int) -> Frame:
        """See `Ledger.frame_at`."""
        with self._turn:
            self._check_open()
            check_held(seq, self.first_seq, self._last_seq)
            record = self._records[bisect_right(self._first_seqs, seq) - 1]
        return decode_frame(record)

    @property
    def needed_from_seq(self) -> int:
        """See `Ledger.needed_from_seq`."""
        with self._turn:
            self._check_open()
            return self._needed_from_seq()

    def drop_before(self, seq: int, at_most_events: int = DROPPED_AT_ONCE) -> int:
        """See `Ledger.drop_before`."""
        with self._turn:
            self._check_open()
            check_droppable(seq, self._needed_from_seq())
            frames: list[Frame] = []
            for record in self._records:
                frame = decode_frame(record)
                if frame.last_seq >= seq or _events(frames) >= at_most_events:
                    break
                frames.append(frame)
            del self._records[: len(frames)], self._first_seqs[: len(frames)]
            self._forget(frames)
            return _events(frames)

    def _forget(self, frames: Sequence[Frame]) -> None:
        """Take out of the indexes what lies in these frames and has not come again since."""
        for key, seq in zip(*(c.tolist() for c in transactions_in(frames)), strict=True):
            if self._seq_of[key] == seq:
                del self._seq_of[key]
        for key, about, seq in zip(*(c.tolist() for c in labels_in(frames)), strict=True):
            if self._label_seq.get(key) == seq:
                self._labels_about[about].discard(key)
                del self._label_seq[key], self._about[key]
        for version, seq in zip(*(c.tolist() for c in publications_in(frames)), strict=True):
            if self._publication_seq.get(version) == seq:
                del self._publication_seq[version]

    def _usable(self, name: str) -> dict[int, list[bytes]]:
        """The snapshots after which the ledger goes on."""
        kept = self._snapshots.get(name, {})
        return {seq: kept[seq] for seq in kept if max(seq, 1) >= self.first_seq}

    def _needed_from_seq(self) -> int:
        return needed_from(lambda name: list(self._usable(name)), self.first_seq)

    def save_snapshot(self, name: str, seq: int, arrays: Mapping[str, Column]) -> None:
        """See `Ledger.save_snapshot`."""
        records = list(encode_snapshot(f"{name}@{seq}", arrays))
        with self._turn:
            self._check_open()
            check_snapshot(name, seq, self.first_seq, self._last_seq)
            kept = {**self._usable(name), seq: records}
            newest = sorted(kept, reverse=True)[:SNAPSHOTS_KEPT]
            self._snapshots[name] = {each: kept[each] for each in newest}

    def latest_snapshot(
        self, name: str, at_most_seq: int | None = None
    ) -> tuple[int, dict[str, Column]] | None:
        """See `Ledger.latest_snapshot`."""
        with self._turn:
            self._check_open()
            kept = self._usable(name)
        for seq, records in kept.items():
            if at_most_seq is None or seq <= at_most_seq:
                try:
                    return seq, decode_snapshot(f"{name}@{seq}", records)
                except CorruptFrame:
                    continue
        return None

    def close(self) -> None:
        """See `Ledger.close`."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise LedgerError("the ledger is closed", fix="open it again")


def _events(frames: Sequence[Frame]) -> int:
    return frames[-1].last_seq - frames[0].first_seq + 1 if frames else 0
