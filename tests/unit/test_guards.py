"""Guards on learning: what is refused, that it is counted, and that the last good weights stay."""

import itertools
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import Line, arrivals_of, cut, fraud, reversal, simulated_arrivals, tick, transaction
from streams import simulated_settings as simulated
from streams import tiny_settings as tiny

from fraud_system import replay
from fraud_system.errors import ConfigError
from fraud_system.events import DAY_US, LabelSource, Resolution, Table
from fraud_system.guards import ABSURD, BURST, RUNAWAY, BurstGuard, GuardSettings, usable_rows
from fraud_system.learner import Learner
from fraud_system.ledger import MemoryLedger
from fraud_system.models.model_settings import BaselineSettings
from fraud_system.models.online import weights_of
from fraud_system.publication import Publication
from fraud_system.strategies import STRATEGIES, LearningSettings

USER, BANK = LabelSource.USER_REPORT, LabelSource.CHARGEBACK


def resolved(rows: list[tuple[int, Resolution, LabelSource, float]]) -> Table:
    """Rows of (ordinal, resolution, source, day)."""
    ordinal, resolution, source, day = (np.array(each) for each in zip(*rows, strict=True))
    return {
        "seq": np.arange(len(rows)),
        "known_time_us": (day * DAY_US).astype(np.int64),
        "ordinal": ordinal,
        "resolution": resolution.astype(np.uint8),
        "source": source.astype(np.uint8),
    }


def run(chosen, arrivals, size: int = 50) -> tuple[Learner, MemoryLedger]:
    ledger = MemoryLedger()
    engine, learner = replay.start(chosen, ledger)
    for _ in replay.run(engine, learner, ledger, cut(arrivals, [size])):
        pass
    return learner, ledger


def test_a_days_reports_of_one_source_are_limited_and_the_next_day_begins_anew() -> None:
    guard = BurstGuard(GuardSettings(least_reports=2), maturity_us=10 * DAY_US)
    reports = [(i, Resolution.FRAUD, USER, 0.1 + i / 100) for i in range(4)]
    others = [(10, Resolution.LATE_FRAUD, BANK, 0.5)]
    tomorrow = [(11, Resolution.FRAUD, USER, 1.0)]
    assert guard.refuse(resolved(reports + others + tomorrow)) == 2
    assert guard.learnable(np.array([0, 1, 2, 3, 10, 11])).tolist() == [1, 1, 0, 0, 1, 1]


def test_the_limit_grows_with_the_labels_of_the_days_before() -> None:
    guard = BurstGuard(GuardSettings(least_reports=1, max_reported_share=0.1), 10 * DAY_US)
    guard.refuse(resolved([(i, Resolution.MATURED, LabelSource.MATURITY, 0.5) for i in range(60)]))
    refused = guard.refuse(resolved([(i, Resolution.FRAUD, USER, 1.2) for i in range(100, 110)]))
    plausible = 0.1 * 60  # those of yesterday, in full: they fade from now on
    assert refused == 10 - math.floor(plausible)
    later = guard.refuse(resolved([(i, Resolution.FRAUD, USER, 6.0) for i in range(200, 210)]))
    assert later == 10 - math.floor(0.1 * (60 * math.exp(-0.5) + 10))


def test_a_refused_transaction_stays_refused_until_no_label_can_come() -> None:
    guard = BurstGuard(GuardSettings(least_reports=1), 10 * DAY_US)
    rows = [(ordinal, Resolution.FRAUD, USER, 0.5) for ordinal in (1, 2)]
    rows += [(ordinal, Resolution.REVERSED, USER, 3.0) for ordinal in (1, 2)]
    assert guard.refuse(resolved(rows)) == 1
    assert guard.learnable(np.array([1, 2])).tolist() == [True, False]
    guard.forget_before(2)
    assert guard.to_arrays()["refused"].tolist() == [2]
    guard.forget_before(3)
    assert guard.to_arrays()["refused"].tolist() == []


