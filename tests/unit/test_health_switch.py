"""The switch: what gives way to plan B, how long that stays, and what a person may do."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from watched import HOUR_US, finding, nothing, resolved, scored, switched

import monitoring
from fraud_system.delay_law import DelayLaw
from fraud_system.errors import ConfigError
from fraud_system.events import Health
from fraud_system.labels import LabelSettings
from fraud_system.switching import Switch
from monitoring.findings import Level
from monitoring.health import MAX_CAUSES, HealthSettings, HealthSwitch, Proposal
from monitoring.monitor import Monitor
from monitoring.probation import ProbationSettings
from monitoring.settings import MonitorSettings
from monitoring.switching_patterns import MONITORS

LAW = DelayLaw(LabelSettings(maturity_s=3 * 86_400, horizon_s=9 * 86_400))
CAUSE = "sanity/scores all the same"
HOUR_S = 3_600.0
QUICK = ProbationSettings(least_s=HOUR_S, least_transactions=1, least_reports=1.0)


def switch_of(**changes: Any) -> HealthSwitch:
    return HealthSwitch(HealthSettings(**{"probation": QUICK} | changes))


def tell(switch: HealthSwitch, hour: float, *findings: Any) -> list[Proposal]:
    """What is proposed at an hour, with these findings."""
    now_us = round(hour * HOUR_US)
    return switch.fold(nothing(now_us), findings, LAW, now_us)


def record(switch: HealthSwitch, health: Health, hour: float, by_hand: bool = False) -> None:
    """The engine has recorded a switch."""
    now_us = round(hour * HOUR_US)
    switch.fold(switched(health, now_us, by_hand), [], LAW, now_us)


def alarm(hour: float, name: str = CAUSE, seq: int = 1) -> Any:
    return finding(name, Level.ALARM, round(hour * HOUR_US), seq)


def over(hour: float, name: str = CAUSE) -> Any:
    return finding(name, Level.OK, round(hour * HOUR_US))


def in_plan_b(hour: float = 0.0, **changes: Any) -> HealthSwitch:
    """Plan B answers because of CAUSE, since an hour."""
    switch = switch_of(**changes)
    tell(switch, hour, alarm(hour))
    record(switch, Health.HEURISTIC, hour)
    return switch


def prove(switch: HealthSwitch, hour: float) -> None:
    """Transactions that the model foresaw, and plan B did not; reported at once."""
    seqs = list(range(1, 21))
    now_us = round(hour * HOUR_US)
    switch.fold(scored(seqs, [now_us] * 20, [0.5] * 20, [0.01] * 20), [], LAW, now_us)
    switch.fold(resolved(seqs[:10], now_us), [], LAW, now_us)


def test_an_alarm_that_may_switch_gives_way_at_once_and_says_why() -> None:
    (proposal,) = tell(switch_of(), 1.0, alarm(1.0))
    assert proposal.from_health == Health.MODEL
    assert proposal.switch == Switch(
        Health.HEURISTIC, "alarm of sanity (scores all the same)", evidence="Why"
    )


@pytest.mark.parametrize("name", ["feature_shift/log_amount", "label_feed/messages: fewer"])
def test_what_may_only_warn_does_not_switch(name: str) -> None:
    assert tell(switch_of(), 1.0, alarm(1.0, name)) == []


def test_a_warning_does_not_switch() -> None:
    assert tell(switch_of(), 1.0, finding(CAUSE, Level.WARNING)) == []


def test_which_monitors_may_switch_is_a_setting() -> None:
    switch = switch_of(switching=("label_feed/*",))
    assert tell(switch, 1.0, alarm(1.0)) == []
    (proposal,) = tell(switch, 2.0, alarm(2.0, "label_feed/messages: fewer"))
    assert proposal.switch.health == Health.HEURISTIC


def test_the_default_patterns_match_findings_that_monitors_can_make() -> None:
    from streams import simulated_settings

    monitor = Monitor(MonitorSettings(), simulated_settings())
    names = [f"sanity/{subject}" for subject in monitor.sanity.limits.levels]
    names += [f"calibration/{subject}: more" for subject in monitor.calibration.watches]
    names += [f"score_shift/{subject}" for subject in monitor.shift.subjects]
    for pattern in HealthSettings().switching:
        switch = switch_of(switching=(pattern,))
        assert any(tell(switch, 1.0, alarm(1.0, name)) for name in names), pattern


def test_the_earliest_cause_is_the_reason_and_all_are_the_evidence() -> None:
    switch = switch_of()
    (proposal,) = tell(switch, 1.0, alarm(1.0, "calibration/count: more", seq=9), alarm(1.0, seq=3))
    assert proposal.switch.reason == "alarm of sanity (scores all the same)"
    assert proposal.switch.evidence == "Why; also calibration (count, more than expected): why"


def test_a_proposal_that_was_not_recorded_is_made_again() -> None:
    switch = switch_of(again_s=600.0)
    assert len(tell(switch, 1.0, alarm(1.0))) == 1
    assert tell(switch, 1.1) == []
    assert len(tell(switch, 1.0 + 600.0 / 3_600.0)) == 1


def test_once_recorded_it_is_not_proposed_again() -> None:
    switch = in_plan_b()
    assert tell(switch, 5.0) == []
    assert (
        switch.waiting_for(LAW, 5 * HOUR_US) == "the alarm to be over: sanity (scores all the same)"
    )


def test_probation_comes_after_the_hold_and_the_quiet_time() -> None:
    switch = in_plan_b(quiet_s=6 * HOUR_S, hold_s=10 * HOUR_S)
    assert tell(switch, 1.0, over(1.0)) == []
    assert tell(switch, 9.9) == []  # quiet for long enough, not held for long enough
    assert switch.waiting_for(LAW, round(9.5 * HOUR_US)) == "0.5 quiet hours, then a probation"
    (proposal,) = tell(switch, 10.0)
    assert (proposal.from_health, proposal.switch.health) == (Health.HEURISTIC, Health.PROBATION)


def test_quiet_time_begins_with_the_end_of_the_last_cause() -> None:
    switch = in_plan_b(quiet_s=6 * HOUR_S, hold_s=HOUR_S)
    other = "calibration/count: more"
    tell(switch, 2.0, alarm(2.0, other))
    tell(switch, 3.0, over(3.0))
    assert tell(switch, 20.0) == []  # the other one goes on
    tell(switch, 21.0, over(21.0, other))
    assert tell(switch, 26.9) == []
    assert tell(switch, 27.0)[0].switch.health == Health.PROBATION


def test_when_a_cause_ended_does_not_depend_on_how_frames_are_cut() -> None:
    switch = in_plan_b(quiet_s=6 * HOUR_S, hold_s=HOUR_S)
    tell(switch, 9.0, over(4.0))  # found in a frame that ends five hours later
    assert tell(switch, 10.0)[0].switch.health == Health.PROBATION


def test_an_alarm_on_probation_goes_back_and_the_hold_doubles() -> None:
    switch = in_plan_b(quiet_s=1.0, hold_s=4 * HOUR_S, longest_hold_s=10 * HOUR_S)
    hour, holds = 0.0, []
    for _ in range(4):
        tell(switch, hour + 0.1, over(hour + 0.1))
        since = hour
        while not (found := tell(switch, hour)):
            hour += 0.5
        holds.append(hour - since)
        assert found[0].switch.health == Health.PROBATION
        record(switch, Health.PROBATION, hour)
        hour += 1.0
        (back,) = tell(switch, hour, alarm(hour))
        assert (back.from_health, back.switch.health) == (Health.PROBATION, Health.HEURISTIC)
        record(switch, Health.HEURISTIC, hour)
    assert holds == [4.0, 8.0, 10.0, 10.0]


@pytest.mark.parametrize(("again_day", "hold_h"), [(13.0, 8.0), (15.0, 4.0)])
def test_the_hold_doubles_for_those_who_come_back_soon(again_day: float, hold_h: float) -> None:
    switch = in_plan_b(hold_s=4 * HOUR_S, quiet_s=1.0, memory_s=14 * 86_400.0)
    tell(switch, 1.0, over(1.0))
    record(switch, Health.PROBATION, 4.0)
    record(switch, Health.MODEL, 40.0)
    hour = 24.0 * again_day
    tell(switch, hour, alarm(hour))
    record(switch, Health.HEURISTIC, hour)
    tell(switch, hour + 0.5, over(hour + 0.5))
    assert tell(switch, hour + hold_h - 0.1) == []
    assert tell(switch, hour + hold_h)[0].switch.health == Health.PROBATION


def test_a_model_that_proved_itself_is_back() -> None:
    switch = in_plan_b(quiet_s=1.0, hold_s=1.0)
    tell(switch, 1.0, over(1.0))
    record(switch, Health.PROBATION, 2.0)
    prove(switch, 2.0)
    (proposal,) = tell(switch, 2.0 + 9 * 24.0)
    assert proposal.from_health == Health.PROBATION
    assert proposal.switch.health == Health.MODEL
    assert "20 transactions, 10 reports of 10.0 expected" in proposal.switch.evidence


def test_a_model_that_is_worse_than_plan_b_has_failed() -> None:
    switch = in_plan_b(quiet_s=1.0, hold_s=1.0)
    tell(switch, 1.0, over(1.0))
    record(switch, Health.PROBATION, 2.0)
    now_us = 2 * HOUR_US
    switch.fold(scored([1, 2], [now_us] * 2, [0.001] * 2, [0.5] * 2), [], LAW, now_us)
    (proposal,) = switch.fold(resolved([1, 2], now_us), [], LAW, now_us)
    assert proposal.switch.health == Health.HEURISTIC
    assert "failed" in proposal.switch.reason


@pytest.mark.parametrize("before", [Health.MODEL, Health.HEURISTIC, Health.PROBATION])
def test_what_a_person_forced_only_a_person_releases(before: Health) -> None:
    switch = switch_of(quiet_s=1.0, hold_s=1.0)
    record(switch, before, 1.0)
    record(switch, Health.FORCED, 2.0, by_hand=True)
    assert tell(switch, 3.0, alarm(3.0)) == []
    assert tell(switch, 4.0, over(4.0)) == []
    assert tell(switch, 9_999.0) == []
    assert switch.waiting_for(LAW, 0) == "somebody to release plan B"


def test_who_releases_knows_of_the_causes_there_are_and_new_ones_switch_again() -> None:
    switch = in_plan_b()
    record(switch, Health.FORCED, 1.0, by_hand=True)
    record(switch, Health.MODEL, 2.0, by_hand=True)
    assert tell(switch, 3.0) == []
    (proposal,) = tell(switch, 4.0, alarm(4.0, "calibration/money: fewer"))
    assert proposal.switch.reason == "alarm of calibration (money, fewer than expected)"


def test_causes_are_bounded() -> None:
    switch = switch_of()
    tell(switch, 1.0, *(alarm(1.0, f"calibration/{n}") for n in range(2 * MAX_CAUSES)))
    assert len(switch.causes) == MAX_CAUSES


def test_a_snapshot_goes_on_bit_for_bit() -> None:
    switch = in_plan_b(quiet_s=1.0, hold_s=1.0)
    tell(switch, 0.5, alarm(0.5, "calibration/z", seq=5), alarm(0.5, "calibration/a", seq=5))
    tell(switch, 1.0, over(1.0), over(1.0, "calibration/z"), over(1.0, "calibration/a"))
    record(switch, Health.PROBATION, 2.0)
    prove(switch, 2.0)
    tell(switch, 2.5, alarm(2.5, "calibration/z", seq=9), alarm(2.5, "calibration/a", seq=9))
    again = switch_of(quiet_s=1.0, hold_s=1.0)
    again.restore(switch.to_arrays())
    first, second = switch.to_arrays(), again.to_arrays()
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert tell(switch, 3.0) == tell(again, 3.0) != []
    assert again.waiting_for(LAW, 3 * HOUR_US) == switch.waiting_for(LAW, 3 * HOUR_US)


def test_a_cause_that_may_not_switch_any_more_is_none() -> None:
    switch = in_plan_b(quiet_s=1.0, hold_s=1.0)
    again = switch_of(quiet_s=1.0, hold_s=1.0, switching=("calibration/*",))
    again.restore(switch.to_arrays())
    assert tell(again, 1.0)[0].switch.health == Health.PROBATION


def test_the_monitors_that_patterns_may_name_are_those_there_are() -> None:
    named = {
        value
        for file in Path(monitoring.__file__).parent.glob("*.py")
        for name, value in vars(import_module(f"monitoring.{file.stem}")).items()
        if name in ("MONITOR", "FEATURE", "SCORE")
    }
    assert named == set(MONITORS)


@pytest.mark.parametrize(
    ("field", "value"), [("quiet_s", 0.0), ("again_s", float("nan")), ("longest_hold_s", 1.0)]
)
def test_settings_are_checked(field: str, value: float) -> None:
    with pytest.raises(ConfigError) as error:
        switch_of(**{field: value})
    assert field in str(error.value)
