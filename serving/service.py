"""What runs while the scorer runs: the ledger, the engine's task, the workers; started and stopped in order.

A start takes the ledger's lock first, so that a second server on one ledger fails at once. The rest happens
while the port is open and `/readyz` says no: the engine is made from the newest snapshot and the tail,
compiled code is loaded, the workers are started.
"""

import asyncio
import gc
import logging
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING

from fraud_system.errors import ConfigError, FraudSystemError
from fraud_system.events import DAY_US, Frame
from fraud_system.ledger import Ledger, SqliteLedger
from fraud_system.settings import Settings
from monitoring.settings_file import Sections, read_sections
from monitoring.switching_patterns import check_features, patterns_of
from monitoring.view import MonitorView
from serving.alerts.secret import read_secret
from serving.answers import Answers
from serving.api_keys import ApiKeys, Door, Everyone
from serving.clocks import TrafficClock, WallClock
from serving.columns import TransactionColumns
from serving.configuration import Configuration
from serving.engine_task import EngineTask
from serving.problems import Problem
from serving.proposals import adopt, record_latency, switch
from serving.ready_engine import ready_engine
from serving.records import Records
from serving.reports import Reports
from serving.state import troubles
from serving.system import System, prepare
from serving.telemetry import Telemetry
from serving.waiting import Bounds, Waiting
from serving.workers.messages import (
    Message,
    ModeProposed,
    MonitorSees,
    SnapshotPassedOver,
    WeightsProposed,
)
from serving.workers.standard import learner, monitor, snapshotter
from serving.workers.supervisor import OnMessage, Supervisor, WorkerSpec, WorkerStatus

if TYPE_CHECKING:
    from serving.alerts.alerts import Alerts

LOGGER = logging.getLogger(__name__)
PASSED_OVER = "the snapshot %s cannot be used, so more of the ledger was read instead: %s"
TICK_EVERY_S = 10.0
# A demo's traffic brings its own time. It begins a year back, so that months of it end before today.
DEMO_BEGINS_BEFORE_US = 364 * DAY_US


