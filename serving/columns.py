"""From what was sent to the columns that the engine takes.

Texts end here: an id becomes a key, and of the texts only the transaction's id goes on into the ledger.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any

import numpy as np
from msgspec import Struct

from fraud_system.events import Column, LabelsObserved, LabelSource, Transactions
from fraud_system.keys import key_of, label_keys
from fraud_system.limits import MAX_ID_BYTES
from fraud_system.schema import Schema
from serving.problems import Problem
from serving.wire import Label

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SOURCES = {source.name.lower(): int(source) for source in LabelSource}
# Cards and terminals come again and again; a hit costs a tenth of the hash.
cached_key = lru_cache(maxsize=1 << 16)(key_of)


class TransactionColumns:
    """Makes columns of transactions of one schema.

    Args:
        schema: whose type `wire.transaction_type` made.
    """

    def __init__(self, schema: Schema) -> None:
        self._sizes = len(schema.entities), len(schema.numeric), len(schema.categorical)
        names = ["transaction_id", "event_time", "amount"]
        for kind, size in zip(("entity", "numeric", "category"), self._sizes, strict=True):
            names += [f"{kind}_{position}" for position in range(size)]
        self._fields = attrgetter(*names)

    def columns(self, rows: Sequence[Struct], known_time_us: int) -> Transactions:
        """Columns of at least one transaction; all become known at the same time."""
        ids, times, amounts, *others = zip(*map(self._fields, rows), strict=True)
        entities, numbers, _ = self._sizes
        n = len(rows)
        return Transactions(
            transaction_id=np.array([each.encode() for each in ids]),
            transaction_key=np.fromiter(map(key_of, ids), np.uint64, n),
            event_time_us=np.fromiter(map(time_us, times), np.int64, n),
            known_time_us=np.full(n, known_time_us),
            amount=np.abs(np.array(amounts, np.float64)),  # -0.0 becomes 0.0
            entity_keys=_keys(others[:entities], n),
            numeric=_numbers(others[entities : entities + numbers], n),
            categories=_keys(others[entities + numbers :], n),
        )


class JsonRows:
    """Transactions that came as a JSON array.

    Args:
        rows: of the schema's type.
        maker: of columns.
    """

    def __init__(self, rows: Sequence[Struct], maker: TransactionColumns) -> None:
        self._rows = rows
        self._maker = maker

    def __len__(self) -> int:
        return len(self._rows)

    def columns(self, start: int, stop: int, known_time_us: int) -> Transactions:
        """Columns of the rows start..stop-1."""
        return self._maker.columns(self._rows[start:stop], known_time_us)


def check_ids(transaction_ids: Iterable[str], in_array: bool = True) -> None:
    """Raise a 422 unless all ids fit the ledger; the type bounds their characters, not their bytes."""
    for position, each in enumerate(transaction_ids):
        if len(each) > MAX_ID_BYTES // 4 and len(each.encode()) > MAX_ID_BYTES:
            raise Problem(
                422,
                f"longer than {MAX_ID_BYTES} bytes in UTF-8",
                field=f"[{position}].transaction_id" if in_array else "transaction_id",
                fix="send a shorter id, or a hash of it",
            )


def label_columns(rows: Sequence[Label], known_time_us: int) -> LabelsObserved:
    """Columns of at least one report; all become known at the same time."""
    n = len(rows)
    keys = np.fromiter((key_of(each.transaction_id) for each in rows), np.uint64, n)
    is_fraud = np.fromiter((each.is_fraud for each in rows), np.bool_, n)
    source = np.fromiter((_SOURCES[each.source] for each in rows), np.uint8, n)
    own = label_keys(keys, is_fraud, source)
    for position, each in enumerate(rows):
        if each.label_id is not None:
            own[position] = key_of(each.label_id)
    return LabelsObserved(
        transaction_id=np.array([each.transaction_id.encode() for each in rows]),
        transaction_key=keys,
        known_time_us=np.full(n, known_time_us),
        is_fraud=is_fraud,
        source=source,
        label_key=own,
    )


def time_us(time: datetime) -> int:
    """Microseconds since 1970.

    >>> time_us(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    return (time - EPOCH) // _MICROSECOND


def time_of(microseconds: int) -> datetime:
    """The moment that many microseconds after 1970."""
    return EPOCH + timedelta(microseconds=microseconds)


def _keys(columns: Sequence[Sequence[str | None]], rows: int) -> Column:
    """(rows, columns) uint64, 0 where missing."""
    keys = np.zeros((rows, len(columns)), np.uint64)
    for position, column in enumerate(columns):
        keys[:, position] = [0 if text is None else cached_key(text) for text in column]
    return keys


def _numbers(columns: Sequence[Sequence[Any]], rows: int) -> Column:
    """(rows, columns) float64, nan where missing."""
    numbers = np.empty((rows, len(columns)))
    for position, column in enumerate(columns):
        numbers[:, position] = np.array(column, np.float64)  # which makes nan of None
    return numbers
