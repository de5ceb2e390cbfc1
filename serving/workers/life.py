"""One life of a worker's process: it is started, heard, watched and ended.

A worker may do anything, and the scorer must not feel it: what it writes is read in bounded pieces, its
pipes block it when it writes faster than that, and silence, floods and damaged messages end it.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fraud_system.errors import FraudSystemError
from serving.workers.messages import DamagedMessage, Message, read_message

MAX_MESSAGES_PER_S = 200
PIPE_BYTES = 2**16
STDERR_KEPT_BYTES = 2**12
ERROR_CHARACTERS = 300
# Reading what is written to stderr is paced: at most PIPE_BYTES in so many seconds.
STDERR_PAUSE_S = 0.02
DRAIN_LIMIT_S = 5.0

Hear = Callable[[Message], Awaitable[None]]
Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class WorkerSpec:
    """How a worker is started, and what is expected of it.

    Args:
        name: of the worker, in status, metrics and logs.
        arguments: of the Python interpreter, such as ("-m", "serving.workers.learner", ...).
        silent_after_s: a worker that has said nothing for so long is ended and started again.
        first_word_s: the same before its first message: imports and recovery come first.
        stale_after_s: after so long a silence it is shown as stale: shorter than both, so that a worker that
            hangs is seen before it is ended.
    """

    name: str
    arguments: tuple[str, ...]
    silent_after_s: float = 30.0
    first_word_s: float = 600.0
    stale_after_s: float = 60.0


class Life:
    """From the start of a process to its end.

    Args:
        spec: what to start.
        hear: is given each message, one after the other; the time that it takes is no silence.
        now_s, sleep: the clock by which silence is measured.
    """

    def __init__(self, spec: WorkerSpec, hear: Hear, now_s: Clock, sleep: Sleep) -> None:
        self.spec = spec
        self._hear, self._now_s, self._sleep = hear, now_s, sleep
        self._process: asyncio.subprocess.Process | None = None
        self._listening_since: float | None = None
        self._spoken = False
        self._ending = False
        self._second, self._heard_in_second = now_s(), 0
        self._stderr = b""

    @property
    def alive(self) -> bool:
        """The process runs."""
        return self._process is not None and self._process.returncode is None

    async def run(self) -> str:
        """Start the process and stay with it; returns why it ended, in one line."""
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self.spec.arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=PIPE_BYTES,
                start_new_session=True,  # Ctrl-C in the terminal is for the scorer alone
            )
        except OSError as error:
            return f"cannot be started: {error}"
        if self._ending:
            self.ask_to_end()
        self._listening_since = self._now_s()
        errors = asyncio.create_task(self._keep_stderr(process))
        reading = asyncio.create_task(self._listen(process))
        watching = asyncio.create_task(self._watch())
        try:
            await asyncio.wait({reading, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            faults = [await _outcome(reading), await _outcome(watching)]
            self.end(signal.SIGKILL)
            await self._buried(process, errors)
        return self._in_one_line(faults[0] or faults[1], process.returncode)

    def ask_to_end(self) -> None:
        """Close its stdin: a worker ends then. Nothing that it says is heard any more."""
        self._ending = True
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def end(self, by: signal.Signals) -> None:
        """Send a signal to the process and all that it has started."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                os.killpg(self._process.pid, by)

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Hand on what it says, until it has closed its stdout and ended."""
        assert process.stdout is not None
        while (message := await read_message(process.stdout)) is not None:
            self._spoken = True
            self._listening_since = None
            self._count()
            if not self._ending:
                await self._hear(message)
            self._listening_since = self._now_s()
            # Many small messages in the buffer would otherwise be read without a pause.
            await asyncio.sleep(0)
        await process.wait()

    def _count(self) -> None:
        now_s = self._now_s()
        if now_s - self._second >= 1.0:
            self._second, self._heard_in_second = now_s, 0
        self._heard_in_second += 1
        if self._heard_in_second > MAX_MESSAGES_PER_S:
            raise DamagedMessage(f"more than {MAX_MESSAGES_PER_S} messages in a second")

    async def _watch(self) -> None:
        """Ends, with an error, when nothing has been heard for too long."""
        while True:
            bound_s = self.spec.silent_after_s if self._spoken else self.spec.first_word_s
            since_s = self._now_s() if self._listening_since is None else self._listening_since
            left_s = since_s + bound_s - self._now_s()
            if left_s <= 0.0:
                raise DamagedMessage(f"said nothing for {bound_s:g} s")
            # The bound changes with the first word, and this must not sleep past the new one.
            await self._sleep(min(left_s, self.spec.silent_after_s))

    async def _keep_stderr(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while piece := await process.stderr.read(PIPE_BYTES):
            self._stderr = (self._stderr + piece)[-STDERR_KEPT_BYTES:]
            await asyncio.sleep(STDERR_PAUSE_S)

    async def _buried(
        self, process: asyncio.subprocess.Process, errors: "asyncio.Task[None]"
    ) -> None:
        """Wait for the end of a killed process; read what is left in its pipes, no more than they hold."""
        assert process.stdout is not None
        try:
            async with asyncio.timeout(DRAIN_LIMIT_S):
                while await process.stdout.read(PIPE_BYTES):
                    pass
                await errors
                await process.wait()
        except TimeoutError:
            pass  # a process of its own session holds the pipe: it is left to the operating system
        finally:
            errors.cancel()

    def _in_one_line(self, fault: BaseException | None, code: int | None) -> str:
        if isinstance(fault, FraudSystemError):
            return f"was ended: {fault}"[:ERROR_CHARACTERS]
        if fault is not None:
            return f"was ended: {type(fault).__name__}: {fault}"[:ERROR_CHARACTERS]
        how = (
            f"was ended by signal {-code}" if code and code < 0 else f"ended with exit code {code}"
        )
        lines = self._stderr.decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        printable = "".join(each if each.isprintable() else "?" for each in last)
        return f"{how}: {printable}"[:ERROR_CHARACTERS] if printable else how


async def _outcome(task: "asyncio.Task[None]") -> BaseException | None:
    """Cancel what still runs; what it has failed with."""
    task.cancel()
    outcome = (await asyncio.gather(task, return_exceptions=True))[0]
    return None if isinstance(outcome, asyncio.CancelledError) else outcome
