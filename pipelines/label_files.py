"""A file of labels becomes `events.LabelsObserved`, in the order of their observed time.

The second step of a job whose labels come in a file of their own. What cannot be used is set aside and
counted, as in `readers`:

    missing or unreadable id, label or time; unknown source; unknown transaction id: no transaction that
    was kept has it, so the label could never be joined
"""

from pathlib import Path

import numpy as np
import pyarrow as pa

from fraud_system.events import LabelsObserved, Transactions
from fraud_system.schema import Schema
from pipelines.column_values import coded, flags, keys_in, texts, times
from pipelines.readers import SOURCE_CODES, id_columns, refuse_bad, sieve_of, usable_ids
from pipelines.set_aside import SetAside, Sieve
from pipelines.table_files import read_table

LABEL_COLUMNS = ("transaction_id", "is_fraud", "source", "observed_time")


def read_labels(
    path: Path, schema: Schema, transactions: Transactions
) -> tuple[LabelsObserved, list[SetAside]]:
    """Read a file of labels with the columns `LABEL_COLUMNS`.

    A row with `is_fraud` = 0 takes back an earlier 1. `source` is one of `schema.SOURCES`.

    Returns:
        The labels of these transactions in the order of their observed time, and what was set aside.

    Raises:
        DataError: the file cannot be read, or lacks a column.
        TooManyBadRows: more than `limits.max_bad_share` of the rows set aside because of what they hold,
            or more than `limits.max_unknown_label_share` of the others because of whom they concern.
    """
    table = read_table(path, LABEL_COLUMNS)
    sieve = sieve_of(table)
    ids = usable_ids(sieve, "transaction_id")
    is_fraud = flags(table.columns["is_fraud"], "is_fraud")
    refuse_bad(sieve, "is_fraud", "label", is_fraud)
    codes, distinct = coded(texts(table.columns["source"], "source"))
    known_sources = [SOURCE_CODES.get(text.strip().lower(), -1) for text in distinct]
    source = np.array([*known_sources, -1], dtype=np.int64)[codes]
    sieve.refuse("unknown source", "source", source < 0)
    unit = schema.columns.time_unit
    observed = times(table.columns["observed_time"], "observed_time", unit)
    refuse_bad(sieve, "observed_time", "time", observed)
    sieve.check(table.rows, schema.limits.max_bad_share)
    unknown = _refuse_unknown(sieve, ids, transactions, schema)
    kept = np.flatnonzero(sieve.kept)
    order = kept[np.argsort(observed.values[kept], kind="stable")]
    labels = LabelsObserved.unnamed(
        **id_columns(ids, order),
        known_time_us=observed.values[order],
        is_fraud=is_fraud.values[order],
        source=source[order].astype(np.uint8),
    )
    return labels, [*sieve.set_aside, *unknown]


def _refuse_unknown(
    sieve: Sieve, ids: pa.ChunkedArray, transactions: Transactions, schema: Schema
) -> list[SetAside]:
    """Labels that no transaction waits for; they have a limit of their own."""
    left = Sieve(sieve.where, sieve.row, sieve.columns, sieve.starts)
    left.kept &= sieve.kept
    rows = int(left.kept.sum())
    known = np.isin(keys_in(ids), transactions.transaction_key)
    left.refuse("unknown transaction id", "transaction_id", ~known)
    left.check(rows, schema.limits.max_unknown_label_share, "max_unknown_label_share")
    sieve.kept &= left.kept
    return left.set_aside
