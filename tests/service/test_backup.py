"""A backup while the server commits, and what a restore accepts."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from scorer_files import scorer, scorer_settings, serving

from fraud_system import replay
from fraud_system.errors import ArtefactError, CorruptFrame, FraudSystemError, LedgerError
from fraud_system.ledger import SqliteLedger, encode_frame
from serving.operations.backup import back_up
from serving.operations.ledger_files import LedgerFiles
from serving.operations.manifest import read_manifest
from serving.operations.restore import restore
from serving.workers.running import write_settings

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> LedgerFiles:
    """Files of a scorer; not to be changed."""
    return scorer(tmp_path_factory.mktemp("scorer"))


@pytest.fixture(scope="module")
def backup(stopped: LedgerFiles) -> Path:
    """A backup of it; not to be changed."""
    return back_up(stopped, stopped.ledger.parent / "backups", NOW)


def content(ledger: LedgerFiles) -> list[bytes]:
    with SqliteLedger(ledger.ledger, read_only=True) as reading:
        return [encode_frame(frame) for frame in reading.frames()]


def test_a_backup_under_load_holds_what_was_acknowledged_before_it_began(tmp_path: Path) -> None:
    files, settings = LedgerFiles(tmp_path / "a" / "ledger.sqlite"), scorer_settings()
    files.ledger.parent.mkdir()
    write_settings(files.settings, settings)
    with SqliteLedger(files.ledger) as writer:
        commits = serving(writer, settings)
        for _ in range(30):
            next(commits)
        acknowledged, during = writer.last_seq, []

        def commit(done: int, total: int) -> None:
            next(commits)
            during.append(writer.last_seq)

        # A server's commits fall between any two steps of the copy.
        made = back_up(files, tmp_path / "backups", NOW, commit, pages_in_step=5)
        assert during[-1] > acknowledged
        assert len(during) > 5
        served = [encode_frame(frame) for frame in writer.frames()]
    copy = LedgerFiles(tmp_path / "b" / "ledger.sqlite")
    manifest = restore(made, copy)
    assert manifest.last_seq == acknowledged, "one moment, whatever came during the copy"
    restored = content(copy)
    assert restored == served[: len(restored)]
    with SqliteLedger(copy.ledger) as ledger:
        assert ledger.last_seq == acknowledged
        assert list(replay.verify(settings, ledger))[-1] == acknowledged
        found = ledger.latest_snapshot("engine")
        assert found is not None
        engine, _ = replay.recover(settings, ledger)
        assert engine.last_seq == acknowledged


def test_the_manifest_says_what_is_in_it(stopped: LedgerFiles, backup: Path) -> None:
    manifest = read_manifest(backup)
    with SqliteLedger(stopped.ledger, read_only=True) as ledger:
        assert (manifest.first_seq, manifest.last_seq) == (1, ledger.last_seq)
    assert manifest.made_at == NOW
    assert manifest.settings == scorer_settings().fingerprint
    names = {each.name for each in manifest.files}
    assert {"ledger.sqlite", "ledger.sqlite-settings.json"} <= names
    assert len(names) == 2 + len(stopped.snapshot_files())
    assert sorted(path.name for path in backup.parent.iterdir()) == [backup.name]
    assert backup.name == f"backup-20260131T120000-{manifest.last_seq:020}"


def test_a_restored_scorer_goes_on(stopped: LedgerFiles, backup: Path, tmp_path: Path) -> None:
    copy = LedgerFiles(tmp_path / "other.sqlite")
    restore(backup, copy)
    assert content(copy) == content(stopped)
    with SqliteLedger(copy.ledger) as ledger:
        assert ledger.latest_snapshot("learner") is not None
        replay.recover(scorer_settings(), ledger)


@pytest.mark.parametrize(
    "name", ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-erasure.json"]
)
def test_nothing_is_overwritten(backup: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"precious")
    with pytest.raises(LedgerError, match="nothing is overwritten"):
        restore(backup, LedgerFiles(tmp_path / "ledger.sqlite"))
    assert (tmp_path / name).read_bytes() == b"precious"
    assert {path.name for path in tmp_path.iterdir()} == {name, "ledger.sqlite-writer"}


def test_no_restore_under_a_running_server(backup: Path, tmp_path: Path) -> None:
    with SqliteLedger(tmp_path / "ledger.sqlite"), pytest.raises(LedgerError, match="has a writer"):
        restore(backup, LedgerFiles(tmp_path / "ledger.sqlite"))


def test_a_restore_that_was_cut_off_can_be_done_again(backup: Path, tmp_path: Path) -> None:
    target = LedgerFiles(tmp_path / "ledger.sqlite")
    target.snapshots.mkdir()
    (tmp_path / ".ledger.sqlite.restoring").write_bytes(b"a part")
    restore(backup, target)
    assert not (tmp_path / ".ledger.sqlite.restoring").exists()


@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "no manifest", "bad manifest"])
def test_a_damaged_backup_is_refused_before_anything_is_written(
    backup: Path, tmp_path: Path, harm: str
) -> None:
    damaged = Path(shutil.copytree(backup, tmp_path / "damaged"))
    ledger = damaged / "ledger.sqlite"
    data = bytearray(ledger.read_bytes())
    data[len(data) // 2] ^= 1
    if harm == "flip":
        ledger.write_bytes(data)
    elif harm == "cut":
        ledger.write_bytes(data[:-1])
    elif harm == "remove":
        next((damaged / "ledger.sqlite-snapshots").iterdir()).unlink()
    elif harm == "no manifest":
        (damaged / "manifest.json").unlink()
    else:
        (damaged / "manifest.json").write_text('{"format": 1, "files": [{"name": "../../x"}]}')
    target = LedgerFiles(tmp_path / "new" / "ledger.sqlite")
    with pytest.raises(ArtefactError):
        restore(damaged, target)
    assert not target.ledger.parent.exists()


def test_a_damaged_ledger_gives_no_backup(stopped: LedgerFiles, tmp_path: Path) -> None:
    shutil.copytree(stopped.ledger.parent, tmp_path / "damaged")
    files = LedgerFiles(tmp_path / "damaged" / "ledger.sqlite")
    data = bytearray(files.ledger.read_bytes())
    place = data.index(b"FRLG", len(data) // 2)
    data[place + 200] ^= 1
    files.ledger.write_bytes(data)
    with pytest.raises(CorruptFrame, match="checksum"):
        back_up(files, tmp_path / "backups", NOW)
    assert list((tmp_path / "backups").iterdir()) == []


def test_what_a_killed_backup_left_is_removed(stopped: LedgerFiles, tmp_path: Path) -> None:
    left = tmp_path / ".unfinished-1"
    left.mkdir()
    (left / "ledger.sqlite").write_bytes(b"a part")
    made = back_up(stopped, tmp_path, NOW)
    assert list(tmp_path.iterdir()) == [made]
    with pytest.raises(LedgerError, match="already"):
        back_up(stopped, tmp_path, NOW)


def test_two_backups_at_once_are_refused(stopped: LedgerFiles, tmp_path: Path) -> None:
    refused = []

    def another(done: int, total: int) -> None:
        with pytest.raises(LedgerError, match="another backup is running"):
            back_up(stopped, tmp_path, NOW)
        refused.append(done)

    back_up(stopped, tmp_path, NOW, another)
    assert refused


def test_a_backup_during_an_erasure_is_refused(stopped: LedgerFiles, tmp_path: Path) -> None:
    shutil.copytree(stopped.ledger.parent, tmp_path / "s")
    files = LedgerFiles(tmp_path / "s" / "ledger.sqlite")
    files.erasure.write_text("{}")
    with pytest.raises(LedgerError, match="erasure was cut off"):
        back_up(files, tmp_path / "backups", NOW)


def test_a_ledger_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FraudSystemError, match="no ledger"):
        back_up(LedgerFiles(tmp_path / "none.sqlite"), tmp_path / "backups", NOW)
