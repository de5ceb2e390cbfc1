"""The delay law: honest about what is too young to be known, quick to follow, the prior where it must."""

import numpy as np
import pytest
from scipy import stats

from fraud_system.delay_law import BINS, COHORTS_IN_HORIZON, PRIOR_FRAUDS, DelayLaw
from fraud_system.labels import LabelSettings

DAY_S, DAY_US = 86_400, 86_400_000_000
LABELS = LabelSettings(maturity_s=30 * DAY_S, horizon_s=60 * DAY_S)
GAMMA = stats.gamma(2.0, scale=4.5)  # days


def reports(per_day: list[int], law, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Times of frauds and of their reports, in microseconds; so many frauds on each day."""
    draw = np.random.default_rng(seed)
    day = np.repeat(np.arange(len(per_day)), per_day)
    transaction_us = ((day + draw.random(len(day))) * DAY_US).astype(np.int64)
    delay_days = law.rvs(len(day), random_state=draw)
    return transaction_us, transaction_us + (delay_days * DAY_US).astype(np.int64)


def learned(transaction_us: np.ndarray, reported_us: np.ndarray, now_us: int) -> DelayLaw:
    """A law that has seen what was reported before `now_us` and within the horizon, in order."""
    law = DelayLaw(LABELS)
    known = (reported_us < now_us) & (reported_us - transaction_us <= law.horizon_us)
    order = np.flatnonzero(known)[np.argsort(reported_us[known])]
    law.observe(transaction_us[order], reported_us[order])
    return law


def largest_error(law: DelayLaw, now_us: int, truth=GAMMA) -> float:
    expected = truth.cdf(law.edges_us / DAY_US) / truth.cdf(60.0)
    return float(np.abs(law.distribution(now_us) - expected).max())


def test_before_any_report_it_is_exponential_with_a_third_of_the_maturity() -> None:
    law = DelayLaw(LABELS)
    expected = stats.truncexpon(b=6.0, scale=10.0).cdf(law.edges_us / DAY_US)
    assert law.distribution(now_us=0) == pytest.approx(expected, abs=1e-12)
    assert law.quantiles(np.array([0.3, 0.5, 0.9]), 0) / DAY_US == pytest.approx(
        stats.truncexpon(b=6.0, scale=10.0).ppf([0.3, 0.5, 0.9]), rel=0.01
    )


def test_one_bin_by_hand() -> None:
    """Thirty reports of a cohort, all within the shortest bin, and cohorts older than every bin."""
    law = DelayLaw(LABELS)
    law.observe(np.zeros(30, np.int64), np.ones(30, np.int64))
    now_us = 61 * DAY_US
    found, prior = law.distribution(now_us), law.prior
    expected, last = 1.0, 61 * DAY_US - law.cohort_us
    for place in range(BINS - 1, 0, -1):
        weight = np.exp(-(last - law.edges_us[place]) / (90 * DAY_US))
        hazard = PRIOR_FRAUDS * (prior[place] - prior[place - 1])
        expected *= 1.0 - hazard / (30 * weight + PRIOR_FRAUDS * prior[place])
        assert found[place - 1] == pytest.approx(expected)
    assert found[0] > 0.4 > prior[0]


def test_where_all_is_known_it_is_the_empirical_distribution() -> None:
    transaction_us, reported_us = reports([150] * 40, GAMMA)
    kept = reported_us - transaction_us <= 60 * DAY_US
    law = learned(transaction_us, reported_us, now_us=110 * DAY_US)
    delay_us = (reported_us - transaction_us)[kept]
    empirical = stats.ecdf(delay_us).cdf.evaluate(law.edges_us - 1.0)
    # Weights and the prior move it by a little.
    assert law.distribution(110 * DAY_US) == pytest.approx(empirical, abs=0.015)


@pytest.mark.parametrize(
    "per_day",
    [[100] * 80, np.geomspace(3, 400, 80).astype(int).tolist(), [100] * 70 + [1_000] * 10],
    ids=["steady", "growing traffic", "a burst of fraud"],
)
def test_young_cohorts_do_not_bias_it(per_day: list[int]) -> None:
    now_us = len(per_day) * DAY_US
    transaction_us, reported_us = reports(per_day, GAMMA, seed=3)
    law = learned(transaction_us, reported_us, now_us)
    assert largest_error(law, now_us) < 0.035
    if per_day[0] != per_day[-1]:
        known = reported_us < now_us
        naive = stats.ecdf((reported_us - transaction_us)[known] / DAY_US).cdf
        error = np.abs(naive.evaluate(law.edges_us / DAY_US) - GAMMA.cdf(law.edges_us / DAY_US))
        assert error.max() > 0.07, "the test would see a bias"


def test_its_spread_over_streams_is_that_of_an_estimate() -> None:
    errors = [
        largest_error(learned(*reports([60] * 90, GAMMA, seed), 90 * DAY_US), 90 * DAY_US)
        for seed in range(20)
    ]
    # About 3,000 frauds count; Kolmogorov's 95 % point is 1.36 / sqrt(3,000) = .025.
    assert np.mean(errors) < 0.025


def test_what_is_older_than_the_stream_is_left_to_the_prior() -> None:
    law = learned(*reports([200] * 10, GAMMA), 10 * DAY_US)
    found = law.distribution(10 * DAY_US)
    beyond = law.edges_us >= 10 * DAY_US
    assert found[beyond] == pytest.approx(law.prior[beyond])
    within = law.edges_us < 9 * DAY_US
    share = law.prior[within][-1] / GAMMA.cdf(law.edges_us[within][-1] / DAY_US)
    assert found[within] == pytest.approx(
        share * GAMMA.cdf(law.edges_us[within] / DAY_US), abs=0.03
    )


def test_a_law_that_changes_is_followed() -> None:
    quick, slow = stats.gamma(2.0, scale=1.5), GAMMA
    before = reports([100] * 100, quick, seed=1)
    after = reports([100] * 200, slow, seed=2)
    transaction_us = np.concatenate([before[0], after[0] + 100 * DAY_US])
    reported_us = np.concatenate([before[1], after[1] + 100 * DAY_US])
    errors = [
        largest_error(learned(transaction_us, reported_us, day * DAY_US), day * DAY_US)
        for day in (100, 140, 200, 300)
    ]
    assert errors[0] > 0.4
    assert errors[1] < 0.35
    assert errors[2] < 0.2
    assert errors[3] < 0.1


def test_a_fixed_delay_becomes_a_step() -> None:
    law = learned(*reports([50] * 60, stats.uniform(7.0, 1e-6)), 60 * DAY_US)
    low, high = law.quantiles(np.array([0.05, 0.95]), 60 * DAY_US) / DAY_US
    assert 6.0 < low < high < 8.2


def test_the_order_of_reports_does_not_matter_and_a_snapshot_is_whole() -> None:
    transaction_us, reported_us = reports([40] * 100, GAMMA, seed=5)
    straight = DelayLaw(LABELS)
    straight.observe(transaction_us, reported_us)
    halves = DelayLaw(LABELS)
    for start in range(0, len(transaction_us), 333):
        piece = slice(start, start + 333)
        halves.observe(transaction_us[piece][::-1], reported_us[piece][::-1])
        kept = halves.to_arrays()
        halves = DelayLaw(LABELS)
        halves.restore(kept)
    now_us = 100 * DAY_US
    assert straight.distribution(now_us).tobytes() == halves.distribution(now_us).tobytes()
    assert len(straight.cohort) == 2 * COHORTS_IN_HORIZON


def test_it_is_a_distribution_whatever_was_reported() -> None:
    draw = np.random.default_rng(6)
    law = DelayLaw(LABELS)
    for day in range(0, 400, 7):
        transaction_us = np.sort(day * DAY_US + draw.integers(0, 7 * DAY_US, draw.integers(0, 9)))
        law.observe(
            transaction_us, transaction_us + draw.integers(0, 60 * DAY_US, len(transaction_us))
        )
        found = law.distribution((day + 67) * DAY_US)
        assert (np.diff(found) >= 0.0).all()
        assert found[0] >= 0.0
        assert found[-1] == 1.0
