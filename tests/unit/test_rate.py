"""The token bucket: hand-worked cases, and the bound that it promises, by property."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.problems import Problem
from serving.rate import RateLimit


def let_in(limit: RateLimit, name: str, now_s: float, cost: int = 1) -> bool:
    try:
        limit.take(name, now_s, cost)
    except Problem:
        return False
    return True


def test_a_burst_and_then_the_rate() -> None:
    limit = RateLimit(rate_per_s=2.0, burst=3)
    assert [let_in(limit, "shop", 10.0) for _ in range(4)] == [True, True, True, False]
    assert [let_in(limit, "shop", 10.5) for _ in range(2)] == [True, False]
    assert [let_in(limit, "shop", 100.0) for _ in range(4)] == [True, True, True, False]


def test_each_name_has_its_own() -> None:
    limit = RateLimit(rate_per_s=1.0, burst=1)
    assert let_in(limit, "shop", 0.0)
    assert let_in(limit, "other", 0.0)
    assert not let_in(limit, "shop", 0.0)


def test_retry_after_is_when_it_is_let_in_again() -> None:
    limit = RateLimit(rate_per_s=0.25, burst=2)
    limit.take("shop", 0.0, cost=2)
    with pytest.raises(Problem) as caught:
        limit.take("shop", 1.0)
    assert (caught.value.status, caught.value.retry_after_s) == (429, 3)
    assert (b"retry-after", b"3") in caught.value.headers()
    assert not let_in(limit, "shop", 3.5)
    assert let_in(limit, "shop", 4.0)


def test_a_cost_above_the_burst_is_let_in_when_the_bucket_is_full_and_paid_off_later() -> None:
    limit = RateLimit(rate_per_s=1.0, burst=10)
    assert let_in(limit, "shop", 0.0, cost=100)
    assert not let_in(limit, "shop", 90.5)
    assert let_in(limit, "shop", 91.0)
    assert not let_in(limit, "shop", 99.0, cost=100)
    assert let_in(limit, "shop", 101.0, cost=100)


def test_off_by_default() -> None:
    limit = RateLimit(rate_per_s=0.0, burst=1)
    assert all(let_in(limit, "shop", 0.0) for _ in range(100))
    assert len(limit) == 0


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing() -> None:
    limit = RateLimit(rate_per_s=1.0, burst=1)
    assert let_in(limit, "shop", 100.0)
    assert not let_in(limit, "shop", 0.0)
    assert not let_in(limit, "shop", 100.5)
    assert let_in(limit, "shop", 101.0)


def test_memory_is_bounded_and_full_buckets_go_first() -> None:
    limit = RateLimit(rate_per_s=1.0, burst=2, max_buckets=3)
    limit.take("empty", 0.0, cost=2)
    limit.take("nearly full", 0.0)
    limit.take("half", 1.0, cost=2)
    limit.take("new", 1.5, cost=2)
    assert len(limit) == 3
    assert not let_in(limit, "empty", 1.5, cost=2)  # was kept
    for number in range(1_000):
        limit.take(f"key {number}", 1.5)
        assert len(limit) <= 3


@given(
    rate_per_s=st.floats(0.1, 100.0),
    burst=st.integers(1, 50),
    steps=st.lists(st.tuples(st.floats(0.0, 5.0), st.integers(1, 20)), max_size=60),
)
def test_in_no_span_more_is_let_in_than_burst_and_rate_allow(
    rate_per_s: float, burst: int, steps: list[tuple[float, int]]
) -> None:
    limit = RateLimit(rate_per_s, burst)
    now_s, taken = 0.0, 0
    for pause_s, cost in steps:
        now_s += pause_s
        cost = min(cost, burst)
        if let_in(limit, "shop", now_s, cost):
            taken += cost
        assert taken <= burst + rate_per_s * now_s + 1e-6
