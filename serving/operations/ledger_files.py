"""Where a scorer keeps what, and a ledger's records as they are stored."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from fraud_system.errors import CorruptFrame, LedgerError
from fraud_system.events import Frame
from fraud_system.ledger import decode_frame
from serving.folders import place_errors

_SNAPSHOT = re.compile(r"([a-z][a-z0-9_]{0,63})-([0-9]{20})\.snapshot")
_BEGINS = b"SQLite format 3\0"
_NEXT = """
SELECT first_seq, last_seq, known_time_us, data FROM frames
WHERE first_seq > ? ORDER BY first_seq LIMIT 1
"""


class LedgerFiles(NamedTuple):
    """The files of one scorer.

    Args:
        ledger: the ledger itself, by an absolute path; the others lie beside it.
    """

    ledger: Path

    @property
    def settings(self) -> Path:
        """What the ledger was begun with."""
        return Path(f"{self.ledger}-settings.json")

    @property
    def snapshots(self) -> Path:
        """The folder of snapshots."""
        return Path(f"{self.ledger}-snapshots")

    @property
    def erasure(self) -> Path:
        """What an erasure has yet to do; there is none but while it runs, or after it was cut off."""
        return Path(f"{self.ledger}-erasure.json")

    @property
    def side_files(self) -> tuple[Path, Path]:
        """SQLite's own, which belong to this very file: log and index of the log."""
        return Path(f"{self.ledger}-wal"), Path(f"{self.ledger}-shm")

    def snapshot_files(self) -> list[Path]:
        """All snapshots that are whole, by name."""
        if not self.snapshots.is_dir():
            return []
        return sorted(path for path in self.snapshots.iterdir() if _SNAPSHOT.fullmatch(path.name))


class Record(NamedTuple):
    """One frame as it is stored.

    Args:
        first_seq, last_seq, known_time_us: of the frame.
        data: its bytes, see `fraud_system.ledger.codec`.
    """

    first_seq: int
    last_seq: int
    known_time_us: int
    data: bytes

    def frame(self) -> Frame:
        """The frame.

        Raises:
            CorruptFrame: the bytes are damaged, or those of another frame.
        """
        frame = decode_frame(self.data)
        if (frame.first_seq, frame.last_seq, frame.known_time_us) != self[:3]:
            raise CorruptFrame(f"the frame stored at {self.first_seq} is another one")
        return frame


def records(connection: sqlite3.Connection, after_seq: int = 0) -> Iterator[Record]:
    """The records that begin after an event, in order; each is read by a statement of its own."""
    while row := connection.execute(_NEXT, (after_seq,)).fetchone():
        yield Record(*row)
        after_seq = row[0]


def bounds(connection: sqlite3.Connection) -> tuple[int, int]:
    """The first and the last seq that are stored; (1, 0) of an empty ledger."""
    first, last = connection.execute("SELECT min(first_seq), max(last_seq) FROM frames").fetchone()
    return (1, 0) if first is None else (first, last)


def check_whole(connection: sqlite3.Connection) -> Iterator[int]:
    """Read a whole ledger: SQLite's structure first, then every frame; yields each last seq.

    Raises:
        CorruptFrame: anything is damaged, or a frame is missing.
    """
    told = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if told != "ok":
        raise CorruptFrame(f"the file is damaged: {told}", fix="take another copy")
    next_seq, last_seq = bounds(connection)
    for record in records(connection, next_seq - 1):
        record.frame()
        if record.first_seq != next_seq:
            raise CorruptFrame(f"the frame that holds event {next_seq} is missing")
        next_seq = record.last_seq + 1
        yield record.last_seq
    if next_seq != last_seq + 1:
        raise CorruptFrame(f"the frames end at {next_seq - 1}, not at {last_seq}")


def check_exists(files: LedgerFiles) -> None:
    """Refuse to work on a ledger that is not there, or on what is none."""
    with place_errors(files.ledger, "LEDGER"):
        if not files.ledger.exists():
            raise LedgerError(
                f"there is no ledger at {files.ledger}",
                field="LEDGER",
                fix="name the ledger's file",
            )
        check_is_ledger(files.ledger, "LEDGER")


def check_is_ledger(path: Path, field: str) -> None:
    """Refuse a folder, or a file of something else; whether a ledger is whole is another question.

    An empty file may become a ledger.

    Args:
        path: what is there.
        field: the setting or argument that named it.

    Raises:
        LedgerError: it is no ledger.
        OSError: it cannot be read.
    """
    problem = ""
    if path.is_dir():
        problem = "is a folder, not a ledger"
    else:
        with path.open("rb") as file:
            begins = file.read(len(_BEGINS))
        if begins not in (b"", _BEGINS) or _is_of_another_program(path):
            problem = "is not a ledger"
    if problem:
        raise LedgerError(
            f"{path} {problem}",
            field=field,
            fix="name the ledger's file, or a new name for a new ledger; if it was one, restore a backup",
        )


def _is_of_another_program(path: Path) -> bool:
    """Whether it has tables, but not those of a ledger; nothing is left beside the file."""
    query = "SELECT name FROM sqlite_master WHERE type = 'table'"
    try:
        uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            tables = {name for (name,) in connection.execute(query)}
    except sqlite3.Error:
        return False  # damaged, or being written just now: whoever opens it in earnest will tell
    return bool(tables) and not {"meta", "frames"} <= tables
