"""A file or a folder of files as Arrow columns, with the number of each row in its file.

    .csv .csv.gz .zip   one CSV file, see `csv_lines`
    .parquet
    .pkl                a pandas DataFrame: read as data, nothing in it is run; see `pandas_pickles`
    a folder            files of one of these kinds, one after the other by name, with the same columns;
                        names that begin with a dot do not count

Only the wanted columns are read. A column called `schema.ROW_NUMBER` is made here: the place of each row
among all rows of the data, from 1.
"""

import hashlib
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fraud_system.errors import DataError
from fraud_system.schema import ROW_NUMBER
from fraud_system.toml_section import nearest
from pipelines.csv_lines import CSV_SUFFIXES, fields, opened_lines
from pipelines.pandas_pickles import MAX_BYTES, PickledFrame, read_frame
from pipelines.set_aside import EXAMPLES, SetAside, shown

PARQUET_SUFFIX = ".parquet"
PICKLE_SUFFIX = ".pkl"
SUFFIXES = (*CSV_SUFFIXES, PARQUET_SUFFIX, PICKLE_SUFFIX)
# What a damaged file makes the libraries raise.
NOT_READABLE = (OSError, EOFError, zlib.error, zipfile.BadZipFile, pa.ArrowException)
# Rows of a CSV file that are held as Python texts at any moment.
BATCH_ROWS = 50_000
NAMES_SHOWN = 20


@dataclass(frozen=True)
class TableFile:
    """What was read.

    Args:
        where: the name of the file or folder.
        columns: n values each; text is valid UTF-8 (U+FFFD stands for bytes that are not), times have
            lost their zone and are UTC.
        row: (n,) int64, the number of each row in its file (see `set_aside.Remark`).
        place: (n,) int64, the same counted from 1 through all files, without headers.
        places: how many there are; blank and malformed lines have a place too.
        malformed: lines that are not rows, because they have too few or too many fields.
        starts: of a folder, each file and the index of its first row.
    """

    where: str
    columns: dict[str, pa.ChunkedArray]
    row: NDArray[np.int64]
    place: NDArray[np.int64]
    places: int
    malformed: tuple[SetAside, ...] = ()
    starts: dict[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """All rows, with the malformed ones."""
        return len(self.row) + sum(each.count for each in self.malformed)


def read_table(path: Path, wanted: Sequence[str]) -> TableFile:
    """Read these columns of a file whose kind its suffix says, or of all files of a folder.

    Raises:
        DataError: not there, another kind, damaged as a whole, a folder that mixes kinds, or a column is
            missing.
    """
    names = [name for name in wanted if name != ROW_NUMBER]
    tables = [_read_file(file, names) for file in files_of(path)]
    table = _joined(path.name, tables, names) if path.is_dir() else tables[0]
    if ROW_NUMBER in wanted:
        table.columns[ROW_NUMBER] = pa.chunked_array([table.place])
    return table


def files_of(path: Path) -> list[Path]:
    """The file, or the files of a folder by name.

    Raises:
        DataError: there is nothing, or nothing of one kind that is read here.
    """
    if path.is_dir():
        found = sorted(each for each in path.iterdir() if not each.name.startswith("."))
    elif path.is_file():
        found = [path]
    else:
        raise DataError("there is no such file or folder", field=str(path), fix="check the path")
    if not found:
        raise DataError("holds no files", field=str(path), fix=f"give {', '.join(SUFFIXES)}")
    for each in found:
        if not each.is_file() or suffix_of(each) is None:
            problem, fix = "not a kind of file that is read here", f"give {', '.join(SUFFIXES)}"
            raise DataError(problem, field=each.name, fix=fix)
    kinds = sorted({str(suffix_of(each)) for each in found})
    if len(kinds) > 1:
        problem = f"mixes kinds of files: {', '.join(kinds)}"
        raise DataError(problem, field=path.name, fix="give files of one kind in a folder")
    return found


def fingerprint(path: Path) -> str:
    """SHA-256 in hexadecimal, read in pieces: of a file's bytes; of a folder's names and fingerprints."""
    if path.is_dir():
        lines = [f"{file.name} {fingerprint(file)}\n" for file in files_of(path)]
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_columns(present: Sequence[str], wanted: Sequence[str], where: str) -> None:
    """Each of the wanted columns is there, once.

    Raises:
        DataError: naming the column, and the one that may be meant.
    """
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


def suffix_of(path: Path) -> str | None:
    """Which of `SUFFIXES` a file has."""
    return next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), None)


