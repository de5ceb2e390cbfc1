"""Bodies that break a bound, come slowly or not to their end."""

import socket

import pytest
from limited_server import the_problem
from live_server import (
    MAX_BODY_BYTES,
    Answer,
    Live,
    limited,
    live_server,
    read_one,
    read_to_end,
    request,
    wait_until,
)

from serving.http_limits import HttpLimits


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
