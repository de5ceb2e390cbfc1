"""The codec under random frames and random damage: the same frame, or CorruptFrame."""

import json
import struct
import zlib

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_system.errors import CorruptFrame
from fraud_system.events import Frame
from fraud_system.ledger import decode_arrays, decode_frame, encode_arrays, encode_frame

DTYPES = st.sampled_from(["<i8", "<u8", "|u1", "|b1", "<f4", "<f8", "|S1", "|S7", "|S64"])
NAMES = st.text(max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
A_FRAME = Frame(
    5,
    6,
    7,
    {
        "label": {"seq": np.array([6]), "source": np.array([2], dtype=np.uint8)},
        "transaction": {"seq": np.array([5]), "features": np.ones((1, 3), dtype=np.float32)},
    },
)
RECORD = encode_frame(A_FRAME)


@st.composite
def tables(draw):
    rows = draw(st.integers(0, 5))
    shapes = st.just((rows,)) | st.tuples(st.just(rows), st.integers(0, 4))
    column = DTYPES.flatmap(lambda dtype: shapes.flatmap(lambda shape: hnp.arrays(dtype, shape)))
    return {**draw(st.dictionaries(NAMES, column, max_size=5)), "seq": np.arange(rows)}


@st.composite
def frames(draw):
    first = draw(st.integers(1, 2**62))
    known = draw(st.integers(-(2**63), 2**63 - 1))
    content = draw(st.dictionaries(NAMES, tables(), max_size=4))
    return Frame(first, first + draw(st.integers(0, 2**61)), known, content)


def same_bits(one, other):
    assert (one.first_seq, one.last_seq, one.known_time_us) == (
        other.first_seq,
        other.last_seq,
        other.known_time_us,
    )
    assert set(one.tables) == set(other.tables)
    for name, table in one.tables.items():
        assert set(table) == set(other.tables[name])
        for column_name, column in table.items():
            found = other.tables[name][column_name]
            assert (found.dtype, found.shape) == (column.dtype, column.shape)
            assert found.tobytes() == column.tobytes()


@settings(deadline=None)
@given(frames())
def test_decoding_gives_the_frame_back(frame):
    data = encode_frame(frame)
    back = decode_frame(data)
    same_bits(back, frame)
    assert encode_frame(back) == data
    assert len(data) % 8 == 0


def unlike_in_memory(column):
    """The same values, strided, Fortran-ordered and big-endian."""
    spread = np.zeros(tuple(2 * n for n in column.shape), dtype=column.dtype, order="F")
    view = spread[tuple(slice(None, None, 2) for _ in column.shape)]
    view[...] = column
    return view.astype(column.dtype.newbyteorder(">"), order="F")


@settings(deadline=None)
@given(frames())
def test_equal_frames_give_equal_bytes(frame):
    shuffled = {
        name: {key: unlike_in_memory(table[key]) for key in reversed(table)}
        for name, table in reversed(frame.tables.items())
    }
    other = Frame(frame.first_seq, frame.last_seq, frame.known_time_us, shuffled)
    assert encode_frame(other) == encode_frame(frame)


@settings(deadline=None)
@given(
    st.dictionaries(NAMES, DTYPES.flatmap(lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0))))
)
def test_arrays_come_back(arrays):
    back = decode_arrays(encode_arrays(arrays, note="n"), note="n")
    assert set(back) == set(arrays)
    for name, array in arrays.items():
        assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape)
        assert back[name].tobytes() == array.tobytes()


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_are_corrupt(data):
    with pytest.raises(CorruptFrame):
        decode_frame(data)
    with pytest.raises(CorruptFrame):
        decode_arrays(data)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_behind_a_good_beginning_are_corrupt(data):
    with pytest.raises(CorruptFrame):
        decode_frame(RECORD[:8] + data)


@pytest.mark.parametrize("bit", range(8))
def test_every_single_flipped_bit_is_noticed(bit):
    for place in range(len(RECORD)):
        damaged = bytearray(RECORD)
        damaged[place] ^= 1 << bit
        with pytest.raises(CorruptFrame):
            decode_frame(bytes(damaged))


@settings(deadline=None)
@given(st.lists(st.integers(0, 8 * len(RECORD) - 1), min_size=1, max_size=40, unique=True))
def test_many_flipped_bits_are_noticed(bits):
    damaged = bytearray(RECORD)
    for bit in bits:
        damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CorruptFrame):
        decode_frame(bytes(damaged))


def test_every_truncation_is_noticed():
    for length in range(len(RECORD)):
        with pytest.raises(CorruptFrame):
            decode_frame(RECORD[:length])


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=64))
def test_anything_behind_the_record_is_noticed(surplus):
    with pytest.raises(CorruptFrame):
        decode_frame(RECORD + surplus)


def places(value, path=()):
    """The path to every value inside a JSON document."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def replaced(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(copy[path[0]], path[1:], new)
    return copy


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_forged_header_gives_a_frame_or_corrupt_frame(data):
    prefix = struct.Struct("<4sHHQII")
    magic, version, kind, _, header_bytes, _ = prefix.unpack_from(RECORD)
    header = json.loads(RECORD[prefix.size : prefix.size + header_bytes])
    path = data.draw(st.sampled_from(list(places(header))))
    text = json.dumps(replaced(header, path, data.draw(JSON))).encode()
    text += b" " * (-len(text) % 8)
    rest = text + RECORD[prefix.size + header_bytes :]
    start = prefix.pack(magic, version, kind, prefix.size + len(rest), len(text), 0)[:-4]
    checksum = zlib.crc32(rest, zlib.crc32(start))
    try:
        frame = decode_frame(start + struct.pack("<I", checksum) + rest)
    except CorruptFrame:
        return
    same_bits(decode_frame(encode_frame(frame)), frame)
