"""Starts on what a crash, a bad disk or a mistake has left: they go on where that is safe, or say why not."""

import itertools
import json
import random
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hard_load import Book
from ledger_checks import check_book, check_recovery, same_arrays, settings_beside
from running import GUARD_S, Running, running_service
from warm_parent import WarmParent

from conftest import History
from fraud_system.engine import Engine
from fraud_system.errors import CorruptFrame
from fraud_system.events import Frame
from fraud_system.ledger import SqliteLedger, decode_frame, encode_frame
from fraud_system.recovery import recover_engine
from fraud_system.replay import verify


class CountingLedger(SqliteLedger):
    """Counts the frames that are read one after the other."""

    frames_read = 0

    def frames(self, after_seq: int = 0) -> Iterator[Frame]:
        for frame in super().frames(after_seq):
            self.frames_read += 1
            yield frame


def snapshots(history: History, name: str = "engine") -> list[Path]:
    """Newest first."""
    folder = Path(f"{history.ledger_file}-snapshots")
    return sorted(folder.glob(f"{name}-*.snapshot"), reverse=True)


def seq_of(snapshot: Path) -> int:
    return int(snapshot.stem.rpartition("-")[2])


def damage(path: Path, at_share: float = 0.5) -> None:
    """One bit of a file turns."""
    content = bytearray(path.read_bytes())
    content[int(len(content) * at_share)] ^= 1
    path.write_bytes(content)


def damage_frame(history: History, order: str) -> tuple[int, int]:
    """One bit of a stored frame turns; returns its first and last seq."""
    with sqlite3.connect(history.ledger_file) as connection:
        query = f"SELECT first_seq, last_seq, data FROM frames ORDER BY first_seq {order} LIMIT 1"
        first_seq, last_seq, data = connection.execute(query).fetchone()
        changed = bytearray(data)
        changed[-9] ^= 4
        update = "UPDATE frames SET data = ? WHERE first_seq = ?"
        connection.execute(update, (bytes(changed), first_seq))
    connection.close()
    return first_seq, last_seq


def check_it_goes_on(history: History, warm: WarmParent, book: Book | None = None) -> None:
    """It starts, gives the first answers again, takes a new transaction, and replays to the same bytes."""
    book = book or history.book
    known = [name for name, answer in book.answers.items() if "probability" in answer][-300:]
    with running_service(history.ledger_file.parent, warm.start, **history.variables) as service:
        service.wait_until_ready()
        again = service.client.post("/v1/score/batch", json=[book.sent[name] for name in known])
        assert again.json() == [book.answers[name] for name in known]
        fresh = book.sent[known[-1]] | {"transaction_id": "after the fault"}
        assert service.client.post("/v1/score", json=fresh).status_code == 200
        assert service.stop() == 0, service.log
    check_recovery(history.ledger_file)


def refusal(history: History, warm: WarmParent) -> str:
    """It does not start; returns the last line of its log."""
    with running_service(history.ledger_file.parent, warm.start, **history.variables) as service:
        assert service.process.wait(GUARD_S) == 1, service.log
    last = service.log.strip().splitlines()[-1]
    assert last.startswith("error: "), service.log
    assert "Traceback" not in service.log
    return last


def test_a_snapshot_that_is_passed_over_is_named_in_the_log(history: History) -> None:
    """By whole processes: the engine's is read by the scorer, the others by the workers."""
    # The history waits for two folds; that of the monitors may not have come so far.
    folds = ("engine", "learner", "monitor")
    damaged = [path for name in folds for path in snapshots(history, name)[:1]]
    assert len(damaged) >= 2
    for path in damaged:
        damage(path)
    well = snapshots(history)[1]
    with running_service(history.ledger_file.parent, **history.variables) as service:
        service.wait_until_ready()
        for path in damaged:
            words = f"WARNING serving.service the snapshot {path} cannot be used"
            service.wait_for(lambda words=words: words in service.log)
        assert service.log.count("cannot be used") == len(damaged), service.log
        assert str(well) not in service.log


def test_a_ledger_that_everybody_may_read_is_named_in_the_log(
    history: History, warm: WarmParent
) -> None:
    warning = f"WARNING serving everybody on this machine may read {history.ledger_file}"
    folder = history.ledger_file.parent
    for mode, is_said in ((0o604, True), (0o640, False)):
        history.ledger_file.chmod(mode)
        with running_service(folder, warm.start, **history.variables) as service:
            service.wait_until_ready()
            assert (warning in service.log) == is_said, service.log


def test_what_a_kill_has_left_is_gone_on_from(history: History, warm: WarmParent) -> None:
    check_book(history.book, history.ledger_file)
    check_it_goes_on(history, warm)


@pytest.mark.parametrize("damaged", [0, 1, 2])
def test_a_start_reads_what_follows_the_newest_usable_snapshot(
    history: History, damaged: int
) -> None:
    for path in snapshots(history)[:damaged]:
        damage(path)
    begins_at = [seq_of(path) for path in snapshots(history)] + [0]
    settings = settings_beside(history.ledger_file)
    with CountingLedger(history.ledger_file) as ledger:
        engine = recover_engine(settings, ledger)
        frames_read = ledger.frames_read
        expected = [f for f in ledger.frames() if f.last_seq > begins_at[damaged]]
        assert frames_read == len(expected)
        whole = Engine(settings)
        for frame in ledger.frames():
            whole.refold(frame)
    same_arrays(engine.to_arrays(), whole.to_arrays())


