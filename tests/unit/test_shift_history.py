"""What the page shows of a shift is what the monitor has judged."""

import math

import pytest

from monitoring.findings import Level
from monitoring.shift import Shift
from monitoring.shift_history import DriftHistory
from tests.shifting import FAULTS, NAMES, SETTINGS, WEEKS, from_hour, traffic

FAULT = 4 * WEEKS + 12


@pytest.mark.parametrize("name", ["frozen", "a constant", "not so rare"])
def test_index_and_distance_are_those_of_the_finding(name):
    subject, change = FAULTS[name]
    shift = Shift(SETTINGS, NAMES)
    for frame in traffic(1, FAULT + 24, from_hour(FAULT, FAULT + 24, change)):
        found = [each for each in shift.fold(frame, frame.known_time_us) if each.subject == subject]
        if found:
            break
    (finding,) = found
    assert finding.level > Level.OK
    history = DriftHistory.of(shift)
    (shown,) = [each for each in history.subjects if each.name == subject]
    assert shown.level == finding.level
    assert shown.psi[-1] == pytest.approx(finding.statistic, rel=1e-9)
    assert history.hours_us[-1] == finding.known_time_us
    assert f"{history.rows:,} rows against {history.past_rows:,}" in finding.words
    if math.isfinite(shown.distance):
        assert f"moved by {shown.distance:.2g} standard deviations" in finding.words


def test_nothing_is_shown_before_there_is_anything_to_compare_with():
    shift = Shift(SETTINGS, NAMES)
    for frame in traffic(1, WEEKS):
        shift.fold(frame, frame.known_time_us)
    history = DriftHistory.of(shift)
    assert (history.hours_us, history.rows) == ([], 0)
    assert all(each.psi == [] and math.isnan(each.distance) for each in history.subjects)
