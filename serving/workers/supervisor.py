"""Keeps the workers alive: starts them, hands on what they say, starts them again when they end.

    supervisor = Supervisor([learner, snapshotter], on_message)
    await supervisor.start()
    ...
    await supervisor.stop()

A worker that dies costs nothing but staleness, which `status` shows. It is started again after a pause
that doubles with each death, up to a bound, and begins anew once a life has lasted a while.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from fraud_system.errors import ConfigError
from serving.workers.life import Clock, Life, Sleep, WorkerSpec
from serving.workers.messages import Heartbeat, Message, SnapshotSaved

__all__ = ["OnMessage", "Restarts", "Supervisor", "WorkerSpec", "WorkerStatus"]

OnMessage = Callable[[str, Message], Awaitable[None]]
LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Restarts:
    """How long a dead worker stays dead.

    Args:
        first_pause_s: after the first death.
        longest_pause_s: the pause doubles with each death, up to this.
        steady_after_s: a life that lasted so long makes the next pause the first one again.
        end_within_s: `stop` waits so long after closing stdin, and as long after SIGTERM.
    """

    first_pause_s: float = 0.5
    longest_pause_s: float = 60.0
    steady_after_s: float = 60.0
    end_within_s: float = 3.0


@dataclass(frozen=True)
class WorkerStatus:
    """What is known of a worker.

    Args:
        alive: its process runs.
        restarts: how often it has been started again.
        heard_s: seconds since its last message, of whatever life; None before the first.
        read_through_seq: the last event that it has said to have read; 0 before.
        figures: the counts of its last heartbeat.
        snapshot_seq: where the newest snapshot lies that it has saved; None before the first.
        last_error: why its last life ended; empty if none has.
        stale: it does not run, has not spoken yet, or has been silent for `WorkerSpec.stale_after_s`.
    """

    alive: bool
    restarts: int
    heard_s: float | None
    read_through_seq: int
    figures: Mapping[str, int]
    snapshot_seq: int | None
    last_error: str
    stale: bool = False


@dataclass
class _Worker:
    spec: WorkerSpec
    life: Life | None = None
    lives: int = 0
    heard_at_s: float | None = None
    heartbeat: Heartbeat = field(default_factory=lambda: Heartbeat(read_through_seq=0))
    snapshot_seq: int | None = None
    last_error: str = ""


class Supervisor:
    """The workers of one scorer. To be used on one event loop.

    Args:
        workers: what to keep alive; names are unique.
        on_message: is given the worker's name and each of its messages. Those of one worker come one after
            the other: while the callback waits, that worker is not read. If it raises, the worker is
            ended and started again.
        restarts: see there.
        now_s, sleep: a clock that never goes back, and how to wait by it.

    Raises:
        ConfigError: two workers share a name.
    """

    def __init__(
        self,
        workers: Sequence[WorkerSpec],
        on_message: OnMessage,
        restarts: Restarts | None = None,
        *,
        now_s: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._workers = {spec.name: _Worker(spec) for spec in workers}
        if len(self._workers) < len(workers):
            raise ConfigError("two workers share a name", field="workers")
        self._on_message = on_message
        self._restarts = restarts or Restarts()
        self._now_s, self._sleep = now_s, sleep
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._stopping = False

    async def start(self) -> None:
        """Begin to keep the workers alive. Returns at once; a worker that cannot start is tried again."""
        self._stopping = False
        self._keepers = {
            name: asyncio.create_task(self._keep(worker), name=f"worker {name}")
            for name, worker in self._workers.items()
        }

    async def stop(self) -> None:
        """End all workers: stdin is closed, then SIGTERM, then SIGKILL. What they still say is not heard."""
        self._stopping = True
        for worker in self._workers.values():
            if worker.life is None and worker.spec.name in self._keepers:
                self._keepers[worker.spec.name].cancel()  # in the pause between two lives
        for how in (None, signal.SIGTERM, signal.SIGKILL):
            for worker in self._workers.values():
                if worker.life is not None and how is None:
                    worker.life.ask_to_end()
                elif worker.life is not None and how is not None:
                    worker.life.end(how)
            if await self._ended_within(self._restarts.end_within_s):
                break
        for keeper in self._keepers.values():
            keeper.cancel()  # where `on_message` has not returned
        await asyncio.gather(*self._keepers.values(), return_exceptions=True)

    def status(self) -> dict[str, WorkerStatus]:
        """Of every worker, by name."""
        now_s = self._now_s()
        return {name: _status(worker, now_s) for name, worker in self._workers.items()}

    async def _keep(self, worker: _Worker) -> None:
        """One life after the other."""
        restarts = self._restarts
        pause_s = restarts.first_pause_s
        while not self._stopping:
            worker.lives += 1
            worker.life = Life(worker.spec, self._hears(worker), self._now_s, self._sleep)
            began_s = self._now_s()
            try:
                why = await worker.life.run()
            finally:
                worker.life = None
            if self._stopping:
                return
            worker.last_error = why
            if self._now_s() - began_s >= restarts.steady_after_s:
                pause_s = restarts.first_pause_s
            LOGGER.warning("%s %s; starts again in %g s", worker.spec.name, why, pause_s)
            await self._sleep(pause_s)
            pause_s = min(2.0 * pause_s, restarts.longest_pause_s)

    def _hears(self, worker: _Worker) -> Callable[[Message], Awaitable[None]]:
        async def hear(message: Message) -> None:
            worker.heard_at_s = self._now_s()
            if isinstance(message, Heartbeat):
                worker.heartbeat = message
            elif isinstance(message, SnapshotSaved):
                worker.snapshot_seq = message.seq
            await self._on_message(worker.spec.name, message)

        return hear

    async def _ended_within(self, limit_s: float) -> bool:
        """Whether all keepers have ended by then."""
        left = {keeper for keeper in self._keepers.values() if not keeper.done()}
        if not left:
            return True
        timer = asyncio.ensure_future(self._sleep(limit_s))
        everyone = asyncio.ensure_future(asyncio.wait(left))
        await asyncio.wait({timer, everyone}, return_when=asyncio.FIRST_COMPLETED)
        timer.cancel()
        everyone.cancel()
        return all(keeper.done() for keeper in left)


def _status(worker: _Worker, now_s: float) -> WorkerStatus:
    alive = worker.life is not None and worker.life.alive
    heard_s = None if worker.heard_at_s is None else now_s - worker.heard_at_s
    return WorkerStatus(
        alive=alive,
        restarts=max(0, worker.lives - 1),
        heard_s=heard_s,
        read_through_seq=worker.heartbeat.read_through_seq,
        figures=worker.heartbeat.figures,
        snapshot_seq=worker.snapshot_seq,
        last_error=worker.last_error,
        stale=not alive or heard_s is None or heard_s > worker.spec.stale_after_s,
    )
