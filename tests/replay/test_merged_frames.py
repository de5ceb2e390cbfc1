"""Recorded frames that are taken again several at a time give the state of one at a time."""

import numpy as np
import pytest
from streams import MODELS, cut, digest, simulated_arrivals, simulated_settings

from fraud_system import replay
from fraud_system.engine import Engine
from fraud_system.events import Frame
from fraud_system.ledger import MemoryLedger
from fraud_system.merged_frames import MADE, MOST_EVENTS, merged
from fraud_system.switching import Health, Switch

SETTINGS = simulated_settings(model=MODELS["laplace"])


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    """Micro-batches of 1 to 9 inputs, with publications and a switch between them."""
    ledger = MemoryLedger()
    engine, learner = replay.start(SETTINGS, ledger)
    stream = simulated_arrivals(700)
    sizes = np.random.default_rng(2).integers(1, 10, len(stream)).tolist()
    for number, batch in enumerate(cut(stream, sizes)):
        for _ in replay.run(engine, learner, ledger, [batch]):
            pass
        if number == 40:
            switched = engine.switch(Switch(Health.HEURISTIC, "drill"))
            learner.fold(switched)
            ledger.append([switched])
    return list(ledger.frames())


@pytest.mark.parametrize("most_events", [1, 2, 37, MOST_EVENTS])
def test_the_state_is_that_of_one_frame_at_a_time(frames: list[Frame], most_events: int) -> None:
    alone, together = Engine(SETTINGS), Engine(SETTINGS)
    for frame in frames:
        alone.refold(frame)
    taken = list(merged(frames, most_events))
    for frame in taken:
        together.refold(frame)
        assert together.last_seq == frame.last_seq
    assert digest(MemoryLedger(), together) == digest(MemoryLedger(), alone)
    assert [each.first_seq for each in taken[1:]] == [each.last_seq + 1 for each in taken[:-1]]
    if most_events > 1:
        assert len(taken) < len(frames)
    else:
        assert len(taken) == len(frames)


def test_only_what_changes_the_engine_comes_alone(frames: list[Frame]) -> None:
    published = sum("published" in frame.tables for frame in frames)
    assert published > 3
    taken = list(merged(frames))
    changes = [frame for frame in taken if frame.tables.keys() & {"published", "mode"}]
    assert len(changes) == published + 1
    assert len(taken) <= 2 * len(changes) + 1
    assert not any(frame.tables.keys() & set(MADE) for frame in taken)


def test_labels_of_an_older_release_are_not_mixed_with_those_of_this_one(
    frames: list[Frame],
) -> None:
    with_labels = [frame for frame in frames if "label" in frame.tables][:2]
    first, second = (
        Frame(at, at, at, {"label": {n: c[:1] for n, c in frame.tables["label"].items()}})
        for at, frame in enumerate(with_labels, start=1)
    )
    assert len(list(merged([first, second]))) == 1
    del second.tables["label"]["label_key"]
    assert len(list(merged([first, second]))) == 2
