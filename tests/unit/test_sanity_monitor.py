"""Sanity, staleness and latency: faults that need no statistics."""

from typing import Any

import numpy as np
import pytest
from monitor_frames import stretch_of

from fraud_system.errors import ConfigError
from fraud_system.events import Frame
from fraud_system.latency_summary import LatencySummary
from monitoring.findings import Level
from monitoring.latency import Latency, LatencySettings
from monitoring.sanity import CONSTANT, DIRECTION, NOT_NUMBERS, SIZE, Sanity, SanitySettings
from monitoring.staleness import AGE, OVERDUE, Staleness, StalenessSettings

HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000
SETTINGS = SanitySettings(block_rows=100, settled_versions=2)


def scored(probability: Any, first_seq: int = 1, version: int = 1) -> Frame:
    rows = len(probability)
    seq = np.arange(first_seq, first_seq + rows)
    tables = {
        "transaction": {"seq": seq, "known_time_us": seq * 10},
        "decision": {
            "seq": seq,
            "probability_model": np.asarray(probability, np.float64),
            "weights_version": np.full(rows, version),
        },
    }
    return Frame(first_seq, first_seq + rows - 1, int(seq[-1]) * 10, tables)


def published(weight: Any, version: int, seq: int = 1, known_us: int = 0) -> Frame:
    table = {
        "seq": np.array([seq]),
        "version": np.array([version]),
        "weight": np.array([weight], np.float64),
        "intercept": np.array([[-5.0]]),
    }
    return Frame(seq, seq, known_us, {"published": table})


def said(findings):
    return [(each.subject, each.level.name) for each in findings]


USUAL = np.linspace(0.001, 0.9, 100)


def test_scores_that_are_numbers_and_vary_are_sane():
    sanity = Sanity(SETTINGS)
    assert [
        each for start in range(1, 1_000, 100) for each in sanity.fold(scored(USUAL, start))
    ] == []


@pytest.mark.parametrize(("bad", "level"), [(1, "WARNING"), (10, "ALARM"), (100, "ALARM")])
def test_scores_that_are_no_numbers(bad, level):
    sanity = Sanity(SETTINGS)
    probability = USUAL.copy()
    probability[:bad] = [np.nan, np.inf][bad % 2]
    (finding,) = sanity.fold(scored(probability))
    assert (finding.subject, finding.level.name) == (NOT_NUMBERS, level)
    assert finding.statistic == bad / 100
    assert (finding.seq, finding.known_time_us) == (100, 1_000)
    assert f"{bad} of 100" in finding.words
    assert said(sanity.fold(scored(USUAL, 101))) == [(NOT_NUMBERS, "OK")]


def test_scores_that_are_all_the_same_except_the_very_first_weights():
    sanity = Sanity(SETTINGS)
    assert sanity.fold(scored(np.full(300, 0.01), version=0)) == []
    (finding,) = sanity.fold(scored(np.full(100, 0.01), 301))
    assert (finding.subject, finding.level, finding.seq) == (CONSTANT, Level.ALARM, 400)
    assert said(sanity.fold(scored(USUAL, 401))) == [(CONSTANT, "OK")]


def test_a_block_is_judged_when_it_is_full_and_not_before():
    sanity = Sanity(SETTINGS)
    assert sanity.fold(scored(np.full(99, np.nan))) == []
    assert said(sanity.fold(scored(np.full(1, np.nan), 100))) == [(NOT_NUMBERS, "ALARM")]


@pytest.mark.parametrize(
    ("weight", "level"),
    [
        ([1.0, 29.0], None),
        ([1.0, -31.0], "WARNING"),
        ([100.0, 0.0], "ALARM"),
        ([np.nan, 0.0], "ALARM"),
    ],
)
def test_the_size_of_weights(weight, level):
    findings = Sanity(SETTINGS).fold(published(weight, version=1, seq=7, known_us=5))
    assert said(findings) == ([] if level is None else [(SIZE, level)])
    assert all(np.isfinite(each.statistic) for each in findings)
    assert all((each.seq, each.known_time_us) == (7, 5) for each in findings)


def test_weights_that_point_the_other_way():
    sanity = Sanity(SETTINGS)
    assert sanity.fold(published([1.0, 2.0], 0)) == []
    assert sanity.fold(published([-1.0, -2.0], 1)) == [], "the first ones may turn"
    assert sanity.fold(published([-1.1, -2.0], 2)) == []
    (finding,) = sanity.fold(published([1.0, 2.0], 3))
    assert (finding.subject, finding.level) == (DIRECTION, Level.ALARM)
    assert finding.statistic == pytest.approx(-1.0, abs=0.01)
    assert said(sanity.fold(published([1.0, 2.1], 4))) == [(DIRECTION, "OK")]
    assert said(sanity.fold(published([0.0, 0.0], 5))) == [(DIRECTION, "ALARM")]
    assert said(sanity.fold(published([1.0, 1.0], 6))) == []
    assert said(sanity.fold(published([1.0, -0.3], 7))) == [(DIRECTION, "WARNING")]


# ---- staleness


def resolved(rows: int, first_seq: int, known_us: int) -> Frame:
    seq = np.arange(first_seq, first_seq + rows)
    table = {"seq": seq, "known_time_us": np.full(rows, known_us)}
    return Frame(first_seq, first_seq + rows - 1, known_us, {"resolved": table})


