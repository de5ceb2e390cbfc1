"""The supervisor with workers that die, fall silent, flood and lie, under a clock that the tests move."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from fraud_system.errors import ConfigError, DataError
from serving.workers.life import ERROR_CHARACTERS, MAX_MESSAGES_PER_S, STDERR_KEPT_BYTES
from serving.workers.messages import Heartbeat, Message, SnapshotSaved
from serving.workers.supervisor import Restarts, Supervisor, WorkerSpec

FAKE = str(Path(__file__).with_name("fake_worker.py"))
RESTARTS = Restarts(
    first_pause_s=1.0, longest_pause_s=5.0, steady_after_s=60.0, end_within_s=1_000.0
)


class Clock:
    """Time passes when a test says so."""

    def __init__(self) -> None:
        self.time_s = 0.0
        self.sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now_s(self) -> float:
        return self.time_s

    async def sleep(self, duration_s: float) -> None:
        sleeper = (self.time_s + duration_s, asyncio.get_running_loop().create_future())
        self.sleepers.append(sleeper)
        try:
            await sleeper[1]
        finally:
            self.sleepers.remove(sleeper)

    def left_s(self) -> list[float]:
        """How long each of the sleepers will still sleep."""
        return [until_s - self.time_s for until_s, _ in self.sleepers]

    def advance(self, duration_s: float) -> None:
        self.time_s += duration_s
        for until_s, woken in list(self.sleepers):
            if until_s <= self.time_s and not woken.done():
                woken.set_result(None)


class Scene:
    """A supervisor of one fake worker, and what was heard of it."""

    def __init__(self, behaviour: str, restarts: Restarts = RESTARTS, **spec: float) -> None:
        self.clock = Clock()
        self.heard: list[Message] = []
        self.answer: Callable[[Message], Awaitable[None]] = self._take
        worker = WorkerSpec("fake", ("-I", "-S", FAKE, behaviour), **spec)
        self.supervisor = Supervisor(
            [worker], self._on_message, restarts, now_s=self.clock.now_s, sleep=self.clock.sleep
        )

    async def _on_message(self, name: str, message: Message) -> None:
        assert name == "fake"
        self.heard.append(message)
        await self.answer(message)

    async def _take(self, message: Message) -> None:
        """Nothing more to do."""

    @property
    def status(self) -> Any:
        return self.supervisor.status()["fake"]

    async def died(self, times: int = 1) -> None:
        """Wait for a death: the worker is in the pause before its next life."""
        await until(
            lambda: (
                self.status.restarts == times - 1
                and not self.status.alive
                and self.status.last_error
                and self.pauses()
            )
        )

    def pauses(self) -> bool:
        return any(left_s <= RESTARTS.longest_pause_s for left_s in self.clock.left_s())

    def process_id(self) -> int:
        life = self.supervisor._workers["fake"].life
        assert life is not None
        assert life._process is not None
        return life._process.pid


Runs = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Runs:
    """On either event loop: that of the library, and the one under which the scorer runs."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(scene())

    return play


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.002)


@asynccontextmanager
async def playing(behaviour: str, **others: Any) -> AsyncIterator[Scene]:
    scene = Scene(behaviour, **others)
    await scene.supervisor.start()
    try:
        yield scene
    finally:
        stopping = asyncio.create_task(scene.supervisor.stop())
        while not stopping.done():
            await asyncio.sleep(0.1)
            scene.clock.advance(1_000.0)
        await stopping
        assert not scene.status.alive
        assert not scene.clock.sleepers


