"""HTTP/1.1 from the socket to the application: uvicorn's protocol with bounds, and with problems as answers.

uvicorn bounds neither the size of a head nor the time until it is complete, answers in plain text what it
cannot parse, ahead of the requests before it, and closes sockets with unread bytes. This class adds:

* 431 and 414 for large heads, 408 for slow ones, 503 beyond the number of connections, 421 for foreign names
  and 400 for what is no HTTP: each as a problem document, in the order of the requests on the connection;
* short ways past ASGI for what is common: a body that came with its head is in the scope, and an answer whose
  head is known beforehand is written at once (`answer_at_once`);
* trailers, which uvicorn would add to the headers, are dropped;
* connections are closed politely (`polite_transport`), and each has a running request or a timer.

Size and time of bodies are bounded where they are read (`request_body`).
"""

import asyncio
from typing import Any, Final, NoReturn

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from serving.answer_at_once import ANSWER_AT_ONCE, WholeAnswers
from serving.http_head import head_without_upgrade, large_head, long_target, refusal_of_head
from serving.http_limits import HttpLimits
from serving.polite_transport import PoliteTransport
from serving.problems import RETRY_AFTER_S, Problem
from serving.request_body import WHOLE_BODY
from serving.security_headers import API_HEADERS

_SPARE_CONNECTIONS: Final = 64  # refused ones that may wait until their answer is read


def http_protocol(limits: HttpLimits) -> type[HttpToolsProtocol]:
    """The protocol class for `uvicorn.Config(http=...)`."""
    return type("LimitedHttpProtocol", (HttpProtocol,), {"limits": limits})


