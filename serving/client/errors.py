"""What a client raises when the service did not do as asked.

FraudSystemError
├── DataError               what was to be sent is no JSON: nothing was sent
└── ServiceError            the service refused; `status`, `field` and `fix` say what it told
    ├── ServiceUnavailable  no usable answer within the bounds on attempts and time
    └── AnswerNotUsable     an answer that is too large, or none that this client knows
"""

import msgspec

from fraud_system.errors import FraudSystemError

_QUOTED_BYTES = 200  # of an answer that is no problem document, such as a proxy's page


class ServiceError(FraudSystemError):
    """The service refused.

    Args:
        problem: what is wrong, in the service's words.
        status: of the answer, e.g. 409; 0 where there was none.
        field: the field, header or setting that it concerns.
        fix: what the sender can do about it.
    """

    def __init__(self, problem: str, *, status: int = 0, field: str = "", fix: str = "") -> None:
        super().__init__(problem, field=field, fix=fix)
        self.status = status

    def __str__(self) -> str:
        text = super().__str__()
        return f"HTTP {self.status}: {text}" if self.status else text


class ServiceUnavailable(ServiceError):
    """There was no usable answer within the bounds on attempts and time; later there may be one.

    Args:
        last: of the last attempt.
        attempts: how many there were.
        elapsed_s: since the first one began.
    """

    def __init__(self, last: ServiceError, *, attempts: int, elapsed_s: float) -> None:
        super().__init__(last.problem, status=last.status, field=last.field, fix=last.fix)
        self.attempts = attempts
        self.elapsed_s = elapsed_s

    def __str__(self) -> str:
        return f"{super().__str__()}, at attempt {self.attempts} after {self.elapsed_s:.1f} s"


class AnswerNotUsable(ServiceError):
    """The answer is too large, or none that this client knows: is it the service, of this version?"""


class _Told(msgspec.Struct, frozen=True):
    """What matters of a problem document, as far as it is there."""

    detail: str = ""
    title: str = ""
    field: str = ""
    fix: str = ""


def service_error(status: int, body: bytes) -> ServiceError:
    """The error that an answer means; it quotes the problem document, or else the answer's beginning.

    >>> print(service_error(422, b'{"detail": "is negative", "field": "amount", "fix": "send 0 or more"}'))
    HTTP 422: amount: is negative (fix: send 0 or more)
    >>> print(service_error(418, b"<html>teapot</html>"))
    HTTP 418: <html>teapot</html>
    """
    try:
        told = msgspec.json.decode(body, type=_Told)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        told = _Told(detail=body[:_QUOTED_BYTES].decode("utf-8", "replace"))
    problem = told.detail or told.title or "no reason was given"
    return ServiceError(problem, status=status, field=told.field, fix=told.fix)
