"""Alerts by webhook: what becomes one, and that a receiver which fails, hangs or lies costs nothing else.

The receiver is a socket of this machine that a test tells what to say; clock and chance are the test's. The
last test has the real service tell of a switch.
"""

import asyncio
import json
import logging
import re
import secrets
import textwrap
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from running import running_service

from fraud_system.errors import ConfigError
from monitoring.view import EntrySeen
from serving.alerts.delivery import DROPPED, GIVEN_UP, SENT, TRIED, Delivery, DeliverySettings
from serving.alerts.progress import Progress
from serving.alerts.secret import read_secret
from serving.alerts.signature import verified
from serving.alerts.sources import Alert, Mark, OfMonitors, OfScorer
from serving.configuration import Configuration

SECRET = b"0123456789abcdef"
OK = b"HTTP/1.1 204 No Content\r\n\r\n"
ERROR = b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"
SETTINGS = DeliverySettings(queue=4, attempts=5, first_pause_s=1.0, longest_pause_s=4.0)


class SeenSoFar:
    """What `OfMonitors.read` reads of a view."""

    def __init__(self, read_through_seq: int, *entries: EntrySeen) -> None:
        self.read_through_seq = read_through_seq
        self.timeline = list(reversed(entries))


def entry(seq: int, kind: Any, subject: str, by_hand: bool = False) -> EntrySeen:
    return EntrySeen(1_000_000 * seq, seq, kind, subject, "because", by_hand)


def read(source: OfMonitors, *seen: Any) -> list[tuple[str, str]]:
    return [(each.kind, each.subject) for each in source.read(SeenSoFar(*seen))]  # type: ignore[arg-type]


def test_alarms_their_end_and_switches_are_told_once() -> None:
    source = OfMonitors("s", Mark(0, frozenset()))
    history = [
        entry(3, "warning", "shift: amount"),
        entry(4, "alarm", "calibration: count more"),
        entry(4, "switch", "heuristic"),
        entry(6, "ok", "shift: amount"),
    ]
    told = [("alarm", "calibration: count more"), ("switch", "heuristic")]
    assert read(source, 6, *history) == told
    assert read(source, 6, *history) == []
    assert read(source, 5, *history[:3]) == []  # the monitor begins again, further back
    more = [*history, entry(8, "alarm", "sanity: weights"), entry(9, "switch", "model", True)]
    assert read(source, 9, *more) == [("alarm", "sanity: weights"), ("switch", "model")]
    # One alarm becomes a warning, the other ends: both are over.
    last = [entry(10, "warning", "calibration: count more"), entry(11, "ok", "sanity: weights")]
    assert read(source, 12, *more, *last) == [
        ("alarm_ended", "calibration: count more"),
        ("alarm_ended", "sanity: weights"),
    ]


def test_features_that_shift_at_one_look_are_one_alert() -> None:
    seen = SeenSoFar(
        9,
        *(entry(4, "alarm", f"feature_shift: {name}") for name in "abc"),
        entry(4, "alarm", "score_shift: model probability"),
        entry(4, "switch", "heuristic"),
        entry(6, "alarm", "feature_shift: d"),
        *(entry(7, "ok", f"feature_shift: {name}") for name in "ab"),
        entry(9, "ok", "feature_shift: c"),
    )
    alerts = OfMonitors("s", Mark(0, frozenset())).read(seen)  # type: ignore[arg-type]
    assert [(each.kind, each.subject) for each in alerts] == [
        ("alarm", "feature_shift: 3 features"),
        ("alarm", "score_shift: model probability"),
        ("switch", "heuristic"),
        ("alarm", "feature_shift: d"),
        ("alarm_ended", "feature_shift: 2 features"),
        ("alarm_ended", "feature_shift: c"),
    ]
    assert alerts[0].subjects == ["feature_shift: a", "feature_shift: b", "feature_shift: c"]
    assert alerts[1].subjects == ["score_shift: model probability"]
    assert len({each.id for each in alerts}) == len(alerts)


