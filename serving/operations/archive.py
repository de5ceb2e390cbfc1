"""A folder of archived frames: Parquet files, and a manifest for each span of seqs.

    frames-<first>-<last>.json          says which files belong to the span, with their SHA-256
    transaction-<first>-<last>.parquet  one file for each table, see `archive_tables`
    ...

A span is there when its manifest is: that is written last. Files that no manifest names are left over from a
process that died, and are removed by the next one that writes. Nothing is ever changed in place: an erasure
writes new files (`-1`, `-2`, ...), then the manifest, then removes the old ones.
"""

import fcntl
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from fraud_system.durable_files import disk_errors, sync_file, sync_folder, write_file
from fraud_system.errors import ArtefactError, LedgerError
from fraud_system.events import Frame
from fraud_system.ledger import encode_frame
from serving.folders import make_folder
from serving.operations.archive_tables import FRAMES, form_of, from_arrow, to_arrow
from serving.operations.manifest import FileEntry

SPAN_EVENTS = 250_000
SPAN_BYTES = 64 * 2**20
_MANIFEST = re.compile(r"frames-([0-9]{20})-([0-9]{20})\.json")
_MAX_MANIFEST_BYTES = 1 << 20


class Span(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the manifest of a span says.

    Args:
        format: of archives.
        first_seq, last_seq: of its events.
        first_known_us, last_known_us: known times of its first and its last frame.
        records_sha256: of the records of its frames, one after the other.
        generation: how often it was written anew.
        tables: name of a table -> its file.
    """

    format: Literal[1] = 1
    first_seq: Annotated[int, msgspec.Meta(ge=1)]
    last_seq: Annotated[int, msgspec.Meta(ge=1)]
    first_known_us: int
    last_known_us: int
    records_sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    generation: Annotated[int, msgspec.Meta(ge=0)] = 0
    tables: dict[str, FileEntry]

    @property
    def place(self) -> str:
        """As it is in file names."""
        return f"{self.first_seq:020}-{self.last_seq:020}"


class Archive:
    """The archived frames of one ledger.

    Args:
        folder: made when the first span is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def spans(self) -> list[Span]:
        """All of them, in order.

        Raises:
            ArtefactError: a manifest is damaged, or something is missing between two spans.
        """
        if not self.folder.is_dir():
            return []
        names = sorted(
            path.name for path in self.folder.iterdir() if _MANIFEST.fullmatch(path.name)
        )
        spans = [self._read_manifest(name) for name in names]
        for left, right in pairwise(spans):
            if right.first_seq != left.last_seq + 1:
                raise ArtefactError(
                    f"what follows event {left.last_seq} is missing", field=str(self.folder)
                )
        return spans

    def frames(self, span: Span) -> Iterator[Frame]:
        """The frames of a span, each byte for byte as it was recorded.

        Raises:
            ArtefactError: a file is missing or another one.
            CorruptFrame: a frame cannot be made again.
        """
        with disk_errors("cannot read the archive"):
            for each in span.tables.values():
                each.check(self.folder)
            try:
                tables = {
                    name: pq.read_table(self.folder / each.name)
                    for name, each in span.tables.items()
                }
            except pa.ArrowException as error:
                raise ArtefactError(f"cannot be read: {error}", field=span.place) from error
        yield from from_arrow(tables)

    def append(self, frames: Iterable[Frame]) -> Iterator[Span]:
        """Write frames that follow the last span, as spans of bounded size; yields each once it is read back.

        Raises:
            LedgerError: they do not follow, the disk refuses, or another process writes the archive.
            ConfigError: the folder cannot be made.
        """
        with disk_errors("cannot write the archive"), self._writing():
            spans = self.spans()
            next_seq = spans[-1].last_seq + 1 if spans else None
            for part in in_spans(frames):
                if next_seq not in (None, part[0].first_seq):
                    raise LedgerError(
                        f"the archive goes on at {next_seq}, not at {part[0].first_seq}",
                        field=str(self.folder),
                        fix="give the archive that belongs to this ledger",
                    )
                next_seq = part[-1].last_seq + 1
                yield self._write(part, generation=0)

    def replace(self, span: Span, frames: Sequence[Frame]) -> Span:
        """Write a span anew with changed frames; the old files are gone afterwards."""
        ends = frames[0].first_seq, frames[-1].last_seq
        if ends != (span.first_seq, span.last_seq):
            raise LedgerError("only a span's own frames can take its place", field=span.place)
        with disk_errors("cannot write the archive"), self._writing():
            new = self._write(frames, span.generation + 1)
            self._remove_unnamed()
            return new

    def remove_unnamed(self) -> None:
        """Remove files that no manifest names, such as those of a process that died."""
        if self.folder.is_dir():
            with disk_errors("cannot write the archive"), self._writing():
                pass  # it is done on entry

    def _write(self, frames: Sequence[Frame], generation: int) -> Span:
        place = f"{frames[0].first_seq:020}-{frames[-1].last_seq:020}"
        ending = f"-{generation}" if generation else ""
        files = {}
        for name, table in to_arrow(frames).items():
            path = self.folder / f"{name}-{place}{ending}.parquet"
            keyed = [c for c in table.column_names if not _is_float(table.schema.field(c).type)]
            # Floats bit by bit: a dictionary may take one nan for another.
            pq.write_table(table, path, compression="zstd", use_dictionary=keyed)
            sync_file(path)
            files[name] = FileEntry.of(self.folder, path.name)
        span = Span(
            first_seq=frames[0].first_seq,
            last_seq=frames[-1].last_seq,
            first_known_us=frames[0].known_time_us,
            last_known_us=frames[-1].known_time_us,
            records_sha256=records_sha256(frames),
            generation=generation,
            tables=files,
        )
        if records_sha256(self.frames(span)) != span.records_sha256:
            raise LedgerError("what was written cannot be read back", field=span.place)
        sync_folder(self.folder)
        content = msgspec.json.format(msgspec.json.encode(span), indent=1) + b"\n"
        write_file(self.folder / f"{FRAMES}-{place}.json", content)
        return span

    def _read_manifest(self, name: str) -> Span:
        with disk_errors("cannot read the archive"), (self.folder / name).open("rb") as file:
            content = file.read(_MAX_MANIFEST_BYTES)
        try:
            span = msgspec.json.decode(content, type=Span)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ArtefactError(f"is damaged: {error}", field=name) from error
        if f"{FRAMES}-{span.place}.json" != name or FRAMES not in span.tables:
            raise ArtefactError("is of another span", field=name)
        return span

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One process at a time; what a dead one left is removed."""
        if not self.folder.is_dir():
            make_folder(self.folder, "ARCHIVE")
            sync_folder(self.folder.parent)
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._remove_unnamed()
            yield
        except BlockingIOError as error:
            raise LedgerError(
                "another process writes the archive", field=str(self.folder), fix="wait for it"
            ) from error
        finally:
            os.close(descriptor)

    def _remove_unnamed(self) -> None:
        named = {each.name for span in self.spans() for each in span.tables.values()}
        for path in self.folder.glob("*.parquet"):
            if path.name not in named:
                path.unlink()
        sync_folder(self.folder)


def in_spans(frames: Iterable[Frame]) -> Iterator[list[Frame]]:
    """Cut frames into spans of bounded size that each agree in form."""
    part: list[Frame] = []
    form: dict[str, object] = {}
    size = 0
    for frame in frames:
        own, bytes_ = form_of(frame), _bytes_of(frame)
        fits = all(form.get(name, own[name]) == own[name] for name in own)
        events = frame.last_seq - part[0].first_seq + 1 if part else 0
        if part and not (fits and events <= SPAN_EVENTS and size + bytes_ <= SPAN_BYTES):
            yield part
            part, form, size = [], {}, 0
        part.append(frame)
        form |= own
        size += bytes_
    if part:
        yield part


def records_sha256(frames: Iterable[Frame]) -> str:
    """Of the records of frames, one after the other, in hexadecimal."""
    found = hashlib.sha256()
    for frame in frames:
        found.update(encode_frame(frame))
    return found.hexdigest()


def _bytes_of(frame: Frame) -> int:
    return sum(column.nbytes for table in frame.tables.values() for column in table.values())


def _is_float(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_list(kind) else kind
    return bool(pa.types.is_floating(inner))
