"""The binary format: what it keeps, what it refuses."""

import json
import struct
import zlib

import numpy as np
import pytest

from fraud_system.errors import CorruptFrame, LedgerError
from fraud_system.events import NEVER_US, Frame
from fraud_system.ledger import (
    MAX_FRAME_BYTES,
    decode_arrays,
    decode_frame,
    encode_arrays,
    encode_frame,
)

PREFIX = struct.Struct("<4sHHQII")
GOOD_HEADER = {
    "about": {"first_seq": 1, "last_seq": 2, "known_time_us": 9},
    "tables": {"tick": {"seq": ["<i8", [2]]}},
}
TWO_SEQS = np.array([1, 2]).tobytes()


def sealed(header, body=TWO_SEQS, *, magic=b"FRLG", version=1, header_bytes=None, align=8):
    """A record with a right checksum, whatever its header says."""
    text = (header if isinstance(header, bytes) else json.dumps(header).encode()).ljust(8)
    text += b" " * (-len(text) % align)
    size = PREFIX.size + len(text) + len(body)
    stated = len(text) if header_bytes is None else header_bytes
    start = PREFIX.pack(magic, version, 1, size, stated, 0)[:-4]
    checksum = zlib.crc32(body, zlib.crc32(text, zlib.crc32(start)))
    return start + struct.pack("<I", checksum) + text + body


def with_column(entry):
    return {"about": GOOD_HEADER["about"], "tables": {"tick": {"seq": entry}}}


def with_about(**changes):
    about = {**GOOD_HEADER["about"], **changes}
    return {"about": about, "tables": GOOD_HEADER["tables"]}


def every_dtype():
    return {
        "seq": np.array([1, 2]),
        "amount": np.array([-0.0, np.nan]),
        "entity_keys": np.array([[1, 2**64 - 1], [3, 4]], dtype=np.uint64),
        "features": np.array([[0.1, np.inf, 3], [4, 5, 6]], dtype=np.float32),
        "is_fraud": np.array([True, False]),
        "numeric": np.zeros((2, 0)),
        "source": np.array([0, 255], dtype=np.uint8),
        "transaction_id": np.array([b"a", b"longer"]),
    }


def test_every_type_comes_back_bit_for_bit():
    frame = Frame(1, 2, NEVER_US, {"transaction": every_dtype(), "tick": {"seq": np.zeros(0, int)}})
    back = decode_frame(encode_frame(frame))
    assert (back.first_seq, back.last_seq, back.known_time_us) == (1, 2, NEVER_US)
    assert sorted(back.tables) == ["tick", "transaction"]
    assert back.tables["tick"]["seq"].shape == (0,)
    for name, column in every_dtype().items():
        found = back.tables["transaction"][name]
        assert (found.dtype, found.shape) == (column.dtype, column.shape)
        assert found.tobytes() == column.tobytes()


def test_decoded_columns_are_aligned_read_only_views():
    data = encode_frame(Frame(1, 2, 0, {"transaction": every_dtype()}))
    stored = np.frombuffer(data, dtype=np.uint8)
    for column in decode_frame(data).tables["transaction"].values():
        assert not column.flags.writeable
        assert column.ctypes.data % 8 == 0
        assert column.size == 0 or np.shares_memory(column, stored)


def test_the_format_of_version_1_is_frozen():
    stored = (
        b"FRLG\x01\x00\x01\x00\x88\x00\x00\x00\x00\x00\x00\x00\x60\x00\x00\x00\xf4S;\x11"
        b'{"about":{"first_seq":1,"known_time_us":9,"last_seq":2},'
        b'"tables":{"tick":{"seq":["<i8",[2]]}}}  '
        b"\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00"
    )
    assert encode_frame(Frame(1, 2, 9, {"tick": {"seq": np.array([1, 2])}})) == stored
    assert decode_frame(stored).tables["tick"]["seq"].tolist() == [1, 2]


def test_the_forging_helper_can_make_a_good_record():
    assert decode_frame(sealed(GOOD_HEADER)).tables["tick"]["seq"].tolist() == [1, 2]


@pytest.mark.parametrize(
    "header",
    [
        with_column(["<i8", [3]]),
        with_column(["<i8", [1]]),
        with_column(["<i8", [-2]]),
        with_column(["<i8", [2.0]]),
        with_column(["<i8", [True]]),
        with_column(["<i8", [2**62, 8]]),
        with_column(["<i8", [0, 2**40]]),
        with_column(["<i8", [2, 1, 1, 1, 1]]),
        with_column(["<i8", 2]),
        with_column(["<i8"]),
        with_column(["|O", [2]]),
        with_column([">i8", [2]]),
        with_column(["|S0", [2]]),
        with_column(["<M8[us]", [2]]),
        with_column(["<i8,<i8", [1]]),
        with_column([["<i8"], [2]]),
        with_column("<i8"),
        with_column(["<i8", []]),
        with_about(first_seq=0),
        with_about(first_seq=3),
        with_about(last_seq=2**63),
        with_about(last_seq=2.0),
        with_about(first_seq=True),
        with_about(known_time_us=None),
        with_about(known_time_us=-(2**63) - 1),
        with_about(surplus=1),
        {"about": GOOD_HEADER["about"], "tables": {"tick": {"other": ["<i8", [2]]}}},
        {"about": GOOD_HEADER["about"], "tables": {"tick": {"seq": ["<i8", [2, 1]]}}},
        {"about": GOOD_HEADER["about"], "tables": {"t": {"seq": ["<i8", [1]], "x": ["|S4", [2]]}}},
        {"about": GOOD_HEADER["about"], "tables": [1]},
        {"about": GOOD_HEADER["about"], "tables": {"tick": ["seq"]}},
        {"about": [], "tables": {}},
        {"about": GOOD_HEADER["about"]},
        [],
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b"9" * 5_000,
    ],
    ids=lambda header: str(header)[:90],
)
def test_a_header_that_lies_is_refused_though_its_checksum_is_right(header):
    with pytest.raises(CorruptFrame):
        decode_frame(sealed(header))


