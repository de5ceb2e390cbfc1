"""Frames and snapshots as bytes, without pickle.

One record (little endian; every part begins at a multiple of 8 bytes):

    bytes   0..3    magic "FRLG"                        \\ the same in
            4..5    format version                      | every version
            6..7    kind: 1 a frame, 2 arrays           /
            8..15   length of the whole record
            16..19  length of the header
            20..23  CRC-32 of all bytes but these four
            24..    header: JSON in ASCII, keys sorted, padded with spaces
                    {"about": {...}, "tables": {table: {column: [dtype, [shape]]}}}
            then    the columns, C order, padded with zeros, in the order of the header

Equal frames give equal bytes, whatever the order of their dicts or the layout of their arrays.
Decoding copies nothing: columns are read-only views of the record, in the order of their names.
The checksum finds damage by chance; it is no protection against forgery.
"""

import json
import math
import re
import struct
import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import index
from typing import IO, Any

import numpy as np

from fraud_system.errors import CorruptFrame, LedgerError
from fraud_system.events import Column, Frame, Table

FORMAT_VERSION = 1
MAX_FRAME_BYTES = 256 * 2**20
MAX_DIMENSIONS = 4

_MAGIC = b"FRLG"
_FRAME, _ARRAYS = 1, 2
_PREFIX = struct.Struct("<4sHHQII")
_CHECKED_PREFIX_BYTES = _PREFIX.size - 4
_STORED_DTYPE = re.compile(r"\|b1|[|<][iu][1248]|<f[48]|\|S[1-9][0-9]{0,6}")
_INT64 = np.iinfo(np.int64)

_Parts = tuple[dict[str, Any], dict[str, Table]]
_Described = tuple[str, str, np.dtype[Any], tuple[int, ...]]  # table, column, type, shape


def encode_frame(frame: Frame) -> bytes:
    """One frame as bytes.

    Raises:
        LedgerError: a column is no array of numbers, bools or fixed bytes; the columns of a table
            differ in length; a table has no `seq`; the seqs are not 1 <= first <= last; or the
            record would exceed MAX_FRAME_BYTES.

    >>> tick = Frame(1, 1, 5, {"tick": {"seq": np.array([1])}})
    >>> decode_frame(encode_frame(tick)) == tick
    True
    """
    about = {
        "first_seq": index(frame.first_seq),
        "last_seq": index(frame.last_seq),
        "known_time_us": index(frame.known_time_us),
    }
    record = _encode(_FRAME, about, frame.tables)
    if problem := _problem(about, frame.tables):
        raise LedgerError(problem, field="frame")
    return record


def decode_frame(data: bytes) -> Frame:
    """The frame of `encode_frame`, as read-only views of `data`.

    Raises:
        CorruptFrame: anything is not as `encode_frame` leaves it.
    """
    about, tables = _decode(_FRAME, data)
    if problem := _problem(about, tables):
        raise CorruptFrame(problem, field="frame")
    return Frame(tables=tables, **about)


def encode_arrays(arrays: Mapping[str, Column], note: str = "") -> bytes:
    """A dict of arrays (at most 4 dimensions) as bytes, with a note of what they are.

    Raises:
        LedgerError: as `encode_frame`, for one array.

    >>> decode_arrays(encode_arrays({"weights": np.array([0.5])}))
    {'weights': array([0.5])}
    """
    return _encode(_ARRAYS, {"note": note}, {"arrays": arrays})


def decode_arrays(data: bytes, note: str = "") -> dict[str, Column]:
    """The arrays of `encode_arrays`, as read-only views of `data`.

    Raises:
        CorruptFrame: anything is not as `encode_arrays` leaves it, or the note is another.
    """
    about, tables = _decode(_ARRAYS, data)
    if about != {"note": note} or list(tables) != ["arrays"]:
        raise CorruptFrame(f"these are not the arrays of {note!r}", field="note")
    return tables["arrays"]


def read_record(file: IO[bytes]) -> bytes:
    """The next record of a file that holds several, one after the other.

    Raises:
        CorruptFrame: no record begins here, or it is cut short. Its content is yet to be checked.
    """
    prefix = file.read(_PREFIX.size)
    if len(prefix) < _PREFIX.size:
        raise CorruptFrame("the record is cut short", field="record")
    magic, _, _, size, *_ = _PREFIX.unpack(prefix)
    if magic != _MAGIC or not _PREFIX.size <= size <= MAX_FRAME_BYTES:
        raise CorruptFrame("no record begins here", field="magic")
    return prefix + file.read(size - _PREFIX.size)


