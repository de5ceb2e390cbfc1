"""The learner: when it publishes, what it keeps, and that what it learns is the truth."""

import numpy as np
import pytest
from scipy.special import expit, logit
from streams import (
    HORIZON_S,
    Line,
    arrivals_of,
    cut,
    fold_all,
    fraud,
    many_frauds,
    tick,
    tiny_settings,
    transaction,
)

from fraud_system import replay
from fraud_system.engine import Engine
from fraud_system.errors import ArtefactError
from fraud_system.events import Arrivals, Frame, LabelsObserved, Transactions
from fraud_system.features.declaration import load_features
from fraud_system.guards import GuardSettings
from fraud_system.labels import LabelSettings
from fraud_system.learner import Learner
from fraud_system.ledger import MemoryLedger
from fraud_system.merged_frames import joined
from fraud_system.models.model_settings import BaselineSettings
from fraud_system.publication import Publication
from fraud_system.settings import Settings


def run(settings: Settings, lines: list[Line], size: int = 10) -> tuple[Learner, list[Frame]]:
    ledger = MemoryLedger()
    engine, learner = replay.start(settings, ledger)
    for _ in replay.run(engine, learner, ledger, cut(arrivals_of(lines), [size])):
        pass
    assert list(replay.verify(settings, ledger))[-1] == ledger.last_seq
    return learner, list(ledger.frames())


def published(frames: list[Frame]) -> list[Publication]:
    return [
        Publication.from_table(frame.tables["published"])
        for frame in frames
        if "published" in frame.tables
    ]


def test_it_publishes_after_so_many_resolved_labels_wherever_they_fall() -> None:
    lines = [transaction(at, f"t{at}") for at in range(10)] + [fraud(20, "t3"), fraud(21, "t7")]
    learner, frames = run(tiny_settings(publish_every_labels=4), [*lines, tick(200)])
    versions = published(frames)
    assert [each.version for each in versions] == [0, 1, 2]
    resolved = joined(frames)["resolved"]["seq"]
    assert [each.learned_through_seq for each in versions] == [0, resolved[3], resolved[7]]
    assert learner.labels_until_publication == 2
    assert learner.learned_labels == 10
    # Each is adopted right after the label that made it due.
    seqs = [frame.first_seq for frame in frames if "published" in frame.tables]
    assert seqs == [1, resolved[3] + 1, resolved[7] + 1]


def test_several_publications_in_one_frame_come_in_order() -> None:
    settings = tiny_settings(publish_every_labels=3)
    frames, _ = fold_all(
        Engine(settings), arrivals_of([*(transaction(at, f"t{at}") for at in range(11)), tick(200)])
    )
    learner = Learner(settings)
    learner.first_publication()
    due = [each for frame in frames for each in learner.fold(frame)]
    assert [each.version for each in due] == [1, 2, 3]
    assert learner.resolved_since == 2


def test_the_first_publication_says_the_prevalence_to_everything() -> None:
    first = Learner(tiny_settings()).first_publication()
    assert first.intercept == pytest.approx(logit(0.01))
    assert not first.weight.any()
    assert first.rates == pytest.approx(0.01)


def test_a_publication_can_be_said_again_until_a_label_comes() -> None:
    settings = tiny_settings(publish_every_labels=3)
    learner = Learner(settings)
    assert learner.unchanged_publication() is None
    first = learner.first_publication()
    again = learner.unchanged_publication()
    assert again is not None
    assert again.table(1).keys() == first.table(1).keys()
    assert all(again.table(1)[n].tobytes() == c.tobytes() for n, c in first.table(1).items())
    frames, _ = fold_all(Engine(settings), arrivals_of([transaction(0, "a"), fraud(1, "a")]))
    learner.fold(frames[0])
    assert learner.unchanged_publication() is None


# ---- what it keeps


@pytest.mark.parametrize("every", [3, 1_000])
def test_a_silence_beyond_the_horizon_is_learned_whole(every: int) -> None:
    # All of it matures at one moment, and is cut by publications, long after it could be forgotten.
    lines = [transaction(at, f"t{at}") for at in range(40)] + [fraud(45, "t7"), fraud(46, "t39")]
    lines += [tick(45 + 3 * HORIZON_S), transaction(1_000, "x"), transaction(1_200, "y")]
    learner, _ = run(tiny_settings(publish_every_labels=every), lines)
    assert learner.learned_labels == 41


def test_an_early_fraud_is_kept_until_its_turn_however_late() -> None:
    # No label is resolved between the horizon of "a" and the maturity of "b".
    lines = [transaction(0, "a"), fraud(5, "a"), tick(1_000), transaction(2_000, "b")]
    lines += [transaction(2_050, "c"), tick(2_101)]
    learner, frames = run(tiny_settings(), lines, size=1)
    assert learner.learned_labels == 2
    assert learner.buckets.frauds[-1] > 0
    kept = learner.to_arrays()
    assert len(kept["logged.rows"]) == 2, "it is forgotten afterwards"
    assert len(frames) > 5


