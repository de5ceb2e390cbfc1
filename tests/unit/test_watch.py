"""When an alarm begins and ends, on stretches whose labels come at once."""

import numpy as np
import pytest
from monitor_frames import at_once, stretch_of

from monitoring.calibration import Calibration
from monitoring.e_detector import EDetectorSettings
from monitoring.findings import Level


def said(findings):
    return [(each.subject, each.level) for each in findings]


def run(monitor, ratios, expected=20.0, first=0, **changes):
    """One stretch a ratio of reports to expected ones; all findings, with the stretch of each."""
    return [
        (number, each)
        for number, ratio in enumerate(ratios, start=first)
        for each in monitor.fold(at_once(number, round(expected * ratio), expected, **changes))
    ]


@pytest.fixture
def calibration():
    return Calibration(EDetectorSettings(), cohorts=32)


def test_nothing_is_said_while_all_is_well(calibration):
    assert run(calibration, [1.0] * 300) == []
    assert run(calibration, [0.9, 1.1] * 150, first=300) == []


@pytest.mark.parametrize(("ratio", "side"), [(2.0, "more"), (0.4, "fewer")])
def test_an_alarm_begins_after_a_warning_and_ends_after_recovery(calibration, ratio, side):
    run(calibration, [1.0] * 50)
    found = run(calibration, [ratio] * 30, first=50)
    subjects = {each.subject for _, each in found}
    assert subjects == {f"count: {side}", f"money: {side}"}
    by_count = [(number, each.level) for number, each in found if each.subject.startswith("count")]
    levels = [level for _, level in by_count]
    assert levels[-1] == Level.ALARM
    assert levels in ([Level.WARNING, Level.ALARM], [Level.ALARM])
    began = by_count[-1][0]
    assert 50 < began < 60
    # The fault goes on: the alarm stays, and is said once.
    assert sum(level == Level.ALARM for level in levels) == 1
    # 50 expected reports, 20 a stretch, have to agree before it ends.
    after = run(calibration, [1.0] * 40, first=80)
    ended = [number for number, each in after if each.subject == f"count: {side}"]
    assert [each.level for _, each in after if each.subject == f"count: {side}"] == [Level.OK]
    assert ended[0] >= 82


def test_the_words_say_since_when_and_how_many(calibration):
    run(calibration, [1.0] * 40)
    found = run(calibration, [3.0] * 10, first=40)
    alarm = next(each for _, each in found if each.level == Level.ALARM)
    assert "where the model predicted" in alarm.words
    assert alarm.threshold == 1e7 <= alarm.statistic
    assert (alarm.monitor, alarm.subject) == ("calibration", "count: more")
    number = next(n for n, each in found if each is alarm)
    assert alarm.seq == number + 1
    assert alarm.known_time_us == (number + 1) * at_once(0, 0, 0.0).cohort_us
    came, predicted = 60.0 * (number - 39), 20.0 * (number - 39)
    assert f"came {came:.0f} reports" in alarm.words
    assert f"{predicted:.1f} by now" in alarm.words


def test_a_warning_comes_and_goes(calibration):
    run(calibration, [1.0] * 20)
    # Just enough: the evidence is between both thresholds after one stretch.
    for ratio in np.arange(1.5, 4.0, 0.05):
        tried = Calibration(EDetectorSettings(), cohorts=32)
        tried.restore(calibration.to_arrays())
        first = run(tried, [ratio], first=20)
        if said([each for _, each in first]) == [("count: more", Level.WARNING)]:
            break
    else:
        pytest.fail("no ratio gives a warning alone")
    after = run(tried, [1.0] * 20, first=21)
    assert said([each for _, each in after]) == [("count: more", Level.OK)]


def test_dispersion_asks_for_more_evidence():
    delays = []
    for dispersion in (1.0, 4.0):
        calibration = Calibration(EDetectorSettings(), cohorts=64)
        run(calibration, [1.0] * 40, dispersion=dispersion)
        found = run(calibration, [2.0] * 100, first=40, dispersion=dispersion)
        delays.append(next(n for n, each in found if each.level == Level.ALARM) - 39)
    assert 2.0 * delays[0] < delays[1] < 5.0 * delays[0]


def test_nothing_is_judged_before_the_warm_up():
    calibration = Calibration(EDetectorSettings(), cohorts=32)
    assert run(calibration, [10.0] * 30, judged_from=30) == []
    found = run(calibration, [10.0] * 3, first=30, judged_from=30)
    assert ("count: more", Level.ALARM) in said(each for _, each in found)


def test_a_report_without_a_probability_is_passed_over():
    calibration = Calibration(EDetectorSettings(), cohorts=32)
    for number in range(60):
        stretch = stretch_of(
            number,
            transactions=1_000,
            rows=np.array([1_000.0]),
            report_cohort=np.full(20, number),
            report_mark=np.full(20, np.nan),
        )
        assert calibration.fold(stretch) == []


def test_money_is_seen_where_the_count_is_right(calibration):
    """As many frauds as predicted, but the large ones: four times the money."""
    findings = []
    for number in range(80):
        stretch = at_once(number, 20, 20.0)
        mark = np.full(20, 0.1 if number < 40 else 0.4)
        changed = {**vars(stretch), "report_mark": mark, "money": np.array([2.0])}
        findings += calibration.fold(type(stretch)(**changed))
    assert ("money: more", Level.ALARM) in said(findings)
    assert not any(subject.startswith("count") for subject, _ in said(findings))
