"""Answers whose head is known beforehand, written in one piece.

ASGI hands over an answer in two messages, and uvicorn checks each header of each by regular expressions,
though those of a decision are always the same. Where a server puts `ANSWER_AT_ONCE` into the scope,
`send_answer` gives it the whole answer; elsewhere (another server, a test) it sends the two messages.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from serving.security_headers import API_HEADERS, Headers

ANSWER_AT_ONCE: Final = "fraud_system.answer_at_once"
_Headers = list[tuple[bytes, bytes]]


class WholeAnswers:
    """Writes answers of one connection."""

    def __init__(self) -> None:
        self._head_of: _Headers = []  # the server's own headers; a new list each second, for the date
        self._heads: dict[tuple[int, bytes], bytes] = {}

    def write(
        self, cycle: RequestResponseCycle, status: int, media_type: bytes, body: bytes
    ) -> bool:
        """Write a whole answer; False where something is special about it, and nothing was written."""
        if (
            cycle.response_started
            or cycle.disconnected
            or not cycle.keep_alive
            or cycle.flow.write_paused
            or cycle.access_log
            or cycle.scope["method"] == "HEAD"
        ):
            return False
        if cycle.default_headers is not self._head_of:
            self._head_of = cycle.default_headers
            self._heads = {}
        head = self._heads.get((status, media_type))
        if head is None:
            headers = [*self._head_of, (b"content-type", media_type), *API_HEADERS]
            lines = [b"%b: %b\r\n" % header for header in headers]
            head = b"".join([STATUS_LINE[status], *lines, b"content-length: "])
            self._heads[status, media_type] = head
        cycle.response_started = cycle.response_complete = True
        cycle.transport.write(b"%b%d\r\n\r\n%b" % (head, len(body), body))
        cycle.message_event.set()
        cycle.on_response()
        return True


async def send_answer(
    scope: Any,
    send: Callable[[Any], Awaitable[None]],
    status: int,
    media_type: bytes,
    body: bytes,
    security: Headers = API_HEADERS,
) -> None:
    """Answer an ASGI request with the headers of the API, or with others."""
    at_once = scope.get(ANSWER_AT_ONCE) if security is API_HEADERS else None
    if at_once is not None and at_once(scope, status, media_type, body):
        return
    length = b"%d" % len(body)
    headers = [(b"content-type", media_type), *security, (b"content-length", length)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
