"""Feature and score shift on made traffic: what is found, when it ends, and what never is."""

import numpy as np
import pytest

from fraud_system.errors import ConfigError
from fraud_system.events import Scorer
from monitoring.findings import Level
from monitoring.shift import Shift
from monitoring.shift_settings import ShiftSettings
from tests.shifting import (
    DAY,
    FAULTS,
    HOUR_US,
    NAMES,
    SETTINGS,
    START_HOUR,
    WEEKS,
    feature,
    from_hour,
    traffic,
)


def found(frames, settings=SETTINGS):
    shift = Shift(settings, NAMES)
    findings = [each for frame in frames for each in shift.fold(frame, frame.known_time_us)]
    return [(each.known_time_us // HOUR_US - START_HOUR, each) for each in findings], shift


FAULT, END = 4 * WEEKS + 12, 4 * WEEKS + 60


def test_nothing_is_said_of_seasons_habits_and_gaps():
    for seed in range(3):
        assert found(traffic(seed, 7 * WEEKS))[0] == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_within_hours_and_ends_with_it(name):
    subject, change = FAULTS[name]
    findings, shift = found(traffic(1, 7 * WEEKS, from_hour(FAULT, END, change)))
    mine = [(hour, each.level) for hour, each in findings if each.subject == subject]
    assert {each.subject for _, each in findings} <= {subject, subject.removesuffix(": missing")}
    began = next(hour for hour, level in mine if level == Level.ALARM)
    assert FAULT < began <= FAULT + 16
    # The window still holds faulty hours for a while; a week and two weeks later nothing is said.
    ended = next(hour for hour, level in mine if level == Level.OK)
    assert END < ended <= END + 16
    assert ended == mine[-1][0]
    assert not shift.levels.any()


def test_a_change_that_stays_is_the_new_normal_in_the_end():
    change = from_hour(FAULT, 10**9, feature("habit", lambda values: values + 2.0))
    findings, _ = found(traffic(2, 9 * WEEKS, change))
    levels = [(hour, each.level) for hour, each in findings if each.subject == "habit"]
    assert levels[0][1] == Level.ALARM or levels[1][1] == Level.ALARM
    assert levels[-1][1] == Level.OK
    assert levels[-1][0] < FAULT + 4 * WEEKS


def shifted(values):
    return values + 2.0


def test_in_a_surge_of_traffic_a_shift_is_a_warning_and_its_hours_are_not_compared_with_later():
    # The counters are full of the surge until half a day after it.
    change = from_hour(FAULT, END + 12, feature("habit", shifted))
    findings, shift = found(
        traffic(4, 8 * WEEKS, change, times=lambda hour: 5 if FAULT <= hour < END else 1)
    )
    mine = [(hour, each.level) for hour, each in findings if each.subject == "habit"]
    assert [level for _, level in mine] == [Level.WARNING, Level.OK]
    assert mine[-1][0] < END + 12 + 16
    # The feature of the hour is said to move where busy hours meet quiet ones in a window: never an alarm,
    # and of no subject anything in the weeks after.
    assert {each.level for _, each in findings} == {Level.WARNING, Level.OK}
    assert max(hour for hour, _ in findings) < END + 2 * DAY
    assert not shift.levels.any()


def test_what_lasts_a_day_beyond_the_surge_is_an_alarm():
    change = from_hour(FAULT, END + 3 * DAY, feature("habit", shifted))
    findings, _ = found(
        traffic(5, 6 * WEEKS, change, times=lambda hour: 5 if FAULT <= hour < END else 1)
    )
    mine = [(hour, each.level) for hour, each in findings if each.subject == "habit"]
    assert [level for _, level in mine] == [Level.WARNING, Level.ALARM, Level.OK]
    assert END + DAY < mine[1][0] < END + DAY + 16


def test_more_traffic_for_good_is_no_surge_any_more_after_some_weeks():
    change = from_hour(FAULT + 3 * WEEKS, 10**9, feature("habit", shifted))
    findings, _ = found(traffic(6, 8 * WEEKS, change, times=lambda hour: 3 if hour >= FAULT else 1))
    first = next(each for _, each in findings if each.subject == "habit")
    assert first.level == Level.ALARM


@pytest.mark.parametrize(("times", "learns"), [(3, False), (1, True)])
def test_nothing_is_learned_from_a_surge(times, learns):
    # What is usual is learned a day late, and a surge is one when it has filled half of a window.
    first, last = (
        found(traffic(7, hours, times=lambda hour: times if hour >= FAULT else 1))[1].usual
        for hours in (FAULT + DAY + 8, FAULT + 2 * DAY)
    )
    assert np.array_equal(first, last) is not learns


def test_a_large_sample_of_a_small_shift_is_not_worth_a_word():
    change = from_hour(FAULT, 10**9, feature("habit", lambda values: values + 0.1))
    assert found(traffic(3, 6 * WEEKS, change, per_hour=600))[0] == []


@pytest.mark.parametrize("subject", ["model probability", "served probability"])
def test_scores_that_move_are_found(subject):
    def change(decision):
        decision["probability"] = decision["probability_model"].copy()
        moved = "probability_model" if subject.startswith("model") else "probability"
        decision[moved] = np.minimum(4.0 * decision[moved], 0.99)

    findings, _ = found(traffic(4, 5 * WEEKS, from_hour(FAULT, 10**9, change)))
    alarms = [(hour, each) for hour, each in findings if each.level == Level.ALARM]
    assert {(each.monitor, each.subject) for _, each in alarms} == {("score_shift", subject)}
    assert alarms[0][0] <= FAULT + 16


def test_what_plan_b_serves_is_not_compared_and_not_remembered():
    def plan_b(decision):
        decision["probability"] = np.full(len(decision["scorer"]), 0.2)
        decision["scorer"][:] = Scorer.HEURISTIC
        decision["action"][:] = 2

    assert found(traffic(5, 7 * WEEKS, from_hour(FAULT, END, plan_b)))[0] == []


def test_a_score_that_is_no_number_is_missing_from_the_model_only():
    def broken(decision):
        decision["probability"] = decision["probability_model"].copy()
        decision["probability_model"][:] = np.nan
        decision["scorer"][:] = Scorer.HEURISTIC

    findings, _ = found(traffic(6, 5 * WEEKS, from_hour(FAULT, END, broken)))
    assert {each.subject for _, each in findings} == {"model probability: missing"}


def test_hours_without_traffic_are_no_shift():
    quiet = [
        frame for hour, frame in enumerate(traffic(7, 7 * WEEKS)) if hour % WEEKS not in (1, 2)
    ]
    gone = [frame for hour, frame in enumerate(traffic(7, 7 * WEEKS)) if not FAULT < hour < END]
    assert found(quiet)[0] == []
    assert found(gone)[0] == []


def test_bins_are_learned_from_the_time_that_is_set_for_it_and_then_fixed():
    settings = ShiftSettings(learn_from_s=86_400, learn_s=86_400, least_rows=400, weeks=1)
    frames = traffic(8, 4 * DAY)
    _, shift = found(frames, settings)
    assert shift._bins is not None
    learned = np.concatenate([f.tables["decision"]["features"][:, 0] for f in frames[24:48]])
    finite = shift._bins.edges[:, 0][np.isfinite(shift._bins.edges[:, 0])]
    assert finite[-1] == learned.max()
    assert finite[0] == np.nextafter(learned.min(), np.float32(-np.inf))
    _, waits = found(frames, ShiftSettings(learn_from_s=86_400, learn_s=10**6))
    assert waits._bins is None
    _, longer = found(traffic(8, 4 * DAY, per_hour=2), settings)
    assert longer._bins is None, "a day of so little traffic is too few rows"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"learn_s": 0}, "learn_s"),
        ({"weeks": -1}, "weeks"),
        ({"psi_warning": 0.3}, "psi_warning"),
        ({"psi_end": 0.2}, "psi_warning"),
        ({"false_discovery_rate": 1.0}, "false_discovery_rate"),
        ({"surge": 1.0}, "surge"),
        ({"surge_hours": 0}, "surge_hours"),
        ({"least_rows": float("nan")}, "least_rows"),
    ],
)
def test_settings_are_checked(wrong, field):
    with pytest.raises(ConfigError) as raised:
        ShiftSettings(**wrong)
    assert raised.value.field == f"shift.{field}"
