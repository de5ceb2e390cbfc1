"""The learner and the snapshotter: round by round, and as processes that are killed beside a scorer."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvloop
from streams import cut, digest, fold_all, simulated_arrivals, simulated_settings

from fraud_system import replay
from fraud_system.engine import Engine
from fraud_system.events import Arrivals
from fraud_system.learner import Learner
from fraud_system.ledger import MemoryLedger, SqliteLedger
from fraud_system.recovery import recover_engine
from serving.workers import learner as learner_worker
from serving.workers import snapshotter, standard
from serving.workers.messages import Heartbeat, Message, SnapshotSaved, WeightsProposed, encode
from serving.workers.running import write_settings
from serving.workers.supervisor import Restarts, Supervisor

SETTINGS = simulated_settings()


@pytest.fixture(scope="module")
def stream() -> Arrivals:
    return simulated_arrivals(1_200)


def started(ledger: MemoryLedger | SqliteLedger) -> Engine:
    """A scorer's engine on an empty ledger."""
    engine = Engine(SETTINGS)
    ledger.append([engine.adopt(Learner(SETTINGS).first_publication())])
    return engine


def adopt_if_newer(engine: Engine, ledger: MemoryLedger | SqliteLedger, message: Message) -> None:
    if isinstance(message, WeightsProposed):
        publication = message.publication
        if publication.version > engine.weights_version:
            ledger.append([engine.adopt(publication)])


def learned_in_rounds(
    stream: Arrivals, round_events: int, snapshot_every_events: int
) -> tuple[MemoryLedger, Learner, list[Message]]:
    """A scorer and a learner take turns; what the learner has said."""
    ledger, learner = MemoryLedger(), Learner(SETTINGS)
    engine, said = started(ledger), []
    first = learner.first_publication()
    turns = learner_worker.rounds(
        learner, first, ledger, said.append, snapshot_every_events, round_events
    )
    for piece in cut(stream, [50]):
        ledger.append(fold_all(engine, piece)[0])
        heard = len(said)
        next(turns)
        for message in said[heard:]:
            adopt_if_newer(engine, ledger, message)
    while not next(turns):
        pass
    assert next(turns), "at the end it is to rest"
    return ledger, learner, said


def test_rounds_propose_say_and_save(stream: Arrivals) -> None:
    ledger, learner, said = learned_in_rounds(stream, round_events=30, snapshot_every_events=400)
    versions = [each.publication.version for each in said if isinstance(each, WeightsProposed)]
    assert versions == sorted(set(versions))
    assert versions[0] == 0
    assert len(versions) > 4
    beats = [each for each in said if isinstance(each, Heartbeat)]
    places = [each.read_through_seq for each in beats]
    assert places == sorted(places)
    assert places[-1] == ledger.last_seq == learner.read_through_seq
    # A frame comes whole, so a round reads a frame beyond its bound at most.
    largest = max(frame.last_seq - frame.first_seq + 1 for frame in ledger.frames())
    assert np.diff(places).max() <= 30 + largest
    assert beats[-1].figures["learned_labels"] == learner.learned_labels > 100
    assert beats[-1].figures["version"] == learner.version
    assert beats[-1].figures["refused_absurd_features"] == 0
    saved = [each for each in said if isinstance(each, SnapshotSaved)]
    assert len(saved) > 3
    assert np.diff([each.seq for each in saved]).min() >= 400
    assert list(replay.verify(SETTINGS, ledger))[-1] == ledger.last_seq


def test_of_several_publications_that_are_due_the_newest_is_proposed(stream: Arrivals) -> None:
    ledger = MemoryLedger()
    ledger.append(fold_all(started(ledger), stream)[0])
    learner, said = Learner(SETTINGS), []
    first = learner.first_publication()
    turns = learner_worker.rounds(learner, first, ledger, said.append, 10**9, 10**9)
    assert [next(turns), next(turns)] == [True, True]
    (proposed,) = [each.publication for each in said if isinstance(each, WeightsProposed)]
    assert proposed.version == learner.version > 5


def test_a_learner_goes_on_from_its_snapshot(stream: Arrivals) -> None:
    ledger, learner, _ = learned_in_rounds(stream, 200, 500)
    again, _ = replay.recover_learner(SETTINGS, ledger)
    assert digest(MemoryLedger(), again) == digest(MemoryLedger(), learner)


