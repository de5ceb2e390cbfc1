"""The indexes of the durable ledger: what is stored in them, and what can be looked up.

Keys are uint64; SQLite's integers are signed, so they are stored as two's complement.
"""

import json
import sqlite3
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fraud_system.ledger.base import repeated_transaction
from fraud_system.ledger.places import LabelPlaces, PublicationPlaces, TransactionPlaces

TABLES = """
CREATE TABLE transaction_index (
    transaction_key INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL
) WITHOUT ROWID;
"""
TABLES_SINCE_VERSION_2 = """
CREATE TABLE label_index (
    label_key INTEGER PRIMARY KEY,
    transaction_key INTEGER NOT NULL,
    seq INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX label_index_by_transaction ON label_index (transaction_key, seq);
CREATE TABLE publication_index (
    version INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL
) WITHOUT ROWID;
"""

_STORE_TRANSACTION = """
INSERT INTO transaction_index VALUES (?, ?)
ON CONFLICT (transaction_key) DO UPDATE SET seq = excluded.seq WHERE seq < ?
"""
_STORE_LABEL = """
INSERT INTO label_index VALUES (?, ?, ?)
ON CONFLICT (label_key) DO UPDATE SET
    transaction_key = excluded.transaction_key, seq = excluded.seq WHERE seq < ?
"""
_REMOVE_TRANSACTION = "DELETE FROM transaction_index WHERE transaction_key = ? AND seq = ?"
_REMOVE_LABEL = "DELETE FROM label_index WHERE label_key = ? AND seq = ?"
_REMOVE_PUBLICATION = "DELETE FROM publication_index WHERE version = ? AND seq = ?"
_KNOWN_LABELS = """
SELECT label_key, seq FROM label_index WHERE label_key IN (SELECT value FROM json_each(?))
"""


def signed(key: int) -> int:
    """A uint64 key as SQLite stores it.

    >>> signed(2**64 - 1)
    -1
    """
    return int(np.uint64(key).view(np.int64))


def store_transactions(
    connection: sqlite3.Connection, places: TransactionPlaces, reusable_before_seq: int
) -> None:
    """Add transactions; raise LedgerError if one is there that may not come again."""
    if not len(places.key):
        return
    limit = [reusable_before_seq] * len(places.key)
    before = connection.total_changes
    connection.executemany(_STORE_TRANSACTION, zip(*_columns(*places), limit, strict=True))
    if connection.total_changes - before != len(limit):
        raise repeated_transaction()


def store_labels(
    connection: sqlite3.Connection, places: LabelPlaces, reusable_before_seq: int
) -> None:
    """Add labels; one that is there stays at its first place, unless it may come again."""
    if not len(places.key):
        return
    limit = [reusable_before_seq] * len(places.key)
    connection.executemany(_STORE_LABEL, zip(*_columns(*places), limit, strict=True))


def store_publications(connection: sqlite3.Connection, places: PublicationPlaces) -> None:
    """Add published weights; a version that is there stays at its first place."""
    if not len(places.seq):
        return
    rows = zip(*_columns(*places), strict=True)
    connection.executemany("INSERT OR IGNORE INTO publication_index VALUES (?, ?)", rows)


def remove(
    connection: sqlite3.Connection,
    transactions: TransactionPlaces,
    labels: LabelPlaces,
    publications: PublicationPlaces,
) -> None:
    """Take these places out, where nothing newer stands under the same key."""
    for statement, places in (
        (_REMOVE_TRANSACTION, (transactions.key, transactions.seq)),
        (_REMOVE_LABEL, (labels.key, labels.seq)),
        (_REMOVE_PUBLICATION, (publications.version, publications.seq)),
    ):
        connection.executemany(statement, zip(*_columns(*places), strict=True))


def transaction_seq(connection: sqlite3.Connection, transaction_key: int) -> int | None:
    """See `Ledger.seq_of`."""
    query = "SELECT seq FROM transaction_index WHERE transaction_key = ?"
    return _one(connection.execute(query, (signed(transaction_key),)).fetchall())


def label_seqs(connection: sqlite3.Connection, transaction_key: int) -> list[int]:
    """See `Ledger.label_seqs`."""
    query = "SELECT seq FROM label_index WHERE transaction_key = ? ORDER BY seq"
    return [seq for (seq,) in connection.execute(query, (signed(transaction_key),)).fetchall()]


def known_labels(connection: sqlite3.Connection, label_keys: Iterable[int]) -> dict[int, int]:
    """See `Ledger.known_labels`."""
    asked = json.dumps([signed(key) for key in label_keys])
    found = connection.execute(_KNOWN_LABELS, (asked,)).fetchall()
    return {key % 2**64: seq for key, seq in found}


def publication_seq(connection: sqlite3.Connection, version: int) -> int | None:
    """See `Ledger.publication_seq`."""
    query = "SELECT seq FROM publication_index WHERE version = ?"
    return _one(connection.execute(query, (version,)).fetchall())


def _columns(*columns: NDArray[np.uint64] | NDArray[np.int64]) -> list[list[int]]:
    return [column.view(np.int64).tolist() for column in columns]


def _one(rows: list[tuple[int]]) -> int | None:
    return rows[0][0] if rows else None
