"""Files that are whole and on the disk before anybody sees them under their names."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from fraud_system.errors import LedgerError

_CHUNK_BYTES = 1 << 20


def sha256_of(path: Path) -> str:
    """Of a file's content as the disk has it, in hexadecimal; what was read does not stay in memory.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     sha256_of(Path(file.name))[:8]
    'e3b0c442'
    """
    found = hashlib.sha256()
    with path.open("rb") as file:
        # Else a fault of the disk would hide behind the pages just written; and a large file that is read
        # once would push out what a server beside needs.
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while chunk := file.read(_CHUNK_BYTES):
            found.update(chunk)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return found.hexdigest()


def copy_file(source: Path, target: Path) -> None:
    """A copy, on the disk when this returns (but its name only after `sync_folder`)."""
    with source.open("rb") as reading, target.open("xb") as writing:
        unsynced = 0
        while chunk := reading.read(_CHUNK_BYTES):
            writing.write(chunk)
            unsynced += len(chunk)
            if (
                unsynced >= 16 * _CHUNK_BYTES
            ):  # else one long sync would hold up the commits of a server
                _sync(writing)
                unsynced = 0
        _sync(writing)


def write_file(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace a file: the old content or the new one is there, never a part."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)  # of a process that was killed
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "wb") as file:  # noqa: PTH123  a descriptor, not a path
        file.write(content)
        _sync(file)
    aside.replace(path)
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Bring a file's content to the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """What the file system raises, as an error of this system."""
    try:
        yield
    except OSError as error:
        raise LedgerError(
            f"{what}: {error.strerror or error}",
            field=str(error.filename or ""),
            fix="look at the disk and at who may write there",
        ) from error


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
