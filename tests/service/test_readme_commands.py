"""The commands of the README's section on HTTP, run as they stand against a real service."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from running import Running, running_service
from warm_parent import WarmParent

ROOT = Path(__file__).parents[2]
SECTION = re.search(
    r"^## Score over HTTP$(.*?)^## ", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE
)
ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def readme_service(tmp_path_factory: pytest.TempPathFactory, warm: WarmParent):
    with running_service(tmp_path_factory.mktemp("readme"), warm.start) as running:
        yield running.wait_until_ready()


def block(language: str, containing: str, service: Running) -> str:
    """The code block of the section that contains a text, with the service's address put in."""
    assert SECTION is not None
    blocks = re.findall(rf"```{language}\n(.*?)```", SECTION[1], re.DOTALL)
    (found,) = [each for each in blocks if containing in each]
    assert ADDRESS in found
    return found.replace(ADDRESS, service.url)


def test_the_curl_commands(readme_service: Running) -> None:
    commands = block("", "curl", readme_service)
    done = subprocess.run(
        ["bash", "-e", "-c", commands.replace("curl -s", "curl -sS --fail-with-body -w '\\n'")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    decision, receipt, explanation = map(json.loads, done.stdout.splitlines())
    assert 0.0 < decision["probability"] < 1.0
    assert receipt["outcome"] == "fraud_joined"
    assert explanation["decision"] == decision
    assert explanation["status"] == "fraud"


def test_the_python_client(readme_service: Running) -> None:
    program = block("python", "FraudClient", readme_service)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert re.match(r"0\.\d+ (approve|review|decline) \[", done.stdout)
