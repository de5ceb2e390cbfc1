"""Fraud rate, label feed and label delay on streams whose truth is known."""

import re

import numpy as np
import pytest
from monitor_frames import at_once, stretch_of
from scipy import stats

from fraud_system.errors import ConfigError
from monitoring.findings import Level
from monitoring.fraud_rate import FraudRate, FraudRateSettings
from monitoring.label_delay import LabelDelay, LabelDelaySettings
from monitoring.label_feed import LabelFeed, LabelFeedSettings

COHORT_US = 6 * 3_600_000_000
SIZE = 60 * 4
A_DAY = 4


def late_labels(seed, days, frauds, delay, change_day=None, change=None):
    """Stretches of a stream: 500 transactions each, `frauds` of them, reported after a log-normal delay.

    From `change_day` on `change(stretch, frauds, delay)` says otherwise: (frauds, median delay).
    """
    draw = np.random.default_rng(seed)
    ages = (np.arange(SIZE) + 0.5) / A_DAY
    law = np.diff(stats.lognorm.cdf(ages, 1.0, scale=delay), prepend=0.0)
    pending: list[tuple[int, int]] = []
    reported = np.zeros(days * A_DAY)
    for number in range(days * A_DAY):
        is_after = change_day is not None and number >= change_day * A_DAY
        rate, median = change(frauds, delay) if is_after else (frauds, delay)
        for _ in range(draw.poisson(rate)):
            happened = number + draw.random()
            days_late = draw.lognormal(np.log(median), 1.0)
            pending.append((int(happened + days_late * A_DAY), number))
        come = [cohort for at, cohort in pending if at == number]
        pending = [each for each in pending if each[0] > number]
        cohort = np.arange(max(0, number - SIZE + 1), number + 1)
        yield stretch_of(
            number,
            transactions=500,
            messages=len(come),
            cohort=cohort,
            rows=np.full(len(cohort), 500.0),
            risk=np.full(len(cohort), frauds),
            share=law[number - cohort],
            law=law,
            reported=reported[cohort],
            report_cohort=np.array(come, np.int64),
            report_mark=np.ones(len(come)),
        )
        np.add.at(reported, come, 1.0)


def found(monitor, stretches):
    return [(s.number / A_DAY, each) for s in stretches for each in monitor.fold(s)]


def fraud_rate():
    return FraudRate(FraudRateSettings(), 64, SIZE, COHORT_US)


def label_feed():
    return LabelFeed(LabelFeedSettings(), 64, COHORT_US)


def label_delay():
    return LabelDelay(LabelDelaySettings())


# ---- what is usual


@pytest.mark.parametrize("make", [fraud_rate, label_feed, label_delay])
def test_nothing_is_said_while_nothing_changes(make):
    levels = [
        each.level
        for seed in range(4)
        for _, each in found(make(), late_labels(seed, 90, 5.0, 3.0))
    ]
    # 720,000 transactions, and a false warning in a million.
    assert levels in ([], [Level.WARNING, Level.OK])


# ---- fraud rate


@pytest.mark.parametrize(("factor", "side"), [(2.0, "more"), (0.4, "fewer")])
def test_a_fraud_rate_that_moves_is_found_before_maturity(factor, side):
    stream = late_labels(1, 90, 5.0, 3.0, 60, lambda rate, delay: (factor * rate, delay))
    findings = found(fraud_rate(), stream)
    alarm = next((day, each) for day, each in findings if each.level == Level.ALARM)
    assert 60 < alarm[0] < 72
    assert alarm[1].subject == f"share: {side}"
    assert "by the shares of earlier weeks it would be" in alarm[1].words


