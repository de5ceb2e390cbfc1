"""The documents are tested: their commands and links exist, and their schema loads."""

import re
import subprocess
from pathlib import Path

import pytest

from fraud_system.schema import load_schema

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_command_is_a_target(document: Path) -> None:
    commands = re.findall(r"(?:^|`|=1 )make ([a-z-]+)", document.read_text(), re.MULTILINE)
    assert set(commands) <= TARGETS


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", document.read_text())
    missing = [link for link in links if not (document.parent / link).exists()]
    assert missing == []


def test_the_readme_names_the_files_that_it_mentions() -> None:
    named = re.findall(
        r"`((?:pipelines|fraud_system|docs)/[\w/.]+)`", (ROOT / "README.md").read_text()
    )
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_schema_in_the_documents_loads() -> None:
    text = (ROOT / "docs" / "data.md").read_text()
    (block,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    schema = load_schema(block, "docs/data.md")
    assert schema.entities == {"card": "card_id", "terminal": "merchant_id"}


def test_make_help_lists_every_target_that_a_user_calls() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = set(re.findall(r"^  make ([a-z-]+)", done.stdout, re.MULTILINE))
    assert listed == TARGETS


def test_the_lock_file_has_exact_versions_and_no_addresses() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert all(re.fullmatch(r"[\w.-]+==[\w.+!]+", line) for line in lines)
