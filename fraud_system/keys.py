"""Identities and chance as 64-bit numbers.

The core never handles text: an id becomes a 64-bit key where it enters (reader, HTTP), and every
random choice is a hash of a seed and a key, so that a replay makes the same choices.

With n ids the chance that any two collide is about n^2 / 2^65: 3e-8 for a million, 3e-2 for a billion.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fraud_system.compiled import borrowing

MAX_ID_BYTES = 64


def key_of(text: str) -> int:
    """The key of one id (BLAKE2b, 8 bytes, little endian); never 0, which stands for unknown.

    >>> key_of("card-1") == key_of("card-1"), key_of("card-1") == key_of("card-2")
    (True, False)
    """
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") or 1


def keys_of(texts: Iterable[str]) -> NDArray[np.uint64]:
    """The keys of many ids.

    >>> keys_of(["a", "b"]).shape
    (2,)
    """
    return np.fromiter((key_of(text) for text in texts), dtype=np.uint64)


@borrowing
def mix(value: np.uint64) -> np.uint64:
    """Finaliser of splitmix64 (Steele, Lea and Flood 2014): every input bit moves every output bit."""
    value = np.uint64(value) + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@borrowing
def uniform(seed: np.uint64, key: np.uint64) -> float:
    """A number in [0, 1) that depends on nothing but `seed` and `key`.

    >>> 0.0 <= uniform(np.uint64(1), np.uint64(2)) < 1.0
    True
    """
    return np.float64(mix(mix(np.uint64(seed)) ^ np.uint64(key)) >> np.uint64(11)) * 2.0**-53
