"""A scorer's files from a backup, at a place where there are none yet."""

from contextlib import suppress
from pathlib import Path

from fraud_system.durable_files import copy_file, disk_errors, sync_folder
from fraud_system.errors import LedgerError
from fraud_system.ledger.sqlite_file import ledger_errors, writer_lock
from serving.folders import make_folder
from serving.operations.ledger_files import LedgerFiles
from serving.operations.manifest import BackupManifest, check_files, read_manifest


def restore(backup: Path, target: LedgerFiles) -> BackupManifest:
    """Check a backup, then put its files where a server will find them; returns its manifest.

    The ledger appears last, and whole: a restore that was cut off can be told by its absence.

    Raises:
        ArtefactError: the backup is incomplete or damaged; nothing was written.
        LedgerError: something is there already, or a server has the ledger.
        ConfigError: the ledger's folder cannot be made.
    """
    manifest = read_manifest(backup)
    check_files(backup, manifest.files)
    names = {each.name for each in manifest.files}
    source = LedgerFiles(backup / "ledger.sqlite")
    make_folder(target.ledger.parent, "LEDGER")
    with (
        ledger_errors(target.ledger),
        writer_lock(target.ledger),
        disk_errors("cannot restore"),
    ):
        _check_free(target)
        target.snapshots.mkdir(exist_ok=True)
        for path in source.snapshot_files():
            if path.relative_to(backup).as_posix() in names:
                _put(path, target.snapshots / path.name)
        sync_folder(target.snapshots)
        _put(source.settings, target.settings)
        _put(source.ledger, target.ledger)
        sync_folder(target.ledger.parent)
    return manifest


def _check_free(target: LedgerFiles) -> None:
    """Nothing may be overwritten; and the log of another file would be taken for the new one's."""
    # Settings alone, or snapshots alone, are what a restore that was cut off leaves.
    for path in (target.ledger, *target.side_files, target.erasure):
        if path.exists():
            raise LedgerError(
                "is there already, and nothing is overwritten",
                field=str(path),
                fix="move the files of the old ledger away, or give another LEDGER",
            )


def _put(source: Path, target: Path) -> None:
    aside = target.with_name(f".{target.name}.restoring")
    with suppress(FileNotFoundError):
        aside.unlink()
    copy_file(source, aside)
    aside.replace(target)
