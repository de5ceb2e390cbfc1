"""The calendar features at known dates, on the sender's clock in UTC."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from feature_streams import fold_stream, settings_for, transactions_of

from fraud_system.events import Arrivals, no_labels
from fraud_system.features.declaration import load_features

LIST = "".join(
    f'[[features]]\nkind = "{kind}"\n'
    for kind in ("is_night", "is_weekend", "hour_sin", "hour_cos")
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def calendar(moments, known=None):
    """(night, weekend, sine, cosine) at each moment, known then and not before 1970 unless told."""
    event_us, known_us = (
        [(moment - EPOCH) // timedelta(microseconds=1) for moment in each]
        for each in (moments, known or [max(moment, EPOCH) for moment in moments])
    )
    made = transactions_of(known_us, np.zeros((len(event_us), 0)), event_us=event_us)
    settings = settings_for(load_features(LIST, []))
    _, logged = fold_stream(Arrivals.merge(made, no_labels()), settings)
    return logged.features


@pytest.mark.parametrize(
    ("moment", "night", "weekend"),
    [
        ("1969-12-31T03:00:00", 1, 0),  # before 1970, a Wednesday
        ("1969-12-31T23:59:59.999999", 0, 0),
        ("1970-01-01T00:00:00", 1, 0),  # a Thursday
        ("1970-01-03T12:00:00", 0, 1),
        ("2000-02-29T05:59:59.999999", 1, 0),  # a Tuesday
        ("2000-02-29T06:00:00", 0, 0),
        ("2024-12-31T23:00:00", 0, 0),
        ("2025-03-28T23:59:59.999999", 0, 0),  # a Friday
        ("2025-03-29T00:00:00", 1, 1),
        ("2025-03-30T23:59:59.999999", 0, 1),
        ("2025-03-31T00:00:00", 1, 0),
        ("2100-06-05T18:00:00", 0, 1),
    ],
)
def test_night_and_weekend(moment, night, weekend):
    found = calendar([datetime.fromisoformat(moment).replace(tzinfo=UTC)])
    assert found[0, :2].tolist() == [night, weekend]


def test_a_week_hour_by_hour():
    monday = datetime(2018, 4, 2, tzinfo=UTC)
    hours = [monday + timedelta(hours=hour) for hour in range(7 * 24)]
    found = calendar(hours)
    assert found[:, 0].tolist() == [float(hour.hour < 6) for hour in hours]
    assert found[:, 1].tolist() == [float(hour.weekday() in (5, 6)) for hour in hours]


@pytest.mark.parametrize(
    ("hour", "sine", "cosine"), [(0, 0, 1), (6, 1, 0), (12, 0, -1), (18, -1, 0)]
)
def test_time_of_day_is_a_circle(hour, sine, cosine):
    found = calendar(
        [datetime(2025, 1, 1, hour, tzinfo=UTC), datetime(2025, 1, 2, hour, tzinfo=UTC)]
    )
    np.testing.assert_allclose(found[:, 2:], [[sine, cosine]] * 2, atol=1e-7)


def test_it_is_the_senders_clock_that_counts():
    sent = datetime(2025, 3, 30, 23, 50, tzinfo=UTC)  # Sunday, before midnight
    taken = sent + timedelta(minutes=20)  # Monday, at night
    assert calendar([sent], [taken])[0].tobytes() == calendar([sent])[0].tobytes()
    assert calendar([sent], [taken])[0, :2].tolist() == [0.0, 1.0]
