"""Old frames leave the ledger: what goes with them, what stays, and what recovery keeps back."""

import threading

import numpy as np
import pytest
from ledgers import LEDGERS, frame_of, opened

from fraud_system.errors import CorruptFrame, LedgerError
from fraud_system.ledger import SNAPSHOTS_KEPT, SqliteLedger

FRAMES = [
    frame_of(1, transactions=[7, 8], versions=[0]),
    frame_of(4, transactions=[9], labels=[(100, 7), (101, 8)]),
    frame_of(7, transactions=[10, 11]),
    frame_of(9, labels=[(102, 7), (100, 7)], versions=[1]),
    frame_of(12),
]


@pytest.fixture(params=LEDGERS)
def ledger(request, tmp_path):
    with opened(request.param, tmp_path) as made:
        made.append(FRAMES)
        yield made


def keep(ledger, *seqs, names=("engine", "learner")):
    for name in names:
        for seq in seqs:
            ledger.save_snapshot(name, seq, {"at": np.array([seq])})


def dropped(ledger, seq, at_most_events=8_192):
    """All of it, in as many calls as it takes."""
    removed = []
    while events := ledger.drop_before(seq, at_most_events):
        removed.append(events)
    return removed


def test_whole_frames_go_and_all_that_was_indexed_of_them(ledger):
    keep(ledger, 10, 12)
    assert ledger.first_seq == 1
    assert dropped(ledger, 8) == [6]
    assert (ledger.first_seq, ledger.last_seq) == (7, 12)
    assert [frame.first_seq for frame in ledger.frames(6)] == [7, 9, 12]
    assert [frame.first_seq for frame in ledger.frames(9)] == [9, 12]
    assert ledger.frame_at(7).last_seq == 8
    assert [ledger.seq_of(key) for key in (7, 8, 9, 10, 11)] == [None, None, None, 7, 8]
    assert ledger.known_labels([100, 101, 102]) == {102: 9}
    assert [ledger.label_seqs(key) for key in (7, 8)] == [[9], []]
    assert [ledger.publication_seq(version) for version in (0, 1)] == [None, 11]


def test_what_was_dropped_is_told_apart_from_what_never_was(ledger):
    keep(ledger, 10)
    dropped(ledger, 8)
    for read in (
        lambda: next(ledger.frames()),
        lambda: next(ledger.frames(5)),
        lambda: ledger.frame_at(6),
        lambda: ledger.save_snapshot("engine", 6, {}),
    ):
        with pytest.raises(LedgerError, match="before 7 were archived") as refused:
            read()
        assert "archive" in refused.value.fix
    with pytest.raises(LedgerError, match="no position"):
        next(ledger.frames(13))
    with pytest.raises(LedgerError, match="no event"):
        ledger.frame_at(13)


def test_the_ledger_goes_on_and_its_keys_may_come_again(ledger):
    keep(ledger, 10)
    dropped(ledger, 8)
    ledger.append([frame_of(13, transactions=[7], labels=[(100, 7)])])
    assert ledger.seq_of(7) == 13
    assert ledger.known_labels([100]) == {100: 14}
    assert ledger.label_seqs(7) == [9, 14]
    with pytest.raises(LedgerError, match="nothing was stored"):
        ledger.append([frame_of(15, transactions=[11])])


def test_what_has_come_again_since_stays(ledger):
    ledger.append(
        [frame_of(13, transactions=[7], labels=[(100, 8)], versions=[2])], reusable_before_seq=6
    )
    keep(ledger, 12)
    dropped(ledger, 12)
    assert [ledger.seq_of(key) for key in (7, 8)] == [13, None]
    assert ledger.known_labels([100, 101, 102]) == {100: 14}
    assert [ledger.label_seqs(key) for key in (7, 8)] == [[], [14]]


def test_one_call_removes_about_as_much_as_asked_and_at_least_a_frame(ledger):
    keep(ledger, 12)
    assert ledger.drop_before(12, at_most_events=1) == 3
    assert ledger.drop_before(12, at_most_events=4) == 3 + 2
    assert ledger.first_seq == 9
    assert ledger.drop_before(12, at_most_events=0) == 0
    assert ledger.drop_before(12, at_most_events=1) == 3
    assert ledger.drop_before(12) == 0
    assert ledger.first_seq == 12


# ---- what recovery needs


