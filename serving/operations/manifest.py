"""What a backup says of itself, so that a restore can tell whether all of it is there and unchanged."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

import msgspec

from fraud_system.durable_files import disk_errors, sha256_of, write_file
from fraud_system.errors import ArtefactError

MANIFEST = "manifest.json"
_MAX_MANIFEST_BYTES = 1 << 20


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file.

    Args:
        name: its path below the manifest, with `/`; neither absolute nor leading upwards.
        bytes: its length.
        sha256: of its content, in hexadecimal.
    """

    name: Annotated[
        str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][\w.-]*)?\Z")
    ]
    bytes: Annotated[int, msgspec.Meta(ge=0)]
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]

    @classmethod
    def of(cls, folder: Path, name: str) -> Self:
        """Read a file as the disk has it."""
        path = folder / name
        return cls(name, path.stat().st_size, sha256_of(path))

    def check(self, folder: Path) -> None:
        """Compare a file with what is said of it.

        Raises:
            ArtefactError: it is missing or another one.
        """
        path = folder / self.name
        if not path.is_file():
            raise ArtefactError("is missing", field=str(path))
        if path.stat().st_size != self.bytes or sha256_of(path) != self.sha256:
            raise ArtefactError("is not what was written", field=str(path), fix="take another copy")


class BackupManifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A backup's content.

    Args:
        format: of backups.
        made_at: when it was begun; what was acknowledged before is in it.
        first_seq, last_seq: of the events in its ledger; those before `first_seq` were archived.
        known_time: of the last event.
        settings: fingerprint of the settings.
        files: all of them, but the manifest itself.
    """

    format: Literal[1] = 1
    made_at: Annotated[datetime, msgspec.Meta(tz=True)]
    first_seq: int
    last_seq: int
    known_time: Annotated[datetime, msgspec.Meta(tz=True)] | None
    settings: str
    files: list[FileEntry]

    def write(self, folder: Path) -> None:
        """Leave it beside the files."""
        content = msgspec.json.format(msgspec.json.encode(self), indent=1)
        write_file(folder / MANIFEST, content + b"\n")


def read_manifest(folder: Path) -> BackupManifest:
    """The manifest of a backup.

    Raises:
        ArtefactError: there is none, or it is not usable.
    """
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(_MAX_MANIFEST_BYTES), type=BackupManifest)
    except FileNotFoundError as error:
        raise ArtefactError(
            "holds no backup", field=str(folder), fix="name a folder that make backup left"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArtefactError(f"is damaged: {error}", field=str(path)) from error


def check_files(folder: Path, files: Iterable[FileEntry]) -> None:
    """Compare every file with what the manifest says of it.

    Raises:
        ArtefactError: one is missing or another one.
        LedgerError: the disk refuses.
    """
    with disk_errors("cannot read the backup"):
        for each in files:
            each.check(folder)
