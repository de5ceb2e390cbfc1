"""What the indexes of a ledger hold: where the transactions, labels and publications of frames are.

A ledger knows nothing else of what events mean.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraud_system.errors import LedgerError
from fraud_system.events import Frame, Table
from fraud_system.keys import label_keys

Keys = NDArray[np.uint64]
Seqs = NDArray[np.int64]


class TransactionPlaces(NamedTuple):
    """(n,) keys and seqs."""

    key: Keys
    seq: Seqs


class LabelPlaces(NamedTuple):
    """(m,) keys, the keys of the transactions that they are about, and seqs."""

    key: Keys
    transaction_key: Keys
    seq: Seqs


class PublicationPlaces(NamedTuple):
    """(p,) versions and seqs."""

    version: Seqs
    seq: Seqs


def transactions_in(frames: Sequence[Frame]) -> TransactionPlaces:
    """Keys and seqs of the transactions in the frames, by key, then seq.

    Raises:
        LedgerError: the columns have other types, or a seq lies outside its frame.
    """
    parts = [TransactionPlaces(np.zeros(0, np.uint64), np.zeros(0, np.int64))]
    for frame, table in _tables(frames, "transaction"):
        key = _column("transaction", table, "transaction_key", np.uint64)
        parts.append(TransactionPlaces(key, _seqs(frame, "transaction", table)))
    return TransactionPlaces(*_in_key_order(parts))


def labels_in(frames: Sequence[Frame]) -> LabelPlaces:
    """The same of the labels; a key that was not recorded is derived (see `LabelsObserved.unnamed`)."""
    nothing = np.zeros(0, np.uint64)
    parts = [LabelPlaces(nothing, nothing, np.zeros(0, np.int64))]
    for frame, table in _tables(frames, "label"):
        about = _column("label", table, "transaction_key", np.uint64)
        if "label_key" in table:
            key = _column("label", table, "label_key", np.uint64)
        else:
            is_fraud = _column("label", table, "is_fraud", np.bool_)
            key = label_keys(about, is_fraud, _column("label", table, "source", np.uint8))
        parts.append(LabelPlaces(key, about, _seqs(frame, "label", table)))
    return LabelPlaces(*_in_key_order(parts))


def publications_in(frames: Sequence[Frame]) -> PublicationPlaces:
    """Versions and seqs of the published weights."""
    parts = [PublicationPlaces(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    for frame, table in _tables(frames, "published"):
        version = _column("published", table, "version", np.int64)
        parts.append(PublicationPlaces(version, _seqs(frame, "published", table)))
    return PublicationPlaces(*_in_key_order(parts))


def _tables(frames: Sequence[Frame], name: str) -> list[tuple[Frame, Table]]:
    return [(frame, frame.tables[name]) for frame in frames if name in frame.tables]


def _column(table_name: str, table: Table, name: str, dtype: Any) -> NDArray[Any]:
    column = table.get(name)
    if column is None or column.ndim != 1 or column.dtype != dtype:
        raise LedgerError(
            f"the index needs this column, one-dimensional, as {np.dtype(dtype).name}",
            field=f"{table_name}.{name}",
            fix="let the engine make the frames, and `keys` the keys",
        )
    return column


def _seqs(frame: Frame, table_name: str, table: Table) -> Seqs:
    seq = _column(table_name, table, "seq", np.int64)
    if len(seq) and not frame.first_seq <= seq.min() <= seq.max() <= frame.last_seq:
        raise LedgerError("a seq lies outside its frame", field=f"{table_name}.seq")
    return seq


def _in_key_order(parts: Sequence[tuple[NDArray[Any], ...]]) -> list[NDArray[Any]]:
    """The parts one after the other: by the first column as int64, then by the last, the seq.

    In key order neighbours share the pages of an index; and of equal keys the first comes first.
    """
    if len(parts) == 1:
        return list(parts[0])  # the empty one
    if len(parts) == 2:
        columns = list(parts[1])
    else:
        columns = [np.concatenate(column) for column in zip(*parts[1:], strict=True)]
    if len(columns[0]) == 1:
        return columns  # as mostly where traffic is thin
    order = np.lexsort((columns[-1], columns[0].view(np.int64)))
    return [column[order] for column in columns]