@pytest.mark.parametrize("header_bytes", [0, 4, 2**32 - 8, 200])
def test_a_wrong_header_length_is_refused(header_bytes):
    with pytest.raises(CorruptFrame):
        decode_frame(sealed(GOOD_HEADER, header_bytes=header_bytes))


@pytest.mark.parametrize("version", [0, 2, 65_535])
def test_an_unknown_version_is_named(version):
    with pytest.raises(CorruptFrame, match=f"format version {version} is not among"):
        decode_frame(sealed(GOOD_HEADER, version=version))


def test_a_record_of_something_else_is_refused():
    with pytest.raises(CorruptFrame, match="no record of the kind"):
        decode_frame(sealed(GOOD_HEADER, magic=b"PAR1"))


def test_columns_that_would_not_be_aligned_are_refused():
    text = json.dumps(GOOD_HEADER).encode()
    text += b" " * (-len(text) % 8 + 4)
    with pytest.raises(CorruptFrame):
        decode_frame(sealed(text, align=1))


def test_frames_and_arrays_are_not_taken_for_each_other():
    frame, arrays = encode_frame(Frame(1, 1, 0, {})), encode_arrays({"w": np.zeros(1)})
    with pytest.raises(CorruptFrame, match="kind"):
        decode_arrays(frame)
    with pytest.raises(CorruptFrame, match="kind"):
        decode_frame(arrays)


def test_arrays_of_another_note_are_refused():
    data = encode_arrays({"w": np.zeros(1)}, note="engine@7")
    assert list(decode_arrays(data, note="engine@7")) == ["w"]
    with pytest.raises(CorruptFrame, match="engine@8"):
        decode_arrays(data, note="engine@8")


def test_arrays_keep_scalars_cubes_and_small_integers():
    arrays = {
        "scalar": np.array(3.5),
        "cube": np.arange(24, dtype=np.int16).reshape(2, 3, 4),
        "none": np.zeros((0, 4), dtype=np.uint32),
    }
    back = decode_arrays(encode_arrays(arrays))
    assert {name: (a.dtype, a.shape) for name, a in back.items()} == {
        name: (a.dtype, a.shape) for name, a in arrays.items()
    }
    assert all(np.array_equal(back[name], arrays[name]) for name in arrays)
    assert decode_arrays(encode_arrays({})) == {}


@pytest.mark.parametrize(
    "column",
    [
        np.array([object()]),
        np.array(["text"]),
        np.array(["2020-01-01"], dtype="datetime64[us]"),
        np.zeros(1, dtype=np.complex128),
        np.zeros(1, dtype=np.float16),
        np.zeros(1, dtype=[("a", int)]),
        [1],
    ],
    ids=lambda column: str(getattr(column, "dtype", "list")),
)
def test_what_cannot_be_stored_is_refused_by_name(column):
    with pytest.raises(LedgerError, match=r"label\.odd: only arrays"):
        encode_frame(Frame(1, 1, 0, {"label": {"seq": np.array([1]), "odd": column}}))


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        (Frame(0, 1, 0, {}), "at least one event"),
        (Frame(2, 1, 0, {}), "at least one event"),
        (Frame(1, 2**63, 0, {}), "at least one event"),
        (Frame(1, 1, 2**63, {}), "64 bits"),
        (Frame(1, 1, 0, {"label": {"row": np.array([1])}}), "no one-dimensional seq"),
        (Frame(1, 1, 0, {"label": {"seq": np.array([[1]])}}), "no one-dimensional seq"),
        (Frame(1, 1, 0, {"label": {"seq": np.array([1]), "x": np.zeros(2)}}), "length"),
        (Frame(1, 1, 0, {"label": {"seq": np.array([1]), "x": np.array(1.0)}}), "length"),
    ],
)
def test_what_is_no_frame_is_refused(frame, problem):
    with pytest.raises(LedgerError, match=problem):
        encode_frame(frame)


@pytest.mark.parametrize("shape", [(MAX_FRAME_BYTES,), (0, 2**40), (1, 1, 1, 1, 1)])
def test_what_is_too_large_is_refused_before_it_is_copied(shape):
    huge = np.broadcast_to(np.uint8(0), shape)
    with pytest.raises(LedgerError, match="larger than"):
        encode_arrays({"huge": huge})


def test_an_oversized_record_is_refused_unread():
    with pytest.raises(CorruptFrame, match="larger than"):
        decode_frame(bytes(MAX_FRAME_BYTES + 1))
