"""What every ledger promises, on each of them."""

import threading
import weakref

import numpy as np
import pytest
from ledgers import LEDGERS, opened

from fraud_system.errors import LedgerError, StaleWriter
from fraud_system.events import Frame
from fraud_system.ledger import encode_frame

KEYS = np.random.default_rng(1).permutation(2_000).astype(np.uint64) << np.uint64(53)


def frame(first_seq, last_seq, *, keys=None):
    """Transactions at every seq of the frame, with keys all over the 64 bits."""
    seq = np.arange(first_seq, last_seq + 1)
    key = KEYS[seq] if keys is None else np.array(keys, dtype=np.uint64)
    table = {"seq": seq, "transaction_key": key, "amount": seq * 0.5}
    return Frame(first_seq, last_seq, 1_000 * last_seq, {"transaction": table})


@pytest.fixture(params=LEDGERS)
def ledger(request, tmp_path):
    with opened(request.param, tmp_path) as made:
        yield made


def spans(frames):
    return [(each.first_seq, each.last_seq) for each in frames]


def test_an_empty_ledger(ledger):
    ledger.append([])
    assert ledger.last_seq == 0
    assert list(ledger.frames()) == []
    assert ledger.seq_of(7) is None
    assert ledger.latest_snapshot("engine") is None
    with pytest.raises(LedgerError, match="no event 1"):
        ledger.frame_at(1)


def test_frames_come_back_in_order_and_bit_for_bit(ledger):
    stored = [frame(1, 3), frame(4, 4), frame(5, 9)]
    ledger.append(stored[:1])
    ledger.append(stored[1:])
    assert ledger.last_seq == 9
    assert [encode_frame(each) for each in ledger.frames()] == [encode_frame(f) for f in stored]


@pytest.mark.parametrize(
    ("after_seq", "passed_over"), [(0, 0), (2, 0), (3, 1), (4, 2), (8, 2), (9, 3)]
)
def test_reading_on_yields_whole_frames(ledger, after_seq, passed_over):
    stored = [(1, 3), (4, 4), (5, 9)]
    ledger.append([frame(first, last) for first, last in stored])
    assert spans(ledger.frames(after_seq)) == stored[passed_over:]


@pytest.mark.parametrize("after_seq", [-1, 4, 2**70])
def test_reading_on_from_where_the_ledger_never_was_is_refused(ledger, after_seq):
    ledger.append([frame(1, 3)])
    with pytest.raises(LedgerError, match="no position"):
        next(ledger.frames(after_seq))


@pytest.mark.parametrize(
    "frames",
    [[(2, 3)], [(4, 5)], [(6, 7)], [(5, 6), (8, 9)], [(5, 6), (6, 7)], [(5, 6), (5, 6)]],
)
def test_a_stale_writer_is_refused_and_stores_nothing(ledger, frames):
    ledger.append([frame(1, 4)])
    with pytest.raises(StaleWriter, match="next seq is"):
        ledger.append([frame(first, last) for first, last in frames])
    assert spans(ledger.frames()) == [(1, 4)]
    assert [ledger.seq_of(int(KEYS[seq])) for seq in (4, 5, 6, 7)] == [4, None, None, None]


def test_every_transaction_is_found_by_its_key(ledger):
    ledger.append([frame(1, 500), frame(501, 501)])
    ledger.append([frame(502, 1_999)])
    assert [ledger.seq_of(int(key)) for key in KEYS[1:]] == list(range(1, 2_000))
    assert ledger.seq_of(int(KEYS[0])) is None


def test_the_extreme_keys_are_kept_apart(ledger):
    keys = [0, 1, 2**63 - 1, 2**63, 2**64 - 1]
    ledger.append([frame(1, 5, keys=keys)])
    assert [ledger.seq_of(key) for key in keys] == [1, 2, 3, 4, 5]