class Service:
    """One scorer.

    Args:
        configuration: see there.
        observe: is shown the frames of each commit, once they are durable.
        supervised: how workers are run and heard; they are processes of their own.
    """

    def __init__(
        self,
        configuration: Configuration,
        observe: Callable[[Sequence[Frame]], None] = lambda frames: None,
        supervised: Callable[[Sequence[WorkerSpec], OnMessage], Supervisor] = Supervisor,
    ) -> None:
        self.configuration = configuration
        self.telemetry = Telemetry()
        # Before the engine is there, too: what a demo sends meanwhile shall be told to come again.
        self.clock: WallClock | TrafficClock = (
            TrafficClock() if configuration.clock == "traffic" else WallClock()
        )
        keys = configuration.api_keys_file
        self.door: Door = Everyone() if keys is None else ApiKeys(keys)
        self.system: System = prepare(
            configuration.ledger_file, configuration.schema_file, configuration.start_from_run
        )
        self._monitors = _monitors_of(configuration, self.system.settings)
        self.columns = TransactionColumns(self.system.schema)
        self.reports = Reports(self.system.ledger_file, configuration.report_timeout_s)
        self.failed: BaseException | None = None
        self.view: MonitorView | None = None
        self.alerts: Alerts | None = None
        secret = configuration.webhook_secret_file
        self._secret = b"" if secret is None else read_secret(secret)
        self.when_ready: Callable[[], None] = lambda: None
        self.when_failed: Callable[[], None] = lambda: None
        self.stopping: Callable[[], bool] = lambda: False  # so that endless answers can end
        self._observe, self._supervised = observe, supervised
        self._ledger: SqliteLedger | None = None
        self._reader: Ledger | None = None
        self._task: EngineTask | None = None
        self._supervisor: Supervisor | None = None
        self._jobs: list[asyncio.Task[None]] = []

    @property
    def task(self) -> EngineTask:
        """The engine's task.

        Raises:
            Problem: 503, it is not there yet, or not any more.
        """
        if self._task is None:
            raise Problem(503, "the service is starting", fix="try again soon", retry_after_s=2)
        return self._task

    @property
    def ready(self) -> bool:
        """Whether transactions are answered."""
        return self._task is not None and self._task.broken is None

    @property
    def switch_seq(self) -> int | None:
        """Of the newest switch; None if there was none since the start and the monitors remember none."""
        made = self.task.switch_seq
        if made is not None or self.view is None:
            return made
        health = self.task.engine.health.name.lower()
        newest = next((each for each in self.view.timeline if each.kind == "switch"), None)
        return newest.seq if newest is not None and newest.subject == health else None

    @property
    def started(self) -> bool:
        """Whether the start is over."""
        return self._task is not None

    def failed_at(self, route: str, error: Exception) -> None:
        """An answer that was none of the client's doing: count it and say it in the log."""
        if isinstance(error, Problem):
            return
        self.telemetry.failed(error)
        LOGGER.error("%s: %s", route, error, exc_info=not isinstance(error, FraudSystemError))

    def workers(self) -> dict[str, WorkerStatus]:
        """The state of the learner and the others; empty before they are started."""
        return self._supervisor.status() if self._supervisor else {}

    def open(self) -> None:
        """Take the ledger, if it was not taken yet.

        Raises:
            LedgerError: another process has it, or the disk refuses.
        """
        self._ledger = self._ledger or SqliteLedger(self.system.ledger_file)

    async def start(self) -> None:
        """Make everything ready, in the background of an open port.

        If that cannot be, or the engine's task ends, `failed` tells why, and `when_failed` is called.
        """
        try:
            await self._start()
        except Exception as error:
            self._fail(error)

    async def stop(self) -> None:
        """Answer what was accepted, then give everything back."""
        for job in self._jobs[1:]:
            job.cancel()
        await self.reports.stop()
        if self.alerts is not None:
            await self.alerts.stop()
        if self._supervisor:
            await self._supervisor.stop()
        if self._task:
            self._task.stop()
            await asyncio.wait([self._jobs[0]])
            self._task.close()
        for ledger in (self._reader, self._ledger):
            if ledger is not None:
                ledger.close()

    async def _start(self) -> None:
        ledger, settings = self._ledger, self.system.settings
        if ledger is None:
            raise ConfigError("open the ledger first", field="service")
        now_us = WallClock().now_us()
        if self.configuration.clock == "traffic":
            now_us -= DEMO_BEGINS_BEFORE_US
        engine = await asyncio.to_thread(ready_engine, settings, ledger, now_us)
        for path, why in ledger.passed_over:
            LOGGER.warning(PASSED_OVER, path, why)
        reader = self._reader = SqliteLedger(self.system.ledger_file, read_only=True)
        if self.configuration.clock == "traffic":
            self.clock = TrafficClock(engine.known_time_us)
        if self.configuration.webhook_url is not None:
            # Here, as it brings an HTTP client: .3 s that most starts need not spend.
            from serving.alerts.alerts import Alerts

            self.alerts = Alerts(
                self.configuration.webhook_url,
                self._secret,
                self.system.ledger_file,
                engine.last_seq,
                self.telemetry.alerts,
            )
            await self.alerts.start()
        answers = Answers(settings)
        bounds = Bounds(
            waiting_rows=self.configuration.max_waiting_rows,
            label_rows_per_cycle=self.configuration.labels_per_batch,
        )
        task = EngineTask(
            engine,
            ledger,
            Records(reader, engine, answers),
            answers,
            self.columns,
            Waiting(bounds, asyncio.get_running_loop()),
            self.clock,
            self.telemetry,
            self._observe,
        )
        arguments = self.system.ledger_file, self.system.settings_file
        every = self.configuration.snapshot_every_events
        stale_after_s = self.configuration.stale_after_s
        self._supervisor = self._supervised(
            [
                learner(*arguments, snapshot_every_events=every, stale_after_s=stale_after_s),
                snapshotter(*arguments, snapshot_every_events=every),
                monitor(
                    *arguments,
                    snapshot_every_events=every,
                    stale_after_s=stale_after_s,
                    switching=self.configuration.switching,
                    monitors=self._monitors,
                ),
            ],
            self._hear,
        )
        self._jobs = [
            asyncio.create_task(task.run(), name="engine"),
            asyncio.create_task(self._watch(task), name="watch"),
        ]
        self._jobs[0].add_done_callback(self._engine_ended)
        self._task = task
        # What is there now stays: without this the collector would look through all of it, for a tenth of
        # a second, again and again.
        gc.collect()
        gc.freeze()
        await self._supervisor.start()
        self.when_ready()

    def _fail(self, error: BaseException) -> None:
        self.failed = error
        self.when_failed()

    def _engine_ended(self, job: "asyncio.Task[None]") -> None:
        """Without the engine nobody would be answered: whoever started the process starts it again."""
        error = None if job.cancelled() else job.exception()
        if error is not None:
            self._fail(error)

    async def _hear(self, worker: str, message: Message) -> None:
        """What a worker says: proposals go to the engine, the rest is kept or told on."""
        if isinstance(message, ModeProposed):
            await switch(message, self.task, self.telemetry)
        elif isinstance(message, MonitorSees):
            self.view = message.view
            if self.alerts is not None:
                self.alerts.see(message.view)
        elif isinstance(message, SnapshotPassedOver):
            LOGGER.warning(PASSED_OVER, message.path, message.why)
        elif isinstance(message, WeightsProposed):
            await adopt(message.publication, self.task, self.telemetry)

    async def _watch(self, task: EngineTask) -> None:
        """Let time pass without traffic, and nobody wait for ever; record how fast answers were."""
        measured_s, measuring = perf_counter(), None
        while True:
            await asyncio.sleep(min(1.0, self.configuration.answer_timeout_s / 4))
            task.give_up_slow(self.configuration.answer_timeout_s)
            idle_s = perf_counter() - task.last_commit_s
            if idle_s > TICK_EVERY_S and task.broken is None and not self.clock.moved_by_traffic:
                task.waiting.tick()
            is_due = perf_counter() - measured_s > self.configuration.latency_every_s
            if is_due and task.broken is None and (measuring is None or measuring.done()):
                measured_s = perf_counter()
                # Not waited for: while the disk hangs, somebody has to give up who waits.
                measuring = asyncio.create_task(record_latency(task, self.telemetry))
            self.door.look()
            if self.alerts is not None:
                self.alerts.look(troubles(self))


def _monitors_of(configuration: Configuration, settings: Settings) -> Sections:
    """What the monitors are told; checked before anything starts, as a worker could only die of it."""
    patterns = patterns_of(configuration.switching, "FRAUD_SWITCHING")
    check_features(patterns, settings.features.names, "FRAUD_SWITCHING")
    path = configuration.monitors_file
    return {} if path is None else read_sections(path, "FRAUD_MONITORS_FILE")
