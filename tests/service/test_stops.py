"""Ends of the service and of its parts under load: what was accepted is answered, staleness is shown."""

import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hard_load import Load, schema_file
from ledger_checks import check_book, check_recovery
from running import GUARD_S, Running, running_service
from warm_parent import LOADS, WarmParent
from workers_in_threads import WorkersInThreads

from fraud_system.events import Frame
from serving.configuration import Configuration
from serving.service import Service
from serving.state import troubles
from serving.workers.supervisor import WorkerStatus


def test_what_was_accepted_before_sigterm_is_answered(tmp_path: Path, warm: WarmParent) -> None:
    load = Load(seed=4)
    variables = {"clock": "traffic", "schema_file": schema_file(tmp_path)}
    for _ in range(5):
        with running_service(tmp_path, warm.start, **variables) as service:
            service.wait_until_ready()
            load.goes_on_from(service.client.get("/v1/model").json()["known_time"])

            def stop(service: Running = service) -> None:
                service.process.send_signal(signal.SIGTERM)

            asyncio.run(load.life(service.url, 60, stop))
            assert service.process.wait(GUARD_S) == 0, service.log
        assert f"{LOADS}MainThread" not in service.log, "a request waited for a compiler"
        assert "Traceback" not in service.log
        # Whatever is stored was answered, so what was not answered had not been accepted.
        assert check_book(load.book, service.ledger_file) == load.book.answers.keys()
    assert load.book.refused == 0
    check_recovery(service.ledger_file)


def test_a_dead_learner_is_shown_and_started_again_and_nobody_waits_for_it(tmp_path: Path) -> None:
    with running_service(tmp_path, stale_after_s=1.0) as service:
        service.wait_until_ready()

        def model() -> dict[str, Any]:
            return dict(service.client.get("/v1/model").json())

        def stale() -> tuple[bool, bool]:
            lines = service.client.get("/metrics").text.splitlines()
            return model()["learner_stale"], "fraud_learner_stale 1.0" in lines

        service.wait_for(lambda: stale() == (False, False))
        os.kill(pid_of_worker(service, "learner"), signal.SIGKILL)
        # For as long as the pause before the next life, its imports and its recovery take.
        service.wait_for(lambda: stale() == (True, True))
        sent = {
            "transaction_id": "while it is dead",
            "event_time": model()["known_time"],
            "amount": 1.0,
            "card": "c",
            "terminal": "t",
        }
        assert service.client.post("/v1/score", json=sent).status_code == 200
        service.wait_for(lambda: stale() == (False, False))
        learner = model()["workers"]["learner"]
        assert (learner["alive"], learner["restarts"]) == (True, 1)
        assert "signal 9" in learner["last_error"]
        restarts = 'fraud_worker_restarts{worker="learner"} 1.0'
        assert restarts in service.client.get("/metrics").text
        # One that hangs runs and says nothing: it is as stale as a dead one.
        os.kill(pid_of_worker(service, "monitor"), signal.SIGSTOP)
        service.wait_for(lambda: model()["workers"]["monitor"]["stale"])
        assert model()["workers"]["monitor"]["alive"]
        lines = service.client.get("/metrics").text.splitlines()
        assert 'fraud_worker_stale{worker="monitor"} 1.0' in lines
        assert 'fraud_worker_alive{worker="monitor"} 1.0' in lines
        service.wait_for(lambda: " silent</td>" in service.client.get("/").text)
        os.kill(pid_of_worker(service, "monitor"), signal.SIGCONT)
        service.wait_for(lambda: not model()["workers"]["monitor"]["stale"])
        children = children_of(service.process.pid)
        assert service.stop() == 0, service.log
        assert not any(Path(f"/proc/{child}").exists() for child in children)


def test_what_an_operator_hears_of_a_monitor_that_hangs_or_does_not_run(tmp_path: Path) -> None:
    class Ill(WorkersInThreads):
        alive = True

        def status(self) -> dict[str, WorkerStatus]:
            found = super().status()
            return found | {"monitor": replace(found["monitor"], alive=self.alive, stale=True)}

    async def story() -> list[dict[str, str]]:
        configuration = Configuration(demo=True, ledger_file=tmp_path / "ledger.sqlite")
        service = Service(configuration, supervised=Ill)
        service.open()
        await service.start()
        told = [troubles(service)]
        Ill.alive = False
        told.append(troubles(service))
        await service.stop()
        return told

    silent, dead = asyncio.run(story())
    assert silent == {"monitor_stale": "it is silent: nobody watches the model"}
    assert dead == {"monitor_stale": "it does not run: nobody watches the model"}


def test_without_its_engine_the_service_ends(tmp_path: Path) -> None:
    """It would answer nobody any more; whoever started it may start it again."""

    def fail(frames: Sequence[Frame]) -> None:
        raise ZeroDivisionError

    async def story() -> Service:
        configuration = Configuration(demo=True, ledger_file=tmp_path / "ledger.sqlite")
        service = Service(configuration, observe=fail, supervised=WorkersInThreads)
        ended = asyncio.Event()
        service.when_failed = ended.set
        service.open()
        await service.start()
        service.task.waiting.tick()
        await asyncio.wait_for(ended.wait(), GUARD_S)
        await service.stop()
        return service

    assert isinstance(asyncio.run(story()).failed, ZeroDivisionError)


def children_of(pid: int) -> list[int]:
    """Of all threads of a process."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in tasks for child in path.read_text().split()]


def pid_of_worker(service: Running, name: str) -> int:
    (pid,) = [
        child
        for child in children_of(service.process.pid)
        if f"serving.workers.{name}" in Path(f"/proc/{child}/cmdline").read_text()
    ]
    return pid
