"""What a worker says to the scorer, as bytes on a pipe.

One message: a prefix of 12 bytes (magic, length of the header, length of the payload), a JSON header
whose `kind` says what it is, and, for weights, `codec.encode_arrays`. Both lengths are bounded, and
nothing is believed before it has been checked: whoever reads gets a message of these types or an error.
"""

import asyncio
import struct
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from fraud_system.errors import FraudSystemError
from fraud_system.events import Table
from fraud_system.ledger.codec import decode_arrays, encode_arrays
from fraud_system.publication import ARRAYS, Publication
from monitoring.view import MonitorView

MAX_HEADER_BYTES = 16 * 2**10
MAX_PAYLOAD_BYTES = 4 * 2**20  # half a million weights
MAX_REASON_CHARACTERS, MAX_EVIDENCE_CHARACTERS, MAX_PATH_CHARACTERS = 200, 2_000, 1_000

_MAGIC = b"FRMS"
_PREFIX = struct.Struct("<4sII")
_NOTE = "publication"

Seq = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
HealthName = Literal["model", "heuristic", "probation"]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class DamagedMessage(FraudSystemError):
    """What came through the pipe is no message; nothing that follows it can be read either."""


class Heartbeat(msgspec.Struct, tag_field="kind", tag="heartbeat", frozen=True, kw_only=True):
    """The worker lives.

    Args:
        read_through_seq: the last event of the ledger that it has read.
        figures: counts for the metrics, by name, such as `learned_labels`.
    """

    read_through_seq: Seq
    figures: dict[Name, Seq] = {}


class SnapshotSaved(msgspec.Struct, tag_field="kind", tag="snapshot_saved", frozen=True):
    """A snapshot of the fold `name` after event `seq` is on the disk."""

    name: Name
    seq: Seq


class SnapshotPassedOver(msgspec.Struct, tag_field="kind", tag="snapshot_passed_over", frozen=True):
    """The snapshot in the file `path` could not be used at the start of a worker; `why` is for a person."""

    path: Annotated[str, msgspec.Meta(max_length=MAX_PATH_CHARACTERS)]
    why: Annotated[str, msgspec.Meta(max_length=MAX_REASON_CHARACTERS)]


class ModeProposed(msgspec.Struct, tag_field="kind", tag="mode", frozen=True):
    """The switch between the model and plan B should change.

    Args:
        from_health: the state that the proposal is about; in any other it is void.
        to_health: the state that it should get.
        reason: why, for a person.
        evidence: what it rests on.
    """

    from_health: HealthName
    to_health: HealthName
    reason: Annotated[str, msgspec.Meta(max_length=MAX_REASON_CHARACTERS)]
    evidence: Annotated[str, msgspec.Meta(max_length=MAX_EVIDENCE_CHARACTERS)] = ""


@dataclass(frozen=True)
class WeightsProposed:
    """New weights. Whether they fit the settings is checked by `Engine.adopt`."""

    publication: Publication


@dataclass(frozen=True)
class MonitorSees:
    """What the monitors see now, for the page."""

    view: MonitorView


class _ViewFollows(msgspec.Struct, tag_field="kind", tag="monitor_sees", frozen=True):
    """The header of `MonitorSees`: the view is the payload, as JSON."""


class _Payload(msgspec.Struct, tag_field="kind", tag="publication", frozen=True):
    """The header of `WeightsProposed`: everything is in the arrays."""


Message = (
    Heartbeat | SnapshotSaved | SnapshotPassedOver | ModeProposed | MonitorSees | WeightsProposed
)
_HEADER = msgspec.json.Decoder(
    Heartbeat | SnapshotSaved | SnapshotPassedOver | ModeProposed | _Payload | _ViewFollows
)
_VIEW = msgspec.json.Decoder(MonitorView)


def encode(message: Message) -> bytes:
    """A message as bytes.

    >>> encode(SnapshotSaved("engine", 7))[12:]
    b'{"kind":"snapshot_saved","name":"engine","seq":7}'
    """
    payload = b""
    about: Any = message
    if isinstance(message, WeightsProposed):
        about = _Payload()
        payload = encode_arrays(message.publication.table(seq=0), note=_NOTE)
    elif isinstance(message, MonitorSees):
        about = _ViewFollows()
        payload = msgspec.json.encode(message.view)
    header = msgspec.json.encode(about)
    return _PREFIX.pack(_MAGIC, len(header), len(payload)) + header + payload


def decode(header: bytes, payload: bytes) -> Message:
    """The message of `encode`, from its two parts.

    Raises:
        DamagedMessage: anything is not as `encode` leaves it.
    """
    try:
        message = _HEADER.decode(header)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise DamagedMessage(f"no message of this release: {error}", field="header") from error
    if isinstance(message, _Payload):
        return WeightsProposed(_publication(payload))
    if isinstance(message, _ViewFollows):
        return MonitorSees(_view(payload))
    if payload:
        raise DamagedMessage("only weights and views have a payload", field="payload")
    return message


async def read_message(reader: asyncio.StreamReader) -> Message | None:
    """The next message; None where the stream ends between two.

    Raises:
        DamagedMessage: the stream ends within a message, or this is none.
    """
    try:
        prefix = await reader.readexactly(_PREFIX.size)
        magic, header_bytes, payload_bytes = _PREFIX.unpack(prefix)
        if magic != _MAGIC:
            raise DamagedMessage(f"no message begins with {magic!r}", field="prefix")
        if header_bytes > MAX_HEADER_BYTES or payload_bytes > MAX_PAYLOAD_BYTES:
            raise DamagedMessage(
                f"{header_bytes} + {payload_bytes} bytes are more than "
                f"{MAX_HEADER_BYTES} + {MAX_PAYLOAD_BYTES}",
                field="prefix",
            )
        header = await reader.readexactly(header_bytes)
        return decode(header, await reader.readexactly(payload_bytes))
    except asyncio.IncompleteReadError as error:
        if not error.partial and error.expected == _PREFIX.size:
            return None
        raise DamagedMessage("ends within a message", field="stream") from error


def _view(payload: bytes) -> MonitorView:
    try:
        return _VIEW.decode(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise DamagedMessage(f"no view of this release: {error}", field="payload") from error


def _publication(payload: bytes) -> Publication:
    try:
        table = decode_arrays(payload, note=_NOTE)
    except FraudSystemError as error:
        raise DamagedMessage(str(error), field="payload") from error
    for name, problem in _problems(table):
        raise DamagedMessage(problem, field=f"payload: {name}")
    return Publication.from_table(table)


def _problems(table: Table) -> list[tuple[str, str]]:
    """What keeps these arrays from being a publication: each column's type, and one row everywhere."""
    expected: dict[str, tuple[np.dtype[Any], int]] = {"settings": (np.dtype("S64"), 1)}
    expected |= {name: (np.dtype(np.float64), 2) for name in ARRAYS}
    for name in ("seq", "version", "learned_through_seq"):
        expected[name] = np.dtype(np.int64), 1
    if set(table) != set(expected):
        return [(", ".join(sorted(set(table) ^ set(expected))), "missing, or not known")]
    return [
        (name, f"{table[name].dtype} of shape {table[name].shape}")
        for name, (dtype, dimensions) in expected.items()
        if (table[name].dtype, table[name].ndim, *table[name].shape[:1]) != (dtype, dimensions, 1)
    ]
