"""The commands of docs/operations.md, in its order, through the Makefile's own lines."""

import io
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from scorer_files import scorer, scorer_settings

from fraud_system.keys import key_of
from fraud_system.ledger import SqliteLedger
from serving.__main__ import OPERATIONS
from serving.api_key_command import main as api_key
from serving.operations.commands import COMMANDS, main
from serving.operations.ledger_files import LedgerFiles

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "operations.md").read_text()
CARD = "card-000123"  # as in the document


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LedgerFiles:
    """A scorer where the document has it, which is also where the commands run."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("FRAUD_")]:
        monkeypatch.delenv(name)
    return scorer(tmp_path / "var")


def documented(start: str) -> list[str]:
    """The lines of code in the document that begin so, without their comments."""
    blocks = "\n".join(re.findall(r"```\n(.*?)```", DOCUMENT, re.DOTALL))
    found = [line.split("  #")[0].strip() for line in blocks.splitlines() if line.startswith(start)]
    assert found, f"the document has a line {start}..."
    return found


def run(line: str) -> int:
    """What `make` or a shell would run, in this process."""
    command = line
    if line.startswith("make "):
        arguments = [
            "make",
            "--no-print-directory",
            "-n",
            "-o",
            ".venv/.ready",
            *shlex.split(line)[1:],
        ]
        command = subprocess.run(
            arguments, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.splitlines()[-1]
    words = shlex.split(command)
    assert words[:3] == [".venv/bin/python", "-m", "serving"]
    if words[3] == "api-key":
        return api_key(words[4:])
    assert words[3] in OPERATIONS
    return main(words[3:])


def card_of(files: LedgerFiles) -> str:
    with SqliteLedger(files.ledger, read_only=True) as ledger:
        keys = [
            f.tables["transaction"]["entity_keys"][0, 0]
            for f in ledger.frames()
            if "transaction" in f.tables
        ]
    wanted = int(keys[0])
    return next(
        name for name in (f"card-{n:06d}" for n in range(100_000)) if key_of(name) == wanted
    )


@contextmanager
def server(files: LedgerFiles) -> Iterator[None]:
    """Something that has the ledger, as a server does."""
    with SqliteLedger(files.ledger):
        yield


def test_the_document_from_the_first_line_to_the_last(
    files: LedgerFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    card = card_of(files)
    with SqliteLedger(files.ledger, read_only=True) as ledger:
        last_seq = ledger.last_seq

    for line in documented("make api-key"):
        assert run(line) == 0
    key = capsys.readouterr().out.split()[0]
    assert key.startswith("fk_")
    for line in documented(".venv/bin/python -m serving api-key"):
        assert run(line.replace("0123abcd", key.split("_")[1])) == 0
    capsys.readouterr()

    with server(files):
        (line,) = documented("make backup")
        assert run(line) == 0
        backup = capsys.readouterr().out.strip()
        assert Path(backup).is_dir()
        (line,) = documented("make restore")
        assert run(re.sub(r"BACKUP=\S+", f"BACKUP={backup}", line)) == 0
        assert f"events 1 to {last_seq}" in capsys.readouterr().out
        (line,) = documented("make archive")
        short = re.sub(r" DAYS=\S+", "", line)  # the stream of the test is shorter
        assert run(short) == 0
        assert "a server has the ledger" in capsys.readouterr().out
    (line,) = documented(".venv/bin/python -m serving archive")
    assert run(line) == 0
    assert "the ledger begins at event" in capsys.readouterr().out
    assert run(short) == 0
    told = capsys.readouterr().out
    assert "archived 0 events" in told
    assert "dropped 0 events" in told

    (line,) = documented("make erase-card")
    assert run(line.replace(CARD, card)) == 0
    assert "are not touched" in capsys.readouterr().out
    for line in documented(".venv/bin/python -m serving snapshots"):
        assert run(line) == 0
    assert f"after event {last_seq:,}" in capsys.readouterr().out
    (line,) = documented(".venv/bin/python -m serving verify")
    assert run(line) == 0
    assert f"{last_seq:,} events replayed" in capsys.readouterr().out


def test_a_card_number_can_be_typed(
    files: LedgerFiles, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(card_of(files) + "\n"))
    assert main(["erase-card", "--card", "-"]) == 0
    assert main(["erase-card", "--resume"]) == 2
    assert "no erasure was cut off" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["backup"], "there is no ledger"),
        (["backup", "--what"], "command line"),
        (["restore", "--backup", "elsewhere"], "holds no backup"),
        (["archive"], "there is no ledger"),
        (["archive", "--days", "x"], "command line"),
        (["verify"], "there is no ledger"),
        (["snapshots"], "there is no ledger"),
        (["erase-card"], "command line"),
        (["erase-card", "--card", "1"], "there is no ledger"),
        (["backup", "--ledger", "text"], "LEDGER: {here}/text is not a ledger"),
        (["archive", "--ledger", "text"], "LEDGER: {here}/text is not a ledger"),
        (["erase-card", "--card", "1", "--ledger", "text"], "LEDGER: {here}/text is not a ledger"),
        (["snapshots", "--ledger", "."], "LEDGER: {here} is a folder, not a ledger"),
        (["verify", "--ledger", "text/x"], "LEDGER: there is no ledger at {here}/text/x"),
        (["api-key", "--file", "text/x.json"], "FILE: text cannot be used: a file is there"),
        (["api-key", "--file", "text/x/y.json"], "FILE: text/x cannot be used: Not a dir"),
        (["api-key", "--file", "/proc/x.json"], "FILE: /proc/x.json cannot be used: No such"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text").write_text("what this holds is text\n")
    if arguments[0] == "api-key":
        assert api_key(["add", "--name", "shop", "--scopes", "score", *arguments[1:]]) == 2
    else:
        assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert told.format(here=tmp_path) in line
    assert [path.name for path in tmp_path.iterdir()] == ["text"], "nothing is left"


@pytest.mark.parametrize("place", ["text/x", "text/x/y"])
def test_a_folder_that_cannot_be_made_is_told_in_one_line(
    files: LedgerFiles, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("text").write_text("")
    assert main(["backup"]) == 0
    backup = capsys.readouterr().out.strip()
    for field, arguments in {
        "OUT": ["backup", "--out", place],
        "LEDGER": ["restore", "--backup", backup, "--ledger", f"{place}/ledger.sqlite"],
        "ARCHIVE": ["archive", "--archive", place],
    }.items():
        assert main(arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {field}: ")
        assert "cannot be used" in line
        assert "(fix: name a place in a folder" in line


def test_settings_that_keep_too_little_are_refused(
    files: LedgerFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    hours = scorer_settings().labels.horizon_s / 3_600
    assert main(["archive", "--days", str(hours / 24)]) == 2
    assert "DAYS" in capsys.readouterr().err


def test_every_command_can_be_reached() -> None:
    assert set(OPERATIONS) == set(COMMANDS)
