"""Makes what is shown (`view`) of the overseer's state, in the process that watches.

Everything is read off the state that snapshots hold, also the histories: after a restart the same view is
made.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from fraud_system.events import DAY_US
from monitoring.e_detector import FIRST, NEXT, OLDEST
from monitoring.findings import Finding, Level
from monitoring.overseer import Overseer
from monitoring.performance import Rate, wilson
from monitoring.shift_history import Drift, DriftHistory
from monitoring.view import (
    DaySeen,
    DriftSeen,
    EntrySeen,
    ExpectedSeen,
    FindingSeen,
    Interval,
    LabelsSeen,
    LevelName,
    MonitorView,
    RatesSeen,
    RatioSeen,
    SubjectSeen,
)
from monitoring.watch import Watch

LONGEST_TIMELINE = 100
DELAY_CHANCES = (0.1, 0.5, 0.9, 0.99)
Floats = NDArray[np.float64]


def view_of(overseer: Overseer) -> MonitorView:
    """What there is to see now."""
    switch, monitor = overseer.switch, overseer.monitor
    timeline = list(overseer.timeline)[: -LONGEST_TIMELINE - 1 : -1]
    return MonitorView(
        read_through_seq=overseer.read_through_seq,
        known_time_us=overseer.known_time_us,
        health=switch.health.name.lower(),  # type: ignore[arg-type]
        since_us=switch.since_us,
        waiting_for=overseer.waiting_for(),
        causes=sorted(switch.causes),
        findings=[_finding(each, switch.may_switch(each)) for each in monitor.current],
        timeline=[EntrySeen(**each.described()) for each in timeline],
        warm_up_s=monitor.settings.cohorts.warm_up_s,
        reports_from_us=monitor.cohorts.judged_from_us,
        traffic_from_us=monitor.shift.compared_from_us,
        calibration=_calibration(overseer),
        rates=_rates(overseer),
        expected=_expected(overseer),
        drift=_drift(overseer),
        labels=_labels(overseer),
    )


def _finding(finding: Finding, may_switch: bool) -> FindingSeen:
    return FindingSeen(
        finding.monitor,
        finding.subject,
        _level(finding.level),
        _number(finding.statistic),
        _number(finding.threshold),
        finding.words,
        finding.known_time_us,
        may_switch,
    )


def _calibration(overseer: Overseer) -> list[RatioSeen]:
    monitor = overseer.monitor
    dispersion = monitor.cohorts.dispersion.of_model
    seen = []
    for subject, watch in monitor.calibration.watches.items():
        start_us, came, expected = _cohorts(overseer, watch, since_alarm=True)
        begun_us = _begun_us(overseer, watch)
        all_us, *all_marks = _cohorts(overseer, watch, since_alarm=False)
        is_before = all_us < (0 if begun_us is None else begun_us)
        ratio = poisson_ratio(came.sum(), expected.sum(), dispersion)
        seen.append(
            RatioSeen(
                subject,  # type: ignore[arg-type]
                int(start_us[0]) if len(start_us) else overseer.known_time_us,
                int(start_us[-1]) + monitor.cohorts.cohort_us
                if len(start_us)
                else overseer.known_time_us,
                _round(came.sum()),
                _round(expected.sum()),
                ratio,
                watch.settings.tolerance,
                _number(max(watch.evidence)),
                watch.settings.mean_time_between_false_alarms,
                _by_day(start_us, came, expected),
                begun_us,
                bool(watch.detector.to_arrays()["cursor"][FIRST]),
                _by_day(all_us[is_before], *(each[is_before] for each in all_marks)),
            )
        )
    return seen


def poisson_ratio(came: float, expected: float, dispersion: float) -> Interval:
    """Came / expected with the exact 95 % interval of a Poisson count (Garwood 1936) of counts / dispersion.

    >>> found = poisson_ratio(10.0, 5.0, 1.0)
    >>> [None if each is None else round(each, 3) for each in (found.value, found.low, found.high)]
    [2.0, 0.959, 3.678]
    >>> poisson_ratio(0.0, 0.0, 1.0)
    Interval(value=None, low=None, high=None)
    """
    if expected <= 0.0:
        return Interval()
    count, scale = came / dispersion, expected / dispersion
    low = gammaincinv(count, 0.025) if count > 0.0 else 0.0
    high = gammaincinv(count + 1.0, 0.975)
    return Interval(_number(came / expected), _number(low / scale), _number(high / scale))


def _rates(overseer: Overseer) -> RatesSeen:
    performance = overseer.monitor.performance
    figures = performance.figures()
    return RatesSeen(
        performance.settings.window_s,
        figures.transactions,
        figures.frauds,
        _interval(figures.recall),
        _interval(figures.specificity),
        _number(figures.value_detection_rate),
        _number(figures.loss_model),
        _number(figures.loss_heuristic),
        _number(figures.loss_constant),
    )


def _expected(overseer: Overseer) -> ExpectedSeen:
    monitor = overseer.monitor
    figures, settings = monitor.expectation.figures(), monitor.expectation.settings
    found = figures.recall * figures.frauds if figures.frauds > 0.0 else 0.0
    dispersion = monitor.cohorts.dispersion.of_model
    level = monitor.performance.settings.level
    return ExpectedSeen(
        settings.window_s,
        figures.transactions,
        _round(figures.frauds),
        _number(figures.share_flagged),
        _interval(wilson(found, figures.frauds, dispersion, level)),
        _number(figures.specificity),
        _number(figures.value_detection_rate),
    )


def _drift(overseer: Overseer) -> DriftSeen:
    shift = overseer.monitor.shift
    history = DriftHistory.of(shift)
    subjects = [_subject(each) for each in history.subjects]
    # What is wrong first, then what moved most; what cannot be compared last.
    rank = ("alarm", "warning", "ok")
    subjects.sort(key=lambda each: (rank.index(each.level), -(each.psi or -1.0), each.name))
    return DriftSeen(
        history.hours_us,
        history.rows,
        history.past_rows,
        shift.settings.psi_warning,
        shift.settings.psi_alarm,
        subjects,
    )


def _subject(drift: Drift) -> SubjectSeen:
    return SubjectSeen(
        drift.name,
        _level(drift.level),
        _number(drift.psi[-1]) if len(drift.psi) else None,
        _number(drift.distance),
        _number(drift.missing),
        _number(drift.missing_before),
        [_number(each, 3) for each in drift.psi],
    )


def _labels(overseer: Overseer) -> LabelsSeen:
    monitor = overseer.monitor
    delays_us = monitor.cohorts.law.quantiles(np.array(DELAY_CHANCES), overseer.known_time_us)
    delays = [_round(each / DAY_US) for each in delays_us.tolist()]
    watch = monitor.label_feed.silent
    return LabelsSeen(
        list(zip(DELAY_CHANCES, delays, strict=True)),
        _by_day(*_cohorts(overseer, watch, since_alarm=False)),
        _number(monitor.label_feed.evidence),
        watch.settings.mean_time_between_false_alarms,
        _number(monitor.label_delay.evidence),
        int(monitor.cohorts.law.reports.sum()),
    )


def _cohorts(
    overseer: Overseer, watch: Watch, since_alarm: bool
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Start of each cohort that a detector holds and whose stretch is over; its marks, and those expected."""
    state, cohort_us = watch.detector.to_arrays(), overseer.monitor.cohorts.cohort_us
    following, size = int(state["cursor"][NEXT]), len(state["weight"])
    first = int(state["cursor"][OLDEST]) if since_alarm else max(0, following - size)
    numbers = np.arange(first, following - 1)  # the newest one is not over
    running = overseer.known_time_us // cohort_us
    start_us = (running - (following - 1 - numbers)) * cohort_us
    return start_us, state["observed"][numbers % size], state["expected"][numbers % size]


