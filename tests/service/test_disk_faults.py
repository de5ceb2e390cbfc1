"""A disk that is full, or cannot be written: refused while it lasts, nothing lost, no help needed afterwards.

The limit on the size of a file, which another process may set and lift (prlimit), stands in for the full
disk: it is the same failing write.
"""

import asyncio
import resource
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from hard_load import Load, schema_file
from ledger_checks import check_book, check_recovery
from running import GUARD_S, Running, running_service
from warm_parent import WarmParent

from fraud_system.ledger import SqliteLedger
from fraud_system.merged_frames import joined

UNLIMITED = resource.RLIM_INFINITY


def fill_disk(service: Running) -> None:
    """Its log can grow no more; those who ask are refused."""
    size = Path(f"{service.ledger_file}-wal").stat().st_size
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (size, UNLIMITED))


def free_disk(service: Running) -> None:
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))


def is_ready(service: Running) -> bool:
    return service.client.get("/readyz").status_code == 200


def test_a_full_disk_is_answered_with_503_until_there_is_room_again(
    tmp_path: Path, warm: WarmParent
) -> None:
    load = Load(seed=3)
    variables = {"clock": "traffic", "schema_file": schema_file(tmp_path)}
    with running_service(tmp_path, warm.start, **variables) as service:
        service.wait_until_ready()
        load.goes_on_from(service.client.get("/v1/model").json()["known_time"])

        async def while_full() -> None:
            for _ in range(2):
                fill_disk(service)
                await asyncio.to_thread(service.wait_for, lambda: not is_ready(service))
                metrics = await asyncio.to_thread(service.client.get, "/metrics")
                assert "fraud_ready 0.0" in metrics.text
                assert 'fraud_failures_total{error="LedgerError"}' in metrics.text
                free_disk(service)
                await asyncio.to_thread(service.wait_for, lambda: is_ready(service))
                known = len(load.book.answers)
                while len(load.book.answers) < known + 50:
                    await asyncio.sleep(0.01)
            service.process.send_signal(15)

        asyncio.run(load.life(service.url, 100, while_full))
        assert service.process.wait(GUARD_S) == 0, service.log
    assert load.book.refused > 0
    with running_service(tmp_path, warm.start, **variables) as service:
        service.wait_until_ready()
        asyncio.run(load.settle(service.url))
    assert check_book(load.book, service.ledger_file) == load.book.answers.keys()
    check_recovery(service.ledger_file)


def test_the_service_can_be_stopped_while_the_disk_is_full(
    tmp_path: Path, warm: WarmParent
) -> None:
    with running_service(tmp_path, warm.start) as service:
        service.wait_until_ready()
        now = service.client.get("/v1/model").json()["known_time"]
        sent = {"event_time": now, "amount": 1.0, "card": "c", "terminal": "t"}
        first = service.client.post("/v1/score", json=sent | {"transaction_id": "a"})
        assert first.status_code == 200
        fill_disk(service)
        refused = service.client.post("/v1/score", json=sent | {"transaction_id": "b"})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert "ledger" in refused.json()["detail"]
        assert str(tmp_path) not in refused.text
        assert service.stop() == 0, service.log


def test_a_commit_that_hangs_is_answered_in_time_and_may_be_stored(
    tmp_path: Path, warm: WarmParent
) -> None:
    """Somebody else holds SQLite's lock on the file, for less long than the commit waits for it."""
    with running_service(tmp_path, warm.start, answer_timeout_s=0.5) as service:
        service.wait_until_ready()
        now = service.client.get("/v1/model").json()["known_time"]
        content = {"event_time": now, "amount": 1.0, "card": "c", "terminal": "t"}
        rows = [content | {"transaction_id": name} for name in "ab"]
        with closing(sqlite3.connect(service.ledger_file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            refused = [service.client.post("/v1/score", json=row) for row in rows]
            assert [each.status_code for each in refused] == [503, 503]
            assert refused[0].json()["detail"] == "there was no answer in time"
            assert not is_ready(service)
            other.execute("ROLLBACK")
        service.wait_until_ready()
        answers = [service.client.post("/v1/score", json=row).json() for row in rows]
        assert answers == [service.client.post("/v1/score", json=row).json() for row in rows]
        assert service.stop() == 0, service.log
    with SqliteLedger(service.ledger_file, read_only=True) as ledger:
        tables = joined(ledger.frames())
    assert tables["transaction"]["transaction_id"].tolist() == [b"a", b"b"]
    check_recovery(service.ledger_file)


def test_a_disk_that_cannot_be_written_ends_the_start_with_the_reason(warm: WarmParent) -> None:
    """By a process that has not root's right to write everywhere."""
    with tempfile.TemporaryDirectory() as name:
        folder, logs = Path(name) / "ledger", Path(name) / "logs"
        with running_service(folder, warm.start) as service:
            service.wait_until_ready()
        Path(name).chmod(0o755)
        for path in folder.iterdir():
            if path.is_file():
                path.chmod(0o444)
        folder.chmod(0o555)
        try:
            with running_service(
                logs, warm.start_as_nobody, ledger_file=service.ledger_file
            ) as again:
                assert again.process.wait(GUARD_S) == 1, again.log
        finally:
            folder.chmod(0o755)
        assert again.log.strip().splitlines()[-1].startswith("error: "), again.log
        assert "Permission denied" in again.log
        assert "Traceback" not in again.log
