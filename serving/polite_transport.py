"""A socket that is closed so that the client can read its last answer, and that no client can hold open.

Closing a socket while bytes of the client are unread makes the operating system reset the connection, and the
answer on its way may be lost: a client that is still sending a body of 10 MB would see a broken connection
instead of a 413. So after such an answer only the sending side is closed; what still comes is read and
dropped, up to a time and a number of bytes (nginx calls it a lingering close). The other way round, a client
that takes nothing of its answer for a time is cut off, as is one that is not done after thirty such times.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from serving.http_limits import HttpLimits

_MOST_PERIODS: Final = 30


class PoliteTransport(asyncio.Transport):
    """What the protocol writes to, in front of the loop's own transport.

    Args:
        wire: the loop's transport.
        loop: for timers.
        limits: of time and bytes.
        hear_no_more: told that the connection ends, says whether bytes of the client may be unread.
    """

    def __init__(
        self,
        wire: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        limits: HttpLimits,
        hear_no_more: Callable[[], bool],
    ) -> None:
        super().__init__()
        self._wire = wire
        self._loop = loop
        self._limits = limits
        self._hear_no_more = hear_no_more
        self._closing = False
        self._dropped_bytes = 0
        self._untaken_bytes = 0  # of the answer, when it was last looked at
        self._periods = 0
        self._timer: asyncio.TimerHandle | None = None
        self.write = wire.write  # type: ignore[method-assign]  # without a detour: it is on every answer's way

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Of the socket."""
        return self._wire.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Let the client wait."""
        self._wire.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._wire.resume_reading()

    def is_closing(self) -> bool:
        """Whether nothing more may be written."""
        return self._closing or self._wire.is_closing()

    def abort(self) -> None:
        """End it now, whatever is on its way."""
        self._wire.abort()

    def close(self) -> None:
        """End it when the client has its answer, or after a time."""
        if self.is_closing():
            return
        self._closing = True
        self._stop_timer()
        if self._hear_no_more() and self._wire.can_write_eof():
            self._wire.write_eof()
            self._wire.resume_reading()
            self._timer = self._loop.call_later(self._limits.linger_timeout_s, self._wire.abort)
            return
        if self._wire.get_write_buffer_size():
            self.expect_progress()
        self._wire.close()

    def drop(self, length: int) -> None:
        """Bytes came that nobody wants."""
        self._dropped_bytes += length
        if self._closing and self._dropped_bytes > self._limits.linger_bytes:
            self._wire.abort()

    def expect_progress(self) -> None:
        """The client has not taken all of its answer: from now on it must take some of it in each period."""
        self._untaken_bytes = self._wire.get_write_buffer_size()
        self._periods = 0
        if self._timer is None:
            self._timer = self._loop.call_later(self._limits.write_timeout_s, self._look)

    def lost(self) -> None:
        """The connection is gone."""
        self._closing = True
        self._stop_timer()

    def _look(self) -> None:
        self._timer = None
        untaken_bytes = self._wire.get_write_buffer_size()
        if not untaken_bytes:
            return
        self._periods += 1
        if untaken_bytes >= self._untaken_bytes or self._periods >= _MOST_PERIODS:
            self._wire.abort()
            return
        self._untaken_bytes = untaken_bytes
        self._timer = self._loop.call_later(self._limits.write_timeout_s, self._look)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
