"""What a scorer makes holds keys and ids: it belongs to its owner alone, whatever the umask was."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import running_service
from scorer_files import scorer
from test_operations_commands import card_of

from serving.__main__ import main
from serving.operations.ledger_files import LedgerFiles
from serving.system import _copy_run


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """Everybody may read what is made; put back what was, as the command sets its own."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def open_to_others(folder: Path) -> set[str]:
    """What in a folder has a mode that lets others in, and the folder itself."""
    found = [folder, *folder.rglob("*")]
    return {str(path.relative_to(folder)) for path in found if path.stat().st_mode & 0o077}


def command(*arguments: str) -> None:
    with pytest.raises(SystemExit) as left:
        main(list(arguments))
    assert not left.value.code


def test_a_server_and_its_workers(tmp_path: Path) -> None:
    ledger_file = tmp_path / "var" / "deep" / "ledger.sqlite"
    with running_service(
        tmp_path / "log", ledger_file=ledger_file, snapshot_every_events=100
    ) as it:
        it.wait_until_ready()
        now = it.client.get("/v1/model").json()["known_time"]
        rows = [
            {
                "transaction_id": str(n),
                "event_time": now,
                "amount": 1.0,
                "card": "c",
                "terminal": "t",
            }
            for n in range(150)
        ]
        assert it.client.post("/v1/score/batch", json=rows).status_code == 200
        files = LedgerFiles(ledger_file)
        it.wait_for(lambda: len({path.name[:5] for path in files.snapshot_files()}) == 3)
        assert it.client.post("/v1/admin/drift-report", json={}).status_code == 202
        it.wait_for(Path(f"{ledger_file}-reports").is_dir)
        assert all(path.exists() for path in (files.ledger, files.settings, *files.side_files))
        assert open_to_others(tmp_path / "var") == set()
        assert it.stop() == 0, it.log
    assert open_to_others(tmp_path / "var") == set()


def test_the_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    files = scorer(tmp_path / "earlier")
    assert open_to_others(tmp_path / "earlier"), "as an earlier release left it"
    card = card_of(files)
    command("backup", "--ledger", str(files.ledger))
    backup = capsys.readouterr().out.strip()
    command("restore", "--backup", backup, "--ledger", "var/restored/ledger.sqlite")
    command("archive", "--ledger", "var/restored/ledger.sqlite")
    archived = list(Path("var/restored/ledger.sqlite-archive").glob("*.parquet"))
    assert archived
    command("erase-card", "--card", card, "--ledger", "var/restored/ledger.sqlite")
    command("snapshots", "--ledger", "var/restored/ledger.sqlite")
    command("api-key", "add", "--name", "shop", "--scopes", "score")
    assert {path.name for path in Path("var").iterdir()} == {"backups", "restored", "api-keys.json"}
    assert open_to_others(tmp_path / "var") == set()


def test_a_ledger_that_begins_from_a_run_has_not_the_modes_of_the_run(tmp_path: Path) -> None:
    run, var = tmp_path / "run", tmp_path / "var"
    files = scorer(run)
    assert open_to_others(run) >= {"ledger.sqlite", "ledger.sqlite-snapshots"}
    os.umask(0o077)
    var.mkdir()
    target = LedgerFiles(var / "ledger.sqlite")
    _copy_run(run, target)
    assert open_to_others(var) == set()
    names = [path.name for path in files.snapshot_files()]
    assert [path.name for path in target.snapshot_files()] == names
    assert target.ledger.read_bytes() == files.ledger.read_bytes()
