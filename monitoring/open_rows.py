"""What is kept of each transaction for as long as a label may still come."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fraud_system.errors import ArtefactError


class OpenRows:
    """Columns in a ring; transactions are numbered 0, 1, 2, ... (`ordinal`) from the ledger's start.

    Memory is bounded by the transactions that are not forgotten yet.

    Args:
        columns: names and types; a pair (type, width) is a column of rows.

    >>> rows = OpenRows({"seq": np.int64})
    >>> rows.append({"seq": np.array([10, 11])})
    >>> rows.column("seq", np.array([1]))
    array([11])
    """

    def __init__(self, columns: Mapping[str, DTypeLike | tuple[DTypeLike, int]]) -> None:
        self.head = self.tail = 0
        self._columns: dict[str, NDArray[Any]] = {}
        for name, kind in columns.items():
            dtype, shape = (kind[0], (1_024, kind[1])) if isinstance(kind, tuple) else (kind, 1_024)
            self._columns[name] = np.zeros(shape, dtype)

    def append(self, added: Mapping[str, NDArray[Any]]) -> None:
        """The next transactions."""
        count = len(next(iter(added.values())))
        self._make_room(self.tail - self.head + count)
        start = self.tail & (self._capacity - 1)
        room = min(count, self._capacity - start)
        for name, column in self._columns.items():
            column[start : start + room] = added[name][:room]
            column[: count - room] = added[name][room:]
        self.tail += count

    def column(self, name: str, ordinal: NDArray[np.int64]) -> NDArray[Any]:
        """(n, ...) of a column.

        Raises:
            ArtefactError: a transaction is not held (any more).
        """
        self.check(ordinal)
        picked: NDArray[Any] = self._columns[name][ordinal & (self._capacity - 1)]
        return picked

    def ring(self, name: str) -> NDArray[Any]:
        """A whole column by ring place (`ordinal & (its length - 1)`), for compiled code that walks it."""
        return self._columns[name]

    def check(self, ordinal: NDArray[np.int64]) -> None:
        """Raise `ArtefactError` unless all transactions are held: never another one's values."""
        if len(ordinal) and (ordinal.min() < self.head or ordinal.max() >= self.tail):
            raise ArtefactError(
                "a label is about a transaction that was not read, or not in its place",
                field="resolved.ordinal",
                fix="fold the ledger from the start, or from a snapshot, each frame once",
            )

    def held(self, name: str, from_ordinal: int = 0) -> NDArray[Any]:
        """A column of all transactions from an ordinal on, oldest first."""
        return self.column(name, np.arange(max(from_ordinal, self.head), self.tail))

    def forget(self, count: int) -> None:
        """Drop the oldest so many."""
        self.head = min(self.head + count, self.tail)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical copy, for a snapshot."""
        return {name: self.held(name) for name in self._columns} | {"head": np.array([self.head])}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""
        self.head = self.tail = int(arrays["head"][0])
        self.append({name: arrays[name] for name in self._columns})

    @property
    def _capacity(self) -> int:
        return len(next(iter(self._columns.values())))

    def _make_room(self, needed: int) -> None:
        if needed <= self._capacity:
            return
        capacity = 1 << (needed - 1).bit_length()
        ordinals = np.arange(self.head, self.tail)
        old, new = ordinals & (self._capacity - 1), ordinals & (capacity - 1)
        for name, column in self._columns.items():
            grown = np.zeros((capacity, *column.shape[1:]), column.dtype)
            grown[new] = column[old]
            self._columns[name] = grown
