"""The books of the monitors against a straight count over all events of a recorded stream."""

import numpy as np
import pytest
from monitor_frames import quick_settings, recorded, small_stream
from scipy import stats
from streams import simulated_settings

from fraud_system.delay_law import DelayLaw
from fraud_system.events import Action, Arrivals, Frame, Resolution
from fraud_system.labels import LabelSettings
from fraud_system.merged_frames import joined
from monitoring.cohorts import Cohorts
from monitoring.dispersion import DispersionSettings
from monitoring.stretch import CohortSettings

SYSTEM = simulated_settings()
SETTINGS = quick_settings().cohorts
COHORT_US = SETTINGS.cohort_s * 1_000_000


@pytest.fixture(scope="module")
def frames():
    return recorded(SYSTEM, small_stream(seed=4, days=6))


@pytest.fixture(scope="module")
def tables(frames):
    return joined(frames)


@pytest.fixture(scope="module")
def books():
    return Cohorts(SETTINGS, SYSTEM.labels, 2, quick_settings().dispersion)


@pytest.fixture(scope="module")
def stretches(frames, books):
    return [stretch for frame in frames for stretch in books.take(frame)]


def test_stretches_follow_each_other_and_end_where_time_does(stretches, tables):
    numbers = [each.number for each in stretches]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    known = tables["transaction"]["known_time_us"]
    assert numbers[0] == known[0] // COHORT_US
    assert stretches[-1].end_us <= known[-1] < stretches[-1].end_us + COHORT_US
    assert {each.judged_from for each in stretches} == {numbers[0] + 24}


def test_a_server_that_waits_for_its_traffic_warms_nothing_up(stretches):
    traffic = small_stream(seed=4, days=6)
    first_us = int(traffic.transactions.known_time_us[0])
    ticks_us = first_us - np.arange(400, 0, -1) * 3_600_000_000
    waited = Arrivals.merge(traffic.transactions, traffic.labels, ticks_us)
    books = Cohorts(SETTINGS, SYSTEM.labels, 2, quick_settings().dispersion)
    late = [each for frame in recorded(SYSTEM, waited) for each in books.take(frame)]
    assert [(each.number, each.judged_from) for each in late] == [
        (each.number, each.judged_from) for each in stretches
    ]
    assert [each.messages for each in late] == [each.messages for each in stretches]


def test_each_stretch_is_told_with_the_first_event_after_it(stretches, tables):
    clocks = [tables[name] for name in ("transaction", "label", "resolved")]
    for stretch in stretches[::7]:
        later = [t["seq"][t["known_time_us"] >= stretch.end_us] for t in clocks]
        assert stretch.seq == np.concatenate(later).min()


def test_sums_are_those_of_the_transactions(stretches, tables):
    decision, transaction = tables["decision"], tables["transaction"]
    number = transaction["known_time_us"] // COHORT_US
    flagged = decision["action"] != Action.APPROVE
    chance, amount = decision["probability_model"], transaction["amount"]
    for stretch in stretches:
        mine = number == stretch.number
        assert stretch.transactions == mine.sum() == stretch.rows[-1] == stretch.expected.rows
        assert stretch.risk[-1] == pytest.approx(chance[mine].sum())
        assert stretch.expected.flagged == flagged[mine].sum()
        assert stretch.expected.fraud == pytest.approx(chance[mine].sum())
        assert stretch.expected.fraud_flagged == pytest.approx(chance[mine & flagged].sum())
        assert stretch.expected.money == pytest.approx((chance * amount)[mine].sum())
        expected = (chance * amount)[mine & flagged].sum()
        assert stretch.expected.money_flagged == pytest.approx(expected)


def test_money_is_cut_off_at_a_quantile_of_the_first_amounts(stretches, tables):
    amount = tables["transaction"]["amount"]
    cut_off = np.quantile(amount[: SETTINGS.amount_sample], SETTINGS.amount_quantile)
    number = tables["transaction"]["known_time_us"] // COHORT_US
    chance = tables["decision"]["probability_model"]
    mark = np.minimum(amount / cut_off, 1.0)
    for stretch in stretches[12:]:
        mine = number == stretch.number
        assert stretch.money[-1] == pytest.approx((chance * mark)[mine].sum())
    resolved = tables["resolved"]
    report = np.isin(resolved["resolution"], (Resolution.FRAUD, Resolution.LATE_FRAUD))
    in_stretch = resolved["known_time_us"] // COHORT_US
    for stretch in stretches[12:]:
        rows = resolved["ordinal"][report & (in_stretch == stretch.number)]
        np.testing.assert_allclose(stretch.report_mark, mark[rows], rtol=1e-6)
        np.testing.assert_array_equal(stretch.report_cohort, number[rows])


def test_messages_and_resolved_labels_are_counted_in_their_stretch(stretches, tables):
    for name, count in (("label", "messages"), ("resolved", "resolved")):
        number = tables[name]["known_time_us"] // COHORT_US
        found = [getattr(each, count) for each in stretches]
        assert found == [int((number == each.number).sum()) for each in stretches]


