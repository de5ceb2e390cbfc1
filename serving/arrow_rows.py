"""Batches as Arrow IPC streams: columns in, columns out, without a Python object a row.

The fields are those of the JSON transaction. Texts are `string`, `large_string` or dictionaries of them,
times timestamps with a time zone, numbers integers, floats or decimals. `arrow_stream` reads the bytes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fraud_system.events import Column, Transactions
from fraud_system.keys import keys_of
from fraud_system.limits import MAX_AMOUNT, MAX_ID_BYTES, MAX_NUMERIC
from fraud_system.schema import Schema
from serving.arrow_stream import read_table
from serving.columns import cached_key
from serving.problems import Problem
from serving.wire import MAX_TEXT, Decision


class ArrowRows:
    """Transactions that came as an Arrow table.

    Args:
        body: an Arrow IPC stream.
        schema: which fields there must be.
        max_rows: at most.

    Raises:
        Problem: 400 no Arrow stream; 413 too many rows; 422 a column is missing, unknown, of a wrong type,
            or holds what must not be there: nulls, control characters, numbers beyond their bounds.
    """

    def __init__(self, body: bytes, schema: Schema, max_rows: int) -> None:
        optional = [*schema.entities, *schema.numeric, *schema.categorical]
        table = read_table(body, {"transaction_id", "event_time", "amount", *optional}, max_rows)
        self.ids = _texts(table, "transaction_id", required=True)
        too_long = [len(each.encode()) > MAX_ID_BYTES for each in self.ids]
        if any(too_long):
            problem = f"longer than {MAX_ID_BYTES} bytes in UTF-8"
            raise _wrong_row(
                "transaction_id", too_long, problem, "send a shorter id, or a hash of it"
            )
        self._columns = Transactions(
            transaction_id=np.array([each.encode() for each in self.ids], "S"),
            transaction_key=keys_of(self.ids),
            event_time_us=_times_us(table),
            known_time_us=np.zeros(len(table), np.int64),
            amount=np.abs(_amounts(table)),  # -0.0 becomes 0.0
            entity_keys=_keys(table, list(schema.entities)),
            numeric=_stacked([_numbers(table, name) for name in schema.numeric], len(table)),
            categories=_keys(table, list(schema.categorical)),
        )
        for name, values in schema.categories.items():
            allowed = {None, *values}
            if name in table.column_names and not set(table[name].to_pylist()) <= allowed:
                raise _wrong(name, "a value that the schema does not list", f"one of {values}")

    def __len__(self) -> int:
        return len(self.ids)

    def columns(self, start: int, stop: int, known_time_us: int) -> Transactions:
        """Columns of the rows start..stop-1."""
        rows = self._columns.rows(slice(start, stop))
        return Transactions(
            **rows.table() | {"known_time_us": np.full(stop - start, known_time_us)}
        )


def arrow_answers(sent_ids: Sequence[str], answers: Sequence[Decision | Problem]) -> bytes:
    """An Arrow IPC stream of a row for each transaction, in their order.

    Columns: transaction_id, status (200, or that of a problem), probability, expected_loss, action, scorer,
    weights_version, known_time, seq (null where refused) and problem (null where decided). Reasons are
    told by `GET /v1/decisions/{transaction_id}`.
    """
    decided = [None if isinstance(each, Problem) else each for each in answers]
    fields = ("probability", "expected_loss", "action", "scorer", "weights_version", "seq")
    kinds = (pa.float64(), pa.float64(), pa.string(), pa.string(), pa.int64(), pa.int64())
    columns = {
        "transaction_id": pa.array(sent_ids, pa.string()),
        "status": pa.array(
            [e.status if isinstance(e, Problem) else 200 for e in answers], pa.int16()
        ),
    }
    for name, kind in zip(fields, kinds, strict=True):
        columns[name] = pa.array([e and getattr(e, name) for e in decided], kind)
    times = [each and each.known_time for each in decided]
    columns["known_time"] = pa.array(times, pa.timestamp("us", "UTC"))
    texts = [str(each) if isinstance(each, Problem) else None for each in answers]
    columns["problem"] = pa.array(texts, pa.string())
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _column(table: pa.Table, name: str, kind: pa.DataType, required: bool) -> pa.Array:
    if name not in table.column_names:
        if required:
            raise _wrong(name, "the column is missing", "add it")
        return pa.nulls(len(table), kind)
    column = table[name]
    if not (_is_like(column.type, kind) or pa.types.is_null(column.type)):
        raise _wrong(name, f"is {column.type}", f"send {kind}")
    try:
        column = column.cast(kind).combine_chunks()
    except pa.ArrowException as error:
        raise _wrong(name, f"is no {kind}: {error}", f"send {kind}") from None
    if required and column.null_count:
        raise _wrong_row(name, pc.is_null(column), "is null", "leave the row out")
    return column


def _is_like(given: pa.DataType, kind: pa.DataType) -> bool:
    """Whether a type is another form of `kind`: as strict as JSON, where "5" is no number."""
    types = pa.types
    if kind == pa.string():
        values = given.value_type if types.is_dictionary(given) else given
        return bool(types.is_string(values) or types.is_large_string(values))
    if kind == pa.float64():
        return bool(types.is_integer(given) or types.is_floating(given) or types.is_decimal(given))
    return bool(types.is_timestamp(given) and given.tz)


def _texts(table: pa.Table, name: str, required: bool = False) -> list[str]:
    column = _column(table, name, pa.string(), required)
    lengths = pc.utf8_length(column)
    misfit = pc.or_(pc.equal(lengths, 0), pc.greater(lengths, MAX_TEXT))
    if pc.any(misfit).as_py():
        problem = f"is empty, or longer than {MAX_TEXT} characters"
        raise _wrong_row(name, misfit, problem, "send null where it is missing")
    control = pc.match_substring_regex(column, "[\\x00-\\x1f\\x7f]")
    if pc.any(control).as_py():
        raise _wrong_row(name, control, "holds control characters", "remove them")
    texts: list[str] = column.to_pylist()
    return texts


def _keys(table: pa.Table, names: Sequence[str]) -> Column:
    columns = [
        np.fromiter(
            (0 if text is None else cached_key(text) for text in _texts(table, name)), np.uint64
        )
        for name in names
    ]
    return _stacked(columns, len(table), np.uint64)


def _numbers(table: pa.Table, name: str) -> Column:
    column = _column(table, name, pa.float64(), required=False)
    numbers: Column = column.to_numpy(zero_copy_only=False)  # null becomes nan
    beyond = np.abs(numbers) > MAX_NUMERIC
    if beyond.any():
        fix = f"send a number from {-MAX_NUMERIC:g} to {MAX_NUMERIC:g}, or null"
        raise _wrong_row(name, beyond, "is beyond the bounds", fix)
    return numbers


def _amounts(table: pa.Table) -> Column:
    amounts: Column = _column(table, "amount", pa.float64(), required=True).to_numpy()
    beyond = ~((amounts >= 0.0) & (amounts <= MAX_AMOUNT))
    if beyond.any():
        fix = f"send an amount from 0 to {MAX_AMOUNT:g}"
        raise _wrong_row("amount", beyond, "is negative, too large or no number", fix)
    return amounts


def _times_us(table: pa.Table) -> Column:
    column = _column(table, "event_time", pa.timestamp("us", "UTC"), required=True)
    times: Column = column.cast(pa.int64()).to_numpy()
    return times


def _stacked(columns: Sequence[Column], rows: int, kind: type = np.float64) -> Column:
    if not columns:
        return np.zeros((rows, 0), kind)
    return np.ascontiguousarray(np.stack(columns, axis=1))


def _wrong(field: str, problem: str, fix: str) -> Problem:
    return Problem(422, problem, field=field, fix=fix)


def _wrong_row(name: str, is_wrong: Any, problem: str, fix: str) -> Problem:
    """Names the first row of those that are wrong, as JSON batches do."""
    row = next(at for at, each in enumerate(np.asarray(is_wrong)) if each)  # null is not
    return _wrong(f"[{row}].{name}", problem, fix)
