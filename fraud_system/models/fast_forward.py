"""The river loop, compiled over columns: same updates, same objects, about a thousand times faster.

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
from fraud_system.models.baseline import parts
from fraud_system.models.columns import checked_labels, checked_numbers, checked_rows
from fraud_system.models.interactions import Interactions
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
        model: a pipeline of `baseline`.
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
    kinds = [preprocessing.StandardScaler, Squash, Interactions, linear_model.LogisticRegression]
    if [type(step) for step in steps] != kinds:
        return "model"
    scaler, squash, _, logistic = steps
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
        "with_std": bool(scaler.with_std),
        "window_size": scaler.window_size is None,
        # river raises ZeroDivisionError where these are 0; compiled code would give nan.
        "optimizer.eps": optimizer.eps > 0.0,
        "limit": squash.limit > 0.0,
    }
    return next((name for name, good in supported.items() if not good), None)


def _terms(
    model: compose.Pipeline, names: Sequence[str]
) -> tuple[list[tuple[str, str]], list[str]]:
    """The pairs whose sides are both among `names`, and the names of all d + k terms."""
    known = set(names)
    pairs = [(a, b) for a, b in parts(model)[2].pairs if a in known and b in known]
    terms = [*names, *(f"{a}*{b}" for a, b in pairs)]
    if len(set(terms)) < len(terms):
        twice = min(term for term in terms if terms.count(term) > 1)
        raise ConfigError(f"two terms are called {twice!r}", field="names", fix="rename one")
    return pairs, terms


def read_state(model: compose.Pipeline, names: Sequence[str]) -> LearnerState:
    """The state of a baseline pipeline as arrays.

    Raises:
        ConfigError: two of its terms share a name.
    """
    scaler, _, _, logistic = parts(model)
    pairs, terms = _terms(model, names)
    position = {name: index for index, name in enumerate(names)}
    # One look at a time: indexing river's default dictionaries would create the entries.
    weights = logistic.weights
    return LearnerState(
        learned=np.array([float(scaler.counts.get(name, 0)) for name in names]),
        mean=np.array([scaler.means.get(name, 0.0) for name in names]),
        variance=np.array([scaler.vars.get(name, 0.0) for name in names]),
        weight=np.array([float(weights.get(term, 0.0)) for term in terms]),
        squared_gradient=np.array([logistic.optimizer.g2.get(term, 0.0) for term in terms]),
        seen=np.array([term in weights for term in terms], dtype=np.bool_),
        intercept=np.array([float(logistic.intercept)]),
        left=np.array([position[a] for a, _ in pairs], dtype=np.int64),
        right=np.array([position[b] for _, b in pairs], dtype=np.int64),
    )


def write_state(model: compose.Pipeline, names: Sequence[str], state: LearnerState) -> None:
    """Put `state` into the river objects of `model`; terms never seen get no entry there."""
    scaler, _, _, logistic = parts(model)
    for index, name in enumerate(names):
        if state.learned[index] > 0:
            scaler.counts[name] = int(state.learned[index])
            scaler.means[name] = float(state.mean[index])
            scaler.vars[name] = float(state.variance[index])
    for index, term in enumerate(_terms(model, names)[1]):
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
    features, terms = rows.shape[1], len(weight)
    term = np.empty(terms)
    for row in range(len(rows)):
        for j in range(features):
            # river's StandardScaler.learn_one (Welford), then transform_one; nothing for a nan.
            value, before = rows[row, j], mean[j]
            present = value == value
            counts = present & counted[row]
            count = learned[j] + 1.0
            after = before + (value - before) / count
            moved = (value - before) * (value - after) - variance[j]
            spread = variance[j] + moved / count
            after, spread = (after, spread) if counts else (before, variance[j])
            learned[j] = count if counts else learned[j]
            mean[j], variance[j] = after, spread
            z = (value - after) / math.sqrt(spread)
            z = z if spread != 0.0 else 0.0
            term[j] = z / squash_limit if present else math.nan
        for j in range(features):
            term[j] = squash_limit * math.tanh(term[j])
        for k in range(len(left)):
            term[features + k] = term[left[k]] * term[right[k]]
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
