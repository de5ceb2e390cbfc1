"""What waits for the engine: single transactions, bulks of them, reports, changes; each line has a bound.

Every cycle of the engine takes a slice: all single transactions, then a bounded number of rows of bulks and
of reports. So nobody who asks about one payment waits for somebody's file of 50,000 chargebacks.
"""

from asyncio import AbstractEventLoop, Future
from collections import deque
from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any, Protocol

from msgspec import Struct

from fraud_system.engine import Engine
from fraud_system.events import Frame, Transactions
from serving.problems import Problem
from serving.wire import Decision, Label, LabelReceipt

Change = Callable[[Engine], Frame]


class TransactionRows(Protocol):
    """Many transactions, in whatever form they came."""

    def __len__(self) -> int: ...

    def columns(self, start: int, stop: int, known_time_us: int) -> Transactions:
        """Columns of the rows start..stop-1, all known at the same time."""


class Single:
    """One transaction, and who waits for its answer."""

    __slots__ = ("_answer", "_lines", "arrived_s", "row")

    def __init__(
        self, row: Struct, answer: "Future[Any]", arrived_s: float, lines: "Waiting"
    ) -> None:
        self.row = row
        self.arrived_s = arrived_s
        self._answer = answer
        self._lines: Waiting | None = lines

    def settle(self, answer: "Decision | Problem") -> None:
        """Answer it, unless it was answered or its sender has gone; it no longer counts as waiting."""
        if self._lines is not None:
            # Not by a callback of the future: the loop would take a turn of its own for each.
            self._lines.rows -= 1
            self._lines = None
        if not self._answer.done():
            self._answer.set_result(answer)


class Bulk:
    """Many rows that one request brought; its answer is a list as long, of answers and Problems."""

    __slots__ = ("_answer", "_answers", "_left", "arrived_s", "rows", "taken")

    def __init__(self, rows: Any, answer: "Future[list[Any]]", arrived_s: float) -> None:
        self.rows = rows
        self.arrived_s = arrived_s
        self.taken = 0
        self._answer = answer
        self._left = len(rows)
        self._answers: list[Any] = [None] * len(rows)

    def settle(self, position: int, answer: Any) -> None:
        """Answer one row, unless it was answered; the last one answers the request."""
        if self._answers[position] is None:
            self._answers[position] = answer
            self._left -= 1
            if self._left == 0 and not self._answer.done():
                self._answer.set_result(self._answers)


Piece = tuple[Bulk, int, int]  # a bulk, and the rows start..stop-1 of it


@dataclass(frozen=True)
class Bounds:
    """What may wait, and what one cycle takes.

    Args:
        waiting_rows: transactions and reports that wait or are being answered, at most.
        bulk_rows_per_cycle: of bulks of transactions.
        label_rows_per_cycle: reports; small, so that a burst of reports is taken in between.
        changes: publications and switches that wait, at most.
    """

    waiting_rows: int = 65_536
    bulk_rows_per_cycle: int = 1_024
    label_rows_per_cycle: int = 64
    changes: int = 64


@dataclass
class Slice:
    """What one cycle takes."""

    singles: list[Single] = field(default_factory=list)
    bulks: list[Piece] = field(default_factory=list)
    labels: list[Piece] = field(default_factory=list)
    changes: "list[tuple[Change, Future[Frame]]]" = field(default_factory=list)
    tick: bool = False

    def __bool__(self) -> bool:
        return bool(self.singles or self.bulks or self.labels or self.changes or self.tick)

    def refuse(self, problem: Problem) -> None:
        """Answer everything that has no answer yet with a problem."""
        for single in self.singles:
            single.settle(problem)
        for bulk, start, stop in self.bulks + self.labels:
            for position in range(start, stop):
                bulk.settle(position, problem)
        for _, answer in self.changes:
            if not answer.done():
                answer.set_exception(problem)


