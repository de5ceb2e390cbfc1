"""The engine: what it refuses, what it adopts, who answers, and how much it remembers."""

import math
from dataclasses import replace as changed

import numpy as np
import pytest
from streams import (
    HORIZON_S,
    MICROSECOND_S,
    Line,
    arrivals_of,
    fold_all,
    fraud,
    many_transactions,
    no_messages,
    play,
    tick,
    tiny_settings,
    transaction,
)

from fraud_system import replay
from fraud_system.engine import STATUS, Engine
from fraud_system.errors import ArtefactError, DataError
from fraud_system.events import Action, Arrivals, Health, LabelsObserved, Scorer, Transactions
from fraud_system.learner import Learner
from fraud_system.limits import MAX_AMOUNT, MAX_NUMERIC
from fraud_system.merged_frames import joined
from fraud_system.publication import Publication
from fraud_system.switching import MAX_REASON_BYTES, Switch

FIRST = Learner(tiny_settings()).first_publication()


def publication(**others) -> Publication:
    return changed(FIRST, **others)


def status_of(*lines: Line) -> list[str]:
    _, status = fold_all(Engine(tiny_settings()), arrivals_of(lines))
    return [STATUS.get(int(code), "accepted") for code in status]


# ---- refusals


def test_an_id_is_refused_within_the_horizon_of_the_first_one() -> None:
    duplicate = "duplicate transaction id"
    lines = [transaction(0, "a"), transaction(0, "a"), transaction(HORIZON_S, "a")]
    assert status_of(*lines) == ["accepted", duplicate, duplicate]
    later = transaction(HORIZON_S + MICROSECOND_S, "a")
    assert status_of(lines[0], later) == ["accepted", "accepted"]


@pytest.mark.parametrize(
    ("event_s", "expected"),
    [
        (200_000.0 - 86_400, "accepted"),
        (200_000.0 - 86_400 - MICROSECOND_S, "event time too far in the past"),
        (200_000.0 + 300, "accepted"),
        (200_000.0 + 300 + MICROSECOND_S, "event time in the future"),
    ],
)
def test_event_times_are_taken_up_to_a_limit(event_s: float, expected: str) -> None:
    assert status_of(transaction(200_000, "a", event_s=event_s)) == [expected]


def test_a_repeated_id_is_known_as_one_however_late_it_comes() -> None:
    engine = Engine(tiny_settings(max_lateness_s=10))
    lines = [transaction(0, "a"), transaction(200, "a", event_s=0, amount=-1.0)]
    _, statuses = fold_all(engine, arrivals_of(lines))
    assert [STATUS.get(int(each), "accepted") for each in statuses] == [
        "accepted",
        "duplicate transaction id",
    ]


@pytest.mark.parametrize("extreme", [np.iinfo(np.int64).min, np.iinfo(np.int64).max])
def test_event_times_beyond_all_bounds_are_refused(extreme: int) -> None:
    row = many_transactions([1_000_000])
    row = Transactions(**row.table() | {"event_time_us": np.array([extreme])})
    folded = Engine(tiny_settings()).fold(Arrivals.merge(row, no_messages()))
    assert folded.frame is None
    assert folded.status.tolist() != [0]


@pytest.mark.parametrize(
    "numbers",
    [
        {"amount": math.nan},
        {"amount": -0.01},
        {"amount": math.inf},
        {"amount": 2 * MAX_AMOUNT},
        {"risk": math.inf},
        {"risk": -math.inf},
        {"risk": 2 * MAX_NUMERIC},
    ],
)
def test_numbers_that_would_spoil_sums_or_weights_are_refused(numbers: dict[str, float]) -> None:
    assert status_of(transaction(0, "a", **numbers), transaction(1, "b")) == [
        "amount or number that no sum could hold",
        "accepted",
    ]


@pytest.mark.parametrize(
    "numbers", [{"amount": 0.0}, {"amount": MAX_AMOUNT}, {"risk": math.nan}, {"risk": MAX_NUMERIC}]
)
def test_extreme_and_missing_numbers_are_usable(numbers: dict[str, float]) -> None:
    engine = Engine(tiny_settings())
    engine.adopt(FIRST)
    lines = [transaction(at, f"a{at}", **numbers) for at in range(20)]
    _, tables = play(lines, engine)
    assert len(tables["decision"]["seq"]) == 20
    assert np.isfinite(tables["decision"]["probability"]).all()


def test_what_is_refused_is_not_recorded() -> None:
    lines = [transaction(0, "a"), transaction(1, "a"), transaction(2, "b", amount=-1.0)]
    engine, tables = play(lines)
    assert tables["transaction"]["transaction_id"].tolist() == [b"a"]
    assert engine.last_seq == 1
    assert engine.known_time_us == 0
    folded = engine.fold(arrivals_of([transaction(3, "a")]))
    assert (folded.frame, folded.consumed, folded.status.tolist()) == (None, 1, [1])


