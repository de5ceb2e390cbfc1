"""What must hold of the features for any stream: finite, and blind to what should not matter."""

import re

import numpy as np
from feature_streams import (
    ENTITIES,
    EVERY_KIND,
    LABELS,
    START_US,
    every_kind,
    features_by_name,
    fold_stream,
    labels_of,
    settings_for,
    transactions_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_system.events import DAY_US, Arrivals
from fraud_system.features.declaration import load_features
from fraud_system.labels import LabelSettings
from fraud_system.policy import PolicyCosts

FEATURES = every_kind()
GAPS_US = st.one_of(
    st.sampled_from([0, 0, 1, 7_000_000]),
    st.integers(0, DAY_US),
    st.integers(0, 3_000 * DAY_US),
)
AMOUNTS = st.one_of(st.sampled_from([0.0, 5e-324, 0.01, 1e15]), st.floats(0.0, 1e4))
ROWS = st.lists(
    st.tuples(GAPS_US, AMOUNTS, st.lists(st.integers(0, 2), min_size=4, max_size=4)),
    min_size=1,
    max_size=25,
)
REPORTS = st.lists(st.tuples(st.integers(0, 24), GAPS_US, st.booleans()), max_size=25)


def stream(rows, reports, shift_us=0, stretch=1, amount=1.0, keys=lambda keys: keys):
    """Transactions at running times, and reports about them, each a while after its transaction."""
    gaps_us, amounts, entities = zip(*rows, strict=True)
    known_us = np.cumsum(gaps_us)
    told = sorted(
        (int(known_us[which % len(rows)]) + gap_us, which % len(rows) + 1, is_fraud)
        for which, gap_us, is_fraud in reports
    )
    made = transactions_of(
        START_US + shift_us + known_us * stretch,
        keys(np.array(entities)),
        np.array(amounts) * amount,
        numeric=np.array([[amounts[row], np.nan] for row in range(len(rows))]),
        categories=np.array(entities)[:, :2],
    )
    times_us = START_US + shift_us + np.array([each[0] for each in told], np.int64) * stretch
    labels = labels_of(times_us, [each[1] for each in told], [each[2] for each in told])
    return Arrivals.merge(made, labels)


def features_of(arrivals, features=FEATURES, **changes):
    _, logged = fold_stream(arrivals, settings_for(features, **changes))
    return features_by_name(logged, features)


@settings(deadline=None, max_examples=80)
@given(ROWS, REPORTS)
def test_features_are_finite_and_in_their_range(rows, reports):
    found = features_of(stream(rows, reports))
    units = {feature.name: feature.unit for feature in FEATURES.features}
    for name, column in found.items():
        assert len(column) == len(rows)
        if name == "numeric:age_days":
            assert np.isnan(column).all()
            continue
        assert np.isfinite(column).all(), name
        if units[name] == "0/1":
            assert set(column.tolist()) <= {0.0, 1.0}, name
        if units[name].startswith("log(1+"):
            assert (column >= 0.0).all(), name
        if units[name] == "exp(-time/scale)":
            assert ((column >= 0.0) & (column <= 1.0)).all(), name
    for entity in ENTITIES:
        latest, run = found[f"fraud_is_latest:{entity}"], found[f"fraud_run:{entity}"]
        np.testing.assert_array_equal(latest > 0, run > 0)
        np.testing.assert_array_equal(
            found[f"time_since_last:{entity}"] == np.float32(np.log1p(90 * 86_400.0)),
            (found[f"is_new:{entity}"] == 1.0) | (since_seen_s(rows, entity) >= 90 * 86_400.0),
        )


def since_seen_s(rows, entity):
    """Seconds since each transaction's entity was last seen; infinite where it is new or unknown."""
    column = ENTITIES.index(entity)
    time_us, last_us, found = 0, {}, []
    for gap_us, _, keys in rows:
        time_us += gap_us
        key = keys[column]
        found.append((time_us - last_us[key]) / 1e6 if key in last_us else np.inf)
        if key:
            last_us[key] = time_us
    return np.array(found)


def assert_equal_bytes(left, right, names):
    assert names
    for name in names:
        assert left[name].tobytes() == right[name].tobytes(), name


@settings(deadline=None, max_examples=40)
@given(ROWS, REPORTS, st.integers(-1_000, 1_000))
def test_whole_weeks_earlier_or_later_make_no_difference(rows, reports, weeks):
    moved = features_of(stream(rows, reports, shift_us=7 * weeks * DAY_US))
    assert_equal_bytes(features_of(stream(rows, reports)), moved, FEATURES.names)


DOUBLED = load_features(
    re.sub(r'"(\d+)([smhd])"', lambda found: f'"{2 * int(found[1])}{found[2]}"', EVERY_KIND),
    ENTITIES,
    ("distance_km", "age_days"),
    ("channel", "country"),
)
OF_CLOCKS = ("hour_sin", "hour_cos", "is_night", "is_weekend", "time_since_last")


@settings(deadline=None, max_examples=40)
@given(ROWS, REPORTS)
def test_everything_at_half_the_pace_with_doubled_scales_is_the_same(rows, reports):
    slow = LabelSettings(
        2 * LABELS.maturity_s, 2 * LABELS.horizon_s, 2 * LABELS.orphan_wait_s, 2 * LABELS.silence_s
    )
    usual = list(features_of(stream(rows, reports)).values())
    doubled = list(features_of(stream(rows, reports, stretch=2), DOUBLED, labels=slow).values())
    for feature, left, right in zip(FEATURES.features, usual, doubled, strict=True):
        if feature.kind not in OF_CLOCKS:
            assert left.tobytes() == right.tobytes(), feature.name


ALL_APPROVED = PolicyCosts(review_cost=1e300, goodwill=1e300)
OF_AMOUNT = ("amount", "total", "log_amount", "numeric")


@settings(deadline=None, max_examples=40)
@given(ROWS, REPORTS, st.floats(0.0, 1.0))
def test_another_currency_changes_only_what_is_about_amounts(rows, reports, rate):
    found = [
        features_of(stream(rows, reports, amount=each), costs=ALL_APPROVED) for each in (1.0, rate)
    ]
    names = [name for name in FEATURES.names if not name.startswith(OF_AMOUNT)]
    assert_equal_bytes(*found, names)


@settings(deadline=None, max_examples=40)
@given(ROWS, REPORTS, st.integers(0, 2**64 - 1))
def test_other_names_for_the_same_entities_make_no_difference(rows, reports, salt):
    odd = np.uint64(salt | 1)  # multiplying by an odd number is one-to-one and keeps 0
    renamed = stream(rows, reports, keys=lambda keys: keys.astype(np.uint64) * odd)
    assert_equal_bytes(features_of(stream(rows, reports)), features_of(renamed), FEATURES.names)


REORDERED = ("terminal", "device", "address", "card")
TURNED = load_features(EVERY_KIND, REORDERED, FEATURES.numeric, FEATURES.categorical)


@settings(deadline=None, max_examples=40)
@given(ROWS, REPORTS)
def test_the_order_of_the_entities_makes_no_difference(rows, reports):
    places = [ENTITIES.index(name) for name in REORDERED]
    turned = stream(rows, reports, keys=lambda keys: keys[:, places])
    assert TURNED.names == FEATURES.names
    assert_equal_bytes(
        features_of(stream(rows, reports)), features_of(turned, TURNED), FEATURES.names
    )


@settings(deadline=None, max_examples=40)
@given(ROWS, REPORTS, ROWS)
def test_other_cards_make_no_difference_to_a_card(rows, reports, others):
    """Strangers in between, none of them reported: only what is about all amounts may change."""
    alone = stream(rows, reports)
    gaps_us, amounts, entities = zip(*others, strict=True)
    strange = np.where(np.array(entities) > 0, np.array(entities) + 1_000, 0)
    strangers = transactions_of(
        START_US + np.cumsum(gaps_us),
        strange,
        amounts,
        numeric=np.zeros((len(others), 2)),
        categories=np.zeros((len(others), 2)),
        first_key=1_000_000,
    )
    own = alone.transactions
    both = type(own).join([own, strangers])
    order = np.argsort(both.known_time_us, kind="stable")
    mixed = Arrivals.merge(both.rows(order), alone.labels)
    _, logged = fold_stream(mixed, settings_for(FEATURES))
    ours = logged.transaction["transaction_key"] < 1_000_000
    found = {n: c[ours] for n, c in features_by_name(logged, FEATURES).items()}
    # Labels mature when anything happens, so strangers decide at which moment that is.
    names = [
        feature.name
        for feature in FEATURES.features
        if feature.kind not in ("fraud_rate", "fraud_count", "fraud_run", "fraud_is_latest")
        and not feature.kind.endswith("recency")
    ]
    assert_equal_bytes(features_of(alone), found, names)
