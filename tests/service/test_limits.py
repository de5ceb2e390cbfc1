"""Between the socket and the application: every bound gives a problem document, and nothing hangs."""

import contextlib
import itertools
import random
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_server import (
    MAX_BODY_BYTES,
    Answer,
    Application,
    Live,
    limited,
    live_server,
    parse,
    read_one,
    read_to_end,
    request,
    wait_until,
)

from serving.configuration import Configuration
from serving.http_limits import HttpLimits
from serving.listener import uvicorn_config

LIMITS = HttpLimits(
    max_connections=20,
    max_header_bytes=2_000,
    header_timeout_s=0.3,
    write_timeout_s=0.3,
    max_headers=10,
    max_target_bytes=500,
    max_pipelined=5,
    linger_timeout_s=1.0,
)


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    with live_server(limited(LIMITS)) as live:
        yield live


def the_problem(answers: list[Answer], status: int) -> Answer:
    """The one answer, which is a problem document and ends the connection."""
    (answer,) = answers
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    assert answer.document["status"] == status
    assert answer.document["detail"]
    assert answer.document["fix"]
    assert "server" not in answer.headers
    return answer


def test_a_request_is_answered_and_the_connection_kept(server: Live) -> None:
    with server.connected() as connection:
        for body in (b"abc", b"x" * MAX_BODY_BYTES):
            connection.sendall(request("POST", "/body", body))
            answer = read_one(connection)
            assert (answer.status, answer.body) == (200, b"%d" % len(body))
            assert "server" not in answer.headers


# Heads


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


# Bodies


def test_a_body_beyond_its_bound_is_refused_before_it_is_sent(server: Live) -> None:
    head = request("POST", "/body", b"", f"Content-Length: {MAX_BODY_BYTES + 1}")
    answer = the_problem(server.ask(head), 413)
    assert answer.document["field"] == "body"


def test_a_client_that_sends_ten_megabytes_can_read_why_it_is_refused(server: Live) -> None:
    with server.connected() as connection:
        connection.sendall(request("POST", "/body", b"x" * 10_000_000))
        the_problem(read_to_end(connection), 413)


def test_a_chunked_body_beyond_its_bound_is_refused(server: Live) -> None:
    head = request("POST", "/body", b"", "Transfer-Encoding: chunked")
    chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    the_problem(server.ask(head + 3 * chunk), 413)
    with server.connected() as connection:  # complete: then the connection can be used again
        connection.sendall(head + 3 * chunk + b"0\r\n\r\n" + request())
        refused, after = _read_two(connection)
        assert (refused.status, after.status) == (413, 200)
        assert "connection" not in refused.headers


def _read_two(connection: socket.socket) -> tuple[Answer, Answer]:
    connection.shutdown(socket.SHUT_WR)
    one, two = read_to_end(connection)
    return one, two


def test_a_body_that_does_not_come_to_its_end_is_a_408(server: Live) -> None:
    head = request("POST", "/body", b"", "Content-Length: 10")
    answer = the_problem(server.ask(head + b"12345"), 408)
    assert answer.document["field"] == "body"


def test_a_body_whose_sender_leaves_is_forgotten(server: Live) -> None:
    head = request("POST", "/body", b"", "Content-Length: 10")
    assert server.ask_and_end(head + b"12345") == []
    wait_until(lambda: server.application.budget.held_bytes == 0)


def test_a_compressed_body_is_a_415(server: Live) -> None:
    answers = server.ask_and_end(request("POST", "/body", b"abc", "Content-Encoding: gzip"))
    (answer,) = answers
    assert (answer.status, answer.document["field"]) == (415, "Content-Encoding")
    assert answer.headers["accept-encoding"] == "identity"


def test_a_client_that_asks_first_is_told_to_go_on_or_not(server: Live) -> None:
    ask = "Expect: 100-continue"
    with server.connected() as connection:
        connection.sendall(request("POST", "/body", b"", ask, "Content-Length: 3"))
        assert read_one(connection).status == 100
        connection.sendall(b"abc")
        assert read_one(connection).body == b"3"
    the_problem(server.ask(request("POST", "/body", b"", ask, "Content-Length: 99999")), 413)


