"""The river loop, compiled over columns: same updates, same objects, a hundred times and more faster.

`fast_forward(model, names, X, y)` does what this does, and leaves the state in the same river objects:

    for x, label in zip(X, y):
        model.learn_one({name: value for name, value in zip(names, x) if not isnan(value)}, label)

It equals the loop to 1e-9 (the dot product is summed in another order) at learning rates at which the
loop itself is stable. A nan stands for a feature that is missing in that row.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from river import compose, linear_model, optim, preprocessing

from fraud_system.compiled import compiled
from fraud_system.errors import ConfigError
from fraud_system.models.columns import checked_labels, checked_numbers, checked_rows
from fraud_system.models.forward_laplace import forward_laplace
from fraud_system.models.interactions import Interactions
from fraud_system.models.laplace import LaplaceRegression
from fraud_system.models.pipeline import (
    parts,
    read_scaler,
    sides_of,
    terms_of,
    write_scaler,
)
from fraud_system.models.scaling import learn_and_scale
from fraud_system.models.scoring import sigmoid
from fraud_system.models.squash import Squash

Floats = NDArray[np.float64]


class LearnerState(NamedTuple):
    """The pipeline's state as arrays, over d features and k pairs (d + k terms).

    Args:
        learned, mean, variance: (d,) of the scaler.
        weight, squared_gradient: (d + k,) of the regression and of AdaGrad.
        seen: (d + k,) bool, the terms that have been learned at least once.
        intercept: (1,).
        left, right: (k,) positions of the sides of each pair.
    """

    learned: Floats
    mean: Floats
    variance: Floats
    weight: Floats
    squared_gradient: Floats
    seen: NDArray[np.bool_]
    intercept: Floats
    left: NDArray[np.int64]
    right: NDArray[np.int64]


def fast_forward(
    model: compose.Pipeline,
    names: Sequence[str],
    features: NDArray[np.floating[Any]],
    is_fraud: NDArray[np.bool_],
    weight: Floats | None = None,
) -> Floats:
    """Learn rows in order, as river's loop would, and write the state back into `model`.

    Returns the log odds (n,) that each row had just before it was learned (the scaler has counted it by
    then): what progressive validation scores.

    Args:
        model: a pipeline of `baseline` or `laplace`.
        names: d feature names, the columns of `features`.
        features: (n, d); nan where missing.
        is_fraud: (n,), True or False (or 1 and 0).
        weight: (n,) of each row's gradient, or None for 1.

    Raises:
        DataError: shapes do not fit, a number is infinite or absurd, or a label is neither 0 nor 1.
        ConfigError: the pipeline uses an option that is not compiled, or two of its terms share a name.

    The model is unchanged when it raises.

    >>> from fraud_system.models.baseline import baseline
    >>> model = baseline()
    >>> log_odds = fast_forward(model, ["a"], np.array([[1.0], [2.0]]), np.array([True, False]))
    >>> round(float(log_odds[0]), 3)  # of the prevalence that it starts with, 0.005
    -5.293
    >>> model["LogisticRegression"].optimizer.n_iterations
    2
    """
    _check_compiled(model)
    rows = checked_rows(names, features)
    labels, weights = (
        checked_labels(is_fraud, len(rows)),
        checked_numbers("weight", weight, len(rows)),
    )
    curve = weights
    if isinstance(parts(model)[3], linear_model.LogisticRegression):
        loss = parts(model)[3].loss
        curve = weights * np.where(labels, float(loss.weight_pos), float(loss.weight_neg))
    counted = np.ones(len(rows), np.bool_)  # river's scaler counts a row whatever its weight
    return _forward(model, names, rows, curve, np.where(labels, curve, 0.0), counted)


def fast_forward_terms(
    model: compose.Pipeline,
    names: Sequence[str],
    features: NDArray[np.floating[Any]],
    curve: Floats,
    target: Floats,
) -> None:
    """Learn rows whose loss is `curve * softplus(logit) - target * logit`, in order.

    A plain label is (1, label), a weight multiplies both. The two terms apart are what a label strategy
    works with: the first can be learned before the label is known, the second when it comes, and minus
    the second takes it back. The scaler counts a row with its first term only: a transaction whose second
    term comes apart is still one transaction.

    Args:
        curve, target: (n,) each, finite.

    >>> from fraud_system.models.baseline import baseline
    >>> model = baseline()
    >>> fast_forward_terms(model, ["a"], np.array([[1.0]]), np.array([1.0]), np.array([0.0]))
    """
    _check_compiled(model)
    rows = checked_rows(names, features)
    curves = checked_numbers("curve", curve, len(rows))
    targets = checked_numbers("target", target, len(rows))
    _forward(model, names, rows, curves, targets, curves > 0.0)


def _forward(
    model: compose.Pipeline,
    names: Sequence[str],
    rows: Floats,
    curve: Floats,
    target: Floats,
    counted: NDArray[np.bool_],
) -> Floats:
    _, squash, _, logistic = parts(model)
    if isinstance(logistic, LaplaceRegression):
        return forward_laplace(model, names, rows, curve, target, counted)
    state = read_state(model, names)
    optimizer = logistic.optimizer
    log_odds = np.empty(len(rows))
    _learn(
        state,
        rows,
        curve,
        target,
        counted,
        float(squash.limit),
        float(optimizer.learning_rate),
        float(optimizer.eps),
        float(logistic.intercept_lr.get(0)),
        float(logistic.clip_gradient),
        log_odds,
    )
    write_state(model, names, state)
    optimizer.n_iterations += len(rows)
    return log_odds


def _check_compiled(model: compose.Pipeline) -> None:
    field = _not_compiled(model)
    if field is not None:
        raise ConfigError(
            "this option is not compiled", field=field, fix="use river's learn_one loop"
        )


def _not_compiled(model: compose.Pipeline) -> str | None:
    """The first option of the pipeline that the kernel does not know, or None."""
    steps = list(model.steps.values()) if isinstance(model, compose.Pipeline) else []
    kinds = [preprocessing.StandardScaler, Squash, Interactions]
    last = [linear_model.LogisticRegression], [LaplaceRegression]
    if [type(step) for step in steps] not in [kinds + each for each in last]:
        return "model"
    scaler, squash, _, logistic = steps
    if not squash.limit > 0.0:
        return "limit"
    if not scaler.with_std:
        return "with_std"
    if scaler.window_size is not None:
        return "window_size"
    if type(logistic) is LaplaceRegression:
        return None
    optimizer, constant = logistic.optimizer, optim.schedulers.Constant
    for name, part, kind in (
        ("optimizer", optimizer, optim.AdaGrad),
        ("optimizer.lr", optimizer.lr, constant),
        ("intercept_lr", logistic.intercept_lr, constant),
        ("loss", logistic.loss, optim.losses.Log),
        ("initializer", logistic.initializer, optim.initializers.Zeros),
    ):
        if type(part) is not kind:
            return name
    supported = {
        "l2": logistic.l2 == 0.0,
        "l1": logistic.l1 == 0.0,
        # river raises ZeroDivisionError where these are 0; compiled code would give nan.
        "optimizer.eps": optimizer.eps > 0.0,
    }
    return next((name for name, good in supported.items() if not good), None)


def read_state(model: compose.Pipeline, names: Sequence[str]) -> LearnerState:
    """The state of a baseline pipeline as arrays.

    Raises:
        ConfigError: two of its terms share a name.
    """
    logistic = parts(model)[3]
    terms = terms_of(model, names)
    left, right = sides_of(model, names)
    # One look at a time: indexing river's default dictionaries would create the entries.
    weights = logistic.weights
    return LearnerState(
        *read_scaler(model, names),
        weight=np.array([float(weights.get(term, 0.0)) for term in terms]),
        squared_gradient=np.array([logistic.optimizer.g2.get(term, 0.0) for term in terms]),
        seen=np.array([term in weights for term in terms], dtype=np.bool_),
        intercept=np.array([float(logistic.intercept)]),
        left=left,
        right=right,
    )


def write_state(model: compose.Pipeline, names: Sequence[str], state: LearnerState) -> None:
    """Put `state` into the river objects of `model`; terms never seen get no entry there."""
    logistic = parts(model)[3]
    write_scaler(model, names, state.learned, state.mean, state.variance)
    for index, term in enumerate(terms_of(model, names)):
        if state.seen[index]:
            logistic._weights[term] = float(state.weight[index])
            logistic.optimizer.g2[term] = float(state.squared_gradient[index])
    logistic.intercept = float(state.intercept[0])


@compiled
def _learn(
    state: Any,
    rows: Any,
    curve: Any,
    target: Any,
    counted: Any,
    squash_limit: float,
    learning_rate: float,
    epsilon: float,
    intercept_rate: float,
    clip: float,
    log_odds: Any,
) -> None:
    # The loops over features and terms have no branches and no calls but `tanh`, and know their arrays by
    # name: so they become vector code, which does the same operations in the same order, twice as fast.
    learned, mean, variance = state.learned, state.mean, state.variance
    weight, squared_gradient, seen = state.weight, state.squared_gradient, state.seen
    left, right, intercept = state.left, state.right, state.intercept
    terms = len(weight)
    term = np.empty(terms)
    for row in range(len(rows)):
        learn_and_scale(
            learned, mean, variance, left, right, squash_limit, rows[row], counted[row], term
        )
        logit = 0.0
        for j in range(terms):
            logit += weight[j] * term[j] if term[j] == term[j] else 0.0
        logit += intercept[0]
        log_odds[row] = logit
        gradient = curve[row] * sigmoid(logit) - target[row]
        gradient = max(min(gradient, clip), -clip)
        intercept[0] -= intercept_rate * gradient
        for j in range(terms):
            present = term[j] == term[j]
            slope = gradient * term[j] if present else 0.0
            seen[j] |= present
            squared_gradient[j] += slope * slope
            weight[j] -= learning_rate / math.sqrt(squared_gradient[j] + epsilon) * slope
