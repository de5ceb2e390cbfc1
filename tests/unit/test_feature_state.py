"""What the counters remember: quantiles, bounds, and snapshots that depend on history alone."""

import numpy as np
import pytest
from feature_streams import (
    HOUR_US,
    START_US,
    every_kind,
    features_by_name,
    fold_stream,
    labels_of,
    random_stream,
    settings_for,
    transactions_of,
)

from fraud_system.engine import Engine
from fraud_system.events import Arrivals, no_labels
from fraud_system.features.declaration import load_features
from fraud_system.features.layout import TIMES
from fraud_system.features.state import (
    HISTOGRAM_BINS,
    HISTOGRAM_STEP,
    QUANTILE_REFRESH_EVERY,
    empty_state,
    from_arrays,
    to_arrays,
    with_room_for,
)
from fraud_system.hashing import get

QUANTILES = (0.001, 0.1, 0.5, 0.9, 0.99)
AMOUNTS = f"""
[[features]]
kind = "amount_beyond"
quantile = {list(QUANTILES)}
[[features]]
kind = "amount_exceeds"
quantile = 0.5
"""
COMPANY = """
[entities.card]
scales = ["1h"]
label_scales = ["30d"]
[[features]]
kind = "is_new"
entity = ["card", "terminal"]
[[features]]
kind = "count"
entity = "card"
scale = "1h"
[[features]]
kind = "fraud_count"
entity = "card"
scale = "30d"
[[features]]
kind = "first_meeting"
entity = "card"
other = "terminal"
"""


def amounts_stream(amount):
    times_us = START_US + np.arange(len(amount)) * 60_000_000
    return Arrivals.merge(
        transactions_of(times_us, np.zeros((len(amount), 0)), amount), no_labels()
    )


@pytest.mark.parametrize("kind", ["log-normal", "a few prices", "one price", "nothing", "huge"])
@pytest.mark.parametrize("rounds", [1, 4])
def test_quantiles_of_the_amounts_so_far(kind, rounds):
    generator = np.random.default_rng(rounds)
    rows = rounds * QUANTILE_REFRESH_EVERY
    amount = {
        "log-normal": np.exp(generator.normal(4.0, 1.5, rows)),
        "a few prices": generator.choice([0.0, 4.99, 5.0, 1_000.0], rows),
        "one price": np.full(rows, 12.5),
        "nothing": np.zeros(rows),
        "huge": 10.0 ** generator.uniform(9.0, 15.0, rows),
    }[kind]
    settings = settings_for(load_features(AMOUNTS, []))
    engine, _ = fold_stream(amounts_stream(amount), settings)
    found = engine.to_arrays()["features.edges"]
    # Amounts beyond the last bin count as if they were in it.
    largest = HISTOGRAM_BINS * HISTOGRAM_STEP
    logs = np.minimum(np.log1p(amount), largest)
    expected = np.quantile(logs, QUANTILES, method="inverted_cdf")
    assert np.all(np.abs(found - expected) <= HISTOGRAM_STEP * (1 + 1e-9))
    assert np.all(np.diff(found) >= 0)


def test_quantiles_are_looked_up_at_every_256th_transaction_and_used_after_it():
    amount = np.concatenate([np.full(QUANTILE_REFRESH_EVERY, 10.0), np.full(300, 1_000.0)])
    features = load_features(AMOUNTS, [])
    _, logged = fold_stream(amounts_stream(amount), settings_for(features), (1, 100, 30))
    found = features_by_name(logged, features)
    first, second = QUANTILE_REFRESH_EVERY, 2 * QUANTILE_REFRESH_EVERY
    for name in features.names:
        assert not found[name][:first].any(), "no quantile is known yet"
    assert found["amount_exceeds:0.5"][first:].all()
    assert found["amount_exceeds:0.5"][first:second].all()
    # Amounts beyond the highest quantile so far count as that quantile: all that was seen is 10.
    excess = found["amount_beyond:0.5"]
    assert np.all(excess[first:second] <= HISTOGRAM_STEP)
    # By then half of all amounts are small: the median is at them, the highest quantile at the large ones.
    assert np.all(np.abs(excess[second:] - np.log(1_001 / 11)) <= HISTOGRAM_STEP)


