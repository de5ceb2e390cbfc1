"""A snapshot as records: arrays of any size, of which no record is larger than a frame may be.

    first record    how many follow, and `history`: what the ledger was like where the snapshot was made
    the others      one array each, or one piece of it, cut along its first dimension

Every record is sealed by `codec`, and its note says which snapshot it belongs to and where in it; so
what is read is whole, in order, and of one snapshot.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from fraud_system.errors import CorruptFrame, LedgerError
from fraud_system.events import Column
from fraud_system.ledger.codec import decode_arrays, encode_arrays

PIECE_BYTES = 64 * 2**20
MAX_SNAPSHOT_BYTES = 16 * 2**30


class Head(NamedTuple):
    """What the first record says.

    Args:
        records: how many follow.
        history: see `SnapshotFiles`.
    """

    records: int
    history: bytes


def encode_snapshot(
    label: str, arrays: Mapping[str, Column], history: bytes = b"", piece_bytes: int = PIECE_BYTES
) -> Iterator[bytes]:
    """The records of a snapshot, one after the other, so that no second copy of it is ever whole.

    Args:
        label: which snapshot this is, such as `engine@42`.
        arrays: as `codec.encode_arrays` takes them.
        history: see `SnapshotFiles`.
        piece_bytes: larger arrays are cut.

    Raises:
        LedgerError: an array cannot be encoded, or all of them exceed MAX_SNAPSHOT_BYTES.

    >>> decode_snapshot("engine@42", encode_snapshot("engine@42", {"weights": np.array([0.5])}))
    {'weights': array([0.5])}
    """
    pieces = [
        (name, piece) for name in sorted(arrays) for piece in _pieces(arrays[name], piece_bytes)
    ]
    if sum(np.asarray(piece).nbytes for _, piece in pieces) > MAX_SNAPSHOT_BYTES:
        raise LedgerError(f"larger than {MAX_SNAPSHOT_BYTES} bytes", field=label)
    head = {
        "records": np.array([len(pieces)]),
        "history": np.frombuffer(history, np.uint8),
    }
    yield encode_arrays(head, note=label)
    for number, (name, piece) in enumerate(pieces, start=1):
        yield encode_arrays({name: piece}, note=f"{label} {number}")


def decode_head(label: str, record: bytes) -> Head:
    """What the first record says.

    Raises:
        CorruptFrame: it is damaged, or of another snapshot.
    """
    found = decode_arrays(record, note=label)
    shapes = {name: (column.dtype.str, column.ndim) for name, column in found.items()}
    if shapes != {"history": ("|u1", 1), "records": ("<i8", 1)} or found["records"].shape != (1,):
        raise CorruptFrame("this is no beginning of a snapshot", field=label)
    return Head(int(found["records"][0]), found["history"].tobytes())


def decode_snapshot(label: str, records: Iterable[bytes]) -> dict[str, Column]:
    """The arrays of `encode_snapshot`, read-only, in the order of their names.

    Raises:
        CorruptFrame: anything is not as `encode_snapshot` leaves it.
    """
    remaining = iter(records)
    head = decode_head(label, next(remaining, b""))
    pieces: dict[str, list[Column]] = {}
    size = number = 0
    for number, record in enumerate(remaining, start=1):
        ((name, piece),) = _only(decode_arrays(record, note=f"{label} {number}"))
        pieces.setdefault(name, []).append(piece)
        if (size := size + piece.nbytes) > MAX_SNAPSHOT_BYTES:
            raise CorruptFrame(f"larger than {MAX_SNAPSHOT_BYTES} bytes", field=label)
    if number != head.records:
        raise CorruptFrame(f"has {number} records, not {head.records}", field=label)
    return {name: _whole(name, pieces[name]) for name in sorted(pieces)}


def _pieces(array: Column, piece_bytes: int) -> Iterator[Column]:
    if not isinstance(array, np.ndarray) or array.ndim == 0 or array.nbytes <= piece_bytes:
        yield array
        return
    rows = max(1, piece_bytes * len(array) // array.nbytes)
    for start in range(0, len(array), rows):
        yield array[start : start + rows]


def _only(arrays: dict[str, Column]) -> list[tuple[str, Column]]:
    if len(arrays) != 1:
        raise CorruptFrame(f"a record holds {len(arrays)} arrays, not one", field="snapshot")
    return list(arrays.items())


def _whole(name: str, pieces: list[Column]) -> Column:
    """The pieces one after the other; one alone is not copied."""
    first = pieces[0]
    if len(pieces) == 1:
        return first
    if any(p.ndim == 0 or (p.dtype, p.shape[1:]) != (first.dtype, first.shape[1:]) for p in pieces):
        raise CorruptFrame("the pieces of an array do not fit together", field=name)
    whole = np.concatenate(pieces)
    whole.flags.writeable = False
    return whole
