"""The embedded durable ledger: one SQLite file, one writer process, any number of reading ones.

An append is one transaction in WAL mode with `synchronous=FULL`: when it returns, the frames are on
the disk as far as the operating system and the disk tell the truth about it.

Every read is one short transaction, so a slow reader never keeps the log from being cut.
"""

import fcntl
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

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

LEDGER_VERSION = 1
BUSY_TIMEOUT_S = 5.0
_LARGEST_SEQ = 2**63 - 1

# Keys are hashes, so every insert lands on a random page of the index, and each page that a commit
# touches is written whole: the more transactions a commit holds, the more share a page. Measured at
# 8 x 1000 a commit up to 1.5 M: larger pages and rarer checkpoints give about one and a half times
# the throughput of SQLite's defaults. The price is a pause of some 30 ms at each checkpoint.
_PAGE_BYTES = 8192
_CHECKPOINT_PAGES = 8000
_CACHE_KIB = 64 * 1024

_FIXES = {  # by SQLite's name of the error, without its details
    "SQLITE_CANTOPEN": "the folder must exist and be writable, for readers too",
    "SQLITE_READONLY": "the file and its folder must be writable",
    "SQLITE_IOERR": "look at the disk: is it full, or failing?",
    "SQLITE_FULL": "free some space on the disk; what was acknowledged is safe",
    "SQLITE_CORRUPT": "restore the file from a copy",
}

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE frames (
    first_seq INTEGER PRIMARY KEY,
    last_seq INTEGER NOT NULL,
    known_time_us INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE TABLE transaction_index (
    transaction_key INTEGER PRIMARY KEY, -- the uint64 key as two's complement
    seq INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE snapshots (
    name TEXT NOT NULL,
    seq INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (name, seq)
);
INSERT INTO meta VALUES ('ledger_version', {LEDGER_VERSION});
COMMIT;
"""

_FRAME_HOLDING = """
SELECT first_seq, last_seq, known_time_us, data FROM frames
WHERE first_seq = (SELECT max(first_seq) FROM frames WHERE first_seq <= ?1) AND last_seq >= ?1
"""

_LATEST_SNAPSHOT = """
SELECT seq, data FROM snapshots WHERE name = ? AND seq <= ? ORDER BY seq DESC LIMIT 1
"""

_DROP_OLD_SNAPSHOTS = """
DELETE FROM snapshots WHERE name = :name AND seq NOT IN
(SELECT seq FROM snapshots WHERE name = :name ORDER BY seq DESC LIMIT :kept)
"""


class SqliteLedger:
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
        with ExitStack() as stack, _ledger_errors(self._path):
            if not read_only:
                stack.enter_context(_writer_lock(self._path))
            self._connection = _connected(self._path, "ro" if read_only else "rwc")
            stack.callback(self._connection.close)
            self._prepare()
            self._held = stack.pop_all()

    def _prepare(self) -> None:
        """Check whose file this is before anything in it is changed; make an empty one a ledger."""
        connection = self._connection
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if tables:
            rows = []
            if "meta" in tables:
                found = "SELECT value FROM meta WHERE name = 'ledger_version'"
                rows = connection.execute(found).fetchall()
            if rows != [(LEDGER_VERSION,)]:
                version = rows[0][0] if rows else "none"
                raise LedgerError(
                    f"{self._path} has version {version}, this release reads {LEDGER_VERSION}",
                    field="ledger_version",
                    fix="give the path of a ledger, or use the release that wrote it",
                )
        elif self._read_only:
            raise LedgerError(
                f"{self._path} is empty", fix="let the writer create the ledger first"
            )
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        if self._read_only:
            return
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")  # only an empty file obeys
        if connection.execute("PRAGMA journal_mode = WAL").fetchall() != [("wal",)]:
            raise LedgerError(f"{self._path} cannot have a write-ahead log", fix="use a local disk")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        if not tables:
            connection.executescript(_SCHEMA)

    @property
    def last_seq(self) -> int:
        """See `Ledger.last_seq`."""
        with self._turn, _ledger_errors(self._path):
            return self._read_last_seq()

    def append(self, frames: Sequence[Frame]) -> None:
        """See `Ledger.append`."""
        records = [(f.first_seq, f.last_seq, f.known_time_us, encode_frame(f)) for f in frames]
        keys, seqs = transaction_places(frames)
        signed = keys.view(np.int64)
        # In key order neighbours share pages that are in the cache.
        order = np.argsort(signed)
        places = zip(signed[order].tolist(), seqs[order].tolist(), strict=True)
        with self._commit() as connection:
            check_chain(frames, self._read_last_seq())
            connection.executemany("INSERT INTO frames VALUES (?, ?, ?, ?)", records)
            try:
                connection.executemany("INSERT INTO transaction_index VALUES (?, ?)", places)
            except sqlite3.IntegrityError as error:
                raise repeated_transaction() from error

    def frames(self, after_seq: int = 0) -> Iterator[Frame]:
        """See `Ledger.frames`."""
        check_position(after_seq, self.last_seq)
        while after_seq < self.last_seq:
            frame = self._frame_holding(after_seq + 1)
            after_seq = frame.last_seq
            yield frame
            del frame  # or two would be held while the next is read

    def seq_of(self, transaction_key: int) -> int | None:
        """See `Ledger.seq_of`."""
        signed = int(np.uint64(transaction_key).view(np.int64))
        query = "SELECT seq FROM transaction_index WHERE transaction_key = ?"
        rows = self._rows(query, (signed,))
        return rows[0][0] if rows else None

    def frame_at(self, seq: int) -> Frame:
        """See `Ledger.frame_at`."""
        check_held(seq, self.last_seq)
        return self._frame_holding(seq)

    def save_snapshot(self, name: str, seq: int, arrays: Mapping[str, Column]) -> None:
        """See `Ledger.save_snapshot`."""
        record = encode_arrays(arrays, note=f"{name}@{seq}")
        with self._commit() as connection:
            check_position(seq, self._read_last_seq())
            connection.execute("REPLACE INTO snapshots VALUES (?, ?, ?)", (name, seq, record))
            connection.execute(_DROP_OLD_SNAPSHOTS, {"name": name, "kept": SNAPSHOTS_KEPT})

    def latest_snapshot(
        self, name: str, at_most_seq: int | None = None
    ) -> tuple[int, dict[str, Column]] | None:
        """See `Ledger.latest_snapshot`."""
        bound = _LARGEST_SEQ if at_most_seq is None else min(at_most_seq, _LARGEST_SEQ)
        while rows := self._rows(_LATEST_SNAPSHOT, (name, bound)):
            seq, record = rows[0]
            try:
                return seq, decode_arrays(record, note=f"{name}@{seq}")
            except CorruptFrame:
                bound = seq - 1
        return None

    def close(self) -> None:
        """See `Ledger.close`."""
        with self._turn, _ledger_errors(self._path):
            self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _commit(self) -> Iterator[sqlite3.Connection]:
        """One durable transaction; rolled back when anything in it, or its commit, fails."""
        if self._read_only:
            raise LedgerError("the ledger was opened read-only", fix="open it as the writer")
        with self._turn, _ledger_errors(self._path), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection

    def _rows(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with self._turn, _ledger_errors(self._path):
            return self._connection.execute(query, values).fetchall()

    def _read_last_seq(self) -> int:
        query = "SELECT last_seq FROM frames ORDER BY first_seq DESC LIMIT 1"
        rows = self._connection.execute(query).fetchall()
        return rows[0][0] if rows else 0

    def _frame_holding(self, seq: int) -> Frame:
        rows = self._rows(_FRAME_HOLDING, (seq,))
        if not rows:
            raise CorruptFrame(f"the frame that holds event {seq} is missing", field="frames")
        *place, record = rows[0]
        frame = decode_frame(record)
        if place != [frame.first_seq, frame.last_seq, frame.known_time_us]:
            raise CorruptFrame(f"the frame stored at {place[0]} is another one", field="frames")
        return frame


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )


@contextmanager
def _writer_lock(path: Path) -> Iterator[IO[bytes]]:
    """The exclusive right to write, given back by the operating system when the process ends."""
    with Path(f"{path}-writer").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LedgerError(
                f"{path} has a writer already",
                fix="stop the other process, or open it with read_only=True",
            ) from error
        yield file


@contextmanager
def _ledger_errors(path: Path) -> Iterator[None]:
    """What SQLite and the file system raise, as errors of this system."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        name = "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])
        kind = CorruptFrame if name == "SQLITE_CORRUPT" else LedgerError
        raise kind(f"{path}: {error}", fix=_FIXES.get(name, "")) from error
    except (sqlite3.Error, OSError) as error:
        raise LedgerError(f"{path}: {error}") from error