def _begun_us(overseer: Overseer, watch: Watch) -> int | None:
    """Start of the first cohort that counts; None before the first."""
    cursor = watch.detector.to_arrays()["cursor"]
    if not cursor[NEXT]:
        return None
    cohort_us = overseer.monitor.cohorts.cohort_us
    running = overseer.known_time_us // cohort_us
    return int(running - (cursor[NEXT] - 1 - cursor[FIRST])) * cohort_us


def _by_day(start_us: NDArray[np.int64], came: Floats, expected: Floats) -> list[DaySeen]:
    days, place = np.unique(start_us // DAY_US, return_inverse=True)
    sums = np.bincount(place, came, len(days)), np.bincount(place, expected, len(days))
    return [
        DaySeen(day * DAY_US, _round(a), _round(b))
        for day, a, b in zip(days.tolist(), *(each.tolist() for each in sums), strict=True)
    ]


def _interval(rate: Rate) -> Interval:
    return Interval(_number(rate.value), _number(rate.low), _number(rate.high))


def _level(level: Level) -> LevelName:
    return level.name.lower()  # type: ignore[return-value]


def _number(value: float, digits: int = 6) -> float | None:
    """As many digits as anybody reads; None for what JSON has no word for."""
    return _round(value, digits) if math.isfinite(value) else None


def _round(value: float, digits: int = 6) -> float:
    return float(f"{value:.{digits}g}")