def test_bodies_that_arrive_at_once_share_a_budget(server: Live) -> None:
    budget = server.application.budget
    room, budget.max_bytes = budget.max_bytes, 4
    try:
        answers = server.ask(request("POST", "/body", b"", "Content-Length: 9") + b"12345")
    finally:
        budget.max_bytes = room
    answer = the_problem(answers, 503)
    assert answer.headers["retry-after"] == "1"
    assert budget.held_bytes == 0


@pytest.mark.parametrize("body", [b"zz\r\n", b"3\r\nabcde", b"1\n\n", b"-1\r\n"])
def test_a_chunk_that_is_none_is_a_400_for_its_own_request(server: Live, body: bytes) -> None:
    head = request("POST", "/body", b"", "Transfer-Encoding: chunked")
    the_problem(server.ask(head + body), 400)


@pytest.mark.parametrize("tail", [b"1;" + b"a" * 3_000_000, b"0\r\nX: " + b"a" * 3_000_000])
def test_endless_chunk_extensions_and_trailers_are_refused(server: Live, tail: bytes) -> None:
    head = request("POST", "/body", b"", "Transfer-Encoding: chunked")
    the_problem(server.ask(head + tail), 431)


def test_trailers_are_no_headers(server: Live) -> None:
    head = request("POST", "/headers", b"", "Transfer-Encoding: chunked")
    (answer,) = server.ask_and_end(head + b"0\r\nAuthorization: Bearer x\r\n\r\n")
    assert answer.status == 200
    assert b"authorization" not in answer.body.lower()


def test_an_answer_before_the_body_was_read_ends_the_connection(server: Live) -> None:
    poison = request("GET", "/poison")
    (answer,) = server.ask(request("POST", "/early", b"", "Content-Length: 1000") + poison)
    assert answer.body == b"/early"
    assert "/poison" not in server.application.seen


def test_a_body_that_is_complete_is_marked(server: Live) -> None:
    assert server.ask_and_end(request("POST", "/mark", b"abc"))[0].body == b"complete"
    assert server.ask(request("POST", "/mark", b"", "Content-Length: 9"))[0].body == b"incomplete"


def test_a_refused_client_that_does_not_leave_is_cut_off(server: Live) -> None:
    with server.connected() as connection:
        connection.sendall(request("POST", "/body", b"", "Content-Length: 99999"))
        the_problem(read_to_end(connection), 413)
        wait_until(lambda: not server.server.server_state.connections)


def test_a_refused_client_that_goes_on_sending_is_cut_off() -> None:
    limits = HttpLimits(linger_timeout_s=3_600.0, linger_bytes=100_000)
    with live_server(limited(limits)) as server, server.connected() as connection:
        connection.sendall(request("POST", "/body", b"", "Content-Length: 999999999999"))
        assert _sends_until_cut_off(connection, most_bytes=1 << 30)


def _sends_until_cut_off(connection: socket.socket, most_bytes: int) -> bool:
    try:
        for _ in range(0, most_bytes, 1 << 20):
            connection.sendall(bytes(1 << 20))
    except ConnectionError:
        return True
    return False


# Several requests on one connection


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


# Connections


def test_connections_beyond_the_bound_get_a_503(server: Live) -> None:
    with contextlib.ExitStack() as stack:
        open_ = [stack.enter_context(server.connected()) for _ in range(20)]
        for connection in open_:
            connection.sendall(request())
            assert read_one(connection).status == 200
        answer = the_problem(server.ask(b""), 503)
        assert answer.headers["retry-after"] == "1"
        the_problem(server.ask(request()), 503)
        open_[3].sendall(request())  # those who are in are served
        assert read_one(open_[3]).status == 200
    wait_until(lambda: not server.server.server_state.connections)
    assert server.ask_and_end(request())[0].status == 200


@pytest.mark.parametrize("wish", ["Connection: keep-alive", "Connection: close"])
def test_a_client_that_does_not_take_its_answer_is_cut_off(server: Live, wish: str) -> None:
    with server.connected() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        seen = len(server.application.seen)
        connection.sendall(request("GET", "/large", b"", wish))
        wait_until(lambda: len(server.application.seen) > seen)
        wait_until(lambda: not server.server.server_state.connections)


