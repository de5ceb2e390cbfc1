"""The command: arguments, the progress bar, the closing table.

A mistake ends with one line that names the field and the fix, and exit code 2; Ctrl-C stops sending, waits a
moment for what is on the way, and still prints the table (exit code 130).
"""

import argparse
import asyncio
import math
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NoReturn

import httpx
from tqdm import tqdm

from fraud_system.errors import ConfigError, FraudSystemError
from fraud_system.events import DAY_US
from serving.client import AsyncFraudClient, Retry
from serving.demo_traffic.replay import Replay
from serving.demo_traffic.story import Story, moment, time_us
from serving.demo_traffic.tally import Tally
from serving.wire import ModelState

# A restart of the service takes as long as loading its code: with a cold cache most of a minute.
PATIENT = Retry(attempts=1_000, total_s=180.0, longest_wait_s=2.0)


class _Parser(argparse.ArgumentParser):
    """Mistakes on the command line are told like every other mistake."""

    def error(self, message: str) -> NoReturn:
        """As one of this system's errors."""
        fix = "see python -m serving.demo_traffic --help"
        raise ConfigError(message, field="command line", fix=fix)


def main(
    arguments: Sequence[str] | None = None,
    environment: Mapping[str, str] = os.environ,
    transport: httpx.AsyncBaseTransport | None = None,
) -> int:
    """Run the command, over `transport` if not over the network; returns the exit code."""
    try:
        given = _parser(environment).parse_args(arguments)
        client = partial(
            AsyncFraudClient,
            given.url,
            api_key=environment.get("FRAUD_API_KEY"),
            retry=PATIENT,
            connections=given.connections,
            transport=transport,
        )
        return asyncio.run(_replay(given, client))
    except FraudSystemError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # before the run began
        return 130


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m serving.demo_traffic",
        description="Replay the simulator against a running scorer. FRAUD_API_KEY: a key for it.",
    )
    url = environment.get("FRAUD_URL") or "http://127.0.0.1:8000"
    parser.add_argument("--url", default=url, help="of the service, or FRAUD_URL")
    parser.add_argument("--days", type=_whole(1, 3_650), default=120, help="simulated days")
    parser.add_argument("--seed", type=_whole(0, 1 << 31), default=1, help="of the simulator")
    parser.add_argument(
        "--speed",
        type=_speed,
        default=math.inf,
        help="simulated seconds a second, or max: as fast as the service answers (default)",
    )
    parser.add_argument(
        "--connections", type=_whole(1, 1_000), default=32, help="requests on the way at once"
    )
    parser.add_argument(
        "--batch",
        type=_whole(1, 10_000),
        default=1,
        help="rows a request, at most; they become known together, up to an hour late",
    )
    parser.add_argument(
        "--all-reports",
        action="store_true",
        help="also send the reports that are due after the last day; the clock moves on with them",
    )
    return parser


def _whole(least: int, most: int) -> "type[int]":
    """A whole number within bounds, as argparse takes it."""

    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"must be from {least:,} to {most:,}, not {text!r}")
        return int(text)

    return read  # type: ignore[return-value]


def _speed(text: str) -> float:
    if text == "max":
        return math.inf
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0 < speed < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, or max, not {text!r}")
    return speed


async def _replay(given: argparse.Namespace, connect: "partial[AsyncFraudClient]") -> int:
    async with connect() as client:
        state = await client.model()
    story = _story(given, state)
    tally = Tally()

    async def pause(wait_s: float) -> None:
        tally.repeated += 1
        await asyncio.sleep(wait_s)

    with tqdm(total=story.transactions, unit=" decisions", disable=None) as progress:

        def answered(transactions: int) -> None:
            progress.set_postfix_str(tally.line(), refresh=False)
            progress.update(transactions)

        async with connect(sleep=pause) as client:
            replay = Replay(
                client,
                tally,
                connections=given.connections,
                speed=given.speed,
                answered=answered,
            )
            signals = _stop_on_signals(replay)
            started_s = time.monotonic()
            try:
                await replay.run(story.requests(given.batch))
            finally:
                elapsed_s = time.monotonic() - started_s
                progress.close()
                print(_closing(story, tally, elapsed_s))
    return 130 if signals else 0


def _story(given: argparse.Namespace, state: ModelState) -> Story:
    if state.clock != "traffic":
        raise ConfigError(
            "the service keeps this machine's time, so months cannot pass in minutes",
            field="FRAUD_CLOCK",
            fix="start it with FRAUD_CLOCK=traffic make serve (a demo, with a ledger of its own)",
        )
    _say(f"simulating {given.days} days, seed {given.seed}")
    known_us = time_us(state.known_time)
    story = Story(given.days, given.seed, known_us, all_reports=given.all_reports)
    _say(
        f"sending {story.transactions:,} transactions and {story.labels:,} reports of run {story.run};"
        " a table follows at the end"
    )
    return story


def _say(what: str) -> None:
    print(f"... {what}", file=sys.stderr, flush=True)


def _stop_on_signals(replay: Replay) -> list[int]:
    """Let Ctrl-C and SIGTERM end the run; returns where the signals that came are listed."""
    loop, came = asyncio.get_running_loop(), list[int]()

    def stop(number: int) -> None:
        came.append(number)
        replay.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    return came


def _closing(story: Story, tally: Tally, elapsed_s: float) -> str:
    passed_us = max(tally.known_us - story.begins_us, 0)
    speed = passed_us / 1e6 / elapsed_s if elapsed_s > 0 else 0.0
    begin, end = moment(story.begins_us), moment(story.begins_us + passed_us)
    lines = [
        tally.table(elapsed_s),
        f"{'simulated':<12} {passed_us / DAY_US:>7.1f} days  {begin:%Y-%m-%d} to {end:%Y-%m-%d %H:%M}, "
        f"{speed:,.0f} seconds a second",
    ]
    if story.left_out:
        lines.append(
            f"{'not sent':<12} {story.left_out:>12,}  reports that are due after the last transaction "
            "(--all-reports sends them)"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
