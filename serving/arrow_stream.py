"""Arrow IPC streams from strangers: what could cost much more memory or time than its bytes is not even read.

pyarrow checks that a stream is well-formed, but a few bytes may stand for gigabytes: a compressed buffer, or
a dictionary with one long text that a thousand rows point to. So every message is looked at before the first
row is read (neither compressed, nor adding to a dictionary, nor too many), then names and types, and every
dictionary before its rows become texts. What is left costs a small multiple of the body's size.

Of the messages' flatbuffers three fields are read here; Arrow's `Message.fbs` gives their places.
"""

import struct
from collections.abc import Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from serving.problems import Problem
from serving.wire import MAX_TEXT

MAX_BATCHES: Final = (
    100  # record batches of one stream: each is checked by itself, with its dictionaries
)
MAX_MESSAGES: Final = 1_000
_MAX_TEXT_BYTES: Final = 4 * MAX_TEXT
_PLAIN: Final = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_timestamp,
    pa.types.is_null,
)
# Places of fields in their tables.
_HEADER: Final = 2  # of Message
_DATA, _IS_DELTA = 1, 2  # of DictionaryBatch
_COMPRESSION: Final = 3  # of RecordBatch


def read_table(body: bytes, known: set[str], max_rows: int) -> pa.Table:
    """The whole table, valid to its last byte.

    Args:
        body: an Arrow IPC stream.
        known: names that its fields may have, each once.
        max_rows: at most.

    Raises:
        Problem: 400 no Arrow stream, or one that would expand; 413 too many rows or batches; 422 a field is
            not known, comes twice, or has a dictionary of too many or too long texts.
    """
    try:
        _check_messages(body)
        batches, rows = [], 0
        with pa.ipc.open_stream(body) as reader:
            _check_fields(reader.schema, known)
            for batch in reader:
                rows += len(batch)
                if rows > max_rows:
                    raise _too_much(f"more than {max_rows} rows are not taken")
                _check_dictionaries(batch, max_rows)
                batches.append(batch)
            table = pa.Table.from_batches(batches, reader.schema)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, struct.error) as error:
        raise _refused(
            f"no Arrow IPC stream: {error}", "write it with pyarrow.ipc.new_stream"
        ) from None
    return table


def _check_messages(body: bytes) -> None:
    batches = 0
    for count, message in enumerate(_messages(body)):
        batches += message.type == "record batch"
        if batches > MAX_BATCHES or count >= MAX_MESSAGES:
            raise _too_much(f"more than {MAX_BATCHES} batches are not taken")
        if message.type == "schema":
            continue
        header = _Table.root(message.metadata.to_pybytes()).table(_HEADER)
        if message.type == "dictionary":
            if header.flag(_IS_DELTA):
                raise _refused("a message adds to a dictionary", "send whole dictionaries")
            header = header.table(_DATA)
        elif message.type != "record batch":
            raise _refused(f"a message is a {message.type}", "send record batches")
        if header.has(_COMPRESSION):
            raise _refused("its buffers are compressed", "write it without compression")


def _messages(body: bytes) -> Iterator[pa.ipc.Message]:
    yield from pa.ipc.MessageReader.open_stream(body)


class _Table:
    """A flatbuffer's table: a place in bytes, with a table of the places of its fields."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data = data
        self._place = place
        (back,) = struct.unpack_from("<i", data, place)
        self._fields = place - back
        (self._size,) = struct.unpack_from("<H", data, self._fields)

    @classmethod
    def root(cls, data: bytes) -> "_Table":
        (place,) = struct.unpack_from("<I", data, 0)
        return cls(data, place)

    def has(self, field: int) -> int:
        """The offset of a field in the table; 0 where it is left out."""
        at = 4 + 2 * field
        if at >= self._size:
            return 0
        (offset,) = struct.unpack_from("<H", self._data, self._fields + at)
        return int(offset)

    def flag(self, field: int) -> bool:
        offset = self.has(field)
        return bool(offset and self._data[self._place + offset])

    def table(self, field: int) -> "_Table":
        at = self._place + self.has(field)
        (offset,) = struct.unpack_from("<I", self._data, at)
        return _Table(self._data, at + offset)


def _check_fields(schema: pa.Schema, known: set[str]) -> None:
    """Names, and plain types: the values of others (lists, views) may overlap, without end."""
    left = set(known)
    for field in schema:
        if field.name not in left:
            problem = "the field comes twice" if field.name in known else "no such field is known"
            raise Problem(422, problem, field=field.name, fix="leave it out")
        left.remove(field.name)
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if not any(is_one(kind) for is_one in _PLAIN):
            fix = "send strings, numbers and timestamps"
            raise Problem(422, f"is {field.type}", field=field.name, fix=fix)


def _check_dictionaries(batch: pa.RecordBatch, max_values: int) -> None:
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if not pa.types.is_dictionary(column.type):
            continue
        values = column.dictionary
        if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
            problem, fix = f"is a dictionary of {values.type}", "send a dictionary of strings"
        elif len(values) > max_values:
            problem, fix = f"its dictionary has {len(values)} texts", f"send at most {max_values}"
        elif (pc.max(pc.binary_length(values)).as_py() or 0) > _MAX_TEXT_BYTES:
            problem, fix = (
                f"has texts longer than {MAX_TEXT}",
                f"send at most {MAX_TEXT} characters",
            )
        else:
            continue
        raise Problem(422, problem, field=name, fix=fix)


def _too_much(problem: str) -> Problem:
    return Problem(413, problem, field="body", fix="send them in parts")


def _refused(problem: str, fix: str) -> Problem:
    return Problem(400, problem, field="body", fix=fix)
