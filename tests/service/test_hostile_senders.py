"""Senders that break HTTP, stop half-way or send too much; damaged Arrow streams; a service that is full."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from guarded import MAX_BODY_BYTES, Guarded, assert_problem, connect, moment, transaction
from live_server import Answer, read_one, read_to_end, request
from running import running_service

from serving.openapi import ARROW


def answers_to(guarded: Guarded, sent: bytes) -> list[Answer]:
    """Send bytes, and read answers until the server ends the connection."""
    with guarded.connect() as connection:
        connection.sendall(sent)
        return read_to_end(connection)


def score_head(guarded: Guarded, *headers: str) -> bytes:
    """The head of a scoring request, for a body that follows."""
    own = [f"{name}: {value}" for name, value in guarded.headers().items()]
    return request("POST", "/v1/score", b"", *own, *headers)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request("GET", "/" + "a" * 5_000), 414),
        (request("GET", "/v1/model", b"", "X: " + "a" * 20_000), 431),
        (request("GET", "/v1/model", b"", *["X: y"] * 65), 431),
        (request("BREW", "/v1/model"), 400),
        (request("get", "/v1/model"), 400),
        (b"GET /v1/model HTTP/1.1\r\n\r\n", 400),
        (b"GET /v1/model HTTP/1.1\r\nHost: a\r\nX\0: y\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: a", 408),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ],
)
def test_what_the_socket_refuses(guarded: Guarded, sent: bytes, status: int) -> None:
    (answer,) = answers_to(guarded, sent)
    assert answer.status == status
    assert answer.document["fix"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_body_in_chunks_is_a_body(guarded: Guarded) -> None:
    body = iter([json.dumps(transaction()).encode()[:20], b"", b"x"])
    headers = guarded.headers()
    answer = guarded.ask("POST", "/v1/score", headers=headers, content=body)
    assert_problem(answer, 400, "body")
    pieces = iter([bytes([byte]) for byte in json.dumps(transaction()).encode()])
    answer = guarded.ask("POST", "/v1/score", headers=headers, content=pieces)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("framing", "body", "status"),
    [
        ("Content-Length: 100", b'{"transaction_id"', 408),  # and then nothing
        ("Transfer-Encoding: chunked", b"5\r\n{", 408),
        ("Transfer-Encoding: chunked", b"zz\r\n{", 400),
        ("Transfer-Encoding: chunked", b"10001\r\n" + b" " * 65_537, 413),
        ("Transfer-Encoding: gzip, chunked", b"0\r\n\r\n", 400),
        (f"Content-Length: {MAX_BODY_BYTES + 1}", b"", 413),
        ("Content-Length: 1000000000000000000000", b"", 400),
        ("Content-Encoding: gzip\r\nContent-Length: 5", b"12345", 415),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked", b"0\r\n\r\n", 400),
    ],
)
def test_half_sent_bodies(guarded: Guarded, framing: str, body: bytes, status: int) -> None:
    (answer,) = answers_to(guarded, score_head(guarded, framing, "Connection: close") + body)
    assert answer.status == status
    assert answer.document["fix"]


def test_senders_that_leave_are_forgotten(guarded: Guarded) -> None:
    body = json.dumps(transaction()).encode()
    head = score_head(guarded, f"Content-Length: {len(body)}")
    for cut in (1, len(head) // 2, len(head), len(head) + 5, len(head) + len(body)):
        for _ in range(20):
            with guarded.connect() as connection:
                connection.sendall((head + body)[:cut])
    answer = guarded.score()
    assert answer.status_code == 200


def test_ten_megabytes_are_refused_while_they_come(guarded: Guarded) -> None:
    with guarded.connect() as connection:
        connection.sendall(score_head(guarded, "Content-Length: 10000000") + b" " * 10_000_000)
        (answer,) = read_to_end(connection)
    assert answer.status == 413


def test_one_who_asks_first_is_told(guarded: Guarded) -> None:
    with guarded.connect() as connection:
        connection.sendall(score_head(guarded, "Expect: 100-continue", "Content-Length: 2"))
        assert read_one(connection).status == 100
        connection.sendall(b"{}")
        assert read_one(connection).status == 422


# Arrow


def arrow_body() -> bytes:
    sent = {"transaction_id": [f"arrow-{moment()}-{row}" for row in range(3)], "amount": [1.0] * 3}
    table = pa.table(sent | {"event_time": pa.array([0] * 3, pa.timestamp("us", "UTC"))})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def test_arrow_rows_are_refused_one_by_one(guarded: Guarded) -> None:
    headers = guarded.headers(content_type=ARROW)
    answer = guarded.ask("POST", "/v1/score/batch", headers=headers, content=arrow_body())
    assert (answer.status_code, answer.headers["content-type"]) == (200, ARROW)
    rows = pa.ipc.open_stream(answer.content).read_all().to_pylist()
    assert [row["status"] for row in rows] == [422] * 3
    assert "event_time" in rows[0]["problem"]


def test_damaged_arrow_streams(guarded: Guarded) -> None:
    whole, headers = arrow_body(), guarded.headers(content_type=ARROW)
    bodies = [b"", b"[]", whole[:50], whole[:-30], whole[16:], b"ARROW1\0\0" + whole, whole * 2]
    bodies += [whole[:at] + bytes([whole[at] ^ 64]) + whole[at + 1 :] for at in range(0, 400, 5)]
    for body in bodies:
        answer = guarded.ask("POST", "/v1/score/batch", headers=headers, content=body)
        assert answer.status_code in (200, 400, 413, 422), answer.text


def test_a_small_service_says_when_it_is_full(tmp_path: Path) -> None:
    bounds = {"max_connections": 3, "requests_per_key_per_s": 0.01, "requests_per_key_burst": 3}
    with running_service(tmp_path, **bounds) as small:
        small.wait_until_ready()
        answers = [small.client.get("/v1/model") for _ in range(4)]
        assert [each.status_code for each in answers] == [200, 200, 200, 429]
        assert 0 < int(answers[3].headers["retry-after"]) <= 100
        assert_problem(answers[3], 429, None)
        with connect(small), connect(small), connect(small) as beyond:
            refused = read_one(beyond)
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")


def test_afterwards_it_is_as_sound_as_before(guarded: Guarded) -> None:
    guarded.assert_sound("after hostile senders")
