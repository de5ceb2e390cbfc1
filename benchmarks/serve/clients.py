"""Clients on raw sockets, cheap enough that one core of Python keeps a server of Python busy.

The closed loop asks again as soon as it is answered: it finds the throughput. The open loop asks at fixed
times whether it was answered or not, and counts from the time that was meant: it finds the latency that a
stream of payments would see, without forgiving a server that stalls ("coordinated omission", G. Tene).
"""

import select
import socket
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

ANSWER_BYTES = 1 << 20
TIMEOUT_S = 60.0
_SPIN_S = 200e-6  # before a meant time, so that waking up late does not count against the server


class Connection:
    """One connection that waits for at most one answer."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = b""

    def ask(self, request: bytes) -> None:
        """Send a request."""
        self.socket.sendall(request)

    def answer(self) -> bytes | None:
        """The body, once it is complete; to be called when the socket can be read.

        Raises:
            RuntimeError: the answer is no 200.
        """
        self._read += self.socket.recv(ANSWER_BYTES)
        head, separator, body = self._read.partition(b"\r\n\r\n")
        if not separator:
            return None
        if head[9:12] != b"200":
            raise RuntimeError(f"not answered: {self._read[:500]!r}")
        at = head.index(b"ontent-length: ") + 15
        end = head.find(b"\r", at)
        if len(body) < int(head[at:] if end < 0 else head[at:end]):
            return None
        self._read = b""
        return body


@contextmanager
def connections(port: int, count: int) -> Iterator[list[Connection]]:
    """So many open connections."""
    opened = [Connection(port) for _ in range(count)]
    try:
        yield opened
    finally:
        for each in opened:
            each.socket.close()


def closed_loop(
    port: int, count: int, requests: Sequence[bytes], kept: list[bytes] | None = None
) -> float:
    """Send all requests over `count` connections, each asking when it was answered.

    Args:
        port, count: where to, and over how many connections.
        requests: each is sent once.
        kept: answers are added to it.

    Returns:
        Seconds from the first request to the last answer.
    """
    left = iter(requests)
    with connections(port, count) as opened, select.epoll() as waiting:
        by_number = {each.socket.fileno(): each for each in opened}
        for number in by_number:
            waiting.register(number, select.EPOLLIN)
        started_s = perf_counter()
        for each, request in zip(opened, left, strict=False):
            each.ask(request)
        unanswered = min(count, len(requests))
        while unanswered:
            for number, _ in waiting.poll(TIMEOUT_S):
                connection = by_number[number]
                body = connection.answer()
                if body is None:
                    continue
                if kept is not None:
                    kept.append(body)
                following = next(left, None)
                if following is None:
                    unanswered -= 1
                else:
                    connection.ask(following)
        return perf_counter() - started_s


def open_loop(
    port: int,
    count: int,
    requests: Sequence[bytes],
    rate_per_s: float,
    meant: list[float] | None = None,
) -> list[float]:
    """Send the requests at a fixed rate over whichever of `count` connections is free.

    Args:
        port, count, requests: as in `closed_loop`.
        rate_per_s: requests a second.
        meant: when each was meant to be sent is added to it, by `perf_counter`.

    Returns:
        Seconds from when each was meant to be sent to its answer.
    """
    latencies: list[float] = []
    with connections(port, count) as opened:
        free, asked = deque(opened), dict[int, tuple[Connection, float]]()
        started_s, sent = perf_counter() + 0.01, 0
        while sent < len(requests) or asked:
            meant_s = started_s + sent / rate_per_s
            due = sent < len(requests) and free
            pause_s = meant_s - perf_counter() - _SPIN_S if due else TIMEOUT_S
            if due and perf_counter() >= meant_s:
                connection = free.popleft()
                connection.ask(requests[sent])
                asked[connection.socket.fileno()] = connection, meant_s
                sent += 1
                continue
            readable, _, _ = select.select(list(asked), [], [], max(0.0, pause_s))
            for number in readable:
                connection, meant_s = asked[number]
                if connection.answer() is not None:
                    latencies.append(perf_counter() - meant_s)
                    if meant is not None:
                        meant.append(meant_s)
                    del asked[number]
                    free.append(connection)
    return latencies
