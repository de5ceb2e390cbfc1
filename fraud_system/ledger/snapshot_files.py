"""Snapshots as files in a folder beside the ledger: `<name>-<seq, 20 digits>.snapshot`.

Any process that can read the ledger may save one, so the writer never stands still for it. A file
appears under its name when it is whole and on the disk; what is being written ends in `.unfinished`
and is locked, so what is left of a process that died can be told and removed.

A file may outlive the ledger that it belongs to, for instance when an older copy of the ledger is put
back. So each holds its `history`, a digest of the frame that it was made after: a snapshot of another
history is passed over as a damaged one is, and removed when the next is saved.
"""

import errno
import fcntl
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from fraud_system.durable_files import sync_folder
from fraud_system.errors import CorruptFrame, LedgerError
from fraud_system.events import Column
from fraud_system.ledger.base import SNAPSHOTS_KEPT
from fraud_system.ledger.codec import read_record
from fraud_system.ledger.snapshots import decode_head, decode_snapshot, encode_snapshot

MAX_SAVING_AT_ONCE = 16
_UNFINISHED = ".unfinished"


class SnapshotFiles:
    """The snapshots of one ledger.

    Args:
        folder: made when the first is saved.
        history_at: the digest of the ledger at a seq; None where it does not reach or no longer does.
    """

    def __init__(self, folder: Path, history_at: Callable[[int], bytes | None]) -> None:
        self._folder = folder
        self._history_at = history_at
        self._passed_over: dict[str, list[tuple[Path, str]]] = {}

    @property
    def passed_over(self) -> list[tuple[Path, str]]:
        """What `latest` could not use when it was asked last for each name: the file, and why."""
        return [each for found in self._passed_over.values() for each in found]

    def save(self, name: str, seq: int, arrays: Mapping[str, Column]) -> None:
        """See `Ledger.save_snapshot`; raises OSError where the disk refuses."""
        history = self._history_at(seq)
        if history is None:
            raise LedgerError(
                "the events of the snapshot are not in the ledger", field=f"seq {seq}"
            )
        if not self._folder.exists():
            self._folder.mkdir(exist_ok=True)
            sync_folder(self._folder.parent)
        self._remove_abandoned()
        with _unfinished(self._folder, name) as (file, path):
            for record in encode_snapshot(f"{name}@{seq}", arrays, history):
                file.write(record)
            file.flush()
            os.fsync(file.fileno())
            path.replace(self._path(name, seq))
        sync_folder(self._folder)
        for old in set(self._seqs(name)) - set(self.usable_seqs(name)):
            self._path(name, old).unlink(missing_ok=True)

    def latest(self, name: str, at_most_seq: int | None) -> tuple[int, dict[str, Column]] | None:
        """See `Ledger.latest_snapshot`."""
        while True:
            seqs = self._seqs(name)
            noted = self._passed_over[name] = list[tuple[Path, str]]()
            for seq in seqs:
                if at_most_seq is None or seq <= at_most_seq:
                    with _passed_over(self._path(name, seq), noted):
                        return seq, self._read(name, seq)
            if seqs == self._seqs(name):
                return None  # else a newer one has pushed out what was just listed

    def usable_seqs(self, name: str) -> list[int]:
        """Of the newest `SNAPSHOTS_KEPT` of this history, by what their first records say."""
        found = []
        for seq in self._seqs(name):
            path = self._path(name, seq)
            with _passed_over(path, []), path.open("rb") as file:
                self._check_head(name, seq, read_record(file))
                found.append(seq)
        return found[:SNAPSHOTS_KEPT]

    def _read(self, name: str, seq: int) -> dict[str, Column]:
        with self._path(name, seq).open("rb") as file:
            self._check_head(name, seq, read_record(file))
            file.seek(0)
            return decode_snapshot(f"{name}@{seq}", _records(file))

    def _check_head(self, name: str, seq: int, record: bytes) -> None:
        if decode_head(f"{name}@{seq}", record).history != self._history_at(seq):
            raise CorruptFrame("the snapshot is of another ledger", field=f"{name}@{seq}")

    def _path(self, name: str, seq: int) -> Path:
        return self._folder / f"{name}-{seq:020}.snapshot"

    def _seqs(self, name: str) -> list[int]:
        """Of all files of this name, newest first."""
        if not self._folder.exists():
            return []
        pattern = re.compile(rf"{re.escape(name)}-([0-9]{{20}})\.snapshot")
        found = [pattern.fullmatch(path.name) for path in self._folder.iterdir()]
        return sorted((int(match[1]) for match in found if match), reverse=True)

    def _remove_abandoned(self) -> None:
        """What processes that died were writing; nobody holds its lock."""
        for path in self._folder.glob(f"*{_UNFINISHED}"):
            with suppress(FileNotFoundError), path.open("rb") as file:
                if _claimed(file, path):
                    path.unlink()


@contextmanager
def _passed_over(path: Path, noted: list[tuple[Path, str]]) -> Iterator[None]:
    """What cannot be read any more is noted and no error: an older one gives the same state, later."""
    try:
        yield
    except FileNotFoundError:
        return  # pushed out by a newer one
    except CorruptFrame as error:
        noted.append((path, error.problem))
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        noted.append((path, str(error.strerror)))


@contextmanager
def _unfinished(folder: Path, name: str) -> Iterator[tuple[IO[bytes], Path]]:
    """An empty file that no other process or thread writes; gone afterwards, unless renamed."""
    for number in range(MAX_SAVING_AT_ONCE):
        path = folder / f"{name}.{number}{_UNFINISHED}"
        with path.open("ab") as file:
            if not _claimed(file, path):
                continue
            try:
                file.truncate(0)
                yield file, path
            finally:
                # Once it is renamed, another may be writing a file of this name.
                if _is_at(path, file):
                    path.unlink()
            return
    raise LedgerError(
        f"{MAX_SAVING_AT_ONCE} others are saving a snapshot of {name}", fix="wait for them"
    )


def _claimed(file: IO[bytes], path: Path) -> bool:
    """Whether this open file is now locked, and still the one at `path`."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return _is_at(path, file)


def _is_at(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _records(file: IO[bytes]) -> Iterator[bytes]:
    end = os.fstat(file.fileno()).st_size
    while file.tell() < end:
        yield read_record(file)
