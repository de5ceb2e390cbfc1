"""Frames as Parquet tables, and back to the same bytes.

All frames of a span give one table of each name (`transaction`, `decision`, `label`, ...), with the rows of
one frame after those of the other, so that other tools can read a span as data: ids as text, keys and times
as 64-bit integers, features as lists. One more table, `frames`, has a row for each frame: its seqs and time,
how its columns were stored (types and shapes), and the SHA-256 of its record. With it every frame is made
again, and what is not the same byte for byte is refused.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from fraud_system.errors import CorruptFrame
from fraud_system.events import Column, Frame, Table
from fraud_system.ledger import encode_frame

FRAMES = "frames"
_Layout = dict[str, dict[str, list[Any]]]  # table -> column -> [dtype, shape]


def form_of(frame: Frame) -> dict[str, tuple[tuple[str, str, tuple[int, ...]], ...]]:
    """How each table of a frame is stored, but for its rows and the widths of texts.

    Frames can be in one span where they agree about the tables that they have in common.
    """
    return {
        name: tuple(
            (column, _kind(table[column]), table[column].shape[1:]) for column in sorted(table)
        )
        for name, table in frame.tables.items()
    }


def to_arrow(frames: Sequence[Frame]) -> dict[str, pa.Table]:
    """The tables of frames that follow each other and agree in form."""
    names = sorted({name for frame in frames for name in frame.tables})
    tables = {name: _joined([f.tables[name] for f in frames if name in f.tables]) for name in names}
    tables[FRAMES] = pa.table(
        {
            "first_seq": [frame.first_seq for frame in frames],
            "last_seq": [frame.last_seq for frame in frames],
            "known_time_us": [frame.known_time_us for frame in frames],
            "layout": [json.dumps(_layout(frame), sort_keys=True) for frame in frames],
            "record_sha256": [record_sha256(frame) for frame in frames],
        }
    )
    return tables


def from_arrow(tables: dict[str, pa.Table]) -> Iterator[Frame]:
    """The frames again, in order.

    Raises:
        CorruptFrame: one is not, byte for byte, what was archived.
    """
    columns = {
        name: {column: _from_arrow(table[column]) for column in table.column_names}
        for name, table in tables.items()
        if name != FRAMES
    }
    taken = dict.fromkeys(columns, 0)
    for row in tables[FRAMES].to_pylist():
        where = f"seq {row['first_seq']}..{row['last_seq']}"
        try:
            layout: _Layout = json.loads(row["layout"])
            made = {name: _cut(columns[name], taken[name], layout[name]) for name in layout}
            frame = Frame(row["first_seq"], row["last_seq"], row["known_time_us"], made)
            same = record_sha256(frame) == row["record_sha256"]
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptFrame(f"the archive cannot be read: {error!r}", field=where) from error
        if not same:
            raise CorruptFrame("the archive does not give the recorded bytes", field=where)
        for name, table in made.items():
            taken[name] += len(table["seq"])
        yield frame
    left = [name for name, count in taken.items() if count != tables[name].num_rows]
    if left:
        raise CorruptFrame("the archive has rows that belong to no frame", field=left[0])


def record_sha256(frame: Frame) -> bytes:
    """Of the record that a ledger stores of a frame."""
    return hashlib.sha256(encode_frame(frame)).digest()


def _layout(frame: Frame) -> _Layout:
    return {
        name: {each: [column.dtype.str, list(column.shape)] for each, column in table.items()}
        for name, table in frame.tables.items()
    }


def _joined(parts: list[Table]) -> pa.Table:
    return pa.table(
        {
            name: _to_arrow(np.concatenate([part[name] for part in parts]))
            for name in sorted(parts[0])
        }
    )


def _to_arrow(column: Column) -> pa.Array:
    flat = column.reshape(-1)
    values = _texts(flat) if column.dtype.kind == "S" else pa.array(flat)
    if column.ndim == 1:
        return values
    width = len(flat) // len(column) if len(column) else 0
    return pa.ListArray.from_arrays(
        pa.array(np.arange(len(column) + 1) * width, pa.int32()), values
    )


def _texts(flat: Column) -> pa.Array:
    """Text where it is text, else bytes; the zeros at the end are padding."""
    values = pa.array(flat.tolist(), pa.binary())
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid:
        return values


def _from_arrow(column: pa.ChunkedArray) -> Column:
    """One-dimensional; lists come one after the other."""
    values = column.combine_chunks()
    if isinstance(values, pa.ChunkedArray):  # as an empty column comes
        values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], column.type)
    if pa.types.is_list(values.type):
        values = values.flatten()
    if pa.types.is_string(values.type) or pa.types.is_binary(values.type):
        texts = values.cast(pa.binary()).to_pylist()
        return np.array(texts, f"S{max(1, max(map(len, texts), default=1))}")
    return np.asarray(values.to_numpy(zero_copy_only=False))


def _cut(columns: Table, start: int, layout: dict[str, list[Any]]) -> Table:
    """The next rows of a table, in the types and shapes that they had."""
    made = {}
    for name, (dtype, shape) in layout.items():
        width = int(np.prod(shape[1:], dtype=np.int64))
        flat = columns[name][start * width : (start + shape[0]) * width]
        made[name] = flat.astype(np.dtype(dtype)).reshape(shape)
    return made


def _kind(column: Column) -> str:
    return "S" if column.dtype.kind == "S" else column.dtype.str
