"""Snapshots: which are kept, what is passed over, and what crashes and other processes leave."""

import fcntl
import inspect
import itertools
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from ledgers import LEDGERS, frame_of, opened

from fraud_system.errors import CorruptFrame, LedgerError
from fraud_system.ledger import MemoryLedger, SqliteLedger
from fraud_system.ledger.snapshots import decode_snapshot, encode_snapshot


def nine_events():
    return frame_of(1, transactions=range(1, 10))


@pytest.fixture(params=LEDGERS)
def ledger(request, tmp_path):
    with opened(request.param, tmp_path) as made:
        made.append([nine_events()])
        yield made


@pytest.fixture
def damage_snapshot(ledger, tmp_path):
    """Flip one bit in the middle of the stored snapshot of the fold `engine` at a seq."""

    def damage(seq):
        if isinstance(ledger, MemoryLedger):
            records = ledger._snapshots["engine"][seq]
            records[-1] = flipped(records[-1])
        else:
            file = file_of(tmp_path, "engine", seq)
            file.write_bytes(flipped(file.read_bytes()))

    return damage


def flipped(data, at=None):
    changed = bytearray(data)
    changed[len(data) // 2 if at is None else at] ^= 1
    return bytes(changed)


def file_of(folder, name, seq):
    return folder / "ledger.db-snapshots" / f"{name}-{seq:020}.snapshot"


def names(folder):
    return sorted(path.name for path in (folder / "ledger.db-snapshots").iterdir())


# ---- what every ledger promises


def test_a_name_that_is_no_file_name_is_refused(ledger):
    for name in ("", "../engine", "Engine", "engine-1", "1", "e" * 65):
        with pytest.raises(LedgerError, match="no name of a snapshot"):
            ledger.save_snapshot(name, 9, {})
        assert ledger.latest_snapshot(name) is None
    ledger.save_snapshot("e" * 64, 9, {})
    assert ledger.latest_snapshot("e" * 64) == (9, {})


def test_the_newest_two_snapshots_of_each_name_are_kept(ledger):
    for seq in (0, 4, 7, 9):
        ledger.save_snapshot("engine", seq, {"at": np.array([seq])})
    ledger.save_snapshot("learner", 4, {"w": np.ones((2, 2)), "n": np.array(3)})
    assert ledger.latest_snapshot("engine") == (9, {"at": np.array([9])})
    assert ledger.latest_snapshot("engine", 8) == (7, {"at": np.array([7])})
    assert ledger.latest_snapshot("engine", 6) is None
    seq, arrays = ledger.latest_snapshot("learner", 2**70)
    assert (seq, arrays["w"].shape, arrays["n"].shape) == (4, (2, 2), ())


def test_an_older_snapshot_does_not_push_out_a_newer(ledger):
    for seq in (7, 9, 4):
        ledger.save_snapshot("engine", seq, {"at": np.array([seq])})
    assert ledger.latest_snapshot("engine")[0] == 9
    assert ledger.latest_snapshot("engine", 8)[0] == 7
    assert ledger.latest_snapshot("engine", 6) is None


def test_a_second_snapshot_at_the_same_seq_replaces_the_first(ledger):
    for value in (1, 2, 3):
        ledger.save_snapshot("engine", 9, {"value": np.array([value])})
    ledger.save_snapshot("engine", 8, {"value": np.array([8])})
    assert ledger.latest_snapshot("engine") == (9, {"value": np.array([3])})
    assert ledger.latest_snapshot("engine", 8) == (8, {"value": np.array([8])})


def test_a_damaged_snapshot_falls_back_to_the_older_one(ledger, damage_snapshot):
    for seq in (7, 9):
        ledger.save_snapshot("engine", seq, {"weights": np.arange(50) * seq})
    damage_snapshot(9)
    seq, arrays = ledger.latest_snapshot("engine")
    assert seq == 7
    assert np.array_equal(arrays["weights"], np.arange(50) * 7)
    damage_snapshot(7)
    assert ledger.latest_snapshot("engine") is None


def test_a_snapshot_of_events_not_yet_stored_is_refused(ledger):
    with pytest.raises(LedgerError, match="no position"):
        ledger.save_snapshot("engine", 10, {"weights": np.ones(1)})
    with pytest.raises(LedgerError, match="only arrays"):
        ledger.save_snapshot("engine", 9, {"weights": np.array([None])})
    assert ledger.latest_snapshot("engine") is None


def test_what_comes_back_is_read_only_and_bit_for_bit(ledger):
    arrays = {
        "b": np.array([[1.5, np.nan]], np.float32),
        "a": np.array(7),
        "empty": np.zeros((0, 3), np.uint64),
        "names": np.array([b"x", b"yz"], "S2"),
    }
    ledger.save_snapshot("engine", 9, arrays)
    _, found = ledger.latest_snapshot("engine")
    assert list(found) == sorted(arrays)
    for name, array in found.items():
        assert (array.dtype, array.shape) == (arrays[name].dtype, arrays[name].shape)
        assert array.tobytes() == arrays[name].tobytes()
        assert not array.flags.writeable


# ---- the records


def test_large_arrays_are_cut_and_put_together_again():
    draw = np.random.default_rng(2)
    arrays = {
        "long": draw.random((1_001, 3)),
        "fits": np.arange(8, dtype=np.uint8),
        "wide": draw.random((3, 40)),
        "scalar": np.array(3.5),
        "none": np.zeros((0, 99)),
    }
    records = list(encode_snapshot("engine@9", arrays, b"history", piece_bytes=100))
    assert len(records) == 1 + 251 + 1 + 3 + 1 + 1
    assert max(map(len, records)) < 100 + 400
    found = decode_snapshot("engine@9", records)
    assert list(found) == sorted(arrays)
    for name, array in arrays.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()
        assert not found[name].flags.writeable


def test_more_than_the_bound_is_refused_before_anything_is_written():
    vast = np.broadcast_to(np.zeros(1), 2**31)
    with pytest.raises(LedgerError, match="larger than"):
        next(encode_snapshot("engine@9", {"a": vast, "b": np.zeros(1)}))


def test_records_that_are_missing_exchanged_or_of_another_snapshot_are_noticed():
    arrays = {"a": np.arange(40), "b": np.arange(5.0)}
    records = list(encode_snapshot("engine@9", arrays, piece_bytes=80))
    others = list(encode_snapshot("engine@8", arrays, piece_bytes=80))
    assert len(records) == 6
    bad = [records[:end] for end in range(6)]
    bad += [records[:place] + records[place + 1 :] for place in range(5)]
    bad += [[*records[:place], others[place], *records[place + 1 :]] for place in range(6)]
    bad += [[*records, records[-1]], [*records[:2], records[3], records[2], *records[4:]]]
    for each in bad:
        with pytest.raises(CorruptFrame):
            decode_snapshot("engine@9", each)
    assert decode_snapshot("engine@9", records)["a"].tolist() == list(range(40))


def test_pieces_that_do_not_fit_together_are_noticed():
    whole = [np.arange(10), np.arange(10.0), np.zeros((4, 3)), np.array(1)]
    for one, other in itertools.permutations(whole, 2):
        parts = [
            list(encode_snapshot("e@1", {"a": array, "b": array[:0] if array.ndim else array}))
            for array in (one, other)
        ]
        head = parts[0][0]
        second = list(encode_snapshot("e@1", {"": one, "a": other}))[2]
        with pytest.raises(CorruptFrame):
            decode_snapshot("e@1", [head, parts[0][1], second])


# ---- the files


@pytest.fixture
def disk(tmp_path):
    with opened("sqlite", tmp_path) as made:
        made.append([nine_events()])
        yield made


def test_a_snapshot_is_a_file_and_readers_may_save_it(disk, tmp_path):
    disk.save_snapshot("engine", 9, {"at": np.array([9])})
    assert names(tmp_path) == ["engine-00000000000000000009.snapshot"]
    with SqliteLedger(tmp_path / "ledger.db", read_only=True) as reader:
        reader.save_snapshot("engine", 8, {"at": np.array([8])})
        reader.save_snapshot("learner", 9, {"at": np.array([1])})
        assert reader.latest_snapshot("engine") == (9, {"at": np.array([9])})
    assert disk.latest_snapshot("engine", 8) == (8, {"at": np.array([8])})
    assert disk.latest_snapshot("learner") == (9, {"at": np.array([1])})
    assert len(names(tmp_path)) == 3


def test_torn_and_damaged_files_are_passed_over(disk, tmp_path):
    for seq in (7, 9):
        disk.save_snapshot("engine", seq, {"a": np.arange(5) * seq, "b": np.array(seq)})
    file = file_of(tmp_path, "engine", 9)
    good = file.read_bytes()
    torn = [good[:length] for length in range(0, len(good), 7)]
    damaged = [flipped(good, at) for at in range(0, len(good), 11)]
    longer = [good + b"\0", good + good[:24], good + good]
    for bad in [*torn, *damaged, *longer]:
        file.write_bytes(bad)
        assert disk.latest_snapshot("engine")[0] == 7
        ((path, why),) = disk.passed_over
        assert path == file
        assert why
    assert disk.latest_snapshot("learner") is None
    assert [path for path, _ in disk.passed_over] == [file], "each name has its own"
    file.write_bytes(good)
    assert disk.latest_snapshot("engine")[0] == 9
    assert disk.passed_over == []


def test_a_file_under_another_name_is_passed_over(disk, tmp_path):
    disk.save_snapshot("engine", 8, {"at": np.array([8])})
    for name, seq in (("engine", 9), ("learner", 8)):
        shutil.copy(file_of(tmp_path, "engine", 8), file_of(tmp_path, name, seq))
    (tmp_path / "ledger.db-snapshots" / "engine-9.snapshot").write_bytes(b"")
    assert disk.latest_snapshot("engine")[0] == 8
    assert disk.latest_snapshot("learner") is None


def test_a_snapshot_of_another_history_is_passed_over_and_removed(tmp_path):
    """An older copy of the ledger is put back, and goes on otherwise."""
    path = tmp_path / "ledger.db"
    with SqliteLedger(path) as ledger:
        ledger.append([nine_events()])
        ledger.save_snapshot("engine", 9, {"at": np.array([9])})
    shutil.copy(path, tmp_path / "copy")
    with SqliteLedger(path) as ledger:
        ledger.append([frame_of(10, transactions=[100]), frame_of(11, transactions=[101])])
        for seq in (10, 11):
            ledger.save_snapshot("engine", seq, {"at": np.array([seq])})
        assert ledger.latest_snapshot("engine")[0] == 11
    shutil.copy(tmp_path / "copy", path)
    with SqliteLedger(path) as ledger:
        assert ledger.last_seq == 9
        assert ledger.latest_snapshot("engine") is None, "9 was pushed out by 10 and 11"
        ledger.save_snapshot("engine", 9, {"at": np.array([9])})
        ledger.append([frame_of(10, transactions=[200])])
        assert ledger.latest_snapshot("engine")[0] == 9, "event 10 is another one now"
        shutil.copy(file_of(tmp_path, "engine", 9), file_of(tmp_path, "engine", 12))
        ledger.append([frame_of(11, transactions=[201])])
        ledger.save_snapshot("engine", 11, {"at": np.array([11])})
        assert names(tmp_path) == [file_of(tmp_path, "engine", seq).name for seq in (9, 11)]


def test_a_place_where_no_file_can_be_is_an_error(disk, tmp_path):
    in_the_way = tmp_path / "ledger.db-snapshots"
    in_the_way.write_bytes(b"")
    with pytest.raises(LedgerError):
        disk.save_snapshot("engine", 9, {})
    in_the_way.unlink()
    disk.save_snapshot("engine", 9, {})
    assert disk.latest_snapshot("engine") == (9, {})


# ---- several processes, and what they leave


def test_what_a_dead_process_left_is_removed_and_what_another_writes_is_not(disk, tmp_path):
    disk.save_snapshot("engine", 7, {})
    folder = tmp_path / "ledger.db-snapshots"
    for name in ("engine.0.unfinished", "engine.3.unfinished", "learner.0.unfinished"):
        (folder / name).write_bytes(b"half")
    with (folder / "engine.0.unfinished").open("rb") as living:
        fcntl.flock(living, fcntl.LOCK_EX)
        disk.save_snapshot("engine", 9, {})
        assert names(tmp_path) == [
            *(file_of(tmp_path, "engine", seq).name for seq in (7, 9)),
            "engine.0.unfinished",
        ]
        assert (folder / "engine.0.unfinished").read_bytes() == b"half"
    disk.save_snapshot("engine", 9, {})
    assert len(names(tmp_path)) == 2


def test_a_snapshot_that_cannot_be_encoded_leaves_no_file(disk, tmp_path):
    with pytest.raises(LedgerError, match="only arrays"):
        disk.save_snapshot("engine", 9, {"a": np.zeros(5), "b": np.array([None])})
    assert names(tmp_path) == []


PREAMBLE = """
import resource, sys
from typing import Any
from collections.abc import Iterable
import numpy as np
from fraud_system.errors import LedgerError
from fraud_system.events import Frame
from fraud_system.ledger import SqliteLedger
path = sys.argv[1]
""" + inspect.getsource(frame_of)


def start(script, folder, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + script, str(folder / "ledger.db"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


SAVER = """
with SqliteLedger(path, read_only=True) as ledger:
    print("ready", flush=True)
    for turn in range(int(sys.argv[2])):
        seq = ledger.last_seq
        ledger.save_snapshot("engine", seq, {"at": np.full(20_000, seq)})
        found, arrays = ledger.latest_snapshot("engine")
        assert found >= seq and (arrays["at"] == found).all(), (seq, found)
"""


def test_processes_may_save_at_once_while_the_writer_writes(disk, tmp_path):
    savers = [start(SAVER, tmp_path, "60") for _ in range(2)]
    assert [saver.stdout.readline() for saver in savers] == ["ready\n"] * 2
    while any(saver.poll() is None for saver in savers):
        disk.append([frame_of(disk.last_seq + 1)])
        seq = disk.last_seq
        disk.save_snapshot("engine", seq, {"at": np.full(20_000, seq)})
        assert disk.latest_snapshot("engine")[0] >= seq
    for saver in savers:
        text, _ = saver.communicate(timeout=60)
        assert (saver.returncode, text) == (0, "")
    disk.save_snapshot("engine", disk.last_seq, {})
    assert len(names(tmp_path)) == 2


def test_a_process_that_is_killed_while_it_saves_leaves_nothing_for_long(disk, tmp_path):
    for turns in range(4):
        saver = start(SAVER, tmp_path, "1000000")
        saver.stdout.readline()
        for _ in range(3 + 5 * turns):
            disk.append([frame_of(disk.last_seq + 1)])
        saver.send_signal(signal.SIGKILL)
        assert saver.wait(60) == -signal.SIGKILL
        saver.stdout.close()
        found = disk.latest_snapshot("engine")
        assert found is None or set(found[1]["at"].tolist()) == {found[0]}
        disk.save_snapshot("engine", disk.last_seq, {"at": np.array([disk.last_seq])})
        assert not [name for name in names(tmp_path) if name.endswith(".unfinished")]


def test_a_full_disk_keeps_the_older_snapshot(disk, tmp_path):
    """The limit on the size of a file stands in for the full disk: the same failing write."""
    disk.save_snapshot("engine", 7, {"at": np.array([7])})
    script = """
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
with SqliteLedger(path, read_only=True) as ledger:
    try:
        ledger.save_snapshot("engine", 9, {"a": np.zeros(100), "b": np.zeros(100_000)})
    except LedgerError as error:
        print("refused", ledger.latest_snapshot("engine")[0])
"""
    text, _ = start(script, tmp_path).communicate(timeout=60)
    assert text == "refused 7\n"
    assert names(tmp_path) == [file_of(tmp_path, "engine", 7).name]
