"""Folders of files, zips, and the number of the row as an id."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fraud_system.errors import DataError, TooManyBadRows
from fraud_system.schema import ROW_NUMBER, load_schema
from pipelines.cli import main
from pipelines.readers import ReadTransactions, read_transactions
from pipelines.system_settings import SCHEMAS, read_schema
from pipelines.table_files import files_of, fingerprint, read_table

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
BY_ROW = load_schema(
    """
name = "mine"
[columns]
transaction_id = "#row"
event_time = "time"
amount = "amount"
[limits]
max_bad_share = 0.9
""",
    "mine.toml",
)
HEADER = "id,time,amount"


def write(path: Path, *lines: str, header: str = HEADER) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def ids(read: ReadTransactions) -> list[str]:
    return [each.decode() for each in read.transactions.transaction_id.tolist()]


def test_files_are_joined_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "days"
    write(folder / "b.csv", "b,0,1")
    write(folder / "a.csv", "a,0,1", "a2,0,1")
    write(folder / "c.csv")
    write(folder / "d.csv", "1.50,d,0", header="amount,id,time")
    (folder / ".hidden").write_text("not read")
    read = read_transactions(folder, SCHEMA)
    assert ids(read) == ["a", "a2", "b", "d"]
    assert read.transactions.amount.tolist() == [1.0, 1.0, 1.0, 1.5]
    assert (read.rows, read.set_aside) == (4, [])


def test_bad_rows_are_named_by_file_and_row(tmp_path: Path) -> None:
    folder = tmp_path / "days"
    write(folder / "a.csv", "a,0,1", "b,0,-1")
    write(folder / "b.csv", "c,0,-2", "d,0", "a,0,1")
    read = read_transactions(folder, SCHEMA)
    found = {each.reason: each for each in read.set_aside}
    assert {reason: each.count for reason, each in found.items()} == {
        "not 3 fields": 1,
        "negative amount": 2,
        "duplicate id": 1,
    }
    assert [e["row"] for e in found["negative amount"].examples] == ["a.csv 3", "b.csv 2"]
    assert found["negative amount"].where == "days: amount"
    assert [e["row"] for e in found["duplicate id"].examples] == ["b.csv 4"]
    assert found["not 3 fields"].where == "b.csv: line"
    strict = load_schema(
        'name = "x"\n[columns]\ntransaction_id = "id"\nevent_time = "time"\namount = "amount"\n',
        "x.toml",
    )
    with pytest.raises(TooManyBadRows, match=r"e\.g\. row a\.csv 3: '-1'"):
        read_transactions(folder, strict)


def test_a_folder_of_parquet_whose_types_differ(tmp_path: Path) -> None:
    folder = tmp_path / "days"
    folder.mkdir()
    times = pd.to_datetime(["2020-01-01"])
    pd.DataFrame({"id": [1], "time": times, "amount": [1]}).to_parquet(folder / "1.parquet")
    pd.DataFrame({"id": ["x"], "time": times.astype("M8[s]"), "amount": [2.5]}).to_parquet(
        folder / "2.parquet"
    )
    pd.DataFrame({"id": [3.0], "time": ["2020-01-02"], "amount": ["4"]}).to_parquet(
        folder / "3.parquet"
    )
    read = read_transactions(folder, SCHEMA)
    assert ids(read) == ["1", "x", "3"]
    assert read.transactions.amount.tolist() == [1.0, 2.5, 4.0]
    day_us = 86_400_000_000
    assert np.diff(read.transactions.event_time_us).tolist() == [0, day_us]


def day(first: int, date: str) -> pd.DataFrame:
    """A day with the columns of the Handbook, ids as objects."""
    return pd.DataFrame(
        {
            "TRANSACTION_ID": [first, first + 1],
            "TX_DATETIME": pd.to_datetime([f"{date} 00:00:31", f"{date} 00:02:10"]),
            "CUSTOMER_ID": pd.Series([596, 4961], dtype=object),
            "TERMINAL_ID": pd.Series([3156, 3412], dtype=object),
            "TX_AMOUNT": [57.16, 81.51],
            "TX_TIME_SECONDS": pd.Series([31, 130], dtype=object),
            "TX_TIME_DAYS": pd.Series([0, 0], dtype=object),
            "TX_FRAUD": [0, 1],
            "TX_FRAUD_SCENARIO": [0, 3],
        }
    )


def test_a_folder_of_daily_pickles_reads_like_one_parquet_file(tmp_path: Path) -> None:
    folder = tmp_path / "simulated-data-raw"
    folder.mkdir()
    days = [day(0, "2018-04-01"), day(2, "2018-04-02"), day(4, "2018-04-03")]
    for place, each in enumerate(days):
        each.to_pickle(folder / f"2018-04-0{place + 1}.pkl", protocol=4)
    pd.concat(days).to_parquet(tmp_path / "all.parquet")
    schema = read_schema(SCHEMAS / "handbook.toml")
    pickled, whole = (read_transactions(p, schema) for p in (folder, tmp_path / "all.parquet"))
    assert ids(pickled) == ["0", "1", "2", "3", "4", "5"]
    for name, column in whole.transactions.table().items():
        assert pickled.transactions.table()[name].tobytes() == column.tobytes()
    assert pickled.labels is not None
    assert pickled.labels.transaction_id.tolist() == [b"1", b"3", b"5"]


def test_one_hostile_file_in_the_folder_ends_the_job_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "days"
    folder.mkdir()
    day(0, "2018-04-01").to_pickle(folder / "a.pkl", protocol=4)
    (folder / "b.pkl").write_bytes(pickle.dumps(eval))
    schema = str(SCHEMAS / "handbook.toml")
    assert main(["train", "--data", str(folder), "--schema", schema, "--out", "unused"]) == 2
    told = capsys.readouterr().err
    assert "error: b.pkl: names builtins.eval, which no table needs: not read (fix: " in told


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["a.csv", "b.parquet"], "mixes kinds of files: .csv, .parquet"),
        (["a.csv", "b.csv.gz"], "mixes kinds of files: .csv, .csv.gz"),
        (["a.pkl", "b.csv"], "mixes kinds of files"),
        (["a.csv", "README.md"], "README.md: not a kind of file"),
        (["a.csv", "b"], "b: not a kind of file"),
        ([], "holds no files"),
    ],
)
def test_folders_that_are_refused(tmp_path: Path, names: list[str], problem: str) -> None:
    folder = tmp_path / "days"
    folder.mkdir()
    for name in names:
        (folder / name).write_text("id,time,amount\n1,1,1\n")
    with pytest.raises(DataError, match=problem):
        files_of(folder)


def test_a_folder_in_a_folder_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "a,0,1")
    (tmp_path / "b.csv").mkdir()
    with pytest.raises(DataError, match=r"b\.csv: not a kind of file"):
        files_of(tmp_path)


def test_a_column_that_one_file_lacks_names_the_file(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "a,0,1")
    write(tmp_path / "b.csv", "b,0", header="id,time")
    with pytest.raises(DataError, match=r"b\.csv: there is no column 'amount'"):
        read_transactions(tmp_path, SCHEMA)


def test_the_fingerprint_of_a_folder_is_of_its_names_and_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "days"
    write(folder / "a.csv", "a,0,1")
    first = fingerprint(folder)
    write(folder / "b.csv", "b,0,1")
    second = fingerprint(folder)
    (folder / "b.csv").rename(folder / "c.csv")
    third = fingerprint(folder)
    write(folder / "c.csv", "b,0,2")
    assert len({first, second, third, fingerprint(folder)}) == 4
    (folder / ".hidden").write_text("not read")
    write(folder / "c.csv", "b,0,1")
    assert fingerprint(folder) == third


def test_the_number_of_the_row_counts_from_the_first_row_of_the_data(tmp_path: Path) -> None:
    lines = ["x,5,1", "x,4,-1", "", "x,3", "x,2,1"]
    read = read_transactions(write(tmp_path / "t.csv", *lines), BY_ROW)
    assert ids(read) == ["5", "1"], "rows that are blank or bad have a number too"
    frame = pd.DataFrame({"time": [5, 4, 3], "amount": [1, -1, 1]})
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_pickle(tmp_path / "t.pkl", protocol=4)
    for name in ("t.parquet", "t.pkl"):
        assert ids(read_transactions(tmp_path / name, BY_ROW)) == ["3", "1"]


def test_in_a_folder_the_number_of_the_row_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "days"
    write(folder / "a.csv", "x,0,1", "x,0,1", "x,0")
    write(folder / "b.csv", "x,0,1", "x,0,-1", "x,0,1")
    read = read_transactions(folder, BY_ROW)
    assert ids(read) == ["1", "2", "4", "6"]
    table = read_table(folder, [ROW_NUMBER])
    assert table.columns[ROW_NUMBER].to_pylist() == [1, 2, 4, 5, 6]
    assert (table.places, table.rows) == (6, 6)


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"a.txt": b"x"}, "holds 0 CSV files"),
        ({"a.csv": b"x", "b.csv": b"x"}, "holds 2 CSV files"),
        ({"a.csv": b"id,time\n"}, "no column 'amount'"),
    ],
)
def test_zips_that_are_of_no_use(tmp_path: Path, members: dict[str, bytes], problem: str) -> None:
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(DataError, match=problem) as caught:
        read_transactions(tmp_path / "t.zip", SCHEMA)
    assert caught.value.field == "t.zip"


def test_a_damaged_or_locked_zip_is_an_error_of_the_data(tmp_path: Path) -> None:
    path = tmp_path / "t.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.csv", "id,time,amount\n" + "a,0,1\n" * 1_000)
    content = bytearray(path.read_bytes())
    locked = bytearray(content)
    locked[6] |= 1  # the flag of a password, in the member and in the directory
    locked[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(locked)
    with pytest.raises(DataError, match="password"):
        read_transactions(path, SCHEMA)
    content[45] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"t\.zip: cannot be read"):
        read_transactions(path, SCHEMA)
