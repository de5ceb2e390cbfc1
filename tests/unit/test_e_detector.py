"""The e-detector against its definition, written out, and against streams whose truth is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud_system.errors import ConfigError
from monitoring.e_detector import FEWER, MORE, EDetector, EDetectorSettings


def written_out(settings, weights, reports, expected, dispersion=1.0):
    """Mean over bets of the sum over beginnings of weight x wealth, from the formulas alone.

    reports: [(cohort, mark)]; expected: [(cohort, mark)].
    """
    sums = []
    for c, edge in zip(*(each.ravel() for each in settings.bets()), strict=True):
        total = 0.0
        for start, weight in enumerate(weights):
            log_wealth = sum(math.log1p(c * m) for k, m in reports if k >= start)
            log_wealth -= sum(c * edge * e for k, e in expected if k >= start)
            total += weight * math.exp(log_wealth / dispersion)
        sums.append(total)
    half = len(sums) // 2
    return sum(sums[:half]) / len(sums), sum(sums[half:]) / len(sums)


def fed(settings, weights, reports, expected, dispersion=1.0, size=64):
    detector = EDetector(settings, size)
    for weight in weights:
        detector.begin(weight)
    for give, rows in ((detector.report, reports), (detector.expect, expected)):
        cohort = np.array([k for k, _ in rows], np.int64)
        give(cohort, np.array([m for _, m in rows], np.float64), dispersion)
    return detector


def test_one_bet_by_hand():
    # One cohort, ten transactions, three reports where one was expected; the bet is on twice 1.1.
    settings = EDetectorSettings(alternatives=(2.0,))
    more, fewer = fed(settings, [10], [(0, 1.0)] * 3, [(0, 1.0)]).evidence()
    assert more == pytest.approx(0.5 * 10 * 2**3 * math.exp(-1.1))
    assert fewer == pytest.approx(0.5 * 10 * 0.5**3 * math.exp(0.45))


def test_a_late_report_counts_for_the_bets_that_began_before_it():
    settings = EDetectorSettings(alternatives=(2.0,))
    more, _ = fed(settings, [10, 20], [(0, 1.0)], []).evidence()
    assert more == pytest.approx(0.5 * (10 * 2 + 20))
    more, _ = fed(settings, [10, 20], [(1, 1.0)], []).evidence()
    assert more == pytest.approx(0.5 * (10 * 2 + 20 * 2))


MARKS = st.floats(0.0, 1.0)


@given(
    weights=st.lists(st.integers(0, 500), min_size=1, max_size=6),
    reports=st.lists(st.tuples(st.integers(0, 5), MARKS), max_size=12),
    expected=st.lists(st.tuples(st.integers(0, 5), MARKS), max_size=12),
    dispersion=st.floats(1.0, 5.0),
)
def test_it_is_what_the_definition_says(weights, reports, expected, dispersion):
    reports = [each for each in reports if each[0] < len(weights)]
    expected = [each for each in expected if each[0] < len(weights)]
    settings = EDetectorSettings()
    found = fed(settings, weights, reports, expected, dispersion).evidence()
    assert found == pytest.approx(
        written_out(settings, weights, reports, expected, dispersion), rel=1e-9
    )


def test_cohorts_that_are_no_longer_held_still_count():
    settings, draw = EDetectorSettings(), np.random.default_rng(1)
    small, large = EDetector(settings, size=5), EDetector(settings, size=500)
    for cohort in range(40):
        for detector in (small, large):
            detector.begin(100.0)
        count = draw.poisson(2.0)
        for detector in (small, large):
            detector.report(np.full(count, cohort), np.ones(count))
            detector.expect(np.array([cohort]), np.array([2.0]))
        # What comes within the ring is exact.
        assert small.evidence() == pytest.approx(large.evidence(), rel=1e-9)
    # A report about a cohort that left: it is given to all bets that began before the ring.
    before = small.evidence()
    small.report(np.array([0]), np.ones(1))
    assert before[MORE] < small.evidence()[MORE] <= 4.4 * before[MORE]


def test_cohorts_before_the_first_and_after_the_last_are_passed_over():
    settings = EDetectorSettings()
    detector = fed(settings, [10, 10], [], [])
    before = detector.evidence()
    detector.report(np.array([-1, -3, 2, 77]), np.ones(4))
    detector.expect(np.array([-1, -3, 2, 77]), np.ones(4))
    assert detector.evidence() == before
    detector.restart()
    detector.report(np.array([0, 1]), np.ones(2))
    assert detector.evidence() == (0.0, 0.0)
    assert detector.total == (0.0, 0.0)
    assert detector.next_cohort == 2


def test_the_strongest_bet_says_since_when():
    detector = EDetector(EDetectorSettings(), size=100)
    for cohort in range(60):
        detector.begin(100.0)
        count = 3 if cohort >= 40 else 1
        detector.report(np.full(count, cohort), np.ones(count))
        detector.expect(np.array([cohort]), np.array([1.0]))
    assert detector.since(MORE) == (40, 60.0, 20.0)
    assert detector.since(FEWER).expected == 1.0  # nothing but the last cohort: no bet has won


def test_a_snapshot_goes_on_the_same():
    detector = fed(EDetectorSettings(), [5, 5], [(0, 1.0)], [(1, 0.3)])
    again = EDetector(EDetectorSettings(), 64)
    again.restore(detector.to_arrays())
    for each in (detector, again):
        each.begin(3.0)
        each.report(np.array([2]), np.ones(1))
    assert again.evidence() == detector.evidence()
    assert again.total == detector.total


# ---- streams whose truth is known


def run_length(draw, ratio, settings, probability=0.02, cohort=50, cohorts=4_000, dispersion=1.0):
    """Transactions until either side reaches the threshold; what was seen if none does."""
    detector = EDetector(settings, size=64)
    threshold = settings.mean_time_between_false_alarms
    for number in range(cohorts):
        detector.begin(float(cohort))
        clusters = draw.binomial(cohort, probability * ratio / dispersion)
        count = int(clusters * dispersion)
        detector.report(np.full(count, number), np.ones(count), dispersion)
        detector.expect(np.array([number]), np.array([cohort * probability]), dispersion)
        if max(detector.evidence()) >= threshold:
            return (number + 1) * cohort
    return cohorts * cohort


@pytest.mark.parametrize("ratio", [0.9, 1.0, 1.1])
def test_false_alarms_are_as_rare_as_promised_at_the_edges_of_the_tolerance(ratio):
    settings = EDetectorSettings(
        mean_time_between_false_alarms=1_000.0, mean_time_between_false_warnings=1_000.0
    )
    draw = np.random.default_rng(5)
    lengths = [run_length(draw, ratio, settings, cohorts=400) for _ in range(150)]
    # Runs are cut at 20,000, which only makes the mean smaller.
    assert np.mean(lengths) - 2.0 * np.std(lengths) / math.sqrt(150) > 1_000.0


def test_clusters_of_the_size_of_the_dispersion_are_borne():
    settings = EDetectorSettings(
        mean_time_between_false_alarms=1_000.0, mean_time_between_false_warnings=1_000.0
    )
    draw = np.random.default_rng(6)
    lengths = [run_length(draw, 1.0, settings, cohorts=400, dispersion=4.0) for _ in range(150)]
    assert np.mean(lengths) - 2.0 * np.std(lengths) / math.sqrt(150) > 1_000.0


@pytest.mark.parametrize("ratio", [2.0, 0.5])
def test_a_doubled_or_halved_rate_is_found_within_the_first_order_bound(ratio):
    """Goal: 1.5 times ln(1e7) / KL(after || before), the median; here of 50 runs from a quiet past."""
    p, q = 0.02, 0.02 * ratio
    divergence = q * math.log(q / p) + (1.0 - q) * math.log((1.0 - q) / (1.0 - p))
    bound = math.log(1e7) / divergence
    delays = []
    for seed in range(50):
        draw = np.random.default_rng(seed)
        detector = EDetector(EDetectorSettings(), size=128)
        for number in range(5_000):
            detector.begin(50.0)
            count = draw.binomial(50, q if number >= 200 else p)
            detector.report(np.full(count, number), np.ones(count))
            detector.expect(np.array([number]), np.array([50 * p]))
            if max(detector.evidence()) >= 1e7:
                break
        delays.append((number - 199) * 50)
    assert min(delays) > 0
    assert np.median(delays) < 1.2 * bound


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"tolerance": 0.0}, "tolerance"),
        ({"tolerance": 1.0}, "tolerance"),
        ({"mean_time_between_false_alarms": math.inf}, "mean_time_between_false_alarms"),
        ({"mean_time_between_false_warnings": 1e8}, "mean_time_between_false_warnings"),
        ({"alternatives": ()}, "alternatives"),
        ({"alternatives": (1.0,)}, "alternatives"),
        ({"recovery_reports": -1.0}, "recovery_reports"),
    ],
)
def test_settings_are_checked(wrong, field):
    with pytest.raises(ConfigError) as raised:
        EDetectorSettings(**wrong)
    assert raised.value.field == f"e_detector.{field}"
