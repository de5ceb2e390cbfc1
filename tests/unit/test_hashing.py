"""The hash index against a dict, where keys crowd, wrap around the end, and come and go."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud_system.hashing import (
    MAX_LOAD,
    clear,
    contains,
    empty_index,
    get,
    mix_with,
    put,
    remove,
    with_room,
)

PLACES = len(empty_index(4).keys)
# Homes at the end, at the start and in the middle of the smallest index, several keys for each: they
# crowd, wrap around, and are moved back over one another.
KEYS = [home + turn * PLACES for home in (PLACES - 1, 0, 1, PLACES // 2) for turn in (1, 2, 3)] + [
    2**64 - 1,
    2**63,
]
WORDS = st.sampled_from(["put", "put", "remove", "get"])
STEPS = st.lists(st.tuples(WORDS, st.sampled_from(KEYS), st.integers(0, 2**62)), max_size=60)


def stored(index):
    """What is in the index, found place by place."""
    places = np.flatnonzero(index.keys)
    return {int(index.keys[place]): int(index.values[place]) for place in places}


def assert_holds(index, expected):
    assert int(index.size[0]) == len(expected)
    assert stored(index) == expected
    for key in KEYS:
        assert get(index, np.uint64(key)) == expected.get(key, -1)
        assert contains(index.keys, np.uint64(key)) == (key in expected)


@given(STEPS)
def test_any_operations_do_what_a_dict_does(steps):
    index, expected = empty_index(4), {}
    for word, key, value in steps:
        if word == "put":
            index = with_room(index, 1)
            put(index, np.uint64(key), value)
            expected[key] = value
        elif word == "remove":
            remove(index, np.uint64(key))
            expected.pop(key, None)
        assert get(index, np.uint64(key)) == expected.get(key, -1)
    assert_holds(index, expected)
    assert len(index.keys) * MAX_LOAD >= len(expected)


@pytest.mark.parametrize("home", [0, 3, PLACES - 2, PLACES - 1])
def test_a_full_run_of_colliding_keys_closes_its_gaps(home):
    """Remove from a run at any place, in any order: what is left stays findable."""
    run = [home + turn * PLACES for turn in range(1, 5)]
    for first in run:
        for second in run:
            index = empty_index(4)
            assert len(index.keys) == PLACES
            for value, key in enumerate(run):
                put(index, np.uint64(key), value)
            remove(index, np.uint64(first))
            remove(index, np.uint64(second))
            left = {key: value for value, key in enumerate(run) if key not in (first, second)}
            assert stored(index) == left
            assert all(get(index, np.uint64(key)) == value for key, value in left.items())


def test_a_key_before_its_neighbours_home_stays_where_it_is():
    index = empty_index(4)
    for value, key in enumerate([PLACES + 1, PLACES + 2, 2 * PLACES + 1]):
        put(index, np.uint64(key), value)  # the last one is pushed behind the second
    remove(index, np.uint64(PLACES + 1))
    assert index.keys[1] == 2 * PLACES + 1
    assert index.keys[2] == PLACES + 2
    assert index.keys[3] == 0


def test_room_is_made_before_the_index_is_half_full_and_nothing_is_lost():
    index = empty_index(4)
    assert with_room(index, 4) is index
    for key in range(1, 5):
        put(index, np.uint64(key), key)
    assert with_room(index, 0) is index
    larger = with_room(index, 1)
    assert larger is not index
    assert len(larger.keys) == 2 * len(index.keys)
    assert stored(larger) == stored(index) == {key: key for key in range(1, 5)}
    much_larger = with_room(index, 10_000)
    assert len(much_larger.keys) * MAX_LOAD >= 10_004
    assert stored(much_larger) == stored(index)


@pytest.mark.parametrize("capacity", [0, 1, 4, 5, 1_000, 1_024, 1_025])
def test_an_index_has_the_room_that_was_asked_for(capacity):
    places = len(empty_index(capacity).keys)
    assert places * MAX_LOAD >= capacity
    assert places & (places - 1) == 0


def test_unknown_is_never_found_and_removing_nothing_changes_nothing():
    index = empty_index(4)
    put(index, np.uint64(PLACES), 7)
    put(index, np.uint64(0), 8)
    for key in (0, 5, 2 * PLACES):
        remove(index, np.uint64(key))
        assert get(index, np.uint64(key)) == -1
        assert not contains(index.keys, np.uint64(key))
    assert stored(index) == {PLACES: 7}
    assert int(index.size[0]) == 1


def test_clear_forgets_everything():
    index = empty_index(4)
    put(index, np.uint64(9), 1)
    clear(index)
    assert stored(index) == {}
    assert int(index.size[0]) == 0
    assert get(index, np.uint64(9)) == -1


def test_kinds_of_entity_share_an_index_without_meeting():
    keys = np.arange(1, 2_001, dtype=np.uint64)
    mixed = {int(mix_with(key, salt)) for key in keys for salt in range(3)}
    assert len(mixed) == 3 * len(keys)
    assert 0 not in mixed