def test_publications_that_do_not_come_are_told_with_the_very_label():
    staleness = Staleness(StalenessSettings(overdue_warning=3.0, overdue_alarm=5.0), 10)
    assert staleness.fold(published([1.0], 1)) == []
    assert staleness.fold(resolved(29, 2, 50)) == []
    (finding,) = staleness.fold(resolved(5, 31, 60))
    assert (finding.subject, finding.level) == (OVERDUE, Level.WARNING)
    assert (finding.seq, finding.known_time_us, finding.statistic) == (31, 60, 3.0)
    assert "30 labels" in finding.words
    assert said(staleness.fold(resolved(100, 36, 70))) == [(OVERDUE, "ALARM")]
    assert said(staleness.fold(published([1.0], 2, seq=136))) == [(OVERDUE, "OK")]
    both = staleness.fold(resolved(100, 137, 80))
    assert said(both) == [(OVERDUE, "WARNING"), (OVERDUE, "ALARM")]
    assert [each.seq for each in both] == [137 + 29, 137 + 49]


def test_old_weights_are_stale_only_if_newer_ones_are_due():
    staleness = Staleness(StalenessSettings(), 10)
    staleness.fold(published([1.0], 1, known_us=DAY_US))
    ends = [stretch_of(number) for number in range(4, 100)]
    assert [each for stretch in ends for each in staleness.fold_stretch(stretch)] == []
    staleness.fold(resolved(15, 2, 26 * DAY_US))
    assert staleness.fold_stretch(stretch_of(112)) == [], "one publication may be on its way"
    staleness.fold(resolved(5, 17, 28 * DAY_US))
    (finding,) = staleness.fold_stretch(stretch_of(112))
    assert (finding.subject, finding.level) == (AGE, Level.WARNING)
    assert finding.statistic == 2.25 * 86_400, "since there was something newer to learn"
    assert finding.words.startswith("for 54.0 hours labels have come"), finding.words
    (finding,) = staleness.fold_stretch(stretch_of(132))
    assert (finding.level, finding.statistic) == (Level.ALARM, 7.25 * 86_400)
    staleness.fold(published([1.0], 2, seq=50, known_us=33 * DAY_US))
    (finding,) = staleness.fold_stretch(stretch_of(133))
    assert (finding.subject, finding.level) == (AGE, Level.OK)
    assert finding.words == "newer weights were adopted"


def test_weights_that_waited_for_the_first_traffic_are_not_old():
    staleness = Staleness(StalenessSettings(), 10)
    staleness.fold(published([1.0], 0, known_us=0))
    staleness.fold(resolved(30, 2, 50 * DAY_US))
    assert staleness.fold_stretch(stretch_of(203)) == [], "labels have come for a day"
    assert said(staleness.fold_stretch(stretch_of(208))) == [(AGE, "WARNING")]


def test_labels_that_come_after_a_stretch_do_not_count_for_it():
    staleness = Staleness(StalenessSettings(), 10)
    staleness.fold(published([1.0], 1))
    staleness.fold(resolved(20, 2, 60 * DAY_US))
    assert staleness.fold_stretch(stretch_of(200)) == []
    assert said(staleness.fold_stretch(stretch_of(270))) == [(AGE, "ALARM")]


# ---- latency


def test_latency_against_its_budget():
    latency = Latency(LatencySettings(budget_us=1_000.0))
    levels = [
        said(latency.fold(Frame(seq, seq, 5, {"latency": LatencySummary(9, 1.0, p99).table(seq)})))
        for seq, p99 in enumerate([999.0, 1_000.0, 1_500.0, 2_000.0, 10.0])
    ]
    assert levels == [
        [],
        [("latency", "WARNING")],
        [],
        [("latency", "ALARM")],
        [("latency", "OK")],
    ]


def test_snapshots_go_on_the_same():
    sanity, staleness = Sanity(SETTINGS), Staleness(StalenessSettings(), 10)
    sanity.fold(published([1.0, 1.0], 5))
    sanity.fold(scored(np.full(50, np.nan)))
    staleness.fold(published([1.0], 1, known_us=5))
    staleness.fold(resolved(45, 2, 6))
    again, aged = Sanity(SETTINGS), Staleness(StalenessSettings(), 10)
    again.restore(sanity.to_arrays())
    aged.restore(staleness.to_arrays())
    assert said(again.fold(scored(USUAL[:50], 51))) == [(NOT_NUMBERS, "ALARM")]
    assert said(again.fold(published([-1.0, -1.0], 6))) == [(DIRECTION, "ALARM")]
    assert said(aged.fold(resolved(5, 47, 7))) == [(OVERDUE, "WARNING")]
    assert said(aged.fold_stretch(stretch_of(240))) == [(AGE, "ALARM")]


@pytest.mark.parametrize(
    "make",
    [
        lambda: SanitySettings(not_numbers_warning=0.1),
        lambda: SanitySettings(weight_alarm=20.0),
        lambda: SanitySettings(direction_alarm=0.6),
        lambda: SanitySettings(block_rows=0),
        lambda: StalenessSettings(overdue_alarm=1.0),
        lambda: StalenessSettings(age_warning_s=1e9),
        lambda: LatencySettings(budget_us=-1.0),
    ],
)
def test_settings_are_checked(make):
    with pytest.raises(ConfigError):
        make()