def test_refused_inputs_are_told_by_reason_and_bounded() -> None:
    refused, size = replay.Refused(), replay.MAX_REFUSED_KEPT + 100
    again = Arrivals.merge(many_transactions(np.zeros(size, np.int64)), no_messages())
    status = np.full(size, 1, np.uint8)
    for _ in range(3):
        more = replay.Refused()
        more.add(again, 0, status)
        refused.merge(more)
    (reason,) = refused.count
    assert refused.count[reason] == 3 * size
    assert len(refused.transaction_id[reason]) == replay.MAX_REFUSED_KEPT
    assert refused.transaction_id[reason][:2] == ["1", "2"]


# ---- what a caller must not give


def test_known_times_that_decrease_are_an_error_and_take_nothing() -> None:
    engine, _ = play([transaction(5, "a")])
    before = engine.to_arrays()
    for lines in ([transaction(4, "b")], [transaction(6, "b"), fraud(5.5, "a")], [tick(4)]):
        with pytest.raises(DataError, match="known_time_us: decreases"):
            engine.fold(arrivals_of(lines))
    after = engine.to_arrays()
    assert all(after[name].tobytes() == array.tobytes() for name, array in before.items())


@pytest.mark.parametrize("column", ["entity_keys", "numeric", "categories"])
def test_another_number_of_columns_is_an_error(column: str) -> None:
    table = many_transactions([0]).table()
    wider = np.hstack([table[column], np.zeros((1, 1), table[column].dtype)])
    wrong = Transactions(**table | {column: wider})
    with pytest.raises(DataError, match=column):
        Engine(tiny_settings()).fold(Arrivals.merge(wrong, no_messages()))


def test_key_zero_is_an_error() -> None:
    zero = {"transaction_key": np.zeros(1, np.uint64)}
    row = Transactions(**many_transactions([0]).table() | zero)
    message = arrivals_of([fraud(0, "a")]).labels
    message = LabelsObserved(**message.table() | zero)
    for arrivals in (
        Arrivals.merge(row, no_messages()),
        Arrivals.merge(many_transactions([]), message),
    ):
        with pytest.raises(DataError, match="transaction_key"):
            Engine(tiny_settings()).fold(arrivals)
    message = arrivals_of([fraud(0, "a")]).labels.table() | {"label_key": np.zeros(1, np.uint64)}
    labels = LabelsObserved(**message)
    with pytest.raises(DataError, match="label_key"):
        Engine(tiny_settings()).fold(Arrivals.merge(many_transactions([]), labels))


# ---- weights


def test_before_any_weights_the_prior_answers() -> None:
    _, tables = play([transaction(0, "a")])
    decision = tables["decision"]
    assert decision["scorer"].tolist() == [Scorer.HEURISTIC]
    assert decision["probability"].tolist() == [0.01]
    assert decision["weights_version"].tolist() == [-1]
    assert np.isnan(decision["probability_model"]).all()


def test_first_weights_answer_with_the_prevalence() -> None:
    engine = Engine(tiny_settings())
    engine.adopt(FIRST)
    _, tables = play([transaction(0, "a")], engine)
    assert tables["decision"]["scorer"].tolist() == [Scorer.MODEL]
    assert tables["decision"]["probability"] == pytest.approx(0.01, rel=1e-12)


def test_weights_of_other_settings_are_refused() -> None:
    other = Learner(tiny_settings(publish_every_labels=7)).first_publication()
    with pytest.raises(ArtefactError, match="other settings"):
        Engine(tiny_settings()).adopt(other)


@pytest.mark.parametrize("name", ["mean", "deviation", "weight", "intercept", "rates"])
def test_weights_of_another_shape_are_refused(name: str) -> None:
    with pytest.raises(ArtefactError, match=name):
        Engine(tiny_settings()).adopt(publication(**{name: np.zeros(77)}))


def test_plan_b_without_finite_rates_is_refused() -> None:
    with pytest.raises(ArtefactError, match="rates"):
        Engine(tiny_settings()).adopt(publication(rates=np.array([0.1, np.nan, 0.1])))


def test_weights_that_are_not_newer_are_refused() -> None:
    engine = Engine(tiny_settings())
    engine.adopt(publication(version=5))
    for version in (5, 4):
        with pytest.raises(ArtefactError, match="not newer"):
            engine.adopt(publication(version=version))
    engine.adopt(publication(version=9))
    assert engine.weights_version == 9


def test_adopted_weights_are_a_copy() -> None:
    engine, weight = Engine(tiny_settings()), FIRST.weight.copy()
    engine.adopt(publication(weight=weight))
    weight[:] = np.nan
    _, tables = play([transaction(0, "a")], engine)
    assert tables["decision"]["scorer"].tolist() == [Scorer.MODEL]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_score_that_is_not_finite_is_answered_by_the_heuristic_in_the_same_batch(
    value: float,
) -> None:
    # The weight of the numeric column is broken: rows where it is missing are still the model's.
    weight = FIRST.weight.copy()
    weight[3] = value
    engine = Engine(tiny_settings())
    engine.adopt(publication(weight=weight, deviation=np.ones(4)))
    lines = [transaction(0, "a", risk=math.nan), transaction(1, "b"), fraud(2, "a")]
    lines += [transaction(3, "a2"), transaction(4, "a3", risk=math.nan)]
    _, tables = play(lines, engine)
    decision = tables["decision"]
    model, heuristic = Scorer.MODEL, Scorer.HEURISTIC
    assert decision["scorer"].tolist() == [model, heuristic, heuristic, model]
    by_heuristic = decision["scorer"] == heuristic
    assert not np.isfinite(decision["probability_model"][by_heuristic]).any()
    assert (
        decision["probability"][by_heuristic].tolist()
        == decision["probability_heuristic"][by_heuristic].tolist()
    )
    assert np.isfinite(decision["probability"]).all()
    assert decision["expected_loss"].tolist() == (decision["probability"] * 10.0).tolist()


