"""What can be looked up in a ledger: ids that come again, labels, published weights."""

import numpy as np
import pytest
from ledgers import LEDGERS, frame_of, opened

from fraud_system.errors import LedgerError
from fraud_system.events import Frame
from fraud_system.keys import keys_of, label_keys


@pytest.fixture(params=LEDGERS)
def ledger(request, tmp_path):
    with opened(request.param, tmp_path) as made:
        yield made


# ---- transactions that come again


def test_an_id_may_come_again_once_it_is_forgotten_and_the_newest_is_found(ledger):
    ledger.append([frame_of(1, transactions=[7, 8, 9])])
    ledger.append([frame_of(4, transactions=[7, 10])], reusable_before_seq=2)
    assert [ledger.seq_of(key) for key in (7, 8, 9, 10)] == [4, 2, 3, 5]
    ledger.append([frame_of(6, transactions=[9, 7])], reusable_before_seq=5)
    assert [ledger.seq_of(key) for key in (7, 8, 9, 10)] == [7, 2, 6, 5]


@pytest.mark.parametrize("key", [8, 9])
def test_an_id_that_is_still_known_is_refused_and_nothing_stored(ledger, key):
    ledger.append([frame_of(1, transactions=[7, 8, 9])])
    with pytest.raises(LedgerError, match="nothing was stored"):
        ledger.append(
            [frame_of(4, transactions=[7], labels=[(1, 7)]), frame_of(6, transactions=[key, 20])],
            reusable_before_seq=2,
        )
    assert ledger.last_seq == 3
    assert [ledger.seq_of(each) for each in (7, 8, 9, 20)] == [1, 2, 3, None]
    assert ledger.known_labels([1]) == {}


def test_an_id_may_be_forgotten_and_come_again_within_one_commit(ledger):
    ledger.append(
        [frame_of(1, transactions=[7, 8]), frame_of(3, transactions=[9, 7])], reusable_before_seq=2
    )
    assert [ledger.seq_of(key) for key in (7, 8, 9)] == [4, 2, 3]
    with pytest.raises(LedgerError, match="nothing was stored"):
        ledger.append(
            [frame_of(5, transactions=[11]), frame_of(6, transactions=[11])], reusable_before_seq=5
        )
    assert ledger.last_seq == 4


# ---- labels


def test_labels_are_found_by_their_transaction_and_by_their_own_key(ledger):
    largest = 2**64 - 1
    ledger.append([frame_of(1, transactions=[7, largest], labels=[(100, 7), (largest, 7)])])
    ledger.append([frame_of(5, labels=[(2**63, largest), (0, 12)])])
    assert ledger.label_seqs(7) == [3, 4]
    assert ledger.label_seqs(largest) == [5]
    assert ledger.label_seqs(12) == [6], "an orphan is found too"
    assert ledger.label_seqs(100) == []
    asked = [100, 101, largest, 2**63, 0, 100]
    assert ledger.known_labels(asked) == {100: 3, largest: 4, 2**63: 5, 0: 6}
    assert ledger.known_labels(np.array(asked, np.uint64)) == ledger.known_labels(iter(asked))
    assert ledger.known_labels([]) == {}


def test_thousands_of_labels_are_looked_up_at_once(ledger):
    keys = np.random.default_rng(3).integers(0, 2**64, 40_000, dtype=np.uint64).tolist()
    ledger.append([frame_of(1, labels=[(key, 7) for key in keys])])
    assert ledger.known_labels(keys) == {key: seq for seq, key in enumerate(keys, start=1)}


def test_a_label_that_is_sent_again_is_recorded_and_stays_at_its_first_place(ledger):
    ledger.append([frame_of(1, labels=[(100, 7), (101, 7), (100, 7)])])
    ledger.append([frame_of(4, labels=[(101, 7), (100, 7)])])
    assert ledger.last_seq == 5
    assert ledger.known_labels([100, 101]) == {100: 1, 101: 2}
    assert ledger.label_seqs(7) == [1, 2]


def test_the_key_of_a_forgotten_label_may_be_used_again(ledger):
    ledger.append([frame_of(1, labels=[(100, 7), (101, 7)])])
    ledger.append([frame_of(3, labels=[(100, 8), (101, 8), (100, 9)])], reusable_before_seq=2)
    assert ledger.known_labels([100, 101]) == {100: 3, 101: 2}
    assert [ledger.label_seqs(key) for key in (7, 8, 9)] == [[2], [3], []]


def test_labels_that_an_older_release_recorded_have_derived_keys(ledger):
    about, said = keys_of(["a", "b"]), np.array([True, False])
    source = np.array([0, 2], np.uint8)
    table = {
        "seq": np.array([1, 2]),
        "transaction_key": about,
        "is_fraud": said,
        "source": source,
    }
    ledger.append([Frame(1, 2, 5, {"label": table})])
    derived = label_keys(about, said, source).tolist()
    assert ledger.known_labels(derived) == dict(zip(derived, [1, 2], strict=True))
    assert ledger.label_seqs(int(about[1])) == [2]


# ---- published weights


def test_published_weights_are_found_by_their_version(ledger):
    ledger.append([frame_of(1, versions=[0])])
    ledger.append([frame_of(2, transactions=[5]), frame_of(3, versions=[4])])
    assert [ledger.publication_seq(version) for version in (0, 1, 4)] == [1, None, 3]


# ---- frames that cannot be indexed


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("label", {"label_key": np.array([1])}),
        ("label", {"label_key": None}),
        ("label", {"transaction_key": None}),
        ("label", {"transaction_key": np.array([1.0])}),
        ("label", {"seq": np.array([2])}),
        ("published", {"version": np.array([1.0])}),
        ("published", {"version": np.array([[1]])}),
        ("published", {"version": None}),
        ("published", {"seq": np.array([2])}),
    ],
    ids=str,
)
def test_a_frame_that_cannot_be_indexed_is_refused(ledger, name, change):
    frame = frame_of(1, labels=[(1, 2)]) if name == "label" else frame_of(1, versions=[1])
    table = {**frame.tables[name], **change}
    table = {column: values for column, values in table.items() if values is not None}
    with pytest.raises(LedgerError, match=rf"{name}\."):
        ledger.append([Frame(1, 1, 0, {name: table})])
    assert ledger.last_seq == 0
