"""The body of a request, bounded in size and time, and as cheap as it can be when it came in one piece.

A body is read after the request was let in (`api_keys`), so only known clients can send large ones. After a
refusal the rest of a body cannot be told from the next request, so such a connection is closed.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from serving.problems import RETRY_AFTER_S, Problem

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

WHOLE_BODY: Final = (
    "fraud_system.whole_body"  # in a scope: a body that has come, for `receive` needs turns
)


class BodyBudget:
    """Bytes that all bodies which are still arriving may hold together.

    >>> budget = BodyBudget(max_bytes=100)
    >>> budget.take(60), budget.take(60), budget.held_bytes
    (True, False, 60)
    >>> budget.give_back(60)
    >>> budget.take(60)
    True
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.held_bytes = 0

    def take(self, length: int) -> bool:
        """Whether there was room for so many bytes; they are held then."""
        if self.held_bytes + length > self.max_bytes:
            return False
        self.held_bytes += length
        return True

    def give_back(self, length: int) -> None:
        """So many bytes are held no longer."""
        self.held_bytes -= length


async def read_body(
    scope: Scope,
    receive: Receive,
    max_bytes: int,
    timeout_s: float,
    budget: BodyBudget | None = None,
) -> bytes:
    """The whole body of an ASGI request.

    Args:
        scope: of the request.
        receive: of the request; not called where the body is in the scope already.
        max_bytes: beyond, 413; told by Content-Length before anything is read.
        timeout_s: until the last byte, else 408.
        budget: shared with other requests whose bodies are still arriving; where it is used up, 503.

    Raises:
        Problem: 400, 408, 413, 415 or 503, which closes the connection where bytes of the body may follow.
    """
    whole: bytes | None = scope.get(WHOLE_BODY)
    complete = whole is not None
    for name, value in scope["headers"]:
        if name == b"content-length":
            if not value.isdigit() or len(value) > 18 or int(value) > max_bytes:
                raise _too_long(max_bytes, close=not complete)
        elif name == b"content-encoding" and value.lower() != b"identity":
            raise Problem(
                415,
                "compressed bodies are not read",
                field="Content-Encoding",
                fix="send the body as it is",
                close=not complete,
            )
    if whole is not None:
        if len(whole) > max_bytes:
            raise _too_long(max_bytes, close=False)
        return whole
    try:
        async with asyncio.timeout(timeout_s):
            return await _collect(receive, max_bytes, budget)
    except TimeoutError:
        raise Problem(
            408,
            f"the body was not complete after {timeout_s:g} s",
            field="body",
            fix="send it faster or in smaller parts",
            close=True,
        ) from None


async def _collect(receive: Receive, max_bytes: int, budget: BodyBudget | None) -> bytes:
    pieces: list[bytes] = []
    length = held = 0
    try:
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise _ended_early()
            piece = message.get("body", b"")
            length += len(piece)
            if length > max_bytes:
                raise _too_long(max_bytes, close=message.get("more_body", False))
            if budget is not None:
                if not budget.take(len(piece)):
                    raise _no_room()
                held += len(piece)
            pieces.append(piece)
            if not message.get("more_body", False):
                return b"".join(pieces)
    finally:
        if budget is not None:
            budget.give_back(held)


def close_if_unread(scope: Scope, problem: Problem) -> None:
    """Say that the connection ends after a refusal for which nobody will read the body."""
    if WHOLE_BODY not in scope:
        problem.close = True


def _too_long(max_bytes: int, close: bool) -> Problem:
    return Problem(
        413,
        f"the body is longer than {max_bytes} bytes",
        field="body",
        fix="send it in several requests",
        close=close,
    )


def _no_room() -> Problem:
    return Problem(
        503,
        "too many long bodies arrive at once",
        field="body",
        fix="send the same request again, or in smaller parts",
        retry_after_s=RETRY_AFTER_S,
        close=True,
    )


def _ended_early() -> Problem:
    """Nobody reads this answer; it ends the request."""
    return Problem(
        400, "the connection ended before the body", field="body", fix="send all of it", close=True
    )