def test_ids_are_the_same_after_a_restart_and_different_otherwise() -> None:
    seen = SeenSoFar(5, entry(4, "alarm", "a: b"), entry(5, "alarm", "a: c"))
    ids = [[e.id for e in OfMonitors("s", Mark(0, frozenset())).read(seen)] for _ in range(2)]  # type: ignore[arg-type]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2
    other = OfMonitors("other", Mark(0, frozenset())).read(seen)  # type: ignore[arg-type]
    assert not {each.id for each in other} & set(ids[0])


def test_an_alarm_from_before_a_restart_ends() -> None:
    source = OfMonitors("s", Mark(9, frozenset({"a: b"})))
    assert read(source, 12, entry(12, "ok", "a: b")) == [("alarm_ended", "a: b")]


def test_a_worker_that_starts_again_is_no_trouble() -> None:
    source = OfScorer("s")
    assert source.look({"learner_stale": "dead"}, 0.0) == []
    assert source.look({"learner_stale": "dead"}, 59.0) == []
    assert source.look({}, 59.5) == []
    assert source.look({"learner_stale": "dead"}, 60.0) == []
    (begun,) = source.look({"learner_stale": "dead"}, 120.0)
    assert source.look({"learner_stale": "dead"}, 999.0) == []
    (ended,) = source.look({}, 1000.0)
    assert (begun.kind, ended.kind) == ("trouble", "trouble_ended")
    assert begun.id != ended.id
    (at_once,) = source.look({"ledger_unwritable": "disk"}, 1001.0)
    assert at_once.words == "disk"
    assert source.look({"api_keys_broken": "damaged"}, 1002.0)[0].kind == "trouble_ended"
    (late,) = source.look({"api_keys_broken": "damaged"}, 1012.0)
    assert (late.subject, late.words) == ("api_keys_broken", "damaged")


class Receiver:
    """Says what it is told to, one after the other, the last for ever; None: nothing at all."""

    def __init__(self, *says: bytes | None) -> None:
        self.says, self.heard = list(says), list[tuple[dict[str, str], bytes]]()
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:]) if k}
        body = await reader.readexactly(int(headers["content-length"]))
        self.heard.append((headers, body))
        said = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        if said is None:
            await reader.read()
        else:
            writer.write(said)
        writer.close()


