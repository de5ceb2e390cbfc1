"""The service's variables: bounds, safe combinations, and mistakes that name the variable and the fix."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fraud_system.errors import ConfigError
from serving.configuration import Configuration, table_of_variables


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("FRAUD_")]:
        monkeypatch.delenv(name)


def test_variables_are_read_and_arguments_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAUD_DEMO", "true")
    monkeypatch.setenv("FRAUD_PORT", "9000")
    monkeypatch.setenv("FRAUD_MAX_BATCH_ROWS", "50")
    monkeypatch.setenv("FRAUD_LEDGER_FILE", "elsewhere/ledger.sqlite")
    monkeypatch.setenv("FRAUD_API_KEYS_FILE", "")  # as a compose file leaves it
    configuration = Configuration(port=0)
    assert configuration.port == 0
    assert configuration.max_batch_rows == 50
    assert configuration.ledger_file == Path("elsewhere/ledger.sqlite")
    assert configuration.api_keys_file is None


@pytest.mark.parametrize(
    ("variables", "field", "fix"),
    [
        ({}, "FRAUD_API_KEYS_FILE", "make api-key"),
        ({"FRAUD_DEMO": "1", "FRAUD_HOST": "0.0.0.0"}, "FRAUD_HOST", "127.0.0.1"),
        ({"FRAUD_DEMO": "1", "FRAUD_HOST": "example.com"}, "FRAUD_HOST", "127.0.0.1"),
        ({"FRAUD_API_KEYS_FILE": "k", "FRAUD_CLOCK": "traffic"}, "FRAUD_CLOCK", "FRAUD_DEMO=true"),
        ({"FRAUD_DEMO": "1", "FRAUD_CLOCK": "sun"}, "FRAUD_CLOCK", "give wall or traffic"),
        (
            {"FRAUD_DEMO": "1", "FRAUD_PORT": "http"},
            "FRAUD_PORT",
            "a whole number from 0 to 65,535",
        ),
        (
            {"FRAUD_DEMO": "1", "FRAUD_PORT": "65536"},
            "FRAUD_PORT",
            "a whole number from 0 to 65,535",
        ),
        ({"FRAUD_DEMO": "perhaps"}, "FRAUD_DEMO", "give true or false"),
        ({"FRAUD_DEMO": "1", "FRAUD_BODY_TIMEOUT_S": "nan"}, "FRAUD_BODY_TIMEOUT_S", "above 0"),
        ({"FRAUD_DEMO": "1", "FRAUD_MAX_WAITING_ROWS": "9"}, "FRAUD_MAX_WAITING_ROWS", "10000"),
        (
            {"FRAUD_DEMO": "1", "FRAUD_CHAMPION_DIR": "nowhere"},
            "FRAUD_CHAMPION_DIR",
            "give path of a folder",
        ),
        ({"FRAUD_DEMO": "1", "FRAUD_PROT": "8000"}, "FRAUD_PROT", "did you mean FRAUD_PORT?"),
        ({"FRAUD_DEMO": "1", "FRAUD_ZZZZ": "1"}, "FRAUD_ZZZZ", "lists all"),
    ],
)
def test_a_mistake_names_the_variable_and_the_fix(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], field: str, fix: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        Configuration()
    assert caught.value.field == field
    assert fix in caught.value.fix
    assert caught.value.problem


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_a_demo_without_keys_starts_on_a_loopback_address(host: str) -> None:
    assert Configuration(demo=True, clock="traffic", host=host).host == host


def test_with_keys_it_starts_anywhere() -> None:
    assert Configuration(api_keys_file=Path("keys.json"), host="0.0.0.0").demo is False


def test_what_a_client_is_told_in_the_same_shell_is_no_mistake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FRAUD_API_KEY", "fk_a_b")
    monkeypatch.setenv("FRAUD_URL", "http://127.0.0.1:8000")
    assert Configuration(demo=True).demo


def test_an_unknown_argument_is_refused() -> None:
    with pytest.raises(ConfigError, match="FRAUD_MAX_ROWS: no such setting"):
        Configuration(demo=True, max_rows=3)


def test_it_cannot_be_changed_afterwards() -> None:
    changed: Any = Configuration(demo=True)
    with pytest.raises(ValueError, match="frozen"):
        changed.port = 1


def test_every_variable_is_in_the_table_with_its_default() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|$", table_of_variables(), re.MULTILINE
    )
    assert [name for name, *_ in rows] == [
        f"FRAUD_{name.upper()}" for name in Configuration.model_fields
    ]
    assert all(kind and meaning for _, _, kind, meaning in rows)
    assert ("FRAUD_DEMO", "`false`", "true or false") in [row[:3] for row in rows]


def test_the_module_prints_the_table() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "serving.configuration"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == table_of_variables() + "\n"
    assert done.stderr == ""