@pytest.mark.parametrize("intercept", [math.inf, -math.inf, math.nan])
def test_an_infinite_score_is_no_certainty(intercept: float) -> None:
    engine = Engine(tiny_settings())
    engine.adopt(publication(intercept=np.array([intercept])))
    _, tables = play([transaction(0, "a")], engine)
    assert tables["decision"]["scorer"].tolist() == [Scorer.HEURISTIC]
    assert 0.0 < tables["decision"]["probability"][0] < 1.0


# ---- the switch


def test_a_switch_is_an_event_and_changes_who_answers() -> None:
    engine = Engine(tiny_settings())
    engine.adopt(publication(intercept=np.array([2.0]), rates=np.array([0.5, 0.02, 0.03])))
    _, before = play([transaction(0, "a")], engine)
    frame = engine.switch(Switch(Health.HEURISTIC, "scores are constant"))
    assert engine.mode == Scorer.HEURISTIC
    assert (frame.first_seq, frame.last_seq) == (engine.last_seq, engine.last_seq)
    assert frame.tables["mode"]["reason"].tolist() == [b"scores are constant"]
    _, during = play([transaction(1, "b")], engine)
    engine.switch(Switch(Health.MODEL, "probation passed"))
    _, after = play([transaction(2, "c")], engine)
    served = [t["decision"]["scorer"][0] for t in (before, during, after)]
    assert served == [Scorer.MODEL, Scorer.HEURISTIC, Scorer.MODEL]
    decision = during["decision"]
    assert decision["probability"].tolist() == [0.02]
    assert decision["probability_constant"].tolist() == [0.03]
    assert decision["probability_model"][0] == pytest.approx(1 / (1 + math.exp(-2.0)))
    assert [t["decision"]["action"][0] for t in (before, during)] == [
        Action.DECLINE,
        Action.APPROVE,
    ]


@pytest.mark.parametrize("reason", ["", "ü" * 150, "x" * 199 + "ü", "zeros\0\0", "drift 漂移" * 20])
def test_any_reason_can_be_replayed(reason: str) -> None:
    engine, again = Engine(tiny_settings()), Engine(tiny_settings())
    frame = engine.switch(Switch(Health.HEURISTIC, reason))
    (made,) = again.refold(frame)
    for name, column in frame.tables["mode"].items():
        assert column.dtype == made.tables["mode"][name].dtype
        assert column.tobytes() == made.tables["mode"][name].tobytes()
    kept = frame.tables["mode"]["reason"][0].decode()
    assert reason.startswith(kept)
    assert len(kept.encode()) > min(len(reason.rstrip("\0").encode()), MAX_REASON_BYTES) - 4


# ---- the order of events


def test_every_event_has_a_seq_of_its_own_without_gaps() -> None:
    engine = Engine(tiny_settings())
    frames = [engine.adopt(FIRST)]
    lines = [fraud(0, "x"), transaction(1, "a"), tick(60), transaction(102, "b"), fraud(103, "b")]
    frames += fold_all(engine, arrivals_of(lines))[0]
    frames.append(engine.switch(Switch(Health.HEURISTIC, "drill")))
    tables = joined(frames)
    seqs = np.concatenate([t["seq"] for name, t in tables.items() if name != "decision"])
    assert sorted(seqs.tolist()) == list(range(1, engine.last_seq + 1))
    assert tables["decision"]["seq"].tolist() == tables["transaction"]["seq"].tolist()
    times = sorted(
        (seq, time_us)
        for name in ("transaction", "label", "tick", "resolved", "dead_letter")
        for seq, time_us in zip(tables[name]["seq"], tables[name]["known_time_us"], strict=True)
    )
    assert [time_us for _, time_us in times] == sorted(time_us for _, time_us in times)


def test_features_are_taken_before_the_transaction_is_counted() -> None:
    _, tables = play([transaction(0, "a1"), transaction(0, "a2"), transaction(0, "b1")])
    count_1m = tables["decision"]["features"][:, 1]
    assert count_1m.tolist() == [0.0, np.float32(math.log(2.0)), 0.0]


def test_an_empty_batch_is_nothing() -> None:
    engine, _ = play([transaction(0, "a")])
    folded = engine.fold(Arrivals.merge(many_transactions([]), no_messages()))
    assert (folded.frame, folded.consumed, len(folded.status)) == (None, 0, 0)