@asynccontextmanager
async def receiving(*says: bytes | None) -> AsyncIterator[Receiver]:
    receiver = Receiver(*says)
    server = await asyncio.start_server(receiver.answer, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook/path-secret"
    try:
        yield receiver
    finally:
        server.close()


class Rig:
    """A delivery whose clock only moves when it sleeps."""

    def __init__(
        self, url: str, settings: DeliverySettings = SETTINGS, secret: bytes = SECRET
    ) -> None:
        self.now_s, self.slept, self.marks = 1_767_225_600.0, list[float](), list[Mark]()
        self.counts: Counter[str] = Counter()
        self.delivery = Delivery(
            url,
            secret,
            self.counts,
            self.settled,
            now_s=lambda: self.now_s,
            sleep=self.sleep,
            uniform=lambda: 1.0,
            settings=settings,
        )

    async def settled(self, mark: Mark) -> None:
        self.marks.append(mark)

    async def sleep(self, pause_s: float) -> None:
        self.slept.append(pause_s)
        self.now_s += pause_s
        await asyncio.sleep(0)

    async def run_until(self, done: Callable[[], bool]) -> None:
        task = asyncio.create_task(self.delivery.run())
        while not done():
            assert not task.done(), task.exception()
            await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def done(self, alerts: int) -> Callable[[], bool]:
        return lambda: self.counts[SENT] + self.counts[GIVEN_UP] == alerts


def alert(number: int = 1) -> Alert:
    return Alert(
        id=f"{number:032x}",
        scorer="s",
        kind="alarm",
        subject="a: b",
        subjects=["a: b"],
        words="because",
        by_hand=False,
        time="2026-01-01T00:00:00Z",
        seq=number,
    )


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


def test_alerts_come_in_order_signed_and_named() -> None:
    async def work() -> None:
        async with receiving(OK) as receiver:
            rig = Rig(receiver.url)
            for number in (1, 2, 3):
                rig.delivery.offer(alert(number), Mark(number, frozenset()))
            await rig.run_until(rig.done(3))
            await asyncio.sleep(0)
        assert rig.counts == {SENT: 3, TRIED: 3}
        assert [mark.through_seq for mark in rig.marks] == [1, 2, 3]
        for number, (headers, body) in enumerate(receiver.heard, 1):
            assert verified(SECRET, body, headers["fraud-signature"], rig.now_s)
            assert not verified(b"another secret!!", body, headers["fraud-signature"], rig.now_s)
            assert headers["fraud-event-id"] == json.loads(body)["id"] == f"{number:032x}"
            assert headers["content-type"] == "application/json"

    run(work())


@pytest.mark.parametrize(
    "bad",
    [
        ERROR,
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"\x00\xff no HTTP at all\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000,
        None,
    ],
    ids=["500", "404", "garbage", "hangs up", "endless headers", "silence"],
)
def test_a_failure_is_tried_again_later_and_later(bad: bytes | None) -> None:
    async def work() -> None:
        async with receiving(bad, bad, bad, OK) as receiver:
            settings = DeliverySettings(4, 5, 1.0, 2.0, timeout_s=0.3)
            rig = Rig(receiver.url, settings)
            rig.delivery.offer(alert())
            await rig.run_until(rig.done(1))
        assert rig.counts == {SENT: 1, TRIED: 4}
        assert rig.slept == [1.0, 2.0, 2.0]
        assert len({body for _, body in receiver.heard}) == 1  # the same each time,
        assert (
            len({headers["fraud-signature"] for headers, _ in receiver.heard}) == 4
        )  # signed anew

    run(work())


def test_a_redirection_is_not_followed() -> None:
    async def work() -> None:
        async with receiving(OK) as elsewhere:
            moved = f"HTTP/1.1 307 Go\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n"
            async with receiving(moved.encode()) as receiver:
                rig = Rig(receiver.url)
                rig.delivery.offer(alert())
                await rig.run_until(rig.done(1))
            assert rig.counts == {GIVEN_UP: 1, TRIED: 5}
            assert not elsewhere.heard

    run(work())


def test_what_cannot_be_delivered_is_counted_said_and_does_not_stop_the_rest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def work() -> None:
        async with receiving(*[ERROR] * 5, OK) as receiver:
            rig = Rig(receiver.url)
            for number in range(1, 7):  # four wait at most
                rig.delivery.offer(alert(number), Mark(number, frozenset()))
            await rig.run_until(rig.done(4))
        assert rig.counts == {GIVEN_UP: 1, SENT: 3, TRIED: 8, DROPPED: 2}
        assert rig.slept == [1.0, 2.0, 4.0, 4.0]
        assert [mark.through_seq for mark in rig.marks][-1] == 4

    with caplog.at_level(logging.DEBUG, "serving.alerts"):
        run(work())
    assert f"alert {1:032x} (alarm: a: b) given up: answered 500" in caplog.text
    assert f"alert {5:032x} dropped" in caplog.text
    assert "path-secret" not in caplog.text
    assert SECRET.decode() not in caplog.text


def test_progress_outlives_a_restart_and_damage(tmp_path: Path) -> None:
    ledger_file = tmp_path / "ledger.sqlite"
    progress = Progress(ledger_file, 7, lambda: "one")
    assert progress.mark == Mark(7, frozenset())  # history is not told
    progress.keep(Mark(9, frozenset({"a: b"})))
    again = Progress(ledger_file, 20, lambda: "two")
    assert (again.scorer, again.mark) == ("one", Mark(9, frozenset({"a: b"})))
    # The ledger was put back from a backup: it ends before what was told.
    assert Progress(ledger_file, 8, lambda: "two").mark == Mark(8, frozenset())
    Path(f"{ledger_file}-alerts.json").write_text("{")
    assert Progress(ledger_file, 20, lambda: "three").mark == Mark(20, frozenset())


def test_the_secret_is_long_and_not_for_everybody(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    with pytest.raises(ConfigError, match="No such file"):
        read_secret(path)
    path.write_bytes(b"short\n")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="5 bytes"):
        read_secret(path)
    path.write_bytes(SECRET + b"\n")
    assert read_secret(path) == SECRET
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="by others"):
        read_secret(path)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "ftp://127.0.0.1/",
        "https://",
        "https://user:password-1@example.org/",
        "https://example.org/#here",
        "http://127.0.0.1:99999/",
        "file:///etc/passwd",
        "//127.0.0.1/",
    ],
)
def test_addresses_that_are_not_safe_are_refused_and_not_repeated(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="FRAUD_WEBHOOK_URL") as raised:
        Configuration(demo=True, webhook_url=url, webhook_secret_file=tmp_path / "secret")
    assert "password-1" not in str(raised.value)
    with pytest.raises(ConfigError, match="belong together"):
        Configuration(demo=True, webhook_url="https://example.org/")


