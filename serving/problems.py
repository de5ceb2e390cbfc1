"""What the service answers when it cannot do as asked: one problem document for every error (RFC 9457).

Every refusal, at the socket, in a queue or in an endpoint, is a `Problem` before it is an answer, so that
all of them say the same things: what is wrong, which field, how to mend it, and whether to try again.
`problem_of` turns the errors of the rest of the system into problems; what nobody expected becomes a 500 that
tells nothing of the inside. `ProblemDocument` is also the type that the OpenAPI document shows.
"""

import re
from http import HTTPStatus
from typing import Any, Final

import msgspec

from fraud_system.errors import (
    ArtefactError,
    CorruptFrame,
    DataError,
    FraudSystemError,
    LedgerError,
)

MEDIA_TYPE: Final = b"application/problem+json"
RETRY_AFTER_S: Final = 1
_MAX_CHARACTERS: Final = (
    300  # of one text: a problem may quote what the client sent, but not all of it
)
_PATH = re.compile(r"(?:^(?P<problem>.*) - at |^(?P<of_key>.*) in )`(?P<path>[^`]*)`$", re.DOTALL)
_NAMED = re.compile(
    r"^Object (?P<what>missing required|contains unknown) field `(?P<name>.*)`$", re.DOTALL
)
_EXPECTED = re.compile(r"^expected `(?P<expected>.*?)`(?P<more> [^,`]*)?(?:, got .*)?$", re.DOTALL)
_PYTHON_NAME = re.compile(r"\b(?:str|float|int|bool|datetime)\b")
_JSON_NAMES = {
    "str": "string",
    "float": "number",
    "int": "integer",
    "bool": "boolean",
    "datetime": "time",
}
_IN_WORDS = {
    "string": "a text in quotes",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "a JSON object",
    "array": "a JSON array",
}
_BOUNDS_IN_WORDS = {
    "of length >=": "of at least {} characters",
    "of length <=": "of at most {} characters",
    ">=": "of at least {}",
    "<=": "of at most {}",
}
_BOUND = re.compile(r"^ ?(?P<bound>of length [<>]=|[<>]=) (?P<limit>[^ ]+)$")


class ProblemDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer's body, `application/problem+json`; empty `field` and `fix` are left out.

    Args:
        type: an address that identifies the kind; about:blank says that the status does.
        title: the name of the status.
        status: as in the answer's first line.
        detail: what is wrong, in one sentence.
        field: the field, header or setting that it concerns, e.g. `[3].amount` in an array.
        fix: what the sender can do about it.
    """

    type: str
    title: str
    status: int
    detail: str
    field: str = ""
    fix: str = ""


class Problem(FraudSystemError):
    """One refusal, to be raised anywhere between the socket and an endpoint.

    Args:
        status: of the answer, 400 to 599.
        problem: what is wrong, in one sentence.
        field: what it concerns.
        fix: what the sender can do about it.
        retry_after_s: the same request may be worth sending again after so many seconds.
        close: the connection is of no more use, e.g. because a body was not read.

    >>> problem = Problem(409, "is in use", field="transaction_id", fix="send a new id")
    >>> print(problem.body().decode())
    {"type":"about:blank","title":"Conflict","status":409,"detail":"is in
     use","field":"transaction_id","fix":"send a new id"}
    >>> Problem(503, "the queue is full", retry_after_s=2).headers()[-1]
    (b'retry-after', b'2')
    """

    def __init__(
        self,
        status: int,
        problem: str,
        *,
        field: str = "",
        fix: str = "",
        retry_after_s: int | None = None,
        close: bool = False,
    ) -> None:
        super().__init__(problem, field=field, fix=fix)
        self.status = status
        self.retry_after_s = retry_after_s
        self.close = close

    @property
    def document(self) -> ProblemDocument:
        """The body as a value, also for one item of a batch."""
        return ProblemDocument(
            type="about:blank",
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            detail=_presentable(self.problem),
            field=_presentable(self.field),
            fix=_presentable(self.fix),
        )

    def body(self) -> bytes:
        """The document as JSON, UTF-8."""
        return msgspec.json.encode(self.document)

    def headers(self, body: bytes | None = None) -> list[tuple[bytes, bytes]]:
        """The answer's own headers, as ASGI wants them; without a body it is rendered for its length."""
        length = len(self.body() if body is None else body)
        headers = [(b"content-type", MEDIA_TYPE), (b"content-length", b"%d" % length)]
        if self.close:
            headers.append((b"connection", b"close"))
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers.append((b"www-authenticate", b'Bearer realm="fraud-system"'))
        if self.status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
            headers.append((b"accept-encoding", b"identity"))
        if self.retry_after_s is not None:
            headers.append((b"retry-after", b"%d" % self.retry_after_s))
        return headers


async def send_problem(send: Any, problem: Problem, *more: tuple[bytes, bytes]) -> None:
    """Answer an ASGI request with a problem and `more` headers."""
    body = problem.body()
    headers = [*problem.headers(body), *more]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def problem_of(error: Exception) -> Problem:
    """The problem that an error means to a client; of an unforeseen one, nothing of the inside.

    >>> from fraud_system.errors import DataError
    >>> problem = problem_of(DataError("is negative", field="amount", fix="send 0 or more"))
    >>> problem.status, problem.field
    (422, 'amount')
    >>> problem_of(LedgerError("disk /var/x is full")).problem
    'the ledger cannot be reached or written now'
    >>> problem_of(ZeroDivisionError("division by zero")).status
    500
    """
    match error:
        case Problem():
            return error
        case msgspec.ValidationError():
            return _problem_of_validation(str(error))
        case msgspec.DecodeError() | UnicodeDecodeError() | RecursionError():
            return _problem_of_syntax(error)
        case DataError():
            return Problem(422, error.problem, field=error.field, fix=error.fix)
        case ArtefactError():
            return Problem(409, error.problem, field=error.field, fix=error.fix)
        case LedgerError() if not isinstance(error, CorruptFrame):
            # Its own text names files of this machine. Whether a failed commit was stored is not known to the
            # client, but need not be: the same id gets the first answer.
            return Problem(
                503,
                "the ledger cannot be reached or written now",
                fix="send the same request again: what was stored already is not stored twice",
                retry_after_s=RETRY_AFTER_S,
            )
        case TimeoutError():
            return Problem(
                503,
                "there was no answer in time",
                fix="send the same request again: what was stored already is not stored twice",
                retry_after_s=RETRY_AFTER_S,
            )
    return Problem(
        500, "the service failed at this request", fix="tell its operator; the log has more"
    )


def _problem_of_validation(message: str) -> Problem:
    """msgspec's sentence, taken apart: "Expected `str`, got `int` - at `$.card`".

    >>> problem = _problem_of_validation("Expected `str`, got `int` - at `$[2].card`")
    >>> problem.field, problem.problem, problem.fix
    ('[2].card', 'expected `string`, got `integer`', 'send a text in quotes')
    >>> problem = _problem_of_validation("Object missing required field `amount`")
    >>> problem.field, problem.problem, problem.fix
    ('amount', 'the field is missing', 'add it')
    """
    if (
        len(message) > 4 * _MAX_CHARACTERS
    ):  # it quotes a field's name, which may be as long as a body
        message = f"{message[:_MAX_CHARACTERS]}...{message[-_MAX_CHARACTERS:]}"
    placed = _PATH.match(message)
    problem, path = message, ""
    if placed is not None:
        problem = placed["problem"] or placed["of_key"]
        path = placed["path"].removeprefix("$").removeprefix(".")
    named = _NAMED.match(problem)
    if named is not None:
        name = named["name"] or '""'
        field = f"{path}.{name}" if path else name
        if named["what"] == "missing required":
            return Problem(422, "the field is missing", field=field, fix="add it")
        return Problem(
            422, "no such field is known", field=field, fix="leave it out, or correct its name"
        )
    field = path or "body"
    if "matching regex" in problem:  # the only ones among the types of the wire are those of texts
        return Problem(
            422, "control characters are not taken", field=field, fix="send printable characters"
        )
    if problem.startswith("Expected "):
        problem = _PYTHON_NAME.sub(lambda name: _JSON_NAMES[name[0]], problem)
        problem = "e" + problem[1:]
    expected = _EXPECTED.match(problem)
    fix = f"send {_in_words(expected['expected'], expected['more'] or '')}" if expected else ""
    if problem.startswith("Invalid enum value"):
        problem, fix = f"invalid value{problem[18:]}", "send one that /openapi.json lists"
    if "RFC3339" in problem or "`time" in problem:
        fix = "send RFC 3339 with an offset, e.g. 2025-01-31T12:00:00Z"
    if problem == "Number out of range":
        problem, fix = "a number beyond what a float64 can hold", "send a smaller number"
    return Problem(422, problem, field=field, fix=fix or "send what /openapi.json says of it")


def _in_words(expected: str, more: str) -> str:
    """What is expected, for a reader who knows JSON.

    >>> _in_words("string | null", ""), _in_words("number", " >= 0.0")
    ('a text in quotes, or null', 'a number of at least 0.0')
    """
    kinds = [_IN_WORDS.get(kind, kind) for kind in expected.split(" | ")]
    bound = _BOUND.match(more)
    if bound is not None:
        more = " " + _BOUNDS_IN_WORDS[bound["bound"]].format(bound["limit"])
    return ", or ".join(kinds) + more


def _problem_of_syntax(error: Exception) -> Problem:
    if isinstance(error, RecursionError):
        return Problem(400, "the JSON is nested too deeply", field="body", fix="send it flat")
    if isinstance(error, UnicodeDecodeError):
        return Problem(400, "the body is not UTF-8", field="body", fix="send JSON in UTF-8")
    problem = str(error)
    if "truncated" in problem:
        problem = "the body is empty, or its JSON ends too early"
    return Problem(
        400,
        problem,
        field="body",
        fix="send one JSON document in UTF-8, without NaN, Infinity or a half of a surrogate pair",
    )


def _presentable(text: str) -> str:
    """Bounded, and free of what UTF-8 cannot hold."""
    if len(text) > _MAX_CHARACTERS:
        text = text[: _MAX_CHARACTERS - 3] + "..."
    return text.encode("utf-8", "replace").decode("utf-8")
