"""The embedded durable ledger: one SQLite file, one writer process, any number of reading ones.

Snapshots are files in the folder `<path>-snapshots` beside it (see `snapshot_files`).

An append is one transaction in WAL mode with `synchronous=FULL`: when it returns, the frames are on
the disk as far as the operating system and the disk tell the truth about it.

Every read is one short transaction, so a slow reader never keeps the log from being cut.
"""

import hashlib
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from fraud_system.closing import Closing
from fraud_system.errors import CorruptFrame, LedgerError
from fraud_system.events import Column, Frame
from fraud_system.ledger import sqlite_index
from fraud_system.ledger.base import (
    DROPPED_AT_ONCE,
    check_chain,
    check_droppable,
    check_held,
    check_not_dropped,
    check_position,
    check_snapshot,
    needed_from,
)
from fraud_system.ledger.codec import decode_frame, encode_frame
from fraud_system.ledger.places import labels_in, publications_in, transactions_in
from fraud_system.ledger.snapshot_files import SnapshotFiles
from fraud_system.ledger.sqlite_file import connected, ledger_errors, writer_lock
from fraud_system.ledger.sqlite_schema import prepare

_OLDEST_FRAMES = "SELECT first_seq, last_seq, data FROM frames ORDER BY first_seq"
_FRAME_HOLDING = """
SELECT first_seq, last_seq, known_time_us, data FROM frames
WHERE first_seq = (SELECT max(first_seq) FROM frames WHERE first_seq <= ?1) AND last_seq >= ?1
"""

Found = TypeVar("Found")


def snapshot_folder(path: Path) -> Path:
    """Where the snapshots of the ledger at `path` are."""
    return Path(f"{path}-snapshots")


