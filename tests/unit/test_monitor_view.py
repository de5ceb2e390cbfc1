"""What the page is shown of the monitors, made from a stream that is long enough for all of it."""

import math

import msgspec
from monitor_frames import quick_settings, recorded, small_stream
from streams import simulated_settings

from monitoring.health import HealthSettings
from monitoring.overseer import Overseer
from monitoring.view import MonitorView, view_of


def test_the_view_of_weeks_of_traffic_goes_through_a_pipe():
    system = simulated_settings()
    overseer = Overseer(quick_settings(), HealthSettings(), system)
    for frame in recorded(system, small_stream(seed=4, days=16)):
        overseer.fold(frame)
    view = view_of(overseer)
    assert view.drift is not None
    assert view.drift.hours_us, "there is something to compare with"
    shown = [value for each in view.drift.subjects for value in each.history if value is not None]
    assert shown
    assert all(math.isfinite(value) for value in shown)
    sent = msgspec.json.encode(view)
    assert msgspec.json.encode(msgspec.json.decode(sent, type=MonitorView)) == sent
