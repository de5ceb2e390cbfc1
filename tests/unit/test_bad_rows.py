"""Each kind of bad row that there is: set aside by name and row, counted, and the others are used."""

from pathlib import Path

import pytest

from fraud_system.errors import TooManyBadRows
from fraud_system.schema import load_schema
from pipelines.label_files import read_labels
from pipelines.readers import read_transactions

SCHEMA = """
name = "mine"
[columns]
transaction_id = "id"
event_time = "time"
known_time = "received"
amount = "amount"
[entities]
card = "card"
[features]
categorical = ["channel", "country"]
[categories]
channel = ["web", "pos", "7"]
[limits]
max_bad_share = {share}
max_lateness_s = 100
"""
HEADER = "id,time,received,amount,card,channel,country"
ROWS = [
    ("good", "0", "0", "1", "c", "web", "FR"),
    ("missing amount", "0", "0", "", "c", "web", "FR"),
    ("negative amount", "0", "0", "-1", "c", "web", "FR"),
    ("unreadable time", "soon", "0", "1", "c", "web", "FR"),
    ("good", "1", "1", "1", "c", "web", "FR"),
    ("too late", "0", "101", "1", "c", "web", "FR"),
    ("unexpected category", "2", "2", "1", "c", "carrier pigeon", "FR"),
    ("a blank category is no fault", "3", "3", "1", "c", "", ""),
    ("a column without a list takes anything", "4", "4", "1", "c", "7.0", "Atlantis"),
]


def write(path: Path, header: str, rows: list[tuple[str, ...]]) -> Path:
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n")
    return path


def test_each_is_set_aside_by_name_and_row(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", HEADER, ROWS)
    read = read_transactions(path, load_schema(SCHEMA.format(share=0.9), "mine.toml"))
    told = {each.reason: (each.count, each.examples[0]["row"]) for each in read.set_aside}
    assert told == {
        "missing amount": (1, 3),
        "negative amount": (1, 4),
        "unreadable time": (1, 5),
        "too late": (1, 7),
        "unexpected category": (1, 8),
        "duplicate id": (1, 6),
    }
    assert len(read.transactions) == 3
    assert read.transactions.categories[1].tolist() == [0, 0]
    named = next(each for each in read.set_aside if each.reason == "unexpected category")
    assert (named.where, named.examples[0]["value"]) == ("t.csv: channel", "carrier pigeon")


def test_the_run_ends_only_above_the_set_share(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", HEADER, ROWS)
    assert read_transactions(path, load_schema(SCHEMA.format(share=6 / 9), "m.toml")).rows == 9
    with pytest.raises(TooManyBadRows, match="6 of 9 rows"):
        read_transactions(path, load_schema(SCHEMA.format(share=0.66), "m.toml"))


def test_labels_of_bad_rows_are_unknown_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", HEADER, ROWS)
    schema = load_schema(SCHEMA.format(share=0.9), "mine.toml")
    transactions = read_transactions(path, schema).transactions
    rows = [
        ("good", "1", "review", "5"),
        ("too late", "1", "review", "5"),
        ("good", "1", "phone", "5"),
        ("good", "1", "review", ""),
        ("nobody", "1", "review", "5"),
    ]
    header = "transaction_id,is_fraud,source,observed_time"
    schema = load_schema(SCHEMA.format(share=0.9) + "max_unknown_label_share = 0.7\n", "mine.toml")
    labels, set_aside = read_labels(write(tmp_path / "l.csv", header, rows), schema, transactions)
    assert labels.transaction_id.tolist() == [b"good"]
    told = {each.reason: (each.count, each.examples[0]["row"]) for each in set_aside}
    assert told == {
        "unknown source": (1, 4),
        "missing time": (1, 5),
        "unknown transaction id": (2, 3),
    }


@pytest.mark.parametrize(
    ("unit", "value", "expected_us"),
    [
        ("ns", "1577836800000000000", 1_577_836_800_000_000),
        ("us", "1577836800000001", 1_577_836_800_000_001),
        ("ms", "1577836800001", 1_577_836_800_001_000),
        ("s", "1.5", 1_500_000),
        ("min", "2", 120_000_000),
        ("h", "742", 742 * 3_600_000_000),
        ("d", "0.5", 43_200_000_000),
        ("d", "1970-01-02", 86_400_000_000),
    ],
)
def test_the_unit_of_bare_numbers(tmp_path: Path, unit: str, value: str, expected_us: int) -> None:
    text = f"""
name = "mine"
[columns]
transaction_id = "#row"
event_time = "time"
time_unit = "{unit}"
amount = "amount"
"""
    path = write(tmp_path / "t.csv", "time,amount", [(value, "1")])
    read = read_transactions(path, load_schema(text, "mine.toml"))
    assert read.transactions.event_time_us.tolist() == [expected_us]
