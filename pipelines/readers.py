"""Files of transactions become the columns of `events`, in known-time order.

The first step of every job on real data. Rows that the service would refuse are set aside, counted and
shown (see `set_aside`); the job ends only when they are more than the schema allows. The order of the
rows in the file does not matter: they are sorted by known time, stably.

    set aside      no or too long an id; an amount that is missing, negative or no number; a time that is
                   missing or unreadable; too late; too far ahead; a category that the schema does not
                   list, where it lists any; an id seen before (in known-time order)
    kept, noted    no id of an entity (its key is 0: "unknown", an entity never seen); a number that
                   cannot be read (nan); a file that was not in time order; a blank label

Without a `known_time` column the known time is the event time, so nothing is ever late or ahead. Times
and numbers are read as `column_values` says. A whole file is held in memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fraud_system.errors import DataError
from fraud_system.events import (
    DAY_US,
    SECOND_US,
    Arrivals,
    LabelsObserved,
    LabelSource,
    Transactions,
    no_labels,
)
from fraud_system.keys import keys_of
from fraud_system.limits import MAX_ID_BYTES
from fraud_system.schema import SOURCES, Schema
from pipelines.column_values import (
    Parsed,
    coded,
    decimals,
    flags,
    keys_in,
    shared_texts,
    texts,
    times,
)
from pipelines.set_aside import Note, SetAside, Sieve
from pipelines.table_files import TableFile, read_table

CARD = "card"
SOURCE_CODES = {name: LabelSource[name.upper()] for name in SOURCES}

Index = NDArray[np.int64]


@dataclass(frozen=True)
class ReadTransactions:
    """What a file of transactions gave.

    Args:
        rows: in the file; `len(transactions)` plus the counts of `set_aside`.
        transactions: the kept rows, in known-time order.
        labels: frauds of the label column, known `labels.delay_s` after the transaction; None without
            a label column.
        set_aside: rows, by reason.
        labels_set_aside: labels of kept rows that could not be read, by reason.
        notes: about kept rows.
        card: (n,) text of the entity called "card" ("" where missing), to cluster by; None without one.
    """

    rows: int
    transactions: Transactions
    labels: LabelsObserved | None
    set_aside: list[SetAside]
    labels_set_aside: list[SetAside]
    notes: list[Note]
    card: NDArray[np.object_] | None


def read_transactions(path: Path, schema: Schema) -> ReadTransactions:
    """Read a file, or a folder of files, of transactions.

    Raises:
        DataError: the file cannot be read, has no rows, or lacks a column.
        TooManyBadRows: more than `limits.max_bad_share` of the rows, or of the labels, set aside.
    """
    names = schema.columns
    optional = [name for name in (names.known_time, names.label) if name is not None]
    wanted = [names.transaction_id, names.event_time, names.amount, *optional]
    wanted += [*schema.entities.values(), *schema.numeric, *schema.categorical]
    table = read_table(path, wanted)
    if table.rows == 0:
        raise DataError("has no rows", field=table.where, fix="give at least one transaction")
    sieve = sieve_of(table)
    ids = usable_ids(sieve, names.transaction_id)
    amount = _usable_amounts(sieve, names.amount)
    event_us, known_us = _usable_times(sieve, schema)
    categories = _usable_categories(sieve, schema)
    order = _in_order_once(sieve, names.transaction_id, ids, known_us)
    sieve.check(table.rows, schema.limits.max_bad_share)
    _note_disorder(sieve, names.known_time or names.event_time, known_us)
    entities = {n: texts(table.columns[c], c) for n, c in schema.entities.items()}
    for name, column in schema.entities.items():
        sieve.note(f"missing {name}", column, entities[name].is_null().to_numpy())
    transactions = Transactions(
        **id_columns(ids, order),
        event_time_us=event_us[order],
        known_time_us=known_us[order],
        amount=np.abs(amount[order]),  # -0.0 becomes 0.0
        entity_keys=_key_columns(list(entities.values()), order),
        numeric=_numeric_columns(sieve, schema.numeric)[order],
        categories=_key_columns(categories, order),
    )
    labels, labels_set_aside = _label_column(sieve, schema, transactions, order)
    card = shared_texts(entities[CARD])[order] if CARD in entities else None
    return ReadTransactions(
        table.rows, transactions, labels, sieve.set_aside, labels_set_aside, sieve.notes, card
    )


def arrivals(
    transactions: Transactions,
    labels: LabelsObserved | None,
    maturity_s: int,
    orphan_wait_s: int = 0,
) -> Arrivals:
    """One stream of both, with a tick a day after the last transaction until nothing is open.

    The last tick comes one microsecond after the last transaction has matured, and after the last label
    has waited `orphan_wait_s` for its transaction: both end only when *more* than that has passed.

    >>> from fraud_system.events import no_transactions
    >>> five = np.array([5])
    >>> orphan = LabelsObserved.unnamed(np.array([b"a"]), keys_of(["a"]), five, five > 0, five - 5)
    >>> arrivals(no_transactions(entities=0), orphan, maturity_s=1, orphan_wait_s=2).known_time_us
    array([      5, 2000006])
    """
    labels = no_labels() if labels is None else labels
    last_us = [int(table.known_time_us[-1]) for table in (transactions, labels) if len(table)]
    if not last_us:
        return Arrivals.merge(transactions, labels)
    end_us = 0
    if len(transactions):
        end_us = last_us[0] + maturity_s * SECOND_US + 1
    if len(labels):
        end_us = max(end_us, last_us[-1] + orphan_wait_s * SECOND_US + 1)
    daily_us = np.arange(last_us[0] + DAY_US, end_us, DAY_US, dtype=np.int64)
    return Arrivals.merge(transactions, labels, np.append(daily_us, end_us))


def sieve_of(table: TableFile) -> Sieve:
    """A sieve of the rows of a table; lines that are no rows are set aside already."""
    sieve = Sieve(table.where, table.row, table.columns, table.starts)
    sieve.set_aside.extend(table.malformed)
    return sieve


def refuse_bad(sieve: Sieve, column: str, what: str, parsed: Parsed) -> None:
    """Set aside what is missing or unreadable."""
    sieve.refuse(f"missing {what}", column, parsed.missing)
    sieve.refuse(f"unreadable {what}", column, parsed.unreadable)


def usable_ids(sieve: Sieve, column: str) -> pa.ChunkedArray:
    """The ids as texts; rows without a usable one are set aside."""
    ids = texts(sieve.columns[column], column)
    too_long = pc.greater(pc.binary_length(ids), MAX_ID_BYTES).fill_null(False).to_numpy()
    sieve.refuse("missing or unreadable id", column, ids.is_null().to_numpy())
    sieve.refuse(f"id longer than {MAX_ID_BYTES} bytes", column, too_long)
    return ids


def _usable_amounts(sieve: Sieve, column: str) -> NDArray[np.float64]:
    amount = decimals(sieve.columns[column], column)
    refuse_bad(sieve, column, "amount", amount)
    sieve.refuse("infinite amount", column, np.isinf(amount.values))
    sieve.refuse("negative amount", column, amount.values < 0)
    return amount.values


def _usable_times(sieve: Sieve, schema: Schema) -> tuple[Index, Index]:
    names, limits = schema.columns, schema.limits
    event = times(sieve.columns[names.event_time], names.event_time, names.time_unit)
    refuse_bad(sieve, names.event_time, "time", event)
    if names.known_time is None:
        return event.values, event.values
    known = times(sieve.columns[names.known_time], names.known_time, names.time_unit)
    refuse_bad(sieve, names.known_time, "time", known)
    late_us = known.values - event.values
    too_late = late_us > limits.max_lateness_s * SECOND_US
    too_far_ahead = -late_us > limits.max_ahead_s * SECOND_US
    sieve.refuse("too late", names.event_time, too_late)
    sieve.refuse("too far ahead", names.event_time, too_far_ahead)
    return event.values, known.values


def _usable_categories(sieve: Sieve, schema: Schema) -> list[pa.ChunkedArray]:
    found = []
    for column in schema.categorical:
        text = texts(sieve.columns[column], column)
        if column in schema.categories:
            expected = pa.array(schema.categories[column], pa.large_string())
            known = pc.is_in(text, expected).to_numpy() | text.is_null().to_numpy()
            sieve.refuse("unexpected category", column, ~known)
        found.append(text)
    return found


def _in_order_once(sieve: Sieve, column: str, ids: pa.ChunkedArray, known_us: Index) -> Index:
    """The rows to keep, by known time; of equal ids the one that was known first."""
    kept = np.flatnonzero(sieve.kept)
    order = kept[np.argsort(known_us[kept], kind="stable")]
    codes, _ = coded(ids.take(pa.array(order)))
    again = pd.Series(codes).duplicated().to_numpy()
    bad = np.zeros(len(known_us), dtype=bool)
    bad[order[again]] = True
    sieve.refuse("duplicate id", column, bad)
    return order[~again]


def _note_disorder(sieve: Sieve, column: str, known_us: Index) -> None:
    kept_us = np.where(sieve.kept, known_us, 0)
    earlier = kept_us < np.maximum.accumulate(kept_us)
    sieve.note("earlier than a row before it (sorted)", column, earlier)


def id_columns(ids: pa.ChunkedArray, order: Index) -> dict[str, NDArray[Any]]:
    """The two columns of ids that the tables of `events` have, for the rows in this order."""
    chosen: list[str] = ids.take(pa.array(order)).to_pylist()
    as_bytes = np.array([text.encode() for text in chosen], dtype=np.bytes_)
    return {"transaction_id": as_bytes, "transaction_key": keys_of(chosen)}


def _key_columns(columns: Sequence[pa.ChunkedArray], order: Index) -> NDArray[np.uint64]:
    keys = np.zeros((len(order), len(columns)), dtype=np.uint64)
    for place, text in enumerate(columns):
        keys[:, place] = keys_in(text)[order]
    return keys


def _numeric_columns(sieve: Sieve, names: Sequence[str]) -> NDArray[np.float64]:
    numeric = np.empty((len(sieve.row), len(names)))
    for place, name in enumerate(names):
        parsed = decimals(sieve.columns[name], name)
        finite = np.isfinite(parsed.values)
        sieve.note("unreadable number", name, ~finite & ~parsed.missing)
        numeric[:, place] = np.where(finite, parsed.values, np.nan)
    return numeric


def _label_column(
    sieve: Sieve, schema: Schema, transactions: Transactions, order: Index
) -> tuple[LabelsObserved | None, list[SetAside]]:
    """Frauds of the label column; a 0 is no message, only the passing of time says legitimate."""
    column, delay_s = schema.columns.label, schema.labels.delay_s
    if column is None or delay_s is None:
        return None, []
    label = flags(sieve.columns[column], column)
    sieve.note("blank label (no report)", column, label.missing)
    of_labels = Sieve(sieve.where, sieve.row, sieve.columns)
    of_labels.kept &= sieve.kept
    of_labels.refuse("unreadable label", column, label.unreadable)
    of_labels.check(len(order), schema.limits.max_bad_share)
    frauds = transactions.rows(np.flatnonzero(label.values[order]))
    labels = LabelsObserved.unnamed(
        transaction_id=frauds.transaction_id,
        transaction_key=frauds.transaction_key,
        known_time_us=frauds.known_time_us + delay_s * SECOND_US,
        is_fraud=np.ones(len(frauds), dtype=bool),
        source=np.full(len(frauds), SOURCE_CODES[schema.labels.source], dtype=np.uint8),
    )
    return labels, of_labels.set_aside