def test_a_season_of_the_week_is_no_change():
    """Ten times the frauds on Sundays, every week: usual at that place in the week."""
    draw = np.random.default_rng(2)
    number = np.arange(120 * A_DAY)
    reports = draw.poisson(np.where(number // A_DAY % 7 == 3, 20.0, 2.0))
    monitor, findings = fraud_rate(), []
    for now in number:
        cohort = np.arange(max(0, now - SIZE + 1), now + 1)
        changed = {
            "cohort": cohort,
            "rows": np.full(len(cohort), 500.0),
            "share": np.where(cohort == now, 1.0, 0.0),
            "reported": np.where(cohort == now, 0.0, reports[cohort]),
        }
        stretch = at_once(int(now), int(reports[now]), 0.0, transactions=500)
        findings += monitor.fold(type(stretch)(**vars(stretch) | changed))
    assert findings == []


def test_a_lasting_change_becomes_usual():
    stream = late_labels(3, 200, 5.0, 3.0, 60, lambda rate, delay: (2.0 * rate, delay))
    monitor = fraud_rate()
    findings = found(monitor, stream)
    assert findings[-1][1].level == Level.OK
    assert monitor.watch.levels == [Level.OK, Level.OK]


def test_nothing_is_judged_before_there_is_a_reference():
    monitor = FraudRate(FraudRateSettings(least_reports=1e9), 64, SIZE, COHORT_US)
    stream = late_labels(1, 90, 5.0, 3.0, 60, lambda rate, delay: (9.0 * rate, delay))
    assert found(monitor, stream) == []


# ---- the feed


def test_silence_is_found_within_days_and_ends():
    def silent(seed):
        for stretch in late_labels(seed, 80, 5.0, 3.0):
            day = stretch.number / A_DAY
            none = {"messages": 0, "report_cohort": np.zeros(0, np.int64)}
            yield type(stretch)(**vars(stretch) | none) if 60 <= day < 66 else stretch

    for seed in range(5):
        findings = found(label_feed(), silent(seed))
        alarm = next(day for day, each in findings if each.level == Level.ALARM)
        assert 60 < alarm < 62.5, "twenty reports a day were expected"
        assert findings[0][1].subject == "messages: fewer"
        assert findings[-1][1].level == Level.OK
        assert 66 < findings[-1][0] < 70


def test_a_feed_that_rests_at_weekends_is_not_silent():
    def resting():
        held = 0
        for stretch in late_labels(5, 120, 5.0, 3.0):
            is_weekend = stretch.number // A_DAY % 7 in (2, 3)
            messages = 0 if is_weekend else stretch.messages + held
            held = held + stretch.messages if is_weekend else 0
            changed = {"messages": messages, "judged_from": 30 * A_DAY}
            yield type(stretch)(**vars(stretch) | changed)

    assert found(label_feed(), resting()) == []


def test_a_flood_is_found_at_once():
    def flooded():
        for stretch in late_labels(6, 70, 5.0, 3.0):
            more = 300 if stretch.number == 61 * A_DAY else 0
            yield type(stretch)(**vars(stretch) | {"messages": stretch.messages + more})

    day, alarm = next(each for each in found(label_feed(), flooded()) if each[1].level == 2)
    assert day == 61.0
    assert alarm.subject == "messages: more"
    # The messages are about older transactions.
    assert re.match(r"in the last 6 hours came 3\d\d label messages, where \d", alarm.words)


# ---- the delay


@pytest.mark.parametrize("factor", [0.4, 2.5])
def test_delays_that_move_are_found(factor):
    stream = late_labels(7, 100, 5.0, 3.0, 60, lambda rate, delay: (rate, factor * delay))
    findings = found(label_delay(), stream)
    day, alarm = next(each for each in findings if each[1].level == Level.ALARM)
    assert 60 < day < 85
    assert "days after their transactions" in alarm.words


def test_a_change_of_the_fraud_rate_is_none_of_the_delay():
    stream = late_labels(8, 90, 5.0, 3.0, 60, lambda rate, delay: (3.0 * rate, delay))
    findings = found(label_delay(), stream)
    assert findings == []


def test_false_alarms_of_the_delay_are_as_rare_as_promised():
    settings = LabelDelaySettings(
        mean_time_between_false_alarms=20_000.0, mean_time_between_false_warnings=20_000.0
    )
    lengths = []
    for seed in range(40):
        monitor, seen = LabelDelay(settings), 0
        for stretch in late_labels(100 + seed, 60, 2.0, 3.0):
            seen = stretch.number * 500
            if monitor.fold(stretch):
                break
        lengths.append(seen)
    # Runs are cut at 120,000 transactions.
    assert np.mean(lengths) > 40_000.0


@pytest.mark.parametrize(
    "make",
    [
        lambda: FraudRateSettings(gap_s=0),
        lambda: FraudRateSettings(least_reports=-1.0),
        lambda: LabelFeedSettings(memory_weeks=0.0),
        lambda: LabelDelaySettings(factors=(), held_s=()),
        lambda: LabelDelaySettings(factors=(-1.0,)),
        lambda: LabelDelaySettings(recovery_reports=0.0),
    ],
)
def test_settings_are_checked(make):
    with pytest.raises(ConfigError):
        make()
