"""A bounded sample of a table: blocks of neighbouring rows from all over the file.

For looking at data before a schema says what they are. Every column is read, but only a thin and even
choice of blocks is kept: whenever `MOST_BLOCKS` are held, every other one is let go and from then on twice
as many are passed over. So the sample is the same each time, and its size does not follow the file's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fraud_system.errors import DataError
from fraud_system.schema import ROW_NUMBER
from pipelines.csv_lines import fields, opened_lines
from pipelines.table_files import (
    NOT_READABLE,
    files_of,
    one_type,
    pickled_frame,
    plain,
    suffix_of,
    text_table,
    unreadable_file,
)

BLOCK_ROWS = 1_000
MOST_BLOCKS = 128
MOST_FILES = 16


@dataclass(frozen=True)
class TableSample:
    """What was looked at.

    Args:
        where: the name of the file or folder.
        columns: n values each, by name, in the order of the file; all of one length.
        unusable: columns that no schema can name, and why.
        rows: n, the rows that were looked at.
        of_rows: the rows that they were chosen from.
        files, of_files: how many files were opened, of how many in the folder; 1 of 1 for a file.
    """

    where: str
    columns: dict[str, pa.ChunkedArray]
    unusable: dict[str, str]
    rows: int
    of_rows: int
    files: int
    of_files: int


class _Thinned:
    """Every second, fourth, eighth, ... block, so many that they are at most `MOST_BLOCKS`."""

    def __init__(self, most: int) -> None:
        self.most, self.step, self.seen = most, 1, 0
        self.kept: list[pa.Table] = []

    def wants_next(self) -> bool:
        """Is the next block one to keep? Counts it as seen."""
        self.seen += 1
        return (self.seen - 1) % self.step == 0

    def keep(self, block: pa.Table) -> None:
        self.kept.append(block)
        if len(self.kept) > self.most:
            self.kept = self.kept[::2]
            self.step *= 2


def sample_table(path: Path) -> TableSample:
    """Look at a file, or at up to `MOST_FILES` files of a folder, the first and the last among them.

    Raises:
        DataError: it cannot be read, or has no rows or no names of columns.
    """
    files = files_of(path)
    places = np.unique(np.linspace(0, len(files) - 1, min(len(files), MOST_FILES)).astype(int))
    chosen = [files[place] for place in places]
    names = _names(chosen[0])
    usable, unusable = _sorted_out(names)
    of_rows = 0
    pieces: list[pa.Table] = []
    for file in chosen:
        thinned = _Thinned(max(1, MOST_BLOCKS // len(chosen)))
        try:
            of_rows += _read_blocks(file, thinned)
        except NOT_READABLE as error:
            raise unreadable_file(file, error) from error
        pieces += thinned.kept
        for name in usable if thinned.kept else ():
            if name not in thinned.kept[0].column_names:
                unusable[name] = f"not in {file.name}"
    rows = sum(len(piece) for piece in pieces)
    usable = [name for name in usable if name not in unusable]
    if rows == 0 or not usable:
        raise DataError("has no rows with named columns", field=path.name, fix="check the file")
    columns = {name: plain(one_type([piece[name] for piece in pieces])) for name in usable}
    return TableSample(path.name, columns, unusable, rows, of_rows, len(chosen), len(files))


def _names(path: Path) -> list[str]:
    try:
        if suffix_of(path) == ".parquet":
            return list(pq.read_schema(path).names)
        if suffix_of(path) == ".pkl":
            return list(pickled_frame(path).names)
        with opened_lines(path) as lines:
            return fields(next(lines, "")) or []
    except NOT_READABLE as error:
        raise unreadable_file(path, error) from error


def _sorted_out(names: list[str]) -> tuple[list[str], dict[str, str]]:
    """The names that a schema can use, and why the others cannot be used."""
    unusable: dict[str, str] = {}
    for name in names:
        if not name.strip():
            unusable[name] = "has no name"
        elif names.count(name) > 1:
            unusable[name] = "two columns have this name"
        elif name == ROW_NUMBER:
            unusable[name] = "this name stands for the number of the row"
    return [name for name in names if name not in unusable], unusable


def _read_blocks(path: Path, thinned: _Thinned) -> int:
    """Keep blocks of a file; gives its number of rows."""
    if suffix_of(path) == ".parquet":
        with pq.ParquetFile(path) as file:
            usable, _ = _sorted_out(list(file.schema_arrow.names))
            for batch in file.iter_batches(batch_size=BLOCK_ROWS, columns=usable):
                if thinned.wants_next():
                    thinned.keep(pa.Table.from_batches([batch]))
            return int(file.metadata.num_rows)
    if suffix_of(path) == ".pkl":
        frame = pickled_frame(path)
        usable, _ = _sorted_out(list(frame.names))
        table = pa.table({name: frame.column(name) for name in usable})
        for start in range(0, max(1, frame.rows), BLOCK_ROWS):
            if thinned.wants_next():
                thinned.keep(table.slice(start, BLOCK_ROWS))
        return frame.rows
    with opened_lines(path) as lines:
        return _read_csv_blocks(lines, thinned)


def _read_csv_blocks(lines: Iterator[str], thinned: _Thinned) -> int:
    header = fields(next(lines, "")) or []
    usable, _ = _sorted_out(header)
    at = [header.index(name) for name in usable]
    rows = 0
    while block := list(islice(lines, BLOCK_ROWS)):
        rows += len(block)
        if thinned.wants_next():
            split = [fields(line) for line in block]
            whole = [each for each in split if each is not None and len(each) == len(header)]
            thinned.keep(text_table([[each[place] for place in at] for each in whole], usable))
    return rows