def test_frame_at_finds_the_frame_that_holds_the_event(ledger):
    ledger.append([frame(1, 3), frame(4, 4), frame(5, 9)])
    held = spans(map(ledger.frame_at, range(1, 10)))
    assert held == [(1, 3)] * 3 + [(4, 4)] + [(5, 9)] * 5
    for seq in (0, -1, 10, 2**70):
        with pytest.raises(LedgerError, match="no event"):
            ledger.frame_at(seq)


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([frame(4, 5, keys=[9, 9])], id="in one frame"),
        pytest.param([frame(4, 4, keys=[9]), frame(5, 5, keys=[9])], id="in one append"),
        pytest.param([frame(4, 4, keys=[9]), frame(5, 5, keys=[KEYS[2]])], id="in the ledger"),
    ],
)
def test_a_repeated_transaction_is_refused_and_nothing_is_stored(ledger, frames):
    ledger.append([frame(1, 3)])
    with pytest.raises(LedgerError, match="nothing was stored"):
        ledger.append(frames)
    assert spans(ledger.frames()) == [(1, 3)]
    assert ledger.seq_of(9) is None
    assert ledger.seq_of(int(KEYS[2])) == 2
    ledger.append([frame(4, 4, keys=[9])])
    assert ledger.seq_of(9) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"transaction_key": np.array([1, 2])},
        {"transaction_key": np.array([[1], [2]], dtype=np.uint64)},
        {"seq": np.array([1, 3])},
        {"seq": np.array([0, 2])},
        {"seq": np.array([1.0, 2.0])},
        {"amount": np.array([None, None])},
        {"amount": np.zeros(3)},
    ],
    ids=str,
)
def test_a_frame_that_cannot_be_indexed_or_encoded_is_refused(ledger, change):
    good = frame(1, 2).tables["transaction"]
    with pytest.raises(LedgerError):
        ledger.append([Frame(1, 2, 0, {"transaction": {**good, **change}})])
    assert ledger.last_seq == 0


def test_transactions_without_keys_are_refused(ledger):
    table = {"seq": np.array([1])}
    with pytest.raises(LedgerError, match="transaction_key: the index needs"):
        ledger.append([Frame(1, 1, 0, {"transaction": table})])
    ledger.append([Frame(1, 1, 0, {"tick": table})])


def test_later_changes_of_the_callers_arrays_do_not_reach_the_ledger(ledger):
    mine = frame(1, 2)
    weights = np.ones(3)
    ledger.append([mine])
    ledger.save_snapshot("engine", 2, {"weights": weights})
    mine.tables["transaction"]["amount"][:] = -1
    weights[:] = -1
    assert ledger.frame_at(1).tables["transaction"]["amount"].tolist() == [0.5, 1.0]
    assert ledger.latest_snapshot("engine")[1]["weights"].tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="read-only"):
        ledger.frame_at(1).tables["transaction"]["amount"][0] = 3


def test_a_reader_sees_what_is_appended_meanwhile(ledger):
    ledger.append([frame(1, 2), frame(3, 4)])
    reader = ledger.frames()
    assert next(reader).last_seq == 2
    ledger.append([frame(5, 9)])
    assert spans(reader) == [(3, 4), (5, 9)]


def test_a_reader_holds_no_frame_but_the_one_it_yields(ledger):
    ledger.append([frame(seq, seq) for seq in range(1, 20)])
    amounts = []
    for each in ledger.frames():
        assert not any(amount() is not None for amount in amounts)
        amounts.append(weakref.ref(each.tables["transaction"]["amount"]))
        del each
    assert len(amounts) == 19


def test_readers_in_other_threads_see_whole_commits(ledger):
    done = threading.Event()
    seen, problems = [], []

    def read():
        try:
            while not done.is_set():
                last = ledger.last_seq
                seen.append(last)
                held = [span for span in spans(ledger.frames()) if span[1] <= last]
                assert (held[-1][1] if held else 0) == last
                assert last == 0 or ledger.seq_of(int(KEYS[last])) == last
        except Exception as error:  # a thread has nobody else to tell
            problems.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for first in range(1, 600, 6):
        ledger.append([frame(first, first + 2), frame(first + 3, first + 5)])
    done.set()
    reader.join()
    assert problems == []
    assert seen
    assert {last % 6 for last in seen} == {0}


def test_a_closed_ledger_does_nothing_more(ledger):
    ledger.append([frame(1, 9)])
    reader = ledger.frames()
    ledger.close()
    ledger.close()
    calls = [
        lambda: ledger.last_seq,
        lambda: ledger.append([frame(10, 11)]),
        lambda: next(reader),
        lambda: ledger.seq_of(1),
        lambda: ledger.frame_at(1),
        lambda: ledger.save_snapshot("engine", 9, {}),
        lambda: ledger.latest_snapshot("engine"),
    ]
    for call in calls:
        with pytest.raises(LedgerError, match="closed"):
            call()