def _read_file(path: Path, wanted: Sequence[str]) -> TableFile:
    try:
        if suffix_of(path) == PARQUET_SUFFIX:
            return _read_parquet(path, wanted)
        if suffix_of(path) == PICKLE_SUFFIX:
            return _read_pickle(path, wanted)
        return _read_csv(path, wanted)
    except NOT_READABLE as error:
        raise unreadable_file(path, error) from error


def unreadable_file(path: Path, error: Exception) -> DataError:
    """What to raise for one of `NOT_READABLE`."""
    fix = "write it again; its suffix must say what it is"
    return DataError(f"cannot be read: {error}", field=path.name, fix=fix)


def _joined(where: str, tables: Sequence[TableFile], wanted: Sequence[str]) -> TableFile:
    """The files of a folder, one after the other."""
    before = np.cumsum([0, *(len(table.row) for table in tables)]).tolist()
    places = np.cumsum([0, *(table.places for table in tables)]).tolist()
    return TableFile(
        where,
        {name: one_type([table.columns[name] for table in tables]) for name in wanted},
        np.concatenate([table.row for table in tables]),
        np.concatenate([t.place + start for t, start in zip(tables, places[:-1], strict=True)]),
        places[-1],
        tuple(each for table in tables for each in table.malformed),
        {table.where: start for table, start in zip(tables, before[:-1], strict=True)},
    )


def one_type(pieces: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    """A column whose type may differ from piece to piece: as numbers if all are, else as text.

    >>> one_type([pa.chunked_array([[1]]), pa.chunked_array([[2.5]])]).to_pylist()
    [1.0, 2.5]
    >>> one_type([pa.chunked_array([[1]]), pa.chunked_array([["a"]])]).to_pylist()
    ['1', 'a']
    """
    named = [pa.table({"column": piece}) for piece in pieces]
    try:
        return pa.concat_tables(named, promote_options="permissive")["column"]
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        as_text = [table.cast(pa.schema({"column": pa.large_string()})) for table in named]
        return pa.concat_tables(as_text)["column"]


def _read_csv(path: Path, wanted: Sequence[str]) -> TableFile:
    with opened_lines(path) as lines:
        header = fields(next(lines, "")) or []
        check_columns(header, wanted, path.name)
        at = [header.index(name) for name in wanted]
        rows: list[list[str]] = []
        numbers: list[int] = []
        pieces = []
        number, malformed, examples = 1, 0, []
        for number, line in enumerate(lines, start=2):
            if line.isspace():
                continue
            values = fields(line)
            if values is None or len(values) != len(header):
                malformed += 1
                if malformed <= EXAMPLES:
                    examples.append({"row": number, "value": shown(line.rstrip("\n"))})
                continue
            rows.append([values[place] for place in at])
            numbers.append(number)
            if len(rows) == BATCH_ROWS:
                pieces.append(text_table(rows, wanted))
                rows = []
        pieces.append(text_table(rows, wanted))
    table = pa.concat_tables(pieces)
    reason = f"not {len(header)} fields"
    bad = SetAside(reason, f"{path.name}: line", malformed, tuple(examples))
    row = np.array(numbers, dtype=np.int64)
    columns = {name: table[name] for name in wanted}
    return TableFile(path.name, columns, row, row - 1, number - 1, (bad,) if malformed else ())


def text_table(rows: Sequence[Sequence[str]], names: Sequence[str]) -> pa.Table:
    """Rows of texts as columns of texts."""
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    arrays = [pa.array(column, pa.large_string()) for column in columns]
    return pa.Table.from_arrays(arrays, names=list(names))


def _read_parquet(path: Path, wanted: Sequence[str]) -> TableFile:
    with pq.ParquetFile(path) as file:
        check_columns(file.schema_arrow.names, wanted, path.name)
        table = file.read(columns=list(wanted))
    return _numbered(path, {name: plain(table[name]) for name in wanted}, len(table))


def _read_pickle(path: Path, wanted: Sequence[str]) -> TableFile:
    frame = pickled_frame(path)
    check_columns(frame.names, wanted, path.name)
    columns = {name: plain(pa.chunked_array([frame.column(name)])) for name in wanted}
    return _numbered(path, columns, frame.rows)


def pickled_frame(path: Path) -> PickledFrame:
    """The frame in a file; no more than the allowed bytes are taken from it.

    Raises:
        DataError: from `read_frame`.
    """
    with path.open("rb") as file:
        return read_frame(file.read(MAX_BYTES + 1), path.name)


def _numbered(path: Path, columns: dict[str, pa.ChunkedArray], rows: int) -> TableFile:
    row = np.arange(1, rows + 1, dtype=np.int64)
    return TableFile(path.name, columns, row, row, rows)


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
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
