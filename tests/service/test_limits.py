"""Connections: how many, how slow, how they end; and that the configuration reaches the socket."""

import contextlib
import random
import socket
import struct
import time
from pathlib import Path

import pytest
from limited_server import LIMITS, the_problem
from live_server import (
    Application,
    Live,
    limited,
    live_server,
    read_one,
    read_to_end,
    request,
    wait_until,
)

from serving.configuration import Configuration
from serving.http_limits import HttpLimits
from serving.listener import uvicorn_config


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
