"""A hash index in two arrays: uint64 key -> int64 value, open addressing with linear probing.

Arrays rather than a dict, because compiled code walks it and because a snapshot of it is two arrays.
Key 0 marks an empty place, so it is never stored: it means "unknown" throughout the system.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraud_system.compiled import borrowing
from fraud_system.keys import mix

MAX_LOAD = 0.5


class HashIndex(NamedTuple):
    """Keys and values, a power of two of places each; `size[0]` keys are stored."""

    keys: NDArray[np.uint64]
    values: NDArray[np.int64]
    size: NDArray[np.int64]


def empty_index(capacity: int = 1024) -> HashIndex:
    """An index with room for `capacity` keys.

    >>> index = empty_index(4)
    >>> put(index, np.uint64(7), 1)
    >>> get(index, np.uint64(7)), get(index, np.uint64(8))
    (1, -1)
    """
    places = 1 << max(3, int(np.ceil(np.log2(max(capacity, 1) / MAX_LOAD))))
    return HashIndex(np.zeros(places, np.uint64), np.zeros(places, np.int64), np.zeros(1, np.int64))


def with_room(index: HashIndex, extra: int) -> HashIndex:
    """The same index, or a larger copy in which `extra` more keys fit."""
    needed = int(index.size[0]) + extra
    if needed <= len(index.keys) * MAX_LOAD:
        return index
    larger = empty_index(max(needed, len(index.keys)))
    _copy(index, larger)
    return larger


@borrowing
def get(index: Any, key: Any) -> int:
    """The value of `key`, or -1."""
    mask = np.uint64(len(index.keys) - 1)
    place = np.uint64(key) & mask
    while index.keys[place] != 0:
        if index.keys[place] == key:
            return index.values[place]
        place = (place + np.uint64(1)) & mask
    return -1


@borrowing
def contains(keys: Any, key: Any) -> bool:
    """Whether `key` is among an index's `keys`; 0 never is."""
    mask = np.uint64(len(keys) - 1)
    place = np.uint64(key) & mask
    while keys[place] != 0:
        if keys[place] == key:
            return True
        place = (place + np.uint64(1)) & mask
    return False


@borrowing
def put(index: Any, key: Any, value: Any) -> None:
    """Store or replace; the caller has made room (`with_room`). Key 0 is not stored."""
    if key == 0:
        return
    mask = np.uint64(len(index.keys) - 1)
    place = np.uint64(key) & mask
    while index.keys[place] != 0 and index.keys[place] != key:
        place = (place + np.uint64(1)) & mask
    if index.keys[place] == 0:
        index.size[0] += 1
    index.keys[place] = key
    index.values[place] = value


@borrowing
def remove(index: Any, key: Any) -> None:
    """Forget `key` if it is there, closing the gap so that no tombstones gather (Knuth 6.4, R)."""
    if key == 0:
        return
    mask = np.uint64(len(index.keys) - 1)
    one = np.uint64(1)
    gap = np.uint64(key) & mask
    while index.keys[gap] != key:
        if index.keys[gap] == 0:
            return
        gap = (gap + one) & mask
    place = gap
    while True:
        place = (place + one) & mask
        if index.keys[place] == 0:
            break
        home = index.keys[place] & mask
        # Move back only what would not land before its own home.
        if ((place - home) & mask) >= ((place - gap) & mask):
            index.keys[gap] = index.keys[place]
            index.values[gap] = index.values[place]
            gap = place
    index.keys[gap] = 0
    index.size[0] -= 1


@borrowing
def mix_with(key: Any, salt: int) -> Any:
    """A key that depends on both and is never 0, so that kinds of entity can share one index."""
    mixed = mix(np.uint64(key) ^ mix(np.uint64(salt)))
    return mixed if mixed != 0 else np.uint64(1)


@borrowing
def clear(index: Any) -> None:
    """Forget every key."""
    index.keys[:] = 0
    index.size[0] = 0


@borrowing
def _copy(source: Any, target: Any) -> None:
    for place in range(len(source.keys)):
        if source.keys[place] != 0:
            put(target, source.keys[place], source.values[place])