def test_a_worker_that_behaves_is_heard_and_ends_when_its_stdin_closes(run: Runs) -> None:
    async def play() -> None:
        async with playing("behaves") as scene:
            await until(lambda: len(scene.heard) == 2)
            assert scene.heard[0] == Heartbeat(read_through_seq=7, figures={"learned_labels": 5})
            assert scene.heard[1] == SnapshotSaved("engine", 6)
            scene.clock.advance(4.0)
            status = scene.status
            assert (status.alive, status.restarts, status.heard_s) == (True, 0, 4.0)
            assert status.read_through_seq == 7
            assert status.figures == {"learned_labels": 5}
            assert status.snapshot_seq == 6
            assert status.last_error == ""
            life = scene.supervisor._workers["fake"].life
            assert life is not None
            await scene.supervisor.stop()  # the clock stands: nothing else than stdin can end it
            assert life._process is not None
            assert life._process.returncode == 0

    run(play)


def test_the_pause_doubles_to_a_bound_and_says_why(run: Runs) -> None:
    async def play() -> None:
        async with playing("dies at once") as scene:
            paused_s = []
            for death in range(1, 6):
                await scene.died(death)
                paused_s.append(scene.clock.left_s())
                scene.clock.advance(paused_s[-1][0])
                await until(lambda death=death: scene.status.restarts == death)
            assert paused_s == [[1.0], [2.0], [4.0], [5.0], [5.0]]
            # The last line of stderr, with nothing that a terminal would obey.
            assert scene.status.last_error == "ended with exit code 3: LedgerError: no?[31m ledger"
            assert scene.status.heard_s is None

    run(play)


def test_a_life_that_lasted_begins_the_pauses_anew(run: Runs) -> None:
    async def play() -> None:
        async with playing("dies when told", silent_after_s=1e6) as scene:
            paused_s = []
            for lived_s in (1.0, 59.0, 60.0, 1.0):
                heard = len(scene.heard)
                await until(lambda heard=heard: len(scene.heard) > heard)
                scene.clock.advance(lived_s)
                os.kill(scene.process_id(), signal.SIGKILL)
                await scene.died(len(paused_s) + 1)
                paused_s.append(min(scene.clock.left_s()))
                scene.clock.advance(paused_s[-1])
                await until(lambda: not scene.pauses())
            assert paused_s == [1.0, 2.0, 1.0, 2.0]
            assert scene.status.last_error == "was ended by signal 9"

    run(play)


def test_a_worker_that_hangs_is_stale_long_before_it_is_ended(run: Runs) -> None:
    async def play() -> None:
        async with playing("speaks once", silent_after_s=300.0, stale_after_s=60.0) as scene:
            assert scene.status.stale, "it has not spoken yet"
            await until(lambda: scene.status.alive and len(scene.heard) == 1)
            scene.clock.advance(60.0)
            assert not scene.status.stale
            scene.clock.advance(1.0)
            await asyncio.sleep(0.01)
            assert scene.status.stale
            assert scene.status.alive
            scene.clock.advance(240.0)
            await scene.died()
            assert scene.status.stale
            assert "said nothing for 300 s" in scene.status.last_error

    run(play)


@pytest.mark.parametrize(
    ("behaviour", "bound_s", "heard"),
    [("speaks once", 30.0, 1), ("closes stdout", 30.0, 1), ("never speaks", 100.0, 0)],
)
def test_a_silent_worker_is_ended(run: Runs, behaviour: str, bound_s: float, heard: int) -> None:
    async def play() -> None:
        async with playing(behaviour, silent_after_s=30.0, first_word_s=100.0) as scene:
            await until(lambda: scene.status.alive and len(scene.heard) == heard)
            for _ in range(9):
                scene.clock.advance(bound_s / 10)
                await asyncio.sleep(0.01)
            assert scene.status.alive
            scene.clock.advance(bound_s / 10)
            await scene.died()
            assert scene.status.last_error == f"was ended: said nothing for {bound_s:g} s"

    run(play)


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        ("writes garbage", "no message begins with b'Hell'"),
        ("announces too much", "10 + 4294967295 bytes are more than"),
        ("ends within a message", "stream: ends within a message"),
    ],
)
def test_a_worker_whose_messages_are_damaged_is_ended(
    run: Runs, behaviour: str, expected: str
) -> None:
    async def play() -> None:
        async with playing(behaviour) as scene:
            await scene.died()
            assert expected in scene.status.last_error
            assert scene.heard == []

    run(play)


