"""The columns that a compiled learner takes, checked before anything is changed: one nan that is learned
stays in the weights for good.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.errors import DataError

Floats = NDArray[np.float64]
MAX_MAGNITUDE = 1e150  # the square of what is learned must not overflow


def checked_rows(names: Sequence[str], features: Any) -> Floats:
    """The rows as the one kind of array that kernels are compiled for.

    Raises:
        DataError: shapes do not fit, or a number is infinite or absurd.
    """
    try:
        rows = np.require(features, np.float64, ["C", "W", "A"])
    except (TypeError, ValueError) as error:
        raise DataError(f"not numbers: {error}", field="features") from error
    if rows.ndim != 2 or rows.shape[1] != len(names):
        raise DataError(f"shape {rows.shape} does not fit {len(names)} names", field="features")
    # fmin and fmax pass over a nan.
    least, most = np.fmin.reduce(rows, None, initial=0.0), np.fmax.reduce(rows, None, initial=0.0)
    if least < -MAX_MAGNITUDE or most > MAX_MAGNITUDE:
        raise DataError(
            f"a value beyond +-{MAX_MAGNITUDE:g}",
            field="features",
            fix="clip it or give nan for missing",
        )
    return rows


def checked_numbers(field: str, given: Any, rows: int) -> Floats:
    """(rows,) finite floats; all 1 for None.

    Raises:
        DataError: naming `field`.
    """
    try:
        column = np.ones(rows) if given is None else np.require(given, np.float64, ["C", "W", "A"])
    except (TypeError, ValueError) as error:
        raise DataError(f"not numbers: {error}", field=field) from error
    if column.shape != (rows,):
        raise DataError(f"shape {column.shape} does not fit {rows} rows", field=field)
    if not (np.abs(column) <= MAX_MAGNITUDE).all():
        raise DataError(f"a value beyond +-{MAX_MAGNITUDE:g}, or nan", field=field)
    return column


def checked_labels(given: Any, rows: int) -> NDArray[np.bool_]:
    """(rows,) bool.

    Raises:
        DataError: the shape does not fit, or a label is neither 0 nor 1.
    """
    labels = np.asarray(given)
    if labels.shape != (rows,):
        raise DataError(f"shape {labels.shape} does not fit {rows} rows", field="is_fraud")
    if labels.dtype != np.bool_ and not np.isin(labels, (0, 1)).all():
        raise DataError("a label that is neither 0 nor 1", field="is_fraud", fix="give True, False")
    return labels.astype(np.bool_)
