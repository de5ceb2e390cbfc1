"""The one gate through which columns enter the metrics.

Every public metric sends its arguments through here first, so that a wrong length, a nan or a
probability of 1.2 is refused with the name of the column, and never becomes a plausible figure.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fraud_system.errors import DataError

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Integers = NDArray[Any]


class Scored(NamedTuple):
    """Checked columns of n scored and labelled transactions; all of length n.

    Args:
        probability: float64 in [0, 1].
        is_fraud: bool.
        amount: float64, not negative; ones where none was given, so that money becomes counts.
        weight: float64, not negative; ones where none was given.
    """

    probability: Floats
    is_fraud: Flags
    amount: Floats
    weight: Floats

    def with_weight(self) -> "Scored":
        """The rows whose weight is not zero: a row of weight zero counts as absent."""
        keep = self.weight > 0
        return Scored(
            self.probability[keep], self.is_fraud[keep], self.amount[keep], self.weight[keep]
        )


def scored(
    probability: ArrayLike,
    is_fraud: ArrayLike,
    amount: ArrayLike | None = None,
    weight: ArrayLike | None = None,
) -> Scored:
    """Check the columns that most metrics take.

    Raises:
        DataError: naming the column whose length, type or range is wrong.

    >>> scored([0.5, 1.0], [True, False]).weight
    array([1., 1.])
    >>> scored([0.5, 1.2], [True, False])
    Traceback (most recent call last):
    ...
    fraud_system.errors.DataError: probability: row 1 is 1.2, outside [0, 1] (fix: ...)
    """
    checked = floats(probability, "probability", high=1.0)
    labels = flags(is_fraud, "is_fraud")
    rows = len(checked)
    money = np.ones(rows) if amount is None else floats(amount, "amount")
    weights = weights_or_ones(weight, rows)
    same_length(probability=checked, is_fraud=labels, amount=money, weight=weights)
    return Scored(checked, labels, money, weights)


def floats(value: ArrayLike, field: str, high: float = np.inf) -> Floats:
    """A finite float64 column within [0, high].

    >>> floats([1, 2], "amount")
    array([1., 2.])
    """
    column = np.asarray(value, dtype=np.float64)
    _one_dimension(column, field)
    inside = (column >= 0.0) & (column <= high) & (column < np.inf)  # nan compares false
    if not inside.all():
        row = int(np.argmin(inside))
        limits = f"[0, {high:g}]" if high < np.inf else "[0, inf)"
        raise DataError(
            f"row {row} is {column[row]}, outside {limits}",
            field=field,
            fix="set such rows aside before measuring",
        )
    return column


def flags(value: ArrayLike, field: str) -> Flags:
    """A bool column. Numbers are refused: a nan or a 2 would pass silently for True.

    >>> flags([True, False], "flagged")
    array([ True, False])
    """
    column = np.asarray(value)
    if column.size == 0:
        column = column.astype(np.bool_)  # an empty list has no type of its own
    _one_dimension(column, field)
    if column.dtype != np.bool_:
        raise DataError(
            f"is of type {column.dtype}, not bool",
            field=field,
            fix="leave out rows without a label, then .astype(bool)",
        )
    return column


def integers(value: ArrayLike, field: str) -> Integers:
    """A column of whole numbers, signed or not.

    >>> integers([3, 1], "day_index")
    array([3, 1])
    """
    column = np.asarray(value)
    if column.size == 0:
        column = column.astype(np.int64)
    _one_dimension(column, field)
    if not np.issubdtype(column.dtype, np.integer):
        raise DataError(f"is of type {column.dtype}, not integer", field=field)
    return column


def weights_or_ones(weight: ArrayLike | None, rows: int) -> Floats:
    """The weights, or ones.

    >>> weights_or_ones(None, 2)
    array([1., 1.])
    """
    return np.ones(rows) if weight is None else floats(weight, "weight")


def same_length(**columns: NDArray[Any]) -> None:
    """Refuse columns of different lengths, naming the first that differs.

    >>> same_length(flagged=np.zeros(2), is_fraud=np.zeros(3))
    Traceback (most recent call last):
    ...
    fraud_system.errors.DataError: is_fraud: has 3 rows where flagged has 2
    """
    first, *others = columns
    for name in others:
        if len(columns[name]) != len(columns[first]):
            raise DataError(
                f"has {len(columns[name])} rows where {first} has {len(columns[first])}", field=name
            )


def whole(value: int, field: str, low: int = 1) -> int:
    """A setting that must be a whole number of at least `low`.

    >>> whole(0, "draws")
    Traceback (most recent call last):
    ...
    fraud_system.errors.DataError: draws: is 0, must be a whole number of at least 1
    """
    if not isinstance(value, int | np.integer) or value < low:
        raise DataError(f"is {value}, must be a whole number of at least {low}", field=field)
    return int(value)


def share(value: float, field: str) -> float:
    """A setting that must lie strictly between 0 and 1.

    >>> share(0.95, "level")
    0.95
    """
    if not 0.0 < value < 1.0:
        raise DataError(f"is {value}, must lie between 0 and 1, both excluded", field=field)
    return float(value)


def ratio(above: Any, below: Any) -> float:
    """`above / below`, or nan where there is nothing below: "undefined", not "infinite".

    >>> ratio(1.0, 4.0), ratio(1.0, 0.0)
    (0.25, nan)
    """
    return float(above / below) if below > 0 else float("nan")


def _one_dimension(column: NDArray[Any], field: str) -> None:
    if column.ndim != 1:
        raise DataError(f"has {column.ndim} dimensions, must have one", field=field)