class Waiting:
    """The lines in front of the engine.

    Args:
        bounds: see there.
        loop: whose futures are given out.
    """

    def __init__(self, bounds: Bounds, loop: AbstractEventLoop) -> None:
        self._bounds = bounds
        self._loop = loop
        self._singles: list[Single] = []
        self._bulks: deque[Bulk] = deque()
        self._labels: deque[Bulk] = deque()
        self._changes: deque[tuple[Change, Future[Frame]]] = deque()
        self._tick_due = self._labels_taken = False
        self._refusal: Problem | None = None
        self._awake: Future[None] | None = None
        self.rows = 0

    def single(self, row: Struct) -> "Future[Decision | Problem]":
        """Let one transaction wait.

        Raises:
            Problem: 503, too many wait already, or the service cannot write now.
        """
        self._admit(1)
        answer: Future[Decision | Problem] = self._loop.create_future()
        self._singles.append(Single(row, answer, perf_counter(), self))
        self.wake()
        return answer

    def bulk(self, rows: TransactionRows) -> "Future[list[Decision | Problem]]":
        """Let many transactions wait; raises as `single`."""
        return self._bulk(self._bulks, rows)

    def reports(self, rows: Sequence[Label]) -> "Future[list[LabelReceipt | Problem]]":
        """Let reports wait; raises as `single`."""
        return self._bulk(self._labels, rows)

    def change(self, make: Change) -> "Future[Frame]":
        """Let a change of the engine wait; raises as `single`."""
        if self._refusal is not None:
            raise self._refusal
        if len(self._changes) >= self._bounds.changes:
            raise _busy()
        answer: Future[Frame] = self._loop.create_future()
        self._changes.append((make, answer))
        self.wake()
        return answer

    def tick(self) -> None:
        """Let the engine know that time has passed."""
        self._tick_due = True
        self.wake()

    def wake(self) -> None:
        """Let `something` return."""
        if self._awake is not None and not self._awake.done():
            self._awake.set_result(None)

    @property
    def anything(self) -> bool:
        """Whether something waits."""
        lines = self._singles, self._bulks, self._labels, self._changes
        return self._tick_due or any(lines)

    async def something(self) -> None:
        """Return when something waits, or was woken."""
        if not self.anything:
            self._awake = self._loop.create_future()
            try:
                await self._awake
            finally:
                self._awake = None

    def take(self) -> Slice:
        """The next cycle's work.

        A slice of reports touches many pages of the indexes, so its commit takes longer. While single
        transactions wait, every second cycle is theirs.
        """
        takes_labels = not (self._singles and self._labels_taken)
        taken = Slice(
            self._singles,
            _cut(self._bulks, self._bounds.bulk_rows_per_cycle),
            _cut(self._labels, self._bounds.label_rows_per_cycle) if takes_labels else [],
            list(self._changes),
            self._tick_due,
        )
        self._singles, self._tick_due = [], False
        self._labels_taken = bool(taken.labels)
        self._changes.clear()
        return taken

    def refuse(self, problem: Problem) -> None:
        """From here on, until `admit`, everything is refused; so is what waits."""
        self._refusal = problem
        everything = Slice(
            self._singles,
            [(bulk, bulk.taken, len(bulk.rows)) for bulk in self._bulks],
            [(bulk, bulk.taken, len(bulk.rows)) for bulk in self._labels],
            list(self._changes),
        )
        self._singles = []
        for line in (self._bulks, self._labels, self._changes):
            line.clear()
        everything.refuse(problem)

    def admit(self) -> None:
        """The end of `refuse`."""
        self._refusal = None

    def _bulk(self, line: deque[Bulk], rows: Sized) -> "Future[list[Any]]":
        self._admit(len(rows))
        answer: Future[list[Any]] = self._loop.create_future()
        answer.add_done_callback(partial(self._release, len(rows)))
        if len(rows):
            line.append(Bulk(rows, answer, perf_counter()))
            self.wake()
        else:
            answer.set_result([])
        return answer

    def _admit(self, rows: int) -> None:
        """Let so many rows in; they count as waiting until they are answered."""
        if self._refusal is not None:
            raise self._refusal
        if self.rows + rows > self._bounds.waiting_rows:
            raise _busy()
        self.rows += rows

    def _release(self, rows: int, answer: "Future[Any]") -> None:
        self.rows -= rows


def _cut(line: deque[Bulk], rows: int) -> list[Piece]:
    """The next `rows` rows of a line."""
    pieces = []
    while line and rows:
        bulk = line[0]
        start, stop = bulk.taken, min(len(bulk.rows), bulk.taken + rows)
        pieces.append((bulk, start, stop))
        rows -= stop - start
        bulk.taken = stop
        if stop == len(bulk.rows):
            line.popleft()
    return pieces


def _busy() -> Problem:
    return Problem(503, "too much waits already", fix="send it again, more slowly", retry_after_s=1)