def test_a_client_that_takes_its_answer_slowly_gets_all_of_it() -> None:
    with (
        live_server(limited(HttpLimits(write_timeout_s=1.0))) as server,
        server.connected() as connection,
    ):
        connection.sendall(request("GET", "/large", b"", "Connection: close"))
        taken = 0
        while piece := connection.recv(1 << 20):
            taken += len(piece)
            time.sleep(0.02)
    assert taken > 64 << 20


def test_a_client_that_resets_the_connection_leaves_nothing(server: Live) -> None:
    for sent in (b"GET", request("POST", "/body", b"", "Content-Length: 9"), request() * 3):
        with server.connected() as connection:
            connection.sendall(sent)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_until(lambda: not server.server.server_state.connections)
    wait_until(lambda: not server.server.server_state.tasks)


def test_requests_whose_client_is_gone_are_ended_quietly(caplog: pytest.LogCaptureFixture) -> None:
    with live_server(limited(LIMITS)) as server:
        with server.connected() as connection:
            connection.sendall(request("GET", "/wait") + request("GET", "/second"))
            wait_until(lambda: "/wait" in server.application.seen)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert server.ask_and_end(request("GET", "/go"))[0].body == b"gone"
        wait_until(lambda: not server.server.server_state.connections)
        wait_until(lambda: not server.server.server_state.tasks)
    assert [record for record in caplog.records if record.levelname != "INFO"] == []


def test_random_bytes_never_hang_and_never_show_the_inside(server: Live) -> None:
    generator = random.Random(1)
    whole = request("POST", "/body", b"x" * 50, "Content-Type: application/json")
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(generator.randint(1, 5)):
            place = generator.randrange(len(damaged))
            match generator.randrange(3):
                case 0:
                    damaged[place] = generator.randrange(256)
                case 1:
                    del damaged[place:]
                    damaged += bytes(1)
                case _:
                    damaged[place:place] = generator.randbytes(generator.randint(1, 9))
        for answer in server.ask_and_end(bytes(damaged)):
            assert answer.status in {200, 400, 408, 411, 413, 414, 415, 431}
            assert b"Traceback" not in answer.body
    wait_until(lambda: not server.server.server_state.connections)


def test_without_keys_only_loopback_names_are_answered() -> None:
    local = ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:80"]
    foreign = ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", ""]
    with live_server(limited(HttpLimits(only_loopback_names=True))) as server:
        for host in local + foreign:
            answers = server.ask_and_end(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            if host in local:
                assert answers[0].status == 200
            else:
                assert the_problem(answers, 421).document["field"] == "Host"


# The end


def test_the_server_ends_with_its_answers_given() -> None:
    with live_server(limited(LIMITS)) as server, contextlib.ExitStack() as stack:
        idle, half, busy = [stack.enter_context(server.connected()) for _ in range(3)]
        idle.sendall(request())
        assert read_one(idle).status == 200
        half.sendall(b"GET / HT")
        busy.sendall(request("POST", "/body", b"", "Content-Length: 3"))
        wait_until(lambda: "/body" in server.application.seen)
        server.server.should_exit = True
        assert read_to_end(idle) == []
        assert read_to_end(half) == []
        busy.sendall(b"abc")
        (answer,) = read_to_end(busy)
        assert (answer.body, answer.headers["connection"]) == (b"3", "close")


def test_the_configuration_reaches_the_socket(tmp_path: Path) -> None:
    keys = Configuration(port=0, max_header_bytes=1024, api_keys_file=tmp_path / "keys.json")
    demo = Configuration(port=0, demo=True, header_timeout_s=0.1)
    foreign = b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"
    with live_server(uvicorn_config(Application(), keys)) as server:
        (answer,) = server.ask_and_end(foreign)
        assert answer.status == 200
        assert set(answer.headers) == {"date", "content-length"}
        the_problem(server.ask(request("GET", "/", b"", "X: " + "a" * 1_024)), 431)
    with live_server(uvicorn_config(Application(), demo)) as server:
        the_problem(server.ask(foreign), 421)
        the_problem(server.ask(b"GET"), 408)
