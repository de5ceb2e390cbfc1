"""What was wrong with a file: counted by reason, with a few examples, never passed over in silence.

A `SetAside` is about rows that are not used, a `Note` about rows that are used all the same. A `Sieve`
collects both for one table. A row is set aside once, for the first reason that was found, so the
counts of the reasons add up to the number of rows that are missing.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fraud_system.errors import TooManyBadRows

EXAMPLES = 5
SHOWN_CHARACTERS = 80
TOP_REASONS = 3

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about `count` rows.

    Args:
        reason: what is wrong, in a few words that stay the same from run to run.
        where: file and column.
        count: of rows.
        examples: up to `EXAMPLES` of {"row": its number, "value": the text of the value}. The row is the
            line in a CSV file (the header is line 1), the place counted from 1 in other files; in a
            folder a text, the file's name and that number.
    """

    reason: str
    where: str
    count: int
    examples: tuple[dict[str, Any], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For `run.json`.

        >>> Note("not in time order", "mine.csv: time", 2).as_json()["count"]
        2
        """
        return asdict(self) | {"examples": list(self.examples)}


class SetAside(Remark):
    """Rows that are not used."""


class Note(Remark):
    """Rows that are used, with something to know about them."""


class Sieve:
    """Sets rows of one table aside and keeps the account.

    Args:
        where: the name of the file.
        row: (n,) int64, the number of each row in the file.
        columns: n values each, by name; the examples are taken from them.
        starts: of a folder, each file and the index of its first row; files in their order.

    >>> sieve = Sieve("mine.csv", np.array([2, 3]), {"amount": pa.chunked_array([["-1", "5"]])})
    >>> sieve.refuse("negative amount", "amount", np.array([True, False]))
    >>> sieve.kept, sieve.set_aside[0].examples
    (array([False,  True]), ({'row': 2, 'value': '-1'},))
    """

    def __init__(
        self,
        where: str,
        row: NDArray[np.int64],
        columns: dict[str, pa.ChunkedArray],
        starts: dict[str, int] | None = None,
    ) -> None:
        self.where, self.row, self.columns, self.starts = where, row, columns, starts or {}
        self.kept: Mask = np.ones(len(row), dtype=bool)
        self.set_aside: list[SetAside] = []
        self.notes: list[Note] = []

    def refuse(self, reason: str, column: str, bad: Mask) -> None:
        """Set aside those of the bad rows that are still there, for a value of this column."""
        found = np.flatnonzero(bad & self.kept)
        if len(found):
            examples = self._examples(found, column)
            place = f"{self.where}: {column}"
            self.set_aside.append(SetAside(reason, place, len(found), examples))
            self.kept[found] = False

    def note(self, reason: str, column: str, which: Mask) -> None:
        """Remark on those of the rows that are still there."""
        found = np.flatnonzero(which & self.kept)
        if len(found):
            examples = self._examples(found, column)
            self.notes.append(Note(reason, f"{self.where}: {column}", len(found), examples))

    def check(self, rows: int, max_share: float, limit: str = "max_bad_share") -> None:
        """End when more than the allowed share of `rows` has been set aside; `limit` is its name.

        Raises:
            TooManyBadRows: naming the top reasons.
        """
        bad = sum(remark.count for remark in self.set_aside)
        if bad <= max_share * rows:
            return
        top = sorted(self.set_aside, key=lambda remark: -remark.count)[:TOP_REASONS]
        reasons = "; ".join(
            f"{each.reason} ({each.where.removeprefix(self.where + ': ')}): {each.count}, "
            f"e.g. row {each.examples[0]['row']}: {each.examples[0]['value']!r}"
            for each in top
        )
        raise TooManyBadRows(
            f"{bad} of {rows} rows set aside, more than the share of {max_share:g}: {reasons}",
            field=self.where,
            fix=f"mend the file or its schema, or raise limits.{limit}",
        )

    def _examples(self, found: NDArray[np.int64], column: str) -> tuple[dict[str, Any], ...]:
        values = self.columns[column]
        return tuple(
            {"row": self._row(int(index)), "value": shown(_value(values[int(index)]))}
            for index in found[:EXAMPLES]
        )

    def _row(self, index: int) -> int | str:
        number = int(self.row[index])
        files = [name for name, start in self.starts.items() if start <= index]
        return f"{files[-1]} {number}" if files else number


def _value(scalar: Any) -> object:
    try:
        return scalar.as_py()
    except (OverflowError, ValueError):
        return scalar.value  # a date that Python has no name for, as the number that is stored


def shown(value: object) -> str:
    """A value as a short text; a missing one is empty.

    >>> shown(None), shown(1.5), len(shown("x" * 1000))
    ('', '1.5', 80)
    """
    text = "" if value is None else str(value)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."
