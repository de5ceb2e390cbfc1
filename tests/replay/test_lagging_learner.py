"""A learner in another process may lag as it likes: weights come late, versions are skipped, and a
replay of the ledger still gives the same bytes, because the place where weights were adopted is recorded.
"""

import itertools

import numpy as np
import pytest
from streams import cut, digest, fold_all, simulated_arrivals, simulated_settings

from fraud_system import replay
from fraud_system.engine import Engine
from fraud_system.events import Arrivals, Health, Scorer
from fraud_system.learner import Learner
from fraud_system.ledger import MemoryLedger
from fraud_system.publication import Publication
from fraud_system.switching import Switch

SETTINGS = simulated_settings()


@pytest.fixture(scope="module")
def stream() -> Arrivals:
    return simulated_arrivals(1_500)


def run_apart(stream: Arrivals, seed: int, ledger: MemoryLedger) -> tuple[Engine, Learner]:
    """The engine goes ahead; the learner reads the ledger now and then, and some of what it proposes
    is adopted, at some later time. Snapshots of both are kept at odd moments.
    """
    draw = np.random.default_rng(seed)
    engine, learner = Engine(SETTINGS), Learner(SETTINGS)
    proposed: list[Publication] = [learner.first_publication()]
    for piece in cut(stream, draw.integers(1, 120, 40).tolist()):
        frames, _ = fold_all(engine, piece)
        ledger.append(frames)
        if draw.random() < 0.3:
            for frame in itertools.islice(ledger.frames(learner.read_through_seq), 5):
                proposed += learner.fold(frame)
        if proposed and draw.random() < 0.3:
            ledger.append([engine.adopt(proposed[-1])])
            proposed.clear()
        if draw.random() < 0.1:
            health = Health.FORCED if engine.mode == Scorer.MODEL else Health.MODEL
            ledger.append([engine.switch(Switch(health, "a test", by_hand=True))])
        if draw.random() < 0.2:
            replay.save_snapshot(engine, learner, ledger)
    return engine, learner


@pytest.mark.parametrize("seed", range(6))
def test_a_lagging_learner_leaves_a_ledger_that_replays(stream: Arrivals, seed: int) -> None:
    ledger = MemoryLedger()
    engine, learner = run_apart(stream, seed, ledger)
    adopted = [
        int(frame.tables["published"]["version"][0])
        for frame in ledger.frames()
        if "published" in frame.tables
    ]
    assert adopted == sorted(set(adopted))
    assert list(replay.verify(SETTINGS, ledger))[-1] == ledger.last_seq
    # A learner that has caught up is where one without lag is, whatever the engine adopted.
    for frame in ledger.frames(learner.read_through_seq):
        learner.fold(frame)
    fresh = Learner(SETTINGS)
    fresh.first_publication()
    for frame in ledger.frames():
        fresh.fold(frame)
    assert digest(MemoryLedger(), learner) == digest(MemoryLedger(), fresh)
    recovered_engine, recovered_learner = replay.recover(SETTINGS, ledger)
    if recovered_engine.weights_version == engine.weights_version:
        assert digest(MemoryLedger(), recovered_engine) == digest(MemoryLedger(), engine)
    else:  # recovery adopts the newest weights that were due
        assert recovered_engine.weights_version == recovered_learner.version
        assert list(replay.verify(SETTINGS, ledger))[-1] == ledger.last_seq


def test_versions_are_skipped_and_late_in_these_runs(stream: Arrivals) -> None:
    skipped, late = 0, 0
    for seed in range(6):
        ledger, due, version = MemoryLedger(), Learner(SETTINGS), -1
        run_apart(stream, seed, ledger)
        due.first_publication()
        for frame in ledger.frames():
            if "published" in frame.tables:
                skipped += int(frame.tables["published"]["version"][0]) - version > 1
                version = int(frame.tables["published"]["version"][0])
                late += due.version > version
            due.fold(frame)
    assert skipped > 3
    assert late > 3


def test_late_weights_answer_what_comes_after_them(stream: Arrivals) -> None:
    ledger = MemoryLedger()
    run_apart(stream, 1, ledger)
    version = -1
    for frame in ledger.frames():
        if "published" in frame.tables:
            version = int(frame.tables["published"]["version"][0])
        if "decision" in frame.tables:
            assert set(frame.tables["decision"]["weights_version"].tolist()) == {version}
