"""Keys that are added, revoked or damaged while the service runs: it goes on, knows, and says so."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import Running, running_service
from warm_parent import WarmParent

from serving.key_file import add_key, revoke_key

BROKEN = "go on working, also those revoked since"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def operator(key_file: Path) -> str:
    """A key that looks on."""
    return add_key(key_file, "operator", ["read"], time.time())


@pytest.fixture
def keyed(key_file: Path, operator: str, tmp_path: Path, warm: WarmParent) -> Iterator[Running]:
    """A service that reads the file."""
    with running_service(tmp_path, warm.start, demo=False, api_keys_file=key_file) as running:
        yield running.wait_until_ready()


def status(keyed: Running, key: str) -> int:
    return keyed.client.get("/v1/model", headers={"authorization": f"Bearer {key}"}).status_code


def shown(keyed: Running, key: str) -> tuple[bool, bool]:
    """Whether the state and the metrics say that the file is broken."""
    headers = {"authorization": f"Bearer {key}"}
    metrics = keyed.client.get("/metrics", headers=headers).text.splitlines()
    (line,) = (each for each in metrics if each.startswith("fraud_api_keys_file_broken "))
    state = keyed.client.get("/v1/model", headers=headers).json()
    return state["api_keys_broken"], line.endswith(" 1.0")


def test_keys_are_added_and_revoked_while_it_runs(
    key_file: Path, operator: str, keyed: Running
) -> None:
    second = add_key(key_file, "auditor", ["read"], time.time())
    keyed.wait_for(lambda: status(keyed, second) == 200)
    revoke_key(key_file, second.split("_")[1])
    keyed.wait_for(lambda: status(keyed, second) == 401)
    assert status(keyed, operator) == 200


def test_a_file_that_breaks_is_said_in_the_log_and_shown_until_it_is_mended(
    key_file: Path, operator: str, keyed: Running
) -> None:
    assert shown(keyed, operator) == (False, False)
    good = key_file.read_bytes()
    key_file.write_bytes(good[:-20])
    keyed.wait_for(lambda: BROKEN in keyed.log)  # nobody has asked anything
    assert status(keyed, operator) == 200, "the keys read last go on working"
    keyed.wait_for(lambda: shown(keyed, operator) == (True, True))
    warnings = [line for line in keyed.log.splitlines() if BROKEN in line]
    assert len(warnings) == 1, "it is said once, not at every look"
    assert " WARNING serving.api_keys " in warnings[0]
    assert f"FRAUD_API_KEYS_FILE: {key_file} is damaged" in warnings[0]
    assert "(fix: restore it, or make the keys anew)" in warnings[0]
    key_file.write_bytes(good)
    keyed.wait_for(lambda: shown(keyed, operator) == (False, False))
    assert f"{key_file} can be used again" in keyed.log
