"""A real uvicorn server on a free loopback port with a trivial application, and raw sockets to talk to it.

Nothing here measures time: a wait ends when what it waits for happens, and fails after a generous guard.
"""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import uvicorn

from serving.configuration import Configuration
from serving.http_limits import HttpLimits
from serving.http_protocol import http_protocol
from serving.listener import uvicorn_config
from serving.problems import Problem, send_problem
from serving.request_body import WHOLE_BODY, BodyBudget, read_body

GUARD_S = 20.0
MAX_BODY_BYTES = 10_000


class Answer(NamedTuple):
    """One HTTP answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        """The body as JSON."""
        return dict(json.loads(self.body))


@dataclass
class Application:
    """Answers /body with its length, /headers with them, /mark with what the scope says of the body, /wait
    after /go, /stream until then, /large with much, others with their path."""

    body_timeout_s: float = 0.3
    budget: BodyBudget = field(default_factory=lambda: BodyBudget(1 << 20))
    seen: list[str] = field(default_factory=list)
    _go: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            for _ in range(2):
                message = await receive()
                await send({"type": message["type"] + ".complete"})
            return
        path = scope["path"]
        self.seen.append(path)
        try:
            if path == "/body":
                text = b"%d" % len(
                    await read_body(
                        scope, receive, MAX_BODY_BYTES, self.body_timeout_s, self.budget
                    )
                )
            elif path == "/headers":
                await read_body(scope, receive, MAX_BODY_BYTES, self.body_timeout_s)
                text = b"\n".join(b": ".join(header) for header in scope["headers"])
            elif path == "/mark":
                text = b"complete" if WHOLE_BODY in scope else b"incomplete"
            elif path == "/wait":
                await self._go.wait()
                text = b"waited"
            elif path == "/stream":
                await self._stream(receive, send)
                return
            elif path == "/go":
                self._go.set()
                text = b"gone"
            elif path == "/large":
                text = b"x" * (64 << 20)
            else:
                text = path.encode()
        except Problem as problem:
            await send_problem(send, problem)
            return
        headers = [(b"content-length", b"%d" % len(text))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    async def _stream(self, receive: Any, send: Any) -> None:
        """One letter at a time, until /go or until the client is gone."""
        headers = [(b"content-length", b"1000000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        gone = asyncio.ensure_future(_gone(receive))
        left = 1_000_000
        while not gone.done() and not self._go.is_set():
            left -= 1
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await asyncio.sleep(0.005)
        gone.cancel()
        self.seen.append("/stream has ended")
        await send({"type": "http.response.body", "body": b"x" * left})


async def _gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@dataclass
class Live:
    """A running server."""

    port: int
    application: Application
    server: uvicorn.Server

    @contextlib.contextmanager
    def connected(self) -> Iterator[socket.socket]:
        """A connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=GUARD_S) as connection:
            yield connection

    def ask(self, sent: bytes) -> list[Answer]:
        """Send bytes, keep the connection open, and read answers until the server closes it."""
        with self.connected() as connection:
            connection.sendall(sent)
            return read_to_end(connection)

    def ask_and_end(self, sent: bytes) -> list[Answer]:
        """Send bytes and say that this was all."""
        with self.connected() as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            return read_to_end(connection)


def limited(limits: HttpLimits, keep_alive_s: int = 60) -> uvicorn.Config:
    """A server with these limits in place of the configured ones."""
    config = uvicorn_config(Application(), Configuration(demo=True, port=0, shutdown_grace_s=5))
    config.http = http_protocol(limits)
    config.timeout_keep_alive = keep_alive_s
    return config


@contextlib.contextmanager
def live_server(config: uvicorn.Config) -> Iterator[Live]:
    """A server in a thread; it is stopped, and must be able to, when the test ends."""
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield Live(server.servers[0].sockets[0].getsockname()[1], config.app, server)
    finally:
        server.should_exit = True
        thread.join(GUARD_S)
    assert not thread.is_alive()


def wait_until(condition: Any) -> None:
    """Until it holds, for at most the guard."""
    until_s = time.monotonic() + GUARD_S
    while not condition():
        assert time.monotonic() < until_s, "it did not happen"
        time.sleep(0.005)


def request(method: str = "GET", path: str = "/", body: bytes = b"", *headers: str) -> bytes:
    """A well-formed request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def read_to_end(connection: socket.socket) -> list[Answer]:
    """All answers until the server closes; a reset is an error."""
    return parse(b"".join(iter(lambda: connection.recv(1 << 16), b"")))


def read_one(connection: socket.socket) -> Answer:
    """The next answer of a connection that stays open."""
    received = b""
    while True:
        piece = connection.recv(1 << 16)
        assert piece, f"the connection ended after {received!r}"
        received += piece
        with contextlib.suppress(ValueError):
            (answer,) = parse(received)
            return answer


def parse(received: bytes) -> list[Answer]:
    """Answers with a Content-Length each; ValueError if the last is not whole."""
    answers = []
    while received:
        head, rest = received.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        status = int(first.split()[1])
        if status == 100:
            answers.append(Answer(status, {}, b""))
            received = rest
            continue
        headers = dict(line.split(": ", 1) for line in lines)
        length = int(headers["content-length"])
        if len(rest) < length:
            raise ValueError("the body is not whole")
        answers.append(Answer(status, headers, rest[:length]))
        received = rest[length:]
    return answers
