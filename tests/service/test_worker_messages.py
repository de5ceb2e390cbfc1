"""Messages of workers: what goes in comes out, and anything else is refused by name."""

import asyncio
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud_system.ledger.codec import encode_arrays
from fraud_system.publication import ARRAYS, Publication
from serving.workers.messages import (
    MAX_HEADER_BYTES,
    MAX_PAYLOAD_BYTES,
    DamagedMessage,
    Heartbeat,
    Message,
    ModeProposed,
    SnapshotSaved,
    WeightsProposed,
    decode,
    encode,
    read_message,
)

DRAW = np.random.default_rng(1)
PUBLICATION = Publication(
    version=3,
    learned_through_seq=70,
    settings="f" * 64,
    mean=DRAW.normal(size=4),
    deviation=DRAW.normal(size=4),
    weight=DRAW.normal(size=9),
    intercept=np.array([np.nan]),
    recalibration=np.array([0.0, 1.0]),
    rates=np.array([0.1, -0.0]),
)
MESSAGES: list[Message] = [
    Heartbeat(read_through_seq=2**63 - 1, figures={"learned_labels": 0, "verweigert: ü": 9}),
    SnapshotSaved("engine", 12),
    ModeProposed("model", "heuristic", "calibration alarm: ünïcödé", "E = 12"),
    WeightsProposed(PUBLICATION),
]


def read_all(data: bytes) -> list[Message]:
    async def read() -> list[Message]:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        found = []
        while (message := await read_message(reader)) is not None:
            found.append(message)
        return found

    return asyncio.run(read())


def same(left: Message, right: Message) -> bool:
    """Bit for bit."""
    return encode(left) == encode(right) and type(left) is type(right)


def test_messages_come_out_as_they_went_in() -> None:
    found = read_all(b"".join(map(encode, MESSAGES)))
    assert all(map(same, found, MESSAGES))
    assert found[:3] == MESSAGES[:3]
    weights = found[3]
    assert isinstance(weights, WeightsProposed)
    for name in ARRAYS:
        left, right = getattr(weights.publication, name), getattr(PUBLICATION, name)
        assert left.tobytes() == right.tobytes()
        assert left.shape == right.shape
    assert (weights.publication.version, weights.publication.settings) == (3, "f" * 64)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_cut_anywhere_is_damaged(message: Message) -> None:
    data = encode(message)
    for length in range(1, len(data), max(1, len(data) // 60)):
        with pytest.raises(DamagedMessage):
            read_all(data[:length])


@given(st.sampled_from(MESSAGES), st.data())
def test_a_changed_byte_gives_a_message_or_an_error_of_ours(
    message: Message, data: st.DataObject
) -> None:
    changed = bytearray(encode(message))
    place = data.draw(st.integers(0, len(changed) - 1))
    changed[place] = data.draw(st.integers(0, 255))
    try:
        read_all(bytes(changed))
    except DamagedMessage:
        return


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_nothing_else_is_ever_raised(header: bytes, payload: bytes) -> None:
    with pytest.raises(DamagedMessage):
        decode(header, payload)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"null",
        b"{}",
        b'{"kind":"heartbeat"}',
        b'{"kind":"heartbeat","read_through_seq":-1}',
        b'{"kind":"heartbeat","read_through_seq":1.5}',
        b'{"kind":"heartbeat","read_through_seq":true}',
        b'{"kind":"heartbeat","read_through_seq":9223372036854775808}',
        b'{"kind":"heartbeat","read_through_seq":1,"figures":{"a":"b"}}',
        b'{"kind":"heartbeat","read_through_seq":1,"figures":{"' + b"a" * 65 + b'":1}}',
        b'{"kind":"snapshot_saved","name":"","seq":1}',
        b'{"kind":"mode","from_health":"model","to_health":"magic","reason":""}',
        b'{"kind":"mode","from_health":"model","to_health":"heuristic","reason":"'
        + b"x" * 201
        + b'"}',
        b'{"kind":"mode","from_health":"model","to_health":"heuristic","reason":"\\ud800"}',
        b'{"kind":"mode","from_health":"model","to_health":"heuristic","reason":"\xff"}',
        b'{"kind":"publication"}',
        b'{"kind":"unheard"}',
        b'{"kind":"heartbeat","figures":' + b'{"a":' * 3_000,
        b"[" * 16_000,
    ],
)
def test_a_header_that_says_nothing_is_refused(header: bytes) -> None:
    with pytest.raises(DamagedMessage):
        decode(header, b"")


def test_only_weights_have_a_payload() -> None:
    with pytest.raises(DamagedMessage, match="only weights"):
        decode(b'{"kind":"snapshot_saved","name":"engine","seq":1}', b"x")


@pytest.mark.parametrize(
    ("header_bytes", "payload_bytes"), [(MAX_HEADER_BYTES + 1, 0), (1, MAX_PAYLOAD_BYTES + 1)]
)
def test_a_length_beyond_the_bound_is_refused_before_it_is_read(
    header_bytes: int, payload_bytes: int
) -> None:
    with pytest.raises(DamagedMessage, match="are more than"):
        read_all(struct.pack("<4sII", b"FRMS", header_bytes, payload_bytes))


@pytest.mark.parametrize(
    ("column", "value", "field"),
    [
        ("version", np.array([1.0]), "version"),
        ("version", np.array([1, 2]), "version"),
        ("version", np.zeros((1, 1), np.int64), "version"),
        ("settings", np.array([b"x"]), "settings"),
        ("weight", np.zeros(9), "weight"),
        ("weight", np.zeros((2, 9)), "weight"),
        ("weight", np.zeros((1, 9), np.float32), "weight"),
        ("more", np.zeros(1), "more"),
        ("rates", None, "rates"),
    ],
)
def test_arrays_that_are_no_publication_are_refused(
    column: str, value: np.ndarray | None, field: str
) -> None:
    table = PUBLICATION.table(0)
    table.pop(column, None)
    if value is not None:
        table[column] = value
    with pytest.raises(DamagedMessage, match=f"payload: {field}"):
        decode(b'{"kind":"publication"}', encode_arrays(table, note="publication"))
    with pytest.raises(DamagedMessage, match="payload: note"):
        decode(b'{"kind":"publication"}', encode_arrays(table, note="snapshot"))
