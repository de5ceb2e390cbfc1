"""A consistent copy of a scorer while it runs.

The ledger is copied with SQLite's online backup, from a read-only handle, within one reading transaction: so
the copy is the ledger as it was at one moment, and commits go on meanwhile. They do not wait for a reader;
what they share with it is the disk, so the copy goes in small steps, each brought to the disk, with a pause
between them. The write-ahead log of the server cannot be cut while it is read, so it grows by what is written
during the backup.

    <out>/backup-<time>-<last seq>/
        manifest.json                   see `manifest`
        ledger.sqlite                   the ledger: every event acknowledged before the backup began
        ledger.sqlite-settings.json     what it was begun with
        ledger.sqlite-snapshots/        so that a start need not replay it all

Everything is read back from the disk before the backup gets its name. API keys and the schema file are not in
it, nor are archived frames: copy those with whatever copies files, as they do not change.
"""

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from fraud_system.durable_files import copy_file, disk_errors, sync_folder
from fraud_system.errors import LedgerError
from fraud_system.ledger import SqliteLedger
from fraud_system.ledger.sqlite_file import connected, ledger_errors
from fraud_system.ledger.sqlite_schema import LEDGER_VERSION
from monitoring.overseer import SNAPSHOT
from serving.columns import time_of
from serving.folders import make_folder
from serving.operations.journal import check_none
from serving.operations.ledger_files import LedgerFiles, bounds, check_exists, check_whole
from serving.operations.manifest import BackupManifest, FileEntry
from serving.workers.running import read_settings

PAGES_IN_STEP = 256
FOLDS = ("engine", "learner", SNAPSHOT)
_UNFINISHED = ".unfinished-"


def back_up(
    source: LedgerFiles,
    out: Path,
    now: datetime,
    progress: Callable[[int, int], None] = lambda done, total: None,
    pages_in_step: int = PAGES_IN_STEP,
) -> Path:
    """Copy a scorer's files; returns the folder of the backup.

    Args:
        source: the files of a scorer that runs, or that is stopped.
        out: the folder of all backups.
        now: the time, with its zone, for the name and the manifest.
        progress: is told how many pages of how many are copied, after each step; it may pause.
        pages_in_step: how many pages are copied in one step.

    Raises:
        LedgerError: there is no ledger, another backup is running in `out`, or the disk refuses.
        CorruptFrame: the ledger is damaged, or the copy is.
        ConfigError: `out` cannot be made.
    """
    out = out.resolve()
    check_exists(source)
    check_none(source.erasure)  # a copy would keep what was to be erased
    settings = read_settings(source.settings)
    with disk_errors("cannot write the backup"), _unfinished(out) as folder:
        copy = LedgerFiles(folder / "ledger.sqlite")
        copy_file(source.settings, copy.settings)
        # Before the ledger: so none of them is newer than the copy of the ledger.
        _copy_snapshots(source, copy)
        _copy_ledger(source.ledger, copy.ledger, progress, pages_in_step)
        first_seq, last_seq, known_us = _read_back(copy.ledger)
        if first_seq > 1:
            _check_recoverable(copy.ledger, first_seq)
        names = sorted(
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
        )
        BackupManifest(
            made_at=now,
            first_seq=first_seq,
            last_seq=last_seq,
            known_time=None if known_us is None else time_of(known_us),
            settings=settings.fingerprint,
            files=[FileEntry.of(folder, name) for name in names],
        ).write(folder)
        done = out / f"backup-{now:%Y%m%dT%H%M%S}-{last_seq:020}"
        if done.exists():
            raise LedgerError("there is a backup of this name already", field=str(done))
        folder.rename(done)
        sync_folder(out)
    return done


@contextmanager
def _unfinished(out: Path) -> Iterator[Path]:
    """An empty folder, gone afterwards unless it was renamed; what a killed backup left goes, too."""
    make_folder(out, "OUT")
    descriptor = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LedgerError(
                "another backup is running", field=str(out), fix="wait for it"
            ) from error
        for left in out.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left)
        folder = out / f"{_UNFINISHED}{os.getpid()}"
        folder.mkdir()
        try:
            yield folder
        finally:
            if folder.exists():
                shutil.rmtree(folder)
    finally:
        os.close(descriptor)


def _copy_snapshots(source: LedgerFiles, copy: LedgerFiles) -> None:
    """Those that are there; one that is pushed out meanwhile has a newer one in its place."""
    copy.snapshots.mkdir()
    for path in source.snapshot_files():
        with suppress(FileNotFoundError):
            copy_file(path, copy.snapshots / path.name)
    sync_folder(copy.snapshots)


def _copy_ledger(
    source: Path, target: Path, progress: Callable[[int, int], None], pages_in_step: int
) -> None:
    with (
        ledger_errors(source),
        closing(connected(source, "ro")) as reading,
        closing(connected(target, "rwc")) as writing,
        target.open("rb") as file,
    ):
        _check_version(reading, source)
        writing.execute("PRAGMA journal_mode = OFF")
        writing.execute("PRAGMA synchronous = OFF")  # synced here, after each step
        writing.execute("PRAGMA cache_size = -512")  # so that a step is written, not kept

        def after_step(status: int, remaining: int, total: int) -> None:
            os.fdatasync(file.fileno())
            progress(total - remaining, total)

        # Without a transaction of its own the copy would begin anew after every commit of the server.
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM meta").fetchall()
        reading.backup(writing, pages=pages_in_step, progress=after_step)
        reading.execute("ROLLBACK")
        os.fsync(file.fileno())


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    query = "SELECT value FROM meta WHERE name = 'ledger_version'"
    if connection.execute(query).fetchall() != [(LEDGER_VERSION,)]:
        raise LedgerError(
            f"{path} has another version than {LEDGER_VERSION}",
            field="ledger_version",
            fix="stop the server, copy the file, and start a server of this release: it migrates it",
        )


def _read_back(ledger: Path) -> tuple[int, int, int | None]:
    """First and last seq and the last known time of a copy in which every byte has been read."""
    with ledger_errors(ledger), closing(_immutable(ledger)) as connection:
        for _ in check_whole(connection):
            pass
        (known_us,) = connection.execute("SELECT max(known_time_us) FROM frames").fetchone()
        return *bounds(connection), known_us


def _immutable(path: Path) -> sqlite3.Connection:
    """A handle that leaves nothing beside the file; only for a file that nobody else knows."""
    return sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)


def _check_recoverable(ledger: Path, first_seq: int) -> None:
    """A ledger whose beginning was archived is of no use without snapshots that reach to its rest."""
    with SqliteLedger(ledger, read_only=True) as reading:
        found = {name: reading.latest_snapshot(name) for name in FOLDS}
    for side in LedgerFiles(ledger).side_files:
        side.unlink(missing_ok=True)
    for name, snapshot in found.items():
        if snapshot is None or snapshot[0] < first_seq - 1:
            raise LedgerError(
                f"no undamaged snapshot of the {name} goes with the copy,"
                f" and the frames before {first_seq} were archived",
                fix="run the backup again; if that does not help, look at the server's snapshots",
            )
