"""Plan B: which rule holds, and what its buckets learn."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fraud_system.models.heuristic import (
    MAX_CONDITIONS,
    PRIOR_STRENGTH,
    Rule,
    empty_buckets,
    learn_rates,
    rates_of,
    rule_arrays,
)
from fraud_system.models.scoring import Served, bucket_of

NAMES = ("is_new:card", "amount", "fraud_run:terminal", "numeric:age of account")


def served_of(rules, names=NAMES):
    """The rules as the engine and the learner hold them."""
    arrays = rule_arrays(rules, names)
    none, no_index = np.zeros(0), np.zeros(0, np.int64)
    return Served(
        mean=none,
        deviation=none,
        weight=none,
        intercept=none,
        left=no_index,
        right=no_index,
        squash_limit=none,
        recalibration=np.array([0.0, 1.0]),
        rule_feature=arrays.feature,
        rule_above=arrays.above,
        rule_threshold=arrays.threshold,
        rates=none,
    )


def bucket(rules, *row, dtype=np.float32):
    return bucket_of(served_of(rules), np.array(row, dtype))


NEW = Rule("new", (("is_new:card", True, 0.5),))
SMALL = Rule("small", (("amount", False, 2.0),))
BOTH = Rule("both", (("is_new:card", True, 0.5), ("amount", False, 2.0)))


def test_above_is_strict_and_at_most_is_not():
    above, at_most = (NEW,), (SMALL,)
    assert [bucket(above, value, 9.0, 0.0, 0.0) for value in (0.5, 0.6, 0.4)] == [1, 0, 1]
    assert [bucket(at_most, 0.0, value, 0.0, 0.0) for value in (2.0, 2.1, -1e30)] == [0, 1, 0]


@pytest.mark.parametrize("threshold", [0.1, 0.7, 1e-3, 123456.789, -0.3])
def test_a_value_that_is_written_like_its_threshold_is_equal_to_it(threshold):
    """Features are float32: 0.1 among them is a little above the 0.1 of a rule."""
    at_most = (Rule("at most", (("amount", False, threshold),)),)
    above = (Rule("above", (("amount", True, threshold),)),)
    assert bucket(at_most, 0.0, threshold, 0.0, 0.0) == 0
    assert bucket(above, 0.0, threshold, 0.0, 0.0) == 1
    more = np.nextafter(np.float32(threshold), np.float32(np.inf))
    assert bucket(at_most, 0.0, more, 0.0, 0.0) == 1
    assert bucket(above, 0.0, more, 0.0, 0.0) == 0


def test_without_rules_there_is_one_bucket_for_all():
    assert bucket((), 1.0, 1.0, 1.0, 1.0) == 0


def test_the_first_rule_that_holds_names_the_bucket():
    row = (1.0, 1.0, 0.0, 0.0)
    assert bucket((NEW, SMALL), *row) == 0
    assert bucket((SMALL, NEW), *row) == 0
    assert bucket((BOTH, NEW, SMALL), 1.0, 5.0, 0.0, 0.0) == 1
    assert bucket((BOTH, NEW, SMALL), 0.0, 1.0, 0.0, 0.0) == 2
    assert bucket((BOTH, NEW, SMALL), 0.0, 5.0, 0.0, 0.0) == 3


@pytest.mark.parametrize("conditions", [1, 2, 3, 4])
def test_every_condition_has_to_hold(conditions):
    rule = Rule("all", tuple((NAMES[place], True, 0.0) for place in range(conditions)))
    assert bucket((rule,), 1.0, 1.0, 1.0, 1.0) == 0
    for broken in range(4):
        row = [1.0] * 4
        row[broken] = -1.0
        assert bucket((rule,), *row) == (1 if broken < conditions else 0)


def test_what_is_missing_satisfies_no_condition():
    for rule in (NEW, SMALL, BOTH):
        for place, name in enumerate(NAMES[:2]):
            if any(name == each for each, _, _ in rule.conditions):
                row = [1.0, 1.0, 0.0, 0.0]
                assert bucket((rule,), *row) == 0
                row[place] = np.nan
                assert bucket((rule,), *row) == 1


def python_bucket(rules, row):
    """The definition, in words of the feature list."""
    for index, rule in enumerate(rules):
        values = [(row[NAMES.index(name)], above, at) for name, above, at in rule.conditions]
        if all(value > at if above else value <= at for value, above, at in values):
            return index
    return len(rules)


CONDITIONS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.booleans(), st.sampled_from([-1.0, 0.0, 0.5, 2.0])),
    min_size=1,
    max_size=MAX_CONDITIONS,
)
VALUES = st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0, math.nan, math.inf, -math.inf])


@settings(max_examples=200, deadline=None)
@given(st.lists(CONDITIONS, max_size=5), st.lists(VALUES, min_size=4, max_size=4))
def test_any_list_decides_as_it_reads(conditions, row):
    rules = tuple(Rule(f"rule {i}", tuple(each)) for i, each in enumerate(conditions))
    assert bucket(rules, *row) == python_bucket(rules, row)


def test_rates_are_beta_means_worked_by_hand():
    buckets = empty_buckets(rules=1, prevalence=0.01)
    assert rates_of(buckets).tolist() == [0.01, 0.01, 0.01]
    buckets.labels[:] = [100.0, 800.0, 900.0]
    buckets.frauds[:] = [30.0, 0.0, 30.0]
    # A prior of 200 labels at 1 % is Beta(2, 198): means (30+2)/300, 2/1000, 32/1100.
    assert rates_of(buckets) == pytest.approx([32 / 300, 2 / 1000, 32 / 1100], rel=1e-15)
    oracle = [stats.beta(2 + f, 198 + n - f).mean() for n, f in ((100, 30), (800, 0), (900, 30))]
    assert rates_of(buckets) == pytest.approx(oracle, rel=1e-12)


def python_rates(rules, rows, is_fraud, memory, prevalence):
    """The forgetting counts as a plain loop over plain lists."""
    labels, frauds = [0.0] * (len(rules) + 2), [0.0] * (len(rules) + 2)
    keep = 1.0 - 1.0 / memory
    for row, fraud in zip(rows.tolist(), is_fraud, strict=True):
        for place in (python_bucket(rules, row), len(rules) + 1):
            labels[place] = labels[place] * keep + 1.0
            frauds[place] = frauds[place] * keep + float(fraud)
    return [
        (f + prevalence * PRIOR_STRENGTH) / (n + PRIOR_STRENGTH)
        for n, f in zip(labels, frauds, strict=True)
    ]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([100.0, 1234.5, 1e6]), st.lists(st.integers(0, 200)))
def test_learning_is_a_plain_loop_however_it_is_cut(seed, memory, cuts):
    generator = np.random.default_rng(seed)
    rules = (BOTH, NEW, SMALL)
    rows = generator.choice([0.0, 1.0, 2.0, 3.0, np.nan], size=(200, 4)).astype(np.float32)
    is_fraud = generator.random(200) < 0.2
    buckets, served = empty_buckets(3, 0.02), served_of(rules)
    for start, stop in pairwise([0, *sorted(cuts), 200]):
        part = slice(start, stop)
        target = is_fraud[part].astype(float)
        learn_rates(buckets, served, rows[part], np.ones(len(target)), target, memory)
    assert rates_of(buckets).tolist() == python_rates(rules, rows, is_fraud, memory, 0.02)


def test_what_is_old_is_forgotten():
    memory, served, row = 500.0, served_of((NEW,)), np.array([[1.0, 9.0, 0.0, 0.0]], np.float32)
    buckets = empty_buckets(1, 0.005)
    learn_rates(buckets, served, np.repeat(row, 5_000, 0), np.ones(5_000), np.ones(5_000), memory)
    # After n labels the weight of all of them is m (1 - (1 - 1/m)^n), m once n is far beyond m.
    weight = memory * (1.0 - (1.0 - 1.0 / memory) ** 5_000)
    assert buckets.labels.tolist() == pytest.approx([weight, 0.0, weight])
    assert rates_of(buckets)[0] == pytest.approx((weight + 1.0) / (weight + 200.0))
    learn_rates(buckets, served, np.repeat(row, 500, 0), np.ones(500), np.zeros(500), memory)
    left = (1.0 - 1.0 / memory) ** 500  # 1/e of the frauds
    assert buckets.frauds[0] == pytest.approx(weight * left)
    learn_rates(
        buckets, served, np.repeat(row, 20_000, 0), np.ones(20_000), np.zeros(20_000), memory
    )
    assert rates_of(buckets)[0] == pytest.approx(1.0 / 700.0)


def test_a_bucket_that_sees_nothing_forgets_nothing():
    buckets, served = empty_buckets(1, 0.005), served_of((NEW,))
    new, other = (np.array([[value, 9.0, 0.0, 0.0]], np.float32) for value in (1.0, 0.0))
    learn_rates(buckets, served, new, np.ones(1), np.ones(1), 100.0)
    learn_rates(buckets, served, np.repeat(other, 50, 0), np.ones(50), np.zeros(50), 100.0)
    assert (buckets.labels[0], buckets.frauds[0]) == (1.0, 1.0)
    assert buckets.frauds[2] == pytest.approx(0.99**50)


def test_on_a_stationary_stream_every_bucket_is_calibrated():
    """Rates served before the labels are known against the labels: expected and observed agree."""
    generator = np.random.default_rng(20)
    rules, true = (BOTH, NEW, SMALL), np.array([0.15, 0.03, 0.01, 0.002])
    rows = generator.uniform(size=(200_000, 4)).astype(np.float32)
    rows[:, 0] = generator.random(200_000) < 0.1
    rows[:, 1] *= 4.0
    served = served_of(rules)
    place = np.array([bucket_of(served, row) for row in rows])
    assert (np.bincount(place) > 5_000).all()
    is_fraud = generator.random(200_000) < true[place]
    buckets = empty_buckets(3, 0.005)
    predicted, constant = np.empty(200_000), np.empty(200_000)
    for start in range(0, 200_000, 1_000):
        cut = slice(start, start + 1_000)
        rates = rates_of(buckets)
        predicted[cut], constant[cut] = rates[place[cut]], rates[-1]
        target = is_fraud[cut].astype(float)
        learn_rates(buckets, served, rows[cut], np.ones(len(target)), target, 50_000.0)
    settled = np.arange(200_000) >= 50_000
    for each in range(4):
        chosen = settled & (place == each)
        spread = math.sqrt((true[each] * (1.0 - true[each]) * chosen).sum())
        # The rate that predicts has itself been learned from labels: its luck adds to theirs.
        assert abs(is_fraud[chosen].sum() - predicted[chosen].sum()) < 4.0 * 2.0 * spread
        assert predicted[chosen].mean() == pytest.approx(true[each], rel=0.2)
    assert constant[settled].mean() == pytest.approx(is_fraud.mean(), rel=0.05)
    assert rates_of(buckets)[-1] == pytest.approx(true[place].mean(), rel=0.1)


def test_the_posterior_covers_the_truth_as_often_as_it_says():
    """Without forgetting the counts are a Beta posterior: 90 % intervals hold the truth in about 90 %."""
    generator = np.random.default_rng(21)
    served, covered = served_of((NEW,)), 0
    for _ in range(400):
        true = generator.beta(2.0, 198.0)
        buckets = empty_buckets(1, 0.01)
        rows = np.ones((300, 4), np.float32)
        frauds = (generator.random(300) < true).astype(float)
        learn_rates(buckets, served, rows, np.ones(300), frauds, 1e15)
        assert buckets.labels[0] == pytest.approx(300.0)
        posterior = stats.beta(
            0.01 * PRIOR_STRENGTH + buckets.frauds[0],
            0.99 * PRIOR_STRENGTH + buckets.labels[0] - buckets.frauds[0],
        )
        assert rates_of(buckets)[0] == pytest.approx(posterior.mean())
        covered += posterior.cdf(true) > 0.05 and posterior.cdf(true) < 0.95
    assert stats.binomtest(covered, 400, 0.9).pvalue > 1e-3
