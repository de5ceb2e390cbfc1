"""What is set aside: shown briefly, counted, and too much of it ends the job."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from fraud_system.errors import TooManyBadRows
from fraud_system.schema import Schema, load_schema
from pipelines.readers import arrivals, read_transactions
from pipelines.set_aside import EXAMPLES, SHOWN_CHARACTERS, Sieve

SCHEMA = """
name = "mine"
[columns]
transaction_id = "id"
event_time = "time"
amount = "amount"
[limits]
max_bad_share = 0.9
"""


def narrow(max_bad_share: float) -> Schema:
    return load_schema(SCHEMA.replace("0.9", str(max_bad_share)), "mine.toml")


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(["id,time,amount", *lines]) + "\n", encoding="utf-8")
    return path


def test_examples_are_few_and_short(tmp_path: Path) -> None:
    lines = [f"{place},2020-01-01,{'x' * 1000}" for place in range(9)] + ["a,2020-01-01,1"]
    path = write(tmp_path / "t.csv", *lines)
    (remark,) = read_transactions(path, narrow(max_bad_share=0.9)).set_aside
    assert remark.count == 9
    assert len(remark.examples) == EXAMPLES
    assert all(len(example["value"]) == SHOWN_CHARACTERS for example in remark.examples)
    assert json.loads(json.dumps(remark.as_json())) == remark.as_json()


def test_too_many_bad_rows_end_the_job_and_name_the_reasons(tmp_path: Path) -> None:
    lines = [f"{place},2020-01-01,1" for place in range(98)]
    path = write(tmp_path / "t.csv", *lines, "x,2020-01-01,-7", ",,")
    assert len(read_transactions(path, narrow(max_bad_share=0.02)).transactions) == 98
    with pytest.raises(TooManyBadRows) as caught:
        read_transactions(path, narrow(max_bad_share=0.0199))
    for part in ("2 of 100 rows", "negative amount (amount): 1, e.g. row 100: '-7'", "id): 1"):
        assert part in caught.value.problem
    assert "max_bad_share" in caught.value.fix
    assert caught.value.field == "t.csv"


def test_the_top_reasons_come_first(tmp_path: Path) -> None:
    bad = ["a,2020-01-01,", "b,2020-01-01,x", ",2020-01-01,1", "d,2020-01-01,-1", "e,2020-01-01,-1"]
    with pytest.raises(TooManyBadRows) as caught:
        read_transactions(write(tmp_path / "t.csv", *bad), narrow(0.0))
    named = caught.value.problem.split(": ", maxsplit=1)[1].split("; ")
    assert [each.split(",")[0] for each in named] == [
        "negative amount (amount): 2",
        "missing or unreadable id (id): 1",
        "missing amount (amount): 1",
    ]


def test_a_file_of_bad_rows_alone_is_empty_when_that_is_allowed(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "a,never,1")
    read = read_transactions(path, narrow(max_bad_share=1.0))
    assert len(read.transactions) == 0
    assert len(arrivals(read.transactions, None, maturity_s=1)) == 0


def test_a_row_is_set_aside_for_the_first_reason_and_then_not_noted() -> None:
    sieve = Sieve("t", np.arange(3), {"a": pa.chunked_array([[10, 11, 12]])})
    sieve.refuse("first", "a", np.array([True, True, False]))
    sieve.refuse("second", "a", np.array([False, True, True]))
    sieve.note("noted", "a", np.array([True, True, True]))
    assert [(each.reason, each.count) for each in sieve.set_aside] == [("first", 2), ("second", 1)]
    assert sieve.kept.tolist() == [False] * 3
    assert sieve.notes == []


def test_a_time_that_python_cannot_name_is_shown_as_its_number() -> None:
    stamp = pa.chunked_array([pa.array([2**62], pa.timestamp("s"))])
    sieve = Sieve("t", np.array([1]), {"time": stamp})
    sieve.refuse("unreadable time", "time", np.array([True]))
    assert sieve.set_aside[0].examples == ({"row": 1, "value": str(2**62)},)