def test_a_snapshot_of_the_engine_is_saved_when_enough_has_happened(stream: Arrivals) -> None:
    ledger, said = MemoryLedger(), []
    engine = started(ledger)
    looks = snapshotter.rounds(SETTINGS, ledger, said.append, 500)
    for piece in cut(stream, [100]):
        ledger.append(fold_all(engine, piece)[0])
        next(looks)
    saved = [each.seq for each in said if isinstance(each, SnapshotSaved)]
    assert len(saved) > 3
    assert np.diff(saved).min() >= 500
    found = ledger.latest_snapshot("engine")
    assert found is not None
    assert found[0] == saved[-1]
    recovered = recover_engine(SETTINGS, ledger)
    assert digest(MemoryLedger(), recovered) == digest(MemoryLedger(), engine)
    # Another one begins where the last snapshot lies.
    again: list[Message] = []
    next(snapshotter.rounds(SETTINGS, ledger, again.append, 500))
    assert again == [Heartbeat(read_through_seq=saved[-1])]


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(120):
        while not holds():
            await asyncio.sleep(0.01)


def test_killed_beside_a_scorer_they_come_back_and_the_ledger_replays(
    stream: Arrivals, tmp_path: Path
) -> None:
    path, settings_path = tmp_path / "ledger.db", tmp_path / "settings.json"
    write_settings(settings_path, SETTINGS)
    specs = [
        standard.learner(path, settings_path, poll_interval_s=0.02, snapshot_every_events=300),
        standard.snapshotter(path, settings_path, poll_interval_s=0.02, snapshot_every_events=300),
    ]

    async def play(ledger: SqliteLedger) -> Engine:
        engine = started(ledger)
        said: dict[str, list[Message]] = {spec.name: [] for spec in specs}

        async def on_message(name: str, message: Message) -> None:
            said[name].append(message)
            adopt_if_newer(engine, ledger, message)

        def caught_up() -> bool:
            status = supervisor.status()
            learner, saver = status["learner"], status["snapshotter"]
            return (
                learner.read_through_seq == ledger.last_seq
                and engine.weights_version == learner.figures["version"]
                and ledger.last_seq - saver.read_through_seq < 300
            )

        supervisor = Supervisor(specs, on_message, Restarts(first_pause_s=0.1))
        await supervisor.start()
        half = len(stream) // 2
        for part, restarts in ((stream.rows(0, half), 0), (stream.rows(half, len(stream)), 1)):
            for piece in cut(part, [100]):
                ledger.append(fold_all(engine, piece)[0])
            await until(caught_up)
            for name, status in supervisor.status().items():
                assert status.alive
                assert status.restarts == restarts, status.last_error
                assert status.snapshot_seq is not None, name
                life = supervisor._workers[name].life
                assert life is not None
                assert life._process is not None
                if not restarts:
                    os.kill(life._process.pid, signal.SIGKILL)
            await until(lambda: all(each.alive for each in supervisor.status().values()))
        processes = [supervisor._workers[spec.name].life._process for spec in specs]
        await supervisor.stop()
        assert [process.returncode for process in processes] == [0, 0], "not by a signal"
        versions = [
            each.publication.version
            for each in said["learner"]
            if isinstance(each, WeightsProposed)
        ]
        assert versions == sorted(versions)
        return engine

    with SqliteLedger(path) as ledger:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            engine = runner.run(play(ledger))
        assert engine.weights_version > 3
        assert list(replay.verify(SETTINGS, ledger))[-1] == ledger.last_seq
        recovered = recover_engine(SETTINGS, ledger)
        assert digest(MemoryLedger(), recovered) == digest(MemoryLedger(), engine)
        learner, _ = replay.recover_learner(SETTINGS, ledger)
        fresh = Learner(SETTINGS)
        fresh.first_publication()
        for frame in ledger.frames():
            fresh.fold(frame)
        assert digest(MemoryLedger(), learner) == digest(MemoryLedger(), fresh)


NOISY = """
import os, time
from serving.workers.messages import Heartbeat
from serving.workers.pipe import attached
outlet = attached()
print("noise", flush=True)
os.write(1, b"more noise")
outlet.send(Heartbeat(read_through_seq=7))
time.sleep(600)
"""


def test_the_pipe_carries_messages_alone_and_its_end_ends_the_worker(tmp_path: Path) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    wanting = standard.learner(tmp_path / "ledger.db", tmp_path / "no-settings.json").arguments
    with (
        subprocess.Popen([sys.executable, "-c", NOISY], **pipes) as noisy,
        subprocess.Popen([sys.executable, *wanting], **pipes) as failing,
    ):
        assert noisy.stdout is not None
        expected = encode(Heartbeat(read_through_seq=7))
        assert noisy.stdout.read(len(expected)) == expected
        rest, errors = noisy.communicate()  # closes its stdin
        assert (noisy.returncode, rest, errors) == (0, b"", b"noise\nmore noise")
        failing.wait()  # of itself, not because its stdin closes
        rest, errors = failing.communicate()
        assert (failing.returncode, rest) == (1, b"")
        assert len(errors.splitlines()) == 1
        assert b"no-settings.json" in errors
