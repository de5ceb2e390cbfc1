"""Drift reports on request: made by a process of their own, kept in a folder beside the ledger.

    POST /v1/admin/drift-report -> a child process writes <ledger>-reports/<id>.unfinished
                                -> <ledger>-reports/<id>/drift.html, drift.json

One is made at a time, for at most so many seconds, and the newest `KEPT` are kept. The scorer imports neither
Evidently nor pandas for it, and a child that is killed costs nothing but its report.
"""

import asyncio
import contextlib
import logging
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from fraud_system.errors import ConfigError
from pipelines.drift.windows import Window, choose
from serving.columns import time_us
from serving.problems import Problem
from serving.wire import Moment

KEPT = 8
PAGE, FIGURES = "drift.html", "drift.json"
ERROR_CHARACTERS, STDERR_BYTES = 300, 2**16
FIRST_YEAR, LAST_YEAR = 1970, 2199
LOGGER = logging.getLogger(__name__)
_ENDS_WITHIN_S = 5.0
_NUMBER = re.compile("[1-9][0-9]{0,8}")


class TimeSpan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A stretch of the time by which the scorer came to know.

    Args:
        from: when it begins.
        to: when it ends; what happens at that moment is no part of it.
    """

    from_: Moment
    to: Moment


class DriftReportAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which windows to compare; they may not overlap.

    Args:
        reference: what was usual; by default the 4 weeks before the current window.
        current: what is asked about; by default the last 7 days.
    """

    reference: TimeSpan | None = None
    current: TimeSpan | None = None


class ReportState(msgspec.Struct, frozen=True):
    """A drift report that was asked for.

    Args:
        id: of the report.
        status: `running`, `done` or `failed`.
        problem: why it failed; else empty.
        page: where its page is, once it is done.
        figures: where its figures are, once it is done.
        made: when it was done, by the clock of the machine.
        reference: the window that was compared with, in words, once it is done.
        current: the window that was asked about, likewise.
    """

    id: str
    status: Literal["running", "done", "failed"]
    problem: str = ""
    page: str | None = None
    figures: str | None = None
    made: datetime | None = None
    reference: str | None = None
    current: str | None = None


class _Window(msgspec.Struct):
    name: str
    words: str


class _Figures(msgspec.Struct):
    """What is read of a report's figures."""

    windows: list[_Window]


class ReportStates(msgspec.Struct, frozen=True):
    """All reports that are kept.

    Args:
        reports: the newest first.
    """

    reports: list[ReportState]


Windows = dict[str, Window]  # those of `reference` and `current` that were given


def command(ledger_file: Path, windows: Windows, out: Path) -> list[str]:
    """What the child process runs."""
    words = [sys.executable, "-m", "serving.workers.reporter"]
    words += ["--ledger", str(ledger_file), "--out", str(out)]
    return words + [f"--{name}={window.text}" for name, window in windows.items()]


