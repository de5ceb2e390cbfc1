"""Memory and work: bounded by entities and by what is within the label horizon, never by history.

By counting bytes, rows and records, not by a clock.
"""

from typing import NamedTuple

import numpy as np
import pytest
from streams import (
    HORIZON_S,
    fold_all,
    many_frauds,
    many_transactions,
    no_messages,
    tiny_settings,
)

from fraud_system import replay
from fraud_system.engine import Engine
from fraud_system.events import Arrivals, LabelsObserved
from fraud_system.ledger import MemoryLedger, encode_frame

SETTINGS = tiny_settings(publish_every_labels=500)
IN_HORIZON = 1_500
STEP_US = HORIZON_S * 1_000_000 // IN_HORIZON


class Used(NamedTuple):
    """After each horizon of a run."""

    engine_bytes: list[int]
    learner_bytes: list[int]
    engine_rows: list[int]
    learner_rows: list[int]
    waiting: list[int]
    ledger_bytes: list[int]
    publications: list[int]


@pytest.fixture(scope="module")
def used() -> Used:
    """Thirty horizons of steady traffic: early and late frauds, orphans, repeated messages."""
    found = Used([], [], [], [], [], [], [])
    ledger, draw = MemoryLedger(), np.random.default_rng(2)
    engine, learner = replay.start(SETTINGS, ledger)
    size, read_seq = 0, 0
    for horizon in range(30):
        known_us = np.arange(horizon * IN_HORIZON, (horizon + 1) * IN_HORIZON) * STEP_US
        transactions = many_transactions(known_us, first_key=1 + horizon * IN_HORIZON)
        about = np.concatenate(
            [
                draw.integers(max(1, (horizon - 1) * IN_HORIZON), (horizon + 1) * IN_HORIZON, 150),
                draw.integers(2**40, 2**41, 50),  # never heard of
            ]
        )
        times_us = np.sort(draw.integers(known_us[0], known_us[-1], 200))
        labels = LabelsObserved(
            **many_frauds(0, draw.permutation(about)).table() | {"known_time_us": times_us}
        )
        stream = Arrivals.merge(transactions, labels)
        for _ in replay.run(engine, learner, ledger, stream.batches(250)):
            pass
        for frame in ledger.frames(read_seq):
            size, read_seq = size + len(encode_frame(frame)), frame.last_seq
        state = learner.to_arrays()
        found.engine_bytes.append(engine.memory_bytes())
        found.learner_bytes.append(learner.memory_bytes())
        found.engine_rows.append(len(engine.to_arrays()["labels.key"]))
        found.learner_rows.append(len(state["logged.rows"]))
        found.waiting.append(len(state["strategy.waiting"]) + len(state["strategy.reversed"]))
        found.ledger_bytes.append(size)
        found.publications.append(learner.version)
    return found


def test_the_engine_stops_growing_after_the_first_horizons(used: Used) -> None:
    assert len(set(used.engine_bytes[2:])) == 1
    assert set(used.engine_rows[1:]) == {IN_HORIZON + 1}


def test_the_learner_stops_growing_after_the_first_horizons(used: Used) -> None:
    assert len(set(used.learner_bytes[2:])) == 1
    # A fraud that waits for its turn can hold a few rows back, not for longer than maturity.
    assert max(used.learner_rows[1:]) <= IN_HORIZON * 4 // 3 + 1
    assert max(used.waiting) < 150


def test_what_is_recorded_and_published_grows_evenly_with_the_stream(used: Used) -> None:
    assert used.ledger_bytes[29] < 11 * used.ledger_bytes[2], "ten times the stream"
    of_each_horizon = np.diff(used.ledger_bytes[1:])
    assert of_each_horizon.max() < 1.1 * of_each_horizon.min()
    assert set(np.diff(used.publications[1:]).tolist()) <= {3, 4}


def test_more_entities_take_more_memory_but_repeated_ones_do_not() -> None:
    def after(cards: int, size: int) -> int:
        engine = Engine(SETTINGS)
        # Far enough apart that few are within the horizon.
        known_us = np.arange(size) * HORIZON_S * 10_000
        stream = Arrivals.merge(many_transactions(known_us, cards=cards), no_messages())
        for piece in stream.batches(100):
            fold_all(engine, piece)
        return engine.memory_bytes()

    assert after(cards=100, size=2_000) == after(cards=100, size=9_000)
    assert after(cards=5_000, size=9_000) > after(cards=100, size=9_000)


def test_a_flood_of_orphans_takes_no_memory() -> None:
    engine = Engine(SETTINGS)
    before = engine.memory_bytes()
    for day in range(3):
        numbers = np.arange(day * 30_000 + 1, (day + 1) * 30_000 + 1)
        fold_all(engine, Arrivals.merge(many_transactions([]), many_frauds(day, numbers)))
    assert engine.memory_bytes() == before
    assert engine.label_counts()["parked"] == 90_000
