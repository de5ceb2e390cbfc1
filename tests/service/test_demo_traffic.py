"""Replays of the simulator's stream against a scorer that only pretends, and the command."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import httpx
import numpy as np
import pytest
from client_asks import PROBLEM, answer
from pretend_scorer import PretendScorer

from fraud_system.events import DAY_US, SECOND_US
from fraud_system.simulate import SCENARIOS
from serving.client import AsyncFraudClient, Retry, ServiceError, ServiceUnavailable
from serving.demo_traffic.__main__ import main
from serving.demo_traffic.replay import Replay
from serving.demo_traffic.story import (
    IN_FLIGHT_US,
    Request,
    Story,
)
from serving.demo_traffic.tally import Tally

MONDAY_US = SCENARIOS["demo"].start_us
QUICK = Retry(attempts=50, first_wait_s=1e-6, longest_wait_s=1e-6)


@pytest.fixture(scope="module")
def story() -> Story:
    return Story(days=2, seed=3)


def replayed(
    scorer: PretendScorer, requests: Iterator[Request], retry: Retry = QUICK, **options: Any
) -> Tally:
    """What was counted; the replay itself is given to the scorer, which may stop it."""
    tally = Tally()

    async def run() -> None:
        transport = httpx.MockTransport(scorer)
        async with AsyncFraudClient(
            "http://test", transport=transport, retry=retry, connections=64
        ) as client:
            arguments = {"connections": 8, "speed": float("inf"), **options}
            replay = Replay(client, tally, **arguments)
            scorer.replay = replay  # type: ignore[attr-defined]
            await replay.run(requests)

    asyncio.run(run())
    return tally


def rows_of(request: Request) -> tuple[list[Any], list[Any]]:
    return request.transactions, request.labels


@pytest.mark.parametrize("rows", [1, 40])
def test_failures_in_passing_lose_nothing_and_double_nothing(story: Story, rows: int) -> None:
    draw = np.random.default_rng(7)

    def fails(number: int) -> httpx.Response | Exception | None:
        failures = [None, None, answer(503, PROBLEM), httpx.ReadError(""), answer(502)]
        return failures[draw.integers(len(failures))]

    scorer = PretendScorer(fails)
    everything = list(story.requests(rows))
    report = next(place for place, each in enumerate(everything) if each.labels)
    requests = everything[max(report - 400, 0) : report + 400]
    tally = replayed(scorer, iter(requests))
    transactions, labels = (
        sum(map(len, rows)) for rows in zip(*map(rows_of, requests), strict=True)
    )
    assert len(scorer.transactions) == tally.decisions == transactions
    assert len(scorer.labels) == tally.reports == labels
    assert (tally.refused, tally.unanswered) == (0, 0)
    assert tally.actions["decline"] == sum(
        row["amount"] > 500 for row in scorer.transactions.values()
    )


def test_the_requests_on_the_way_are_bounded_in_number_and_in_simulated_time(story: Story) -> None:
    scorer = PretendScorer()
    replayed(scorer, islice(story.requests(1), 100), connections=5)
    assert scorer.most_at_once == 5
    scorer = PretendScorer()
    replayed(scorer, story.requests(40), connections=64)
    assert scorer.most_at_once > 1
    assert scorer.spread_s <= IN_FLIGHT_US / SECOND_US


def test_nothing_is_sent_before_its_time(story: Story) -> None:
    first, *_ = story.requests(1)
    requests = [each for each in story.requests(1) if each.known_us < first.known_us + DAY_US // 8]
    speed = 3e5  # three hours in 36 ms
    due_s: list[float] = []
    now = time.monotonic
    scorer = PretendScorer()

    def paced() -> Iterator[Request]:
        started_s = now()
        for each in requests:
            due_s.append(started_s + (each.known_us - first.known_us) / SECOND_US / speed)
            yield each

    early: list[float] = []
    scorer.fails = lambda number: early.append(due_s[len(scorer.known_times)] - now())  # type: ignore[func-returns-value]
    replayed(scorer, paced(), speed=speed, connections=1)
    assert len(early) >= len(requests)
    assert max(early) < 1e-3


def test_a_row_that_is_refused_is_counted_and_the_run_goes_on(story: Story) -> None:
    scorer = PretendScorer(lambda number: answer(409, PROBLEM) if number == 2 else None)
    tally = replayed(scorer, islice(story.requests(1), 50))
    assert (tally.refused, tally.decisions + tally.reports) == (1, 49)
    assert "HTTP 409: transaction_id: is in use" in tally.table(1.0)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (answer(401, {"detail": "no such key"}), ServiceError),
        (answer(400, PROBLEM), ServiceError),
        (httpx.ConnectError("refused"), ServiceUnavailable),
    ],
    ids=["401", "400", "gone"],
)
def test_what_will_not_pass_ends_the_run(
    story: Story, failure: httpx.Response | Exception, kind: type[ServiceError]
) -> None:
    scorer = PretendScorer(lambda number: failure if number > 20 else None)
    with pytest.raises(kind):
        replayed(scorer, story.requests(1), Retry(attempts=2, first_wait_s=1e-6), grace_s=1e-3)
    assert scorer.requests < 60


def test_a_stop_waits_for_what_is_on_the_way_but_not_for_ever(story: Story) -> None:
    def stops(number: int) -> None:
        if number == 30:
            scorer.replay.stop()  # type: ignore[attr-defined]

    scorer = PretendScorer(stops)
    tally = replayed(scorer, story.requests(1))
    assert 30 <= len(scorer.transactions) == tally.decisions <= 38
    assert tally.unanswered == 0

    class Stuck(PretendScorer):
        async def __call__(self, sent: httpx.Request) -> httpx.Response:
            if self.requests == 30:
                self.replay.stop()  # type: ignore[attr-defined]
                await asyncio.sleep(3_600)
            return await super().__call__(sent)

    stuck = Stuck()
    tally = replayed(stuck, story.requests(1), grace_s=1e-3)
    assert tally.unanswered > 0
    assert tally.decisions <= 30 + 8


def command(scorer: PretendScorer, *arguments: str, **environment: str) -> int:
    return main(["--days", "1", *arguments], environment, httpx.MockTransport(scorer))


def test_the_command_prints_a_table_and_no_bar_where_nobody_looks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    scorer = PretendScorer()
    assert command(scorer, "--batch", "50", "--seed", "3", FRAUD_API_KEY="key-1.secret") == 0
    printed = capsys.readouterr()
    assert f"{len(scorer.transactions):,}" in printed.out
    for name in ("decisions", "declined", "reports", "refused", "latency p99", "simulated"):
        assert name in printed.out
    # The scorer knew of 2026-01-31, a Saturday: the run begins on the next Monday.
    assert "2026-02-02 to 2026-02-02" in printed.out
    assert "\r" not in printed.err
    begins, sends = printed.err.splitlines()
    assert begins == "... simulating 1 days, seed 3"
    assert re.match(rf"\.\.\. sending {len(scorer.transactions):,} transactions and ", sends)
    assert sends.endswith("a table follows at the end")
    assert scorer.keys == {"Bearer key-1.secret"}
    assert "secret" not in printed.out + printed.err
    assert min(scorer.known_times) > datetime(2026, 2, 2, tzinfo=UTC)


def test_ctrl_c_ends_cleanly_with_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupts(number: int) -> None:
        if number == 100:
            os.kill(os.getpid(), signal.SIGINT)

    scorer = PretendScorer(interrupts)
    assert command(scorer) == 130
    assert 100 <= len(scorer.transactions) < 200
    assert f"{len(scorer.transactions)}" in capsys.readouterr().out


def test_a_service_with_its_own_time_is_told_how_to_be_started(
    capsys: pytest.CaptureFixture[str],
) -> None:
    scorer = PretendScorer(clock="wall")
    assert command(scorer) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: FRAUD_CLOCK: ")
    assert "FRAUD_CLOCK=traffic" in line
    assert scorer.requests == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("--days", "0"),
        ("--days", "x"),
        ("--seed", "-1"),
        ("--speed", "fast"),
        ("--speed", "0"),
        ("--speed", "nan"),
        ("--speed", "inf"),
        ("--connections", "0"),
        ("--batch", "1e3"),
        ("--url", "localhost"),
        ("--unknown",),
    ],
    ids=" ".join,
)
def test_mistakes_on_the_command_line_are_one_line(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    scorer = PretendScorer()
    assert command(scorer, *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert scorer.requests == 0


def test_the_module_runs() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "serving.demo_traffic", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--speed" in told.stdout


class LaggingScorer(PretendScorer):
    """Its learner is behind for as long as `looks` says; a dead one stays so."""

    def __init__(self, looks: int, alive: bool = True) -> None:
        super().__init__()
        self.looks, self.alive, self.stored_meanwhile = looks, alive, 0

    async def __call__(self, sent: httpx.Request) -> httpx.Response:
        if sent.url.path == "/v1/model":
            self.looks -= 1
            self.stored_meanwhile = len(self.transactions) if self.looks == 0 else 0
            learner = {"alive": self.alive, "restarts": 0, "heard_s": 1.0, "figures": {}}
            learner |= {"behind_events": 60_000 if self.looks > 0 else 0, "last_error": ""}
            self.model["workers"] = {"learner": learner}
        return await super().__call__(sent)


def test_traffic_waits_for_a_learner_that_starts(story: Story) -> None:
    scorer = LaggingScorer(looks=3)
    tally = replayed(scorer, islice(story.requests(1), 30))
    assert tally.decisions == 30
    assert scorer.looks <= 0
    assert scorer.stored_meanwhile == 0, "nothing was sent before it had caught up"


def test_traffic_does_not_wait_for_a_dead_learner(story: Story) -> None:
    scorer = LaggingScorer(looks=1_000_000, alive=False)
    assert replayed(scorer, islice(story.requests(1), 30)).decisions == 30
