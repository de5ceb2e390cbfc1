"""A model is loaded into a running system: its ledger still replays, byte for byte; the learner goes on."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from streams import MODELS, cut, digest, fold_all, simulated_arrivals, simulated_settings

from fraud_system import replay
from fraud_system.challenger import Challenger
from fraud_system.champion import champion_of, publication_of, reloaded
from fraud_system.engine import Engine
from fraud_system.errors import ArtefactError, ReplayMismatch
from fraud_system.events import Arrivals, Frame, Table
from fraud_system.learner import Learner
from fraud_system.ledger import MemoryLedger
from fraud_system.models.artefact import LoadedModel, load_model, save_model
from fraud_system.models.recalibration import RecalibrationSettings
from fraud_system.publication import Publication
from fraud_system.settings import Settings

EVENTS = 1_200


class Run(NamedTuple):
    """A stream in the middle of which a model is loaded that had learned from another one.

    Args:
        settings: of both.
        loaded: the other model.
        ledger: of the run.
        digest: of both states at its end.
        place: of the champion's frame.
    """

    settings: Settings
    loaded: LoadedModel
    ledger: MemoryLedger
    digest: str
    place: int

    @property
    def frames(self) -> list[Frame]:
        return list(self.ledger.frames())


def learned_elsewhere(settings: Settings, seed: int = 8) -> LoadedModel:
    ledger = MemoryLedger()
    engine, learner = replay.start(settings, ledger)
    for _ in replay.run(engine, learner, ledger, cut(simulated_arrivals(600, seed), [200])):
        pass
    return load_model(save_model(learner), settings)


@pytest.fixture(scope="module")
def stream() -> Arrivals:
    return simulated_arrivals(EVENTS)


@pytest.fixture(scope="module", params=MODELS)
def whole(request: pytest.FixtureRequest, stream: Arrivals) -> Run:
    settings = simulated_settings(
        model=MODELS[request.param], recalibration=RecalibrationSettings(enabled=True)
    )
    loaded, ledger = learned_elsewhere(settings), MemoryLedger()
    engine, learner = replay.start(settings, ledger)
    half = len(stream) // 2
    for _ in replay.run(engine, learner, ledger, cut(stream.rows(0, half), [90])):
        pass
    place = len(list(ledger.frames()))
    frame = reloaded(engine, loaded)
    learner.fold(frame)
    ledger.append([frame])
    for _ in replay.run(engine, learner, ledger, cut(stream.rows(half, len(stream)), [90])):
        pass
    return Run(settings, loaded, ledger, digest(MemoryLedger(), engine, learner), place)


def ledger_of(frames: list[Frame]) -> MemoryLedger:
    ledger = MemoryLedger()
    ledger.append(frames)
    return ledger


def published(frames: list[Frame]) -> list[Publication]:
    tables = [frame.tables["published"] for frame in frames if "published" in frame.tables]
    return [Publication.from_table(table) for table in tables]


def test_what_is_served_is_the_loaded_model(whole: Run) -> None:
    frame = whole.frames[whole.place]
    assert set(frame.tables) == {"published", "champion"}
    (served,) = published([frame])
    assert served.version == frame.first_seq == frame.last_seq
    assert served.learned_through_seq == 0, "it has learned from no label of this ledger"
    elsewhere = Learner(whole.settings).go_on_from(champion_of(whole.loaded), 0)
    assert served.weight.tobytes() == elsewhere.weight.tobytes()
    assert np.count_nonzero(served.weight) > 20
    after = whole.frames[whole.place + 1].tables["decision"]
    assert set(after["weights_version"].tolist()) == {served.version}
    # River's own pipeline, of the file, says the same of what was logged.
    row = dict(zip(whole.loaded.names, after["features"][0].tolist(), strict=True))
    expected = whole.loaded.pipeline.predict_proba_one(row)[True]
    assert after["probability_model"][0] == pytest.approx(expected, rel=1e-9)


def test_the_learner_goes_on_as_the_one_that_saved_it_would(whole: Run) -> None:
    """Both fold the same later frames: one with the learned state where it was, one restored from it."""
    frames, place = whole.frames, whole.place
    versions = [each.version for each in published(frames[place:])]
    assert len(versions) > 2
    assert versions == list(range(versions[0], versions[0] + len(versions)))
    one, other = Learner(whole.settings), Learner(whole.settings)
    for learner in (one, other):
        learner.first_publication()
        for frame in frames[:place]:
            learner.fold(frame)
    one.fold(frames[place])
    other.read_through_seq = frames[place].last_seq
    other.go_on_from(champion_of(whole.loaded), frames[place].first_seq)
    for frame in frames[place + 1 :]:
        left, right = one.fold(frame), other.fold(frame)
        assert [each.weight.tobytes() for each in left] == [x.weight.tobytes() for x in right]
    # The state in the ledger is the file's, so what is saved right after the reload is that file again.
    fresh = Learner(whole.settings)
    fresh.go_on_from(frames[place].tables["champion"], 0)
    again = load_model(save_model(fresh), whole.settings)
    assert set(again.arrays) == set(whole.loaded.arrays)
    for name, array in again.arrays.items():
        assert array.tobytes() == whole.loaded.arrays[name].tobytes(), name
    assert again.described["learned_labels"] == whole.loaded.described["learned_labels"] > 0


def test_verify_accepts_it(whole: Run) -> None:
    assert list(replay.verify(whole.settings, whole.ledger))[-1] == whole.ledger.last_seq


def test_recovery_gives_the_same_bytes_wherever_the_snapshots_lie(whole: Run) -> None:
    frames, place = whole.frames, whole.place
    engine, learner = Engine(whole.settings), Learner(whole.settings)
    learner.first_publication()
    for kept, frame in enumerate(frames, start=1):
        engine.refold(frame)
        learner.fold(frame)
        if kept in (4, place, place + 1, place + 2, len(frames)):
            ledger = ledger_of(frames[:kept])
            replay.save_snapshot(engine, learner, ledger)
            ledger.append(frames[kept:])
            assert digest(MemoryLedger(), *replay.recover(whole.settings, ledger)) == whole.digest
    assert (
        digest(MemoryLedger(), *replay.recover(whole.settings, ledger_of(frames))) == whole.digest
    )


def test_a_crash_right_after_the_reload(whole: Run) -> None:
    ledger = ledger_of(whole.frames[: whole.place + 1])
    engine, learner = replay.recover(whole.settings, ledger)
    assert ledger.last_seq == whole.frames[whole.place].last_seq, "nothing older is adopted over it"
    assert engine.weights_version == learner.version == ledger.last_seq


@pytest.mark.parametrize("seed", range(4))
def test_proposals_of_a_lagging_learner_that_are_under_way_come_too_late(
    stream: Arrivals, seed: int
) -> None:
    settings = replace(simulated_settings(), publish_every_labels=20)
    loaded, ledger = learned_elsewhere(settings), MemoryLedger()
    draw = np.random.default_rng(seed)
    engine, learner = Engine(settings), Learner(settings)
    proposed, adopted_after = [learner.first_publication()], 0
    pieces = list(cut(stream, draw.integers(1, 120, 40).tolist()))
    for number, piece in enumerate(pieces):
        frames, _ = fold_all(engine, piece)
        ledger.append(frames)
        if number in (len(pieces) // 2, len(pieces) // 2 + 1):
            ledger.append([reloaded(engine, loaded)])
        if draw.random() < 0.4:
            for frame in ledger.frames(learner.read_through_seq):
                proposed += learner.fold(frame)
        if proposed and draw.random() < 0.3:
            if proposed[-1].version > engine.weights_version:
                ledger.append([engine.adopt(proposed[-1])])
                adopted_after += number > len(pieces) // 2 + 1
            proposed.clear()
    assert adopted_after
    assert list(replay.verify(settings, ledger))[-1] == ledger.last_seq
    fresh = Learner(settings)
    fresh.first_publication()
    for each in (learner, fresh):
        for frame in ledger.frames(each.read_through_seq):
            each.fold(frame)
    assert digest(MemoryLedger(), learner) == digest(MemoryLedger(), fresh)


def test_every_proposal_from_before_is_refused(stream: Arrivals) -> None:
    """However many there are: a publication a label, all of them proposed after the reload."""
    settings = replace(simulated_settings(), publish_every_labels=1)
    engine, learner = Engine(settings), Learner(settings)
    loaded = learned_elsewhere(settings)
    engine.adopt(learner.first_publication())
    frames, _ = fold_all(engine, stream)
    late = [publication for frame in frames for publication in learner.fold(frame)]
    assert len(late) > 1_000
    frame = reloaded(engine, loaded)
    for publication in late:
        with pytest.raises(ArtefactError, match="is not newer"):
            engine.adopt(publication)
    assert learner.fold(frame) == []
    assert learner.version == engine.weights_version


def test_a_challenger_is_the_same_with_and_without_it(whole: Run, stream: Arrivals) -> None:
    other = replace(whole.settings, publish_every_labels=70)
    challenger = Challenger(other, whole.settings)
    assert len(list(challenger.catch_up(whole.ledger))) > 10
    without, plain = MemoryLedger(), Challenger(other, whole.settings)
    engine, learner = replay.start(whole.settings, without)
    for _ in replay.run(engine, learner, without, cut(stream, [90])):
        pass
    assert len(list(plain.catch_up(without))) > 10
    assert challenger.learner.version == plain.learner.version
    assert challenger.learner.learned_labels == plain.learner.learned_labels


def refused(whole: Run, match: str, settings: Settings | None = None) -> None:
    engine = Engine(settings or whole.settings)
    engine.adopt(Learner(engine.settings).first_publication())
    before = digest(MemoryLedger(), engine)
    with pytest.raises(ArtefactError, match=match):
        reloaded(engine, whole.loaded)
    assert digest(MemoryLedger(), engine) == before, "nothing has changed"


def test_a_model_of_other_settings_is_refused(whole: Run) -> None:
    refused(whole, "other settings", replace(whole.settings, publish_every_labels=7))


def test_a_model_with_absurd_weights_is_refused(whole: Run) -> None:
    learner = Learner(whole.settings)
    champion = champion_of(whole.loaded)
    name = "learned.weight"
    champion[name] = np.where(champion[name] == champion[name].max(), 1e6, champion[name])
    learner.go_on_from(champion, 0)
    files = save_model(learner)
    refused(whole._replace(loaded=load_model(files, whole.settings)), "guards")


def test_a_champion_has_the_version_of_its_place(whole: Run) -> None:
    engine = Engine(whole.settings)
    champion = champion_of(whole.loaded)
    for version in (0, 2):
        with pytest.raises(ArtefactError, match="of a champion is 1 here"):
            engine.adopt(publication_of(champion, whole.settings, version), champion)


def one_ulp(column: str, table: str = "champion") -> Callable[[dict[str, Table]], Any]:
    def change(tables: dict[str, Table]) -> None:
        array = tables[table][column]
        array.flat[-1] = np.nextafter(array.flat[-1], 9.0)

    return change


def put(column: str, value: Any) -> Callable[[dict[str, Table]], Any]:
    return lambda tables: tables["champion"].update({column: value})


DAMAGE = {
    "weight": (one_ulp("learned.weight"), r"published\.\w+ was"),
    "bucket": (one_ulp("learned.bucket_labels"), r"published\.rates was"),
    "published weight": (one_ulp("weight", "published"), r"published\.weight was"),
    "mean": (one_ulp("learned.mean"), r"published\.mean was"),
    "not finite": (put("learned.mean", np.full((1, 3), np.nan)), "cannot be gone on from"),
    "shape": (put("learned.weight", np.zeros((1, 2))), "learned_weight|shape"),
    "column gone": (lambda tables: tables["champion"].pop("learned.mean"), "mean: is missing"),
    "settings gone": (lambda tables: tables["champion"].pop("settings"), "KeyError"),
    "other settings": (put("settings", np.array([b"x" * 64])), "belongs to other settings"),
    "more": (put("learned.more", np.zeros(1)), "more: is not known"),
    "seq": (put("seq", np.array([3])), r"champion\.seq was"),
    "table gone": (lambda tables: tables.pop("champion"), "had not been learned by then"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_change_of_the_record_is_found_in_its_frame(whole: Run, name: str) -> None:
    change, expected = DAMAGE[name]
    frames, place = whole.frames, whole.place
    frame = frames[place]
    tables = {n: {c: array.copy() for c, array in t.items()} for n, t in frame.tables.items()}
    change(tables)
    bad = Frame(frame.first_seq, frame.last_seq, frame.known_time_us, tables)
    passed = []
    with pytest.raises(ReplayMismatch, match=expected) as found:
        passed.extend(
            replay.verify(
                whole.settings, ledger_of([*frames[:place], bad, *frames[place + 1 : place + 9]])
            )
        )
    assert found.value.field.startswith(f"seq {frame.first_seq}")
    assert passed == [each.last_seq for each in frames[:place]]


def test_learned_state_that_is_not_published_is_found_at_the_next_weights(whole: Run) -> None:
    """What only shows in what is learned later: there the bytes differ."""
    frames, place = whole.frames, whole.place
    frame = frames[place]
    tables = {n: {c: array.copy() for c, array in t.items()} for n, t in frame.tables.items()}
    name = "squared_gradient" if "learned.squared_gradient" in tables["champion"] else "precision"
    tables["champion"][f"learned.{name}"] *= 1.5
    bad = Frame(frame.first_seq, frame.last_seq, frame.known_time_us, tables)
    with pytest.raises(ReplayMismatch, match=r"published\.(weight|intercept) was"):
        list(replay.verify(whole.settings, ledger_of([*frames[:place], bad, *frames[place + 1 :]])))
