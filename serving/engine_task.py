"""The heart of the scorer: what waits becomes one micro-batch, one durable commit, and only then answers.

    waiting -> [ fold on the event loop ] -> frames -> [ commit in a thread ] -> answers
       ^                                                       |
       └───────────── meanwhile the next requests gather ──────┘

The engine is touched by the event loop's thread alone, so it needs no locks. While a commit waits for the
disk the loop goes on reading requests; the busier the service, the more of them share the next commit
(group commit: DeWitt and others, 1984). There is no timer that holds requests back.

When a commit fails the engine is ahead of the ledger. Those who wait get a 503, and the engine is made
again from the ledger before anything else is taken.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from fraud_system.engine import STATUS, Engine
from fraud_system.errors import FraudSystemError
from fraud_system.events import Arrivals, Frame, Kind, Table, Transactions
from fraud_system.frames import empty_tables
from fraud_system.kernel import DUPLICATE_ID, NOT_USABLE, TOO_FAR_AHEAD, TOO_LATE
from fraud_system.ledger import Ledger
from fraud_system.merged_frames import joined
from fraud_system.recovery import recover_engine
from fraud_system.settings import Settings
from serving.answers import Answers, InForce, receipt
from serving.batch import Batch, Reports
from serving.columns import TransactionColumns, label_columns
from serving.problems import Problem, problem_of
from serving.records import Records, other_label_content
from serving.telemetry import Telemetry
from serving.waiting import Bulk, Slice, Waiting

MAX_RECOVERY_PAUSE_S = 30.0
GATHERED_ROWS = 256
_IN_ORDER = np.array([Kind.LABEL, Kind.TRANSACTION, Kind.TICK], np.uint8)
_FIXES = {
    TOO_LATE: "send the event when it happens, at most {0.max_lateness_s} s later",
    TOO_FAR_AHEAD: "mend the sender's clock, which may be {0.max_ahead_s} s ahead at most",
}


class Clock(Protocol):
    """When it is, for the engine."""

    def now_us(self) -> int:
        """Microseconds since 1970; may go back, the engine's known time does not."""


