"""An answer in one piece says what uvicorn would say in two messages, header for header."""

import socket
from typing import Any

import pytest
from live_server import GUARD_S, limited, live_server, read_one, request

from serving.answer_at_once import ANSWER_AT_ONCE, send_answer
from serving.http_limits import HttpLimits
from serving.http_protocol import HttpProtocol
from serving.request_body import read_body

BODY = b"x" * 300


class Application:
    """Answers with what it was sent; tells whether that went out at once."""

    def __init__(self) -> None:
        self.at_once: list[bool] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            for _ in range(2):
                message = await receive()
                await send({"type": message["type"] + ".complete"})
            return
        body = await read_body(scope, receive, 1_000, GUARD_S)
        messages = 0

        async def counted(message: Any) -> None:
            nonlocal messages
            messages += 1
            await send(message)

        await send_answer(scope, counted, 200, b"text/plain", body)
        self.at_once.append(not messages)


def answers(sent: bytes, count: int, http: Any = None) -> tuple[list[Any], list[bool]]:
    """What a server with our protocol, or another, says to these bytes."""
    config = limited(HttpLimits())
    application = config.app = Application()
    config.http = http or config.http
    with (
        live_server(config) as live,
        socket.create_connection(("127.0.0.1", live.port), timeout=GUARD_S) as connection,
    ):
        read = []
        for _ in range(count):
            connection.sendall(sent)
            answer = read_one(connection)
            answer.headers.pop("date")
            read.append(answer)
    return read, application.at_once


@pytest.mark.parametrize(
    ("headers", "at_once"), [((), True), (("Connection: close",), False), (("A: b",), True)]
)
def test_the_same_answer_at_once_and_in_two_messages(
    headers: tuple[str, ...], at_once: bool
) -> None:
    sent = request("POST", "/", BODY, *headers)
    count = 3 if at_once else 1
    ours, went_at_once = answers(sent, count)
    theirs, never = answers(sent, count, "httptools")
    assert [dict(each.headers) for each in ours] == [dict(each.headers) for each in theirs]
    assert [each.body for each in ours] == [each.body for each in theirs] == [BODY] * count
    assert went_at_once == [at_once] * count
    assert never == [False] * count


def test_a_scope_that_is_not_being_answered_is_given_nothing() -> None:
    protocol = HttpProtocol.__new__(HttpProtocol)
    protocol._running = None
    assert not protocol._answer_at_once({ANSWER_AT_ONCE: None}, 200, b"text/plain", BODY)