class SqliteLedger(Closing):
    """`Ledger` in one SQLite file.

    The writer holds a lock on the file `<path>-writer` beside it; a second writer is refused.
    Readers (`read_only=True`) may live in other processes; for them too SQLite must be able to make
    its `-wal` and `-shm` files beside the ledger, and a reader that closes last leaves them there.
    POSIX only; not for network drives.

    An append that raised may after a crash of the machine be found stored, as a whole, never in
    part.

    Raises:
        LedgerError: another writer has the ledger, it is no ledger or one of another version, or
            the file system refuses.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, SqliteLedger(Path(folder) / "l.db") as ledger:
    ...     ledger.last_seq, list(ledger.frames())
    (0, [])
    """

    def __init__(self, path: Path | str, *, read_only: bool = False) -> None:
        self._path = Path(path).resolve()
        self._read_only = read_only
        self._turn = threading.Lock()
        with ExitStack() as stack, ledger_errors(self._path):
            if not read_only:
                stack.enter_context(writer_lock(self._path))
            self._connection = connected(self._path, "ro" if read_only else "rwc")
            stack.callback(self._connection.close)
            prepare(self._connection, self._path, read_only)
            self._held = stack.pop_all()
        self._snapshots = SnapshotFiles(snapshot_folder(self._path), self._history_at)

    @property
    def first_seq(self) -> int:
        """See `Ledger.first_seq`."""
        rows = self._rows("SELECT first_seq FROM frames ORDER BY first_seq LIMIT 1", ())
        return rows[0][0] if rows else 1

    @property
    def last_seq(self) -> int:
        """See `Ledger.last_seq`."""
        with self._turn, ledger_errors(self._path):
            return self._read_last_seq()

    def append(self, frames: Sequence[Frame], reusable_before_seq: int = 0) -> None:
        """See `Ledger.append`."""
        records = [(f.first_seq, f.last_seq, f.known_time_us, encode_frame(f)) for f in frames]
        transactions, labels = transactions_in(frames), labels_in(frames)
        publications = publications_in(frames)
        with self._commit() as connection:
            check_chain(frames, self._read_last_seq())
            connection.executemany("INSERT INTO frames VALUES (?, ?, ?, ?)", records)
            sqlite_index.store_transactions(connection, transactions, reusable_before_seq)
            sqlite_index.store_labels(connection, labels, reusable_before_seq)
            sqlite_index.store_publications(connection, publications)

    def frames(self, after_seq: int = 0) -> Iterator[Frame]:
        """See `Ledger.frames`."""
        check_position(after_seq, self.first_seq, self.last_seq)
        while after_seq < self.last_seq:
            frame = self._frame_holding(after_seq + 1)
            after_seq = frame.last_seq
            yield frame
            del frame  # or two would be held while the next is read

    def seq_of(self, transaction_key: int) -> int | None:
        """See `Ledger.seq_of`."""
        return self._looked_up(sqlite_index.transaction_seq, transaction_key)

    def label_seqs(self, transaction_key: int) -> list[int]:
        """See `Ledger.label_seqs`."""
        return self._looked_up(sqlite_index.label_seqs, transaction_key)

    def known_labels(self, label_keys: Iterable[int]) -> dict[int, int]:
        """See `Ledger.known_labels`."""
        return self._looked_up(sqlite_index.known_labels, label_keys)

    def publication_seq(self, version: int) -> int | None:
        """See `Ledger.publication_seq`."""
        return self._looked_up(sqlite_index.publication_seq, version)

    def frame_at(self, seq: int) -> Frame:
        """See `Ledger.frame_at`."""
        check_held(seq, self.first_seq, self.last_seq)
        return self._frame_holding(seq)

    @property
    def needed_from_seq(self) -> int:
        """See `Ledger.needed_from_seq`."""
        with ledger_errors(self._path):
            return needed_from(self._snapshots.usable_seqs, self.first_seq)

    def drop_before(self, seq: int, at_most_events: int = DROPPED_AT_ONCE) -> int:
        """See `Ledger.drop_before`."""
        check_droppable(seq, self.needed_from_seq)
        with self._commit() as connection:
            frames, events = [], 0
            rows = connection.execute(_OLDEST_FRAMES)
            for first_seq, last_seq, record in rows:
                if last_seq >= seq or events >= at_most_events:
                    break
                frames.append(decode_frame(record))
                events += last_seq - first_seq + 1
            rows.close()
            places = transactions_in(frames), labels_in(frames), publications_in(frames)
            sqlite_index.remove(connection, *places)
            if frames:
                last = (frames[-1].first_seq,)
                connection.execute("DELETE FROM frames WHERE first_seq <= ?", last)
        return events

    def save_snapshot(self, name: str, seq: int, arrays: Mapping[str, Column]) -> None:
        """See `Ledger.save_snapshot`."""
        check_snapshot(name, seq, self.first_seq, self.last_seq)
        with ledger_errors(self._path):
            self._snapshots.save(name, seq, arrays)

    def latest_snapshot(
        self, name: str, at_most_seq: int | None = None
    ) -> tuple[int, dict[str, Column]] | None:
        """See `Ledger.latest_snapshot`."""
        last_seq = self.last_seq
        with ledger_errors(self._path):
            return self._snapshots.latest(
                name, last_seq if at_most_seq is None else min(at_most_seq, last_seq)
            )

    @property
    def passed_over(self) -> list[tuple[Path, str]]:
        """Snapshots that `latest_snapshot` could not use when it was asked last: the file, and why."""
        return self._snapshots.passed_over

    def close(self) -> None:
        """See `Ledger.close`."""
        with self._turn, ledger_errors(self._path):
            self._held.close()

    @contextmanager
    def _commit(self) -> Iterator[sqlite3.Connection]:
        """One durable transaction; rolled back when anything in it, or its commit, fails."""
        if self._read_only:
            raise LedgerError("the ledger was opened read-only", fix="open it as the writer")
        with self._turn, ledger_errors(self._path), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection

    def _looked_up(self, look_up: Callable[[sqlite3.Connection, Any], Found], asked: Any) -> Found:
        with self._turn, ledger_errors(self._path):
            return look_up(self._connection, asked)

    def _rows(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with self._turn, ledger_errors(self._path):
            return self._connection.execute(query, values).fetchall()

    def _read_last_seq(self) -> int:
        query = "SELECT last_seq FROM frames ORDER BY first_seq DESC LIMIT 1"
        rows = self._connection.execute(query).fetchall()
        return rows[0][0] if rows else 0

    def _history_at(self, seq: int) -> bytes | None:
        """A digest of the frame that holds an event: no other ledger goes on as this one does."""
        if seq == 0:
            return b"" if self.first_seq == 1 else None
        rows = self._rows(_FRAME_HOLDING, (seq,)) if 0 < seq <= self.last_seq else []
        return hashlib.blake2b(rows[0][3], digest_size=16).digest() if rows else None

    def _frame_holding(self, seq: int) -> Frame:
        rows = self._rows(_FRAME_HOLDING, (seq,))
        if not rows:
            check_not_dropped(seq, self.first_seq)  # perhaps while it was being read
            raise _damaged("the frame that holds this event is missing", seq, seq)
        first_seq, last_seq, known_time_us, record = rows[0]
        try:
            frame = decode_frame(record)
        except CorruptFrame as error:
            raise _damaged(f"the frame is damaged: {error.problem}", first_seq, last_seq) from error
        if (first_seq, last_seq, known_time_us) != (
            frame.first_seq,
            frame.last_seq,
            frame.known_time_us,
        ):
            raise _damaged("the frame that is stored here is another one", first_seq, last_seq)
        return frame


def _damaged(problem: str, first_seq: int, last_seq: int) -> CorruptFrame:
    where = f"seq {first_seq}" if first_seq == last_seq else f"seq {first_seq}..{last_seq}"
    return CorruptFrame(problem, field=where, fix="put an undamaged copy of the ledger back")
