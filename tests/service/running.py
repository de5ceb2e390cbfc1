"""The whole service as a real process: `python -m serving` on a free loopback port, with a ledger of its own.

    with running_service(folder) as service:
        service.client.post("/v1/score", json={...})

A test that does no harm takes the fixture `service`, which all of a session share; one that kills, starves
or stops it starts its own. Nothing here measures time: a wait ends when what it waits for happens, or the
process ends, and fails after a generous guard.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeVar

import httpx

ROOT = Path(__file__).parents[2]
GUARD_S = 180.0
Found = TypeVar("Found")
_LISTENS = re.compile(r"listening at (http://127\.0\.0\.1:\d+)")


class Process(Protocol):
    """What is needed of `subprocess.Popen`."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None: ...

    def wait(self, timeout: float, /) -> int: ...

    def send_signal(self, number: int, /) -> None: ...

    def kill(self) -> None: ...


Start = Callable[[dict[str, str], Path], Process]


def whole(environment: dict[str, str], log_file: Path) -> Process:
    """`python -m serving`, and its workers."""
    with log_file.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "serving"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


@dataclass
class Running:
    """A started process.

    Args:
        process: it.
        ledger_file: its ledger.
        log_file: what it wrote to stdout and stderr.
    """

    process: Process
    ledger_file: Path
    log_file: Path

    @property
    def log(self) -> str:
        """What it has written so far."""
        if not self.log_file.exists():
            return ""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    @cached_property
    def url(self) -> str:
        """Where it listens; waits until it does."""
        found = self.wait_for(lambda: _LISTENS.search(self.log))
        return str(found[1])

    @cached_property
    def client(self) -> httpx.Client:
        """Plain HTTP to it."""
        return httpx.Client(base_url=self.url, timeout=GUARD_S, trust_env=False)

    def wait_until_ready(self) -> "Running":
        """Until /readyz says yes; a process that ends before fails, with its log."""

        def ready() -> bool:
            try:
                return self.client.get("/readyz").status_code == 200
            except httpx.TransportError:
                return False

        self.wait_for(ready)
        return self

    def wait_for(self, find: Callable[[], Found]) -> Found:
        """What `find` gives once it is true, while the process runs."""
        until_s = time.monotonic() + GUARD_S
        while not (found := find()):
            assert self.process.poll() is None, f"it ended: {self.process.returncode}\n{self.log}"
            assert time.monotonic() < until_s, f"it did not happen\n{self.log}"
            time.sleep(0.02)
        return found

    def kill(self) -> None:
        """As kill -9 does."""
        self.process.kill()
        self.process.wait(GUARD_S)

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(GUARD_S)


@contextmanager
def running_service(folder: Path, start: Start = whole, **variables: object) -> Iterator[Running]:
    """Start the service, which need not be ready yet; at the end it is killed if it still runs.

    Args:
        folder: for its log and, unless `ledger_file` says otherwise, its ledger.
        start: how; `warm_parent.WarmParent.start` is quicker.
        variables: of the configuration, such as `clock="traffic"`; `demo` is on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    variables = {"demo": True, "port": 0, "ledger_file": folder / "ledger.sqlite"} | variables
    environment = {name: value for name, value in os.environ.items() if name[:6] != "FRAUD_"}
    environment |= {f"FRAUD_{name.upper()}": str(value) for name, value in variables.items()}
    log_file = folder / f"service-{len(list(folder.glob('service-*.log')))}.log"
    service = Running(start(environment, log_file), Path(str(variables["ledger_file"])), log_file)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.kill()
        if "client" in vars(service):
            service.client.close()
