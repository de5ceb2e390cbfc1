"""The page kept alive: server-sent events, to a bounded number of readers who each may lag a little.

Once a second the scorer is sampled and the pieces of the page are rendered, once for all readers and only
while there is one; who already has a piece is not sent it again, and a page says what it has when it
connects. A reader whose queue is full does not read, and is dropped: its browser connects anew.

Events: `pieces` ({id of the element: [version, HTML]}), `title` ({page, said}), `leave` (the session is
over), and `beat` where nothing else was to be said: from its silence the page knows that nobody is there, so
it comes from where the pieces come from. Format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Self

import msgspec

from serving.problems import Problem

MOST_READERS: Final = 16
QUEUE: Final = 4  # events that a reader may be behind
BEAT_EVERY: Final = 4  # rounds, of a second each, with nothing new
BEAT: Final = b"event: beat\ndata: {}\n\n"
_AGE = re.compile(r' data-age="[^"]*">[^<]*<')


class Piece(NamedTuple):
    """A piece of the page; two of one version show the same."""

    version: str
    html: str

    @classmethod
    def of(cls, html: str) -> Self:
        """With its version; an age alone, which the browser counts on, makes no other.

        >>> one, two = (Piece.of(f'<b data-since="7" data-age="{s}">{s} s ago</b>') for s in (3, 4))
        >>> one.version == two.version, one.version == Piece.of("<b></b>").version
        (True, False)
        """
        return cls(f"{zlib.crc32(_AGE.sub('<', html).encode()):08x}", html)


Pieces = dict[str, Piece]


class Reader:
    """One open page.

    Args:
        may_read: whether it still may.
        has: versions of the pieces that it has.
    """

    def __init__(self, may_read: Callable[[], bool], has: Mapping[str, str]) -> None:
        self.may_read = may_read
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE)
        self.dropped = False
        self._has = dict(has)
        self._title = ("", "")
        self._quiet_rounds = 0

    def give(self, pieces: Pieces, page: str, said: str) -> None:
        """What is new to this reader, or now and then that nothing is."""
        new = {n: piece for n, piece in pieces.items() if self._has.get(n) != piece.version}
        events = event("pieces", new) if new else b""
        if self._title != (page, said):
            events += event("title", {"page": page, "said": said})
        self._has |= {name: piece.version for name, piece in new.items()}
        self._title = page, said
        self._quiet_rounds = 0 if events else self._quiet_rounds + 1
        if self._quiet_rounds >= BEAT_EVERY:
            events, self._quiet_rounds = BEAT, 0
        if events:
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

    def admit(self, may_read: Callable[[], bool], has: Mapping[str, str]) -> Reader:
        """One more; see `Reader`.

        Raises:
            Problem: 503, there are enough, or the service ends.
        """
        if self.ended or len(self._readers) >= self._most:
            why = "the service ends" if self.ended else "as many pages as may be are live"
            raise Problem(503, why, fix="load the page by hand", retry_after_s=30)
        reader = Reader(may_read, has)
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
        self.send_away()

    def send_away(self) -> None:
        """Let all streams end; pages ask again by themselves."""
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
    await _body(send, BEAT)
    while not gone.done() and not reader.dropped:
        following = asyncio.ensure_future(reader.queue.get())
        await asyncio.wait({following, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not following.done():
            following.cancel()
            return
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
