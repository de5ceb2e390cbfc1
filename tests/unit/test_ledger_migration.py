"""A ledger that an older release wrote: migrated by the writer, whole or not at all."""

import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from streams import arrivals_of, fraud, reversal, tick, tiny_settings, transaction

from fraud_system import replay
from fraud_system.errors import CorruptFrame, LedgerError
from fraud_system.events import Frame
from fraud_system.keys import key_of, keys_of, label_keys
from fraud_system.ledger import MemoryLedger, SqliteLedger, encode_arrays, encode_frame

SETTINGS = tiny_settings(publish_every_labels=2)
LINES = [
    *(transaction(each, name) for each, name in enumerate("abcdefg")),
    *(fraud(10, "a"), fraud(11, "b"), fraud(12, "b"), reversal(13, "b"), fraud(14, "nobody")),
    *(tick(150), transaction(160, "h")),
]
LABELS = [("a", True), ("b", True), ("b", False), ("nobody", True)]

VERSION_1 = """
PRAGMA page_size = 8192;
PRAGMA journal_mode = WAL;
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE frames (
    first_seq INTEGER PRIMARY KEY,
    last_seq INTEGER NOT NULL,
    known_time_us INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE TABLE transaction_index (
    transaction_key INTEGER PRIMARY KEY, -- the uint64 key as two's complement
    seq INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE snapshots (
    name TEXT NOT NULL,
    seq INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (name, seq)
);
INSERT INTO meta VALUES ('ledger_version', 1);
"""


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    """As version 1 recorded them: no keys of labels."""
    ledger = MemoryLedger()
    engine, learner = replay.start(SETTINGS, ledger)
    for _ in replay.run(engine, learner, ledger, arrivals_of(LINES).batches(5)):
        pass
    return [without_label_keys(frame) for frame in ledger.frames()]


def without_label_keys(frame: Frame) -> Frame:
    tables = {name: dict(table) for name, table in frame.tables.items()}
    tables.get("label", {}).pop("label_key", None)
    return Frame(frame.first_seq, frame.last_seq, frame.known_time_us, tables)


@pytest.fixture
def path(tmp_path, frames):
    """A ledger of version 1, by SQL alone."""
    path = tmp_path / "ledger.db"
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_1)
    with connection:
        for frame in frames:
            row = (frame.first_seq, frame.last_seq, frame.known_time_us, encode_frame(frame))
            connection.execute("INSERT INTO frames VALUES (?, ?, ?, ?)", row)
            table = frame.tables.get("transaction", {"transaction_key": keys_of([]), "seq": []})
            keys = table["transaction_key"].view(np.int64).tolist()
            for place in zip(keys, np.asarray(table["seq"]).tolist(), strict=True):
                connection.execute("INSERT INTO transaction_index VALUES (?, ?)", place)
        snapshot = encode_arrays({"weights": np.ones(3)}, note="engine@3")
        connection.execute("INSERT INTO snapshots VALUES ('engine', 3, ?)", (snapshot,))
    connection.close()
    return path


def version_of(path):
    connection = sqlite3.connect(path)
    ((version,),) = connection.execute("SELECT value FROM meta").fetchall()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    connection.close()
    assert ("label_index" in tables) == (version == 2)
    return version


def check_migrated(path, frames):
    """It holds the same frames, and what version 2 can look up."""
    said = label_keys(
        keys_of(name for name, _ in LABELS),
        np.array([is_fraud for _, is_fraud in LABELS]),
        np.zeros(len(LABELS), np.uint8),
    ).tolist()
    with SqliteLedger(path) as ledger:
        assert list(map(encode_frame, ledger.frames())) == list(map(encode_frame, frames))
        known = ledger.known_labels(said)
        assert sorted(known) == sorted(said)
        for key, (name, is_fraud) in zip(said, LABELS, strict=True):
            table = ledger.frame_at(known[key]).tables["label"]
            row = table["seq"].tolist().index(known[key])
            found = table["transaction_id"][row].decode(), bool(table["is_fraud"][row])
            assert found == (name, is_fraud)
        assert ledger.label_seqs(key_of("b")) == sorted(known[key] for key in said[1:3])
        seqs = [ledger.publication_seq(version) for version in range(4)]
        assert all(seqs[:3])
        assert ledger.frame_at(seqs[2]).tables["published"]["version"].tolist() == [2]
        assert ledger.seq_of(key_of("h")) is not None
        assert ledger.latest_snapshot("engine") is None
    assert version_of(path) == 2


def test_the_writer_migrates_it_and_goes_on(path, frames):
    assert version_of(path) == 1
    check_migrated(path, frames)
    with SqliteLedger(path) as ledger:
        assert list(replay.verify(SETTINGS, ledger))[-1] == frames[-1].last_seq
        engine, learner = replay.recover(SETTINGS, ledger)
        batches = arrivals_of([transaction(170, "i"), fraud(171, "c")]).batches(9)
        for refused in replay.run(engine, learner, ledger, batches):
            assert not refused.count
        assert list(replay.verify(SETTINGS, ledger))[-1] == ledger.last_seq
        assert len(ledger.label_seqs(key_of("c"))) == 1


def test_a_reader_refuses_it_and_says_what_to_do(path):
    with pytest.raises(LedgerError, match="has version 1") as refused:
        SqliteLedger(path, read_only=True)
    assert "server once: it migrates it" in refused.value.fix
    assert version_of(path) == 1
    SqliteLedger(path).close()
    SqliteLedger(path, read_only=True).close()


def test_a_damaged_frame_stops_the_migration_and_leaves_all_as_it_was(path, frames):
    connection = sqlite3.connect(path)
    with connection:
        last = frames[-1].first_seq
        connection.execute("UPDATE frames SET data = zeroblob(99) WHERE first_seq = ?", (last,))
    connection.close()
    for _ in range(2):
        with pytest.raises(CorruptFrame):
            SqliteLedger(path)
        assert version_of(path) == 1


def test_a_crash_at_any_statement_leaves_one_version_or_the_other(path, frames, tmp_path):
    script = """
import os, shutil, sys
from pathlib import Path
import numpy as np
from fraud_system.keys import keys_of, label_keys
from fraud_system.ledger.sqlite_file import connected
from fraud_system.ledger.sqlite_schema import migrate_from_version_1

def migrate(path, statements):
    def count(statement):
        nonlocal statements
        statements -= 1
        if statements < 0:
            os._exit(7)
    connection = connected(Path(path), "rwc")
    connection.set_trace_callback(count)
    with connection:
        migrate_from_version_1(connection)
    os._exit(0)

label_keys(keys_of("a"), np.ones(1, bool), np.zeros(1, np.uint8))  # compile it once
for statements in range(1_000):
    copy = f"{sys.argv[1]}-{statements:03}"
    shutil.copy(sys.argv[1], copy)
    process = os.fork()
    if process == 0:
        migrate(copy, statements)
    if os.waitpid(process, 0)[1] == 0:
        break
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    copies = sorted(tmp_path.glob("ledger.db-???"))
    assert len(copies) > 15
    assert [version_of(copy) for copy in copies] == [1] * (len(copies) - 1) + [2]
    for copy in copies[::7]:
        check_migrated(copy, frames)
