"""The same events, cut into frames in any way, give the monitors the same findings and the same state."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from monitor_frames import quick_settings, recorded, recut, small_stream, with_features
from streams import simulated_settings

from fraud_system.errors import ArtefactError
from fraud_system.events import Arrivals, Frame, LabelsObserved
from monitoring.findings import Level
from monitoring.monitor import Monitor

SYSTEM = simulated_settings()
SETTINGS = quick_settings()


def waiting_for(traffic: Arrivals) -> Arrivals:
    """The same after ten days of ticks, with labels about nothing among them, up to the first transaction."""
    first_us = int(traffic.transactions.known_time_us[0])
    waited_us = first_us - np.arange(240, 0, -1) * 3_600_000_000
    stray = replace(
        traffic.labels.rows(slice(0, 20)),
        transaction_key=np.arange(1, 21, dtype=traffic.labels.transaction_key.dtype),
        known_time_us=first_us - np.arange(20, 0, -1) * 60_000_000,
        label_key=np.arange(1, 21, dtype=np.uint64),
    )
    labels = LabelsObserved.join([stray, traffic.labels])
    return Arrivals.merge(traffic.transactions, labels, waited_us)


class Recorded(list[Frame]):
    """Frames; hypothesis should not print them all."""

    def __repr__(self) -> str:
        return f"{len(self)} frames"


@pytest.fixture(scope="module")
def frames() -> Recorded:
    """A server that waits, fourteen days of traffic, and a feature that stays as it is for the twelfth."""
    recorded_frames = recorded(SYSTEM, waiting_for(small_stream(seed=2, days=14)))
    frozen = SYSTEM.features.names.index("log_amount")
    first_us = int(recorded_frames[1].tables["transaction"]["known_time_us"][0])

    def freeze(decision, known_us):
        days = (known_us - first_us) / 86_400e6
        decision["features"][(days > 11.5) & (days < 12.5), frozen] = 3.0

    return Recorded(with_features(frame, freeze) for frame in recorded_frames)


def folded(frames, monitor=None):
    """All findings of the frames, and the monitor after them."""
    monitor = monitor or Monitor(SETTINGS, SYSTEM)
    return [each for frame in frames for each in monitor.fold(frame)], monitor


def assert_same(one: Monitor, other: Monitor) -> None:
    left, right = one.to_arrays(), other.to_arrays()
    assert left.keys() == right.keys()
    for name, array in left.items():
        assert array.dtype == right[name].dtype, name
        assert array.tobytes() == right[name].tobytes(), name


class Answer(tuple):
    def __repr__(self) -> str:
        return f"{len(self[0])} findings"


@pytest.fixture(scope="module")
def as_recorded(frames):
    return Answer(folded(frames))


def test_the_stream_has_something_to_say(as_recorded):
    findings, monitor = as_recorded
    said = {(each.monitor, each.subject, each.level) for each in findings}
    assert ("feature_shift", "log_amount", Level.ALARM) in said
    assert ("feature_shift", "log_amount", Level.OK) in said
    assert len({each.monitor for each in findings}) > 1
    seqs = [each.seq for each in findings]
    assert seqs == sorted(seqs)
    assert min(seqs) >= 1
    assert monitor.performance.figures().frauds > 0
    assert monitor.expectation.figures().transactions > 0


@settings(max_examples=8)
@given(cuts=st.lists(st.integers(1, 25_000), max_size=60))
def test_any_cutting_gives_the_same(frames, as_recorded, cuts):
    findings, monitor = folded(recut(frames, cuts))
    assert findings == as_recorded[0]
    assert_same(monitor, as_recorded[1])


def test_one_event_a_frame_gives_the_same(frames):
    some = recut(frames, [4_000])
    until = next(place for place, frame in enumerate(some) if frame.last_seq >= 3_999) + 1
    few, whole = some[:until], folded(some[:until])
    single = folded(recut(few, range(1, 4_001)))
    assert single[0] == whole[0]
    assert_same(single[1], whole[1])


@settings(max_examples=6)
@given(at=st.integers(0, 40))
def test_a_snapshot_anywhere_goes_on_the_same(frames, as_recorded, at):
    frames = recut(frames, range(600, 25_000, 600))
    before, monitor = folded(frames[:at])
    stored = {name: array.copy() for name, array in monitor.to_arrays().items()}
    assert all(array.dtype != object for array in stored.values())
    again = Monitor.from_arrays(SETTINGS, SYSTEM, stored)
    assert_same(again, monitor)
    assert again.current == monitor.current
    after, again = folded(frames[at:], again)
    assert before + after == as_recorded[0]
    assert_same(again, as_recorded[1])


def test_a_snapshot_of_other_settings_is_refused():
    arrays = Monitor(SETTINGS, SYSTEM).to_arrays()
    with pytest.raises(ArtefactError, match="other settings"):
        Monitor.from_arrays(quick_settings(cohorts_held=17), SYSTEM, arrays)


def test_a_label_about_a_transaction_that_was_not_read_is_refused(frames):
    with pytest.raises(ArtefactError, match="in its place"):
        folded(frames[len(frames) // 2 :])


def test_what_is_not_well_now_is_the_last_word_on_each_subject(frames):
    monitor, last = Monitor(SETTINGS, SYSTEM), {}
    for frame in frames:
        for each in monitor.fold(frame):
            last[each.monitor, each.subject] = each
    bad = [each for each in last.values() if each.level != Level.OK]
    assert sorted(bad, key=repr) == sorted(monitor.current, key=repr)
    levels = [each.level for each in monitor.current]
    assert levels == sorted(levels, reverse=True)
    assert np.isfinite(monitor.shift.levels).all()
