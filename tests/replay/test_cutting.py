"""The same events cut into frames in any way give the same bytes: features, probabilities, weights."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import MODELS, counts, cut, digest, simulated_arrivals, simulated_settings

from fraud_system import engine as engine_module
from fraud_system import replay
from fraud_system.engine import STATUS, Engine
from fraud_system.events import Arrivals
from fraud_system.ledger import Ledger, MemoryLedger, SqliteLedger
from fraud_system.merged_frames import joined
from fraud_system.publication import Publication
from fraud_system.settings import Settings

SETTINGS = simulated_settings()


@pytest.fixture(scope="module")
def stream() -> Arrivals:
    return simulated_arrivals()


@pytest.fixture(scope="module", params=MODELS)
def chosen(request: pytest.FixtureRequest) -> Settings:
    return simulated_settings(model=MODELS[request.param])


def digest_of(
    chosen: Settings, stream: Arrivals, sizes: list[int], ledger: Ledger | None = None
) -> str:
    """Everything recorded, and both states at the end, after a run in batches of these sizes."""
    ledger = MemoryLedger() if ledger is None else ledger
    engine, learner = replay.start(chosen, ledger)
    for _ in replay.run(engine, learner, ledger, cut(stream, sizes)):
        pass
    return digest(ledger, engine, learner)


@pytest.fixture(scope="module")
def in_one_batch(chosen: Settings, stream: Arrivals) -> str:
    return digest_of(chosen, stream, [len(stream)])


def test_the_stream_has_everything_in_it(stream: Arrivals) -> None:
    ledger, refused = MemoryLedger(), replay.Refused()
    engine, learner = replay.start(SETTINGS, ledger)
    for each in replay.run(engine, learner, ledger, cut(stream, [500])):
        refused.merge(each)
    assert set(engine.label_counts()) == set(counts(engine)), "a count that stays 0"
    assert set(refused.count) == set(STATUS.values()), "a refusal that never happens"
    assert learner.version > 10


def test_one_event_a_frame(chosen: Settings, stream: Arrivals, in_one_batch: str) -> None:
    assert digest_of(chosen, stream, [1]) == in_one_batch


@settings(max_examples=8, deadline=None)
@given(sizes=st.lists(st.integers(1, 400), min_size=1, max_size=30))
def test_batches_of_any_sizes(
    chosen: Settings, stream: Arrivals, in_one_batch: str, sizes: list[int]
) -> None:
    assert digest_of(chosen, stream, [*sizes, 400]) == in_one_batch


@pytest.mark.parametrize("seed", range(2))
def test_a_ledger_on_disk(
    tmp_path: Path, chosen: Settings, stream: Arrivals, in_one_batch: str, seed: int
) -> None:
    sizes = np.random.default_rng(seed).integers(1, 200, 40).tolist()
    with SqliteLedger(tmp_path / "ledger.db") as ledger:
        assert digest_of(chosen, stream, sizes, ledger) == in_one_batch


@pytest.mark.parametrize("most", [1, 7])
def test_frames_that_resolve_few_labels(
    chosen: Settings,
    stream: Arrivals,
    in_one_batch: str,
    most: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Then what matures at one input is spread over frames, and over publications.
    monkeypatch.setattr(engine_module, "MAX_RESOLVED_IN_FRAME", most)
    assert digest_of(chosen, stream, [len(stream)]) == in_one_batch


def test_one_at_a_time_answers_as_in_bulk_to_the_last_bit(
    chosen: Settings, stream: Arrivals
) -> None:
    ledger = MemoryLedger()
    for _ in replay.run(*replay.start(chosen, ledger), ledger, cut(stream, [500])):
        pass
    published = [f.tables["published"] for f in ledger.frames() if "published" in f.tables]
    trained = Publication.from_table(published[-1])
    assert np.count_nonzero(trained.weight) > 30

    def decisions(size: int) -> dict[str, np.ndarray]:
        engine = Engine(chosen)
        engine.adopt(trained)
        frames = [engine.fold(piece).frame for piece in stream.rows(0, 600).batches(size)]
        return joined(frame for frame in frames if frame is not None)["decision"]

    bulk = decisions(600)
    for name, column in decisions(1).items():
        assert column.tobytes() == bulk[name].tobytes(), name
