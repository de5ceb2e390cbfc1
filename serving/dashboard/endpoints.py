"""The routes of the page, and the task that samples the scorer and feeds the open pages.

    GET /                         the dashboard, or the sign-in
    GET /events                   what changes, as server-sent events
    GET /decisions?transaction_id the dashboard with what is on record about a transaction
    POST /mode                    plan B by hand; with API keys the admin's is typed in each time
    POST /drift-report            begin a drift report; the page lists those that are kept
    POST /sign-in, /sign-out      a session that may read
    GET /assets/...               style, script and icon

Without API keys (the demo, which only this machine reaches) nobody signs in. Forms are taken from pages of
this service alone: a page of another site could send them with a person's cookie, or to a demo.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from time import monotonic
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fraud_system.limits import MAX_ID_BYTES
from serving.api_keys import Door
from serving.dashboard.page import ASSETS, Page, asset
from serving.dashboard.rendered import Rendered, versions
from serving.dashboard.ring import Ring
from serving.dashboard.sessions import Sessions, cookie_of, set_cookie
from serving.dashboard.shown import Asked, Now, now_of
from serving.dashboard.stream import Readers, stream
from serving.endpoints import KEY_NAME, Entrance, Handlers
from serving.problems import Problem, problem_of
from serving.reports import DriftReportAsked
from serving.request_body import close_if_unread
from serving.security_headers import ASSET_HEADERS, PAGE_HEADERS, Headers
from serving.service import Service

FORM: Final = b"application/x-www-form-urlencoded"
HTML: Final = b"text/html; charset=utf-8"
MAX_FORM_BYTES: Final = 8 * 1024
SAMPLE_EVERY_S: Final = 1.0
LOOK_EVERY_S: Final = 0.25  # whether the service is to end
COMPRESSION: Final = 6  # a full page in some 3 ms
# With no-referrer a browser says of its own forms that they come from "null".
_HEADERS: Final[Headers] = tuple(
    (name, b"same-origin" if name == b"referrer-policy" else value) for name, value in PAGE_HEADERS
)
Answer = tuple[int, bytes, bytes, Headers]  # status, media type, body, further headers
Handle = Callable[["Request"], Awaitable[Answer]]


class Request:
    """One request: its headers, fields of the query and, once read, of the form."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope, self.receive = scope, receive
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.query = fields(scope.get("query_string", b""))
        self.form: dict[str, str] = {}

    @property
    def session(self) -> str:
        """The session's id, as sent."""
        return cookie_of(self.headers)


