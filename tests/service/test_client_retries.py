"""When the clients send a request again, when they stop, and that a repetition does no harm."""

import json
from collections.abc import Iterable
from typing import Any

import httpx
import pytest
from client_asks import (
    DECISION,
    NOON,
    PAYMENT,
    PROBLEM,
    Ask,
    Service,
    answer,
    ask_async,
    ask_sync,
)
from hypothesis import given
from hypothesis import strategies as st

from fraud_system.errors import ConfigError, FraudSystemError
from serving.client import FraudClient, Retry, ServiceError, ServiceUnavailable
from serving.client.attempts import REPEATED, Attempts, retry_after_s

OK = answer(200, DECISION)
DATE, WEEK_BEFORE = "Mon, 12 Jan 2026 12:00:00 GMT", "Mon, 05 Jan 2026 12:00:00 GMT"


@pytest.fixture(params=[ask_sync, ask_async], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    return request.param


@pytest.mark.parametrize("status", sorted(REPEATED))
def test_what_may_pass_is_sent_again_unchanged(ask: Ask, status: int) -> None:
    service = Service(answer(status, PROBLEM), answer(status), OK)
    assert ask(service, "score", PAYMENT, known_time=NOON).seq == 7
    assert len(service.sent) == 3
    assert len({(str(sent.url), sent.content, str(sent.headers)) for sent in service.sent}) == 1
    assert service.waits == [0.05, 0.1]  # half of 0.1, half of 0.2


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout(""),
        httpx.ReadTimeout(""),
        httpx.WriteTimeout(""),
        httpx.PoolTimeout(""),
        httpx.ReadError(""),
        httpx.WriteError(""),
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_a_lost_connection_is_made_again(ask: Ask, failure: Exception) -> None:
    service = Service(failure, failure, OK)
    assert ask(service, "score", PAYMENT).seq == 7
    assert len(service.sent) == 3


@pytest.mark.parametrize(
    "status", [302, 307, 400, 401, 403, 404, 405, 409, 411, 413, 415, 422, 431, 500, 501, 505]
)
def test_what_would_be_refused_again_is_sent_once(ask: Ask, status: int) -> None:
    service = Service(answer(status, PROBLEM, location="http://elsewhere/"), OK)
    with pytest.raises(ServiceError) as told:
        ask(service, "score", PAYMENT, api_key="key-1.secret")
    error = told.value
    assert type(error) is ServiceError
    assert (error.status, error.field, error.fix) == (status, "transaction_id", "send a new id")
    assert str(error) == f"HTTP {status}: transaction_id: is in use (fix: send a new id)"
    assert len(service.sent) == 1
    assert not service.waits


@pytest.mark.parametrize(
    "mistake", [httpx.UnsupportedProtocol("ftp"), httpx.LocalProtocolError("")], ids=repr
)
def test_a_mistake_of_the_caller_is_not_repeated(ask: Ask, mistake: Exception) -> None:
    service = Service(mistake, OK)
    with pytest.raises(ServiceError):
        ask(service, "score", PAYMENT)
    assert len(service.sent) == 1


def test_the_number_of_attempts_is_bounded_and_the_last_problem_is_told(ask: Ask) -> None:
    service = Service(httpx.ConnectError("refused"), answer(503, PROBLEM))
    with pytest.raises(ServiceUnavailable) as told:
        ask(service, "score", PAYMENT, retry=Retry(attempts=4))
    assert isinstance(told.value, FraudSystemError)
    assert (len(service.sent), len(service.waits)) == (4, 3)
    assert (told.value.attempts, told.value.status, told.value.field) == (4, 503, "transaction_id")
    assert "is in use" in str(told.value)
    assert "attempt 4" in str(told.value)


def test_the_total_time_is_bounded(ask: Ask) -> None:
    service = Service(httpx.ConnectError("refused"))
    retry = Retry(attempts=1000, total_s=20.0)
    with pytest.raises(ServiceUnavailable) as told:
        ask(service, "score", PAYMENT, retry=retry, uniform=lambda: 0.999)
    assert 15.0 < sum(service.waits) < 20.0  # another wait of nearly 5 s would end beyond
    assert told.value.elapsed_s == pytest.approx(sum(service.waits))
    assert len(service.sent) == len(service.waits) + 1


def test_nobody_waits_for_a_retry_after_beyond_the_total_time(ask: Ask) -> None:
    service = Service(answer(429, PROBLEM, retry_after="31"), OK)
    with pytest.raises(ServiceUnavailable) as told:
        ask(service, "score", PAYMENT, retry=Retry(total_s=30.0))
    assert told.value.attempts == 1
    assert not service.waits


def test_retry_after_comes_on_top_of_the_drawn_wait(ask: Ask) -> None:
    service = Service(
        answer(503, PROBLEM, retry_after="2"),
        answer(429, PROBLEM, date=DATE, retry_after="Mon, 12 Jan 2026 12:00:07 GMT"),
        answer(503, PROBLEM, date=DATE, retry_after="tomorrow"),
        OK,
    )
    ask(service, "score", PAYMENT)
    assert service.waits == pytest.approx([2.05, 7.1, 0.2])


@pytest.mark.parametrize(
    "told",
    ["", "-1", "1.5", "²", "soon", "Mon, 99 Jan 2026 12:00:07 GMT", "\x00", WEEK_BEFORE],
    ids=repr,
)
def test_a_retry_after_without_sense_is_none(told: str) -> None:
    assert retry_after_s({"retry-after": told, "date": DATE}) == 0.0
    assert retry_after_s({"retry-after": told}) == 0.0


@given(
    draws=st.lists(st.floats(0.0, 1.0, exclude_max=True), min_size=1, max_size=40),
    first_wait_s=st.floats(0.001, 2.0),
    longest_wait_s=st.floats(0.001, 10.0),
)
def test_each_wait_is_a_share_of_a_bound_that_doubles(
    draws: list[float], first_wait_s: float, longest_wait_s: float
) -> None:
    retry = Retry(
        attempts=1000, total_s=1e4, first_wait_s=first_wait_s, longest_wait_s=longest_wait_s
    )
    left = iter(draws)
    attempts = Attempts(retry, clock=lambda: 0.0, uniform=lambda: next(left))
    for position, draw in enumerate(draws):
        bound_s = min(first_wait_s * 2**position, longest_wait_s)
        assert attempts.wait_s(httpx.ReadTimeout("")) == pytest.approx(draw * bound_s)


def test_an_attempt_gets_no_more_time_than_is_left() -> None:
    now = [0.0]
    attempts = Attempts(Retry(total_s=20.0), clock=lambda: now[0], uniform=lambda: 0.0)
    assert attempts.timeout() == httpx.Timeout(15.0, connect=3.0)
    now[0] = 18.0
    assert attempts.timeout() == httpx.Timeout(2.0, connect=2.0)
    attempts.check_time()
    now[0] = 20.0
    with pytest.raises(ServiceUnavailable, match="in time"):
        attempts.check_time()


@pytest.mark.parametrize(
    "bounds",
    [
        {"attempts": 0},
        {"total_s": 0.0},
        {"attempt_s": float("nan")},
        {"longest_wait_s": float("inf")},
    ],
    ids=repr,
)
def test_bounds_are_bounds(bounds: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as told:
        Retry(**bounds)
    assert told.value.field == next(iter(bounds))


class Ledger:
    """A service that stores, and then loses the connection at some of the requests."""

    def __init__(self, lost: Iterable[bool]) -> None:
        self.stored: dict[str, int] = {}
        self._lost = iter(lost)

    def __call__(self, sent: httpx.Request) -> httpx.Response:
        name = json.loads(sent.content)["transaction_id"]
        seq = self.stored.setdefault(name, len(self.stored) + 1)
        if next(self._lost, False):
            raise httpx.ReadError("connection reset")
        return answer(200, {**DECISION, "transaction_id": name, "seq": seq})


@given(st.lists(st.booleans(), max_size=30))
def test_an_answer_that_was_lost_is_fetched_again_not_made_twice(lost: list[bool]) -> None:
    ledger = Ledger(lost)
    with FraudClient(
        "http://test",
        transport=httpx.MockTransport(ledger),
        retry=Retry(attempts=40),
        sleep=lambda wait_s: None,
        clock=lambda: 0.0,
    ) as client:
        seqs = [client.score(PAYMENT, transaction_id=str(each)).seq for each in range(5)]
    assert seqs == [1, 2, 3, 4, 5]
    assert len(ledger.stored) == 5
