"""Every strategy, on random streams with messages at all moments: whole, once, in any cutting."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streams import TINY_LABELS, arrivals_of, fold_all, fraud, reversal, tick, tiny_settings
from streams import transaction as transaction_line

from fraud_system.engine import Engine
from fraud_system.events import Resolution, Table
from fraud_system.logged import LoggedFeatures
from fraud_system.merged_frames import joined
from fraud_system.strategies import Examples, LearningSettings, Strategy, sampled, strategy_of

SIZE = 400
Make = Callable[[], Strategy]


@pytest.fixture(scope="module")
def tables() -> dict[str, Table]:
    """Of transactions with gaps, messages of all kinds at all moments, and a long end."""
    draw = np.random.default_rng(12)
    times = np.cumsum(draw.choice([0.0, 0.5, 2.0, 250.0], SIZE, p=[0.2, 0.4, 0.39, 0.01])).round(6)
    lines = [transaction_line(float(at), f"t{row}") for row, at in enumerate(times)]
    for _ in range(700):
        row = int(draw.integers(0, 300))
        at = float(times[row] + draw.choice([-20.0, 3.0, 30.0, 90.0, 100.0, 100.000001, 200.0]))
        message = fraud if draw.random() < 0.7 else reversal
        lines.append(message(max(0.0, round(at, 6)), f"t{row}"))
    lines.sort(key=lambda line: (line.time_s, -line.kind))
    end = lines[-1].time_s
    # The very last labels make everything due that came before them.
    lines += [tick(end + 101), transaction_line(end + 300, "last"), tick(end + 1_000)]
    frames, _ = fold_all(Engine(tiny_settings()), arrivals_of(lines))
    return joined(frames)


@pytest.fixture(scope="module", params=["mature", "fake_negative_weighted", "delay_matched"])
def make(request: pytest.FixtureRequest, tables: dict[str, Table]) -> Make:
    """A strategy of that name that knows all the transactions."""

    def fresh() -> Strategy:
        logged = LoggedFeatures(tables["decision"]["features"].shape[1], 10**15)
        logged.append(tables["transaction"], tables["decision"])
        return strategy_of(LearningSettings(request.param), TINY_LABELS, logged)

    return fresh


def cut(table: Table, start: int, stop: int) -> Table:
    return {name: column[start:stop] for name, column in table.items()}


def is_fraud_at_last(tables: dict[str, Table]) -> np.ndarray:
    final = np.zeros(SIZE + 1, bool)
    for kind, ordinal in zip(
        tables["resolved"]["resolution"], tables["resolved"]["ordinal"], strict=True
    ):
        final[ordinal] = kind in (Resolution.FRAUD, Resolution.LATE_FRAUD)
    return final


def test_each_transaction_ends_with_its_final_label(make: Make, tables: dict[str, Table]) -> None:
    examples = make().examples(tables["resolved"])
    assert np.bincount(examples.ordinal, examples.target, SIZE + 1).tolist() == (
        is_fraud_at_last(tables).astype(float).tolist()
    )
    legitimate = (examples.curve > 0.0) & (examples.target == 0.0)
    others = is_fraud_at_last(tables).sum()
    assert others > 50
    assert len(np.unique(examples.ordinal[examples.curve > 0.0])) >= SIZE
    assert np.bincount(examples.ordinal[legitimate]).max() == 1


def test_the_first_term_is_learned_exactly_once(make: Make, tables: dict[str, Table]) -> None:
    examples = make().examples(tables["resolved"])
    first = np.bincount(examples.ordinal, examples.curve > 0.0, SIZE + 1)
    reported = np.isin(tables["resolved"]["resolution"], [Resolution.FRAUD, Resolution.LATE_FRAUD])
    again = np.bincount(tables["resolved"]["ordinal"][reported], minlength=SIZE + 1)
    is_fake_negative = (examples.curve == 1.0 - 0.01) & (examples.target == 0.0)
    if is_fake_negative.any():  # the fraud comes on top, whole
        assert first[:SIZE].tolist() == (1 + again[:SIZE]).tolist()
    else:
        assert first[:SIZE].tolist() == [1] * SIZE
        assert set(examples.curve.tolist()) == {0.0, 1.0}


def test_nothing_is_known_before_it_is(make: Make, tables: dict[str, Table]) -> None:
    """Up to each resolved label, only transactions that were known by then, and only its fraud."""
    strategy, resolved = make(), tables["resolved"]
    known_us = tables["transaction"]["known_time_us"]
    for row in range(len(resolved["seq"])):
        now_us = resolved["known_time_us"][row]
        examples = strategy.examples(cut(resolved, row, row + 1))
        assert (known_us[examples.ordinal] <= now_us).all()
        told = set(resolved["ordinal"][: row + 1].tolist())
        assert set(examples.ordinal[examples.target != 0.0].tolist()) <= told


@given(cuts=st.lists(st.integers(0, 900), max_size=40))
def test_any_cutting_gives_the_same_examples(
    make: Make, tables: dict[str, Table], cuts: list[int]
) -> None:
    resolved = tables["resolved"]
    straight, pieces = make(), []
    whole = straight.examples(resolved)
    strategy, bounds = make(), sorted({0, *cuts, len(resolved["seq"])})
    bounds = [each for each in bounds if each <= len(resolved["seq"])]
    for start, stop in itertools.pairwise(bounds):
        pieces.append(strategy.examples(cut(resolved, start, stop)))
        kept = strategy.to_arrays()
        strategy = make()
        strategy.restore(kept)
    for name in ("ordinal", "curve", "target"):
        joined = np.concatenate([getattr(piece, name) for piece in pieces])
        assert joined.tobytes() == getattr(whole, name).tobytes(), name
    for name, array in straight.to_arrays().items():
        assert array.tobytes() == strategy.to_arrays()[name].tobytes(), name


def test_sampling_keeps_every_fraud_and_whole_transactions(
    make: Make, tables: dict[str, Table]
) -> None:
    everything = make().examples(tables["resolved"])
    key = tables["transaction"]["transaction_key"][everything.ordinal]
    examples = sampled(everything, key, 0.3)
    curve = np.bincount(examples.ordinal, examples.curve, SIZE + 1)
    target = np.bincount(examples.ordinal, examples.target, SIZE + 1)
    is_fraud = is_fraud_at_last(tables)
    assert (target == is_fraud).all()
    assert (curve[is_fraud] >= 1.0).all()
    quiet = ~np.isin(np.arange(SIZE + 1), everything.ordinal[everything.target != 0.0])
    kept = curve[quiet] > 0.0
    # About 200 of them: 4.5 standard deviations.
    assert abs(kept.mean() - 0.3) < 4.5 * np.sqrt(0.21 / kept.size)
    assert set(curve[quiet][kept].tolist()) <= {1.0, 0.99}


def test_two_samplings_agree_on_each_transaction() -> None:
    ordinal = np.arange(5_000)
    key = ordinal.astype(np.uint64) + np.uint64(1)
    legitimate = Examples(ordinal, np.ones(5_000), np.zeros(5_000))
    few = sampled(legitimate, key, 0.1).ordinal
    more = sampled(legitimate, key, 0.4).ordinal
    assert set(few.tolist()) < set(more.tolist())
    assert len(few) == pytest.approx(500, abs=100)
    later = sampled(Examples(ordinal, np.zeros(5_000), np.ones(5_000)), key, 0.1)
    assert len(later.ordinal) == 5_000
    assert (later.curve == 0.0).sum() == len(few)
