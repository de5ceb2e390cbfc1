"""What the page is shown of the monitors, made from a stream that is long enough for all of it."""

import math

import msgspec
import numpy as np
import pytest
from monitor_frames import quick_settings, recorded, small_stream
from streams import simulated_settings

from fraud_system.events import DAY_US, Frame
from monitoring.health import HealthSettings
from monitoring.overseer import Overseer
from monitoring.view import MonitorView
from monitoring.view_of_overseer import view_of

SYSTEM = simulated_settings()


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    return recorded(SYSTEM, small_stream(seed=4, days=16), size=256)


def told(frames: list[Frame]) -> Overseer:
    overseer = Overseer(quick_settings(), HealthSettings(), SYSTEM)
    for frame in frames:
        overseer.fold(frame)
    return overseer


def test_the_view_of_weeks_of_traffic_goes_through_a_pipe(frames: list[Frame]) -> None:
    view = view_of(told(frames))
    assert view.drift is not None
    assert view.drift.hours_us, "there is something to compare with"
    shown = [value for each in view.drift.subjects for value in each.history if value is not None]
    assert shown
    assert all(math.isfinite(value) for value in shown)
    assert view.labels is not None
    assert view.labels.delay_reports > 0
    sent = msgspec.json.encode(view)
    assert msgspec.json.encode(msgspec.json.decode(sent, type=MonitorView)) == sent


def test_nothing_is_judged_in_the_warm_up_and_delays_are_assumed(frames: list[Frame]) -> None:
    view = view_of(told(frames[:1]))
    for each in view.calibration:
        assert each.begun_us is None
        assert not each.is_anew
        assert each.by_day == each.before == []
    assert view.labels is not None
    assert view.labels.delay_reports == 0


def test_what_was_seen_up_to_an_alarm_is_still_shown_after_it(frames: list[Frame]) -> None:
    """An alarm begins the detector anew, so that nothing that counts is left at first."""
    cut = len(frames) * 3 // 4
    overseer = told(frames[:cut])
    count, _ = view_of(overseer).calibration
    assert not count.is_anew
    assert count.before == []
    assert count.begun_us is not None
    assert count.begun_us <= count.from_us
    overseer.monitor.calibration.watches["count"].detector.restart()
    coming = iter(frames[cut:])
    overseer.fold(next(coming))
    anew, as_it_was = view_of(overseer).calibration
    assert anew.is_anew
    assert not as_it_was.is_anew
    assert anew.before
    assert sum(each.came for each in anew.before) == pytest.approx(count.came, rel=0.25)
    assert anew.begun_us is not None
    assert abs(anew.begun_us - overseer.known_time_us) <= DAY_US
    while overseer.known_time_us < anew.begun_us + DAY_US // 2:
        overseer.fold(next(coming))
    later, _ = view_of(overseer).calibration
    assert later.begun_us == anew.begun_us
    assert later.before
    assert later.by_day[0].day_us == later.begun_us // DAY_US * DAY_US
    assert all(each.day_us <= later.begun_us for each in later.before)
    assert np.all(np.diff([each.day_us for each in later.before]) > 0)
