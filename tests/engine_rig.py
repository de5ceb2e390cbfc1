"""An engine's task on a ledger in memory, with a clock that the test moves, and a disk that can fail."""

import asyncio
import datetime
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from streams import tiny_settings

from fraud_system.engine import Engine
from fraud_system.errors import LedgerError
from fraud_system.events import DAY_US, Frame
from fraud_system.learner import Learner
from fraud_system.ledger import MemoryLedger
from fraud_system.schema import load_schema
from serving.answers import Answers
from serving.columns import JsonRows, TransactionColumns
from serving.engine_task import EngineTask
from serving.records import Records
from serving.telemetry import Telemetry
from serving.waiting import Bounds, Waiting
from serving.wire import Label, transaction_type

TINY_SCHEMA = load_schema(
    """
name = "tiny"
[columns]
transaction_id = "id"
event_time = "time"
amount = "amount"
[entities]
card = "card"
[features]
numeric = ["risk"]
""",
    "tiny.toml",
)
Transaction = transaction_type(TINY_SCHEMA)
START_US = 20_000 * DAY_US


class FailingLedger(MemoryLedger):
    """A ledger whose disk is full for the next `failures` commits."""

    failures = 0
    commits = 0

    def append(self, frames: Sequence[Frame], reusable_before_seq: int = 0) -> None:
        if self.failures:
            self.failures -= 1
            raise LedgerError("the disk is full")
        self.commits += 1
        super().append(frames, reusable_before_seq)


class HandClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.time_us = START_US

    def now_us(self) -> int:
        return self.time_us


class Rig:
    """The task and what a test needs to look at."""

    def __init__(self, task: EngineTask, ledger: FailingLedger, clock: HandClock) -> None:
        self.task = task
        self.ledger = ledger
        self.clock = clock
        self.waiting = task.waiting
        self.columns = TransactionColumns(TINY_SCHEMA)

    def transaction(self, name: str, amount: float = 10.0, **others: Any) -> Any:
        when = datetime.datetime.fromtimestamp(self.clock.time_us / 1e6, datetime.UTC)
        given = {"transaction_id": name, "event_time": when, "amount": amount, "entity_0": name[0]}
        return Transaction(**given | others)

    async def score(self, name: str, amount: float = 10.0, **others: Any) -> Any:
        return await self.waiting.single(self.transaction(name, amount, **others))

    async def score_many(self, *rows: Any) -> list[Any]:
        return await self.waiting.bulk(JsonRows(rows, self.columns))

    async def label(self, *reports: Label) -> list[Any]:
        return await self.waiting.reports(reports)


@asynccontextmanager
async def rig(bounds: Bounds | None = None, **changes: Any) -> AsyncIterator[Rig]:
    """A running task on an empty ledger; it is stopped in order at the end."""
    settings, ledger, clock = tiny_settings(**changes), FailingLedger(), HandClock()
    engine, answers = Engine(settings), Answers(settings)
    ledger.append([engine.adopt(Learner(settings).first_publication())])
    columns = TransactionColumns(TINY_SCHEMA)
    waiting = Waiting(bounds or Bounds(), asyncio.get_running_loop())
    task = EngineTask(
        engine,
        ledger,
        Records(ledger, engine, answers),
        answers,
        columns,
        waiting,
        clock,
        Telemetry(),
    )
    running = asyncio.create_task(task.run())
    try:
        yield Rig(task, ledger, clock)
    finally:
        task.stop()
        await running
        task.close()
