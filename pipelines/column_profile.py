"""What a column of a sample holds, in figures that a guess can be made from.

    empty    no value
    flag     0 and 1, or true and false
    whole    whole numbers
    number   numbers
    time     times that are not bare numbers
    text     anything else that can be an id or a category
    other    lists and the like

A column is what all but `STRAY` of its values are, so that a few bad rows do not hide it.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fraud_system.errors import DataError
from pipelines.column_values import coded, decimals, flags, texts, times
from pipelines.column_words import words_of

STRAY = 0.01
EXAMPLES = 20


@dataclass(frozen=True, eq=False)
class Profile:
    """A column of n sampled rows.

    Args:
        name: of the column.
        kind: see this module's docstring.
        codes: (n,) int64, equal where the values are equal; -1 where missing.
        numbers: (n,) float64, of a flag, whole, number; seconds since 1970 of a time; nan where there
            is none.
        examples: the first different values, as text; at most `EXAMPLES`.
    """

    name: str
    kind: str
    codes: NDArray[np.int64]
    numbers: NDArray[np.float64]
    examples: tuple[str, ...]

    @property
    def rows(self) -> int:
        """n."""
        return len(self.codes)

    @property
    def filled(self) -> int:
        """How many values are there."""
        return int((self.codes >= 0).sum())

    @property
    def distinct(self) -> int:
        """How many different values are there."""
        return len(np.unique(self.codes[self.codes >= 0]))

    @property
    def words(self) -> tuple[str, ...]:
        """Of the name."""
        return words_of(self.name)

    @property
    def is_unique(self) -> bool:
        """Is there a value in every row, and never the same one?"""
        return self.distinct == self.rows

    @property
    def is_numeric(self) -> bool:
        """Can the values be read as numbers? Zeros and ones can, true and false cannot."""
        words = {"true", "false"} & {each.lower() for each in self.examples}
        return self.kind in ("whole", "number") or (self.kind == "flag" and not words)

    def share(self, which: NDArray[np.bool_]) -> float:
        """Of the values that are there."""
        return float(which[self.codes >= 0].mean()) if self.filled else 0.0


def profile(name: str, column: pa.ChunkedArray) -> Profile:
    """Look at one column.

    >>> found = profile("amount", pa.chunked_array([["1.5", "2", ""]]))
    >>> found.kind, found.numbers, found.examples
    ('number', array([1.5, 2. , nan]), ('1.5', '2'))
    """
    nothing = np.full(len(column), np.nan)
    try:
        codes, distinct = coded(texts(_as_text(column), name))
        kind, numbers = _kind_of(name, column, codes)
    except DataError:
        return Profile(name, "other", np.full(len(column), -1), nothing, ())
    if numbers is not None:
        codes = np.where(np.isnan(numbers), -1, codes)  # a stray value is a missing one
        kind = kind if (codes >= 0).any() else "empty"
    seen = [distinct[code] for code in dict.fromkeys(codes[codes >= 0].tolist())][:EXAMPLES]
    return Profile(name, kind, codes, nothing if numbers is None else numbers, tuple(seen))


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    is_texted = _is_time(column) or pa.types.is_boolean(column.type)
    return column.cast(pa.large_string()) if is_texted else column


def _is_time(column: pa.ChunkedArray) -> bool:
    return pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)


def _kind_of(
    name: str, column: pa.ChunkedArray, codes: NDArray[np.int64]
) -> tuple[str, NDArray[np.float64] | None]:
    filled = int((codes >= 0).sum())
    if filled == 0:
        return "empty", None

    def fits(unreadable: NDArray[np.bool_]) -> bool:
        return bool(unreadable.sum() <= STRAY * filled)

    if _is_time(column):
        found = times(column, name)
        return "time", _seconds(found.values, found.missing | found.unreadable)
    flag = flags(column, name)
    if (
        flag.unreadable.sum() <= STRAY * flag.values.sum()
    ):  # the ones are few: strays could be as many
        return "flag", np.where(flag.missing | flag.unreadable, np.nan, flag.values)
    number = decimals(column, name)
    if fits(number.unreadable | np.isinf(number.values)):
        values = np.where(np.isfinite(number.values), number.values, np.nan)
        whole = np.isnan(values) | (values == np.floor(values))
        return ("whole" if whole.all() else "number"), values
    found = times(column, name)
    if fits(found.unreadable):
        return "time", _seconds(found.values, found.missing | found.unreadable)
    return "text", None


def _seconds(micros: NDArray[np.int64], without: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.where(without, np.nan, micros / 1e6)