def test_a_flood_is_stopped_and_the_loop_has_its_turns(run: Runs) -> None:
    async def play() -> None:
        turns = 0

        async def take_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        others = asyncio.create_task(take_turns())
        async with playing("floods") as scene:
            await scene.died()
            assert "more than 200 messages in a second" in scene.status.last_error
            assert len(scene.heard) == MAX_MESSAGES_PER_S
            assert turns > MAX_MESSAGES_PER_S
        others.cancel()

    run(play)


def test_a_flood_on_stderr_is_kept_short(run: Runs) -> None:
    async def play() -> None:
        async with playing("floods stderr") as scene:
            await until(lambda: len(scene.heard) == 1)
            life = scene.supervisor._workers["fake"].life
            assert life is not None
            await until(lambda: len(life._stderr) == STDERR_KEPT_BYTES)
            assert scene.status.alive
            os.kill(scene.process_id(), signal.SIGKILL)
            await scene.died()
            assert len(scene.status.last_error) == ERROR_CHARACTERS

    run(play)


def test_a_worker_that_clings_to_life_is_killed(run: Runs) -> None:
    async def play() -> None:
        async with playing("clings", silent_after_s=1e6) as scene:
            await until(lambda: len(scene.heard) == 1)
            pid = scene.process_id()
            stopping = asyncio.create_task(scene.supervisor.stop())
            for _ in range(2):  # stdin is closed, then SIGTERM
                await until(lambda: 1_000.0 in scene.clock.left_s())
                assert scene.status.alive
                scene.clock.advance(1_000.0)
            await stopping
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)

    run(play)


@pytest.mark.parametrize("turns", [0, 1, 2, 5])
def test_a_stop_in_the_middle_of_a_start(run: Runs, turns: int) -> None:
    async def play() -> None:
        scene = Scene("behaves", restarts=Restarts(end_within_s=1e9))
        await scene.supervisor.start()
        for _ in range(turns):
            await asyncio.sleep(0)
        await scene.supervisor.stop()  # the clock stands: it ends because its stdin closes
        assert not scene.status.alive
        assert scene.status.last_error == ""
        await scene.supervisor.stop()

    run(play)


def test_a_message_that_cannot_be_taken_ends_its_worker(run: Runs) -> None:
    async def refuse(message: Message) -> None:
        raise DataError("does not fit", field="weight")

    async def play() -> None:
        async with playing("behaves") as scene:
            scene.answer = refuse
            await scene.died()
            assert scene.status.last_error == "was ended: weight: does not fit"
            assert len(scene.heard) == 1

    run(play)


def test_the_time_that_an_answer_takes_is_no_silence_and_a_stop_does_not_wait_for_it(
    run: Runs,
) -> None:
    async def play() -> None:
        async with playing("behaves", silent_after_s=30.0) as scene:

            async def wait_for_ever(message: Message) -> None:
                await asyncio.get_running_loop().create_future()

            scene.answer = wait_for_ever
            await until(lambda: len(scene.heard) == 1)
            for _ in range(3):
                scene.clock.advance(29.0)
                await asyncio.sleep(0.02)
            assert scene.status.alive
            assert len(scene.heard) == 1

    run(play)


def test_a_worker_that_cannot_be_started_is_tried_again(run: Runs) -> None:
    async def play() -> None:
        async with playing("x" * 4_000_000) as scene:  # more than a command line may have
            await scene.died()
            assert "cannot be started: " in scene.status.last_error
            scene.clock.advance(1.0)
            await scene.died(2)

    run(play)


def test_two_workers_of_one_name_are_refused() -> None:
    spec = WorkerSpec("learner", ())
    with pytest.raises(ConfigError, match="share a name"):
        Supervisor([spec, spec], Scene("behaves")._on_message)
