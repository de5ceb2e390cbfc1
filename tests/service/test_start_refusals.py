"""Starts that cannot be are told in one line that names the variable; and what a good start says."""

import asyncio
import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from live_server import Application
from running import GUARD_S, ROOT, Running, running_service
from warm_parent import WarmParent

from fraud_system.errors import ConfigError
from serving.configuration import Configuration
from serving.listener import Listener, address_of, taken_port, uvicorn_config


def refusal(folder: Path, warm: WarmParent, **variables: object) -> str:
    """It does not start; returns all that it says, which is one line."""
    with running_service(folder / "log", warm.start, **variables) as service:
        assert service.process.wait(GUARD_S) == 1, service.log
    (line,) = service.log.splitlines()
    assert line.startswith("error: "), line
    assert "(fix: " in line
    return line


def folder_of_a_file(folder: Path) -> Path:
    (folder / "file").write_text("")
    return folder / "file" / "ledger.sqlite"


def folder_in_a_file(folder: Path) -> Path:
    return folder_of_a_file(folder).parent / "x" / "ledger.sqlite"


def folder_in_proc(folder: Path) -> Path:
    return Path("/proc/x/y.sqlite")


def file_in_proc(folder: Path) -> Path:
    return Path("/proc/y.sqlite")


def name_too_long(folder: Path) -> Path:
    return folder / ("x" * 300)


@pytest.mark.parametrize(
    "place", [folder_of_a_file, folder_in_a_file, folder_in_proc, file_in_proc, name_too_long]
)
def test_a_place_where_no_ledger_can_be_is_named(
    tmp_path: Path, warm: WarmParent, place: Callable[[Path], Path]
) -> None:
    line = refusal(tmp_path, warm, ledger_file=place(tmp_path))
    assert line.startswith("error: FRAUD_LEDGER_FILE: ")
    assert "name a place in a folder that is there or can be made" in line


def a_document(folder: Path) -> Path:
    return Path(shutil.copy(ROOT / "README.md", folder))


def a_folder(folder: Path) -> Path:
    (folder / "ledger.sqlite").mkdir()
    return folder / "ledger.sqlite"


def another_programs_file(folder: Path) -> Path:
    with closing(sqlite3.connect(folder / "other.db")) as connection, connection:
        connection.execute("CREATE TABLE experiments (name TEXT)")
    return folder / "other.db"


@pytest.mark.parametrize("what", [a_document, a_folder, another_programs_file])
def test_what_is_no_ledger_is_not_taken_for_one(
    tmp_path: Path, warm: WarmParent, what: Callable[[Path], Path]
) -> None:
    path = what(tmp_path)
    before = set(tmp_path.iterdir())
    line = refusal(tmp_path, warm, ledger_file=path)
    assert line.startswith(f"error: FRAUD_LEDGER_FILE: {path} is ")
    assert "not a ledger (fix: name the ledger's file, or a new name for a new ledger" in line
    assert set(tmp_path.iterdir()) == before | {tmp_path / "log"}, "nothing is left beside it"


def test_a_port_that_is_taken_is_named_and_no_ledger_is_begun(
    tmp_path: Path, warm: WarmParent
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        line = refusal(tmp_path, warm, port=port, ledger_file=tmp_path / "var" / "ledger.sqlite")
    assert line.startswith(f"error: FRAUD_PORT: port {port} of 127.0.0.1 is taken already")
    assert "such as FRAUD_PORT=8001" in line
    assert not (tmp_path / "var").exists()


def test_a_port_that_is_taken_in_the_last_moment_is_named_too() -> None:
    with taken_port("127.0.0.1", 0) as (one,):
        port = one.getsockname()[1]
        with taken_port("127.0.0.1", port) as sockets:  # neither listens yet
            one.listen()
            server = Listener(uvicorn_config(Application(), Configuration(demo=True, port=port)))
            with pytest.raises(ConfigError, match=f"FRAUD_PORT: port {port} .*taken already"):
                asyncio.run(server.serve(sockets))
    assert not server.started


def test_an_address_of_another_machine_is_named() -> None:
    with (
        pytest.raises(ConfigError, match=r"FRAUD_HOST: this machine cannot listen at 192\.0\.2\.1"),
        taken_port("192.0.2.1", 0),
    ):
        pass


def test_a_name_is_listened_at_with_one_port() -> None:
    with taken_port("localhost", 0) as sockets:
        ports = {each.getsockname()[1] for each in sockets}
        assert len(ports) == len({address_of(each).rpartition(":")[2] for each in sockets}) == 1


def test_a_schema_that_cannot_be_read_is_named_by_its_variable(
    tmp_path: Path, warm: WarmParent
) -> None:
    line = refusal(tmp_path, warm, schema_file=tmp_path / "none.toml")
    assert line.startswith("error: FRAUD_SCHEMA_FILE: cannot read ")
    assert "(fix: give the path of a TOML file)" in line


def test_a_demo_says_that_there_are_no_keys_and_when_it_is_ready(service: Running) -> None:
    said = service.log.splitlines()
    (keys,) = (line for line in said if "without API keys" in line)
    assert f" WARNING serving demo without API keys: whoever reaches {service.url}" in keys
    service.wait_for(lambda: "ready:" in service.log)
    (ready,) = (line for line in service.log.splitlines() if "ready:" in line)
    assert f"ready: transactions are answered at {service.url}" in ready
