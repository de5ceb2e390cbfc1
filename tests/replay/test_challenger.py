"""A challenger that warms up by replaying the ledger is the one that was there from the start."""

import itertools
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from streams import cut, digest, simulated_arrivals, simulated_settings

from fraud_system import engine as engine_module
from fraud_system import replay
from fraud_system.challenger import Challenger
from fraud_system.engine import Engine
from fraud_system.errors import ConfigError, ReplayMismatch
from fraud_system.events import Action, Arrivals, Frame, Health, Scorer, Table
from fraud_system.features.declaration import load_features
from fraud_system.learner import Learner
from fraud_system.ledger import MemoryLedger
from fraud_system.merged_frames import joined
from fraud_system.models.model_settings import LaplaceSettings
from fraud_system.models.recalibration import RecalibrationSettings
from fraud_system.policy import PolicyCosts
from fraud_system.settings import Settings
from fraud_system.switching import Switch

FEATURES = """
interactions = [["log_amount", "approved_count:card:6h"]]
[entities.card]
scales = ["2h"]
approved_scales = ["6h"]
label_scales = ["1d"]
[[features]]
kind = "log_amount"
[[features]]
kind = "count"
entity = "card"
scale = "2h"
[[features]]
kind = "approved_count"
entity = "card"
scale = "6h"
[[features]]
kind = "fraud_rate"
entity = "card"
scale = "1d"
"""
# Costs that decline about half: what was approved is not what was attempted.
CHAMPION = simulated_settings(
    costs=PolicyCosts(fee=60.0, margin_share=0.02, goodwill=1.0, review_cost=0.5)
)
OTHER = replace(
    CHAMPION,
    features=load_features(FEATURES, ["card", "terminal"], [], ["channel"]),
    rules=(),
    costs=PolicyCosts(),
    model=LaplaceSettings(memory_labels=2_000.0, block_labels=30),
    recalibration=RecalibrationSettings(enabled=True),
    publish_every_labels=70,
)


@pytest.fixture(scope="module")
def stream() -> Arrivals:
    return simulated_arrivals()


def recorded(
    stream: Arrivals, sizes: list[int], settings: Settings = CHAMPION, switches: bool = True
) -> MemoryLedger:
    """A champion's ledger; it answers with plan B for the middle of the stream."""
    ledger = MemoryLedger()
    engine, learner = replay.start(settings, ledger)
    thirds = np.linspace(0, len(stream), 4).astype(int).tolist()
    for number, (start, stop) in enumerate(itertools.pairwise(thirds)):
        if switches and number:
            health = Health.HEURISTIC if number == 1 else Health.MODEL
            frame = engine.switch(Switch(health, "a test"))
            learner.fold(frame)
            ledger.append([frame])
        for _ in replay.run(engine, learner, ledger, cut(stream.rows(start, stop), sizes)):
            pass
    return ledger


@pytest.fixture(scope="module")
def ledger(stream: Arrivals) -> MemoryLedger:
    return recorded(stream, [110])


def state(challenger: Challenger) -> str:
    return digest(MemoryLedger(), challenger.engine, challenger.learner)


def answered(answers: Iterable[Table]) -> Table:
    return joined(Frame(0, 0, 0, {"own": table}) for table in answers)["own"]


def whole(answers: Iterable[Table]) -> dict[str, bytes]:
    return {name: column.tobytes() for name, column in answered(answers).items()}


@pytest.fixture(scope="module")
def from_the_start(ledger: MemoryLedger) -> tuple[dict[str, bytes], str]:
    """All that one answered that was there from the start, and its state at the end."""
    challenger = Challenger(OTHER, CHAMPION)
    return whole(challenger.catch_up(ledger)), state(challenger)


def test_the_stream_has_what_can_go_wrong(ledger: MemoryLedger) -> None:
    tables = joined(ledger.frames())
    done = tables["decision"]["action"]
    assert {Action.APPROVE, Action.DECLINE} <= set(done.tolist())
    assert set(tables["decision"]["scorer"].tolist()) == {Scorer.MODEL, Scorer.HEURISTIC}
    challenger = Challenger(OTHER, CHAMPION)
    own = answered(challenger.catch_up(ledger))
    assert challenger.learner.version > 20
    assert (own["action"] != done).mean() > 0.1, "it would have done the same"
    assert own["probability_model"].std() > 0.0
    assert own["seq"].tolist() == tables["transaction"]["seq"].tolist()


@pytest.mark.parametrize("seed", range(4))
def test_warming_up_later_equals_having_been_there(
    stream: Arrivals, from_the_start: tuple[dict[str, bytes], str], seed: int
) -> None:
    draw = np.random.default_rng(seed)
    ledger = recorded(stream, draw.integers(1, 300, 60).tolist())
    frames = list(ledger.frames())
    moment = int(draw.integers(1, len(frames)))
    early, late = Challenger(OTHER, CHAMPION), Challenger(OTHER, CHAMPION)
    answers = [early.fold(frame) for frame in frames[:moment]]
    for frame in frames[:moment]:  # starts only now
        late.fold(frame)
    assert state(late) == state(early)
    later = [(early.fold(frame), late.fold(frame)) for frame in frames[moment:]]
    for ours, theirs in later:
        assert (ours is None) == (theirs is None)
        assert ours is None or whole([ours]) == whole([theirs])
    assert state(late) == state(early)
    answers += [ours for ours, _ in later]
    # And both are those of the same events in other frames.
    assert (whole(a for a in answers if a is not None), state(late)) == from_the_start


