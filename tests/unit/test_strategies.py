"""`Mature`: what is learned, how often, in which order; by hand, on random streams, and statistically."""

import numpy as np
import pytest
from scipy.special import expit
from streams import (
    MATURITY_S,
    MICROSECOND_S,
    TINY_LABELS,
    Line,
    arrivals_of,
    fold_all,
    fraud,
    many_frauds,
    many_transactions,
    reversal,
    tick,
    tiny_settings,
    transaction,
)

from fraud_system.engine import Engine
from fraud_system.events import Arrivals, Resolution, Table
from fraud_system.merged_frames import joined
from fraud_system.strategies import Examples, Mature


def resolved_of(arrivals: Arrivals) -> Table:
    frames, _ = fold_all(Engine(tiny_settings()), arrivals)
    return joined(frames)["resolved"]


LEGITIMATE, FRAUD, BECOMES_FRAUD, TAKEN_BACK = (1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.0, -1.0)


def learned(lines: list[Line]) -> list[tuple[int, tuple[float, float]]]:
    """(which transaction, its terms) in the order of learning."""
    return pairs(Mature.under(TINY_LABELS).examples(resolved_of(arrivals_of(lines))))


def pairs(examples: Examples) -> list[tuple[int, tuple[float, float]]]:
    terms = zip(examples.curve.tolist(), examples.target.tolist(), strict=True)
    return list(zip(examples.ordinal.tolist(), terms, strict=True))


def test_an_early_fraud_is_learned_at_its_own_place_among_the_others() -> None:
    lines = [transaction(0, "a"), transaction(1, "b"), transaction(2, "c"), fraud(5, "b")]
    # After a long silence all mature at one moment: still in the order of the transactions.
    assert learned([*lines, tick(200)]) == [(0, LEGITIMATE), (1, FRAUD), (2, LEGITIMATE)]
    assert learned([*lines, tick(100.5), tick(101.5), tick(102.5)]) == [
        (0, LEGITIMATE),
        (1, FRAUD),
        (2, LEGITIMATE),
    ]


def test_frauds_reported_in_another_order_are_learned_in_the_order_of_the_transactions() -> None:
    lines = [transaction(0, "a"), transaction(1, "b"), transaction(2, "c"), transaction(3, "d")]
    lines += [fraud(5, "c"), fraud(6, "a"), fraud(7, "b"), tick(150)]
    assert learned(lines) == [(0, FRAUD), (1, FRAUD), (2, FRAUD), (3, LEGITIMATE)]


def test_nothing_is_learned_before_it_matures() -> None:
    lines = [transaction(0, "a"), transaction(1, "b"), transaction(50, "c"), fraud(60, "a")]
    assert learned([*lines, fraud(100, "b")]) == []
    # Now "a" is due and "b" is not; the next resolved label, whatever it is, brings the turn of "a".
    assert learned([*lines, fraud(100.5, "b")]) == [(0, FRAUD)]


def test_a_reversal_before_maturity_makes_it_legitimate() -> None:
    lines = [transaction(0, "a"), transaction(1, "b"), fraud(5, "a"), reversal(9, "a"), tick(150)]
    assert learned(lines) == [(0, LEGITIMATE), (1, LEGITIMATE)]


def test_a_reversal_at_the_very_microsecond_of_maturity_is_learned_once() -> None:
    lines = [transaction(0, "a"), transaction(1, "b"), fraud(5, "a"), reversal(100, "a")]
    assert learned([*lines, tick(150)]) == [(0, LEGITIMATE), (1, LEGITIMATE)]


def test_a_fraud_at_the_very_microsecond_of_maturity_is_learned_in_its_turn() -> None:
    lines = [transaction(0, "a"), transaction(0, "b"), transaction(1, "c"), fraud(100, "b")]
    assert learned([*lines, tick(150)]) == [(0, LEGITIMATE), (1, FRAUD), (2, LEGITIMATE)]


def test_what_comes_after_maturity_corrects_the_second_term_at_once() -> None:
    late = [transaction(0, "a"), transaction(1, "b"), fraud(100 + MICROSECOND_S, "a")]
    assert learned([*late, tick(150)]) == [(0, LEGITIMATE), (0, BECOMES_FRAUD), (1, LEGITIMATE)]
    taken_back = [transaction(0, "a"), transaction(1, "b"), fraud(5, "a"), reversal(102, "a")]
    assert learned([*taken_back, tick(150)]) == [(0, FRAUD), (1, LEGITIMATE), (0, TAKEN_BACK)]
    both = [transaction(0, "a"), fraud(150, "a"), reversal(160, "a")]
    assert learned(both) == [(0, LEGITIMATE), (0, BECOMES_FRAUD), (0, TAKEN_BACK)]