class HttpProtocol(HttpToolsProtocol):
    """One connection; `http_protocol` makes a subclass with the limits in it."""

    limits: HttpLimits = HttpLimits()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._polite: PoliteTransport
        self._in_head = False  # a head has begun and is not complete
        self._in_body = False  # a head is complete and its body is not
        self._begun = False  # the newest request may have been given a part of its body
        self._deaf = False  # nothing more of this connection is parsed
        self._segment_bytes = 0  # of what the socket gave at once
        self._head_bytes = 0  # of the segments after the one in which the head began
        self._bodiless_bytes = 0  # of the segments since one with bytes of a body
        self._running: RequestResponseCycle | None = None  # the request that is being answered
        self._plain_head = b""  # of a request that wishes for another protocol
        self._found: Problem | None = None  # in a callback of the parser
        self._refusal: Problem | None = None  # to be answered after the requests before it
        self._head_timer: asyncio.TimerHandle | None = None
        self._whole_answers = WholeAnswers()

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Bound the number of connections and the wait for the first request."""
        self._polite = PoliteTransport(transport, self.loop, self.limits, self._hear_no_more)
        super().connection_made(self._polite)
        beyond = len(self.connections) - self.limits.max_connections
        if beyond > _SPARE_CONNECTIONS:
            transport.abort()
        elif beyond > 0:
            self._refuse(_too_many("connections are open"))
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers, and tell the request that is being answered."""
        self._deaf = True
        self._cancel_head_timer()
        self._unset_keepalive_if_required()
        self._polite.lost()
        if self._running is not None:
            self._disconnect(self._running)
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client that has sent all it wanted still gets its answers: True keeps the socket open."""
        if self._in_head or self._in_body or not self._busy():
            return False
        self._deaf = True
        self.cycle.keep_alive = False
        return True

    def pause_writing(self) -> None:
        """The client does not take its answer."""
        super().pause_writing()
        self._polite.expect_progress()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing came after the last answer."""
        self._polite.close()

    # Bytes

    def data_received(self, data: bytes) -> None:
        """Feed the parser, then look at what is unfinished."""
        if self._deaf:
            self._polite.drop(len(data))
            return
        self._unset_keepalive_if_required()
        self._segment_bytes = len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self._refuse(self._found or _no_http())
            return
        if self._in_head:
            self._await_head()
            self._head_bytes += len(data)
            if len(self.url) > self.limits.max_target_bytes:
                self._refuse(long_target(self.limits))
            elif self._head_bytes > self.limits.max_header_bytes:
                self._refuse(large_head(self.limits))
        elif self._in_body:
            self._begun = not self.pipeline  # where requests are before it, it waits
            self._bodiless_bytes += len(data)
            if self._bodiless_bytes > self.limits.max_header_bytes:
                self._refuse(large_head(self.limits))
        elif not self._busy():
            self._await_head()  # empty lines between requests

    def _feed(self, data: bytes) -> None:
        while data:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as wish:
                # None is offered, but the parser would take the body for the other protocol: the request
                # is parsed again without its wish. Java's client wishes for HTTP/2 in its first request.
                (parsed_bytes,) = wish.args
                data = self._plain_head + data[parsed_bytes:]
                self._plain_head = b""
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn

    def on_message_begin(self) -> None:
        """A request begins; the segment that it begins in holds more than its head, and is not counted."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = -self._segment_bytes

    def on_headers_complete(self) -> None:
        """Refuse a head that breaks a bound; else start or queue the request."""
        self._check_head()
        if self.parser.should_upgrade():
            version = self.parser.get_http_version()
            method = self.parser.get_method()
            if method == b"CONNECT":
                self._stop(_no_http())
            self._plain_head = head_without_upgrade(method, self.url, version, self.headers)
            return
        super().on_headers_complete()
        self._in_head = False
        self._in_body = True
        self._begun = False
        self._bodiless_bytes = -self._segment_bytes
        self.headers = []  # for trailers, which nobody reads
        self._cancel_head_timer()

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        self._bodiless_bytes = -self._segment_bytes
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete, mostly before its answer was begun."""
        if self._plain_head:
            return  # it will be parsed again
        self._in_body = False
        if not self._begun:
            self.scope[WHOLE_BODY] = bytes(self.cycle.body)  # type: ignore[typeddict-unknown-key]
        super().on_message_complete()

    def _should_upgrade(self) -> bool:
        return False  # never asked in the requests that are left

    # Requests and answers

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        cycle.scope[ANSWER_AT_ONCE] = self._answer_at_once  # type: ignore[typeddict-unknown-key]
        super()._start_asgi_task(cycle, app)

    def _answer_at_once(self, scope: Any, status: int, media_type: bytes, body: bytes) -> bool:
        cycle = self._running
        if cycle is None or cycle.scope is not scope:
            return False
        return self._whole_answers.write(cycle, status, media_type, body)

    def on_response_complete(self) -> None:
        """Start the next request, or end a connection that has no next one."""
        last = not self.pipeline
        super().on_response_complete()
        if last and not self.transport.is_closing():
            self._cancel_head_timer()
            if self._refusal is not None:
                self._answer(self._refusal)
            elif self._in_body:  # answered before it was read: what follows is not the next request
                self.transport.close()
            elif self._in_head:
                self._await_head()

    def _busy(self) -> bool:
        cycle = self._running
        return cycle is not None and not cycle.response_complete and not cycle.disconnected

    def _hear_no_more(self) -> bool:
        """The connection ends; whether bytes of the client may be unread."""
        unread = self._deaf or self._in_head or self._in_body
        self._deaf = True
        return unread

    def _disconnect(self, cycle: RequestResponseCycle) -> None:
        """A request will not be complete, or its answer cannot be sent: who waits for either is told."""
        cycle.disconnected = True
        cycle.message_event.set()

    def _refuse(self, problem: Problem) -> None:
        """Answer what the application will not, after the requests before it, and end the connection."""
        self._deaf = True
        self._cancel_head_timer()
        if self._in_body:
            if self.pipeline:
                self.pipeline.popleft()  # the newest, not yet begun
            elif self.cycle.response_started:
                return  # another answer is on its way, and the connection ends after it
            else:
                self._disconnect(self.cycle)
        self._in_head = self._in_body = False
        if self._busy():
            self._refusal = problem
        else:
            self._answer(problem)

    def _answer(self, problem: Problem) -> None:
        problem.close = True
        body = problem.body()
        headers = [*self.server_state.default_headers, *API_HEADERS, *problem.headers(body)]
        lines = [STATUS_LINE[problem.status], *(b"%b: %b\r\n" % header for header in headers)]
        self.transport.write(b"".join((*lines, b"\r\n", body)))
        self.transport.close()

    # Heads

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.limits.header_timeout_s, self._slow_head)

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _slow_head(self) -> None:
        self._head_timer = None
        if self._busy():
            return  # with the requests before it: its time begins after them
        if self._in_head:
            problem = f"the headers were not complete after {self.limits.header_timeout_s:g} s"
            self._refuse(Problem(408, problem, fix="send them at once"))
        else:
            self._polite.close()

    def _check_head(self) -> None:
        limits = self.limits
        begun_here = self._head_bytes < 0
        refusal = refusal_of_head(
            self.url,
            self.headers,
            self.parser.get_http_version,
            limits,
            known_to_be_short=begun_here and self._segment_bytes <= limits.max_header_bytes,
        )
        if refusal is not None:
            self._stop(refusal)
        if len(self.pipeline) >= limits.max_pipelined:
            self._stop(_too_many("requests were sent without waiting for answers"))

    def _stop(self, problem: Problem) -> NoReturn:
        """End the parser's work from inside one of its callbacks."""
        self._found = problem
        raise problem


def _no_http() -> Problem:
    return Problem(400, "this is not a valid HTTP/1.1 request", fix="check the client")


def _too_many(what: str) -> Problem:
    return Problem(503, f"too many {what}", fix="try again", retry_after_s=RETRY_AFTER_S)