def bounded_engine(features, max_entities=None, max_meetings=None):
    """An engine whose bounds are small; their real size cannot be reached in a test."""
    engine = Engine(settings_for(features))
    state = empty_state(features, rows=1)  # so that the arrays have to grow
    engine._core = engine._core._replace(features=state)
    if max_entities is not None:
        state.max_entities[0] = max_entities
    if max_meetings is not None:
        state.max_meetings[0] = max_meetings
    return engine


def test_beyond_the_bound_of_entities_new_ones_stay_unknown_and_are_counted():
    features = load_features(COMPANY, ["card", "terminal"])
    cards = [1, 2, 3, 4, 1, 4, 5, 2]
    times_us = START_US + np.arange(len(cards)) * HOUR_US
    made = transactions_of(times_us, np.column_stack([cards, np.zeros(len(cards))]))
    reports = labels_of([times_us[-1] - 1] * 2, [2, 4])  # about a known card and an unknown one
    engine = bounded_engine(features, max_entities=3)
    _, logged = fold_stream(Arrivals.merge(made, reports), None, engine=engine)
    found = features_by_name(logged, features)
    assert found["is_new:card"].tolist() == [1, 1, 1, 1, 0, 1, 1, 0]
    assert (found["count:card:1h"] > 0).tolist() == [False] * 4 + [True, False, False, True]
    assert found["fraud_count:card:30d"][-1] == pytest.approx(np.log(2.0), abs=1e-6)
    arrays = engine.to_arrays()
    assert len(arrays["features.row_key"]) == 3
    assert arrays["features.beyond_bound"].tolist() == [3]


def test_the_bound_of_entities_also_bounds_the_arrays():
    features = load_features(COMPANY, ["card", "terminal"])
    state = empty_state(features, rows=8)
    state.max_entities[0] = 11
    grown = with_room_for(state, transactions=1_000_000, entities=2, meetings=0)
    assert len(grown.row_key) == len(grown.sums) == len(grown.times_us) == 11
    assert with_room_for(grown, 1_000_000, 2, 0).row_key is grown.row_key


@pytest.mark.parametrize(("bound", "most"), [(1, 5), (2, 5), (7, 5), (40, 15)])
def test_two_bounded_generations_of_meetings_remember_at_least_the_last_ones(bound, most):
    features = load_features(COMPANY, ["card", "terminal"])
    generator = np.random.default_rng(bound)
    pairs = generator.integers(0, most, (600, 2))  # 0 is unknown
    made = transactions_of(START_US + np.arange(600), pairs)
    engine = bounded_engine(features, max_meetings=bound)
    _, logged = fold_stream(Arrivals.merge(made, no_labels()), None, (1, 200), engine)
    first = features_by_name(logged, features)["first_meeting:card:terminal"]
    arrays = engine.to_arrays()
    assert len(arrays["features.young"]) <= bound
    assert len(arrays["features.old"]) <= bound
    young, old = set(), set()
    remembered = forgotten = 0
    for row, pair in enumerate(tuple(each) for each in pairs.tolist()):
        met = [tuple(each) for each in pairs[:row][::-1].tolist() if 0 not in each]
        # Different meetings since this pair met last.
        since = len({*met[: met.index(pair)]}) if pair in met else None
        if since is None:
            assert first[row] == 1.0
        elif since < bound:
            assert first[row] == 0.0
            remembered += 1
        elif since >= 2 * bound:
            assert first[row] == 1.0
            forgotten += 1
        # And exactly: a full generation grows old when one more is to be remembered.
        assert first[row] == float(pair not in young | old)
        if 0 not in pair and pair not in young:
            if len(young) == bound:
                young, old = set(), young
            young.add(pair)
    assert remembered > 10
    assert forgotten > 10


