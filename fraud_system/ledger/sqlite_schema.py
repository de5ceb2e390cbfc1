"""Tables of the durable ledger, by version, and the way from one version to the next.

    version 1   frames, the index of transactions, and snapshots in a table
    version 2   indexes of labels and publications too; snapshots are files beside the ledger

A writer brings an older file to this version when it opens it, in one transaction: a crash leaves the
file as it was. A reader cannot, and refuses it.
"""

import sqlite3
from pathlib import Path

from fraud_system.errors import LedgerError
from fraud_system.ledger.codec import decode_frame
from fraud_system.ledger.places import labels_in, publications_in
from fraud_system.ledger.sqlite_index import (
    TABLES,
    TABLES_SINCE_VERSION_2,
    store_labels,
    store_publications,
)

LEDGER_VERSION = 2

# Keys are hashes, so every insert lands on a random page of the index, and each page that a commit
# touches is written whole: the more transactions a commit holds, the more share a page. Measured at
# 8 x 1000 a commit up to 1.5 M: larger pages and rarer checkpoints give about one and a half times
# the throughput of SQLite's defaults. The price is a pause of some 30 ms at each checkpoint.
_PAGE_BYTES = 8192
_CHECKPOINT_PAGES = 8000
_CACHE_KIB = 64 * 1024

_CREATE = f"""
BEGIN IMMEDIATE;
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE frames (
    first_seq INTEGER PRIMARY KEY,
    last_seq INTEGER NOT NULL,
    known_time_us INTEGER NOT NULL,
    data BLOB NOT NULL
);
{TABLES}
{TABLES_SINCE_VERSION_2}
INSERT INTO meta VALUES ('ledger_version', {LEDGER_VERSION});
COMMIT;
"""


def prepare(connection: sqlite3.Connection, path: Path, read_only: bool) -> None:
    """Check whose file this is before anything in it is changed; make an empty one a ledger.

    Raises:
        LedgerError: it is no ledger, or one of a version that cannot be read here.
        CorruptFrame: an older one cannot be migrated, because a frame is damaged.
    """
    version = _version(connection, path)
    if version is None and read_only:
        raise LedgerError(f"{path} is empty", fix="start the server once: it makes the ledger")
    if version == 1 and read_only:
        raise LedgerError(
            f"{path} has version 1, this release reads {LEDGER_VERSION}",
            field="ledger_version",
            fix="start this release's server once: it migrates it (keep a copy for older releases)",
        )
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    if read_only:
        return
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")  # only an empty file obeys
    if connection.execute("PRAGMA journal_mode = WAL").fetchall() != [("wal",)]:
        raise LedgerError(f"{path} cannot have a write-ahead log", fix="use a local disk")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    if version is None:
        connection.executescript(_CREATE)
    elif version == 1:
        with connection:
            migrate_from_version_1(connection)


def _version(connection: sqlite3.Connection, path: Path) -> int | None:
    """Of a ledger that can be read or migrated; None for an empty file."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if not tables:
        return None
    rows = []
    if "meta" in tables:
        query = "SELECT value FROM meta WHERE name = 'ledger_version'"
        rows = connection.execute(query).fetchall()
    if rows not in ([(1,)], [(LEDGER_VERSION,)]):
        found = rows[0][0] if rows else "none"
        raise LedgerError(
            f"{path} has version {found}, this release reads {LEDGER_VERSION}",
            field="ledger_version",
            fix="give the path of a ledger, or use the release that wrote it",
        )
    return int(rows[0][0])


def migrate_from_version_1(connection: sqlite3.Connection) -> None:
    """Make a ledger of version 1 one of version 2, within a transaction that the caller ends."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in TABLES_SINCE_VERSION_2.split(";"):
        connection.execute(statement)  # `executescript` would commit
    # Its transactions are indexed already; its snapshots only saved time.
    for (record,) in connection.execute("SELECT data FROM frames ORDER BY first_seq"):
        frames = [decode_frame(record)]
        store_labels(connection, labels_in(frames), 0)
        store_publications(connection, publications_in(frames))
    connection.execute("UPDATE meta SET value = ? WHERE name = 'ledger_version'", (LEDGER_VERSION,))
