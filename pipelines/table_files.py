"""A CSV or Parquet file as Arrow columns, with the number of each row in the file.

Only the wanted columns are read. Pickles are never opened: reading one can run anything.

In a CSV file a line is a row. A quoted value cannot go over several lines, so one stray quote costs one
line and never the thousands that follow it. The separator is a comma, the encoding UTF-8.
"""

import csv
import gzip
import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fraud_system.errors import DataError
from fraud_system.toml_section import nearest
from pipelines.set_aside import EXAMPLES, SetAside, shown

CSV_SUFFIXES = (".csv", ".csv.gz")
PARQUET_SUFFIX = ".parquet"
# Rows of a CSV file that are held as Python texts at any moment.
BATCH_ROWS = 50_000
NAMES_SHOWN = 20


@dataclass(frozen=True)
class TableFile:
    """What was read.

    Args:
        where: the name of the file.
        columns: n values each; text is valid UTF-8 (U+FFFD stands for bytes that are not), times have
            lost their zone and are UTC.
        row: (n,) int64, the number of each row in the file (see `set_aside.Remark`).
        malformed: lines that are not rows, because they have too few or too many fields.
    """

    where: str
    columns: dict[str, pa.ChunkedArray]
    row: NDArray[np.int64]
    malformed: SetAside | None = None

    @property
    def rows(self) -> int:
        """All rows of the file, with the malformed ones."""
        return len(self.row) + (self.malformed.count if self.malformed else 0)


def read_table(path: Path, wanted: Sequence[str]) -> TableFile:
    """Read these columns of a file whose kind its suffix says.

    Raises:
        DataError: not a file, another kind, damaged as a whole, or a column is missing.
    """
    if not path.is_file():
        raise DataError("there is no such file", field=str(path), fix="check the path")
    name = path.name.lower()
    try:
        if name.endswith(CSV_SUFFIXES):
            return _read_csv(path, wanted)
        if name.endswith(PARQUET_SUFFIX):
            return _read_parquet(path, wanted)
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        fix = "write it again; its suffix must say what it is"
        raise DataError(f"cannot be read: {error}", field=path.name, fix=fix) from error
    raise DataError(
        "not a kind of file that is read here",
        field=path.name,
        fix=f"give {', '.join(CSV_SUFFIXES)} or {PARQUET_SUFFIX}",
    )


def fingerprint(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_columns(present: Sequence[str], wanted: Sequence[str], where: str) -> None:
    for name in wanted:
        if name not in present:
            similar = nearest(name, present)
            listed = ", ".join(present[:NAMES_SHOWN]) + (", ..." if present[NAMES_SHOWN:] else "")
            meant = f"did you mean {similar!r}? " if similar else ""
            raise DataError(
                f"there is no column {name!r}", field=where, fix=f"{meant}it has {listed}"
            )
        if list(present).count(name) > 1:
            raise DataError(f"two columns are called {name!r}", field=where, fix="rename one")


def _read_csv(path: Path, wanted: Sequence[str]) -> TableFile:
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    # Bytes that are not UTF-8 spoil their own value only.
    with opener(path, "rt", encoding="utf-8-sig", errors="replace") as lines:
        header = _fields(next(lines, "").rstrip("\n")) or []
        _check_columns(header, wanted, path.name)
        pick = itemgetter(*(header.index(name) for name in wanted))
        rows: list[tuple[str, ...]] = []
        numbers: list[int] = []
        pieces = []
        malformed, examples = 0, []
        for number, line in enumerate(lines, start=2):
            text = line.rstrip("\n")
            if not text or text.isspace():
                continue
            fields = _fields(text)
            if fields is None or len(fields) != len(header):
                malformed += 1
                if malformed <= EXAMPLES:
                    examples.append({"row": number, "value": shown(text)})
                continue
            rows.append(pick(fields))
            numbers.append(number)
            if len(rows) == BATCH_ROWS:
                pieces.append(_batch(rows, wanted))
                rows = []
        pieces.append(_batch(rows, wanted))
    table = pa.concat_tables(pieces)
    reason = f"not {len(header)} fields"
    bad = SetAside(reason, f"{path.name}: line", malformed, tuple(examples)) if malformed else None
    columns = {name: table[name] for name in wanted}
    return TableFile(path.name, columns, np.array(numbers, dtype=np.int64), bad)


def _fields(text: str) -> list[str] | None:
    """The fields of one line; None when its quotes do not close."""
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error:
        return None


def _batch(rows: list[tuple[str, ...]], wanted: Sequence[str]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ([] for _ in wanted)
    arrays = [pa.array(column, pa.large_string()) for column in columns]
    return pa.Table.from_arrays(arrays, names=list(wanted))


def _read_parquet(path: Path, wanted: Sequence[str]) -> TableFile:
    with pq.ParquetFile(path) as file:
        _check_columns(file.schema_arrow.names, wanted, path.name)
        table = file.read(columns=list(wanted))
    columns = {name: _plain(table[name]) for name in wanted}
    return TableFile(path.name, columns, np.arange(1, len(table) + 1, dtype=np.int64))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without a dictionary, without a time zone (Arrow stores UTC), and with valid text only."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if pa.types.is_timestamp(kind):
        return column.cast(pa.int64()).cast(pa.timestamp(kind.unit))
    text = (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )
    if not (text or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        return column
    stored = column.cast(pa.large_binary())
    try:
        return stored.cast(pa.large_string())
    except pa.ArrowInvalid:
        values = [None if v is None else v.decode(errors="replace") for v in stored.to_pylist()]
        return pa.chunked_array([pa.array(values, pa.large_string())])
