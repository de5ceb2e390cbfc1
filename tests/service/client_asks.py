"""A scripted service, and one way to ask it through either client."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx

from serving.client import AsyncFraudClient, FraudClient

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
PAYMENT = {"transaction_id": "1", "event_time": NOON, "amount": 49.9, "card": "c"}
DECISION = {
    "transaction_id": "1",
    "probability": 0.25,
    "expected_loss": 12.475,
    "action": "review",
    "reasons": ["a large amount"],
    "scorer": "model",
    "weights_version": 3,
    "weights_age_s": 60.5,
    "arm": "champion",
    "known_time": "2026-01-31T12:00:00Z",
    "seq": 7,
}
PROBLEM = {
    "type": "about:blank",
    "title": "Conflict",
    "status": 409,
    "detail": "is in use",
    "field": "transaction_id",
    "fix": "send a new id",
}
Ask = Callable[..., Any]


def answer(status: int, body: Any = None, **headers: str) -> httpx.Response:
    """A response; underscores in the names of headers are hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=named, content=json.dumps(body).encode())


class Service:
    """Gives scripted answers in order, the last one for ever; remembers what it was sent.

    Time passes only while a client waits between two attempts.
    """

    def __init__(self, *script: httpx.Response | Exception) -> None:
        self.script = list(script)
        self.sent: list[httpx.Request] = []
        self.waits: list[float] = []

    def __call__(self, sent: httpx.Request) -> httpx.Response:
        self.sent.append(sent)
        step = self.script[min(len(self.sent), len(self.script)) - 1]
        if isinstance(step, Exception):
            raise step
        return httpx.Response(step.status_code, headers=step.headers, content=step.content)

    def clock(self) -> float:
        return sum(self.waits)


def _options(service: Service, options: dict[str, Any]) -> dict[str, Any]:
    """Takes what is for the client itself out of the options of a method."""
    ours = {"url": "http://test", "uniform": lambda: 0.5} | options
    names = ("url", "uniform", "retry", "api_key", "max_answer_bytes")
    for name in names:
        options.pop(name, None)
    given = {name: ours[name] for name in names if name in ours}
    return given | {"transport": httpx.MockTransport(service), "clock": service.clock}


def ask_sync(service: Service, method: str, *arguments: Any, **options: Any) -> Any:
    with FraudClient(**_options(service, options), sleep=service.waits.append) as client:
        return getattr(client, method)(*arguments, **options)


def ask_async(service: Service, method: str, *arguments: Any, **options: Any) -> Any:
    async def sleep(wait_s: float) -> None:
        service.waits.append(wait_s)

    async def ask() -> Any:
        async with AsyncFraudClient(**_options(service, options), sleep=sleep) as client:
            return await getattr(client, method)(*arguments, **options)

    return asyncio.run(ask())
