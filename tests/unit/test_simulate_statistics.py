"""The traffic simulator: volume, seasons, kinds of fraud, drift, and a truth that is calibrated."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from fraud_system.events import DAY_US, SECOND_US
from fraud_system.simulate import (
    SCENARIOS,
    FraudKind,
    FraudRegime,
    Traffic,
    simulate,
)
from fraud_system.simulate.profiles import HOURLY, WEEKLY

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


def after_drift(traffic: Traffic) -> NDArray[np.bool_]:
    return traffic.transactions.event_time_us >= traffic.drift_us


def spiegelhalter_z(p: NDArray[np.float64], y: NDArray[np.bool_]) -> float:
    return ((y - p) * (1 - 2 * p)).sum() / np.sqrt(((1 - 2 * p) ** 2 * p * (1 - p)).sum())


def count_z(p: NDArray[np.float64], y: NDArray[np.bool_]) -> float:
    """Standard errors between expected and observed frauds."""
    return (y.sum() - p.sum()) / np.sqrt((p * (1 - p)).sum())


class TestTraffic:
    def test_volume_and_prevalence(self, demo: list[Traffic]) -> None:
        for traffic in demo:
            assert 350_000 < len(traffic.transactions) < 400_000
            is_after, is_fraud = after_drift(traffic), traffic.truth.is_fraud
            before, after = is_fraud[~is_after].mean(), is_fraud[is_after].mean()
            assert 0.006 < before < 0.010
            assert 1.25 < after / before < 1.8

    def test_lateness(self, demo: list[Traffic]) -> None:
        for traffic in demo:
            late_us = traffic.transactions.known_time_us - traffic.transactions.event_time_us
            assert agrees(late_us > 0, DEMO.late_share)
            assert late_us.max() <= DEMO.late_longest_s * SECOND_US
            median_s = np.median(late_us[late_us > 0]) / SECOND_US
            assert median_s == pytest.approx(DEMO.late_median_s, rel=0.1)

    def test_small_is_small(self, small: list[Traffic]) -> None:
        for traffic in small:
            assert 18_000 < len(traffic.transactions) < 22_000

    def test_all_kinds_on_both_sides_of_the_drift(
        self, small: list[Traffic], demo: list[Traffic]
    ) -> None:
        for traffic in small + demo:
            for side in (after_drift(traffic), ~after_drift(traffic)):
                kinds = set(traffic.truth.kind[side & traffic.truth.is_fraud])
                assert kinds == set(FraudKind)

    def test_hours_and_weekdays(self, demo: list[Traffic]) -> None:
        traffic = demo[0]
        ordinary = traffic.truth.kind == FraudKind.NONE
        since_us = traffic.transactions.event_time_us[ordinary] - DEMO.start_us
        by_hour = np.bincount(since_us % DAY_US // (3_600 * SECOND_US), minlength=24)
        assert by_hour[:5].max() < by_hour[9:19].min() / 3
        assert np.corrcoef(by_hour, HOURLY)[0, 1] > 0.95
        weeks = DEMO.days // 7
        days = np.bincount(since_us // DAY_US)[: weeks * 7].reshape(weeks, 7)
        weekdays = days.sum(axis=0) / days.sum() * 7
        assert weekdays == pytest.approx(WEEKLY, rel=0.03)

    def test_new_cards_all_the_time(self, demo: list[Traffic]) -> None:
        traffic = demo[0]
        day = (traffic.transactions.event_time_us - DEMO.start_us) // DAY_US
        _, first = np.unique(traffic.card, return_index=True)
        births = np.bincount(day[first] // 10, minlength=12)
        expected = DEMO.cards * DEMO.card_replacement_share * 10
        assert (births[3:] > expected / 2).all()
        assert births.sum() == pytest.approx(DEMO.cards + 12 * expected, rel=0.02)

    def test_size_grows_with_cards_and_days_only(self) -> None:
        base = replace(SMALL, cards=300, terminals=100)
        size = len(simulate(base, 1).transactions)
        longer = len(simulate(replace(base, days=150), 1).transactions)
        wider = len(simulate(replace(base, cards=3_000, terminals=1_000), 1).transactions)
        assert longer / size == pytest.approx(10, rel=0.15)
        assert wider / size == pytest.approx(10, rel=0.15)

    def test_frauds_cluster_as_told(self, demo: list[Traffic]) -> None:
        """Card testing: bursts within minutes, tiny, online. Stolen cards: mostly online."""
        traffic = demo[0]
        is_before, kind = ~after_drift(traffic), traffic.truth.kind
        tests = is_before & (kind == FraudKind.CARD_TESTING)
        amount = traffic.transactions.amount
        tiny = tests & (amount <= DEMO.before.testing_amount[1])
        assert set(traffic.channel[tests]) == {b"online"}
        assert tiny.sum() > 0.6 * tests.sum()
        gaps = [
            np.diff(np.sort(traffic.transactions.event_time_us[tiny & (traffic.card == card)]))
            for card in np.unique(traffic.card[tiny])
        ]
        assert np.median(np.concatenate(gaps)) < 120 * SECOND_US
        stolen = is_before & (kind == FraudKind.STOLEN_CARD)
        online = traffic.channel[stolen] == b"online"
        assert agrees(online, DEMO.before.stolen_online_share)


class TestDrift:
    @staticmethod
    def ratio_to_ordinary(traffic: Traffic, rows: NDArray[np.bool_]) -> float:
        """Median of amount / mean ordinary amount of the same card."""
        _, card = np.unique(traffic.card, return_inverse=True)
        ordinary = traffic.truth.kind == FraudKind.NONE
        amount = traffic.transactions.amount
        mean = np.bincount(card[ordinary], amount[ordinary], minlength=card.max() + 1)
        count = np.bincount(card[ordinary], minlength=card.max() + 1)
        rows = rows & (count[card] >= 20)
        return float(np.median(amount[rows] / (mean / np.maximum(count, 1))[card[rows]]))

    def test_the_mixture_changes(self, demo: list[Traffic]) -> None:
        for traffic in demo:
            is_after, kind, is_fraud = (
                after_drift(traffic),
                traffic.truth.kind,
                traffic.truth.is_fraud,
            )
            mixture = [
                np.bincount(kind[side & is_fraud], minlength=5) / (side & is_fraud).sum()
                for side in (~is_after, is_after)
            ]
            assert stats.chi2_contingency(np.array(mixture) * 1_000).pvalue < 1e-6
            assert mixture[1][FraudKind.CARD_TESTING] > mixture[0][FraudKind.CARD_TESTING]
            assert (
                mixture[1][FraudKind.COMPROMISED_TERMINAL]
                < 0.8 * mixture[0][FraudKind.COMPROMISED_TERMINAL]
            )

    def test_stolen_cards_stop_standing_out_by_amount(self, demo: list[Traffic]) -> None:
        for traffic in demo:
            stolen, is_after = traffic.truth.kind == FraudKind.STOLEN_CARD, after_drift(traffic)
            # Cards stolen just before the drift are used until some days after it.
            later = traffic.transactions.event_time_us > traffic.drift_us + 6 * DAY_US
            assert self.ratio_to_ordinary(traffic, stolen & ~is_after) > 2.5
            assert self.ratio_to_ordinary(traffic, stolen & later) < 1.6

    def test_the_background_moves(self, demo: list[Traffic]) -> None:
        traffic = demo[0]
        background = traffic.truth.kind == FraudKind.NONE
        hour = traffic.transactions.event_time_us % DAY_US // (3_600 * SECOND_US)

        def relative(rows: NDArray[np.bool_]) -> list[float]:
            return [
                traffic.truth.probability[side & rows].mean()
                / traffic.truth.probability[side & background].mean()
                for side in (~after_drift(traffic), after_drift(traffic))
            ]

        night = relative(background & (hour < 6))
        online = relative(background & (traffic.channel == b"online"))
        contactless = relative(background & (traffic.channel == b"contactless"))
        assert night[0] > 2 > 1 > night[1]
        assert online[0] > 1.5 > online[1]
        assert contactless[0] < 0.5 < contactless[1]

    def test_without_drift_the_habits_stay(self) -> None:
        settings = replace(DEMO, days=40, drift_at_share=1.0)
        traffic = simulate(settings, 3)
        assert traffic.drift_us == settings.start_us + 40 * DAY_US
        other = simulate(replace(settings, after=FraudRegime(large_amount_share=1.0)), 3)
        assert traffic.truth.probability.tobytes() == other.truth.probability.tobytes()


class TestTruth:
    def test_the_oracle_is_calibrated(self, small: list[Traffic], demo: list[Traffic]) -> None:
        for traffic in small + demo:
            p, y = traffic.truth.probability, traffic.truth.is_fraud
            assert abs(spiegelhalter_z(p, y)) < 3.5
            assert abs(count_z(p, y)) < 3.5
        for traffic in demo:
            p, y = traffic.truth.probability, traffic.truth.is_fraud
            assert 0.95 < p.sum() / y.sum() < 1.05
            amount = traffic.transactions.amount
            spread = np.sqrt((amount**2 * p * (1 - p)).sum())
            assert abs((amount * (p - y)).sum()) < 4 * spread

    def test_the_oracle_is_calibrated_in_every_group(self, demo: list[Traffic]) -> None:
        for traffic in demo:
            p, y = traffic.truth.probability, traffic.truth.is_fraud
            deciles = np.searchsorted(np.quantile(p, np.linspace(0.1, 0.9, 9)), p)
            weeks = (traffic.transactions.event_time_us - DEMO.start_us) // (7 * DAY_US)
            for group in (
                deciles,
                weeks,
                traffic.truth.kind,
                traffic.channel,
                after_drift(traffic),
            ):
                for value in np.unique(group):
                    rows = group == value
                    assert abs(count_z(p[rows], y[rows])) < 4.5, value

    def test_these_checks_notice_a_wrong_oracle(self, demo: list[Traffic]) -> None:
        p, y = demo[0].truth.probability, demo[0].truth.is_fraud
        assert abs(count_z(p * 1.15, y)) > 4.5
        assert abs(spiegelhalter_z(np.where(p > 0.5, p * 0.9, p), y)) > 3.5

    def test_outcomes_are_independent_within_cards_and_terminals(self, demo: list[Traffic]) -> None:
        """Sums of residuals per card vary as independent draws do: no hidden common cause is left."""
        for traffic in demo:
            rows = traffic.truth.kind != FraudKind.NONE
            p, y = traffic.truth.probability[rows], traffic.truth.is_fraud[rows]
            for entity in (traffic.card, traffic.terminal):
                _, group = np.unique(entity[rows], return_inverse=True)
                squares = np.bincount(group, y - p) ** 2
                variances = np.bincount(group, p * (1 - p))
                assert squares.sum() / variances.sum() == pytest.approx(1, abs=0.25)

    def test_probabilities_spread_over_orders_of_magnitude(self, demo: list[Traffic]) -> None:
        truth = demo[0].truth
        assert truth.probability.min() >= 1e-6
        assert truth.probability.max() <= 0.98
        low, high = np.quantile(truth.probability[truth.kind == FraudKind.NONE], [0.005, 0.995])
        assert high / low > 300
        assert len(np.unique(truth.probability)) > 0.99 * len(truth)
        risky = truth.probability > 0.1
        assert 0.5 < truth.is_fraud[risky].sum() / truth.is_fraud.sum() < 0.99

    def test_nothing_but_behaviour_tells_the_kind(self, demo: list[Traffic]) -> None:
        for traffic in demo:
            extra = traffic.truth.kind >= FraudKind.STOLEN_CARD
            event_us = traffic.transactions.event_time_us
            late = traffic.transactions.known_time_us > event_us
            assert agrees(late[extra], DEMO.late_share)
            fraction = event_us[extra] % SECOND_US / SECOND_US
            assert stats.kstest(fraction, "uniform").pvalue > 1e-4
            large = extra & (traffic.transactions.amount > 20)
            cents = np.rint(traffic.transactions.amount[large] * 100).astype(np.int64) % 100
            assert stats.chisquare(np.bincount(cents // 10, minlength=10)).pvalue > 1e-4
