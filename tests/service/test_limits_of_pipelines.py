"""Several requests on one connection: answers stay in order, whatever follows them."""

import socket
import struct
import time

import pytest
from limited_server import LIMITS, the_problem
from live_server import (
    MAX_BODY_BYTES,
    Live,
    limited,
    live_server,
    parse,
    read_one,
    read_to_end,
    request,
    wait_until,
)


def test_requests_sent_ahead_are_answered_in_order(server: Live) -> None:
    sent = [request("POST", "/body", b"x" * length) for length in range(1, 6)]
    answers = server.ask_and_end(b"".join(sent))
    assert [answer.body for answer in answers] == [b"1", b"2", b"3", b"4", b"5"]


def test_a_head_behind_a_long_body_is_not_charged_for_it(server: Live) -> None:
    with server.connected() as connection:
        connection.sendall(request("POST", "/body", b"x" * MAX_BODY_BYTES) + b"GET /behind HT")
        assert read_one(connection).status == 200
        connection.sendall(b"TP/1.1\r\nHost: a\r\n\r\n")
        assert read_one(connection).body == b"/behind"


def test_a_head_behind_a_waiting_request_has_its_time_afterwards() -> None:
    with live_server(limited(LIMITS)) as server, server.connected() as connection:
        connection.sendall(request("GET", "/wait") + request("GET", "/second") + b"GET /third HT")
        wait_until(lambda: "/wait" in server.application.seen)
        connection.sendall(b"TP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(2 * LIMITS.header_timeout_s)
        with server.connected() as other:
            other.sendall(request("GET", "/go"))
            assert read_one(other).body == b"gone"
        connection.shutdown(socket.SHUT_WR)
        bodies = [answer.body for answer in read_to_end(connection)]
    assert bodies == [b"waited", b"/second", b"/third"]


def test_half_a_head_behind_a_request_is_a_408_after_its_answer(server: Live) -> None:
    answers = server.ask(request("GET", "/first") + b"GET /half")
    assert answers[0].body == b"/first"
    the_problem(answers[1:], 408)


def test_what_is_no_http_is_refused_after_the_requests_before_it() -> None:
    with live_server(limited(LIMITS)) as server, server.connected() as connection:
        connection.sendall(request("GET", "/wait") + request("GET", "/second") + b"garbage\r\n\r\n")
        wait_until(lambda: "/wait" in server.application.seen)
        with server.connected() as other:
            other.sendall(request("GET", "/go"))
            assert read_one(other).body == b"gone"
        waited, second, refused = read_to_end(connection)
    assert (waited.body, second.body) == (b"waited", b"/second")
    the_problem([refused], 400)


def test_a_broken_body_behind_a_waiting_request_is_refused_in_its_turn() -> None:
    broken = request("POST", "/body", b"", "Transfer-Encoding: chunked") + b"zz\r\n"
    with live_server(limited(LIMITS)) as server, server.connected() as connection:
        connection.sendall(request("GET", "/wait") + request("GET", "/second") + broken)
        connection.shutdown(socket.SHUT_WR)
        wait_until(lambda: "/wait" in server.application.seen)
        with server.connected() as other:
            other.sendall(request("GET", "/go"))
            assert read_one(other).body == b"gone"
        waited, second, refused = read_to_end(connection)
        assert server.application.seen == ["/wait", "/go", "/second"]
    assert (waited.body, second.body) == (b"waited", b"/second")
    the_problem([refused], 400)


def test_a_body_that_breaks_under_an_answer_does_not_break_into_it() -> None:
    with live_server(limited(LIMITS)) as server, server.connected() as connection:
        connection.sendall(request("POST", "/stream", b"", "Transfer-Encoding: chunked"))
        received = connection.recv(1 << 16)
        connection.sendall(b"zz\r\n" + request("GET", "/after"))
        received += connection.recv(1)
        assert server.ask_and_end(request("GET", "/go"))[0].body == b"gone"
        received += b"".join(iter(lambda: connection.recv(1 << 16), b""))
        assert "/after" not in server.application.seen
    (answer,) = parse(received)
    assert answer.body == b"x" * 1_000_000


def test_a_stream_ends_when_its_client_is_gone_although_it_had_asked_for_more(server: Live) -> None:
    with server.connected() as connection:
        connection.sendall(request("GET", "/stream") + request("GET", "/never"))
        assert connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_until(lambda: "/stream has ended" in server.application.seen)
    wait_until(lambda: not server.server.server_state.tasks)


def test_the_number_of_requests_sent_ahead_is_bounded(server: Live) -> None:
    answers = server.ask(request() * 50)
    assert [answer.status for answer in answers] == [200] * 6 + [503]
    assert answers[-1].headers["retry-after"] == "1"


def test_what_follows_the_wish_to_close_is_not_begun(server: Live) -> None:
    (answer,) = server.ask(request("GET", "/", b"", "Connection: close") + request("GET", "/after"))
    assert answer.headers["connection"] == "close"
    assert "/after" not in server.application.seen


@pytest.mark.parametrize("pieces", [1, 1_000])
def test_the_wish_for_another_protocol_is_not_heard(server: Live, pieces: int) -> None:
    java = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
    browser = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: AAAA")
    sent = request("POST", "/body", b"abc", *java)
    sent += request("GET", "/one", b"", *browser)
    sent += (
        request("POST", "/body", b"", "Transfer-Encoding: chunked", *java) + b"1\r\na\r\n0\r\n\r\n"
    )
    sent += request("GET", "/two")
    with server.connected() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        size = -(-len(sent) // pieces)
        for start in range(0, len(sent), size):
            connection.sendall(sent[start : start + size])
        connection.shutdown(socket.SHUT_WR)
        answers = read_to_end(connection)
    assert [answer.body for answer in answers] == [b"3", b"/one", b"1", b"/two"]
