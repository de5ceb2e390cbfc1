"""The client that waits: input and output around what both clients share."""

import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import httpx

from serving.client import calls
from serving.client.attempts import Answer, Attempts, Retry
from serving.client.calls import Call, Health, Transaction
from serving.client.errors import ServiceError
from serving.client.shared import MIB, Shared, request, result, succeeded
from serving.wire import (
    ChampionLoaded,
    Decision,
    Explanation,
    Label,
    LabelReceipt,
    ModeChanged,
    ModelState,
    RowProblem,
    Source,
)

if TYPE_CHECKING:
    import pyarrow as pa

Result = TypeVar("Result")


class FraudClient:
    """Asks the service, and waits for the answer. Threads may share one.

    Every method raises `ServiceError` if the service refuses, `ServiceUnavailable` if no attempt brought
    an answer within the bounds, `AnswerNotUsable` if the answer is not the documented one, and
    `DataError` if what is to be sent is no JSON. `known_time` is for demonstrations and drills: it moves the
    clock of a service that was started with FRAUD_CLOCK=traffic, and no other takes it.

    Args:
        url: of the service; a path in front of /v1 is kept.
        api_key: goes to `url` alone: neither redirects nor proxies of the environment are followed.
        retry: bounds on attempts and time.
        connections: open at most; a call that finds none free waits, as long as an attempt may.
        max_answer_bytes: a longer answer is refused before it is read to its end.
        verify: which certificates to trust, as httpx has it.
        transport: httpx's, in place of the network.
        clock, sleep: seconds that only go forward, and waiting for some.
        uniform: numbers in [0, 1); None is a generator that nobody seeded.

    Raises:
        ConfigError: the address, the key or a bound is not usable.

    >>> def pretend(sent: httpx.Request) -> httpx.Response:
    ...     return httpx.Response(409, json={"detail": "is in use", "field": "transaction_id"})
    >>> with FraudClient("http://test", transport=httpx.MockTransport(pretend)) as service:
    ...     service.score(transaction_id="1", amount=49.9, card="c", terminal="t")
    Traceback (most recent call last):
    serving.client.errors.ServiceError: HTTP 409: transaction_id: is in use
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        retry: Retry | None = None,
        connections: int = 32,
        max_answer_bytes: int = 64 * MIB,
        verify: bool | ssl.SSLContext = True,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        uniform: Callable[[], float] | None = None,
    ) -> None:
        self._shared = Shared(
            url, api_key, retry, connections, max_answer_bytes, verify, clock, uniform
        )
        self._http = httpx.Client(transport=transport, **self._shared.http(connections))
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def score(
        self,
        transaction: Transaction | None = None,
        /,
        *,
        known_time: datetime | None = None,
        **fields: Any,
    ) -> Decision:
        """Score one transaction: a mapping, keyword arguments or both, by the names of the schema."""
        return self._perform(calls.score(transaction, fields, known_time))

    def score_batch(
        self, transactions: Iterable[Transaction], *, known_time: datetime | None = None
    ) -> list[Decision | RowProblem]:
        """Score many at once; each item of the answer is a decision, or says why there is none."""
        return self._perform(calls.score_batch(transactions, known_time))

    def score_table(self, table: "pa.Table", *, known_time: datetime | None = None) -> "pa.Table":
        """Score the rows of a table (Arrow IPC); the answer is a table of as many rows."""
        return self._perform(calls.score_table(table, known_time))

    def label(
        self,
        transaction_id: str,
        *,
        is_fraud: bool,
        source: Source,
        label_id: str | None = None,
        known_time: datetime | None = None,
    ) -> LabelReceipt:
        """Report a fraud, or with is_fraud=False take such a report back."""
        return self._perform(calls.label(transaction_id, is_fraud, source, label_id, known_time))

    def label_many(
        self, labels: Iterable[Label | Mapping[str, Any]], *, known_time: datetime | None = None
    ) -> list[LabelReceipt | RowProblem]:
        """Report many at once; each item of the answer is a receipt, or says why there is none."""
        return self._perform(calls.label_many(labels, known_time))

    def decision(self, transaction_id: str) -> Explanation:
        """Everything on record about one decision."""
        return self._perform(calls.decision(transaction_id))

    def model(self) -> ModelState:
        """What scores now."""
        return self._perform(calls.model())

    def health(self) -> Health:
        """Whether the service can score; one attempt, and no error if it cannot."""
        try:
            return self._perform(calls.ready(), once=True)
        except ServiceError as error:
            return calls.ill(error)

    def force_heuristic(self, reason: str) -> ModeChanged:
        """Let plan B answer until `release`; the reason is kept in the ledger."""
        return self._perform(calls.mode("heuristic", reason))

    def release(self, reason: str) -> ModeChanged:
        """Let the model answer again."""
        return self._perform(calls.mode("model", reason))

    def reload_champion(self) -> ChampionLoaded:
        """Let the service read the exported champion again."""
        return self._perform(calls.reload_champion())

    def _perform(self, call: Call[Result], *, once: bool = False) -> Result:
        attempts = self._shared.attempts(once=once)
        while True:
            outcome = self._send(call, attempts)
            if succeeded(outcome):
                return result(call, outcome)
            self._sleep(attempts.wait_s(outcome))

    def _send(self, call: Call[Any], attempts: Attempts) -> Answer | httpx.TransportError:
        try:
            with self._http.stream(**request(call, attempts.timeout())) as response:
                body = self._shared.body(attempts, response)
                for chunk in response.iter_bytes():
                    body.add(chunk)
                return body.answer()
        except httpx.TransportError as error:
            return error