def test_a_snapshot_does_not_show_how_the_arrays_grew():
    features = every_kind()
    settings = settings_for(features)
    arrivals = random_stream(11, rows=200)
    snapshots = []
    for rows, sizes in [(1, (1,)), (1, (40, 1, 300)), (4_096, ())]:
        engine = Engine(settings)
        small = empty_state(features, rows=rows)
        engine._core = engine._core._replace(features=small)
        fold_stream(arrivals, settings, sizes, engine)
        arrays = engine.to_arrays()
        snapshots.append({n: a for n, a in arrays.items() if n.startswith("features.")})
    assert len(snapshots[0]["features.row_key"]) > 30
    assert len(snapshots[0]["features.young"]) > 100
    for other in snapshots[1:]:
        assert other.keys() == snapshots[0].keys()
        for name in other:
            assert other[name].tobytes() == snapshots[0][name].tobytes(), name


def test_a_snapshot_is_taken_and_given_back_without_sharing_memory():
    features = every_kind()
    engine, _ = fold_stream(random_stream(12, rows=150), settings_for(features))
    state = engine._core.features
    arrays = to_arrays(state)
    again = from_arrays(features, arrays)
    second = to_arrays(again)
    assert arrays.keys() == second.keys()
    for name, array in arrays.items():
        assert array.dtype == second[name].dtype
        assert array.tobytes() == second[name].tobytes(), name
        assert not np.shares_memory(array, second[name])
        for column in (*state[1:6], *again[1:6], state.histogram, again.histogram, again.edges):
            assert not np.shares_memory(array, column), name


def test_a_snapshot_of_nothing():
    features = every_kind()
    arrays = to_arrays(empty_state(features))
    assert all(len(arrays[name]) == 0 for name in ("row_key", "sums", "times_us", "young", "old"))
    assert np.isinf(arrays["edges"]).all()
    again = to_arrays(from_arrays(features, arrays))
    assert all(arrays[name].tobytes() == again[name].tobytes() for name in arrays)


def test_a_snapshot_of_much():
    """More than an empty state has room for; each generation of meetings in turn is the larger."""
    features = every_kind()
    generator = np.random.default_rng(6)
    for young, old in [(5_000, 10), (10, 5_000)]:
        keys = generator.integers(1, 2**64, 8_000 + young + old, np.uint64, endpoint=False)
        arrays = to_arrays(empty_state(features))
        arrays |= {
            "row_key": keys[:8_000],
            "sums": generator.random((8_000, arrays["sums"].shape[1])),
            "times_us": generator.integers(0, 2**60, (8_000, TIMES)),
            "young": np.sort(keys[8_000 : 8_000 + young]),
            "old": np.sort(keys[8_000 + young :]),
        }
        state = from_arrays(features, arrays)
        assert len(state.young.keys) == len(state.old.keys)
        assert [get(state.lookup, key) for key in keys[:8_000:100]] == [*range(0, 8_000, 100)]
        again = to_arrays(state)
        for name, array in arrays.items():
            assert array.tobytes() == again[name].tobytes(), name


def test_a_snapshot_with_both_generations_of_meetings_goes_on_alike():
    features = load_features(COMPANY, ["card", "terminal"])
    settings = settings_for(features)
    pairs = np.random.default_rng(5).integers(1, 9, (400, 2))
    made = Arrivals.merge(transactions_of(START_US + np.arange(400), pairs), no_labels())
    whole = bounded_engine(features, max_meetings=10)
    _, expected = fold_stream(made, settings, engine=whole)
    for place in (9, 100, 257):
        first = bounded_engine(features, max_meetings=10)
        fold_stream(made.rows(0, place), settings, engine=first)
        second = Engine.from_arrays(settings, first.to_arrays())
        second._core.features.max_meetings[0] = 10
        _, tail = fold_stream(made.rows(place, 400), settings, engine=second)
        assert tail.features.tobytes() == expected.features[place:].tobytes()
        for name, array in second.to_arrays().items():
            assert array.tobytes() == whole.to_arrays()[name].tobytes(), name
