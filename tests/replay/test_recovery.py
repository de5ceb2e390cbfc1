"""Recovery from a crash anywhere: snapshot or not, same process or another, the same bytes."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from streams import (
    MODELS,
    cut,
    digest,
    fold_all,
    simulated_arrivals,
    simulated_settings,
    tiny_settings,
)

from fraud_system import replay
from fraud_system.engine import Engine
from fraud_system.errors import ArtefactError, ReplayMismatch
from fraud_system.events import Arrivals, Frame
from fraud_system.learner import Learner
from fraud_system.ledger import Ledger, MemoryLedger, SqliteLedger
from fraud_system.recovery import STATE_VERSION, recover_engine, restored_engine, save_engine
from fraud_system.settings import Settings

TESTS = Path(__file__).parent.parent
EVENTS = 900


class Whole(NamedTuple):
    """A run that was never interrupted.

    Args:
        model: its name in `MODELS`.
        settings: its settings.
        stream: its inputs.
        accepted: positions of the inputs that are in the ledger, in order.
        frames: its ledger.
        digest: of everything recorded and of both states.
        states: of both states alone.
    """

    model: str
    settings: Settings
    stream: Arrivals
    accepted: np.ndarray
    frames: list[Frame]
    digest: str
    states: str


@pytest.fixture(scope="module", params=MODELS)
def whole(request: pytest.FixtureRequest) -> Whole:
    settings = simulated_settings(model=MODELS[request.param])
    stream, ledger = simulated_arrivals(EVENTS), MemoryLedger()
    engine, learner = replay.start(settings, ledger)
    for _ in replay.run(engine, learner, ledger, cut(stream, [90])):
        pass
    _, status = fold_all(Engine(settings), stream)
    return Whole(
        request.param,
        settings,
        stream,
        np.flatnonzero(status == 0),
        list(ledger.frames()),
        digest(ledger, engine, learner),
        digest(MemoryLedger(), engine, learner),
    )


def ledger_of(frames: list[Frame]) -> MemoryLedger:
    ledger = MemoryLedger()
    ledger.append(frames)
    return ledger


def unread(settings: Settings) -> tuple[Engine, Learner]:
    """Two folds before the first frame."""
    engine, learner = Engine(settings), Learner(settings)
    learner.first_publication()
    return engine, learner


def go_on(whole: Whole, ledger: Ledger, sizes: list[int]) -> str:
    """Recover, feed the inputs after the last one in the ledger, and digest everything.

    Those that are older than the engine's time had been refused: every other one is in the ledger.
    """
    engine, learner = replay.recover(whole.settings, ledger)
    inputs = sum(
        len(frame.tables[name]["seq"])
        for frame in ledger.frames()
        for name in ("transaction", "label", "tick")
        if name in frame.tables
    )
    position = whole.accepted[inputs - 1] + 1 if inputs else 0
    known_us = whole.stream.known_time_us
    while position < len(known_us) and known_us[position] < engine.known_time_us:
        position += 1
    rest = whole.stream.rows(position, len(whole.stream))
    for _ in replay.run(engine, learner, ledger, cut(rest, sizes)):
        pass
    return digest(ledger, engine, learner)


def test_after_a_crash_at_any_append(whole: Whole) -> None:
    assert len(whole.frames) > 25
    for kept in range(len(whole.frames) + 1):
        assert go_on(whole, ledger_of(whole.frames[:kept]), [70, 11, 300]) == whole.digest, kept


@pytest.mark.parametrize("model", MODELS)
def test_an_empty_ledger_recovers_to_a_start(model: str) -> None:
    settings = simulated_settings(model=MODELS[model])
    ledger, started = MemoryLedger(), MemoryLedger()
    recovered = replay.recover(settings, ledger)
    assert digest(ledger, *recovered) == digest(started, *replay.start(settings, started))
    assert ledger.last_seq == 1


def test_a_snapshot_after_any_frame_and_a_crash_right_there(whole: Whole) -> None:
    """Also between a frame that makes a publication due and the frame of the publication."""
    engine, learner = unread(whole.settings)
    between = 0
    for kept, frame in enumerate(whole.frames, start=1):
        engine.refold(frame)
        learner.fold(frame)
        between += learner.version > engine.weights_version
        ledger = ledger_of(whole.frames[:kept])
        replay.save_snapshot(engine, learner, ledger)
        assert go_on(whole, ledger, [128]) == whole.digest, kept
    assert between > 3


def test_a_snapshot_after_any_frame_and_the_whole_tail(whole: Whole) -> None:
    engine, learner = unread(whole.settings)
    for kept, frame in enumerate(whole.frames, start=1):
        engine.refold(frame)
        learner.fold(frame)
        if kept % 4 == 0:
            ledger = ledger_of(whole.frames[:kept])
            replay.save_snapshot(engine, learner, ledger)
            ledger.append(whole.frames[kept:])
            recovered = replay.recover(whole.settings, ledger)
            assert digest(MemoryLedger(), *recovered) == whole.states, kept


@pytest.mark.parametrize(("engine_at", "learner_at"), [(10, 20), (20, 10), (0, 20), (20, 0)])
def test_engine_and_learner_may_have_snapshots_at_different_places(
    whole: Whole, engine_at: int, learner_at: int
) -> None:
    engine, learner = unread(whole.settings)
    ledger = ledger_of(whole.frames)
    for frame in whole.frames[:engine_at]:
        engine.refold(frame)
    for frame in whole.frames[:learner_at]:
        learner.fold(frame)
    one_of_them = ledger_of(whole.frames)
    replay.save_snapshot(engine, learner, one_of_them)
    for name in ["engine"] * (engine_at > 0) + ["learner"] * (learner_at > 0):
        found = one_of_them.latest_snapshot(name)
        assert found is not None
        ledger.save_snapshot(name, *found)
    recovered = replay.recover(whole.settings, ledger)
    assert digest(MemoryLedger(), *recovered) == whole.states


def test_each_fold_recovers_alone_and_writes_nothing(whole: Whole, tmp_path: Path) -> None:
    """Through a reader, between a label that makes a publication due and the publication, too."""
    path, due = tmp_path / "ledger.db", 0
    with SqliteLedger(path) as writer, SqliteLedger(path, read_only=True) as reader:
        for part, frame in enumerate(whole.frames, start=1):
            writer.append([frame])
            before_seq = writer.last_seq
            engine = recover_engine(whole.settings, reader)
            learner, ready = replay.recover_learner(whole.settings, reader)
            assert reader.last_seq == before_seq == engine.last_seq == learner.read_through_seq
            memory = ledger_of(whole.frames[:part])
            expected = replay.recover(whole.settings, memory)
            if part % 3 == 0:
                save_engine(engine, reader)
            if part % 4 == 0:
                replay.save_learner(learner, reader)
            if memory.last_seq > before_seq:
                due += 1
                assert ready is not None
                learner.fold(engine.adopt(ready))
            assert digest(MemoryLedger(), engine, learner) == digest(MemoryLedger(), *expected)
    assert due > 1
    assert digest(MemoryLedger(), engine, learner) == whole.states


def test_a_fold_begins_at_its_newest_snapshot(whole: Whole) -> None:
    ledger = ledger_of(whole.frames[:20])
    engine, learner = replay.recover(whole.settings, ledger)
    assert restored_engine(whole.settings, ledger).last_seq == 0
    fresh, ready = replay.restored_learner(whole.settings, ledger)
    assert (fresh.read_through_seq, ready and ready.version) == (0, 0)
    replay.save_snapshot(engine, learner, ledger)
    again = (
        restored_engine(whole.settings, ledger),
        replay.restored_learner(whole.settings, ledger)[0],
    )
    assert digest(MemoryLedger(), *again) == digest(MemoryLedger(), engine, learner)


@pytest.mark.parametrize("arrays", [{}, {"state_version": np.array([STATE_VERSION + 1])}])
def test_a_snapshot_of_another_release_is_passed_over(
    whole: Whole, arrays: dict[str, np.ndarray]
) -> None:
    ledger = ledger_of(whole.frames)
    for name in ("engine", "learner"):
        ledger.save_snapshot(name, ledger.last_seq, arrays)
    assert digest(MemoryLedger(), *replay.recover(whole.settings, ledger)) == whole.states


def test_a_snapshot_is_the_same_after_a_round_trip(whole: Whole) -> None:
    engine, learner = replay.recover(whole.settings, ledger_of(whole.frames[:20]))
    again = (
        Engine.from_arrays(whole.settings, engine.to_arrays()),
        Learner.from_arrays(whole.settings, learner.to_arrays()),
    )
    assert digest(MemoryLedger(), *again) == digest(MemoryLedger(), engine, learner)


def test_nothing_is_recovered_under_other_settings(whole: Whole) -> None:
    engine, learner = replay.recover(whole.settings, ledger_of(whole.frames[:9]))
    with pytest.raises(ArtefactError, match="other settings"):
        Engine.from_arrays(tiny_settings(), engine.to_arrays())
    with pytest.raises(ArtefactError, match="other settings"):
        Learner.from_arrays(tiny_settings(), learner.to_arrays())
    with pytest.raises(ReplayMismatch, match=r"seq 1\.\.1: the frame cannot be replayed"):
        replay.recover(tiny_settings(), ledger_of(whole.frames[:9]))


PREAMBLE = f"""
import os, signal, sys
sys.path.insert(0, {str(TESTS)!r})
from streams import MODELS, cut, digest, simulated_arrivals, simulated_settings
from fraud_system import replay
from fraud_system.ledger import MemoryLedger, SqliteLedger
settings = simulated_settings(model=MODELS[sys.argv[1]])
stream = simulated_arrivals({EVENTS})
"""

RUN = """
ledger = MemoryLedger()
engine, learner = replay.start(settings, ledger)
for _ in replay.run(engine, learner, ledger, cut(stream, [37, 5, 400])):
    pass
print(digest(ledger, engine, learner))
"""

CRASH = """
ledger = SqliteLedger(sys.argv[2])
engine, learner = replay.start(settings, ledger)
batches = replay.run(engine, learner, ledger, cut(stream, [100]))
for number, _ in enumerate(batches):
    if number == 4:
        replay.save_snapshot(engine, learner, ledger)
    if number == 7:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def in_another_process(code: str, *arguments: str, seed: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", PREAMBLE + code, *arguments]
    environment = os.environ | {"PYTHONHASHSEED": seed}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_another_process_with_other_batches_gives_the_same_bytes(whole: Whole) -> None:
    done = in_another_process(RUN, whole.model, seed="12345")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == whole.digest


def test_a_killed_process_is_carried_on_by_another(whole: Whole, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    done = in_another_process(CRASH, whole.model, str(path), seed="7")
    assert done.returncode == -signal.SIGKILL, done.stderr
    with SqliteLedger(path) as ledger:
        assert ledger.latest_snapshot("engine") is not None
        assert 0 < ledger.last_seq < whole.frames[-1].last_seq
        assert go_on(whole, ledger, [256]) == whole.digest