@contextmanager
def listening() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A receiver for another process: it refuses the first attempt, then takes all."""
    heard: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((self.headers["Fraud-Signature"], body))
            self.send_response(500 if len(heard) == 1 else 204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/path-secret", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_real_service_tells_of_a_switch(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    secret.chmod(0o600)
    with (
        listening() as (url, heard),
        running_service(tmp_path, webhook_url=url, webhook_secret_file=secret) as service,
    ):
        service.wait_until_ready()
        asked = {"mode": "heuristic", "reason": "a drill"}
        assert service.client.post("/v1/admin/mode", json=asked).status_code == 200
        service.wait_for(lambda: len(heard) > 1)
        service.wait_for(
            lambda: 'fraud_alerts_total{outcome="sent"} 1.0' in service.client.get("/metrics").text
        )
        log = service.log
    (first, body), (second, again) = heard
    assert body == again
    told = json.loads(body)
    assert (told["kind"], told["subject"], told["by_hand"]) == ("switch", "forced", True)
    assert "a drill" in told["words"]
    for header in (first, second):
        assert verified(SECRET, body, header, float(header[2:12]))
    assert "path-secret" not in log
    assert SECRET.decode() not in log


def test_the_receiver_in_the_document_takes_what_is_genuine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With a secret as `openssl rand -hex 32 > FILE` leaves it: with a newline."""
    text = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^  ```python\n(.*?)^  ```$", text, flags=re.DOTALL | re.MULTILINE)
    file = tmp_path / "webhook-secret"
    file.write_text(f"{secrets.token_hex(32)}\n")
    file.chmod(0o600)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "example"}
    exec(textwrap.dedent(example), names)
    server = HTTPServer(("127.0.0.1", 0), names["Receiver"])
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/"
        for secret, counted in (
            (read_secret(file), {SENT: 2, TRIED: 2}),
            (file.read_bytes(), {GIVEN_UP: 2, TRIED: 2}),
        ):
            rig = Rig(url, DeliverySettings(attempts=1), secret)
            rig.now_s = time.time()
            rig.delivery.offer(alert(7))
            rig.delivery.offer(alert(7))
            run(rig.run_until(rig.done(2)))
            assert rig.counts == counted
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    printed = [line for line in capfd.readouterr().out.splitlines() if line.startswith("{")]
    assert [json.loads(line)["seq"] for line in printed] == [7], "twice sent, once told"
