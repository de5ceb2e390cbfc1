"""A scorer that decides nothing, but stores, repeats its first answers, fails and is slow as told."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
from client_asks import DECISION, answer

MODEL = {
    "mode": "model",
    "kind": "laplace",
    "weights_version": 3,
    "weights_age_s": 60.5,
    "known_time": "2026-01-31T12:00:00Z",
    "last_seq": 7,
    "clock": "traffic",
    "idempotency_horizon_s": 7_776_000,
    "settings": "0123456789abcdef",
    "features": 50,
    "interactions": 200,
    "labels": {"fraud_joined": 1},
    "label_silence_s": None,
    "learner_stale": False,
    "workers": {},
    "memory_bytes": 1_000_000,
}


class PretendScorer:
    """Answers as an httpx transport.

    Args:
        fails: is asked with the number of each request that would be stored; an exception that it gives is
            raised after storing (the answer is lost), a response is sent in place of storing.
        clock: of GET /v1/model.
    """

    def __init__(
        self,
        fails: Callable[[int], httpx.Response | Exception | None] = lambda number: None,
        clock: str = "traffic",
    ) -> None:
        self.fails = fails
        self.model = {**MODEL, "clock": clock}
        self.transactions: dict[str, dict[str, Any]] = {}
        self.labels: dict[str, dict[str, Any]] = {}
        self.known_times: list[datetime] = []  # of the transactions, as they came
        self.requests = 0
        self.most_at_once = 0
        self.spread_s = 0.0  # largest gap between requests that were there at once
        self.keys: set[str | None] = set()
        self._here: list[datetime] = []

    async def __call__(self, sent: httpx.Request) -> httpx.Response:
        self.keys.add(sent.headers.get("authorization"))
        if sent.url.path == "/v1/model":
            return answer(200, self.model)
        self.requests += 1
        number = self.requests
        known_time = datetime.fromisoformat(sent.headers["known-time"])
        self._here.append(known_time)
        self.most_at_once = max(self.most_at_once, len(self._here))
        spread = max(self._here) - min(self._here)
        self.spread_s = max(self.spread_s, spread.total_seconds())
        try:
            for _ in range(10 * (number % 3)):
                await asyncio.sleep(0)
            return self._stored(sent, known_time, self.fails(number))
        finally:
            self._here.remove(known_time)

    def _stored(
        self, sent: httpx.Request, known_time: datetime, failure: httpx.Response | Exception | None
    ) -> httpx.Response:
        if isinstance(failure, httpx.Response):
            return failure
        body = json.loads(sent.content)
        rows = body if isinstance(body, list) else [body]
        if sent.url.path == "/v1/labels":
            answers = [self._label(each) for each in rows]
        else:
            answers = [self._transaction(each, known_time) for each in rows]
        if failure is not None:
            raise failure
        return answer(200, answers if isinstance(body, list) else answers[0])

    def _transaction(self, row: dict[str, Any], known_time: datetime) -> dict[str, Any]:
        first = self.transactions.setdefault(row["transaction_id"], row)
        if first is row:
            self.known_times.append(known_time)
        assert first == row, "the same id with other content"
        action = "decline" if row["amount"] > 500 else "approve"
        return {**DECISION, "transaction_id": row["transaction_id"], "action": action}

    def _label(self, row: dict[str, Any]) -> dict[str, Any]:
        first = self.labels.setdefault(row["label_id"], row)
        assert first == row, "the same id with other content"
        time = datetime(2026, 1, 31, tzinfo=UTC).isoformat()
        told = {"outcome": "fraud_joined", "known_time": time, "seq": 9}
        return {"transaction_id": row["transaction_id"], "label_id": row["label_id"], **told}
