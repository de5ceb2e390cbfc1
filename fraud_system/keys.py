"""Identities and chance as 64-bit numbers.

The core never handles text: an id becomes a 64-bit key where it enters (reader, HTTP), and every
random choice is a hash of a seed and a key, so that a replay makes the same choices.

With n ids the chance that any two collide is about n^2 / 2^65: 3e-8 for a million, 3e-2 for a billion.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.compiled import borrowing

# Mixed into the key of a label without an id of its own, so that it is no key of its transaction.
_LABEL_SALT = 0x6C6162656C


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


def label_keys(
    transaction_key: NDArray[np.uint64], is_fraud: NDArray[np.bool_], source: NDArray[np.uint8]
) -> NDArray[np.uint64]:
    """The keys of (m,) label messages whose sender gave them no id: what they say is who they are.

    So the same report sent twice has the same key. Never 0; two different messages collide as any two
    ids do.

    >>> about, said = keys_of(["a", "a", "b"]), np.array([True, False, True])
    >>> len(set(label_keys(about, said, np.zeros(3, np.uint8)).tolist()))
    3
    """
    keys = np.empty(len(transaction_key), np.uint64)
    # Of one kind each, and of one length: compiled code looks at neither.
    columns = (
        np.require(np.broadcast_to(column, keys.shape), dtype, ["C", "W"])
        for column, dtype in (
            (transaction_key, np.uint64),
            (is_fraud, np.bool_),
            (source, np.uint8),
        )
    )
    _derive_label_keys(*columns, keys)
    return keys


@borrowing
def _derive_label_keys(transaction_key: Any, is_fraud: Any, source: Any, keys: Any) -> None:
    for row in range(len(keys)):
        said = np.uint64(source[row]) * np.uint64(2) + np.uint64(is_fraud[row])
        mixed = mix(transaction_key[row] ^ mix(np.uint64(_LABEL_SALT) + said))
        keys[row] = mixed if mixed != 0 else np.uint64(1)
