"""Batches as Arrow streams: the same columns as JSON gives, and hostile tables."""

import datetime

import numpy as np
import pyarrow as pa
import pytest
from engine_rig import TINY_SCHEMA, Transaction

from serving.arrow_rows import ArrowRows, arrow_answers
from serving.columns import TransactionColumns
from serving.problems import Problem, problem_of

NOON = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC)
GOOD = {
    "transaction_id": pa.array(["t1", "tö2"]),
    "event_time": pa.array([NOON, NOON], pa.timestamp("ms", "Europe/Berlin")),
    "amount": pa.array([1.5, 2.0]),
    "card": pa.array(["c", None]),
    "risk": pa.array([None, 3.0]),
}


def stream(columns, times=1, **options):
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    written = pa.ipc.IpcWriteOptions(**options)
    with pa.ipc.new_stream(sink, table.schema, options=written) as writer:
        for _ in range(times):
            writer.write_table(table)
    return sink.getvalue().to_pybytes()


def status_of(body):
    """The status that a body leads to."""
    try:
        ArrowRows(body, TINY_SCHEMA, 10)
    except Exception as error:
        return problem_of(error).status
    return 200


def test_columns_are_those_of_json():
    found = ArrowRows(stream(GOOD), TINY_SCHEMA, 10).columns(0, 2, 7).table()
    rows = [
        Transaction(transaction_id="t1", event_time=NOON, amount=1.5, entity_0="c"),
        Transaction(transaction_id="tö2", event_time=NOON, amount=2.0, numeric_0=3.0),
    ]
    expected = TransactionColumns(TINY_SCHEMA).columns(rows, 7).table()
    for name, column in expected.items():
        np.testing.assert_array_equal(found[name], column, err_msg=name)
        assert found[name].dtype == column.dtype


def test_a_dictionary_is_a_text():
    columns = GOOD | {"card": pa.array(["c", "c"]).dictionary_encode()}
    keys = ArrowRows(stream(columns), TINY_SCHEMA, 10).columns(0, 2, 7).entity_keys
    assert keys[0] == keys[1] != 0


@pytest.mark.parametrize(
    ("changed", "field", "status"),
    [
        ({"amount": pa.array([1.0, None])}, "[1].amount", 422),
        ({"amount": pa.array([1.0, float("nan")])}, "[1].amount", 422),
        ({"amount": pa.array([-1.0, 1.0])}, "[0].amount", 422),
        ({"amount": pa.array(["a", "b"])}, "amount", 422),
        ({"event_time": pa.array([NOON, NOON], pa.timestamp("us"))}, "event_time", 422),
        ({"event_time": pa.array([1, 2])}, "event_time", 422),
        ({"transaction_id": pa.array(["a", ""])}, "[1].transaction_id", 422),
        ({"transaction_id": pa.array(["a", "b" * 65])}, "[1].transaction_id", 422),
        ({"transaction_id": pa.array(["a", "b\n"])}, "[1].transaction_id", 422),
        ({"transaction_id": pa.array([["a"], ["b"]])}, "transaction_id", 422),
        ({"card": pa.array([None, "b" * 300])}, "[1].card", 422),
        ({"colour": pa.array(["a", "b"])}, "colour", 422),
        ({"amount": pa.array(["1", "2"])}, "amount", 422),
        ({"amount": pa.array([True, False])}, "amount", 422),
        ({"amount": pa.array([1.0, 1.1e15])}, "[1].amount", 422),
        ({"amount": pa.array([1, 2**60 + 1])}, "amount", 422),
        ({"risk": pa.array([1.0, float("inf")])}, "[1].risk", 422),
        ({"risk": pa.array([1.0, 2.0]).dictionary_encode()}, "risk", 422),
        ({"card": pa.array([1, 2])}, "card", 422),
        ({"card": pa.array([b"a", b"b"])}, "card", 422),
        ({"card": pa.array(["a", "b"], pa.string_view())}, "card", 422),
        ({"card": pa.array([["a"] * 1000, []])}, "card", 422),
        ({"event_time": pa.array([2**60, 0], pa.timestamp("s", "UTC"))}, "event_time", 422),
    ],
)
def test_wrong_columns_are_named(changed, field, status):
    with pytest.raises(Problem) as refused:
        ArrowRows(stream(GOOD | changed), TINY_SCHEMA, 10)
    assert (refused.value.status, refused.value.field) == (status, field)


def test_a_missing_column_is_named():
    with pytest.raises(Problem) as refused:
        ArrowRows(stream({"transaction_id": GOOD["transaction_id"]}), TINY_SCHEMA, 10)
    assert refused.value.field == "event_time"


def test_too_many_rows():
    with pytest.raises(Problem) as refused:
        ArrowRows(stream(GOOD), TINY_SCHEMA, 1)
    assert refused.value.status == 413


def test_a_field_that_comes_twice_is_named():
    twice = pa.table([*GOOD.values(), GOOD["risk"]], names=[*GOOD, "risk"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, twice.schema) as writer:
        writer.write_table(twice)
    with pytest.raises(Problem) as refused:
        ArrowRows(sink.getvalue().to_pybytes(), TINY_SCHEMA, 10)
    assert (refused.value.status, refused.value.field) == (422, "risk")


def long_dictionary(texts, rows):
    return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(texts))


@pytest.mark.parametrize(
    ("body", "field", "status"),
    [
        (stream(GOOD, compression="zstd"), "body", 400),
        (stream(GOOD, compression="lz4"), "body", 400),
        (stream(GOOD, times=101), "body", 413),
        (stream(GOOD | {"card": long_dictionary(["x" * 2_000], 2)}), "card", 422),
        (stream(GOOD | {"card": long_dictionary(["x"] * 11, 2)}), "card", 422),
        (stream(GOOD | {f"c{i}": pa.nulls(2) for i in range(2_000)}), "c0", 422),
    ],
)
def test_what_could_expand_is_refused_before_it_does(body, field, status):
    allocated = pa.total_allocated_bytes()
    with pytest.raises(Problem) as refused:
        ArrowRows(body, TINY_SCHEMA, 10)
    assert (refused.value.status, refused.value.field) == (status, field)
    assert pa.total_allocated_bytes() <= allocated


def test_a_dictionary_that_grows_is_refused():
    sink = pa.BufferOutputStream()
    grown = [pa.table(GOOD | {"card": long_dictionary(["a", "b"][:size], 2)}) for size in (1, 2)]
    options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    with pa.ipc.new_stream(sink, grown[0].schema, options=options) as writer:
        for each in grown:
            writer.write_table(each)
    with pytest.raises(Problem, match="adds to a dictionary"):
        ArrowRows(sink.getvalue().to_pybytes(), TINY_SCHEMA, 10)


def test_damaged_streams_are_refused():
    whole = stream(GOOD)
    damaged = [b"", b"x" * 100, whole[:50], whole[:-20], whole[40:]]
    draw = np.random.default_rng(3)
    for _ in range(300):
        bytes_ = bytearray(whole)
        bytes_[draw.integers(len(bytes_))] ^= 1 << int(draw.integers(8))
        damaged.append(bytes(bytes_))
    found = [status_of(each) for each in damaged]
    assert set(found) <= {200, 400, 413, 422}
    assert found.count(400) > 50


def test_answers_tell_decisions_and_problems():
    data = arrow_answers(["a"], [Problem(409, "was used before", field="transaction_id")])
    (row,) = pa.ipc.open_stream(data).read_all().to_pylist()
    assert (row["status"], row["probability"]) == (409, None)
    assert "was used before" in row["problem"]