def test_horizon_and_maturity_may_be_equal() -> None:
    settings = tiny_settings(labels=LabelSettings(100, 100, 50, 70), publish_every_labels=2)
    lines = [transaction(at, f"t{at}") for at in range(0, 60, 3)] + [
        fraud(60, "t0"),
        fraud(61, "t9"),
    ]
    lines += [transaction(at, f"t{at}") for at in range(99, 500, 7)]
    learner, _ = run(settings, [*lines, tick(5_000)], size=1)
    assert learner.learned_labels == 20 + len(range(99, 500, 7))


@pytest.mark.parametrize("order", [[1, 2, 3], [0, 2, 3], [0, 0, 1, 2, 3], [0, 2, 1, 3]])
def test_a_gap_a_repetition_or_another_order_is_noticed(order: list[int]) -> None:
    # Otherwise the labels would be learned with the features of other transactions.
    engine = Engine(tiny_settings())
    lines = [transaction(at, f"t{at}") for at in range(9)] + [tick(200)]
    batches = cut(arrivals_of(lines), [3])
    frames = [frame for batch in batches for frame in fold_all(engine, batch)[0]]
    learner, wrong = Learner(tiny_settings()), Learner(tiny_settings())
    for frame in frames:
        learner.fold(frame)
    assert learner.learned_labels == 9
    for place in order[:-1]:
        wrong.fold(frames[place])
    with pytest.raises(ArtefactError, match="not read, or not in its place"):
        wrong.fold(frames[order[-1]])


# ---- known truth

TRUE_WEIGHT = np.array([1.2, -0.8, 0.0])
TRUE_INTERCEPT = -3.0
TRUTH_FEATURES = """
interactions = [["numeric:a", "numeric:b"]]
"""


def test_publications_converge_to_the_truth_on_a_stationary_stream() -> None:
    """A logistic truth over three columns, one of which means nothing; every report is in time."""
    draw, size = np.random.default_rng(8), 60_000
    columns = draw.normal(size=(size, 3))
    true = expit(TRUE_INTERCEPT + columns @ TRUE_WEIGHT)
    is_fraud = draw.random(size) < true
    known_us = np.arange(size) * 10_000
    row = np.flatnonzero(is_fraud)
    report_us = known_us[row] + draw.integers(0, 90_000_000, len(row))
    order = np.argsort(report_us, kind="stable")
    labels = LabelsObserved(
        **many_frauds(0, row[order] + 1).table() | {"known_time_us": report_us[order]}
    )
    keys = many_frauds(0, np.arange(1, size + 1))
    transactions = Transactions(
        transaction_id=keys.transaction_id,
        transaction_key=keys.transaction_key,
        event_time_us=known_us,
        known_time_us=known_us,
        amount=np.full(size, 10.0),
        entity_keys=np.zeros((size, 0), np.uint64),
        numeric=columns,
        categories=np.zeros((size, 0), np.uint64),
    )
    settings = Settings(
        features=load_features(TRUTH_FEATURES, [], ["a", "b", "c"]),
        labels=LabelSettings(100, 300, 50, 70),
        model=BaselineSettings(prevalence=0.01),
        guards=GuardSettings(max_reported_share=1.0),  # ten minutes, and a fraud a second
        publish_every_labels=2_000,
    )
    ledger = MemoryLedger()
    engine, learner = replay.start(settings, ledger)
    ticks = np.array([2_000_000_000])
    stream = Arrivals.merge(transactions, labels, ticks)
    for _ in replay.run(engine, learner, ledger, stream.batches(8_192)):
        pass

    fresh = np.random.default_rng(9).normal(size=(4_000, 3))
    truth = expit(TRUE_INTERCEPT + fresh @ TRUE_WEIGHT)
    excess = [excess_log_loss(each, fresh, truth, settings) for each in published(ledger.frames())]
    assert len(excess) == 31
    # In nats a transaction; the truth itself loses about 0.2.
    assert excess[0] > 0.05
    assert np.mean(excess[-5:]) < 0.004
    assert np.mean(excess[-5:]) < np.mean(excess[2:7]) / 2
    last = published(ledger.frames())[-1]
    slope = last.weight[:3] / last.deviation
    assert slope == pytest.approx(TRUE_WEIGHT, abs=0.25)
    assert last.rates[-1] == pytest.approx(is_fraud.mean(), rel=0.1)
    resolved = joined(ledger.frames())
    late = resolved["decision"]["probability"][size // 2 :]
    assert late.sum() / true[size // 2 :].sum() == pytest.approx(1.0, abs=0.06)


def excess_log_loss(
    publication: Publication, rows: np.ndarray, truth: np.ndarray, settings: Settings
) -> float:
    """Expected log loss of published weights over that of the truth, through the engine itself."""
    engine = Engine(settings)
    engine.adopt(publication)
    size = len(rows)
    keys = many_frauds(0, np.arange(1, size + 1))
    frame = engine.fold(
        Arrivals.merge(
            Transactions(
                keys.transaction_id,
                keys.transaction_key,
                np.zeros(size, np.int64),
                np.zeros(size, np.int64),
                np.full(size, 10.0),
                np.zeros((size, 0), np.uint64),
                rows,
                np.zeros((size, 0), np.uint64),
            ),
            many_frauds([], []),
        )
    ).frame
    assert frame is not None
    said = frame.tables["decision"]["probability"]
    return float(
        np.mean(truth * np.log(truth / said) + (1 - truth) * np.log((1 - truth) / (1 - said)))
    )
