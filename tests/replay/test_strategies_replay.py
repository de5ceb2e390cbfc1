"""Every strategy is a fold: any cutting, any crash and any snapshot give the same bytes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import cut, digest, simulated_arrivals, simulated_settings

from fraud_system import replay
from fraud_system.events import Arrivals
from fraud_system.learner import Learner
from fraud_system.ledger import MemoryLedger
from fraud_system.publication import Publication
from fraud_system.settings import Settings
from fraud_system.strategies import LearningSettings

CHOICES = {
    "fake negatives": LearningSettings("fake_negative_weighted"),
    "matched": LearningSettings("delay_matched"),
    "matched and noisy": LearningSettings(
        "delay_matched", false_fraud_share=0.01, missed_fraud_share=0.1
    ),
    "matched and sampled": LearningSettings("delay_matched", keep_legitimate=0.3),
    "sampled fake negatives": LearningSettings("fake_negative_weighted", keep_legitimate=0.3),
    "sampled": LearningSettings("mature", keep_legitimate=0.3),
}


@pytest.fixture(scope="module")
def stream() -> Arrivals:
    return simulated_arrivals(1_200)


@pytest.fixture(scope="module", params=CHOICES.values(), ids=list(CHOICES))
def chosen(request: pytest.FixtureRequest) -> Settings:
    return replace(simulated_settings(), learning=request.param)


def ledger_of(chosen: Settings, stream: Arrivals, sizes: list[int]) -> tuple[MemoryLedger, str]:
    """A ledger, and a digest of it and of both states at its end."""
    ledger = MemoryLedger()
    engine, learner = replay.start(chosen, ledger)
    for _ in replay.run(engine, learner, ledger, cut(stream, sizes)):
        pass
    return ledger, digest(ledger, engine, learner)


@pytest.fixture(scope="module")
def whole(chosen: Settings, stream: Arrivals) -> tuple[MemoryLedger, str]:
    return ledger_of(chosen, stream, [len(stream)])


def test_it_learns_something(chosen: Settings, whole: tuple[MemoryLedger, str]) -> None:
    published = [f.tables["published"] for f in whole[0].frames() if "published" in f.tables]
    assert len(published) > 4
    assert np.count_nonzero(Publication.from_table(published[-1]).weight) > 30
    assert list(replay.verify(chosen, whole[0]))[-1] == whole[0].last_seq


@settings(max_examples=4)
@given(sizes=st.lists(st.integers(1, 300), min_size=1, max_size=20))
def test_batches_of_any_sizes(
    chosen: Settings, stream: Arrivals, whole: tuple[MemoryLedger, str], sizes: list[int]
) -> None:
    assert ledger_of(chosen, stream, [*sizes, 200])[1] == whole[1]


def test_one_event_a_frame(
    chosen: Settings, stream: Arrivals, whole: tuple[MemoryLedger, str]
) -> None:
    assert ledger_of(chosen, stream, [1])[1] == whole[1]


def test_a_snapshot_anywhere_and_the_tail(chosen: Settings, stream: Arrivals) -> None:
    ledger, _ = ledger_of(chosen, stream, [60])
    frames = list(ledger.frames())
    straight = Learner(chosen)
    straight.first_publication()
    for kept, frame in enumerate(frames):
        straight.fold(frame)
        if kept % 5 == 0:
            resumed = Learner.from_arrays(chosen, straight.to_arrays())
            for later in frames[kept + 1 :]:
                resumed.fold(later)
            expected = replay.recover(chosen, ledger)[1]
            assert digest(MemoryLedger(), resumed) == digest(MemoryLedger(), expected), kept
