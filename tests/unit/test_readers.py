"""Readers: what is kept, what is set aside and why, and that both kinds of file read alike."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fraud_system.errors import TooManyBadRows
from fraud_system.events import LabelSource, no_transactions
from fraud_system.keys import key_of
from fraud_system.limits import MAX_ID_BYTES
from fraud_system.schema import Schema, load_schema
from pipelines.readers import read_transactions
from pipelines.set_aside import SetAside

SCHEMA = """
name = "mine"
[columns]
transaction_id = "id"
event_time = "time"
amount = "amount"
known_time = "received"
label = "fraud"
[entities]
card = "card"
shop = "shop"
[features]
numeric = ["km"]
categorical = ["channel"]
[labels]
delay_s = 3600
[limits]
max_bad_share = 0.9
"""
HEADER = "id,time,received,amount,card,shop,km,channel,fraud"
GOOD = "a,2020-01-01T00:00:00,2020-01-01T00:00:01,5.5,c1,s1,2.5,web,0"
START_US = 1_577_836_800_000_000  # 2020-01-01


@pytest.fixture
def schema() -> Schema:
    return load_schema(SCHEMA, "mine.toml")


def narrow() -> Schema:
    """Only the columns that every data set has."""
    kept = SCHEMA.replace('known_time = "received"\n', "").replace('label = "fraud"\n', "")
    for line in ('card = "card"', 'shop = "shop"', 'numeric = ["km"]', 'categorical = ["channel"]'):
        kept = kept.replace(line, "")
    return load_schema(kept, "mine.toml")


def write(path: Path, *lines: str, header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def with_value(column: str, value: str) -> str:
    """The good row, with another id and another value in one column."""
    row = dict(zip(HEADER.split(","), GOOD.split(","), strict=True)) | {"id": "b", column: value}
    return ",".join(row.values())


def reasons(remarks: list[SetAside]) -> dict[str, int]:
    return {remark.reason: remark.count for remark in remarks}


def test_a_clean_row_by_hand(tmp_path: Path, schema: Schema) -> None:
    read = read_transactions(write(tmp_path / "t.csv", GOOD), schema)
    table = read.transactions
    assert table.transaction_id.tolist() == [b"a"]
    assert table.transaction_key.tolist() == [key_of("a")]
    assert table.event_time_us.tolist() == [START_US]
    assert table.known_time_us.tolist() == [START_US + 1_000_000]
    assert table.amount.tolist() == [5.5]
    assert table.entity_keys.tolist() == [[key_of("c1"), key_of("s1")]]
    assert table.numeric.tolist() == [[2.5]]
    assert table.categories.tolist() == [[key_of("web")]]
    assert read.card is not None
    assert read.card.tolist() == ["c1"]
    assert (read.rows, read.set_aside, read.labels_set_aside, read.notes) == (1, [], [], [])


def test_column_types_are_those_of_the_ledger(tmp_path: Path, schema: Schema) -> None:
    read = read_transactions(write(tmp_path / "t.csv", GOOD), schema)
    kinds = {name: column.dtype for name, column in read.transactions.table().items()}
    assert kinds.pop("transaction_id").kind == "S"
    empty = no_transactions(entities=2, numeric=1, categorical=1).table()
    assert kinds == {name: empty[name].dtype for name in kinds}


def test_frauds_of_the_label_column_are_known_after_the_delay(
    tmp_path: Path, schema: Schema
) -> None:
    lines = [GOOD, with_value("fraud", "1"), with_value("fraud", "TRUE").replace("b,", "c,", 1)]
    labels = read_transactions(write(tmp_path / "t.csv", *lines), schema).labels
    assert labels is not None
    assert labels.transaction_id.tolist() == [b"b", b"c"]
    assert labels.known_time_us.tolist() == [START_US + 3_601_000_000] * 2
    assert labels.is_fraud.tolist() == [True, True]
    assert labels.source.tolist() == [LabelSource.CHARGEBACK] * 2


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("id", "", "missing or unreadable id"),
        ("id", "  ", "missing or unreadable id"),
        ("id", "x\x00", "missing or unreadable id"),
        ("id", "é" * (MAX_ID_BYTES // 2) + "x", "id longer than 64 bytes"),
        ("id", "a", "duplicate id"),
        ("amount", "", "missing amount"),
        ("amount", "nan", "missing amount"),
        ("amount", "12.50 EUR", "unreadable amount"),
        ("amount", "1_000", "unreadable amount"),
        ("amount", "-0.01", "negative amount"),
        ("amount", "-inf", "infinite amount"),
        ("amount", "1e999", "infinite amount"),
        ("time", "", "missing time"),
        ("time", "now", "unreadable time"),
        ("time", "2020-02-30", "unreadable time"),
        ("time", "01.01.2020", "unreadable time"),
        ("time", "1969-12-31T23:59:59Z", "unreadable time"),
        ("time", "2200-01-01", "unreadable time"),
        ("time", "1577836800000", "unreadable time"),
        ("time", "7258118400", "unreadable time"),
        ("received", "", "missing time"),
        ("received", "soon", "unreadable time"),
        ("received", "2020-01-02T00:00:00.000001", "too late"),
        ("time", "2020-01-01T00:05:01.000001", "too far ahead"),
    ],
)
def test_a_bad_row_is_set_aside_with_its_reason(
    tmp_path: Path, schema: Schema, column: str, value: str, reason: str
) -> None:
    path = write(tmp_path / "t.csv", GOOD, with_value(column, value))
    read = read_transactions(path, schema)
    assert read.transactions.transaction_id.tolist() == [b"a"]
    (remark,) = read.set_aside
    assert (remark.reason, remark.count) == (reason, 1)
    assert remark.where.startswith("t.csv: ")
    assert [example["row"] for example in remark.examples] == [3]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", "é" * (MAX_ID_BYTES // 2)),
        ("amount", "0"),
        ("amount", " +1.5e2 "),
        ("time", "1577836800.5"),
        ("time", "2020-01-01"),
        ("time", "2020-01-01 01:00:00.000001+01:00"),
        ("received", "2020-01-02T00:00:00"),
        ("time", "2020-01-01T00:05:01"),
    ],
)
def test_the_edge_of_what_is_good_is_kept(
    tmp_path: Path, schema: Schema, column: str, value: str
) -> None:
    path = write(tmp_path / "t.csv", GOOD, with_value(column, value))
    read = read_transactions(path, schema)
    assert len(read.transactions) == 2
    assert read.set_aside == []


def test_offsets_become_utc_and_bare_numbers_are_seconds(tmp_path: Path) -> None:
    given = ["2020-01-01T02:00:00+02:00", "2019-12-31T19:00:01-05:00", "1577836802", "2020-01-01"]
    lines = [f"{place},{time},1" for place, time in enumerate(given)]
    read = read_transactions(write(tmp_path / "t.csv", *lines, header="id,time,amount"), narrow())
    by_id = dict(
        zip(read.transactions.transaction_id, read.transactions.event_time_us, strict=True)
    )
    assert [int(by_id[str(place).encode()]) - START_US for place in range(4)] == [
        0,
        1_000_000,
        2_000_000,
        0,
    ]


def test_without_a_known_time_it_is_the_event_time(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "a,2020-01-02,1", "b,2020-01-01,2", header="id,time,amount")
    read = read_transactions(path, narrow())
    assert read.transactions.transaction_id.tolist() == [b"b", b"a"]
    assert read.transactions.known_time_us.tolist() == read.transactions.event_time_us.tolist()
    assert read.transactions.entity_keys.shape == (2, 0)
    assert (read.card, read.labels) == (None, None)
    (note,) = read.notes
    assert (note.reason, note.count) == ("earlier than a row before it (sorted)", 1)


def test_sorting_is_stable(tmp_path: Path) -> None:
    lines = [f"{place},2020-01-0{1 + place % 2},1" for place in range(9)]
    read = read_transactions(write(tmp_path / "t.csv", *lines, header="id,time,amount"), narrow())
    assert b"".join(read.transactions.transaction_id.tolist()) == b"024681357"


def test_of_equal_ids_the_first_good_one_known_is_kept(tmp_path: Path) -> None:
    lines = ["a,2020-01-03,3", "a,2020-01-01,-1", "a,2020-01-02,2"]
    read = read_transactions(write(tmp_path / "t.csv", *lines, header="id,time,amount"), narrow())
    assert read.transactions.amount.tolist() == [2.0]
    assert reasons(read.set_aside) == {"negative amount": 1, "duplicate id": 1}


def test_a_row_with_two_faults_is_counted_once(tmp_path: Path, schema: Schema) -> None:
    both = with_value("amount", "-1").replace("b,2020-01-01T00:00:00,", "b,never,")
    read = read_transactions(write(tmp_path / "t.csv", GOOD, both), schema)
    assert reasons(read.set_aside) == {"negative amount": 1}


def test_a_missing_entity_is_unknown_and_noted(tmp_path: Path, schema: Schema) -> None:
    read = read_transactions(write(tmp_path / "t.csv", GOOD, with_value("card", "")), schema)
    assert read.transactions.entity_keys[:, 0].tolist() == [key_of("c1"), 0]
    assert read.card is not None
    assert read.card.tolist() == ["c1", ""]
    assert read.set_aside == []
    (note,) = read.notes
    assert (note.reason, note.where, note.count) == ("missing card", "t.csv: card", 1)


def test_unreadable_numbers_are_nan_and_noted_missing_ones_only_nan(
    tmp_path: Path, schema: Schema
) -> None:
    lines = [with_value("km", value).replace("b", value, 1) for value in ("far", "inf", "nan")]
    lines.append(with_value("km", ""))
    read = read_transactions(write(tmp_path / "t.csv", *lines), schema)
    assert np.isnan(read.transactions.numeric).tolist() == [[True]] * 4
    (note,) = read.notes
    assert (note.reason, note.count) == ("unreadable number", 2)
    assert [example["value"] for example in note.examples] == ["far", "inf"]


def test_an_amount_of_minus_zero_is_zero(tmp_path: Path, schema: Schema) -> None:
    read = read_transactions(write(tmp_path / "t.csv", with_value("amount", "-0.0")), schema)
    assert np.signbit(read.transactions.amount).tolist() == [False]


def test_a_missing_category_is_0(tmp_path: Path, schema: Schema) -> None:
    read = read_transactions(write(tmp_path / "t.csv", with_value("channel", "")), schema)
    assert read.transactions.categories.tolist() == [[0]]


def test_only_the_label_of_a_row_is_set_aside(tmp_path: Path, schema: Schema) -> None:
    lines = [GOOD, with_value("fraud", "maybe"), with_value("fraud", "").replace("b,", "c,", 1)]
    read = read_transactions(write(tmp_path / "t.csv", *lines), schema)
    assert len(read.transactions) == 3
    assert read.labels is not None
    assert len(read.labels) == 0
    assert read.set_aside == []
    assert reasons(read.labels_set_aside) == {"unreadable label": 1}
    assert [(note.reason, note.count) for note in read.notes] == [("blank label (no report)", 1)]


def test_labels_that_cannot_be_read_end_the_job(tmp_path: Path, schema: Schema) -> None:
    path = write(tmp_path / "t.csv", with_value("fraud", "yes"))
    with pytest.raises(TooManyBadRows, match="unreadable label"):
        read_transactions(path, schema)


def frame() -> pd.DataFrame:
    """A table with some of everything, as pandas makes it: ids with gaps have become floats."""
    return pd.DataFrame(
        {
            "id": [11, 12, 13, 14, 15],
            "time": pd.to_datetime(["2020-01-01T00:00:00.123456"] * 5, utc=True),
            "received": pd.to_datetime(["2020-01-01T00:00:01"] * 5),
            "amount": [1.1, 0.1 + 0.2, np.nan, 4.0, 1e-7],
            "card": [1, None, 3, 3, 1],
            "shop": ["x", "y", None, "x, y", 'z"'],
            "km": [1.5, None, 2.5, 3.5, 4.5],
            "channel": ["web", "pos", "web", None, "é"],
            "fraud": [True, False, True, False, True],
        }
    )


def test_csv_zipped_csv_and_parquet_read_alike(tmp_path: Path, schema: Schema) -> None:
    frame().to_csv(tmp_path / "t.csv", index=False)
    frame().to_csv(tmp_path / "t.csv.gz", index=False)
    frame().to_parquet(tmp_path / "t.parquet")
    first, *others = (
        read_transactions(tmp_path / name, schema) for name in ("t.csv", "t.csv.gz", "t.parquet")
    )
    assert first.transactions.transaction_id.tolist() == [b"11", b"12", b"14", b"15"]
    for other in others:
        assert reasons(other.set_aside) == reasons(first.set_aside) == {"missing amount": 1}
        assert other.card is not None
        assert first.card is not None
        assert other.card.tolist() == first.card.tolist() == ["1", "", "3", "1"]
        for name, column in first.transactions.table().items():
            assert other.transactions.table()[name].tobytes() == column.tobytes()
        assert other.labels is not None
        assert first.labels is not None
        for name, column in first.labels.table().items():
            assert other.labels.table()[name].tobytes() == column.tobytes()
