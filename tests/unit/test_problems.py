"""Every error becomes one problem document that names the field and the fix, and nothing of the inside."""

import asyncio
import json
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import pytest

from fraud_system.errors import (
    ArtefactError,
    ConfigError,
    CorruptFrame,
    DataError,
    LedgerError,
    StaleWriter,
)
from serving.problems import Problem, ProblemDocument, problem_of, send_problem

RFC_3339 = "send RFC 3339 with an offset, e.g. 2025-01-31T12:00:00Z"


class Payment(msgspec.Struct, forbid_unknown_fields=True):
    card: Annotated[str, msgspec.Meta(max_length=8)]
    amount: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    extra: dict[str, float | None] = {}
    time: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    source: Literal["bank", "shop"] = "bank"
    note: Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f]+\Z")] = "-"


def of_json(text: bytes, type: Any = Payment) -> Problem:
    with pytest.raises((ValueError, RecursionError)) as caught:
        msgspec.json.decode(text, type=type)
    return problem_of(caught.value)


@pytest.mark.parametrize(
    ("body", "field", "fix"),
    [
        (b"{}", "card", "add it"),
        (b'{"card": 1}', "card", "send a text in quotes"),
        (b'{"card": "123456789"}', "card", "send a text in quotes of at most 8 characters"),
        (b'{"card": "1", "amount": -1}', "amount", "send a number of at least 0.0"),
        (b'{"card": "1", "amount": 1e400}', "amount", "send a smaller number"),
        (b'{"card": "1", "extra": {"a": "b"}}', "extra[...]", "send a number, or null"),
        (b'{"card": "1", "kard": 2}', "kard", "leave it out, or correct its name"),
        (b'{"card": "1", "time": "now"}', "time", RFC_3339),
        (b'{"card": "1", "time": "2026-01-31T12:00:00"}', "time", RFC_3339),
        (b'{"card": "1", "time": 5}', "time", RFC_3339),
        (b'{"card": "1", "source": "us"}', "source", "send one that /openapi.json lists"),
        (b'{"card": "1", "note": "a\\n"}', "note", "send printable characters"),
        (b'{"card": "1", "": 2}', '""', "leave it out, or correct its name"),
        (b"[]", "body", "send a JSON object"),
    ],
)
def test_a_wrong_value_names_the_field_and_the_fix(body: bytes, field: str, fix: str) -> None:
    problem = of_json(body)
    assert (problem.status, problem.field, problem.fix) == (422, field, fix)


def test_a_wrong_item_of_an_array_names_its_place() -> None:
    problem = of_json(b'[{"card": "1"}, {"amount": 2}]', list[Payment])
    assert (problem.status, problem.field) == (422, "[1].card")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"NaN",
        b'{"card": "\\ud800"}',
        b'{"card": "\xff"}',
        b"\xef\xbb\xbf{}",
        b'{"a":' * 5000,
    ],
)
def test_what_is_no_json_is_a_400_about_the_body(body: bytes) -> None:
    problem = of_json(body, dict if body.startswith(b'{"a"') else Payment)
    assert (problem.status, problem.field) == (400, "body")
    assert problem.fix


def test_a_field_name_as_long_as_a_body_is_quoted_in_part() -> None:
    problem = of_json(b'[{"card": "1", "' + b"x - at `" * 100_000 + b'": 2}]', list[Payment])
    assert problem.status == 422
    assert len(problem.body()) < 2_000


@pytest.mark.parametrize(
    ("error", "status", "retry_after_s"),
    [
        (DataError("is old", field="event_time", fix="send it sooner"), 422, None),
        (ArtefactError("has no weights", field="model", fix="export it again"), 409, None),
        (LedgerError("/secret/path is full"), 503, 1),
        (StaleWriter("/secret/path moved on"), 503, 1),
        (TimeoutError("/secret/path"), 503, 1),
        (CorruptFrame("/secret/path is damaged"), 500, None),
        (ConfigError("/secret/path is no schema"), 500, None),
        (KeyError("/secret/path"), 500, None),
    ],
)
def test_each_error_of_the_system_has_its_status(
    error: Exception, status: int, retry_after_s: int | None
) -> None:
    problem = problem_of(error)
    assert (problem.status, problem.retry_after_s) == (status, retry_after_s)
    assert b"secret" not in problem.body()
    if isinstance(error, DataError | ArtefactError):
        assert (problem.problem, problem.field, problem.fix) == (
            error.problem,
            error.field,
            error.fix,
        )


def test_a_problem_stays_itself() -> None:
    problem = Problem(429, "too many", retry_after_s=3)
    assert problem_of(problem) is problem


def test_the_body_is_the_document_that_the_openapi_shows() -> None:
    problem = Problem(422, "is negative", field="amount", fix="send 0 or more")
    assert msgspec.json.decode(problem.body(), type=ProblemDocument) == problem.document
    assert json.loads(Problem(404, "no such id").body()) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "no such id",
    }


def test_a_text_that_utf8_cannot_hold_is_still_an_answer() -> None:
    assert json.loads(Problem(422, "bad \ud800 id").body())["detail"] == "bad ? id"


@pytest.mark.parametrize(
    ("problem", "header"),
    [
        (Problem(503, "full", retry_after_s=7), (b"retry-after", b"7")),
        (Problem(401, "no key"), (b"www-authenticate", b'Bearer realm="fraud-system"')),
        (Problem(413, "too long", close=True), (b"connection", b"close")),
        (Problem(415, "gzip"), (b"accept-encoding", b"identity")),
    ],
)
def test_the_headers_say_what_the_status_asks_for(
    problem: Problem, header: tuple[bytes, bytes]
) -> None:
    headers = problem.headers()
    assert header in headers
    assert (b"content-length", str(len(problem.body())).encode()) in headers
    assert (b"content-type", b"application/problem+json") in headers


def test_an_asgi_answer_is_sent_with_further_headers() -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    problem = Problem(409, "other content")
    asyncio.run(send_problem(send, problem, (b"cache-control", b"no-store")))
    start, body = sent
    assert (start["type"], start["status"]) == ("http.response.start", 409)
    assert (b"cache-control", b"no-store") in start["headers"]
    assert body == {"type": "http.response.body", "body": problem.body()}
