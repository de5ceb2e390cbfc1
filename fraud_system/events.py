"""What the ledger records, as columns.

A micro-batch is a few arrays of equal length, never a list of objects: one HTTP request is a batch of
one, a replay is batches of thousands, and both take the same path.

Inputs are `Transactions`, `LabelsObserved` and ticks; `Arrivals` is one ordered micro-batch of them.
The engine answers with a `Frame`: the inputs it accepted, its `decision` columns, and the
`resolved`, `published` and `mode` events that it placed between them. Every event has a `seq`, and the
seqs depend on the events alone, never on how they were cut into frames.

Times are int64 microseconds since 1970 (UTC). `event_time_us` is the sender's clock; `known_time_us` is
when the engine (offline: the reader) came to know, and never decreases.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fraud_system.keys import label_keys

Column = NDArray[Any]
Table = dict[str, Column]

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
NEVER_US = np.iinfo(np.int64).min


class Kind(IntEnum):
    """What one input row is."""

    TRANSACTION = 0
    LABEL = 1
    TICK = 2


class LabelSource(IntEnum):
    """Who said so. `MATURITY` is nobody: no report came in time."""

    CHARGEBACK = 0
    REVIEW = 1
    USER_REPORT = 2
    MATURITY = 3


class Resolution(IntEnum):
    """What the joiner made of a label (see `labels`)."""

    MATURED = 0
    FRAUD = 1
    REVERSED = 2
    LATE_FRAUD = 3


class Action(IntEnum):
    """What is done with a transaction."""

    APPROVE = 0
    REVIEW = 1
    DECLINE = 2


class Scorer(IntEnum):
    """Who gave the probability that was served."""

    MODEL = 0
    HEURISTIC = 1


class Health(IntEnum):
    """The state of the switch between the model and plan B. Only in MODEL does the model answer.

    HEURISTIC: something is wrong with the model. PROBATION: the cause is over, and the model has to prove
    itself in the shadow. FORCED: somebody wants plan B, until somebody releases it.
    """

    MODEL = 0
    HEURISTIC = 1
    PROBATION = 2
    FORCED = 3


@dataclass(frozen=True, slots=True)
class Columns:
    """Equal-length columns that can be cut, joined and stored together."""

    def __len__(self) -> int:
        return len(getattr(self, next(iter(self.__dataclass_fields__))))

    def rows(self, index: slice | Column) -> Self:
        """The chosen rows, in the order given."""
        return type(self)(**{name: column[index] for name, column in self.table().items()})

    def table(self) -> Table:
        """The columns by name."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """One after the other."""
        return cls(
            **{
                n: np.concatenate([getattr(part, n) for part in parts])
                for n in cls.__dataclass_fields__
            }
        )


@dataclass(frozen=True, slots=True)
class Transactions(Columns):
    """n attempts to pay, in known-time order.

    Args:
        transaction_id: (n,) bytes, UTF-8, at most `limits.MAX_ID_BYTES`.
        transaction_key: (n,) uint64, `keys.key_of` the id.
        event_time_us: (n,) int64, sender's clock.
        known_time_us: (n,) int64, never decreasing.
        amount: (n,) float64, in major currency units, not negative.
        entity_keys: (n, entities) uint64, in the order of the schema's `[entities]`.
        numeric: (n, numeric columns) float64, nan where missing.
        categories: (n, categorical columns) uint64 keys, 0 where missing.
    """

    transaction_id: Column
    transaction_key: Column
    event_time_us: Column
    known_time_us: Column
    amount: Column
    entity_keys: Column
    numeric: Column
    categories: Column


@dataclass(frozen=True, slots=True)
class LabelsObserved(Columns):
    """m messages about transactions: fraud, or the reversal of an earlier fraud.

    Args:
        transaction_id: (m,) bytes.
        transaction_key: (m,) uint64.
        known_time_us: (m,) int64, when the message arrived; never decreasing.
        is_fraud: (m,) bool; False takes an earlier True back.
        source: (m,) uint8, a `LabelSource`.
        label_key: (m,) uint64, `keys.key_of` the message's own id; see `unnamed` where it has none.
    """

    transaction_id: Column
    transaction_key: Column
    known_time_us: Column
    is_fraud: Column
    source: Column
    label_key: Column

    @classmethod
    def unnamed(
        cls,
        transaction_id: Column,
        transaction_key: Column,
        known_time_us: Column,
        is_fraud: Column,
        source: Column,
    ) -> Self:
        """Messages that have no id of their own: their keys are `keys.label_keys`."""
        keys = label_keys(transaction_key, is_fraud, source)
        return cls(transaction_id, transaction_key, known_time_us, is_fraud, source, keys)


@dataclass(frozen=True, slots=True)
class Arrivals:
    """One ordered micro-batch of inputs.

    Args:
        kind: (k,) uint8, a `Kind` for each input in order.
        row: (k,) int64, which row of the table of that kind.
        transactions, labels: the tables.
        tick_us: (ticks,) int64 known times of ticks of time without traffic.
    """

    kind: Column
    row: Column
    transactions: Transactions
    labels: LabelsObserved
    tick_us: Column

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def known_time_us(self) -> Column:
        """(k,) int64: when each input was known."""
        known = np.empty(len(self), dtype=np.int64)
        columns = (self.transactions.known_time_us, self.labels.known_time_us, self.tick_us)
        for kind, column in zip(Kind, columns, strict=True):
            if len(column):
                mask = self.kind == kind
                known[mask] = column[self.row[mask]]
        return known

    def rows(self, start: int, stop: int) -> "Arrivals":
        """Inputs start..stop-1, with tables of their own."""
        kind, row = self.kind[start:stop], self.row[start:stop]
        local = np.empty(len(row), dtype=np.int64)
        picked = []
        for each in Kind:
            mask = kind == each
            picked.append(row[mask])
            local[mask] = np.arange(len(picked[-1]))
        return Arrivals(
            kind,
            local,
            self.transactions.rows(picked[Kind.TRANSACTION]),
            self.labels.rows(picked[Kind.LABEL]),
            self.tick_us[picked[Kind.TICK]],
        )

    def batches(self, size: int) -> Iterator["Arrivals"]:
        """The same inputs in micro-batches of at most `size`."""
        for start in range(0, len(self), size):
            yield self.rows(start, min(start + size, len(self)))

    @classmethod
    def merge(
        cls, transactions: Transactions, labels: LabelsObserved, tick_us: Column | None = None
    ) -> Self:
        """One stream in known-time order.

        At the same microsecond labels come first, then transactions, then ticks: a report that arrives
        at the very moment of maturity still counts.

        >>> nothing = no_transactions(entities=0)
        >>> Arrivals.merge(nothing, no_labels(), np.array([5, 9])).known_time_us
        array([5, 9])
        """
        ticks = np.zeros(0, dtype=np.int64) if tick_us is None else np.asarray(tick_us, np.int64)
        sizes = (len(transactions), len(labels), len(ticks))
        known = np.concatenate([transactions.known_time_us, labels.known_time_us, ticks])
        kind = np.repeat(np.array(list(Kind), dtype=np.uint8), sizes)
        row = np.concatenate([np.arange(size, dtype=np.int64) for size in sizes])
        rank = np.array([1, 0, 2], dtype=np.int8)[kind]
        order = np.lexsort((row, rank, known))
        return cls(kind[order], row[order], transactions, labels, ticks)


@dataclass(frozen=True, slots=True)
class Frame:
    """One record of the ledger: the events `first_seq`..`last_seq`, as tables of columns.

    Args:
        first_seq, last_seq: inclusive; seqs of consecutive frames touch.
        known_time_us: of the last event.
        tables: by name (`transaction`, `decision`, `label`, `tick`, `resolved`, `published`, `champion`,
            `mode`, `latency`, `dead_letter`); absent where empty. Each has a `seq` column.
    """

    first_seq: int
    last_seq: int
    known_time_us: int
    tables: dict[str, Table]


def no_transactions(entities: int, numeric: int = 0, categorical: int = 0) -> Transactions:
    """An empty table of transactions with the given numbers of columns."""
    return Transactions(
        transaction_id=np.zeros(0, dtype="S1"),
        transaction_key=np.zeros(0, dtype=np.uint64),
        event_time_us=np.zeros(0, dtype=np.int64),
        known_time_us=np.zeros(0, dtype=np.int64),
        amount=np.zeros(0),
        entity_keys=np.zeros((0, entities), dtype=np.uint64),
        numeric=np.zeros((0, numeric)),
        categories=np.zeros((0, categorical), dtype=np.uint64),
    )


def no_labels() -> LabelsObserved:
    """An empty table of labels."""
    return LabelsObserved.unnamed(
        transaction_id=np.zeros(0, dtype="S1"),
        transaction_key=np.zeros(0, dtype=np.uint64),
        known_time_us=np.zeros(0, dtype=np.int64),
        is_fraud=np.zeros(0, dtype=bool),
        source=np.zeros(0, dtype=np.uint8),
    )
