"""The statistics of the shift monitor against scipy, and against what they promise."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from monitoring.bins import EDGES, Sample
from monitoring.hour_counts import COUNTS, MISSING
from monitoring.online_fdr import log_e_value, log_threshold
from monitoring.shift_tests import (
    SMOOTHING,
    Compared,
    _log_tail,
    compare,
    stability_index,
    wasserstein,
)


def compared(now: np.ndarray, past: np.ndarray, edges: np.ndarray) -> Compared:
    """One subject, its values now and before; nan is missing."""
    counts = np.zeros((3, COUNTS, 1), np.int64)
    at = Compared(
        now=counts[0],
        week=counts[1],
        past=counts[2],
        is_well=np.ones(1, np.int64),
        past_rows=np.array([float(len(past))]),
        left=np.zeros(1),
        past_left=np.zeros(1),
        statistic=np.zeros(2),
        freedom=np.zeros(2),
    )
    for table, values in ((at.now, now), (at.past, past)):
        table[:EDGES, 0] = (values[:, None] > edges[:, 0]).sum(axis=0)
        table[MISSING, 0] = np.isnan(values).sum()
    compare(at, float(len(now)))
    return at


def edges_of(values: np.ndarray) -> np.ndarray:
    sample = Sample(10_000, 1)
    sample.take(np.arange(1, len(values) + 1, dtype=np.uint64), values[:, None])
    return sample.bins().edges


def binned(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(bins,) how many fall where, by numpy alone; edges belong to the bin below them."""
    finite = edges[np.isfinite(edges)].astype(np.float64)
    place = np.searchsorted(finite, values[~np.isnan(values)], side="left")
    return np.bincount(place, minlength=len(finite) + 1)


COLUMNS = {
    "normal": lambda draw, n: draw.normal(size=n),
    "mostly nought": lambda draw, n: np.where(draw.random(n) < 0.9, 0.0, draw.exponential(size=n)),
    "two values": lambda draw, n: draw.integers(0, 2, n).astype(np.float64),
    "one value": lambda draw, n: np.full(n, 3.0),
    "with gaps": lambda draw, n: np.where(draw.random(n) < 0.2, np.nan, draw.normal(size=n)),
}


@pytest.fixture(params=COLUMNS)
def two_samples(request):
    draw = np.random.default_rng(1)
    make = COLUMNS[request.param]
    learned, past, now = (make(draw, n).astype(np.float32) for n in (3_000, 2_500, 700))
    now = now + np.float32(0.3)
    return now, past, edges_of(learned)


def test_the_statistic_is_pearsons(two_samples):
    now, past, edges = two_samples
    at = compared(now, past, edges)
    table = np.stack([binned(now, edges[:, 0]), binned(past, edges[:, 0])])
    table = table[:, table.sum(axis=0) > 0]
    expected = stats.chi2_contingency(table, correction=False)
    assert at.statistic[0] == pytest.approx(expected.statistic / expected.dof, rel=1e-9)
    assert at.freedom[0] == expected.dof


def test_the_statistic_of_missing_shares_is_pearsons():
    draw = np.random.default_rng(2)
    past = COLUMNS["with gaps"](draw, 2_000)
    now = np.where(draw.random(500) < 0.3, np.nan, 1.0)
    at = compared(now, past, edges_of(past))
    table = [[np.isnan(each).sum(), (~np.isnan(each)).sum()] for each in (now, past)]
    expected = stats.chi2_contingency(table, correction=False)
    assert at.statistic[1] == pytest.approx(expected.statistic, rel=1e-9)


