"""What the durable ledger promises beyond the protocol: settings, damage, other files."""

import sqlite3
import tracemalloc

import numpy as np
import pytest

from fraud_system.errors import CorruptFrame, LedgerError
from fraud_system.events import Frame
from fraud_system.ledger import SqliteLedger


def frame(first_seq, rows):
    seq = np.arange(first_seq, first_seq + rows)
    table = {"seq": seq, "transaction_key": seq.astype(np.uint64), "amount": seq * 0.5}
    return Frame(first_seq, first_seq + rows - 1, first_seq, {"transaction": table})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


def changed(path, statement, *values):
    """Change the file behind the ledger's back."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement, values)
    connection.close()


def test_what_was_stored_is_there_after_opening_again(path):
    with SqliteLedger(path) as ledger:
        ledger.append([frame(1, 4), frame(5, 2)])
        ledger.save_snapshot("engine", 6, {"weights": np.ones(3)})
    with SqliteLedger(path) as ledger:
        assert [each.last_seq for each in ledger.frames()] == [4, 6]
        assert ledger.seq_of(5) == 5
        assert ledger.latest_snapshot("engine")[0] == 6
        ledger.append([frame(7, 1)])
        assert ledger.last_seq == 7


def test_commits_wait_for_the_disk(path):
    with SqliteLedger(path) as ledger:
        settings = [
            ledger._connection.execute(f"PRAGMA {name}").fetchall()
            for name in ("journal_mode", "synchronous", "page_size")
        ]
    assert settings == [[("wal",)], [(2,)], [(8192,)]]


def test_a_reader_that_stands_still_does_not_keep_the_log_from_being_cut(path):
    with SqliteLedger(path) as ledger, SqliteLedger(path, read_only=True) as reader:
        ledger.append([frame(1, 1), frame(2, 1)])
        frames = reader.frames()
        next(frames)
        ledger.append([frame(3, 1)])
        connection = sqlite3.connect(path)
        busy, in_log, cut = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        connection.close()
        assert (busy, in_log, cut) == (0, 0, 0)
        assert [each.last_seq for each in frames] == [2, 3]


def test_a_reader_can_append_nothing(path):
    with pytest.raises(LedgerError, match="unable to open"):
        SqliteLedger(path, read_only=True)
    SqliteLedger(path).close()
    with SqliteLedger(path, read_only=True) as ledger:
        with pytest.raises(LedgerError, match="read-only"):
            ledger.append([frame(1, 1)])
        assert ledger.last_seq == 0


def test_files_that_are_no_ledgers_are_refused_and_left_alone(path):
    path.write_bytes(b"")
    with pytest.raises(LedgerError, match="is empty"):
        SqliteLedger(path, read_only=True)
    path.write_text("transaction_id,amount\n" * 100, encoding="ascii")
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="not a database"):
        SqliteLedger(path)
    assert path.read_bytes() == before
    path.unlink()
    changed(path, "CREATE TABLE customers (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="version none"):
        SqliteLedger(path)
    assert path.read_bytes() == before


def test_another_version_of_the_ledger_is_refused(path):
    SqliteLedger(path).close()
    changed(path, "UPDATE meta SET value = 3 WHERE name = 'ledger_version'")
    for read_only in (False, True):
        with pytest.raises(LedgerError, match="has version 3, this release reads 2"):
            SqliteLedger(path, read_only=read_only)
    changed(path, "UPDATE meta SET value = 2 WHERE name = 'ledger_version'")
    SqliteLedger(path).close()


def test_damaged_missing_and_exchanged_frames_are_noticed(path):
    with SqliteLedger(path) as ledger:
        ledger.append([frame(1, 2), frame(3, 2), frame(5, 2), frame(7, 2)])
        changed(path, "UPDATE frames SET data = substr(data, 1, 99) WHERE first_seq = 1")
        changed(path, "UPDATE frames SET known_time_us = 0 WHERE first_seq = 3")
        changed(path, "DELETE FROM frames WHERE first_seq = 5")
        for seq, problem in (
            (1, r"seq 1\.\.2: .* bytes, not"),
            (4, r"seq 3\.\.4: .* is another one"),
            (6, "seq 6: .* is missing"),
        ):
            with pytest.raises(CorruptFrame, match=problem):
                ledger.frame_at(seq)
            with pytest.raises(CorruptFrame, match=r"seq .* an undamaged copy"):
                list(ledger.frames(seq - 1))
        assert ledger.frame_at(7).last_seq == 8


@pytest.mark.parametrize("first_bad_byte", [8_192, 200_000])
def test_a_damaged_database_is_a_corrupt_frame(path, first_bad_byte):
    with SqliteLedger(path) as ledger:
        ledger.append([frame(first, 1_000) for first in range(1, 20_001, 1_000)])
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(first_bad_byte)
        file.write(b"\xa5" * (size - first_bad_byte))
    with pytest.raises(CorruptFrame), SqliteLedger(path, read_only=True) as ledger:
        list(ledger.frames())


@pytest.mark.parametrize("obstacle", ["ledger.db", "ledger.db-writer", "ledger.db-wal"])
def test_a_path_that_cannot_be_opened_is_refused_and_the_lock_given_back(path, obstacle):
    in_the_way = path.parent / obstacle
    in_the_way.mkdir()
    with pytest.raises(LedgerError):
        SqliteLedger(path)
    in_the_way.rmdir()
    with SqliteLedger(path) as ledger:
        assert ledger.last_seq == 0
    with pytest.raises(LedgerError):
        SqliteLedger(path.parent / "missing" / "ledger.db")


def test_reading_takes_the_memory_of_one_frame(path):
    with SqliteLedger(path) as ledger:
        noise = np.zeros(125_000)
        for seq in range(1, 6):
            table = {"seq": np.array([seq]), "noise": noise[None]}
            ledger.append([Frame(seq, seq, 0, {"mode": table})])
        tracemalloc.start()
        for each in ledger.frames():
            del each
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert noise.nbytes < peak_bytes < 1.5 * noise.nbytes
