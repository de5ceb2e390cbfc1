"""Load from a client that keeps books: what it has sent, and every answer that it has read.

Many connections send single transactions, batches, reports and repetitions, each as soon as the last answer
has been read. What got no answer is sent again, with the same id and content, in the next life of the
service; what was answered before is asked again now and then, and must be answered the same. The traffic's
time goes on by a minute a request, so that transactions mature and weights are published within seconds.
"""

import asyncio
import json
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from running import GUARD_S, Start, running_service

CONNECTIONS = 10
STEP = timedelta(minutes=1)
REPEATED_WITHIN = 3_000  # the newest so many ids, which are all within the horizon
SCHEMA = """
name = "crash"
[columns]
transaction_id = "transaction_id"
event_time = "event_time"
amount = "amount"
[entities]
card = "card"
terminal = "terminal"
[features]
categorical = ["channel"]
[labels]
maturity_s = 7200
horizon_s = 2592000
orphan_wait_s = 3600
[model]
prevalence = 0.05
publish_every_labels = 100
[learning]
strategy = "delay_matched"
"""


@dataclass
class Sent:
    """One request; `ids` are those of its rows, in order."""

    path: str
    rows: list[dict[str, Any]]
    alone: bool
    ids: list[str]
    status: int = 200

    @property
    def body(self) -> bytes:
        return json.dumps(self.rows[0] if self.alone else self.rows).encode()


@dataclass
class Book:
    """What the client knows.

    Args:
        sent: every row, by its id: that of the transaction or of the report.
        answers: the first answer to each that was read.
        pending: what got no answer.
        repeated: how many rows were asked again and answered the same.
        refused: how many rows were refused with a 503; they are sent again.
    """

    sent: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    pending: deque[Sent] = field(default_factory=deque)
    decided: list[str] = field(default_factory=list)
    repeated: int = 0
    refused: int = 0

    def note(self, sent: Sent, status: int, body: bytes) -> None:
        """An answer was read."""
        refused: list[int] = []
        if status == 503:
            refused = list(range(len(sent.ids)))
        else:
            assert status == sent.status, (sent, status, body)
        if status == 200:
            answers = json.loads(body)
            for row, answer in enumerate([answers] if sent.alone else answers):
                if "problem" in answer:
                    assert answer["problem"]["status"] == 503, answer
                    refused.append(row)
                else:
                    self._keep(sent.ids[row], answer)
        if refused:
            self.refused += len(refused)
            rows, ids = [sent.rows[row] for row in refused], [sent.ids[row] for row in refused]
            self.pending.append(Sent(sent.path, rows, sent.alone, ids, sent.status))

    def _keep(self, name: str, answer: dict[str, Any]) -> None:
        if name in self.answers:
            self.repeated += 1
            assert answer == self.answers[name]
        elif "probability" in answer:
            self.decided.append(name)
        self.answers[name] = answer


