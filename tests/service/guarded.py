"""A service as it is run in earnest, with API keys and this machine's clock, for tests that attack it."""

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from running import Running, running_service

from fraud_system.learner import Learner
from fraud_system.ledger import SqliteLedger
from fraud_system.models.artefact import save_model
from fraud_system.replay import verify
from pipelines.system_settings import SCHEMAS, read_schema, settings_of
from serving.key_file import SCOPES, add_key
from serving.workers.running import read_settings

MAX_BODY_BYTES = 65_536
MAX_BATCH_ROWS = 1_000


@dataclass(frozen=True)
class Guarded:
    """A running service and the keys to it.

    Args:
        running: it.
        keys: by scope; `all` has every scope, `old` too, but has expired.
    """

    running: Running
    keys: Mapping[str, str] = field(repr=False)

    def headers(self, key: str = "all", **more: str) -> dict[str, str]:
        """Of a JSON request with a key."""
        given = {"authorization": f"Bearer {self.keys[key]}", "content-type": "application/json"}
        return given | {name.replace("_", "-"): value for name, value in more.items()}

    def score(self, **fields: Any) -> Any:
        """The answer to a transaction."""
        return self.running.client.post(
            "/v1/score", json=transaction(**fields), headers=self.headers()
        )

    def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        """The answer to any request."""
        return self.running.client.request(method, path, **given)

    def connect(self) -> socket.socket:
        """A connection of one's own."""
        return connect(self.running)

    def assert_sound(self, name: str) -> None:
        """It scores, nothing failed within, and all that it recorded is what a replay records."""
        answer = self.score(transaction_id=name)
        assert answer.status_code == 200, answer.text
        metrics = self.running.client.get("/metrics", headers=self.headers()).text
        failures = [line for line in metrics.splitlines() if line.startswith("fraud_failures")]
        assert not failures
        assert "Traceback" not in self.running.log
        settings = read_settings(Path(f"{self.running.ledger_file}-settings.json"))
        ledger = SqliteLedger(self.running.ledger_file, read_only=True)
        try:
            assert max(verify(settings, ledger)) >= answer.json()["seq"]
        finally:
            ledger.close()


def connect(running: Running) -> socket.socket:
    """A connection of one's own."""
    port = urlsplit(running.url).port
    assert port is not None
    return socket.create_connection(("127.0.0.1", port), timeout=60.0)


def assert_problem(answer: httpx.Response, status: int, field: str | None) -> None:
    """A refusal that names field and fix, with the headers that every answer has."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert_safe_headers(answer)
    problem = answer.json()
    assert (problem["status"], problem.get("field")) == (status, field)
    assert problem["detail"]
    assert problem["fix"]
    assert len(answer.content) < 2_000


def assert_safe_headers(answer: httpx.Response) -> None:
    """What every answer tells a browser, and what it does not tell anybody."""
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "server" not in answer.headers
    assert "location" not in answer.headers


def moment(seconds: float = 0.0) -> str:
    """So long from now, RFC 3339."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def transaction(**fields: Any) -> dict[str, Any]:
    """One that would be taken as it is."""
    sent = {"event_time": moment(), "amount": 12.5, "card": "card-1", "terminal": "terminal-1"}
    return {"transaction_id": f"hostile-{time.monotonic_ns()}"} | sent | fields


@contextmanager
def guarded_service(folder: Path) -> Iterator[Guarded]:
    """Start one, ready."""
    key_file, champion = folder / "keys.json", folder / "champion"
    now_s = time.time()
    keys = {scope: add_key(key_file, scope, [scope], now_s) for scope in SCOPES}
    keys["all"] = add_key(key_file, "all", SCOPES, now_s)
    keys["old"] = add_key(key_file, "old", SCOPES, now_s - 100.0, 50.0)
    champion.mkdir()
    schema = read_schema(SCHEMAS / "simulated.toml")
    for name, content in save_model(Learner(settings_of(schema, SCHEMAS))).items():
        (champion / name).write_bytes(content)
    with running_service(
        folder,
        demo=False,
        api_keys_file=key_file,
        champion_dir=champion,
        max_body_bytes=MAX_BODY_BYTES,
        max_batch_rows=MAX_BATCH_ROWS,
        max_batch_body_bytes=1 << 20,
        header_timeout_s=1,
        body_timeout_s=1,
        report_timeout_s=0.1,  # of those that schemathesis asks for none shall take the cores
    ) as running:
        running.wait_until_ready()
        yield Guarded(running, keys)
