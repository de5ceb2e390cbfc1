"""Keys of ids, and chance as a function of seed and key."""

import hashlib

import numpy as np
import pytest
from scipy import stats

from fraud_system.keys import key_of, keys_of, label_keys, mix, uniform
from fraud_system.limits import MAX_ID_BYTES

GAMMA = 0x9E3779B97F4A7C15
# The first outputs of the published splitmix64 with seed 1234567.
SPLITMIX = [
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
]


def test_mix_is_splitmix64():
    states = [(1_234_567 + step * GAMMA) % 2**64 for step in range(5)]
    assert [int(mix(np.uint64(state))) for state in states] == SPLITMIX


def test_mix_is_one_to_one_and_moves_every_bit():
    values = [0, *(2**bit for bit in range(64))]
    mixed = [int(mix(np.uint64(value))) for value in values]
    assert len(set(mixed)) == len(values)
    flipped = [bin(each ^ mixed[0]).count("1") for each in mixed[1:]]
    assert min(flipped) >= 16
    assert 30 < np.mean(flipped) < 34


@pytest.mark.parametrize("text", ["", "card-1", "Käthe", "名前", "x" * MAX_ID_BYTES])
def test_a_key_is_eight_bytes_of_blake2b(text):
    digest = hashlib.blake2b(text.encode("utf-8"), digest_size=8).digest()
    assert key_of(text) == int.from_bytes(digest, "little") > 0
    assert keys_of([text, text]).tolist() == [key_of(text)] * 2


def test_keys_of_nothing_is_an_empty_column():
    found = keys_of([])
    assert found.shape == (0,)
    assert found.dtype == np.uint64


def test_chance_depends_on_seed_and_key_alone():
    assert uniform(np.uint64(3), np.uint64(4)) == uniform(np.uint64(3), np.uint64(4))
    assert uniform(np.uint64(3), np.uint64(4)) != uniform(np.uint64(4), np.uint64(3))
    assert uniform(np.uint64(3), np.uint64(4)) != uniform(np.uint64(3), np.uint64(5))


@pytest.mark.parametrize("keys", [np.arange(20_000), np.arange(20_000) << 40], ids=["low", "high"])
def test_chance_is_uniform_and_seeds_are_unrelated(keys):
    first, second = (
        np.array([uniform(np.uint64(seed), key) for key in keys.astype(np.uint64)])
        for seed in (1, 2)
    )
    assert 0.0 <= first.min() < first.max() < 1.0
    for draws in (first, second, (first - second) % 1.0):
        assert stats.kstest(draws, "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(len(keys))
    assert abs(np.corrcoef(first[1:], first[:-1])[0, 1]) < 4 / np.sqrt(len(keys))


def test_a_label_without_an_id_is_known_by_what_it_says():
    about = np.repeat(keys_of(["a", "b", "c"]), 8)
    is_fraud = np.tile([False, True], 12)
    source = np.tile(np.repeat(np.arange(4, dtype=np.uint8), 2), 3)
    keys = label_keys(about, is_fraud, source)
    assert (keys.dtype, keys.shape) == (np.uint64, (24,))
    assert len({*keys.tolist(), *about.tolist(), 0}) == 24 + 3 + 1
    order = np.random.default_rng(0).permutation(24)
    assert np.array_equal(label_keys(about[order], is_fraud[order], source[order]), keys[order])
    # By hand, and so stored for ever: mix(key ^ mix(salt + 2 source + fraud)).
    for row in (0, 1, 13):
        said = 0x6C6162656C + 2 * int(source[row]) + int(is_fraud[row])
        by_hand = mix(about[row] ^ mix(np.uint64(said)))
        assert keys[row] == by_hand


def test_the_one_key_that_would_mix_to_zero_is_no_zero():
    def before(mixed):
        """The number that `mix` makes `mixed` of."""
        state = mixed
        for shift, factor in ((31, 0x94D049BB133111EB), (27, 0xBF58476D1CE4E5B9), (30, 1)):
            whole = state
            for _ in range(3):
                whole = state ^ (whole >> shift)
            state = whole * pow(factor, -1, 2**64) % 2**64
        return (state - GAMMA) % 2**64

    salt = int(mix(np.uint64(0x6C6162656C + 1)))
    unlucky = np.array([before(0) ^ salt], np.uint64)
    assert int(mix(np.uint64(before(0)))) == 0
    assert label_keys(unlucky, np.array([True]), np.zeros(1, np.uint8)).tolist() == [1]


@pytest.mark.parametrize("rows", [0, 3])
def test_columns_of_labels_must_be_of_one_length(rows):
    with pytest.raises(ValueError, match="broadcast"):
        label_keys(keys_of(["a", "b"]), np.ones(rows, bool), np.zeros(2, np.uint8))
