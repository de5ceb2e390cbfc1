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
        for column, rows in self._spans(self.tail, count, self._capacity):
            for name, values in self._columns.items():
                values[column] = added[name][rows]
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

    def check(self, ordinal: NDArray[np.int64], start: int = 0, stop: int | None = None) -> None:
        """Raise `ArtefactError` unless these transactions are held: never another one's values."""
        asked = ordinal[start:stop]
        if len(asked) and (asked.min() < self.head or asked.max() >= self.tail):
            raise ArtefactError(
                "a label is about a transaction that was not read, or not in its place",
                field="resolved.ordinal",
                fix="fold the ledger from the start, or from a snapshot, each frame once",
            )

    def held(self, name: str) -> NDArray[Any]:
        """A copy of a column of all transactions that are held, oldest first."""
        column = self._columns[name]
        spans = self._spans(self.head, self.tail - self.head, len(column))
        return np.concatenate([column[place] for place, _ in spans])

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
        held = {name: self.held(name) for name in self._columns}
        self._columns = {
            name: np.zeros((capacity, *column.shape[1:]), column.dtype)
            for name, column in held.items()
        }
        for column, rows in self._spans(self.head, self.tail - self.head, capacity):
            for name, values in self._columns.items():
                values[column] = held[name][rows]

    @staticmethod
    def _spans(first: int, count: int, capacity: int) -> list[tuple[slice, slice]]:
        """Where `count` rows from an ordinal on are in the ring, and which of them: in at most two pieces."""
        start = first & (capacity - 1)
        room = min(count, capacity - start)
        spans = [(slice(start, start + room), slice(0, room))]
        return spans if room == count else [*spans, (slice(0, count - room), slice(room, count))]
