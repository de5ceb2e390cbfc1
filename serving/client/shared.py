"""What both clients know and do alike, short of input and output."""

import random
import ssl
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeGuard, TypeVar

import httpx
import msgspec

from fraud_system.errors import ConfigError
from serving.client.attempts import Answer, Attempts, Retry
from serving.client.calls import Call
from serving.client.errors import AnswerNotUsable

MIB = 1 << 20
_IDLE_S = 30.0  # shorter than FRAUD_KEEP_ALIVE_S, so that the client is the first to close
Result = TypeVar("Result")


class Shared:
    """What is the same for both clients; the arguments are described at `FraudClient`."""

    def __init__(
        self,
        url: str,
        api_key: str | None,
        retry: Retry | None,
        connections: int,
        max_answer_bytes: int,
        verify: bool | ssl.SSLContext,
        clock: Callable[[], float],
        uniform: Callable[[], float] | None,
    ) -> None:
        if connections < 1:
            raise ConfigError(f"must be at least 1, is {connections}", field="connections")
        self.url = _checked_url(url)
        self.retry = retry or Retry()
        self.max_answer_bytes = max_answer_bytes
        self._clock = clock
        self._uniform = uniform or random.Random().random
        self.connections = connections
        self._headers = _headers(api_key)
        self._verify = verify

    def http(self, connections: int) -> dict[str, Any]:
        """Arguments of an httpx client with so many connections."""
        if isinstance(self._verify, bool):  # reading the certificates takes 20 ms: once
            self._verify = httpx.create_ssl_context(self._verify, trust_env=False)
        return {
            "base_url": self.url,
            "headers": self._headers,
            "limits": httpx.Limits(
                max_connections=connections,
                max_keepalive_connections=connections,
                keepalive_expiry=_IDLE_S,
            ),
            "verify": self._verify,
            "trust_env": False,
            "follow_redirects": False,
        }

    def attempts(self, *, once: bool = False) -> Attempts:
        """Of a call that begins now."""
        retry = replace(self.retry, attempts=1) if once else self.retry
        return Attempts(retry, self._clock, self._uniform)

    def body(self, attempts: Attempts, response: httpx.Response) -> "Body":
        """Where the body of a response is gathered."""
        return Body(self.max_answer_bytes, attempts, response)


class Body:
    """Gathers the body of a response, with a bound on its size and its time.

    Args:
        most_bytes: it may have.
        attempts: whose time it takes.
        response: whose body it is.

    Raises:
        AnswerNotUsable: it is compressed, though nobody asked for that; it could unfold to any size.
    """

    def __init__(self, most_bytes: int, attempts: Attempts, response: httpx.Response) -> None:
        self._most_bytes = most_bytes
        self._attempts = attempts
        self._response = response
        self._bytes = bytearray()
        if response.headers.get("content-encoding", "identity") != "identity":
            raise AnswerNotUsable("the answer is compressed", field="content-encoding")

    def add(self, chunk: bytes) -> None:
        """Add what came.

        Raises:
            AnswerNotUsable: it is too long.
            ServiceUnavailable: it takes too long.
        """
        self._bytes += chunk
        if len(self._bytes) > self._most_bytes:
            raise AnswerNotUsable(
                f"the answer is longer than {self._most_bytes:,} bytes",
                field="max_answer_bytes",
                fix="ask for less at once, or allow more",
            )
        self._attempts.check_time()

    def answer(self) -> Answer:
        """The whole of it."""
        return Answer(self._response.status_code, self._response.headers, bytes(self._bytes))


def request(call: Call[Any], timeout: httpx.Timeout) -> dict[str, Any]:
    """A call as httpx's `stream` takes it."""
    return {
        "method": call.method,
        "url": call.path,
        "content": call.body or None,
        "headers": call.headers,
        "timeout": timeout,
    }


def succeeded(outcome: Answer | httpx.TransportError) -> TypeGuard[Answer]:
    """Whether there is a result in it."""
    return isinstance(outcome, Answer) and 200 <= outcome.status < 300


def result(call: Call[Result], answer: Answer) -> Result:
    """What a successful answer says.

    Raises:
        AnswerNotUsable: it is not the documented one.
    """
    try:
        return call.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AnswerNotUsable(
            f"the answer is not the documented one: {error}",
            status=answer.status,
            fix="check that this address is the service, and of this client's version",
        ) from error


def _checked_url(url: str) -> str:
    fix = "give an address such as http://127.0.0.1:8000"
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise ConfigError(f"not an address: {error}", field="url", fix=fix) from error
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query or parsed.fragment:
        raise ConfigError(f"not the address of a service: {url!r}", field="url", fix=fix)
    return url.rstrip("/")


def _headers(api_key: str | None) -> dict[str, str]:
    # No compression, so that the bound on an answer's size is one on memory.
    headers = {"accept-encoding": "identity", "user-agent": "fraud-system-client"}
    if api_key is not None:
        if not api_key.isascii() or not api_key.isprintable() or not api_key.strip():
            raise ConfigError(
                "not a key", field="api_key", fix="give it as `make api-key` wrote it"
            )
        headers["authorization"] = f"Bearer {api_key}"
    return headers
