"""Labels from a file, and the stream that they make with the transactions."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fraud_system.errors import TooManyBadRows
from fraud_system.events import DAY_US, LabelSource, Transactions
from fraud_system.keys import key_of
from fraud_system.schema import load_schema
from pipelines.label_files import read_labels
from pipelines.readers import arrivals, read_transactions
from pipelines.set_aside import SetAside

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


def write(
    path: Path, *lines: str, header: str = "transaction_id,is_fraud,source,observed_time"
) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def reasons(remarks: list[SetAside]) -> dict[str, int]:
    return {remark.reason: remark.count for remark in remarks}


def transactions(tmp_path: Path, *ids: str) -> Transactions:
    lines = [f"{each},{10 * place},1" for place, each in enumerate(ids)]
    path = write(tmp_path / "t.csv", *lines, header="id,time,amount")
    return read_transactions(path, SCHEMA).transactions


def read_label_lines(tmp_path: Path, *lines: str) -> tuple[list[bytes], dict[str, int]]:
    path = write(tmp_path / "l.csv", *lines)
    labels, set_aside = read_labels(path, SCHEMA, transactions(tmp_path, "a", "b"))
    return labels.transaction_id.tolist(), reasons(set_aside)


def test_labels_by_hand(tmp_path: Path) -> None:
    lines = ["b,0,review,2020-01-02", "a,true,User_Report,2020-01-01", "b,1,chargeback,2020-01-01"]
    path = write(tmp_path / "l.csv", *lines)
    labels, set_aside = read_labels(path, SCHEMA, transactions(tmp_path, "a", "b"))
    assert set_aside == []
    assert labels.transaction_id.tolist() == [b"a", b"b", b"b"]
    assert labels.transaction_key.tolist() == [key_of("a"), key_of("b"), key_of("b")]
    assert labels.known_time_us.tolist() == [START_US, START_US, START_US + DAY_US]
    assert labels.is_fraud.tolist() == [True, True, False]
    assert labels.source.tolist() == [
        LabelSource.USER_REPORT,
        LabelSource.CHARGEBACK,
        LabelSource.REVIEW,
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (",1,review,2020-01-01", "missing or unreadable id"),
        ("b,,review,2020-01-01", "missing label"),
        ("b,2,review,2020-01-01", "unreadable label"),
        ("b,1,maturity,2020-01-01", "unknown source"),
        ("b,1,,2020-01-01", "unknown source"),
        ("b,1,review,", "missing time"),
        ("b,1,review,today", "unreadable time"),
        ("b,1,review", "not 4 fields"),
    ],
)
def test_a_bad_label_is_set_aside_with_its_reason(tmp_path: Path, line: str, reason: str) -> None:
    ids, found = read_label_lines(tmp_path, "a,1,review,2020-01-01", line)
    assert ids == [b"a"]
    assert found == {reason: 1}


def test_a_file_without_labels_is_no_fault(tmp_path: Path) -> None:
    assert read_label_lines(tmp_path) == ([], {})


def test_too_many_bad_labels_end_the_job(tmp_path: Path) -> None:
    with pytest.raises(TooManyBadRows, match="unknown source"):
        read_label_lines(tmp_path, "a,1,bank,2020-01-01")


def test_a_label_of_a_transaction_that_is_not_there_is_set_aside(tmp_path: Path) -> None:
    lines = ["z,1,review,2020-01-01", "a,1,review,2020-01-01", "b,1,review,2020-01-02"]
    path = write(tmp_path / "l.csv", *lines)
    labels, (remark,) = read_labels(path, SCHEMA, transactions(tmp_path, "a", "b"))
    assert labels.transaction_id.tolist() == [b"a", b"b"]
    assert (remark.reason, remark.where) == ("unknown transaction id", "l.csv: transaction_id")
    assert remark.examples == ({"row": 2, "value": "z"},)


def test_unknown_ids_have_a_limit_of_their_own(tmp_path: Path) -> None:
    lines = ["z,1,review,2020-01-01", "y,1,review,2020-01-01", "a,1,review,2020-01-02"]
    path = write(tmp_path / "l.csv", *lines)
    known = transactions(tmp_path, "a", "b")
    with pytest.raises(TooManyBadRows, match="2 of 3 rows") as caught:
        read_labels(path, SCHEMA, known)
    assert "limits.max_unknown_label_share" in caught.value.fix
    strict = replace(SCHEMA, limits=replace(SCHEMA.limits, max_bad_share=0.0))
    half = write(tmp_path / "l.csv", *lines[1:])
    assert len(read_labels(half, strict, known)[0]) == 1


def test_the_unit_of_the_schema_counts_for_labels_too(tmp_path: Path) -> None:
    schema = replace(SCHEMA, columns=replace(SCHEMA.columns, time_unit="ms"))
    path = write(tmp_path / "l.csv", "a,1,review,1500", "b,1,review,1970-01-01T00:00:03")
    labels, _ = read_labels(path, schema, transactions(tmp_path, "a", "b"))
    assert labels.known_time_us.tolist() == [1_500_000, 3_000_000]


@pytest.fixture
def read_three(tmp_path: Path) -> Callable[[str], tuple[np.ndarray, np.ndarray]]:
    """Kinds and times (s) of the stream of three transactions and labels with these lines."""

    def read(*label_lines: str) -> tuple[np.ndarray, np.ndarray]:
        known = transactions(tmp_path, "a", "b", "c")
        labels, _ = read_labels(write(tmp_path / "l.csv", *label_lines), SCHEMA, known)
        stream = arrivals(known, labels, maturity_s=200_000, orphan_wait_s=50)
        return stream.kind, stream.known_time_us

    return read


def test_ticks_come_daily_until_all_has_matured(
    read_three: Callable[..., tuple[np.ndarray, np.ndarray]],
) -> None:
    kind, known_us = read_three("a,1,review,10")
    assert kind.tolist() == [0, 1, 0, 0, 2, 2, 2]
    assert known_us.tolist() == [
        *(second * 1_000_000 for second in (0, 10, 10, 20, 86_420, 172_820)),
        200_020_000_001,
    ]


def test_ticks_go_on_until_the_last_label_has_waited(
    read_three: Callable[..., tuple[np.ndarray, np.ndarray]],
) -> None:
    kind, known_us = read_three("a,1,review,300000")
    assert kind.tolist() == [0, 0, 0, 2, 2, 2, 1, 2]
    assert known_us[-2:].tolist() == [300_000_000_000, 300_050_000_001]
