"""Erasing a card from a scorer's files, while no server runs; a crash at any place loses nothing.

    1. everything is read, and the card's transactions are found; nothing is changed if anything is damaged
    2. a note of what is to be done is written (see `journal`)
    3. the archive is written anew, span by span
    4. the snapshots are removed: they hold the old key, and a server must not start from them
    5. the ledger's frames are changed, in one transaction
    6. the ledger's file is written anew, without free pages, and its log is emptied
    7. new snapshots are made, by a replay of everything from event 1
    8. the note is removed

What was cut off is gone on with from step 3; every step can be done twice.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fraud_system.durable_files import disk_errors, sync_folder
from fraud_system.errors import LedgerError
from fraud_system.events import Frame
from fraud_system.keys import key_of
from fraud_system.ledger import SqliteLedger, encode_frame
from fraud_system.ledger.sqlite_file import connected, ledger_errors, writer_lock
from fraud_system.ledger.sqlite_schema import prepare
from fraud_system.settings import Settings
from serving.operations import journal
from serving.operations.archive import Archive
from serving.operations.erasure import Keys, Replacement, entity_of, erased, transactions_of
from serving.operations.ledger_files import LedgerFiles, check_exists, records
from serving.operations.snapshots import save_snapshots
from serving.operations.whole_ledger import WholeLedger
from serving.workers.running import read_settings

# The ledger's new content lies in a temporary file and in the log before it lies in the ledger.
_ROOM = 2.2
Progress = Callable[[str], None]


class Erased(NamedTuple):
    """What was done.

    Args:
        transactions: of the card.
        frames: that were changed in the ledger, by this run.
        spans: of the archive that were written anew, by this run.
        same_key: records in which the card's old key is still found: another kind of entity, or a
            category, with the very same text.
    """

    transactions: int
    frames: int
    spans: int
    same_key: int


def erase(
    files: LedgerFiles,
    archive: Archive,
    entity: str,
    card: str,
    new_key: int,
    progress: Progress = lambda step: None,
) -> Erased:
    """Erase one card.

    Args:
        files: of a scorer that is stopped.
        archive: all that was dropped from its ledger.
        entity: the name that the settings give to cards.
        card: its number, as it was sent.
        new_key: drawn by chance, not 0.
        progress: is told what is being done.

    Raises:
        LedgerError: a server runs, the card has no transactions, another erasure was cut off, or the disk is
            too full. Nothing was changed.
        ArtefactError, CorruptFrame: something is damaged, or the archive incomplete. Nothing was changed.
    """
    check_exists(files)
    settings = read_settings(files.settings)
    replacement = Replacement(entity_of(settings, entity), key_of(card), new_key)
    with ledger_errors(files.ledger), writer_lock(files.ledger):
        journal.check_none(files.erasure)
        _check_room(files.ledger)
        progress("reading everything")
        transactions = _find(files, archive, replacement)
        if not len(transactions):
            raise LedgerError(
                "no transaction of it is on record",
                field=entity,
                fix="give its number exactly as it was sent; an erased one is not found again",
            )
        journal.begin(files.erasure, replacement)
        return _go_on(files, archive, settings, replacement, transactions, progress)


def resume(files: LedgerFiles, archive: Archive, progress: Progress = lambda step: None) -> Erased:
    """Finish an erasure that was cut off.

    Raises:
        LedgerError: none was, or as `erase`.
    """
    check_exists(files)
    settings = read_settings(files.settings)
    with ledger_errors(files.ledger), writer_lock(files.ledger):
        replacement = journal.unfinished(files.erasure)
        progress("reading everything")
        transactions = _find(files, archive, replacement)
        return _go_on(files, archive, settings, replacement, transactions, progress)


def _go_on(
    files: LedgerFiles,
    archive: Archive,
    settings: Settings,
    replacement: Replacement,
    transactions: Keys,
    progress: Progress,
) -> Erased:
    progress("writing the archive anew")
    spans = _erase_in_archive(archive, replacement, transactions)
    with disk_errors("cannot remove the snapshots"):
        if files.snapshots.is_dir():
            for path in files.snapshots.iterdir():
                path.unlink()
            sync_folder(files.snapshots)
    progress("changing the ledger")
    frames = _erase_in_ledger(files.ledger, replacement, transactions)
    progress("making new snapshots")
    with SqliteLedger(files.ledger, read_only=True) as ledger:
        whole = WholeLedger(ledger, archive)
        same_key = sum(_holds(frame, replacement.old_key) for frame in whole.frames())
        save_snapshots(settings, whole, ledger)
    journal.end(files.erasure)
    return Erased(len(transactions), frames, spans, same_key)


def _find(files: LedgerFiles, archive: Archive, replacement: Replacement) -> Keys:
    """The keys of all transactions of the card; everything is read, so everything is whole."""
    found = []
    with SqliteLedger(files.ledger, read_only=True) as ledger:
        WholeLedger(ledger, archive)  # is complete
        for frame in _all_frames(ledger, archive):
            keys = transactions_of(frame, replacement)
            found += [keys] if len(keys) else []
    return np.unique(np.concatenate([np.zeros(0, np.uint64), *found]))


def _all_frames(ledger: SqliteLedger, archive: Archive) -> Iterator[Frame]:
    """Of archive and ledger; what is in both comes twice."""
    for span in archive.spans():
        yield from archive.frames(span)
    yield from ledger.frames(ledger.first_seq - 1)


def _erase_in_archive(archive: Archive, replacement: Replacement, transactions: Keys) -> int:
    archive.remove_unnamed()
    count = 0
    for span in archive.spans():
        changed, frames = False, []
        for frame in archive.frames(span):
            made = erased(frame, replacement, transactions)
            changed = changed or made is not None
            frames.append(made or frame)
        if changed:
            archive.replace(span, frames)
            count += 1
    return count


def _erase_in_ledger(ledger: Path, replacement: Replacement, transactions: Keys) -> int:
    with closing(connected(ledger, "rw")) as connection:
        prepare(connection, ledger, read_only=False)
        count = 0
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            for record in records(connection):
                made = erased(record.frame(), replacement, transactions)
                if made is not None:
                    data = encode_frame(made), record.first_seq
                    connection.execute("UPDATE frames SET data = ? WHERE first_seq = ?", data)
                    count += 1
        _write_anew(connection, ledger)
    return count


def _write_anew(connection: sqlite3.Connection, ledger: Path) -> None:
    """Leave nothing of what was changed in free pages, in the rest of a page, or in the log."""
    # By default the temporary file would lie where there may be little room.
    os.environ["SQLITE_TMPDIR"] = str(ledger.parent)
    _empty_log(connection)
    connection.execute("VACUUM")
    _empty_log(connection)


def _empty_log(connection: sqlite3.Connection) -> None:
    (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise LedgerError(
            "another process reads the ledger, so its log still holds what was erased",
            fix="stop it, then `python -m serving erase-card --resume`",
        )


def _check_room(ledger: Path) -> None:
    needed, free = int(_ROOM * ledger.stat().st_size), shutil.disk_usage(ledger.parent).free
    if free < needed:
        raise LedgerError(
            f"the disk has {free:,} bytes free; {needed:,} are needed to write the ledger anew",
            fix="free some space",
        )


def _holds(frame: Frame, key: int) -> bool:
    return key.to_bytes(8, "little") in encode_frame(frame)
