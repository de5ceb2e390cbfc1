"""Container and systemd files: what can be known of them without running them."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement

from serving.configuration import Configuration, table_of_variables

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = (ROOT / "compose.yaml").read_text()
UNIT = (ROOT / "deploy" / "fraud-scorer.service").read_text()
DOCUMENT = (ROOT / "docs" / "operations.md").read_text()
KNOWN = {f"FRAUD_{name.upper()}" for name in Configuration.model_fields}
SERVING = (
    "serving.app",
    "serving.listener",
    "serving.client",
    "serving.api_key_command",
    "serving.operations.commands",
    "serving.workers.learner",
    "serving.workers.snapshotter",
    "serving.workers.monitor",
)


def instructions() -> list[tuple[str, str]]:
    """(instruction, rest) of the Dockerfile, continued lines joined."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]  # type: ignore[misc]


def environment() -> dict[str, str]:
    """What the image sets."""
    words = [word for name, rest in instructions() if name == "ENV" for word in shlex.split(rest)]
    return dict(word.split("=", 1) for word in words)


def service() -> dict[str, Any]:
    """The only service of the compose file."""
    (found,) = yaml.safe_load(COMPOSE)["services"].values()
    return dict(found)


def test_every_variable_exists() -> None:
    for text in (DOCKERFILE, COMPOSE, UNIT, DOCUMENT):
        named = set(re.findall(r"FRAUD_[A-Z_]*[A-Z]", text))
        assert named <= KNOWN
        assert named


def test_the_variables_of_the_image_make_a_configuration() -> None:
    given = {
        name.removeprefix("FRAUD_").lower(): value
        for name, value in environment().items()
        if name.startswith("FRAUD_")
    }
    configuration = Configuration(**given)
    assert configuration.api_keys_file is not None, "it listens to others, so it asks for keys"
    assert not configuration.demo


def test_the_document_has_the_table_of_all_variables() -> None:
    (table,) = re.findall(
        r"<!-- variables -->\n(.*)\n<!-- /variables -->", DOCUMENT, flags=re.DOTALL
    )
    assert table == table_of_variables(), "python -m serving.configuration prints it"


def test_the_image_is_small_and_not_root() -> None:
    names = [name for name, _ in instructions()]
    bases = [rest.split()[0] for name, rest in instructions() if name == "FROM"]
    assert bases == ["python:3.11-slim"] * 2
    last_stage = instructions()[len(names) - names[::-1].index("FROM") :]
    settled = dict(last_stage)
    assert settled["USER"] not in ("root", "0")
    assert settled["STOPSIGNAL"] == "SIGTERM"
    assert settled["VOLUME"] == "/data"
    assert settled["ENTRYPOINT"] == '["python", "-m", "serving"]'
    assert "curl" not in DOCKERFILE
    assert not [name for name in environment() if re.search("SECRET|PASSWORD|TOKEN|API_KEY$", name)]


def test_the_health_check_asks_the_port_that_is_served() -> None:
    (check,) = (rest for name, rest in instructions() if name == "HEALTHCHECK")
    command = re.search(r'CMD \["python", "-c", "(.*)"\]', check)
    assert command is not None
    compile(command[1], "health check", "exec")
    assert f"127.0.0.1:{environment()['FRAUD_PORT']}/readyz" in command[1]


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    kept = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    ]
    copied = [
        word
        for name, rest in instructions()
        if name == "COPY" and "--from" not in rest
        for word in rest.split()[:-1]
    ]
    assert sorted(copied) == sorted(kept)
    assert all((ROOT / name).exists() for name in copied)


def closure_of(names: list[str]) -> set[str]:
    """These distributions and all that they need, by their normal names."""
    found: set[str] = set()
    while names:
        name = re.sub(r"[-_.]+", "-", names.pop()).lower()
        if name not in found:
            found.add(name)
            needs = map(Requirement, metadata.requires(name) or [])
            names += [n.name for n in needs if n.marker is None or n.marker.evaluate({"extra": ""})]
    return found


HIDING = """
import sys
hidden = set(sys.argv[1].split(","))
class Without:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        return None if name.split(".")[0] in hidden else self.finder.find_spec(name, path, target)
    def invalidate_caches(self):
        pass
sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
for name in sys.argv[2].split(","):
    __import__(name)
"""