class Reports:
    """The reports of one scorer. To be used on one event loop.

    Args:
        ledger_file: that is read; the folder of reports lies beside it.
        timeout_s: a child that takes longer is killed.
        command: see above.
    """

    def __init__(
        self,
        ledger_file: Path,
        timeout_s: float,
        command: Callable[[Path, Windows, Path], Sequence[str]] = command,
    ) -> None:
        self._ledger_file, self._timeout_s, self._command = ledger_file, timeout_s, command
        self._folder = Path(f"{ledger_file}-reports")
        self._failed: dict[int, str] = {}
        self._done: dict[
            int, ReportState
        ] = {}  # as read from the disk; what is kept does not change
        self._making: tuple[int, asyncio.Task[None]] | None = None

    def start(self, asked: DriftReportAsked) -> ReportState:
        """Begin one.

        Raises:
            Problem: 422, a window is none; 409, one is being made already.
        """
        windows = _windows(asked)
        if self._making is not None:
            raise Problem(
                409,
                f"report {self._making[0]} is being made",
                fix=f"wait for it: GET /v1/reports/{self._making[0]}",
            )
        number = max((0, *self._kept(), *self._failed)) + 1
        self._making = number, asyncio.create_task(self._make(number, windows), name="drift report")
        return self.state(str(number))

    def state(self, report_id: str) -> ReportState:
        """What became of it.

        Raises:
            Problem: 404, it is not known (any more).
        """
        number = int(report_id) if _NUMBER.fullmatch(report_id) else 0
        if self._making is not None and self._making[0] == number:
            return ReportState(report_id, "running")
        if number in self._failed:
            return ReportState(report_id, "failed", self._failed[number])
        if number in self._kept():
            if number not in self._done:
                self._done = {n: s for n, s in self._done.items() if n in self._kept()}
                self._done[number] = self._read(number)
            return self._done[number]
        raise Problem(404, "there is no such report", field="id", fix=f"the newest {KEPT} are kept")

    def states(self) -> ReportStates:
        """All, the newest first."""
        making = [] if self._making is None else [self._making[0]]
        numbers = sorted({*self._kept(), *self._failed, *making}, reverse=True)
        return ReportStates([self.state(str(number)) for number in numbers])

    def file(self, report_id: str, name: str) -> bytes:
        """One of the two files of a finished report; reads the disk.

        Raises:
            Problem: 404.
        """
        state = self.state(report_id)
        try:
            if state.status == "done":
                return (self._folder / state.id / name).read_bytes()
        except FileNotFoundError:
            pass  # a newer one took its place meanwhile
        raise Problem(404, f"the report is {state.status}", field="id", fix="wait until it is done")

    async def stop(self) -> None:
        """End what is being made."""
        if self._making is not None:
            task = self._making[1]
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _make(self, number: int, windows: Windows) -> None:
        aside = self._folder / f"{number}.unfinished"
        try:
            await asyncio.to_thread(self._tidy)
            problem = await self._run(self._command(self._ledger_file, windows, aside))
            if not problem:
                aside.rename(self._folder / str(number))
        except OSError as error:
            problem = f"cannot be made: {error.strerror}"
        finally:
            self._making = None
        if problem:
            LOGGER.warning("drift report %s: %s", number, problem)
            self._failed = dict([*self._failed.items(), (number, problem)][-KEPT:])

    async def _run(self, words: Sequence[str]) -> str:
        """Run the child; what went wrong, or nothing."""
        environment = {k: v for k, v in os.environ.items() if not k.upper().startswith("FRAUD_")}
        environment |= {"DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "1"}
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                said = await _tail(process)
                await process.wait()
        except TimeoutError:
            return f"took longer than {self._timeout_s:g} s and was ended"
        finally:
            await _end(process)
        return "" if process.returncode == 0 else _last_line(said, process.returncode)

    def _read(self, number: int) -> ReportState:
        """A finished one; what its figures do not tell is left out."""
        place, file = f"/reports/{number}", self._folder / str(number) / FIGURES
        made, words = None, {}
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            made = datetime.fromtimestamp(int(file.stat().st_mtime), UTC)
            figures = msgspec.json.decode(file.read_bytes(), type=_Figures)
            words = {each.name: each.words for each in figures.windows}
        return ReportState(
            str(number),
            "done",
            page=f"{place}/{PAGE}",
            figures=f"{place}/{FIGURES}",
            made=made,
            reference=words.get("reference"),
            current=words.get("current"),
        )

    def _kept(self) -> list[int]:
        """The finished ones, oldest first."""
        with contextlib.suppress(FileNotFoundError):
            names = [path.name for path in self._folder.iterdir()]
            return sorted(int(name) for name in names if _NUMBER.fullmatch(name))
        return []

    def _tidy(self) -> None:
        """Make room for one more, and remove what an earlier scorer left unfinished."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in self._folder.glob("*.unfinished"):
            shutil.rmtree(path)
        for number in self._kept()[: -KEPT + 1]:
            shutil.rmtree(self._folder / str(number))


def _windows(asked: DriftReportAsked) -> Windows:
    windows: Windows = {}
    for name in ("reference", "current"):
        span: TimeSpan | None = getattr(asked, name)
        if span is not None:
            for moment in (span.from_, span.to):
                if not FIRST_YEAR <= moment.year <= LAST_YEAR:
                    years = f"give years from {FIRST_YEAR} to {LAST_YEAR}"
                    raise Problem(422, f"{moment.year} is too far away", field=name, fix=years)
            windows[name] = Window(time_us(span.from_), time_us(span.to))
            if span.to <= span.from_:
                raise Problem(422, "ends before it begins", field=name, fix="swap from and to")
    if len(windows) == 2:
        try:
            choose(windows["reference"], windows["current"], 0)
        except ConfigError as error:
            raise Problem(422, error.problem, field="reference", fix=error.fix) from None
    return windows


async def _tail(process: asyncio.subprocess.Process) -> bytes:
    """The end of what it writes to stderr."""
    assert process.stderr is not None
    said = b""
    while piece := await process.stderr.read(STDERR_BYTES):
        said = (said + piece)[-STDERR_BYTES:]
    return said


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill it and all that it has started, if it still runs."""
    if process.stdin is not None:
        process.stdin.close()
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ENDS_WITHIN_S):
                await process.wait()


def _last_line(said: bytes, code: int | None) -> str:
    """The error of this system, without its prefix; files of this machine are not for clients."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    if code == 2 and last.startswith("error: "):
        return last.removeprefix("error: ")[:ERROR_CHARACTERS]
    LOGGER.error("the process of a drift report said: %s", last[:ERROR_CHARACTERS])
    return f"its process ended with {code}; the log has more"
