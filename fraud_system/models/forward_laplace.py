"""`fast_forward` for a pipeline of `laplace`: the river loop over columns, and its state as arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import compose

from fraud_system.models.laplace import LaplaceRegression
from fraud_system.models.pipeline import parts, read_scaler, sides_of, terms_of, write_scaler
from fraud_system.models.scaling import design_rows

Floats = NDArray[np.float64]
ROWS_AT_ONCE = 4_096  # bounds the memory that a design matrix takes


def forward_laplace(
    model: compose.Pipeline,
    names: Sequence[str],
    rows: Floats,
    curve: Floats,
    target: Floats,
    counted: NDArray[np.bool_],
) -> Floats:
    """Learn rows (n, d) in order; returns their log odds before their block was learned."""
    regression = _knowing(model, names)
    learned, mean, variance = read_scaler(model, names)
    left, right = sides_of(model, names)
    limit = float(parts(model)[1].limit)
    design = np.empty((min(len(rows), ROWS_AT_ONCE), 1 + len(names) + len(left)))
    log_odds = np.empty(len(rows))
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some = slice(start, min(start + ROWS_AT_ONCE, len(rows)))
        out = design[: some.stop - start]
        design_rows(learned, mean, variance, left, right, limit, rows[some], counted[some], out)
        log_odds[some] = regression.learn_terms(out, curve[some], target[some])
    write_scaler(model, names, learned, mean, variance)
    return log_odds


def laplace_weight(model: compose.Pipeline, names: Sequence[str]) -> Floats:
    """(1 + d + k,) the weights, the intercept's first."""
    return _knowing(model, names).gaussian.mean.copy()


def laplace_arrays(model: compose.Pipeline, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """The pipeline's state."""
    regression = _knowing(model, names)
    scaler = dict(zip(("learned", "mean", "variance"), read_scaler(model, names), strict=True))
    return scaler | regression.to_arrays()


def restore_laplace(
    model: compose.Pipeline, names: Sequence[str], arrays: dict[str, NDArray[Any]]
) -> None:
    """Take what `laplace_arrays` gave, into a fresh pipeline."""
    write_scaler(model, names, arrays["learned"], arrays["mean"], arrays["variance"])
    _knowing(model, names).restore(arrays)


def _knowing(model: compose.Pipeline, names: Sequence[str]) -> LaplaceRegression:
    """The regression, with its weights in the order of the columns: intercept, features, products."""
    regression: LaplaceRegression = parts(model)[3]
    terms = terms_of(model, names)
    regression.order_as(terms)
    return regression