def test_a_start_with_damaged_snapshots_only_takes_longer(
    history: History, warm: WarmParent
) -> None:
    for path in snapshots(history) + snapshots(history, "learner"):
        damage(path, at_share=0.9)
    check_it_goes_on(history, warm)


def test_of_a_torn_log_what_was_committed_before_stays(history: History, warm: WarmParent) -> None:
    draw = random.Random(5)
    content = Path(f"{history.ledger_file}-wal").read_bytes()
    # The tables of an empty ledger are in the first 200 KB; from there on each commit is whole or not there.
    places = sorted(draw.randrange(200_000, len(content)) for _ in range(6))
    left = [frames_of(torn(history, content[:place])) for place in [*places, len(content)]]
    whole = left[-1]
    assert 0 < len(left[0]) < len(left[-2]) < len(whole)
    for fewer, more in itertools.pairwise(left):
        assert fewer == more[: len(fewer)]

    ledger_file = torn(history, content[: places[3]])
    last_seq = decode_frame(left[3][-1]).last_seq
    kept = {name: each for name, each in history.book.answers.items() if each["seq"] <= last_seq}
    book = Book(sent=history.book.sent, answers=kept)
    check_it_goes_on(history._replace(ledger_file=ledger_file), warm, book)


def torn(history: History, log: bytes) -> Path:
    """The ledger once more, with another write-ahead log."""
    folder = history.ledger_file.parent / f"torn-{len(log)}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in history.ledger_file.parent.glob(f"{history.ledger_file.name}*"):
        if not path.name.endswith(("-shm", "-wal")):
            copy = shutil.copytree if path.is_dir() else shutil.copyfile
            copy(path, folder / path.name)
    ledger_file = folder / history.ledger_file.name
    Path(f"{ledger_file}-wal").write_bytes(log)
    return ledger_file


def frames_of(ledger_file: Path) -> list[bytes]:
    with SqliteLedger(ledger_file) as ledger:
        return [encode_frame(frame) for frame in ledger.frames()]


def test_a_damaged_frame_that_a_start_needs_is_named(history: History, warm: WarmParent) -> None:
    first_seq, last_seq = damage_frame(history, "DESC")
    said = refusal(history, warm)
    assert f"seq {first_seq}..{last_seq}" in said or f"seq {first_seq}:" in said
    assert "damaged" in said
    assert "(fix: put an undamaged copy of the ledger back)" in said


def test_a_damaged_frame_before_the_snapshots_is_found_by_a_replay(
    history: History, warm: WarmParent
) -> None:
    first_seq, last_seq = damage_frame(history, "ASC")
    with (
        running_service(history.ledger_file.parent, warm.start, **history.variables) as service,
        SqliteLedger(history.ledger_file, read_only=True) as ledger,
    ):
        service.wait_until_ready()
        with pytest.raises(CorruptFrame, match=f"seq {first_seq}"):
            list(verify(settings_beside(history.ledger_file), ledger))
        assert last_seq < seq_of(snapshots(history)[1])


def test_a_second_server_on_one_ledger_is_refused(
    history: History, warm: WarmParent, service: Running, tmp_path: Path
) -> None:
    before = service.client.get("/v1/model").json()["known_time"]
    variables = {"ledger_file": service.ledger_file}
    with running_service(tmp_path, warm.start, **variables) as second:
        assert second.process.wait(GUARD_S) == 1
    assert "has a writer already (fix: stop the other server" in second.log
    assert "Traceback" not in second.log
    sent = {
        "transaction_id": "beside a second server",
        "event_time": before,
        "amount": 1.0,
        "card": "c",
        "terminal": "t",
    }
    assert service.client.post("/v1/score", json=sent).status_code == 200


@pytest.mark.parametrize("with_snapshots", [True, False])
def test_other_settings_than_the_ledger_was_begun_with_are_refused(
    history: History, warm: WarmParent, with_snapshots: bool
) -> None:
    path = Path(f"{history.ledger_file}-settings.json")
    settings = json.loads(path.read_text())
    settings["costs"]["fee"] += 1.0
    path.write_text(json.dumps(settings))
    if not with_snapshots:
        shutil.rmtree(f"{history.ledger_file}-snapshots")
    said = refusal(history, warm)
    assert "other settings" in said
    assert "(fix: put back the file" in said


@pytest.mark.parametrize("content", [None, "", "{}", "[" * 100_000, '{"features": 1}'])
def test_missing_and_damaged_settings_are_refused(
    history: History, warm: WarmParent, content: str | None
) -> None:
    path = Path(f"{history.ledger_file}-settings.json")
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    said = refusal(history, warm)
    assert f"{path}: the settings of the ledger: " in said
    assert "(fix: put back the file" in said
