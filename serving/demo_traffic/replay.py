"""Sends the requests: each at its time, at most so many at once, and none lost when the service restarts."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final

from fraud_system.events import SECOND_US
from serving.client import AsyncFraudClient, ServiceError
from serving.demo_traffic.story import IN_FLIGHT_US, Request, moment
from serving.demo_traffic.tally import Tally
from serving.wire import Decision, LabelReceipt, RowProblem

# Learner and monitors may be so far behind before the traffic waits for them.
PACEMAKERS = ("learner", "monitor")
MAX_BEHIND_EVENTS = 10_000
LOOK_EVERY_US = 3_600 * SECOND_US
LOOK_PAUSE_S = 0.2
ABOUT_A_ROW: Final = frozenset({409, 422})  # the other rows may be fine, so the run goes on


class Replay:
    """One run against one service.

    Args:
        client: of the service.
        tally: counts what is answered.
        connections: requests on the way, at most.
        speed: simulated seconds a second; infinite sends as fast as the service answers.
        answered: is called with the number of transactions whenever a request was answered.
        grace_s: once it is to stop, answers are waited for so long.
        clock: seconds that only go forward, as fast as asyncio's.
    """

    def __init__(
        self,
        client: AsyncFraudClient,
        tally: Tally,
        *,
        connections: int,
        speed: float,
        answered: Callable[[int], None] = lambda transactions: None,
        grace_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._tally = tally
        self._connections = connections
        self._speed = speed
        self._answered = answered
        self._grace_s = grace_s
        self._clock = clock
        self._sent: dict[asyncio.Task[None], Request] = {}
        self._stop = asyncio.Event()
        self._changed = asyncio.Event()
        self._failure: BaseException | None = None
        self._next_look_us = 0

    def stop(self) -> None:
        """Send nothing more; `run` ends when what is on the way was answered, or after `grace_s`."""
        self._stop.set()
        self._changed.set()

    async def run(self, requests: Iterable[Request]) -> None:
        """Send everything, in order of time, and wait for the answers.

        Raises:
            ServiceError: the service refuses for good, or is not there any more.
        """
        begun: tuple[float, int] | None = None
        for request in requests:
            begun = begun or (self._clock(), request.known_us)
            due_s = begun[0] + (request.known_us - begun[1]) / SECOND_US / self._speed
            await self._until(due_s)
            await self._let_catch_up(request)
            await self._room(request)
            if self._stop.is_set():
                break
            task = asyncio.create_task(self._send(request))
            self._sent[task] = request
            task.add_done_callback(self._done)
        await self._end()
        if self._failure is not None:
            raise self._failure

    async def _until(self, due_s: float) -> None:
        wait_s = due_s - self._clock()
        if wait_s > 0 and not self._stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._stop.wait()

    async def _let_catch_up(self, request: Request) -> None:
        """Wait, once in a simulated hour, for learner and monitors: else weeks pass while they start."""
        if request.known_us < self._next_look_us:
            return
        self._next_look_us = request.known_us + LOOK_EVERY_US
        while not self._stop.is_set():
            workers = (await self._client.model()).workers
            behind = [workers[name] for name in PACEMAKERS if name in workers]
            if not any(each.alive and each.behind_events > MAX_BEHIND_EVENTS for each in behind):
                return
            await self._until(self._clock() + LOOK_PAUSE_S)

    async def _room(self, request: Request) -> None:
        """Wait for a free connection, and until the oldest unanswered request is not too old."""
        while self._sent and not self._stop.is_set():
            oldest_us = min(each.first_us for each in self._sent.values())
            too_old = request.known_us - oldest_us > IN_FLIGHT_US
            if len(self._sent) < self._connections and not too_old:
                return
            self._changed.clear()
            await self._changed.wait()

    async def _send(self, request: Request) -> None:
        started_s = self._clock()
        try:
            for answer in await self._ask(request):
                self._tally.answer(answer)
        except ServiceError as error:
            if error.status not in ABOUT_A_ROW:
                raise
            self._tally.refuse(request.rows, error)
        self._tally.latency.add(self._clock() - started_s)
        self._tally.known_us = max(self._tally.known_us, request.known_us)
        self._answered(len(request.transactions))

    async def _ask(self, request: Request) -> Sequence[Decision | LabelReceipt | RowProblem]:
        at = moment(request.known_us)
        if request.labels:
            return await self._client.label_many(request.labels, known_time=at)
        if len(request.transactions) == 1:
            return [await self._client.score(request.transactions[0], known_time=at)]
        return await self._client.score_batch(request.transactions, known_time=at)

    def _done(self, task: asyncio.Task[None]) -> None:
        request = self._sent.pop(task)
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            self._tally.unanswered += request.rows
        if error is not None:
            self._failure = self._failure or error
            self._stop.set()
        self._changed.set()

    async def _end(self) -> None:
        """Wait for what is on the way; once it is to stop, not for long."""
        while self._sent and not self._stop.is_set():
            self._changed.clear()
            await self._changed.wait()
        if self._sent:
            await asyncio.wait(list(self._sent), timeout=self._grace_s)
        left = list(self._sent)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
