"""The application: which route does what, and who may ask. The one place where serving is wired together.

FastAPI routes, documents and handles errors; the routes that are called thousands of times a second are plain
ASGI endpoints behind its router, because checking and encoding a second time costs more than scoring.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from serving.configuration import Configuration
from serving.dashboard.endpoints import Dashboard
from serving.dashboard.sessions import Sessions, cookie_of
from serving.endpoints import ARROW, JSON, Answer, Endpoint, Entrance, Handle, Handlers
from serving.openapi import OpenApi
from serving.problems import Problem, problem_of
from serving.report_endpoints import ReportHandlers
from serving.reports import FIGURES, PAGE
from serving.request_body import close_if_unread
from serving.security_headers import API_HEADERS, REPORT_HEADERS, Headers
from serving.service import Service
from serving.state import metrics_text
from serving.workers.supervisor import Supervisor

OFTEN = ("/v1/score", "/v1/score/batch", "/v1/labels")
PROMETHEUS = b"text/plain; version=0.0.4; charset=utf-8"


class Shortcut:
    """Sends the routes that are called most straight to their endpoints, everything else to FastAPI.

    An endpoint checks keys and bounds and answers its own errors, so nothing is left out but the cost of
    layers that would do nothing (measured: a third of an empty route's time).

    Args:
        app: the whole application.
        routes: those of `app` that are to be found at once; their paths have no parameters.
    """

    def __init__(self, app: FastAPI, routes: Iterable[Route]) -> None:
        self.app = app
        self._endpoints = {
            (method, route.path): route.endpoint
            for route in routes
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        found = None
        if scope["type"] == "http":
            found = self._endpoints.get((scope["method"], scope["path"]))
        await (found or self.app)(scope, receive, send)


def make_app(
    configuration: Configuration, supervised: Callable[..., Supervisor] = Supervisor
) -> Shortcut:
    """The application of one scorer; its state is `app.state.service` of the FastAPI application in it.

    Args:
        configuration, supervised: see `Service`.

    Raises:
        ConfigError: schema, settings and ledger do not fit, or the keys cannot be used.
    """
    service = Service(configuration, supervised=supervised)
    work, entrance = Handlers(service), Entrance(configuration, service.door)
    dashboard = Dashboard(service, work, service.door, entrance)
    reports = _report_routes(service, entrance, dashboard.sessions)
    routes = _routes(service, work, entrance) + reports + dashboard.routes()
    app = FastAPI(
        title="Fraud scorer",
        routes=list(routes),
        lifespan=_lifespan,
        openapi_url=None,  # the route below sends security headers
        docs_url=None,  # they would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False},
        exception_handlers={HTTPException: _not_routed, Exception: _failed},
    )
    app.state.service, app.state.dashboard = service, dashboard
    return Shortcut(app, [route for route in routes if route.path in OFTEN])


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Take the ledger before the port is opened; get ready behind the open port."""
    service: Service = app.state.service
    service.open()
    starting = asyncio.create_task(service.start(), name="start")
    showing = asyncio.create_task(app.state.dashboard.run(), name="dashboard")
    try:
        yield
    finally:
        showing.cancel()
        if not starting.done():
            starting.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await starting
        await service.stop()


def _routes(service: Service, work: Handlers, entrance: Entrance) -> list[Route]:
    limits = service.configuration

    def route(
        path: str,
        handle: Any,
        scope: str,
        max_body_bytes: int = 0,
        method: str = "",
        media: tuple[bytes, ...] = (JSON,),
    ) -> Route:
        name = handle.__name__
        endpoint = Endpoint(service, handle, entrance, scope, name, max_body_bytes, media)
        return Route(path, endpoint, methods=[method or ("POST" if max_body_bytes else "GET")])

    async def metrics(scope: Any, body: bytes) -> Answer:
        return 200, PROMETHEUS, metrics_text(service)

    document = OpenApi(service.system.schema)

    async def openapi(request: Request) -> Response:
        return _answer(document.encoded(service.clock.now_us()))

    return [
        route("/v1/score", work.score, "score", limits.max_body_bytes),
        route(
            "/v1/score/batch",
            work.score_batch,
            "score",
            limits.max_batch_body_bytes,
            media=(JSON, ARROW),
        ),
        route("/v1/labels", work.label, "label", limits.max_batch_body_bytes),
        route("/v1/decisions/{transaction_id:path}", work.decision, "read"),
        route("/v1/model", work.model, "read"),
        route("/v1/admin/mode", work.mode, "admin", limits.max_body_bytes),
        route("/v1/admin/champion", work.champion, "admin", method="POST"),
        route("/metrics", metrics, "read"),
        Route("/healthz", _healthz),
        Route("/readyz", _readyz),
        Route("/openapi.json", openapi),
    ]


def _report_routes(service: Service, entrance: Entrance, sessions: Sessions) -> list[Route]:
    """Of drift reports; who is signed in to the page may read them, too."""
    work = ReportHandlers(service.reports)

    def read(path: str, handle: Handle, security: Headers = API_HEADERS) -> Route:
        endpoint = Endpoint(
            service,
            handle,
            entrance,
            "read",
            handle.__name__,
            security=security,
            opens=lambda headers: sessions.is_open(cookie_of(headers)),
        )
        return Route(path, endpoint, methods=["GET"])

    name, most_bytes = work.drift_report.__name__, service.configuration.max_body_bytes
    begin = Endpoint(service, work.drift_report, entrance, "admin", name, most_bytes)
    return [
        Route("/v1/admin/drift-report", begin, methods=["POST"]),
        read("/v1/reports", work.reports),
        read("/v1/reports/{id}", work.report),
        read(f"/reports/{{id}}/{PAGE}", work.report_page, REPORT_HEADERS),
        read(f"/reports/{{id}}/{FIGURES}", work.report_figures),
    ]


async def _healthz(request: Request) -> Response:
    """The process runs; it does not say that transactions are answered."""
    return _answer(b'{"status":"alive"}')


async def _readyz(request: Request) -> Response:
    """Whether transactions are answered."""
    service: Service = request.app.state.service
    if service.ready:
        return _answer(b'{"status":"ready"}')
    why = "starting" if service.failed is None else "failed to start"
    if service.failed is None and service.started:
        why = "the ledger cannot be written"
    return _refusal(Problem(503, why, fix="look at the log of the service", retry_after_s=2))


async def _not_routed(request: Request, error: Exception) -> Response:
    """No such path, or not this method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    allowed = (getattr(error, "headers", None) or {}).get("Allow", "")
    path, fix = request.scope["path"], "see /openapi.json for the paths and their methods"
    problem = Problem(status, "there is no such path", field=path, fix=fix)
    if status == 405:
        allowed = ", ".join(sorted(allowed.split(", ")))
        problem = Problem(
            405, f"{request.method} is not for this path", field=path, fix=f"use {allowed}"
        )
    close_if_unread(request.scope, problem)
    answer = _refusal(problem)
    if allowed:
        answer.headers["allow"] = allowed
    return answer


async def _failed(request: Request, error: Exception) -> Response:
    """What nobody foresaw; uvicorn writes it to the log."""
    return _refusal(problem_of(error))


def _answer(body: bytes) -> Response:
    answer = Response(body)
    answer.raw_headers = [
        (b"content-type", JSON),
        (b"content-length", b"%d" % len(body)),
        *API_HEADERS,
    ]
    return answer


def _refusal(problem: Problem) -> Response:
    body = problem.body()
    answer = Response(body, status_code=problem.status)
    answer.raw_headers = [*problem.headers(body), *API_HEADERS]
    return answer
