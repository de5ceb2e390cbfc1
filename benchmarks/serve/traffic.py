"""Requests as bytes: payments that nobody has sent before, of cards and terminals that come again."""

import io
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

CARDS, TERMINALS = 20_000, 2_000
CHANNELS = ("chip", "online", "contactless")
JSON, ARROW = "application/json", "application/vnd.apache.arrow.stream"
_HEAD = "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"


class Traffic:
    """Makes requests.

    Args:
        seed: of amounts, cards and terminals.
        now: event times are this one; the scorer's clock is the machine's.
        run: ids begin with it, so that no two runs share one.

    >>> traffic = Traffic(seed=1, now=datetime(2026, 1, 31, tzinfo=UTC), run="r")
    >>> one, two = traffic.singles(2)
    >>> one[:23], one == two
    (b'POST /v1/score HTTP/1.1', False)
    """

    def __init__(self, seed: int, now: datetime, run: str) -> None:
        self._chance = np.random.default_rng(seed)
        self._now = now.astimezone(UTC)
        self._run = run
        self._made = 0

    def singles(self, count: int) -> list[bytes]:
        """Requests of one transaction each."""
        return [request("/v1/score", JSON, json.dumps(row).encode()) for row in self.rows(count)]

    def json_batches(self, count: int, size: int) -> list[bytes]:
        """Requests of `size` transactions each, as JSON."""
        bodies = (json.dumps(self.rows(size)).encode() for _ in range(count))
        return [request("/v1/score/batch", JSON, body) for body in bodies]

    def arrow_batches(self, count: int, size: int) -> list[bytes]:
        """The same as Arrow."""
        return [
            request("/v1/score/batch", ARROW, _arrow(self.rows(size), self._now))
            for _ in range(count)
        ]

    def rows(self, count: int) -> list[dict[str, str | float]]:
        """Transactions as JSON takes them."""
        amounts = np.round(self._chance.lognormal(3.5, 1.0, count), 2).tolist()
        cards = self._chance.integers(CARDS, size=count).tolist()
        terminals = self._chance.integers(TERMINALS, size=count).tolist()
        channels = self._chance.integers(len(CHANNELS), size=count).tolist()
        first = self._made
        self._made += count
        time = self._now.isoformat()
        return [
            {
                "transaction_id": f"{self._run}-{first + position:08}",
                "event_time": time,
                "amount": amount,
                "card": f"card-{card:06}",
                "terminal": f"terminal-{terminal:05}",
                "channel": CHANNELS[channel],
            }
            for position, (amount, card, terminal, channel) in enumerate(
                zip(amounts, cards, terminals, channels, strict=True)
            )
        ]


def request(path: str, kind: str, body: bytes) -> bytes:
    """One HTTP request."""
    return _HEAD.format(path=path, kind=kind, length=len(body)).encode() + body


def _arrow(rows: list[dict[str, str | float]], now: datetime) -> bytes:
    columns = {name: pa.array([row[name] for row in rows]) for name in rows[0]}
    times = [now + timedelta(0)] * len(rows)
    columns["event_time"] = pa.array(times, pa.timestamp("us", "UTC"))
    table, sink = pa.table(columns), io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()
