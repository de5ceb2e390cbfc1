"""The logged features against an oracle that recomputes each of them from the whole history."""

import numpy as np
import pytest
from feature_oracle import Oracle
from feature_streams import every_kind, features_by_name, fold_stream, random_stream, settings_for

from fraud_system.engine import Engine
from fraud_system.events import Action, Resolution
from fraud_system.features.declaration import KINDS, load_features
from pipelines.system_settings import DEFAULTS


def assert_as_recomputed(logged, features):
    oracle = Oracle(logged, features)
    expected = np.array([oracle.row(payment) for payment in oracle.payments])
    for column, name in enumerate(features.names):
        np.testing.assert_allclose(
            logged.features[:, column], expected[:, column], rtol=1e-6, atol=1e-6, err_msg=name
        )


@pytest.mark.parametrize(("seed", "sizes"), [(1, ()), (2, (1, 17, 3, 200, 50))])
def test_every_kind_of_feature_is_what_was_known_before(seed, sizes):
    features = every_kind()
    _, logged = fold_stream(random_stream(seed), settings_for(features), sizes)
    assert_as_recomputed(logged, features)


def test_a_long_life_with_few_entities():
    """Months without a sign of life: counters fade, marks do not, and time_since_last is capped."""
    features = every_kind()
    _, logged = fold_stream(random_stream(3, rows=280, days=2_000.0), settings_for(features))
    assert_as_recomputed(logged, features)
    since = features_by_name(logged, features)["time_since_last:address"]
    assert (since == since.max()).mean() > 0.2


def test_the_default_list():
    text = (DEFAULTS / "features.toml").read_text()
    features = load_features(
        text, ["device", "card", "address", "terminal"], ["a", "b"], ["c", "d"]
    )
    _, logged = fold_stream(random_stream(4), settings_for(features))
    assert_as_recomputed(logged, features)


def test_the_random_streams_hold_what_the_oracle_is_there_for():
    features = every_kind()
    assert {feature.kind for feature in features.features} == set(KINDS)
    engine, logged = fold_stream(random_stream(1), settings_for(features))
    assert all(
        count for name, count in engine.label_counts().items() if name != "matured_in_silence"
    )
    assert {*logged.resolved["resolution"]} == {
        Resolution.MATURED,
        Resolution.FRAUD,
        Resolution.LATE_FRAUD,
        Resolution.REVERSED,
    }
    assert {*logged.decision["action"]} >= {Action.APPROVE, Action.REVIEW}
    table = logged.transaction
    assert (np.diff(table["known_time_us"]) == 0).sum() > 50
    assert (table["event_time_us"] != table["known_time_us"]).sum() > 100
    assert (table["entity_keys"] == 0).any(axis=0).all()
    assert (table["amount"] == 0).sum() > 10
    for name, column in features_by_name(logged, features).items():
        assert len(np.unique(column)) > 1, name


def test_frames_and_a_snapshot_in_between_change_no_byte():
    settings = settings_for(every_kind())
    arrivals = random_stream(5)
    engine, whole = fold_stream(arrivals, settings)
    for sizes in [(1,), (300, 7, 1, 2, 64)]:
        again, cut = fold_stream(arrivals, settings, sizes)
        assert cut.features.tobytes() == whole.features.tobytes()
        assert_equal_arrays(again.to_arrays(), engine.to_arrays())
    for place in (0, 1, 333, 700):
        first, head = fold_stream(arrivals.rows(0, place), settings)
        second = Engine.from_arrays(settings, first.to_arrays())
        assert_equal_arrays(second.to_arrays(), first.to_arrays())
        second, tail = fold_stream(arrivals.rows(place, len(arrivals)), settings, engine=second)
        parts = [each.features for each in (head, tail) if each.decision]
        assert np.concatenate(parts).tobytes() == whole.features.tobytes()
        assert_equal_arrays(second.to_arrays(), engine.to_arrays())


def assert_equal_arrays(left, right):
    assert left.keys() == right.keys()
    for name in left:
        assert left[name].dtype == right[name].dtype, name
        assert left[name].tobytes() == right[name].tobytes(), name