def test_without_snapshots_of_both_folds_nothing_is_dropped(ledger):
    for names in ((), ("engine",), ("monitor",)):
        keep(ledger, 10, names=names)
        assert ledger.needed_from_seq == 1
        with pytest.raises(LedgerError, match="recovery may need the events from 1 on"):
            ledger.drop_before(2)
        assert ledger.drop_before(1) == ledger.drop_before(0) == ledger.drop_before(-5) == 0
    assert ledger.first_seq == 1


def test_every_snapshot_that_is_kept_is_kept_usable(ledger):
    keep(ledger, 8, 10, names=["engine"])
    keep(ledger, 6, 9, 12, names=["learner"])
    assert ledger.needed_from_seq == 8
    with pytest.raises(LedgerError, match="from 8 on") as refused:
        ledger.drop_before(9)
    assert "newer snapshots" in refused.value.fix
    dropped(ledger, ledger.needed_from_seq)
    assert ledger.first_seq == 7
    assert SNAPSHOTS_KEPT == 2
    assert [ledger.latest_snapshot("engine", most)[0] for most in (12, 9)] == [10, 8]
    assert [ledger.latest_snapshot("learner", most)[0] for most in (12, 11)] == [12, 9]
    for seq in (8, 9, 10, 12):
        assert [frame.last_seq for frame in ledger.frames(seq)][-1:] == [12] * (seq < 12)


def test_a_snapshot_of_something_else_does_not_hold_frames_back_and_is_passed_over(ledger):
    keep(ledger, 12)
    keep(ledger, 4, 9, names=["monitor"])
    keep(ledger, 0, names=["beginning"])
    dropped(ledger, 10)
    assert ledger.latest_snapshot("monitor") == (9, {"at": np.array([9])})
    dropped(ledger, 12)
    assert ledger.latest_snapshot("monitor") is None
    assert ledger.latest_snapshot("beginning") is None
    assert ledger.latest_snapshot("engine")[0] == 12


# ---- the durable one


@pytest.fixture
def disk(tmp_path):
    with opened("sqlite", tmp_path) as made:
        made.append(FRAMES)
        keep(made, 12)
        yield made


def test_only_the_writer_drops_and_readers_see_it(disk, tmp_path):
    with SqliteLedger(tmp_path / "ledger.db", read_only=True) as reader:
        with pytest.raises(LedgerError, match="read-only"):
            reader.drop_before(12)
        standing = reader.frames()
        next(standing)
        dropped(disk, 12)
        assert reader.first_seq == 12
        with pytest.raises(LedgerError, match="before 12 were archived"):
            next(standing)
        assert reader.latest_snapshot("engine")[0] == 12


def test_a_damaged_snapshot_holds_back_nothing_and_does_not_count(disk, tmp_path):
    keep(disk, 8)
    assert disk.needed_from_seq == 8
    folder = tmp_path / "ledger.db-snapshots"
    for name in ("engine", "learner"):
        (folder / f"{name}-{8:020}.snapshot").write_bytes(b"")
    assert disk.needed_from_seq == 12
    (folder / f"learner-{12:020}.snapshot").write_bytes(b"FRLG")
    assert disk.needed_from_seq == 1


def test_a_frame_that_cannot_be_read_cannot_be_dropped(disk):
    disk._connection.execute("UPDATE frames SET data = zeroblob(50) WHERE first_seq = 4")
    assert disk.drop_before(12, at_most_events=1) == 3
    for _ in range(2):
        with pytest.raises(CorruptFrame):
            disk.drop_before(12)
    assert (disk.first_seq, disk.seq_of(9)) == (4, 4)


def test_others_append_between_two_calls(tmp_path):
    with opened("sqlite", tmp_path) as disk:
        disk.append([frame_of(seq, transactions=[seq]) for seq in range(1, 401)])
        keep(disk, 400)
        done, problems = threading.Event(), []

        def append():
            try:
                while not done.is_set() or disk.last_seq == 400:
                    seq = disk.last_seq + 1
                    disk.append([frame_of(seq, transactions=[seq])])
            except Exception as error:  # a thread has nobody else to tell
                problems.append(error)

        appender = threading.Thread(target=append)
        appender.start()
        assert sum(dropped(disk, 400, at_most_events=7)) == 399
        done.set()
        appender.join()
        assert problems == []
        assert disk.last_seq > 400
        assert [disk.seq_of(seq) for seq in (399, 400, 401)] == [None, 400, 401]
        assert len(list(disk.frames(399))) == disk.last_seq - 399