def test_serving_needs_nothing_that_the_image_lacks() -> None:
    (line,) = (rest for name, rest in instructions() if "--constraint requirements.lock" in rest)
    installed = line.split("requirements.lock")[1].split()
    locked = (ROOT / "requirements.lock").read_text().lower()
    there = closure_of(list(installed))
    assert all(f"{name}==" in locked.replace("_", "-") for name in there)
    hidden = {
        module
        for module, distributions in metadata.packages_distributions().items()
        if not {re.sub(r"[-_.]+", "-", each).lower() for each in distributions}
        & (there | {"fraud-system"})
    }
    assert {"pandas", "mlflow", "evidently", "matplotlib"} <= hidden
    done = subprocess.run(
        [sys.executable, "-c", HIDING, ",".join(hidden), ",".join(SERVING)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_composed_service_is_bounded_and_read_only() -> None:
    found = service()
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "cpus", "pids_limit", "ulimits", "logging"} <= found.keys()
    assert all(port.startswith("127.0.0.1:") for port in found["ports"])
    assert "data" in yaml.safe_load(COMPOSE)["volumes"]
    assert found["volumes"] == ["data:/data"]


def test_there_is_time_to_answer_what_was_accepted() -> None:
    grace_s = Configuration(demo=True).shutdown_grace_s
    unit = dict(
        line.split("=", 1) for line in UNIT.splitlines() if re.match("[A-Z][A-Za-z]+=", line)
    )
    assert int(service()["stop_grace_period"].removesuffix("s")) > grace_s
    assert int(unit["TimeoutStopSec"]) > grace_s
    assert f"FRAUD_SHUTDOWN_GRACE_S={grace_s}" in UNIT
    assert service()["environment"]["FRAUD_SHUTDOWN_GRACE_S"] == str(grace_s)


def test_systemd_takes_the_unit_and_rates_it_well(
    tmp_path: Path, require_program: Callable[[str], str]
) -> None:
    program = require_program("systemd-analyze")
    unit = tmp_path / "fraud-scorer.service"
    unit.write_text(UNIT.replace("/opt/fraud-scorer/.venv/bin/python", str(shutil.which("true"))))
    for arguments in (
        ["verify", "--man=no", str(unit)],
        ["security", "--offline=true", "--no-pager", "--threshold=20", str(unit)],  # of 100
    ):
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Unknown" not in done.stderr


def test_the_commands_of_the_unit_run_in_their_order(tmp_path: Path) -> None:
    """As they stand, but for the user, the places, and what belongs to systemd."""
    lines = re.findall(r"^#   (\S.*)$", UNIT, re.MULTILINE)
    assert [line.split()[0] for line in lines] == [
        *("useradd", "install", "sudo", "systemctl", "systemctl")
    ]
    (state,) = re.findall(r"^StateDirectory=(\S+)$", UNIT, re.MULTILINE)
    there = tmp_path / "lib" / state
    there.parent.mkdir()
    for line in lines[1:3]:
        assert f"/var/lib/{state}" in line
        line = line.replace(f"/var/lib/{state}", str(there))
        line = line.removeprefix("sudo -u fraud-scorer ")
        words = shlex.split(line.replace("/opt/fraud-scorer/.venv/bin/python", sys.executable))
        done = subprocess.run(
            [word for word in words if not word.startswith(("--owner=", "--group="))],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("fk_")
    (keys,) = re.findall(r"^Environment=FRAUD_API_KEYS_FILE=/var/lib/(\S+)$", UNIT, re.MULTILINE)
    assert (tmp_path / "lib" / keys).is_file(), "where the unit has the scorer look for them"
    (mode,) = re.findall(r"^StateDirectoryMode=0(\d+)$", UNIT, re.MULTILINE)
    assert there.stat().st_mode & 0o777 == int(mode, 8) == 0o700


def test_the_unit_may_write_where_the_scorer_writes() -> None:
    places = re.findall(r"^Environment=(?:FRAUD_\w+|NUMBA_CACHE_DIR)=(/\S+)$", UNIT, re.MULTILINE)
    (writable,) = re.findall(r"^ReadWritePaths=(.*)$", UNIT, re.MULTILINE)
    assert places
    assert all(any(place.startswith(folder) for folder in writable.split()) for place in places)


def test_the_files_say_that_they_are_not_run_here() -> None:
    assert "not built or run" in DOCKERFILE
    assert "Not run" in COMPOSE
    assert "not started there" in UNIT
    assert "not built or run here" in DOCUMENT