@pytest.mark.parametrize("most", [1, 7])
def test_frames_that_resolve_few_labels(
    stream: Arrivals,
    from_the_start: tuple[dict[str, bytes], str],
    most: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_module, "MAX_RESOLVED_IN_FRAME", most)
    ledger, challenger = recorded(stream, [400]), Challenger(OTHER, CHAMPION)
    assert (whole(challenger.catch_up(ledger)), state(challenger)) == from_the_start


def test_with_the_champions_settings_it_is_the_champion(stream: Arrivals) -> None:
    settings = replace(OTHER, costs=CHAMPION.costs)
    ledger = recorded(stream, [90], settings, switches=False)
    engine, learner = replay.recover(settings, ledger)
    challenger = Challenger(settings, settings)
    answers = whole(challenger.catch_up(ledger))
    decisions = joined(ledger.frames())["decision"]
    assert {name: decisions[name].tobytes() for name in answers} == answers
    ours, theirs = challenger.engine.to_arrays(), engine.to_arrays()
    assert {n: a.tobytes() for n, a in ours.items()} == {n: a.tobytes() for n, a in theirs.items()}
    assert digest(MemoryLedger(), challenger.learner) == digest(MemoryLedger(), learner)


def test_its_counters_take_what_the_champion_did(stream: Arrivals) -> None:
    # The champion counts approved attempts too, and plan B decides for a while: were the challenger's
    # own actions counted, its features would be others than the recorded ones.
    champion = replace(OTHER, costs=CHAMPION.costs)
    ledger = recorded(stream, [90], champion)
    challenger = Challenger(replace(champion, costs=PolicyCosts()), champion)
    own = whole(challenger.catch_up(ledger))
    decisions = joined(ledger.frames())["decision"]
    assert own["action"] != decisions["action"].tobytes()
    # The model sees the same features, and so answers as the champion's does in shadow.
    assert own["probability_model"] == decisions["probability_model"].tobytes()


def test_a_champion_that_lags_does_not_hold_it_up(stream: Arrivals) -> None:
    # One without any weights but the first does other things: so without counters of approved attempts.
    settings = replace(CHAMPION, model=OTHER.model, publish_every_labels=70)
    engine, stale = Engine(CHAMPION), MemoryLedger()
    stale.append([engine.adopt(Learner(CHAMPION).first_publication())])
    for batch in cut(stream, [200]):
        position = 0
        while position < len(batch):
            folded = engine.fold(batch, position)
            position = folded.consumed
            stale.append([folded.frame] if folded.frame is not None else [])
    prompt = recorded(stream, [110], switches=False)
    one, other = (Challenger(settings, CHAMPION) for _ in range(2))
    ours, theirs = whole(one.catch_up(stale)), whole(other.catch_up(prompt))
    del ours["seq"], theirs["seq"]  # the champion's publications take seqs
    assert ours == theirs
    assert state(one) == state(other)


def test_a_propensity_that_was_logged_weighs_what_it_learns(ledger: MemoryLedger) -> None:
    def with_propensity(frame: Frame, share: float) -> Frame:
        if "decision" not in frame.tables:
            return frame
        decisions = frame.tables["decision"]
        chance = np.where(decisions["seq"] % 3 == 0, share, 1.0)
        return replace(
            frame, tables=frame.tables | {"decision": decisions | {"propensity": chance}}
        )

    plain, ones, thirds = (Challenger(OTHER, CHAMPION) for _ in range(3))
    for frame in ledger.frames():
        plain.fold(frame)
        ones.fold(with_propensity(frame, 1.0))
        thirds.fold(with_propensity(frame, 1 / 3))
    assert state(plain) == state(ones) != state(thirds)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"max_lateness_s": 60}, "max_lateness_s"),
        ({"labels": replace(CHAMPION.labels, maturity_s=60)}, "labels"),
        ({"features": load_features(FEATURES, ["card"]), "rules": ()}, "features.entities"),
    ],
)
def test_one_that_would_accept_or_resolve_otherwise_is_refused(changes: dict, field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Challenger(replace(OTHER, **changes), CHAMPION)
    assert caught.value.field == field


def test_a_gap_in_the_ledger_is_noticed(ledger: MemoryLedger) -> None:
    frames = list(ledger.frames())
    challenger = Challenger(OTHER, CHAMPION)
    challenger.fold(frames[0])
    with pytest.raises(ReplayMismatch, match="the next event is 2"):
        challenger.fold(frames[2])


def test_a_ledger_of_other_settings_is_noticed(stream: Arrivals) -> None:
    shorter = replace(CHAMPION, labels=replace(CHAMPION.labels, maturity_s=600))
    ledger = recorded(stream, [110], shorter)
    challenger = Challenger(OTHER, CHAMPION)
    with pytest.raises(ReplayMismatch, match="accepted or resolved"):
        list(challenger.catch_up(ledger))
