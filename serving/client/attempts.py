"""When a request is sent again, how long to wait before, and when that ends.

Only what may pass by itself is repeated: no connection, no answer in time, and the statuses in `REPEATED`.
Every other 4xx would be refused again. A repetition can do no harm, because the service knows transactions
and reports by their ids and gives the first answer again; a switch that is forced twice stays forced.

Waits are drawn between nothing and a bound that doubles ("full jitter": M. Brooker, "Exponential backoff and
jitter", 2015), so that many clients do not come back at one moment. If the service says Retry-After, that
comes on top.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from fraud_system.errors import ConfigError
from serving.client.errors import ServiceError, ServiceUnavailable, service_error

REPEATED: Final = frozenset({408, 429, 502, 503, 504})
_LONGEST_S = 86_400.0
_MOST_ATTEMPTS = 1_000_000


@dataclass(frozen=True, slots=True)
class Retry:
    """The bounds on one call.

    Args:
        attempts: at most; 1 does not repeat.
        total_s: no wait goes beyond so long after the call began, and no attempt begins later.
        attempt_s: an attempt ends when nothing is sent or received for so long; more than the
            service's own FRAUD_ANSWER_TIMEOUT_S, so that its word comes first.
        connect_s: until a connection is made.
        first_wait_s: the first wait is drawn from 0 to this; the bound doubles each time.
        longest_wait_s: the bound grows to this.

    Raises:
        ConfigError: a bound is not positive, or not a bound.

    >>> Retry(attempts=0)
    Traceback (most recent call last):
    fraud_system.errors.ConfigError: attempts: must be from 1 to 1,000,000, is 0
    """

    attempts: int = 5
    total_s: float = 30.0
    attempt_s: float = 15.0
    connect_s: float = 3.0
    first_wait_s: float = 0.1
    longest_wait_s: float = 5.0

    def __post_init__(self) -> None:
        if not 1 <= self.attempts <= _MOST_ATTEMPTS:
            problem = f"must be from 1 to {_MOST_ATTEMPTS:,}, is {self.attempts}"
            raise ConfigError(problem, field="attempts")
        for name in (each.name for each in fields(self) if each.name.endswith("_s")):
            value = getattr(self, name)
            if not 0 < value <= _LONGEST_S:
                problem = f"must be above 0 and at most {_LONGEST_S:,.0f} seconds, is {value}"
                raise ConfigError(problem, field=name)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, the headers by lower-case name, the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Attempts:
    """The attempts of one call.

    Args:
        retry: the bounds.
        clock: seconds that only go forward, such as time.monotonic.
        uniform: gives numbers in [0, 1).

    >>> attempts = Attempts(Retry(attempts=2), clock=lambda: 0.0, uniform=lambda: 0.5)
    >>> attempts.wait_s(Answer(503, {"retry-after": "2"}, b"{}"))
    2.05
    >>> attempts.wait_s(httpx.ConnectError("connection refused"))
    Traceback (most recent call last):
    serving.client.errors.ServiceUnavailable: no answer: connection refused (fix: is the service
     running at this address?), at attempt 2 after 0.0 s
    """

    def __init__(
        self, retry: Retry, clock: Callable[[], float], uniform: Callable[[], float]
    ) -> None:
        self._retry = retry
        self._clock = clock
        self._uniform = uniform
        self._started_s = clock()
        self._done = 0

    def timeout(self) -> httpx.Timeout:
        """Of the next attempt: no longer than what is left."""
        left_s = max(self._retry.total_s - self._elapsed_s(), 0.001)
        return httpx.Timeout(
            min(self._retry.attempt_s, left_s), connect=min(self._retry.connect_s, left_s)
        )

    def wait_s(self, outcome: Answer | httpx.TransportError) -> float:
        """How long to wait before the same request is sent again.

        Raises:
            ServiceError: sending it again would not help.
            ServiceUnavailable: it might help, but a bound is reached.
        """
        self._done += 1
        error, told_s = _error_of(outcome)
        if not _may_pass(outcome):
            raise error
        bound_s = self._retry.first_wait_s * 2.0 ** min(self._done - 1, 64)
        wait_s = told_s + self._uniform() * min(bound_s, self._retry.longest_wait_s)
        elapsed_s = self._elapsed_s()
        if self._done >= self._retry.attempts or elapsed_s + wait_s >= self._retry.total_s:
            raise ServiceUnavailable(error, attempts=self._done, elapsed_s=elapsed_s)
        return wait_s

    def check_time(self) -> None:
        """Raise ServiceUnavailable if an answer that keeps coming in has used up all time."""
        elapsed_s = self._elapsed_s()
        if elapsed_s >= self._retry.total_s:
            slow = ServiceError("the answer did not come to its end in time")
            raise ServiceUnavailable(slow, attempts=self._done + 1, elapsed_s=elapsed_s)

    def _elapsed_s(self) -> float:
        return self._clock() - self._started_s


def _may_pass(outcome: Answer | httpx.TransportError) -> bool:
    if isinstance(outcome, Answer):
        return outcome.status in REPEATED
    # These two are mistakes of the caller's: an address or a header that cannot be sent.
    return not isinstance(outcome, httpx.UnsupportedProtocol | httpx.LocalProtocolError)


def _error_of(outcome: Answer | httpx.TransportError) -> tuple[ServiceError, float]:
    """What the outcome means, and how long the service asks to wait, in seconds."""
    if isinstance(outcome, Answer):
        return service_error(outcome.status, outcome.body), retry_after_s(outcome.headers)
    name = type(outcome).__name__
    problem = f"no answer: {str(outcome) or name}"
    return ServiceError(problem, fix="is the service running at this address?"), 0.0


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds that an answer asks to wait: a number, or a date beside the answer's own Date; else 0.

    >>> retry_after_s({"retry-after": "7"}), retry_after_s({"retry-after": "soon"})
    (7.0, 0.0)
    >>> at = {"date": "Mon, 05 Jan 2026 12:00:00 GMT", "retry-after": "Mon, 05 Jan 2026 12:00:09 GMT"}
    >>> retry_after_s(at)
    9.0
    """
    told = headers.get("retry-after", "").strip()
    if told.isascii() and told.isdigit():
        return float(told)
    try:
        gap = parsedate_to_datetime(told) - parsedate_to_datetime(headers.get("date", ""))
    except (TypeError, ValueError):
        return 0.0
    return max(gap.total_seconds(), 0.0)