def _problem(about: dict[str, Any], tables: Mapping[str, Mapping[str, Column]]) -> str | None:
    """What makes this no frame."""
    if sorted(about) != ["first_seq", "known_time_us", "last_seq"]:
        return "first_seq, last_seq and known_time_us are needed"
    if any(type(value) is not int for value in about.values()):
        return "first_seq, last_seq and known_time_us are integers"
    if not 1 <= about["first_seq"] <= about["last_seq"] <= _INT64.max:
        return "a frame holds at least one event, and seqs begin at 1"
    if not _INT64.min <= about["known_time_us"] <= _INT64.max:
        return "known_time_us does not fit 64 bits"
    for name, table in tables.items():
        if "seq" not in table or table["seq"].ndim != 1:
            return f"table {name!r} has no one-dimensional seq"
        rows = len(table["seq"])
        if any(column.ndim == 0 or len(column) != rows for column in table.values()):
            return f"the columns of table {name!r} differ in length"
    return None


def _encode(kind: int, about: dict[str, Any], tables: Mapping[str, Mapping[str, Column]]) -> bytes:
    described: list[_Described] = []
    columns: list[Column] = []
    for table_name in sorted(tables):
        table = tables[table_name]
        for name in sorted(table):
            column = table[name]
            if not isinstance(column, np.ndarray):
                raise _not_storable(f"{table_name}.{name}")
            described.append((table_name, name, column.dtype, column.shape))
            columns.append(column)
    layout, size = _layout(tuple(described), tuple(sorted(tables)))
    written = json.dumps(about, separators=(",", ":"), sort_keys=True)
    header = f'{{"about":{written},"tables":{layout}}}'
    header += " " * (-len(header) % 8)
    if (size := size + len(header)) > MAX_FRAME_BYTES:
        raise _too_large(LedgerError, "header")
    return _seal(kind, size, header.encode(), columns)


@lru_cache(maxsize=128)  # some 10 KiB each
def _layout(described: tuple[_Described, ...], tables: tuple[str, ...]) -> tuple[str, int]:
    """The header's part about the columns, and their bytes with the prefix; most frames look like others."""
    layout: dict[str, dict[str, tuple[str, tuple[int, ...]]]] = {name: {} for name in tables}
    size = _PREFIX.size
    for table_name, name, of, shape in described:
        field = f"{table_name}.{name}"
        dtype = _storable(of)
        if dtype is None:
            raise _not_storable(field)
        layout[table_name][name] = (dtype.str, shape)
        length = _column_bytes(shape, dtype)
        if length is None or (size := size + length + -length % 8) > MAX_FRAME_BYTES:
            raise _too_large(LedgerError, field)
    return json.dumps(layout, separators=(",", ":"), sort_keys=True), size


def _seal(kind: int, size: int, header: bytes, columns: list[Column]) -> bytes:
    parts: list[Any] = [header]
    for column in columns:
        flat = column
        if not (column.flags.c_contiguous and column.dtype.str[0] in "<|"):
            # np.ascontiguousarray would give a scalar array a dimension.
            flat = np.asarray(column, dtype=column.dtype.newbyteorder("<"), order="C")
        parts.append(flat)
        if padding := -flat.nbytes % 8:
            parts.append(bytes(padding))
    content = b"".join(parts)
    prefix = _PREFIX.pack(_MAGIC, FORMAT_VERSION, kind, size, len(header), 0)
    checksum = zlib.crc32(content, zlib.crc32(prefix[:_CHECKED_PREFIX_BYTES]))
    return _PREFIX.pack(_MAGIC, FORMAT_VERSION, kind, size, len(header), checksum) + content


def _decode(kind: int, data: bytes) -> _Parts:
    if len(data) > MAX_FRAME_BYTES:
        raise _too_large(CorruptFrame, "record")
    if len(data) < _PREFIX.size:
        raise CorruptFrame("the record is cut short", field="record")
    magic, version, found_kind, *_ = _PREFIX.unpack_from(data)
    if magic != _MAGIC or found_kind != kind:
        raise CorruptFrame("this is no record of the kind that was asked for", field="magic")
    read = _READERS.get(version)
    if read is None:
        raise CorruptFrame(
            f"format version {version} is not among {sorted(_READERS)}",
            field="format version",
            fix="read it with the release that wrote it, or a newer one",
        )
    return read(data)


