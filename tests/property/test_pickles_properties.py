"""Pickled tables: what goes in comes out, and damage is an error of the data and never anything else."""

import math
import pickle
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_system.errors import DataError
from pipelines.pandas_pickles import read_frame

GENUINE = [path.read_bytes() for path in sorted((Path(__file__).parents[1] / "data").glob("*.pkl"))]

WHOLE = st.integers(-(2**63), 2**63 - 1)
FLOAT = st.floats(allow_nan=True)
TEXT = st.text(st.characters(codec="utf-8"), max_size=5)
KINDS: list[tuple[st.SearchStrategy[object], str]] = [
    (WHOLE, "int64"),
    (FLOAT, "float64"),
    (st.booleans(), "bool"),
    (TEXT, "str"),
    (st.none() | TEXT, "object"),
    (WHOLE, "object"),
    (st.none() | FLOAT, "object"),
    (st.integers(0, 2**40), "M8[us]"),
]


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.integers(0, 6))
    names = draw(st.lists(TEXT, min_size=1, max_size=5, unique=True))
    columns = {}
    for name in names:
        value, kind = draw(st.sampled_from(KINDS))
        columns[name] = pd.Series(draw(st.lists(value, min_size=rows, max_size=rows)), dtype=kind)
    return pd.DataFrame(columns).iloc[:: draw(st.sampled_from([1, -1, 2]))]


def alike(left: object, right: object) -> bool:
    both = isinstance(left, float) and isinstance(right, float)
    missing = right is None or right != right
    return left == right or (missing and left is None) or (both and math.isnan(left) and missing)


@given(table=tables(), protocol=st.sampled_from([3, 4, 5]))
def test_what_goes_in_comes_out(table: pd.DataFrame, protocol: int) -> None:
    frame = read_frame(pickle.dumps(table, protocol=protocol), "t.pkl")
    assert frame.names == tuple(table.columns)
    assert frame.rows == len(table)
    for name in frame.names:
        for found, written in zip(frame.column(name).to_pylist(), table[name], strict=True):
            assert alike(found, written)


def damage(data: st.DataObject, content: bytes) -> bytes:
    """Some bytes changed, a piece taken out, or a piece of another place put in."""
    places = st.integers(0, len(content) - 1)
    changed = bytearray(content)
    for place, byte in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=4)):
        changed[place] = byte
    start, stop, other = data.draw(places), data.draw(places), data.draw(places)
    cut = data.draw(st.sampled_from(["nothing", "out", "in"]))
    if cut == "out":
        del changed[start:stop]
    elif cut == "in":
        changed[other:other] = changed[start:stop][:40]
    return bytes(changed)


@pytest.mark.parametrize("content", [*GENUINE, pickle.dumps(pd.DataFrame({"a": ["x"], "b": 1}))])
@settings(max_examples=100)
@given(data=st.data())
def test_damage_is_an_error_of_the_data(content: bytes, data: st.DataObject) -> None:
    with suppress(DataError):
        frame = read_frame(damage(data, content), "t.pkl")
        for name in frame.names:
            assert len(frame.column(name)) == frame.rows


@given(content=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for start in (b"", b"\x80\x04", b"\x80\x04cpandas\nDataFrame\n"):
        with pytest.raises(DataError):
            read_frame(start + content, "t.pkl")
