"""Reading a body: also under a server that does not mark complete ones."""

import asyncio
from typing import Any

import pytest

from serving.problems import Problem
from serving.request_body import WHOLE_BODY, BodyBudget, read_body


def read(
    *pieces: bytes,
    headers: tuple[tuple[bytes, bytes], ...] = (),
    complete: bool = False,
    end: str = "",
    max_bytes: int = 10,
    budget: BodyBudget | None = None,
) -> bytes:
    """Read a body of these pieces; `end` is what comes instead of the last: a disconnect or nothing."""
    scope: dict[str, Any] = {"headers": list(headers)}
    if complete:
        scope[WHOLE_BODY] = b"".join(pieces)
    left = list(pieces)

    async def receive() -> dict[str, Any]:
        if not left:
            if end == "nothing":
                await asyncio.Event().wait()
            return {"type": "http.disconnect"}
        piece = left.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(left) or bool(end)}

    return asyncio.run(read_body(scope, receive, max_bytes, 0.05, budget))


@pytest.mark.parametrize("complete", [True, False])
def test_a_body_in_one_piece(complete: bool) -> None:
    assert read(b"0123456789", complete=complete) == b"0123456789"
    assert read(b"", complete=complete) == b""


def test_a_body_in_pieces() -> None:
    assert read(b"01", b"", b"23") == b"0123"


@pytest.mark.parametrize(
    "length", [b"11", b"99999999999999999999", b"9" * 5_000, b"-1", b"1e1", b"", b"\xb2"]
)
def test_a_content_length_that_cannot_be_is_refused_before_anything_is_read(length: bytes) -> None:
    with pytest.raises(Problem) as caught:
        read(headers=((b"content-length", length),), end="nothing")
    assert (caught.value.status, caught.value.close) == (413, True)


@pytest.mark.parametrize(
    ("pieces", "end", "complete", "status", "close"),
    [
        ((b"0" * 11,), "", True, 413, False),
        ((b"0" * 11,), "", False, 413, False),
        ((b"0" * 6, b"0" * 6), "disconnect", False, 413, True),
        ((b"0",), "disconnect", False, 400, True),
        ((b"0",), "nothing", False, 408, True),
    ],
)
def test_a_body_that_is_not_to_be_had(
    pieces: tuple[bytes, ...], end: str, complete: bool, status: int, close: bool
) -> None:
    with pytest.raises(Problem) as caught:
        read(*pieces, end=end, complete=complete)
    assert (caught.value.status, caught.value.close) == (status, close)
    assert caught.value.field == "body"


@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"deflate, gzip", b""])
def test_a_coded_body_is_refused(encoding: bytes) -> None:
    with pytest.raises(Problem) as caught:
        read(b"0", headers=((b"content-encoding", encoding),))
    assert caught.value.status == 415


def test_an_uncoded_body_may_say_so() -> None:
    assert read(b"0", headers=((b"content-encoding", b"Identity"),)) == b"0"


def test_the_budget_is_given_back_whatever_happens() -> None:
    budget = BodyBudget(max_bytes=8)
    assert read(b"0123", b"4567", budget=budget) == b"01234567"
    with pytest.raises(Problem) as caught:
        read(b"0123", b"45678", budget=budget)
    assert (caught.value.status, caught.value.retry_after_s, caught.value.close) == (503, 1, True)
    for end in ("disconnect", "nothing"):
        with pytest.raises(Problem):
            read(b"0123", end=end, budget=budget)
    assert budget.held_bytes == 0