def test_the_distance_is_wassersteins_of_the_binned_values(two_samples):
    now, past, edges = two_samples
    at = compared(now, past, edges)
    finite = edges[np.isfinite(edges)].astype(np.float64)
    # Every value at the edge at or above it; what is beyond the last edge, at the last edge.
    places = np.append(finite, finite[-1])
    expected = stats.wasserstein_distance(
        places, places, binned(now, edges[:, 0]), binned(past, edges[:, 0])
    )
    rows, before = (float((~np.isnan(each)).sum()) for each in (now, past))
    found = wasserstein(edges, at, 0, rows, before)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_the_stability_index_by_hand():
    past, now = np.repeat([1.0, 2.0], [60, 40]), np.repeat([1.0, 2.0], [20, 80])
    at = compared(now, past, edges_of(past))
    p, q = (20 + SMOOTHING) / 101, (60 + SMOOTHING) / 101
    expected = (p - q) * math.log(p / q) + (q - p) * math.log((1 - p) / (1 - q))
    assert stability_index(at, 0, 100.0, 100.0) == pytest.approx(expected)
    assert 0.6 < expected < 0.8


def test_values_that_were_never_seen_fall_into_bins_of_their_own():
    past = np.linspace(0.0, 1.0, 1_000)
    edges = edges_of(past)
    for now in (np.full(500, 100.0), np.full(500, -100.0)):
        at = compared(now, past, edges)
        assert stability_index(at, 0, 500.0, 1_000.0) > 5.0


@given(ratio=st.floats(1.0, 200.0), mean=st.floats(0.1, 20.0), shape=st.floats(0.05, 50.0))
def test_the_tail_is_never_below_the_gamma_laws(ratio, mean, shape):
    exact = stats.gamma.logsf(ratio * mean, shape, scale=mean / shape)
    bound = _log_tail(ratio * mean, mean, mean * mean / shape)
    assert bound >= exact - 1e-9
    assert bound <= 0.0


def test_e_values_of_uniform_p_values_have_mean_one():
    total, error = integrate.quad(
        lambda log_p: math.exp(log_e_value(log_p) + log_p), -200.0, 0.0, limit=500
    )
    assert error < 1e-6
    # What is below e^-200 is worth 1 / 200, by the same formula.
    assert total + 1.0 / 200.0 == pytest.approx(1.0, abs=2e-3)


@given(st.floats(-300.0, 0.0), st.floats(0.0, 50.0))
def test_smaller_p_values_give_larger_e_values(log_p, step):
    assert log_e_value(log_p - step) >= log_e_value(log_p) - 1e-9


def test_the_share_of_false_discoveries_is_kept_whatever_the_dependence():
    """200 tests that are all one: the worst kind of dependence for procedures that count rejections."""
    draw = np.random.default_rng(3)
    tests, alpha, false_share = 200, 0.2, []
    for _ in range(400):
        shared = math.log(draw.random())
        shifted = draw.random(tests) < 0.1
        rejections = false = 0
        for each in range(tests):
            log_p = shared if not shifted[each] else -60.0
            if log_e_value(log_p) >= log_threshold(alpha, float(tests), rejections):
                rejections += 1
                false += not shifted[each]
        false_share.append(false / max(rejections, 1))
    assert rejections > 0
    assert np.mean(false_share) < alpha


def test_naive_chi_square_alarms_on_clustered_rows_and_this_does_not():
    """1e5 rows of customers who come back with their own habit: no shift, and yet a p-value of nought."""
    draw = np.random.default_rng(4)

    def rows() -> np.ndarray:
        return np.repeat(draw.normal(size=5_000), 20)  # each of 5,000 cards comes 20 times

    edges = edges_of(rows())
    seen = [compared(rows(), rows(), edges) for _ in range(40)]
    naive = [stats.chi2.sf(each.statistic[0] * each.freedom[0], each.freedom[0]) for each in seen]
    assert np.median(naive) < 1e-9
    statistic = np.array([each.statistic[0] for each in seen])
    mean, variance = statistic[:20].mean(), statistic[:20].var()
    tails = [_log_tail(each, mean, variance) for each in statistic[20:]]
    assert min(tails) > math.log(1e-3)
