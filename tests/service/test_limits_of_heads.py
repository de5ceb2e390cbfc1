"""Request lines and headers that break a bound get a problem document, and nothing hangs."""

import contextlib
import itertools
import socket

import pytest
from limited_server import the_problem
from live_server import (
    MAX_BODY_BYTES,
    Live,
    limited,
    live_server,
    read_one,
    read_to_end,
    request,
)

from serving.http_limits import HttpLimits


def test_a_request_is_answered_and_the_connection_kept(server: Live) -> None:
    with server.connected() as connection:
        for body in (b"abc", b"x" * MAX_BODY_BYTES):
            connection.sendall(request("POST", "/body", body))
            answer = read_one(connection)
            assert (answer.status, answer.body) == (200, b"%d" % len(body))
            assert "server" not in answer.headers


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request("GET", "/" + "a" * 600), 414),
        (b"GET /" + b"a" * 300_000, 414),
        (request("GET", "/", b"", "X: " + "a" * 3_000), 431),
        (request("GET", "/", b"", *["X: y"] * 11), 431),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 3_000_000, 431),
        (b"GET / HTTP/1.1\r\n" + b"X" * 3_000_000, 431),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET http://only.a.host HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"NOTHING / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"{}\n", 400),
    ],
)
def test_a_head_that_breaks_a_bound_is_a_problem(server: Live, sent: bytes, status: int) -> None:
    the_problem(server.ask(sent), status)


@pytest.mark.parametrize("sent", [b"G", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\nX"])
def test_a_head_that_does_not_come_to_its_end_is_a_408(server: Live, sent: bytes) -> None:
    the_problem(server.ask(sent), 408)


def test_a_head_that_comes_byte_by_byte_is_not_given_more_time(server: Live) -> None:
    with server.connected() as connection:
        connection.settimeout(0.02)
        received = b""
        for byte in itertools.chain(b"GET / HTTP/1.1\r\nX: ", itertools.repeat(ord("a"))):
            connection.sendall(bytes([byte]))
            with contextlib.suppress(TimeoutError):
                received = connection.recv(1 << 16)
                break
    assert received.startswith(b"HTTP/1.1 408 ")


def test_connections_on_which_no_request_begins_are_closed(server: Live) -> None:
    assert server.ask(b"") == []
    assert server.ask(b"\r\n\r\n") == []
    with server.connected() as connection:  # also after an answer
        connection.sendall(request())
        assert read_one(connection).status == 200
        connection.sendall(b"\r\n")
        assert read_to_end(connection) == []


def test_a_kept_connection_is_closed_when_nothing_follows() -> None:
    with live_server(limited(HttpLimits(), keep_alive_s=1)) as server:
        (answer,) = server.ask(request())
        assert answer.status == 200


def test_a_head_in_pieces_is_a_request(server: Live) -> None:
    with server.connected() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request("POST", "/body", b"abc"):
            connection.sendall(bytes([byte]))
        assert read_one(connection).body == b"3"