class Dashboard:
    """The page of one scorer.

    Args:
        service: what is shown.
        work: does what the forms ask for.
        door, entrance: see `api_keys` and `endpoints`.
    """

    def __init__(self, service: Service, work: Handlers, door: Door, entrance: Entrance) -> None:
        self.ring, self.readers, self.sessions = Ring(), Readers(), Sessions()
        features = service.system.settings.features
        self.page = Page({each.name: each.words for each in features.features})
        self._service, self._work, self._door, self._entrance = service, work, door, entrance
        self._needs_key = service.configuration.api_keys_file is not None
        self._rendered = Rendered(self.page)

    def routes(self) -> list[Route]:
        """All of them."""
        listed = [
            Route("/", _Endpoint(self, self.show), methods=["GET"]),
            Route("/decisions", _Endpoint(self, self.look_up), methods=["GET"]),
            Route("/events", self.live, methods=["GET"]),
            Route("/mode", _Endpoint(self, self.switch), methods=["POST"]),
            Route("/drift-report", _Endpoint(self, self.drift_report), methods=["POST"]),
            Route("/sign-in", _Endpoint(self, self.sign_in), methods=["POST"]),
            Route("/sign-out", _Endpoint(self, self.sign_out), methods=["POST"]),
        ]
        # Starlette takes a bound method for a function of a request; these are ASGI applications.
        listed[2].app = self.live
        for name, media in ASSETS.items():
            listed.append(Route(f"/assets/{name}", _Asset(name, media), methods=["GET"]))
        for each in listed:
            if each.path != "/events":  # what is sent piece by piece must not wait to be compressed
                each.app = GZipMiddleware(each.app, compresslevel=COMPRESSION)
        return listed

    async def run(self) -> None:
        """Sample the scorer and feed the open pages, until the service is to end."""
        sampled_s = -SAMPLE_EVERY_S
        while not self._service.stopping():
            now_s = monotonic()
            if now_s - sampled_s >= SAMPLE_EVERY_S:
                sampled_s = now_s
                self.ring.take(self._service.telemetry, now_s)
                if len(self.readers):
                    await self._feed_or_end()
            await asyncio.sleep(LOOK_EVERY_S)
        self.readers.end()

    # What is shown

    async def show(self, request: Request) -> Answer:
        """The dashboard, or the sign-in."""
        return self._answer(request, Asked())

    async def look_up(self, request: Request) -> Answer:
        """The dashboard with what is on record about a transaction."""
        sought = request.query.get("transaction_id", "").strip()
        if not self.may_read(request):
            return self._answer(request, Asked())
        if not sought or len(sought.encode()) > MAX_ID_BYTES:
            problem = f"Give the id of a transaction, of at most {MAX_ID_BYTES} bytes."
            return self._answer(request, Asked(problem=problem, at="lookup"), 422)
        try:
            found = await self._work.explanation(sought)
        except Problem as problem:
            asked = Asked(problem=_sentence(problem), at="lookup", sought=sought)
            return self._answer(request, asked, problem.status)
        return self._answer(request, Asked(sought=sought, found=found))

    # What is done

    async def switch(self, request: Request) -> Answer:
        """Force plan B, or release it."""
        mode, reason = request.form.get("mode", ""), request.form.get("reason", "").strip()
        try:
            if self._needs_key:
                request.scope[KEY_NAME] = self._entrance.let_in(_bearer(request), "admin")
            asked = msgspec.json.encode({"mode": mode, "reason": reason})
            await self._work.mode(request.scope, asked)
        except Exception as error:
            problem = problem_of(error)
            if problem.status >= 500:
                self._service.failed_at("mode", error)
            sentence = _sentence(problem)
            if not self.may_read(request):  # nothing of the page is for them
                raise problem from error
            asked_again = Asked(problem=sentence, at="mode", mode=mode, reason=reason)
            return self._answer(request, asked_again, problem.status)
        return 303, HTML, b"", ((b"location", b"/"),)

    async def drift_report(self, request: Request) -> Answer:
        """Begin a drift report of the last week, in a process of its own."""
        try:
            if self._needs_key:
                self._entrance.let_in(_bearer(request), "admin")
            self._service.reports.start(DriftReportAsked())
        except Problem as problem:
            if not self.may_read(request):
                raise
            return self._answer(
                request, Asked(problem=_sentence(problem), at="report"), problem.status
            )
        return 303, HTML, b"", ((b"location", b"/#reports-title"),)

    async def sign_in(self, request: Request) -> Answer:
        """Exchange a key for a session."""
        bearer = _bearer(request)
        try:
            self._entrance.let_in(bearer, "read")
        except Problem as problem:
            body = self.page.sign_in(Asked(problem=_sentence(problem), at="sign-in"))
            return problem.status, HTML, body, ()
        key_id = bearer.split(b"_")[1] if self._needs_key else b""
        made = self.sessions.begin(lambda: self._door.allows(key_id, "read"))
        over_tls = request.headers.get(b"origin", b"").startswith(b"https:")
        cookie = (b"set-cookie", set_cookie(made, over_tls))
        return 303, HTML, b"", ((b"location", b"/"), cookie)

    async def sign_out(self, request: Request) -> Answer:
        """End a session."""
        self.sessions.end(request.session)
        return 303, HTML, b"", ((b"location", b"/"), (b"set-cookie", set_cookie("", False)))

    # Live

    async def live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Server-sent events, for as long as the page is open."""
        try:
            request = Request(scope, receive)
            if not self.may_read(request):
                raise Problem(401, "sign in first", fix="load / in a browser")
            if scope["method"] == "HEAD":
                await _send(send, 200, b"text/event-stream", b"", _HEADERS)
                return
            has = versions(request.query.get("have", ""))
            reader = self.readers.admit(lambda: self.may_read(request), has)
            self._rendered.clear()  # what was rendered for others may be older than the page
        except Problem as problem:
            await self.send_error(send, problem)
            return
        self._service.telemetry.answers["events", 200] += 1
        gone = asyncio.ensure_future(_until_gone(receive))
        try:
            headers = [(b"content-type", b"text/event-stream"), *_HEADERS]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await stream(reader, send, gone)
            await send({"type": "http.response.body", "body": b""})
        finally:
            self.readers.leave(reader)
            gone.cancel()

    async def _feed_or_end(self) -> None:
        """Where nothing can be rendered the streams end: pages say that they are not live, and ask again."""
        try:
            await self._feed()
        except Exception as error:
            self._service.failed_at("events", error)
            self.readers.send_away()

    async def _feed(self) -> None:
        """Render what may have changed, and give it to all readers."""
        now, view, reports = self._now(), self._service.view, self._service.reports.states().reports
        pieces = await self._rendered.pieces(now, view, reports)
        self.readers.give(pieces, now.page_title, f"{now.title}.")

    # What all share

    def may_read(self, request: Request) -> bool:
        """Whether the page is for whoever asks."""
        return not self._needs_key or self.sessions.is_open(request.session)

    async def read_form(self, request: Request) -> None:
        """Take a form, from a page of this service.

        Raises:
            Problem: it comes from elsewhere, or is none.
        """
        try:
            check_origin(request.headers)
            media = request.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
            if media != FORM:
                raise Problem(415, "this is no form", field="Content-Type", fix="use the page")
        except Problem as problem:
            close_if_unread(request.scope, problem)
            raise
        body = await self._entrance.body(request.scope, request.receive, MAX_FORM_BYTES)
        request.form = fields(body)

    def _now(self) -> Now:
        return now_of(self._service, self.ring, monotonic())

    def _answer(self, request: Request, asked: Asked, status: int = 200) -> Answer:
        if not self.may_read(request):
            return status, HTML, self.page.sign_in(Asked()), ()
        reports = tuple(self._service.reports.states().reports)
        asked = replace(
            asked, can_sign_out=self._needs_key, needs_key=self._needs_key, reports=reports
        )
        return status, HTML, self.page.whole(self._now(), self._service.view, asked), ()

    async def send_error(self, send: Send, problem: Problem) -> None:
        """Answer with a page that says what went wrong."""
        document = problem.document
        texts = (f"{each[:1].upper()}{each[1:]}" for each in (document.detail, document.fix))
        body = self.page.error(document.title, *texts)
        more = [(n, v) for n, v in problem.headers(body) if n in (b"retry-after", b"connection")]
        await _send(send, problem.status, HTML, body, (*_HEADERS, *more))


class _Endpoint:
    """One route: the form is read, the answer counted and sent."""

    def __init__(self, dashboard: Dashboard, handle: Handle) -> None:
        self._dashboard, self._handle = dashboard, handle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        dashboard, name = self._dashboard, "page_" + self._handle.__name__
        counted = dashboard._service.telemetry.answers
        try:
            request = Request(scope, receive)
            if scope["method"] == "POST":
                await dashboard.read_form(request)
            status, media, body, more = await self._handle(request)
        except Exception as error:
            problem = problem_of(error)
            if problem.status >= 500:
                dashboard._service.failed_at(name, error)
            counted[name, problem.status] += 1
            await dashboard.send_error(send, problem)
            return
        counted[name, status] += 1
        await _send(send, status, media, body, (*_HEADERS, *more))


class _Asset:
    """A file of the wheel; its address has a version, so browsers keep it."""

    def __init__(self, name: str, media: bytes) -> None:
        self._name, self._media = name, media

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await _send(send, 200, self._media, asset(self._name), ASSET_HEADERS)


def fields(encoded: bytes) -> dict[str, str]:
    """Of a query or a form; of a field that comes twice the last one.

    Raises:
        Problem: 400, it is none.

    >>> fields(b"mode=model&reason=a+b")
    {'mode': 'model', 'reason': 'a b'}
    """
    try:
        text = encoded.decode("ascii")
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=16, errors="strict"))
    except ValueError as error:
        raise Problem(400, "the fields cannot be read", fix="use the forms of the page") from error


def check_origin(headers: dict[bytes, bytes]) -> None:
    """Refuse a form that a page of another site sent; browsers say where it comes from.

    Raises:
        Problem: 403.

    >>> check_origin({b"sec-fetch-site": b"same-origin"})
    >>> check_origin({b"origin": b"http://127.0.0.1:8000", b"host": b"127.0.0.1:8000"})
    >>> check_origin({b"origin": b"https://evil.example", b"host": b"127.0.0.1:8000"})
    Traceback (most recent call last):
    serving.problems.Problem: Origin: the form does not come from a page of this service (fix: ...)
    """
    site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin", b"")
    if site is not None:
        is_own = site == b"same-origin"
    else:
        is_own = bool(origin) and origin.partition(b"://")[2] == headers.get(b"host")
    if not is_own:
        raise Problem(
            403,
            "the form does not come from a page of this service",
            field="Origin",
            fix="use the page itself, or the API",
        )


def _bearer(request: Request) -> bytes:
    return b"Bearer " + request.form.get("key", "").strip().encode()


def _sentence(problem: Problem) -> str:
    document = problem.document
    text = document.detail
    if document.field in ("mode", "reason"):  # the others are clear from the form
        text = f"{document.field}: {text}"
    text = text[0].upper() + text[1:] + "."
    if document.status == 401:
        return "The API key is not known, or has expired."
    return f"{text} {document.fix[0].upper()}{document.fix[1:]}." if document.fix else text


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, status: int, media: bytes, body: bytes, more: Headers) -> None:
    headers = [(b"content-type", media), (b"content-length", b"%d" % len(body)), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
