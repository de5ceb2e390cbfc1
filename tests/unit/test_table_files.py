"""Kinds of files: what each stands for, and that damage stays where it is."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fraud_system.errors import DataError
from fraud_system.events import DAY_US
from fraud_system.keys import key_of
from fraud_system.schema import load_schema
from pipelines.readers import read_transactions
from pipelines.set_aside import SetAside
from pipelines.table_files import BATCH_ROWS, fingerprint

SCHEMA = load_schema(
    """
name = "mine"
[columns]
transaction_id = "id"
event_time = "time"
amount = "amount"
[limits]
max_bad_share = 0.9
""",
    "mine.toml",
)
START_US = 1_577_836_800_000_000  # 2020-01-01


def write(path: Path, *lines: str, header: str = "id,time,amount") -> Path:
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def reasons(remarks: list[SetAside]) -> dict[str, int]:
    return {remark.reason: remark.count for remark in remarks}


def test_lines_with_other_numbers_of_fields_are_set_aside(tmp_path: Path) -> None:
    lines = ["a,2020-01-01,1", "b,2020-01-01", "", "c,2020-01-01,1,5", '"d",2020-01-01,"1"']
    read = read_transactions(write(tmp_path / "t.csv", *lines), SCHEMA)
    assert read.transactions.transaction_id.tolist() == [b"a", b"d"]
    (remark,) = read.set_aside
    assert (remark.reason, remark.count) == ("not 3 fields", 2)
    assert list(remark.examples) == [
        {"row": 3, "value": "b,2020-01-01"},
        {"row": 5, "value": "c,2020-01-01,1,5"},
    ]
    assert read.rows == 4


def test_a_stray_quote_costs_one_line(tmp_path: Path) -> None:
    lines = [f"{place},2020-01-01,1" for place in range(100)]
    lines[3] = '3,"2020-01-01,1'
    lines[60] = '60,2020"-01-01,"1'
    read = read_transactions(write(tmp_path / "t.csv", *lines), SCHEMA)
    assert len(read.transactions) == 98
    assert reasons(read.set_aside) == {"not 3 fields": 2}


def test_a_long_file_is_read_in_pieces_and_whole(tmp_path: Path) -> None:
    rows = 2 * BATCH_ROWS + 1
    read = read_transactions(
        write(tmp_path / "t.csv", *(f"{n},1,{n}" for n in range(rows))), SCHEMA
    )
    assert read.transactions.amount.tolist() == list(range(rows))


def test_bytes_that_are_not_utf8_spoil_their_own_value_only(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfid,time,amount\r\na,2020-01-01,1\r\n\xff,2020-01-01,1\r\n")
    read = read_transactions(path, SCHEMA)
    assert read.transactions.transaction_id.tolist() == [b"a"]
    assert reasons(read.set_aside) == {"missing or unreadable id": 1}


def parquet(path: Path, columns: dict[str, object]) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(
    "times",
    [
        pa.array([START_US // 1_000_000, None], pa.timestamp("s")),
        pa.array([START_US // 1_000, None], pa.timestamp("ms", tz="America/New_York")),
        pa.array([START_US, None], pa.timestamp("us", tz="+02:00")),
        pa.array([START_US * 1_000 + 999, None], pa.timestamp("ns")),
        pa.array([START_US // DAY_US, None], pa.date32()),
        pa.array([START_US // 1_000, None], pa.date64()),
        pa.array([START_US // 1_000_000, None], pa.int64()),
        pa.array([START_US / 1e6, None], pa.float64()),
        pa.array(["2020-01-01T00:00:00", None]),
    ],
    ids=lambda times: str(times.type),
)
def test_every_kind_of_time_in_parquet(tmp_path: Path, times: pa.Array) -> None:
    path = parquet(tmp_path / "t.parquet", {"id": [1, 2], "time": times, "amount": [1, 2]})
    read = read_transactions(path, SCHEMA)
    assert read.transactions.event_time_us.tolist() == [START_US]
    assert reasons(read.set_aside) == {"missing time": 1}


@pytest.mark.parametrize(
    "times",
    [
        pa.array([0, 2**62, -1], pa.timestamp("ms")),
        pa.array([0, 2**62, -1], pa.timestamp("us", tz="UTC")),
        pa.array([0.0, np.inf, -1.0]),
    ],
    ids=lambda times: str(times.type),
)
def test_times_far_off_in_parquet_are_unreadable(tmp_path: Path, times: pa.Array) -> None:
    path = parquet(tmp_path / "t.parquet", {"id": [1, 2, 3], "time": times, "amount": [1, 2, 3]})
    read = read_transactions(path, SCHEMA)
    assert read.transactions.event_time_us.tolist() == [0]
    assert reasons(read.set_aside) == {"unreadable time": 2}


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (pa.array([7, 8], pa.int8()), [b"7", b"8"]),
        (pa.array([7, 2**64 - 1], pa.uint64()), [b"7", b"18446744073709551615"]),
        (pa.array([7.0, 4111111111111111.0]), [b"7", b"4111111111111111"]),
        (pa.array(["007", "8.0"]), [b"007", b"8"]),
        (pa.array([b"a", b"\xffb"]), [b"a"]),
        (pa.array(["a", "b"]).dictionary_encode(), [b"a", b"b"]),
    ],
    ids=lambda given: str(given.type) if isinstance(given, pa.Array) else "",
)
def test_every_kind_of_id_in_parquet(tmp_path: Path, ids: pa.Array, expected: list[bytes]) -> None:
    path = parquet(tmp_path / "t.parquet", {"id": ids, "time": [1, 2], "amount": [1, 2]})
    table = read_transactions(path, SCHEMA).transactions
    assert table.transaction_id.tolist() == expected
    assert table.transaction_key.tolist() == [key_of(each.decode()) for each in expected]


def test_parquet_numbers_rows_from_1(tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", {"id": [1, 2], "time": [1, 2], "amount": [1.0, -2.5]})
    (remark,) = read_transactions(path, SCHEMA).set_aside
    assert remark.examples == ({"row": 2, "value": "-2.5"},)


@pytest.mark.parametrize(
    ("name", "content", "problem", "fix"),
    [
        ("t.txt", b"", "not a kind of file", ".parquet"),
        ("t.pkl", b"", "a damaged pickle", "again"),
        ("t.zip", b"not a zip", "cannot be read", "suffix"),
        ("t.parquet", b"not parquet at all", "cannot be read", "suffix"),
        ("t.csv.gz", b"not gzip", "cannot be read", "suffix"),
        (
            "t.csv.gz",
            gzip.compress(b"id,time,amount\n" * 99, mtime=0)[:-9],
            "cannot be read",
            "suffix",
        ),
        ("t.csv", b"", "no column 'id'", "it has"),
        ("t.csv", b"id,time,amount\n", "has no rows", "at least one"),
        ("t.csv", b"id,time,Amounts\na,1,1\n", "no column 'amount'", "did you mean 'Amounts'?"),
        ("t.csv", b"id;time;amount\na;1;1\n", "no column 'id'", "it has id;time;amount"),
        ("t.csv", b"id,time,amount,amount\n", "two columns are called 'amount'", "rename"),
    ],
)
def test_a_file_that_is_of_no_use_is_named_with_its_fix(
    tmp_path: Path, name: str, content: bytes, problem: str, fix: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=problem) as caught:
        read_transactions(tmp_path / name, SCHEMA)
    assert caught.value.field == name
    assert fix in caught.value.fix


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_transactions(tmp_path / "t.csv", SCHEMA)


def test_a_column_of_lists_is_no_column_of_amounts(tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", {"id": [1], "time": [1], "amount": [[1.0]]})
    with pytest.raises(DataError, match=r"amount: the column has type list<.*numbers"):
        read_transactions(path, SCHEMA)


def test_the_fingerprint_is_sha256_of_the_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5_000
    (tmp_path / "f").write_bytes(content)
    assert fingerprint(tmp_path / "f") == hashlib.sha256(content).hexdigest()
