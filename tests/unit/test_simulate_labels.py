"""The traffic simulator: labels are late, missing, doubled, wrong and reversed as often as told."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from fraud_system.events import DAY_US, LabelSource
from fraud_system.simulate import (
    SCENARIOS,
    FraudKind,
    Traffic,
    simulate,
)

DEMO, SMALL = SCENARIOS["demo"], SCENARIOS["small"]


@pytest.fixture(scope="module")
def small() -> list[Traffic]:
    return [simulate(SMALL, seed) for seed in range(5)]


@pytest.fixture(scope="module")
def demo() -> list[Traffic]:
    return [simulate(DEMO, seed) for seed in range(3)]


def agrees(hits: NDArray[np.bool_], share: float) -> bool:
    """Whether an observed share may come from the stated one (exact binomial test at 4 sigma)."""
    return bool(stats.binomtest(int(hits.sum()), len(hits), share).pvalue > 6e-5)


class Messages:
    """The messages of a stream sorted out by transaction, for the tests below."""

    def __init__(self, traffic: Traffic) -> None:
        row_of = {key: row for row, key in enumerate(traffic.transactions.transaction_key.tolist())}
        rows = np.array([row_of.get(key, -1) for key in traffic.labels.transaction_key.tolist()])
        self.orphans = int((rows == -1).sum())
        labels = traffic.labels.rows(rows >= 0)
        self.row = rows[rows >= 0]
        self.is_fraud, self.known_us, self.source = (
            labels.is_fraud,
            labels.known_time_us,
            labels.source,
        )
        reports = np.flatnonzero(self.is_fraud)
        reported, at = np.unique(self.row[reports], return_index=True)
        self.reported, self.first = reported, reports[at]
        self.reports = np.bincount(self.row[reports], minlength=len(traffic.transactions))
        self.is_late = (traffic.transactions.known_time_us > traffic.transactions.event_time_us)[
            reported
        ]
        self.delay_us = self.known_us[self.first] - traffic.transactions.event_time_us[reported]
        self.overtook = self.known_us[self.first] < traffic.transactions.known_time_us[reported]
        self.was_fraud = traffic.truth.is_fraud[reported]
        self.reversed = np.isin(reported, self.row[~self.is_fraud])


class TestLabels:
    def test_shares(self, demo: list[Traffic]) -> None:
        settings = DEMO.labels
        for traffic in demo:
            messages, is_fraud = Messages(traffic), traffic.truth.is_fraud
            is_reported = messages.reports > 0
            first, was_fraud = messages.first, messages.was_fraud
            checks = [
                (~is_reported[is_fraud], settings.never_share),
                (is_reported[~is_fraud], settings.false_report_share),
                (messages.reversed[was_fraud], settings.fraud_reversal_share),
                (messages.reversed[~was_fraud], settings.false_report_reversal_share),
                (messages.reports[messages.reported] > 1, settings.duplicate_share),
                (messages.overtook[messages.is_late], settings.overtaking_share),
                (messages.source[first] == LabelSource.CHARGEBACK, settings.chargeback.share),
                (messages.source[first] == LabelSource.REVIEW, settings.review.share),
                (messages.source[first] == LabelSource.USER_REPORT, settings.user_report.share),
            ]
            for number, (hits, share) in enumerate(checks):
                assert agrees(hits, share), number
            assert messages.orphans == round(settings.orphan_share * len(messages.reported))
            assert messages.orphans > 0
            assert messages.overtook.any()
            assert messages.reports.max() == 2

    def test_delays(self, demo: list[Traffic]) -> None:
        for traffic in demo:
            messages = Messages(traffic)
            for source, settings in enumerate(DEMO.labels.sources()):
                rows = (messages.source[messages.first] == source) & ~messages.overtook
                logs = np.log(messages.delay_us[rows] / DAY_US)
                error = settings.sigma / np.sqrt(rows.sum())
                assert abs(np.median(logs) - np.log(settings.median_days)) < 4 * 1.2533 * error
                assert logs.std() == pytest.approx(settings.sigma, rel=0.12)

    def test_a_reversal_is_the_last_word(self, demo: list[Traffic]) -> None:
        messages = Messages(demo[0])
        waits = []
        for at in np.flatnonzero(~messages.is_fraud):
            same = messages.row == messages.row[at]
            reports = messages.known_us[same & messages.is_fraud]
            assert 1 <= len(reports) <= 2
            assert (~messages.is_fraud[same]).sum() == 1
            waits.append(messages.known_us[at] - reports.max())
        assert min(waits) > 0
        median_days = np.median(waits) / DAY_US
        assert median_days == pytest.approx(DEMO.labels.reversal_median_days, rel=0.2)

    def test_duplicates_come_later_and_some_from_another_source(self, demo: list[Traffic]) -> None:
        same_source = []
        for traffic in demo:
            messages = Messages(traffic)
            for row in np.flatnonzero(messages.reports == 2):
                pair = np.flatnonzero((messages.row == row) & messages.is_fraud)
                assert messages.known_us[pair[1]] > messages.known_us[pair[0]]
                same_source.append(messages.source[pair[0]] == messages.source[pair[1]])
        share = 1 - DEMO.labels.duplicate_other_source_share
        assert agrees(np.array(same_source), share)

    def test_reporting_does_not_depend_on_the_kind(self, demo: list[Traffic]) -> None:
        for traffic in demo:
            is_reported = Messages(traffic).reports > 0
            for kind in FraudKind:
                rows = traffic.truth.is_fraud & (traffic.truth.kind == kind)
                assert agrees(~is_reported[rows], DEMO.labels.never_share)

    def test_labels_go_on_after_the_last_transaction(self, demo: list[Traffic]) -> None:
        traffic = demo[0]
        end_us = traffic.transactions.known_time_us[-1]
        assert (traffic.labels.known_time_us > end_us).sum() > 100
        assert traffic.last_us > end_us + 30 * DAY_US

    def test_small_has_every_sort_of_message(self, small: list[Traffic]) -> None:
        for traffic in small:
            messages = Messages(traffic)
            assert messages.orphans > 0
            assert (messages.reports == 2).any()
            assert messages.reversed[messages.was_fraud].any()
            assert messages.reversed[~messages.was_fraud].any()
        assert any(Messages(traffic).overtook.any() for traffic in small)

    def test_perfect_labels_are_possible(self) -> None:
        labels = replace(
            SMALL.labels,
            never_share=0.0,
            false_report_share=0.0,
            fraud_reversal_share=0.0,
            duplicate_share=0.0,
            orphan_share=0.0,
            overtaking_share=0.0,
        )
        traffic = simulate(replace(SMALL, labels=labels), 2)
        reported = np.isin(traffic.transactions.transaction_key, traffic.labels.transaction_key)
        assert np.array_equal(reported, traffic.truth.is_fraud)
        assert traffic.labels.is_fraud.all()