def _read_version_1(data: bytes) -> _Parts:
    *_, size, header_bytes, checksum = _PREFIX.unpack_from(data)
    start = _PREFIX.size + header_bytes
    if size != len(data) or start % 8:
        raise CorruptFrame(f"the record has {len(data)} bytes, not {size}", field="record")
    view = memoryview(data)
    found = zlib.crc32(view[_PREFIX.size :], zlib.crc32(view[:_CHECKED_PREFIX_BYTES]))
    if found != checksum:
        raise CorruptFrame("the bytes do not match their checksum", field="record")
    try:
        header = json.loads(bytes(view[_PREFIX.size : start]))
    except (ValueError, RecursionError) as error:
        raise CorruptFrame("the header is no JSON", field="header") from error
    if not (_is_dict(header, {"about", "tables"}) and _is_dict(header["about"])):
        raise CorruptFrame("the header lacks its parts", field="header")
    return header["about"], _views(data, start, header["tables"])


def _views(data: bytes, offset: int, layout: Any) -> dict[str, Table]:
    """The columns as `layout` describes them, from `offset` to exactly the end."""
    if not (_is_dict(layout) and all(map(_is_dict, layout.values()))):
        raise CorruptFrame("the header describes no tables", field="header")
    tables: dict[str, Table] = {}
    for table_name in sorted(layout):
        table = tables[table_name] = {}
        for name in sorted(layout[table_name]):
            shape, dtype, length = _described(layout[table_name][name], f"{table_name}.{name}")
            if offset + length > len(data):
                raise CorruptFrame("a column reaches beyond the record", field=name)
            table[name] = np.ndarray(shape, dtype, data, offset)
            offset += length + -length % 8
    if offset != len(data):
        raise CorruptFrame("the columns do not fill the record", field="header")
    return tables


def _described(entry: Any, field: str) -> tuple[list[int], np.dtype[Any], int]:
    """Shape, type and bytes of a column, from an entry of the header that may be anything."""
    if isinstance(entry, list) and len(entry) == 2:
        name, shape = entry
        dtype = _dtype_named(name) if isinstance(name, str) else None
        whole = isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape)
        if dtype is not None and whole:
            length = _column_bytes(tuple(shape), dtype)
            if length is not None:
                return shape, dtype, length
    raise CorruptFrame("the header describes no column that can be stored", field=field)


def _column_bytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int | None:
    """Bytes of the column, None beyond the bounds (which hold for empty ones too)."""
    if len(shape) > MAX_DIMENSIONS:
        return None
    bound = dtype.itemsize * math.prod(max(n, 1) for n in shape)
    if bound > MAX_FRAME_BYTES:
        return None
    return bound if all(shape) else 0


@lru_cache(maxsize=256)
def _storable(dtype: np.dtype[Any]) -> np.dtype[Any] | None:
    """The little-endian form of a type that may be stored."""
    return _dtype_named(dtype.newbyteorder("<").str)


@lru_cache(maxsize=256)
def _dtype_named(name: str) -> np.dtype[Any] | None:
    return np.dtype(name) if _STORED_DTYPE.fullmatch(name) else None


def _is_dict(value: Any, keys: set[str] | None = None) -> bool:
    return isinstance(value, dict) and (keys is None or set(value) == keys)


def _not_storable(field: str) -> LedgerError:
    return LedgerError(
        "only arrays of bools, integers, floats and fixed bytes can be stored",
        field=field,
        fix="make texts 'S<k>' or keys, and times int64 microseconds",
    )


def _too_large(kind: type[LedgerError], field: str) -> LedgerError:
    return kind(
        f"larger than {MAX_FRAME_BYTES} bytes or {MAX_DIMENSIONS} dimensions",
        field=field,
        fix="use smaller micro-batches",
    )


# A reader stays for as long as any ledger holds records of its version.
_READERS: dict[int, Callable[[bytes], _Parts]] = {1: _read_version_1}
