"""The file of the durable ledger: connections, the right to write, and errors as this system's own."""

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from fraud_system.errors import CorruptFrame, LedgerError

BUSY_TIMEOUT_S = 5.0

_FIXES = {  # by SQLite's name of the error, without its details
    "SQLITE_CANTOPEN": "the folder must exist and be writable, for readers too",
    "SQLITE_READONLY": "the file and its folder must be writable",
    "SQLITE_IOERR": "look at the disk: is it full, or failing?",
    "SQLITE_FULL": "free some space on the disk; what was acknowledged is safe",
    "SQLITE_CORRUPT": "restore the file from a copy",
}


def connected(path: Path, mode: str) -> sqlite3.Connection:
    """A connection for all threads of this process; `mode` is `ro`, or `rwc` to create the file."""
    return sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )


@contextmanager
def writer_lock(path: Path) -> Iterator[IO[bytes]]:
    """The exclusive right to write, given back by the operating system when the process ends."""
    with Path(f"{path}-writer").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LedgerError(
                f"{path} has a writer already",
                fix="stop the other server, or wait for the command that has it",
            ) from error
        yield file


@contextmanager
def ledger_errors(path: Path) -> Iterator[None]:
    """What SQLite and the file system raise, as errors of this system."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        name = "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])
        kind = CorruptFrame if name == "SQLITE_CORRUPT" else LedgerError
        raise kind(f"{path}: {error}", fix=_FIXES.get(name, "")) from error
    except (sqlite3.Error, OSError) as error:
        fix = "the file and its folder must be there, and you may write them"
        raise LedgerError(f"{path}: {error}", fix=fix) from error