def test_what_has_matured_is_what_the_joiner_said_first(stretches, tables):
    transaction, decision, resolved = (tables[n] for n in ("transaction", "decision", "resolved"))
    number = transaction["known_time_us"] // COHORT_US
    flagged, amount = decision["action"] != Action.APPROVE, transaction["amount"]
    checked = 0
    for stretch in stretches:
        if stretch.matured is None:
            continue
        cohort = stretch.number - (-(-SYSTEM.labels.maturity_s // SETTINGS.cohort_s) + 2)
        known = resolved["known_time_us"] < stretch.end_us
        mine = known & (number[resolved["ordinal"]] == cohort)
        fraud = resolved["ordinal"][mine & (resolved["resolution"] == Resolution.FRAUD)]
        legitimate = resolved["ordinal"][mine & (resolved["resolution"] == Resolution.MATURED)]
        assert len(fraud) + len(legitimate) == (number == cohort).sum(), "not all are mature"
        matured = stretch.matured
        assert (matured.fraud, matured.legitimate) == (len(fraud), len(legitimate))
        assert matured.fraud_flagged == flagged[fraud].sum()
        assert matured.legitimate_flagged == flagged[legitimate].sum()
        assert matured.money == pytest.approx(amount[fraud].sum(), rel=1e-6)
        assert matured.money_flagged == pytest.approx((amount * flagged)[fraud].sum(), rel=1e-6)
        for name in ("model", "heuristic", "constant"):
            chance = decision[f"probability_{name}"]
            loss = -np.log(chance[fraud]).sum() - np.log1p(-chance[legitimate]).sum()
            assert getattr(matured, f"loss_{name}") == pytest.approx(loss, rel=1e-5)
        checked += 1
    assert checked > 10


def test_the_share_of_each_age_is_that_of_the_law(stretches, books):
    """Every age within a cohort is as likely as any other: by brute force over moments."""
    stretch = stretches[-1]
    assert stretch.law.sum() == pytest.approx(1.0, abs=0.01)
    assert (stretch.law >= 0.0).all()
    np.testing.assert_array_equal(stretch.share, stretch.law[stretch.number - stretch.cohort])
    known = np.append(0.0, books.law.distribution(stretch.end_us))
    edges = np.append(0.0, books.law.edges_us)
    shares = books._shares(stretch.end_us)
    for age in (0, 1, 2, 3):
        moments = (age + (np.arange(2_000) + 0.5) / 2_000) * COHORT_US
        by_then = np.interp(moments, edges, known).mean()
        assert shares[: age + 1].sum() == pytest.approx(by_then, abs=0.01)


def test_expected_reports_add_up_to_the_frauds_that_will_be_reported():
    """Constant probabilities, log-normal delays: what is expected comes, stretch by stretch."""
    labels = LabelSettings(maturity_s=10 * 86_400, horizon_s=60 * 86_400)
    books = Cohorts(CohortSettings(), labels, 0, DispersionSettings())
    law, day = DelayLaw(labels), 86_400_000_000
    draw = np.random.default_rng(7)
    happened = np.sort(draw.integers(0, 60 * day, 4_000))
    reported = happened + (draw.lognormal(np.log(2.0), 1.0, 4_000) * day).astype(np.int64)
    known = reported < np.minimum(60 * day, happened + labels.horizon_s * 1_000_000)
    law.observe(happened[known], reported[known])
    books.law = law
    shares = books._shares(60 * day)
    cohort = np.arange(4 * 60)
    expected = sum(
        (4_000 / len(cohort)) * shares[number - cohort[: number + 1]].sum() for number in cohort
    )
    truth = stats.lognorm.cdf((60.0 - happened / day), 1.0, scale=2.0).sum()
    assert expected == pytest.approx(truth, rel=0.02)
    assert expected == pytest.approx(known.sum(), rel=0.03)


def test_time_without_traffic_has_stretches_too(frames):
    books = Cohorts(SETTINGS, SYSTEM.labels, 2, quick_settings().dispersion)
    list(books.take(frames[1]))
    later_us = frames[1].known_time_us + 5 * 86_400_000_000
    tick = {"seq": np.array([99_999]), "known_time_us": np.array([later_us])}
    seen = list(books.take(Frame(99_999, 99_999, later_us, {"tick": tick})))
    assert len(seen) == 5 * 12
    assert {each.seq for each in seen} == {99_999}
    assert sum(each.transactions for each in seen[1:]) == 0
    assert all(each.risk[-1] == 0.0 for each in seen[1:])
    assert all(np.isfinite(each.share).all() for each in seen)


def test_a_silence_longer_than_the_horizon_is_lived_through():
    arrivals = small_stream(seed=3, days=2)
    last_us = int(arrivals.transactions.known_time_us[-1])
    year_us = last_us + 365 * 86_400_000_000
    later = Arrivals.merge(arrivals.transactions, arrivals.labels, np.array([year_us]))
    books = Cohorts(SETTINGS, SYSTEM.labels, 2, quick_settings().dispersion)
    seen = [stretch for frame in recorded(SYSTEM, later) for stretch in books.take(frame)]
    assert sum(stretch.transactions for stretch in seen) == len(arrivals.transactions)
