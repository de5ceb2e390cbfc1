"""The page kept alive: server-sent events, to a bounded number of readers who each may lag a little.

Once a second the scorer is sampled and the pieces of the page are rendered, once for all readers and only
while there is one; who already has a piece is not sent it again. A reader whose queue is full does not read,
and is dropped: its browser connects anew, and the first event then brings everything.

Events: `pieces` ({id of the element: its HTML}), `title` ({page, said}), `leave` (the session is over), and
comments as heartbeats. Format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec

from serving.problems import Problem

MOST_READERS: Final = 16
QUEUE: Final = 4  # events that a reader may be behind
HEARTBEAT_S: Final = 10.0
_RETRY_MS: Final = 3000
BEAT: Final = b": still here\n\n"

Pieces = dict[str, str]


class Reader:
    """One open page."""

    def __init__(self, may_read: Callable[[], bool]) -> None:
        self.may_read = may_read
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE)
        self.dropped = False
        self._sent: Pieces = {}
        self._title = ("", "")

    def give(self, pieces: Pieces, page: str, said: str) -> None:
        """What is new to this reader."""
        new = {name: text for name, text in pieces.items() if self._sent.get(name) != text}
        events = event("pieces", new) if new else b""
        if self._title != (page, said):
            events += event("title", {"page": page, "said": said})
        if events:
            self._sent, self._title = pieces, (page, said)
            self.put(events)

    def put(self, events: bytes | None) -> None:
        """Bytes to send; None ends the stream."""
        try:
            self.queue.put_nowait(events)
        except asyncio.QueueFull:
            self.dropped = True


class Readers:
    """All of them.

    Args:
        most: readers at once.
    """

    def __init__(self, most: int = MOST_READERS) -> None:
        self._most = most
        self._readers: set[Reader] = set()
        self.ended = False

    def __len__(self) -> int:
        return len(self._readers)

    def admit(self, may_read: Callable[[], bool]) -> Reader:
        """One more.

        Raises:
            Problem: 503, there are enough, or the service ends.
        """
        if self.ended or len(self._readers) >= self._most:
            why = "the service ends" if self.ended else "as many pages as may be are live"
            raise Problem(503, why, fix="load the page by hand", retry_after_s=30)
        reader = Reader(may_read)
        self._readers.add(reader)
        return reader

    def leave(self, reader: Reader) -> None:
        """It is gone."""
        self._readers.discard(reader)

    def give(self, pieces: Pieces, page: str, said: str) -> None:
        """Send everybody what is new; who may not read any more is told so.

        Args:
            pieces: all of them.
            page: title of the browser's window.
            said: the sentence that a screen reader says when it changes.
        """
        for reader in self._readers:
            if reader.may_read():
                reader.give(pieces, page, said)
            else:
                reader.put(event("leave", {}))
                reader.put(None)

    def end(self) -> None:
        """Let all streams end, so that the service can."""
        self.ended = True
        for reader in self._readers:
            reader.put(None)
            reader.dropped = True


async def stream(reader: Reader, send: Callable[[Any], Any], gone: "asyncio.Future[Any]") -> None:
    """Send a reader's events until it leaves, lags, or the service ends.

    Args:
        reader: whose.
        send: of the ASGI request, whose answer has begun.
        gone: done when the client is.
    """
    await _body(send, f"retry: {_RETRY_MS}\n\n".encode())
    while not gone.done() and not reader.dropped:
        following = asyncio.ensure_future(reader.queue.get())
        await asyncio.wait(
            {following, gone}, timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED
        )
        if not following.done():
            following.cancel()
            if not gone.done():
                await _body(send, BEAT)
            continue
        events = following.result()
        if events is None:
            return
        await _body(send, events)


def event(name: str, data: Any) -> bytes:
    """One event; JSON has no line breaks outside of texts, and none within.

    >>> event("title", {"said": "a\\nb"})
    b'event: title\\ndata: {"said":"a\\\\nb"}\\n\\n'
    """
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(data))


async def _body(send: Callable[[Any], Any], content: bytes) -> None:
    await send({"type": "http.response.body", "body": content, "more_body": True})
