"""What the learner keeps of each decision until no label can come any more."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.errors import ArtefactError
from fraud_system.events import Table

COLUMNS: dict[str, type[np.generic]] = {
    "known_us": np.int64,
    "seq": np.int64,
    "key": np.uint64,
    "probability": np.float64,
    "log_odds": np.float64,
    "propensity": np.float64,
}


class LoggedFeatures:
    """The decisions of the transactions within the label horizon, in a ring of rows.

    Transactions are numbered 0, 1, 2, ... (`ordinal`); ring place = ordinal & (capacity - 1).

    Args:
        width: features in a row.
        horizon_us: rows older than this are forgotten; no label can join them any more.
    """

    def __init__(self, width: int, horizon_us: int) -> None:
        self.horizon_us = horizon_us
        self.head = self.tail = 0
        self._columns: dict[str, NDArray[Any]] = {
            name: np.empty(1_024, kind) for name, kind in COLUMNS.items()
        } | {"rows": np.empty((1_024, width), np.float32)}

    def memory_bytes(self) -> int:
        """Of the ring."""
        return sum(column.nbytes for column in self._columns.values())

    def append(self, transactions: Table, decisions: Table) -> None:
        """The next transactions, in ledger order.

        The probability is the model's (whatever was served); where it gave none, the served one. A
        propensity that was not logged is 1; log odds that were not logged are nan.
        """
        model = decisions["probability_model"]
        self._append(
            {
                "rows": decisions["features"],
                "known_us": transactions["known_time_us"],
                "seq": transactions["seq"],
                "key": transactions["transaction_key"],
                "probability": np.where(np.isfinite(model), model, decisions["probability"]),
                "log_odds": decisions.get("log_odds", np.full(len(model), np.nan)),
                "propensity": decisions.get("propensity", np.ones(len(model))),
            }
        )

    def _append(self, added: dict[str, NDArray[Any]]) -> None:
        count = len(added["seq"])
        needed = self.tail - self.head + count
        if needed > self._capacity:
            self._grow(1 << int(np.ceil(np.log2(needed))))
        places = np.arange(self.tail, self.tail + count) & (self._capacity - 1)
        for name, column in self._columns.items():
            column[places] = added[name]
        self.tail += count

    def check(self, ordinal: NDArray[np.int64], seq: NDArray[np.int64]) -> None:
        """Raise `ArtefactError` unless the transactions with these ordinals had these seqs."""
        if (self.column("seq", ordinal) != seq).any():
            raise _out_of_place()

    def column(self, name: str, ordinal: NDArray[np.int64]) -> NDArray[Any]:
        """(n, ...) of a column: `rows` (features), `known_us`, `seq`, `key`, `probability`,
        `log_odds` or `propensity`.

        Raises:
            ArtefactError: a transaction is not held (any more): never another one's values.
        """
        if ((ordinal < self.head) | (ordinal >= self.tail)).any():
            raise _out_of_place()
        picked: NDArray[Any] = self._columns[name][ordinal & (self._capacity - 1)]
        return picked

    def ring(self, name: str) -> NDArray[Any]:
        """A whole column by ring place, for compiled code that walks it."""
        return self._columns[name]

    def forget_before(self, now_us: int, needed_from: int | None = None) -> None:
        """Drop what is beyond the horizon at `now_us`, and older than the ordinal `needed_from`."""
        limit_us, last = now_us - self.horizon_us, self._capacity - 1
        stop = self.tail if needed_from is None else needed_from
        known_us = self._columns["known_us"]
        while self.head < stop and known_us[self.head & last] < limit_us:
            self.head += 1

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical copy, for a snapshot."""
        places = np.arange(self.head, self.tail) & (self._capacity - 1)
        arrays = {name: column[places] for name, column in self._columns.items()}
        return arrays | {"head": np.array([self.head])}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""
        self.head = self.tail = int(arrays["head"][0])
        self._append(arrays)

    @property
    def _capacity(self) -> int:
        return len(self._columns["seq"])

    def _grow(self, capacity: int) -> None:
        ordinals = np.arange(self.head, self.tail)
        old, new = ordinals & (self._capacity - 1), ordinals & (capacity - 1)
        for name, column in self._columns.items():
            grown = np.empty((capacity, *column.shape[1:]), column.dtype)
            grown[new] = column[old]
            self._columns[name] = grown


def _out_of_place() -> ArtefactError:
    return ArtefactError(
        "a label is about a transaction that was not read, or not in its place",
        field="resolved.ordinal",
        fix="fold the ledger from the start, or from a snapshot, each frame once",
    )