class Load:
    """The client.

    Args:
        seed: of what it sends.
    """

    def __init__(self, seed: int) -> None:
        self.book = Book()
        self.now = datetime(1970, 1, 1, tzinfo=UTC)
        self._draw = random.Random(seed)
        self._count = 0

    def goes_on_from(self, known_time: str) -> None:
        """The traffic's time is at least this."""
        self.now = max(self.now, datetime.fromisoformat(known_time))

    async def life(
        self, url: str, answers: int, then: Callable[[], Awaitable[None] | None]
    ) -> None:
        """Send until so many answers were read, then do `then`, and go on until the connections end."""
        done = asyncio.Event()
        left = [answers]

        async def connection() -> None:
            place = urlsplit(url)
            reader, writer = await asyncio.open_connection(place.hostname, place.port)
            try:
                while True:
                    sent = self.book.pending.popleft() if self.book.pending else self._new()
                    try:
                        status, body = await self._ask(reader, writer, sent)
                    except (ConnectionError, asyncio.IncompleteReadError):
                        self.book.pending.append(sent)
                        return
                    self.book.note(sent, status, body)
                    if status == 503:
                        await asyncio.sleep(0.02)
                    left[0] -= 1
                    if left[0] <= 0:
                        done.set()
            finally:
                writer.close()

        connections = [asyncio.create_task(connection()) for _ in range(CONNECTIONS)]
        enough = asyncio.create_task(done.wait())
        await asyncio.wait([enough, *connections], return_when=asyncio.FIRST_COMPLETED)
        for each in connections:
            if each.done():
                each.result()
        assert done.is_set(), "the service has gone by itself"
        if (waited := then()) is not None:
            await waited
        await asyncio.gather(*connections)

    async def settle(self, url: str) -> None:
        """Send what is pending until all of it is answered, then ask for everything once more."""
        place = urlsplit(url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        while self.book.pending:
            sent = self.book.pending.popleft()
            self.book.note(sent, *await self._ask(reader, writer, sent))
        for again in self._everything():
            self.book.note(again, *await self._ask(reader, writer, again))
        writer.close()
        await writer.wait_closed()

    def _everything(self) -> list[Sent]:
        """Repetitions of all that was answered, in batches."""
        paths: dict[str, list[str]] = {"/v1/score/batch": [], "/v1/labels": []}
        for name, answer in self.book.answers.items():
            paths["/v1/score/batch" if "probability" in answer else "/v1/labels"].append(name)
        return [
            Sent(path, [self.book.sent[name] for name in part], False, part)
            for path, names in paths.items()
            for part in (names[at : at + 500] for at in range(0, len(names), 500))
        ]

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: Sent
    ) -> tuple[int, bytes]:
        body = sent.body
        head = (
            f"POST {sent.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
            f"Content-Type: application/json\r\nKnown-Time: {self.now.isoformat()}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        (length,) = (line[15:] for line in lines if line.startswith("content-length:"))
        return int(lines[0].split()[1]), await reader.readexactly(int(length))

    def _new(self) -> Sent:
        """The next request."""
        self.now += STEP
        draw, decided = self._draw.random(), self.book.decided[-REPEATED_WITHIN:]
        if draw < 0.6 or len(decided) < 20:
            return self._transactions(1, alone=True)
        if draw < 0.7:
            return self._transactions(self._draw.randint(1, 40), alone=False)
        if draw < 0.9:
            alone = draw < 0.8
            return self._reports(decided, 1 if alone else self._draw.randint(1, 20), alone)
        name = self._draw.choice(decided)
        if draw < 0.97:
            return Sent("/v1/score", [self.book.sent[name]], True, [name])
        other = self.book.sent[name] | {"amount": 12_345.0}
        return Sent("/v1/score", [other], True, [name], status=409)

    def _transactions(self, count: int, alone: bool) -> Sent:
        rows = []
        for _ in range(count):
            self._count += 1
            risky = self._draw.random() < 0.1
            rows.append(
                {
                    "transaction_id": f"{'risky' if risky else 'usual'}-{self._count}",
                    "event_time": self.now.isoformat(),
                    "amount": round(self._draw.lognormvariate(5.0 if risky else 3.0, 1.0), 2),
                    "card": f"card-{self._draw.randint(1, 60)}",
                    "terminal": f"terminal-{self._draw.randint(1, 9 if risky else 30)}",
                    "channel": "online" if risky else "store",
                }
            )
        return self._kept("/v1/score" if alone else "/v1/score/batch", rows, alone)

    def _reports(self, decided: list[str], count: int, alone: bool) -> Sent:
        risky = [name for name in decided if name.startswith("risky")] or decided
        rows = []
        for _ in range(count):
            self._count += 1
            rows.append(
                {
                    "transaction_id": self._draw.choice(risky),
                    "is_fraud": self._draw.random() < 0.9,
                    "source": self._draw.choice(["chargeback", "review", "user_report"]),
                    "label_id": f"report-{self._count}",
                }
            )
        return self._kept("/v1/labels", rows, alone)

    def _kept(self, path: str, rows: list[dict[str, Any]], alone: bool) -> Sent:
        ids = [row.get("label_id") or row["transaction_id"] for row in rows]
        self.book.sent.update(zip(ids, rows, strict=True))
        return Sent(path, rows, alone, ids)


def schema_file(folder: Path) -> Path:
    """The schema, as a file."""
    path = folder / "crash.toml"
    path.write_text(SCHEMA, encoding="utf-8")
    return path


class History(NamedTuple):
    """What a killed service has left, and what its client knows of it."""

    book: Book
    ledger_file: Path
    variables: dict[str, object]


def make_history(folder: Path, start: Start) -> History:
    """A service under load that saves snapshots, and is killed."""
    load = Load(seed=2)
    variables = {"clock": "traffic", "schema_file": schema_file(folder)}
    with running_service(folder, start, snapshot_every_events=300, **variables) as service:
        service.wait_until_ready()
        load.goes_on_from(service.client.get("/v1/model").json()["known_time"])

        async def kill() -> None:
            for fold in ("engine", "learner"):
                while len(list(folder.glob(f"*-snapshots/{fold}-*.snapshot"))) < 2:
                    await asyncio.sleep(0.01)
            service.process.kill()

        asyncio.run(load.life(service.url, 150, kill))
        service.process.wait(GUARD_S)
    return History(load.book, service.ledger_file, variables)