@pytest.fixture(scope="module")
def random_resolved() -> Table:
    """Of 400 transactions with gaps, and 500 messages of all kinds at all moments."""
    draw = np.random.default_rng(11)
    times = np.round(
        np.cumsum(draw.choice([0.0, 0.5, 2.0, 250.0], 400, p=[0.2, 0.4, 0.39, 0.01])), 6
    )
    lines = [transaction(float(at), f"t{row}") for row, at in enumerate(times)]
    for _ in range(500):
        row = int(draw.integers(0, 250))
        at = float(times[row] + draw.choice([-20.0, 30.0, 90.0, 100.0, 100.000001, 200.0]))
        message = fraud if draw.random() < 0.7 else reversal
        lines.append(message(max(0.0, round(at, 6)), f"t{row}"))
    lines.sort(key=lambda line: (line.time_s, -line.kind))
    return resolved_of(arrivals_of([*lines, tick(lines[-1].time_s + 101)]))


def test_everything_is_learned_once_and_once_more_for_each_correction(
    random_resolved: Table,
) -> None:
    ordinals, kinds = random_resolved["ordinal"], random_resolved["resolution"]
    examples = Mature.under(TINY_LABELS).examples(random_resolved)
    assert set(examples.ordinal.tolist()) == set(range(400))
    corrections = 0
    for ordinal in range(400):
        ways = [Resolution(int(kind)) for kind in kinds[ordinals == ordinal]]
        curve = examples.curve[examples.ordinal == ordinal].tolist()
        target = examples.target[examples.ordinal == ordinal]
        after = len(curve) - 1
        assert after <= sum(way in (Resolution.LATE_FRAUD, Resolution.REVERSED) for way in ways)
        assert curve == [1.0] + [0.0] * after
        assert target.sum() == (ways[-1] in (Resolution.FRAUD, Resolution.LATE_FRAUD))
        corrections += after
    assert corrections > 20


def test_what_has_been_learned_is_always_all_transactions_up_to_one(random_resolved: Table) -> None:
    strategy, seen = Mature.under(TINY_LABELS), -1
    for row in range(len(random_resolved["seq"])):
        examples = strategy.examples({n: c[row : row + 1] for n, c in random_resolved.items()})
        for ordinal in examples.ordinal.tolist():
            assert ordinal <= seen + 1, "a neighbour was passed over"
            seen = max(seen, ordinal)
    assert seen == 399
    assert not strategy.waiting
    assert not strategy.reversed_


@pytest.mark.parametrize("seed", range(8))
def test_any_cutting_gives_the_same_examples(random_resolved: Table, seed: int) -> None:
    whole = Mature.under(TINY_LABELS)
    expected = pairs(whole.examples(random_resolved))
    draw, rows = np.random.default_rng(seed), len(random_resolved["seq"])
    cuts = np.sort(draw.integers(0, rows + 1, draw.integers(1, 60)))
    strategy, found = Mature.under(TINY_LABELS), []
    for start, stop in zip([0, *cuts], [*cuts, rows], strict=True):
        found += pairs(strategy.examples({n: c[start:stop] for n, c in random_resolved.items()}))
        kept = strategy.to_arrays()
        strategy = Mature.under(TINY_LABELS)
        strategy.restore(kept)
    assert found == expected
    for name, array in whole.to_arrays().items():
        assert array.tobytes() == strategy.to_arrays()[name].tobytes()


def test_learned_labels_are_unbiased_at_every_moment() -> None:
    """Stationary traffic with known probabilities, every report in time, and a pause in the middle.

    Learning frauds on arrival instead would be ahead by the frauds of one maturity, all the time.
    """
    draw, size = np.random.default_rng(5), 40_000
    probability = expit(-3.0 + draw.normal(size=size))
    is_fraud = draw.random(size) < probability
    known_us = np.arange(size) * 20_000  # 800 s at 50 a second: eight maturities
    known_us[size // 2 :] += 250_000_000
    row = np.flatnonzero(is_fraud)
    report_us = known_us[row] + (draw.random(len(row)) * MATURITY_S * 1e6).astype(np.int64)
    order = np.argsort(report_us, kind="stable")
    labels = many_frauds(0, row[order] + 1).table() | {"known_time_us": report_us[order]}
    arrivals = Arrivals.merge(
        many_transactions(known_us), type(many_frauds(0, [1]))(**labels), np.array([2_000_000_000])
    )
    resolved = resolved_of(arrivals)
    examples = Mature.under(TINY_LABELS).examples(resolved)
    assert examples.ordinal.tolist() == list(range(len(examples.ordinal)))
    assert len(examples.ordinal) > size - 10, "frauds at the very end wait for the next label"

    def largest_z(ordinal: np.ndarray, fraud: np.ndarray) -> float:
        p = probability[ordinal]
        excess = np.cumsum(fraud - p) / np.sqrt(np.cumsum(p * (1.0 - p)))
        return float(np.abs(excess[500:]).max())

    # The largest of a random walk's z over log(40,000 / 500) = 4.4 units: beyond 5 one time in 10,000.
    assert largest_z(examples.ordinal, examples.target > 0.0) < 5.0
    assert (examples.target > 0.0).tolist() == is_fraud[: len(examples.ordinal)].tolist()
    on_arrival = resolved["resolution"] == Resolution.FRAUD
    assert largest_z(resolved["ordinal"], on_arrival) > 10.0, "the test would see a bias"
