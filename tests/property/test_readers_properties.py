"""Whatever is wrong with a file: every row is kept or counted, and what is kept is clean."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_system.keys import key_of
from fraud_system.limits import MAX_ID_BYTES
from fraud_system.schema import load_schema
from pipelines.label_files import read_labels
from pipelines.readers import ReadTransactions, read_transactions

SCHEMA = load_schema(
    """
name = "damaged"
[columns]
transaction_id = "id"
event_time = "time"
amount = "amount"
known_time = "received"
label = "fraud"
[entities]
card = "card"
[features]
numeric = ["km"]
[labels]
delay_s = 60
[limits]
max_bad_share = 1.0
max_unknown_label_share = 1.0
max_lateness_s = 100
max_ahead_s = 10
""",
    "damaged.toml",
)
COLUMNS = ("id", "time", "received", "amount", "card", "km", "fraud")
LABEL_COLUMNS = ("transaction_id", "is_fraud", "source", "observed_time")
# Anything that fits on one line of a CSV file without being quoted.
LINE_TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters=',"\r\n', exclude_categories=["Cs"]),
    max_size=MAX_ID_BYTES + 2,
)

Row = tuple[str, ...]


SECOND = st.integers(0, 1000).map(str)
AMOUNT = st.floats(0, 1e6).map(repr)


def damaged(value: st.SearchStrategy[str], bad: list[str]) -> st.SearchStrategy[str]:
    return st.one_of(value, st.sampled_from(bad), LINE_TEXT)


@st.composite
def damaged_row(draw: st.DrawFn, good: Row, bad: tuple[list[str], ...]) -> Row:
    """The row with none, one or two of its values damaged; half of the rows stay as they are."""
    places = st.lists(st.integers(0, len(good) - 1), min_size=1, max_size=2)
    chosen = draw(places) if draw(st.booleans()) else []
    return tuple(
        draw(damaged(st.just(value), bad[place])) if place in chosen else value
        for place, value in enumerate(good)
    )


@st.composite
def row_texts(draw: st.DrawFn) -> Row:
    event_s = draw(st.integers(0, 1000))
    known_s = draw(st.integers(max(0, event_s - 12), event_s + 110))
    good = (
        str(draw(st.integers(1, 30))),
        str(event_s),
        str(known_s),
        draw(AMOUNT),
        str(draw(st.integers(1, 3))),
        draw(AMOUNT),
        draw(st.sampled_from(["0", "1", "true", "False"])),
    )
    bad = (
        ["", "x" * 65, "é" * 32],
        ["", "never", "-1", "7258118400", "2020-01-01T00:00Z"],
        ["", "now", "1e300", "inf"],
        ["", "-5", "-0.0", "nan", "inf", "0x10"],
        [""],
        ["", "far", "-inf"],
        ["", "2", "yes"],
    )
    return draw(damaged_row(good, bad))


@st.composite
def label_texts(draw: st.DrawFn) -> Row:
    good = (
        str(draw(st.integers(1, 5))),
        draw(st.sampled_from(["0", "1", "TRUE", "false"])),
        draw(st.sampled_from(["chargeback", "Review", "user_report"])),
        draw(SECOND),
    )
    return draw(damaged_row(good, ([""], ["", "yes"], ["", "maturity"], ["", "today"])))


ROW = row_texts()
ROWS = st.lists(ROW, min_size=1, max_size=30)


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ReadTransactions]:
    folder: Path = tmp_path_factory.mktemp("damaged")

    def from_rows(rows: list[Row], suffix: str = ".csv") -> ReadTransactions:
        path = folder / f"t{suffix}"
        if suffix == ".csv":
            path.write_text("\n".join(",".join(row) for row in [COLUMNS, *rows]), encoding="utf-8")
        else:
            columns = dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
            pq.write_table(pa.table(columns), path)
        return read_transactions(path, SCHEMA)

    return from_rows


def is_clean(row: Row) -> bool:
    """The rules again, by hand and for one row."""
    name, time, received, amount = row[:4]
    try:
        event_s = float(time) if "T" not in time else 1_577_836_800.0
        known_s, paid = float(received), float(amount)
    except ValueError:
        return False
    return (
        name.strip() != ""
        and len(name.encode()) <= MAX_ID_BYTES
        and 0 <= event_s < 7_258_118_400
        and 0 <= known_s < 7_258_118_400
        and -10 <= known_s - event_s <= 100
        and 0 <= paid < np.inf
    )


@settings(max_examples=100, deadline=None)
@given(rows=ROWS)
def test_every_row_is_kept_or_counted(
    read: Callable[..., ReadTransactions], rows: list[Row]
) -> None:
    found = read(rows)
    assert found.rows == len(rows)
    assert len(found.transactions) + sum(each.count for each in found.set_aside) == len(rows)
    assert sum(each.count for each in found.labels_set_aside) <= len(found.transactions)
    for remark in [*found.set_aside, *found.labels_set_aside, *found.notes]:
        assert len(remark.examples) == min(5, remark.count)
        assert all(2 <= example["row"] <= len(rows) + 1 for example in remark.examples)
    set_aside = [example["row"] for each in found.set_aside for example in each.examples]
    assert len(set(set_aside)) == len(set_aside)


@settings(max_examples=100, deadline=None)
@given(rows=ROWS)
def test_what_is_kept_is_clean_and_in_order(
    read: Callable[..., ReadTransactions], rows: list[Row]
) -> None:
    found = read(rows)
    table = found.transactions
    ids = [each.decode() for each in table.transaction_id.tolist()]
    assert len(set(ids)) == len(ids)
    assert all(1 <= len(each.encode()) <= MAX_ID_BYTES for each in ids)
    assert table.transaction_key.tolist() == [key_of(each) for each in ids]
    assert (np.diff(table.known_time_us) >= 0).all()
    late_us = table.known_time_us - table.event_time_us
    assert ((late_us >= -10_000_000) & (late_us <= 100_000_000)).all()
    assert (np.isfinite(table.amount) & (table.amount >= 0)).all()
    assert not np.isinf(table.numeric).any()
    assert found.card is not None
    keys = [key_of(card) if card else 0 for card in found.card]
    assert table.entity_keys[:, 0].tolist() == keys
    assert found.labels is not None
    assert set(found.labels.transaction_id.tolist()) <= set(table.transaction_id.tolist())


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=30, unique_by=lambda row: row[0]))
def test_just_the_clean_rows_are_kept(
    read: Callable[..., ReadTransactions], rows: list[Row]
) -> None:
    plain = [row for row in rows if all(text.isascii() and text.isprintable() for text in row)]
    if not plain:
        return
    kept = read(plain).transactions.transaction_id.tolist()
    assert sorted(kept) == sorted(row[0].encode() for row in plain if is_clean(row))


@settings(max_examples=100, deadline=None)
@given(data=st.data(), rows=ROWS)
def test_the_order_of_the_rows_does_not_matter(
    read: Callable[..., ReadTransactions], data: st.DataObject, rows: list[Row]
) -> None:
    first, second = read(rows), read(data.draw(st.permutations(rows)))

    def known(found: ReadTransactions) -> list[tuple[bytes, int]]:
        table = found.transactions
        return sorted(zip(table.transaction_id.tolist(), table.known_time_us.tolist(), strict=True))

    def counts(found: ReadTransactions) -> dict[str, int]:
        return {each.reason: each.count for each in found.set_aside}

    assert known(first) == known(second)
    assert counts(first) == counts(second)


@settings(max_examples=100, deadline=None)
@given(rows=ROWS)
def test_csv_and_parquet_read_alike(read: Callable[..., ReadTransactions], rows: list[Row]) -> None:
    csv, parquet = read(rows), read(rows, ".parquet")
    for name, column in csv.transactions.table().items():
        assert parquet.transactions.table()[name].tobytes() == column.tobytes()
    assert [(each.reason, each.count) for each in csv.set_aside] == [
        (each.reason, each.count) for each in parquet.set_aside
    ]


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(label_texts(), max_size=20), known=st.sets(st.sampled_from("12345")))
def test_every_label_is_kept_or_counted(
    tmp_path_factory: pytest.TempPathFactory,
    read: Callable[..., ReadTransactions],
    rows: list[Row],
    known: set[str],
) -> None:
    transactions = read([(each, "0", "0", "1", "", "", "") for each in ["6", *known]]).transactions
    path = tmp_path_factory.getbasetemp() / "labels.csv"
    path.write_text("\n".join(",".join(row) for row in [LABEL_COLUMNS, *rows]), encoding="utf-8")
    labels, set_aside = read_labels(path, SCHEMA, transactions)
    assert set(labels.transaction_id.tolist()) <= {each.encode() for each in known}
    assert len(labels) + sum(each.count for each in set_aside) == len(rows)
    assert (np.diff(labels.known_time_us) >= 0).all()
    assert (labels.source <= 2).all()