class EngineTask:
    """Runs the engine: a loop that takes what waits, commits it and answers.

    Args:
        engine: at the end of `ledger`.
        ledger: the writer's handle; only the commit thread uses it from here on.
        records: look-ups, through a handle of its own.
        answers, columns: makers of answers and of columns.
        waiting: the lines of requests.
        clock: see there.
        telemetry: what is counted.
        observe: is shown the frames of each commit, once they are durable.
    """

    def __init__(
        self,
        engine: Engine,
        ledger: Ledger,
        records: Records,
        answers: Answers,
        columns: TransactionColumns,
        waiting: Waiting,
        clock: Clock,
        telemetry: Telemetry,
        observe: Callable[[Sequence[Frame]], None] = lambda frames: None,
    ) -> None:
        self.engine = engine
        self.waiting = waiting
        self.records = records
        self.broken: Exception | None = None
        self.switch_seq: int | None = None  # of the newest switch since the start
        self._ledger = ledger
        self._answers = answers
        self._columns = columns
        self._clock = clock
        self._telemetry = telemetry
        self._observe = observe
        self._commits = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._reads = ThreadPoolExecutor(1, thread_name_prefix="read")
        self._empty = empty_tables(engine.settings.features)
        self._in_force = self._newest_in_force()
        self._repeats: set[asyncio.Task[None]] = set()
        self._stop_asked = asyncio.Event()
        self._slow = False
        self._taken: Slice | None = None
        self._loop = asyncio.get_running_loop()
        self._started_s = self._last_commit_s = perf_counter()

    @property
    def in_force(self) -> InForce:
        """The weights that answer now."""
        return self._in_force

    @property
    def last_commit_s(self) -> float:
        """When the last commit was done, by `time.perf_counter`."""
        return self._last_commit_s

    async def read(self, look_up: Callable[..., Any], *arguments: Any) -> Any:
        """Run a look-up in the reading thread."""
        return await self._loop.run_in_executor(self._reads, look_up, *arguments)

    async def run(self) -> None:
        """Take, commit and answer until `stop`; what was accepted before is answered."""
        while not self._stop_asked.is_set() or self.waiting.anything:
            await self.waiting.something()
            await self._gather()
            if taken := self.waiting.take():
                await self._cycle(taken)
        if self._repeats:
            await asyncio.wait(self._repeats)

    async def _gather(self) -> None:
        """Let requests that are on their way in join: as long as each turn of the loop brings more.

        Those who were just answered ask again at once under load, and a cycle costs as much for one row as
        for ten. A lone request waits for two turns of the loop, a few microseconds.
        """
        rows, quiet = self.waiting.rows, 0
        while quiet < 2 and rows < GATHERED_ROWS:
            await asyncio.sleep(0)
            quiet = quiet + 1 if self.waiting.rows == rows else 0
            rows = self.waiting.rows

    def stop(self) -> None:
        """End `run` when nothing waits any more."""
        self._stop_asked.set()
        self.waiting.wake()

    def close(self) -> None:
        """Give the threads back, after `run` has ended."""
        self._commits.shutdown()
        self._reads.shutdown()

    def give_up_slow(self, older_than_s: float) -> None:
        """Refuse what has been on its way to the disk for longer; it may be stored all the same."""
        if self._taken is not None and perf_counter() - self._started_s > older_than_s:
            problem = problem_of(TimeoutError())
            self._taken.refuse(problem)
            self.waiting.refuse(problem)
            self._slow, self.broken = True, problem

    async def _cycle(self, taken: Slice) -> None:
        frames: list[Frame] = []
        self._taken, self._started_s = taken, perf_counter()
        try:
            changed = self._change(taken, frames)
            batch = Batch(taken, await self._split_reports(taken))
            inputs, transactions = self._inputs(batch)
            status = self._fold(inputs, frames)
            await self._commit(frames)
        except Exception as error:
            await self._start_again(taken, error)
            return
        finally:
            self._taken = None
        if self._slow:
            self._slow, self.broken = False, None
            self.waiting.admit()
        self._observe(frames)
        for answer, frame in changed:
            if not answer.done():
                answer.set_result(frame)
        self._answer(batch, transactions, status, frames)

    def _change(self, taken: Slice, frames: list[Frame]) -> list[tuple[Any, Frame]]:
        """Make the changes of the engine; one that it refuses has left no trace."""
        changed = []
        for make, answer in taken.changes:
            try:
                frame = make(self.engine)
            except FraudSystemError as error:
                if not answer.done():
                    answer.set_exception(error)
                continue
            frames.append(frame)
            changed.append((answer, frame))
            if "published" in frame.tables:
                self._in_force = InForce(self.engine.served, frame.known_time_us)
            if "mode" in frame.tables:
                self.switch_seq = frame.last_seq
        return changed

    async def _split_reports(self, taken: Slice) -> Reports:
        """Which reports are new; those on record are answered from the record, beside."""
        rows = [(bulk, at) for bulk, start, stop in taken.labels for at in range(start, stop)]
        if not rows:
            return Reports()
        columns = label_columns([bulk.rows[at] for bulk, at in rows], 0).table()
        keys = columns["label_key"].tolist()
        oldest = self.engine.oldest_open_seq
        known = await self.read(self.records.repeated_labels, columns, oldest)
        reports = Reports()
        for position, ((bulk, at), key) in enumerate(zip(rows, keys, strict=True)):
            if key in known:
                self._later(self._repeat_receipt(known[key], bulk, at, columns, position))
            else:
                reports.add(bulk, at, key)
        return reports

    def _inputs(self, batch: Batch) -> tuple[Arrivals, Transactions]:
        """The micro-batch: reports first, then transactions, then the tick; all are known now."""
        now_us = max(self._clock.now_us(), self.engine.known_time_us)
        transactions, labels = self._empty
        transactions = batch.columns(self._columns, now_us) or transactions
        if batch.reports.sent:
            labels = label_columns(batch.reports.sent, now_us)
        sizes = len(labels), len(transactions), int(batch.tick)
        arrivals = Arrivals(
            np.repeat(_IN_ORDER, sizes),
            np.concatenate([np.arange(size) for size in sizes]),
            transactions,
            labels,
            np.full(sizes[2], now_us),
        )
        return arrivals, transactions

    def _fold(self, arrivals: Arrivals, frames: list[Frame]) -> list[int]:
        """Fold a micro-batch; returns the status of each transaction."""
        status: list[int] = []
        position, labels = 0, len(arrivals.labels)
        while position < len(arrivals):
            folded = self.engine.fold(arrivals, position)
            position = folded.consumed
            status += folded.status.tolist()
            if folded.frame is not None:
                frames.append(folded.frame)
        return status[labels : labels + len(arrivals.transactions)]

    async def _commit(self, frames: list[Frame]) -> None:
        if not frames:
            return
        started_s, reusable = perf_counter(), self.engine.oldest_open_seq
        await self._loop.run_in_executor(self._commits, self._ledger.append, frames, reusable)
        self._last_commit_s = perf_counter()
        self._telemetry.committed(frames, self._last_commit_s - started_s)

    def _answer(
        self, batch: Batch, transactions: Transactions, status: list[int], frames: list[Frame]
    ) -> None:
        """Tell everybody what was committed."""
        made = joined(frames)
        for bulk, at, row, same in batch.reports.asked:
            sent = bulk.rows[at]
            bulk.settle(at, receipt(sent, made["label"], row) if same else other_label_content())
        if not status:
            return
        decided = []
        if "decision" in made:
            tables = made["transaction"], made["decision"]
            decided = self._answers.decisions(*tables, self._in_force)
        following, columns = iter(decided), transactions.table()
        for row, each in enumerate(status):
            if each == 0:
                batch.settle(row, next(following))
            elif each == DUPLICATE_ID:
                self._later(self._repeat_decision(batch, row, columns))
            else:
                batch.settle(row, _refusal(each, self.engine.settings))
        self._telemetry.decided(made, status)
        self._telemetry.answered(batch.arrived_s, perf_counter())

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        """Look something up beside the next cycles; bounded, as those who wait are."""
        task = self._loop.create_task(work)
        self._repeats.add(task)
        task.add_done_callback(self._repeats.discard)

    async def _repeat_decision(self, batch: Batch, row: int, columns: Table) -> None:
        key = int(columns["transaction_key"][row])
        batch.settle(row, await self._found(self.records.first_answer, key, columns, row))

    async def _repeat_receipt(
        self, seq: int, bulk: Bulk, at: int, columns: Table, row: int
    ) -> None:
        found = await self._found(self.records.first_receipt, seq, bulk.rows[at], columns, row)
        bulk.settle(at, found)

    async def _found(self, look_up: Callable[..., Any], *arguments: Any) -> Any:
        self._telemetry.repeated += 1
        try:
            return await self.read(look_up, *arguments)
        except Exception as error:
            self._telemetry.failed(error)
            return problem_of(error)

    async def _start_again(self, taken: Slice, error: Exception) -> None:
        """Refuse everybody, and make the engine again from the ledger before anything else."""
        pause_s = 0.5
        while True:
            self.broken = error
            self._telemetry.failed(error)
            problem = problem_of(error)
            taken.refuse(problem)
            self.waiting.refuse(problem)
            if self._stop_asked.is_set():
                return
            try:
                await self._recover()
            except Exception as next_error:
                error = next_error
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop_asked.wait(), pause_s)
                pause_s = min(2.0 * pause_s, MAX_RECOVERY_PAUSE_S)
            else:
                self.broken = None
                self.waiting.admit()
                return

    async def _recover(self) -> None:
        """The engine of the ledger; a tick shows that the ledger can be written again."""
        recovered = await self._loop.run_in_executor(
            self._commits, recover_engine, self.engine.settings, self._ledger
        )
        self.engine, self.switch_seq = recovered, None
        self._in_force = self._newest_in_force()
        frames: list[Frame] = []
        inputs, _ = self._inputs(Batch(Slice(tick=True), Reports()))
        self._fold(inputs, frames)
        await self._commit(frames)

    def _newest_in_force(self) -> InForce:
        seq = self._ledger.publication_seq(self.engine.weights_version)
        adopted_us = 0 if seq is None else self._ledger.frame_at(seq).known_time_us
        return InForce(self.engine.served, adopted_us)


def _refusal(status: int, settings: Settings) -> Problem:
    """Of a transaction that the engine did not take."""
    field = "amount" if status == NOT_USABLE else "event_time"
    fix = _FIXES.get(status, "send a smaller number").format(settings)
    return Problem(422, STATUS[status], field=field, fix=fix)
