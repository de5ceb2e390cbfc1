"""The routes' work: from a checked request to the bytes of an answer.

Each endpoint is a plain ASGI application behind FastAPI's router: who asks is checked first, then the body is
read within its bounds, decoded and checked in one pass, handed to the engine's task, and the answer encoded.
The declared types are those of `wire`; the OpenAPI document is made from the same ones (`openapi`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from fraud_system.engine import Engine
from fraud_system.errors import FraudSystemError
from fraud_system.events import Frame, Health
from fraud_system.keys import key_of
from fraud_system.switching import Switch
from serving.answer_at_once import send_answer
from serving.api_keys import Door
from serving.arrow_rows import ArrowRows, arrow_answers
from serving.columns import JsonRows, check_ids, time_us
from serving.configuration import Configuration
from serving.problems import Problem, problem_of, send_problem
from serving.rate import RateLimit
from serving.request_body import BodyBudget, close_if_unread, read_body
from serving.security_headers import API_HEADERS, Headers
from serving.service import Service
from serving.state import model_state
from serving.system import read_champion
from serving.wire import (
    ChampionLoaded,
    Decision,
    Explanation,
    Label,
    LabelReceipt,
    ModeChange,
    ModeChanged,
    Moment,
    RowProblem,
    decoder,
    transaction_type,
)

FIRST_YEAR, LAST_YEAR = 1970, 2199  # of Known-Time: a clock never goes back, so a slip would stay
BODIES_AT_ONCE = 8  # of the largest size, while they arrive
JSON = b"application/json"
ARROW = b"application/vnd.apache.arrow.stream"
KEY_NAME = "api_key_name"  # in the scope of a request: whose key it came with
Answer = tuple[int, bytes, bytes]  # status, media type, body
Handle = Callable[[Scope, bytes], Awaitable[Answer]]
_encode = msgspec.json.Encoder().encode


class Entrance:
    """What every request passes: keys, rates, and bounds of bodies that are shared by all routes.

    Args:
        configuration: the bounds.
        door: checks keys.
    """

    def __init__(self, configuration: Configuration, door: Door) -> None:
        self._door = door
        self._rates = RateLimit(
            configuration.requests_per_key_per_s, configuration.requests_per_key_burst
        )
        self._budget = BodyBudget(BODIES_AT_ONCE * configuration.max_batch_body_bytes)
        self._timeout_s = configuration.body_timeout_s

    def let_in(self, authorization: bytes | None, scope: Any) -> str:
        """The name of the key of whoever asks; raises a 401, 403 or 429 unless they may, now."""
        name = self._door.check(authorization, scope)
        self._rates.take(name, monotonic())
        return name

    def body(self, scope: Scope, receive: Receive, max_bytes: int) -> Awaitable[bytes]:
        """The body of a request, within all bounds."""
        return read_body(scope, receive, max_bytes, self._timeout_s, self._budget)


class Endpoint:
    """One route: checks who asks, reads, handles, answers.

    Args:
        service: whose telemetry counts the answers.
        handle: makes the answer.
        entrance: see there.
        scope: what the key must allow.
        max_body_bytes: 0 where no body belongs.
        media: of the body.
        security: headers of its answers; refusals have those of the API.
        opens: whether a request may pass without a key, by its headers: a browser's session.
    """

    def __init__(
        self,
        service: Service,
        handle: Handle,
        entrance: Entrance,
        scope: Any,
        name: str,
        max_body_bytes: int = 0,
        media: tuple[bytes, ...] = (JSON,),
        security: Headers = API_HEADERS,
        opens: Callable[[dict[bytes, bytes]], bool] | None = None,
    ) -> None:
        self._service = service
        self._handle = handle
        self._scope = scope
        self._name = name
        self._max_body_bytes = max_body_bytes
        self._media = media
        self._entrance = entrance
        self._security = security
        self._opens = opens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        counted = self._service.telemetry.answers
        try:
            headers = dict(scope["headers"])
            try:
                if self._opens is None or not self._opens(headers):
                    name = self._entrance.let_in(headers.get(b"authorization"), self._scope)
                    scope[KEY_NAME] = name
                if self._max_body_bytes and headers.get(b"content-type") != JSON:
                    self._check_media(scope)
            except Problem as refused:
                close_if_unread(scope, refused)
                raise
            body = b""
            if self._max_body_bytes:
                body = await self._entrance.body(scope, receive, self._max_body_bytes)
            if b"known-time" in headers:
                self._service.clock.advance(_moment(headers[b"known-time"]))
            status, media, answer = await self._handle(scope, body)
        except Exception as error:
            problem = problem_of(error)
            if problem.status >= 500:
                self._service.failed_at(self._name, error)
            counted[self._name, problem.status] += 1
            await send_problem(send, problem, *API_HEADERS)
            return
        counted[self._name, status] += 1
        await send_answer(scope, send, status, media, answer, self._security)

    def _check_media(self, scope: Scope) -> None:
        """Refuse what is not said to be JSON: a page of another site may send that without asking first."""
        found = _header(scope, b"content-type")
        if found not in self._media:
            taken = " or ".join(media.decode() for media in self._media)
            raise Problem(
                415,
                f"the body is said to be {found.decode('latin-1')!r}" if found else "not said what",
                field="Content-Type",
                fix=f"send {taken}",
            )


class _SoAlready(FraudSystemError):
    """Whoever was asked for answers already."""


class Handlers:
    """What the routes do.

    Args:
        service: see there.
    """

    def __init__(self, service: Service) -> None:
        kind = transaction_type(service.system.schema)
        self._service = service
        self._max_rows = service.configuration.max_batch_rows
        self._transaction = decoder(kind)
        self._transactions: msgspec.json.Decoder[list[Any]] = decoder(list[kind])  # type: ignore[valid-type]
        self._labels = decoder(Label | list[Label])  # type: ignore[arg-type]
        self._mode = decoder(ModeChange)

    async def score(self, scope: Scope, body: bytes) -> Answer:
        """One transaction."""
        row = self._transaction.decode(body)
        check_ids([row.transaction_id], in_array=False)  # type: ignore[attr-defined]
        answer = await self._service.task.waiting.single(row)
        if isinstance(answer, Problem):
            raise answer
        return 200, JSON, _encode(answer)

    async def score_batch(self, scope: Scope, body: bytes) -> Answer:
        """Many transactions, as JSON or Arrow; refused as a whole where one of them is malformed."""
        waiting, schema = self._service.task.waiting, self._service.system.schema
        if _header(scope, b"content-type") == ARROW:
            table = ArrowRows(body, schema, self._max_rows)
            return 200, ARROW, arrow_answers(table.ids, await waiting.bulk(table))
        rows = self._transactions.decode(body)
        self._check_rows(len(rows))
        sent_ids = [row.transaction_id for row in rows]
        check_ids(sent_ids)
        answers = await waiting.bulk(JsonRows(rows, self._service.columns))
        return 200, JSON, _encode(_each(answers, sent_ids))

    async def label(self, scope: Scope, body: bytes) -> Answer:
        """One report, or many."""
        sent = self._labels.decode(body)
        reports = [sent] if isinstance(sent, Label) else sent
        self._check_rows(len(reports))
        check_ids([each.transaction_id for each in reports], in_array=isinstance(sent, list))
        answers = await self._service.task.waiting.reports(reports)
        if isinstance(sent, list):
            return 200, JSON, _encode(_each(answers, [each.transaction_id for each in sent]))
        (answer,) = answers
        if isinstance(answer, Problem):
            raise answer
        return 200, JSON, _encode(answer)

    async def decision(self, scope: Scope, body: bytes) -> Answer:
        """Everything on record about one transaction."""
        return 200, JSON, _encode(await self.explanation(scope["path_params"]["transaction_id"]))

    async def explanation(self, transaction_id: str) -> Explanation:
        """Everything on record about one transaction.

        Raises:
            Problem: 404, there is none.
        """
        task = self._service.task
        key = key_of(transaction_id)
        status = task.engine.label_status(key)
        found: Explanation | None = await task.read(task.records.explanation, key, status)
        if found is None:
            raise Problem(
                404, "no such transaction is on record", field="transaction_id", fix="check the id"
            )
        return found

    async def model(self, scope: Scope, body: bytes) -> Answer:
        """What answers now, and how far behind its learner is."""
        return 200, JSON, _encode(model_state(self._service))

    async def mode(self, scope: Scope, body: bytes) -> Answer:
        """Force plan B, or release it; where it is so already nothing is recorded."""
        asked = self._mode.decode(body)
        health = Health.MODEL if asked.mode == "model" else Health.FORCED
        # Without keys there is no name to tell.
        name = scope.get(KEY_NAME) if self._service.configuration.api_keys_file else None
        evidence = "" if name is None else f"by key {name}"
        switch = Switch(health, asked.reason, by_hand=True, evidence=evidence)

        def change(engine: Engine) -> Frame:
            if engine.health == health:
                raise _SoAlready("it is so already", field="mode")
            return engine.switch(switch)

        try:
            seq: int | None = (await self._service.task.waiting.change(change)).last_seq
        except _SoAlready:
            seq = self._service.switch_seq
        return 200, JSON, _encode(ModeChanged(asked.mode, seq))

    async def champion(self, scope: Scope, body: bytes) -> Answer:
        """Serve the exported model that lies in the directory of the configuration."""
        directory = self._service.configuration.champion_dir
        if directory is None:
            raise Problem(
                404,
                "no directory is configured",
                field="FRAUD_CHAMPION_DIR",
                fix="set it, start anew",
            )
        task = self._service.task
        load = await asyncio.to_thread(read_champion, directory, task.engine.settings)
        frame = await task.waiting.change(load)
        return 200, JSON, _encode(ChampionLoaded(task.engine.weights_version, frame.last_seq))

    def _check_rows(self, rows: int) -> None:
        if rows > self._max_rows:
            raise Problem(
                413,
                f"{rows} rows, at most {self._max_rows} are taken",
                field="body",
                fix="send them in parts",
            )


def _each(
    answers: Sequence[Decision | LabelReceipt | Problem], sent_ids: Sequence[str]
) -> list[Decision | LabelReceipt | RowProblem]:
    return [
        RowProblem(sent, answer.document) if isinstance(answer, Problem) else answer
        for answer, sent in zip(answers, sent_ids, strict=True)
    ]


def _header(scope: Scope, name: bytes) -> bytes:
    """The value of a header without its parameters; empty where there is none."""
    for key, value in scope["headers"]:
        if key == name:
            found: bytes = value.partition(b";")[0].strip().lower()
            return found
    return b""


def _moment(header: bytes) -> int:
    """Microseconds since 1970 of an RFC 3339 time with an offset."""
    try:
        moment = msgspec.convert(header.decode("ascii"), Moment)
        if FIRST_YEAR <= moment.year <= LAST_YEAR:
            return time_us(moment)
    except (ValueError, msgspec.ValidationError):
        pass
    raise Problem(
        400,
        f"no time with an offset, in the years {FIRST_YEAR} to {LAST_YEAR}",
        field="Known-Time",
        fix="e.g. 2026-01-31T12:00:00Z",
    )
