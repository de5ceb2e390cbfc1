"""Both clients over real sockets, against a server that misbehaves before it answers."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain, repeat
from typing import Any

import pytest
from client_asks import DECISION, PAYMENT

from serving.client import (
    AnswerNotUsable,
    AsyncFraudClient,
    FraudClient,
    Retry,
    ServiceUnavailable,
)

RETRY = Retry(attempts=8, total_s=60.0, attempt_s=0.2, first_wait_s=0.001, longest_wait_s=0.001)
BODY = json.dumps(DECISION).encode()
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
CHUNK = b"1\r\n \r\n"


def answers(connection: socket.socket) -> None:
    connection.sendall(HEAD % len(BODY) + b"\r\n" + BODY)


def answers_and_closes(connection: socket.socket) -> None:
    connection.sendall(HEAD % len(BODY) + b"connection: close\r\n\r\n" + BODY)
    connection.close()


def says_nothing(connection: socket.socket) -> None:
    del connection


def closes(connection: socket.socket) -> None:
    connection.close()


def talks_nonsense(connection: socket.socket) -> None:
    connection.sendall(b"220 smtp.example ESMTP\r\n")


def closes_in_the_middle(connection: socket.socket) -> None:
    connection.sendall(HEAD % len(BODY) + b"\r\n" + BODY[:10])
    connection.close()


def stalls_in_the_middle(connection: socket.socket) -> None:
    connection.sendall(HEAD % len(BODY) + b"\r\n" + BODY[:10])


def never_ends(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(CHUNK)


Behaviour = Callable[[socket.socket], None]


def read_request(connection: socket.socket) -> None:
    received = b""
    while not (b"\r\n\r\n" in received and received.endswith(b"}")):
        more = connection.recv(65_536)
        if not more:
            return
        received += more


@contextmanager
def server(*script: Behaviour) -> Iterator[str]:
    """Reads one request of each connection, then behaves as scripted; the last behaviour lasts."""
    listening = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def serve() -> None:
        for behaviour in chain(script, repeat(script[-1])):
            try:
                connection, _ = listening.accept()
            except OSError:  # the test is over
                return
            held.append(connection)
            with suppress(OSError):  # the client has gone
                read_request(connection)
                behaviour(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for connection in held:
            connection.close()
        thread.join()


def score_sync(url: str, **options: Any) -> Any:
    with FraudClient(url, **options) as client:
        return client.score(PAYMENT).seq


def score_async(url: str, **options: Any) -> Any:
    async def score() -> Any:
        async with AsyncFraudClient(url, **options) as client:
            return (await client.score(PAYMENT)).seq

    return asyncio.run(score())


@pytest.fixture(params=[score_sync, score_async], ids=["sync", "async"])
def score(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return request.param


@pytest.mark.parametrize(
    "failing",
    [says_nothing, closes, talks_nonsense, closes_in_the_middle, stalls_in_the_middle],
)
def test_a_server_that_fails_twice_is_asked_a_third_time(
    score: Callable[..., Any], failing: Behaviour
) -> None:
    with server(failing, failing, answers) as url:
        assert score(url, retry=RETRY) == 7


def test_nobody_there_is_told_after_the_last_attempt(score: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(ServiceUnavailable, match="is the service running") as told:
        score(url, retry=RETRY)
    assert (told.value.attempts, told.value.status) == (8, 0)


def test_an_answer_without_end_has_one_by_size_and_one_by_time(score: Callable[..., Any]) -> None:
    with server(never_ends) as url, pytest.raises(AnswerNotUsable, match="1,000 bytes"):
        score(url, retry=RETRY, max_answer_bytes=1000)
    short = Retry(attempts=8, total_s=0.3, attempt_s=0.2)
    with server(never_ends) as url, pytest.raises(ServiceUnavailable, match="in time"):
        score(url, retry=short, max_answer_bytes=1 << 40)


def test_threads_may_share_a_client() -> None:
    seqs: list[int] = []
    with server(answers) as url, FraudClient(url, retry=RETRY, connections=4) as client:

        def ask() -> None:
            seqs.append(client.score(PAYMENT).seq)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seqs == [7] * 4


def test_calls_beyond_the_connections_wait_for_one_but_not_for_ever() -> None:
    patient = replace(RETRY, attempt_s=20.0)

    async def ask(url: str, retry: Retry, calls: int) -> list[Any]:
        async with AsyncFraudClient(url, retry=retry, connections=2) as client:
            asked = [client.score(PAYMENT) for _ in range(calls)]
            return await asyncio.gather(*asked, return_exceptions=True)

    with server(answers_and_closes) as url:
        decisions = asyncio.run(ask(url, patient, 9))
    assert [each.seq for each in decisions] == [7] * 9
    with server(says_nothing) as url:
        first, second, third = asyncio.run(ask(url, replace(RETRY, attempts=1), 3))
    assert isinstance(third, ServiceUnavailable)
    assert "every connection is in use" in str(third)
    assert "ReadTimeout" in str(first)
    assert "ReadTimeout" in str(second)
