"""The workers' production rounds in threads of the scorer's process, for `warm_parent`."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fraud_system.errors import FraudSystemError
from fraud_system.ledger import Ledger, SqliteLedger
from fraud_system.replay import restored_learner
from fraud_system.settings import Settings
from monitoring.health import HealthSettings
from monitoring.overseer import recover_overseer
from monitoring.settings import MonitorSettings
from serving.workers import learner, monitor, snapshotter
from serving.workers.running import read_settings
from serving.workers.supervisor import OnMessage, WorkerSpec, WorkerStatus

POLL_INTERVAL_S = 0.02


class Stopping(Exception):
    """Ends a thread where it next speaks."""


@dataclass(frozen=True)
class Given:
    """What the arguments of a worker's command line say."""

    ledger: Path
    settings: Settings
    snapshot_every_events: int

    @classmethod
    def of(cls, arguments: Sequence[str]) -> "Given":
        said = dict(zip(arguments[2::2], arguments[3::2], strict=True))
        settings = read_settings(Path(said["--settings"]))
        return cls(Path(said["--ledger"]), settings, int(said["--snapshot-every-events"]))


def learning(given: Given, ledger: Ledger, send: Callable[[Any], None]) -> Iterator[Any]:
    state, pending = restored_learner(given.settings, ledger)
    return learner.rounds(state, pending, ledger, send, given.snapshot_every_events)


def saving(given: Given, ledger: Ledger, send: Callable[[Any], None]) -> Iterator[Any]:
    return snapshotter.rounds(given.settings, ledger, send, given.snapshot_every_events)


def watching(given: Given, ledger: Ledger, send: Callable[[Any], None]) -> Iterator[Any]:
    overseer = recover_overseer(MonitorSettings(), HealthSettings(), given.settings, ledger)
    return monitor.rounds(overseer, ledger, send, given.snapshot_every_events)


WORK = {"learner": learning, "snapshotter": saving, "monitor": watching}


class WorkersInThreads:
    """In the place of `Supervisor`."""

    def __init__(self, workers: Sequence[WorkerSpec], on_message: OnMessage) -> None:
        self._workers = {spec.name: Given.of(spec.arguments) for spec in workers}
        self._on_message = on_message
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        for name, given in self._workers.items():
            arguments = name, given
            thread = threading.Thread(target=self._work, args=arguments, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    async def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def status(self) -> dict[str, WorkerStatus]:
        return {name: WorkerStatus(True, 0, 0.0, 0, {}, None, "") for name in sorted(self._workers)}

    def _work(self, name: str, given: Given) -> None:
        def send(message: Any) -> None:
            if self._stopping.is_set():
                raise Stopping
            assert self._loop is not None
            asyncio.run_coroutine_threadsafe(self._on_message(name, message), self._loop).result()

        with (
            suppress(Stopping, FraudSystemError),
            SqliteLedger(given.ledger, read_only=True) as ledger,
        ):
            for _ in WORK[name](given, ledger, send):
                self._stopping.wait(POLL_INTERVAL_S)
