"""Starts of the whole service in tens of milliseconds instead of seconds, for tests that need many.

A start costs seconds because of imports and compiled code. So a parent process loads both once, starts no
thread and no event loop, and forks: the child then does all that `python -m serving` does, from reading its
variables on. But for one thing: the workers, which would have to be imported again, run their production
rounds in threads of the child instead of processes.

The parent is told on stdin what to start, one child at a time, and says on stdout `pid <number>` and, when
that has ended, `ended <exit code>`.
"""

import gc
import json
import os
import resource
import select
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numba.core.event import Listener, register

from fraud_system.learner import Learner
from fraud_system.settings import Settings
from monitoring.health import HealthSettings
from monitoring.overseer import recover_overseer
from monitoring.settings import MonitorSettings

ROOT = Path(__file__).parents[2]
NOBODY = 65_534
LOADS = "compiled code is loaded by "  # and the name of a thread


class Forked:
    """A child of the parent; what `running.Running` needs of `subprocess.Popen`."""

    def __init__(self, parent: "subprocess.Popen[str]") -> None:
        self._parent = parent
        self.pid = int(self._said("pid"))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        assert self._parent.stdout is not None
        if self.returncode is None and select.select([self._parent.stdout], [], [], 0)[0]:
            self.returncode = int(self._said("ended"))
        return self.returncode

    def wait(self, timeout_s: float) -> int:
        assert self._parent.stdout is not None
        if self.returncode is None:
            assert select.select([self._parent.stdout], [], [], timeout_s)[0], "it does not end"
        code = self.poll()
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(9)

    def _said(self, word: str) -> str:
        """One line; nothing is said before what it answers, so none is ever waiting in a buffer."""
        assert self._parent.stdout is not None
        said, _, value = self._parent.stdout.readline().partition(" ")
        assert said == word, f"the parent said {said!r}"
        return value


class WarmParent:
    """The test's side of the parent; see `warm_parent`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def start(self, environment: dict[str, str], log_file: Path) -> Forked:
        """Fork a service; the one before has ended."""
        return self._ordered(environment, log_file, as_nobody=False)

    def start_as_nobody(self, environment: dict[str, str], log_file: Path) -> Forked:
        """The same, without root's rights."""
        return self._ordered(environment, log_file, as_nobody=True)

    def _ordered(self, environment: dict[str, str], log_file: Path, as_nobody: bool) -> Forked:
        assert self._process.stdin is not None
        order = {"environment": environment, "log": str(log_file), "as_nobody": as_nobody}
        print(json.dumps(order), file=self._process.stdin, flush=True)
        return Forked(self._process)


@contextmanager
def warm_parent() -> Iterator[WarmParent]:
    """A parent; it ends at the end, and with it what it has started."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, __file__],
        cwd=ROOT,
        env=environment | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "warm\n"
        yield WarmParent(process)
        process.stdin.close()
        process.wait(60)


def _parent() -> None:
    import encodings.idna  # what looks up addresses; a child may not be let into Python's folder

    import serving.app
    import serving.arrow_rows
    import serving.listener
    from pipelines.system_settings import read_schema, settings_of
    from serving.system import DEMO_SCHEMA
    from serving.warm_up import load_code

    assert encodings.idna
    assert serving.app
    assert serving.arrow_rows
    assert serving.listener
    settings = settings_of(read_schema(DEMO_SCHEMA), DEMO_SCHEMA.parent)
    load_code(settings)
    _load_workers(settings)
    gc.collect()
    gc.freeze()  # or each child's collector would copy every page of it
    print("warm", flush=True)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _child(json.loads(line))
        print("pid", pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print("ended", os.waitstatus_to_exitcode(status), flush=True)


def _load_workers(settings: Settings) -> None:
    """The workers' compiled code; of the engine's, nothing but what every start loads."""
    from fraud_system.events import DAY_US, Arrivals
    from fraud_system.ledger import MemoryLedger
    from fraud_system.replay import run, save_snapshot, start
    from fraud_system.simulate import SCENARIOS, simulate

    traffic = simulate(SCENARIOS["small"], 1)
    some = traffic.transactions.rows(slice(0, 500))  # an empty engine has room for them
    labels = traffic.labels.rows(np.isin(traffic.labels.transaction_key, some.transaction_key))
    end_us = max(some.known_time_us[-1], labels.known_time_us.max()) + 40 * DAY_US
    with MemoryLedger() as ledger:
        engine, learner = start(settings, ledger)
        list(run(engine, learner, ledger, [Arrivals.merge(some, labels, np.array([end_us]))]))
        assert learner.learned_labels > 400
        save_snapshot(engine, learner, ledger)
        Learner.from_arrays(settings, learner.to_arrays())
        recover_overseer(MonitorSettings(), HealthSettings(), settings, ledger)


class LoadingListener(Listener):
    """Says in the log when code is compiled or read from the disk, and in which thread."""

    def on_start(self, event: object) -> None:
        if event.is_start:
            print(f"{LOADS}{threading.current_thread().name}", file=sys.stderr, flush=True)

    def on_end(self, event: object) -> None:
        pass


def _child(order: dict[str, Any]) -> None:
    """Become the service; never returns."""
    code = 1
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for here, descriptor in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(here, descriptor)
        os.environ.clear()
        os.environ.update(order["environment"])
        if order["as_nobody"] and os.geteuid() == 0:
            os.setresuid(NOBODY, NOBODY, 0)
        code = _serve()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _serve() -> int:
    """`python -m serving`; its exit code."""
    from workers_in_threads import WorkersInThreads

    from fraud_system.errors import FraudSystemError
    from serving.__main__ import serve
    from serving.configuration import Configuration

    register("numba:compiler_lock", LoadingListener())
    try:
        serve(Configuration(), WorkersInThreads)
    except FraudSystemError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except SystemExit as left:
        return int(left.code or 0)
    return 0


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _parent()