def test_a_share_of_one_is_no_limit() -> None:
    guard = BurstGuard(GuardSettings(least_reports=1, max_reported_share=1.0), DAY_US)
    assert guard.refuse(resolved([(i, Resolution.FRAUD, USER, 0.0) for i in range(99)])) == 0


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 300), max_size=6))
def test_any_cutting_and_any_snapshot_gives_the_same_answer(seed: int, cuts: list[int]) -> None:
    generator = np.random.default_rng(seed)
    kinds = generator.choice([*Resolution], 300, p=[0.7, 0.2, 0.05, 0.05])
    days = np.sort(generator.uniform(0.0, 6.0, 300))
    sources = generator.choice([USER, BANK], 300)
    table = resolved(list(zip(generator.integers(0, 150, 300), kinds, sources, days, strict=True)))
    chosen = GuardSettings(least_reports=3, max_reported_share=0.03)
    whole, guard = BurstGuard(chosen, 2 * DAY_US), BurstGuard(chosen, 2 * DAY_US)
    expected, found = whole.refuse(table), 0
    for start, stop in itertools.pairwise([0, *sorted(cuts), 300]):
        again = BurstGuard(chosen, 2 * DAY_US)
        again.restore(guard.to_arrays())
        guard = again
        found += guard.refuse({n: c[start:stop] for n, c in table.items()})
    assert found == expected > 0
    assert {n: a.tobytes() for n, a in guard.to_arrays().items()} == {
        n: a.tobytes() for n, a in whole.to_arrays().items()
    }


def lines_with_a_burst() -> list[Line]:
    lines = [transaction(at, f"t{at}") for at in range(30)]
    lines += [fraud(40 + at / 10, f"t{at}", USER) for at in range(20)]
    return [*lines, *(reversal(60 + at, f"t{at}", USER) for at in range(20)), tick(300)]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("size", [1, 50])
def test_the_learner_learns_nothing_of_a_burst_whatever_the_strategy(
    strategy: str, size: int
) -> None:
    chosen = tiny(guards=GuardSettings(least_reports=5), learning=LearningSettings(strategy))
    learner, ledger = run(chosen, arrivals_of(lines_with_a_burst()), size)
    assert learner.refused == {BURST: 15, ABSURD: 0, RUNAWAY: 0}
    assert list(replay.verify(chosen, ledger))[-1] == ledger.last_seq
    # Five reported ones (again at the report, under the second strategy), and ten that nobody reported.
    least = {"mature": 15, "fake_negative_weighted": 20, "delay_matched": 15}[strategy]
    # A first term that was given out before the report was refused stays.
    most = least if strategy == "mature" else least + 15
    assert least <= learner.learned_labels <= most


def test_a_batch_of_which_everything_is_refused_is_learned_as_nothing() -> None:
    for strategy in STRATEGIES:
        chosen = tiny(guards=GuardSettings(least_reports=1), learning=LearningSettings(strategy))
        lines = [transaction(at, f"t{at}") for at in range(6)]
        lines += [fraud(10 + at / 10, f"t{at}", USER) for at in range(6)]
        learner, ledger = run(chosen, arrivals_of([*lines, tick(400)]), size=1)
        assert learner.refused[BURST] == 5
        assert list(replay.verify(chosen, ledger))[-1] == ledger.last_seq


def test_an_absurd_feature_is_not_learned() -> None:
    rows = np.array([[1.0, np.nan], [1.0, -2e9], [np.inf, 1.0]], np.float32)
    assert usable_rows(rows, GuardSettings()).tolist() == [True, False, False]
    arrivals = simulated_arrivals()
    plain, _ = run(simulated(), arrivals)
    assert plain.refused[ABSURD] == 0
    strict = simulated(guards=GuardSettings(max_feature=9.0))
    learner, _ = run(strict, arrivals)
    assert learner.refused[ABSURD] > 0
    assert learner.learned_labels + learner.refused[ABSURD] >= plain.learned_labels


def test_weights_that_run_away_are_not_published_and_the_last_good_ones_stay() -> None:
    wild = BaselineSettings(learning_rate=1e6)
    chosen = simulated(model=wild)
    learner, ledger = run(chosen, simulated_arrivals())
    assert learner.refused[RUNAWAY] > 0
    limit = chosen.guards.max_weight
    for frame in ledger.frames():
        if "published" in frame.tables:
            published = Publication.from_table(frame.tables["published"])
            assert np.abs(published.weight).max() <= limit
    assert np.abs(weights_of(learner.model, learner.names).weight).max() <= limit
    assert list(replay.verify(chosen, ledger))[-1] == ledger.last_seq


@pytest.mark.parametrize(
    ("field", "value"),
    [(name, bad) for name in asdict(GuardSettings()) for bad in (0, -1.0, math.inf, "5", True)]
    + [("max_reported_share", 1.5), ("max_weight", math.nan), ("least_reports", 2.5)],
)
def test_settings_out_of_range_are_refused(field: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        replace(GuardSettings(), **{field: value})
    assert caught.value.field == f"guards.{field}"
