"""The durable ledger among processes: killed writers, second writers, readers, a failing disk."""

import inspect
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from fraud_system.errors import LedgerError
from fraud_system.events import Frame
from fraud_system.ledger import SqliteLedger


def frame(first_seq, rows):
    seq = np.arange(first_seq, first_seq + rows)
    key = np.array([key_at(each) for each in seq.tolist()], dtype=np.uint64)
    table = {"seq": seq, "transaction_key": key, "amount": seq * 0.5}
    return Frame(first_seq, first_seq + rows - 1, first_seq, {"transaction": table})


def key_at(seq):
    return seq * 0x9E3779B97F4A7C15 % 2**64


IMPORTS = """
import os, resource, sys
import numpy as np
from fraud_system.errors import LedgerError
from fraud_system.events import Frame
from fraud_system.ledger import SqliteLedger
path = sys.argv[1]
"""
PREAMBLE = IMPORTS + inspect.getsource(frame) + inspect.getsource(key_at)


def start(script, path):
    """Another process that makes the same frames."""
    return subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + script, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def output_of(script, path):
    process = start(script, path)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 0, text
    return text.split()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


def test_nothing_acknowledged_is_lost_when_the_writer_is_killed(path):
    script = """
with SqliteLedger(path) as ledger:
    while True:
        first = ledger.last_seq + 1
        ledger.append([frame(first, 40), frame(first + 40, 1), frame(first + 41, 3)])
        if first % 5 == 0:
            ledger.save_snapshot("engine", ledger.last_seq, {"at": np.array([ledger.last_seq])})
        print(ledger.last_seq, flush=True)
"""
    acknowledged = 0
    for commits_seen in (1, 7, 23):
        process = start(script, path)
        for _ in range(commits_seen):
            acknowledged = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        whole = [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
        acknowledged = int(whole[-1]) if whole else acknowledged
        with SqliteLedger(path) as ledger:
            last = ledger.last_seq
            assert last >= acknowledged
            assert last % 44 == 0
            seqs = [each.tables["transaction"]["seq"] for each in ledger.frames()]
            assert np.concatenate(seqs).tolist() == list(range(1, last + 1))
            assert all(ledger.seq_of(key_at(seq)) == seq for seq in range(1, last + 1))
            snapshot = ledger.latest_snapshot("engine")
            assert snapshot is None or snapshot[1]["at"].tolist() == [snapshot[0]]


def test_a_second_writer_is_refused_until_the_first_has_gone(path):
    script = """
try:
    SqliteLedger(path)
except LedgerError as error:
    print("refused" if "has a writer already" in str(error) else error)
else:
    print("opened")
"""
    with SqliteLedger(path) as ledger:
        assert output_of(script, path) == ["refused"]
        with pytest.raises(LedgerError, match="has a writer already"):
            SqliteLedger(path)
        ledger.append([frame(1, 1)])
    assert output_of(script, path) == ["opened"]


def test_another_process_reads_while_the_writer_writes(path):
    script = """
with SqliteLedger(path, read_only=True) as ledger:
    reader = ledger.frames()
    next(reader)
    print(ledger.last_seq, flush=True)
    sys.stdin.readline()
    frames = list(reader)
    for seq in range(1, ledger.last_seq + 1):
        assert ledger.seq_of(key_at(seq)) == seq
        assert ledger.frame_at(seq).first_seq <= seq
    print(len(frames), frames[-1].last_seq, ledger.latest_snapshot("engine")[0])
"""
    with SqliteLedger(path) as ledger:
        ledger.append([frame(1, 3), frame(4, 2)])
        process = start(script, path)
        assert process.stdout.readline() == "5\n"
        for first in range(6, 106):
            ledger.append([frame(first, 1)])
        ledger.save_snapshot("engine", 105, {})
        assert process.communicate("go\n", timeout=60)[0].split() == ["101", "105", "105"]
        assert process.returncode == 0


def test_a_full_disk_stores_nothing_and_can_be_mended(path):
    """The limit on the size of a file stands in for the full disk: the same failing write."""
    script = """
with SqliteLedger(path) as ledger:
    ledger.append([frame(1, 100)])
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
    for attempt in range(2):
        try:
            ledger.append([frame(101, 10), frame(111, 100_000)])
        except LedgerError as error:
            print(type(error).__name__, ledger.last_seq, len(list(ledger.frames())))
        else:
            print("stored")
    assert ledger.seq_of(key_at(101)) is None
    ledger.append([frame(101, 1)])
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    ledger.append([frame(102, 100_000)])
    print(ledger.last_seq)
"""
    refused = ["LedgerError", "100", "1"]
    assert output_of(script, path) == [*refused, *refused, "100101"]
    with SqliteLedger(path) as ledger:
        assert [each.last_seq for each in ledger.frames()] == [100, 101, 100_101]


def test_a_disk_that_cannot_be_written_is_refused():
    """In a process without root's right to write everywhere."""
    script = """
if os.geteuid() == 0:
    os.seteuid(65_534)
for read_only in (False, True):
    try:
        SqliteLedger(path, read_only=read_only)
    except LedgerError:
        print("refused")
    else:
        print("opened")
"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        with SqliteLedger(path) as ledger:
            ledger.append([frame(1, 1)])
        before = sorted((file.name, file.read_bytes()) for file in path.parent.iterdir())
        path.chmod(0o444)
        path.parent.chmod(0o555)
        assert output_of(script, path) == ["refused", "refused"]
        path.parent.chmod(0o755)
        assert sorted((file.name, file.read_bytes()) for file in path.parent.iterdir()) == before
