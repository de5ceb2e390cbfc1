"""DataFrames in pickles: of every pandas since 1.0, and nothing but DataFrames.

`tests/data/handbook_day_pandas_*.pkl` were written by those versions of pandas with protocol 4: a day of
four transactions with the Handbook's columns, its numbers of customer, terminal and time as objects, sorted
by time, which leaves the row index unsorted (1.1.5) or is followed by `reset_index` (the others).
"""

import io
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fraud_system.errors import DataError
from pipelines.pandas_pickles import PickledFrame, read_frame

OLD = sorted((Path(__file__).parents[1] / "data").glob("handbook_day_pandas_*.pkl"))


def pickled(frame: pd.DataFrame, protocol: int = 4) -> bytes:
    buffer = io.BytesIO()
    frame.to_pickle(buffer, compression=None, protocol=protocol)
    return buffer.getvalue()


def values(frame: PickledFrame) -> dict[str, list[object]]:
    return {name: frame.column(name).to_pylist() for name in frame.names}


def test_there_are_days_of_each_form() -> None:
    assert [path.stem[-5:] for path in OLD] == ["1.0.5", "1.1.5", "1.3.5", "2.0.3"]


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem[-5:])
def test_a_day_of_the_handbook(path: Path) -> None:
    frame = read_frame(path.read_bytes(), path.name)
    found = values(frame)
    times = [pd.Timestamp(2018, 4, 1) + pd.Timedelta(seconds=s) for s in (31, 130, 476, 634)]
    assert frame.rows == 4
    assert found.pop("TX_DATETIME") == times
    assert found == {
        "TRANSACTION_ID": [0, 1, 2, 3],
        "CUSTOMER_ID": [596, 4961, 2, 927],
        "TERMINAL_ID": [3156, 3412, 1365, 9906],
        "TX_AMOUNT": [57.16, 81.51, 146.0, 123.59],
        "TX_TIME_SECONDS": [31, 130, 476, 634],
        "TX_TIME_DAYS": [0, 0, 0, 0],
        "TX_FRAUD": [0, 0, 1, 0],
        "TX_FRAUD_SCENARIO": [0, 0, 3, 0],
    }


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem[-5:])
def test_pandas_reads_the_same_from_it(path: Path) -> None:
    told = pd.read_pickle(path)
    frame = read_frame(path.read_bytes(), path.name)
    assert values(frame) == {name: told[name].tolist() for name in told.columns}


STAMP = pd.Timestamp("2018-04-01 00:00:31.123456789")
# Of each column: its values, its type, and what is read.
COLUMNS = {
    "whole": ([1, -2, 2**62], "int64", [1, -2, 2**62]),
    "small": ([1, 2, 255], "uint8", [1, 2, 255]),
    "float": ([0.1, np.nan, -np.inf], "float64", [0.1, np.nan, -np.inf]),
    "single": ([0.5, 1.5, np.nan], "float32", [0.5, 1.5, np.nan]),
    "yes": ([True, False, True], "bool", [True, False, True]),
    "ns": ([STAMP, None, STAMP], "M8[ns]", [STAMP, None, STAMP]),
    "s": (
        ["2018-04-01", None, "1969-12-31"],
        "M8[s]",
        [datetime(2018, 4, 1), None, datetime(1969, 12, 31)],
    ),
    "text": (["a", None, "é, 語"], "str", ["a", None, "é, 語"]),
    "objects": ([1, None, 2.5], "object", [1.0, None, 2.5]),
    "numbers": ([np.int64(7), np.float64(8.5), np.nan], "object", [7.0, 8.5, None]),
    "texts": (["a", None, "b"], "object", ["a", None, "b"]),
    "mixed": ([1, "x", None], "object", ["1", "x", None]),
    "large": ([2**70, 1, -(2**63)], "object", [str(2**70), "1", str(-(2**63))]),
    "flags": ([True, None, False], "object", [True, None, False]),
    "nothing": ([None, np.nan, None], "object", [None, None, None]),
}


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("rows", [slice(None), slice(1, None), slice(None, None, -1)], ids=str)
def test_every_kind_of_column_that_this_pandas_writes(protocol: int, rows: slice) -> None:
    written = pd.DataFrame({k: pd.Series(v, dtype=t) for k, (v, t, _) in COLUMNS.items()})
    found = read_frame(pickled(written[rows], protocol), "t.pkl")
    assert found.names == tuple(COLUMNS)
    for name, (_, _, expected) in COLUMNS.items():
        np.testing.assert_equal(found.column(name).to_pylist(), expected[rows], err_msg=name)


def test_a_frame_without_rows() -> None:
    empty = read_frame(pickled(pd.DataFrame({"a": [1], "b": ["x"]})[:0]), "t.pkl")
    assert (empty.rows, values(empty)) == (0, {"a": [], "b": []})


@pytest.mark.parametrize(
    ("frame", "named"),
    [
        (pd.DataFrame({"a": pd.Categorical(["x", "y"])}), "Categorical"),
        (pd.DataFrame({"a": pd.to_datetime(["2018"], utc=True)}), "DatetimeTZDtype"),
        (pd.DataFrame({"a": pd.array([1, None])}), "IntegerArray"),
        (pd.DataFrame({"a": [pd.Timestamp("2018")]}, dtype=object), "_unpickle_timestamp"),
    ],
    ids=["categories", "zone", "masked", "stamps"],
)
def test_columns_that_are_not_read_name_their_type(frame: pd.DataFrame, named: str) -> None:
    with pytest.raises(DataError, match=f"names pandas.*{named}, which no table needs") as caught:
        read_frame(pickled(frame), "t.pkl")
    assert "Parquet" in caught.value.fix


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        (pd.DataFrame({"a": [[1]]}), "expected a number or a text"),
        (pd.DataFrame({"a": [b"x"]}), "expected a number or a text"),
        (pd.DataFrame({"a": np.array([1], dtype="m8[s]")}), "names pandas.*TimedeltaArray"),
        (pd.DataFrame({1: [1]}), "expected texts as the names"),
        (pd.DataFrame([[1]]), "expected columns with names"),
        (pd.DataFrame(), "expected columns with names"),
        (pd.Series([1], name="a"), "names pandas.*Series"),
    ],
)
def test_other_values_are_refused(frame: pd.DataFrame, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        values(read_frame(pickled(frame), "t.pkl"))
