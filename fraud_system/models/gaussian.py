"""A Gaussian over the weights of a logistic regression, and how a block of labels moves it.

The state is a mean m and a precision P (the inverse covariance). A block of rows x with losses
`curve * softplus(x.w) - target * x.w` is absorbed in one Newton step from m:

    P <- keep P + (1 - keep) P0                      forget, towards the prior's precision
    H  = P + sum curve p (1 - p) x x'                Fisher information at m;  p = sigmoid(x.m)
    g  = sum (curve p - target) x
    m <- m - t H^-1 g,   P <- H                      t: exact minimum along the step

which is the Laplace approximation of the posterior (Spiegelhalter and Lauritzen 1990; MacKay 1992), with
the curvature taken where the labels were predicted (a Kalman filter for logistic regression: Ollivier
2018). With one label a block, the step is the exact posterior mode. Forgetting flattens the Gaussian and
leaves its mean (stabilised forgetting: Kulhavy and Zarrop 1993), so a direction that no label speaks of
returns to the prior's width and never to an infinite one.

All loops have one fixed order, so the same labels give the same bits.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraud_system.compiled import borrowing, compiled
from fraud_system.models.scoring import sigmoid

Floats = NDArray[np.float64]
SEARCH_STEPS = 100  # of the line search; ten are already unusual
LONGEST_STEP = 8.0  # times the Newton step
MAX_WEIGHT = 1e6  # of a standardised term: beyond it a model has run away, not learned


class Gaussian(NamedTuple):
    """Over D weights, the first of them the intercept's.

    Args:
        mean: (D,).
        precision: (D, D), upper triangle.
        factor: (D, D), upper triangle: R with R'R = precision.
        prior: (D,) diagonal of the prior's precision.
    """

    mean: Floats
    precision: Floats
    factor: Floats
    prior: Floats


def prior_gaussian(mean: Floats, prior: Floats) -> Gaussian:
    """Before any label.

    >>> prior_gaussian(np.zeros(2), np.array([4.0, 1.0])).factor
    array([[2., 0.],
           [0., 1.]])
    """
    return Gaussian(mean.copy(), np.diag(prior), np.diag(np.sqrt(prior)), prior.copy())


class Pending(NamedTuple):
    """The rows of a block that is not full yet; K rows a block.

    Args:
        rows: (K, D).
        curve, target: (K,).
        held: (1,) how many are filled.
        refused: (1,) blocks that would have spoiled the weights.
    """

    rows: Floats
    curve: Floats
    target: Floats
    held: NDArray[np.int64]
    refused: NDArray[np.int64]


def empty_pending(block_labels: int, size: int) -> Pending:
    """No label yet."""
    return Pending(
        np.zeros((block_labels, size)),
        np.zeros(block_labels),
        np.zeros(block_labels),
        np.zeros(1, np.int64),
        np.zeros(1, np.int64),
    )


def pending_arrays(pending: Pending) -> dict[str, NDArray[Any]]:
    """A canonical copy, for a snapshot: zeros where nothing is held."""
    arrays: dict[str, NDArray[Any]] = {
        f"pending_{name}": column.copy() for name, column in pending._asdict().items()
    }
    for name in ("rows", "curve", "target"):
        arrays[f"pending_{name}"][pending.held[0] :] = 0.0
    return arrays


def restore_pending(pending: Pending, arrays: dict[str, NDArray[Any]]) -> None:
    """Take what `pending_arrays` gave."""
    for name, column in pending._asdict().items():
        column[:] = arrays[f"pending_{name}"]


@compiled
def learn_rows(
    gaussian: Any, pending: Any, rows: Any, curve: Any, target: Any, keep: float, log_odds: Any
) -> None:
    """Take rows (n, D) in order, learning each block when it is full.

    `keep` is what a label leaves of what was known before it. `log_odds` (n,) gets each row's, under the
    weights before its block. A block after which a weight is not finite, or absurd, is refused and counted:
    the last good weights stay.
    """
    block = len(pending.rows)
    for row in range(len(rows)):
        log_odds[row] = dot(gaussian.mean, rows[row])
        held = pending.held[0]
        pending.rows[held] = rows[row]
        pending.curve[held], pending.target[held] = curve[row], target[row]
        pending.held[0] = held + 1
        if held + 1 == block:
            if not _learn_block(gaussian, pending, keep):
                pending.refused[0] += 1
            pending.held[0] = 0


@compiled
def _learn_block(gaussian: Any, pending: Any, keep: float) -> bool:
    rows, curve, target = pending.rows, pending.curve, pending.target
    block, size = rows.shape
    logit, weight = np.empty(block), np.empty(block)
    step = np.zeros(size)
    transactions = 0
    for row in range(block):
        logit[row] = dot(gaussian.mean, rows[row])
        probability = sigmoid(logit[row])
        weight[row] = max(curve[row], 0.0) * probability * (1.0 - probability)
        slope = curve[row] * probability - target[row]
        transactions += curve[row] > 0.0
        for i in range(size):
            step[i] -= slope * rows[row, i]
    precision = gaussian.precision.copy()
    _forget(precision, gaussian.prior, keep**transactions)
    _add_squares(precision, rows, weight)
    factor = precision.copy()
    if not _factorise(factor):
        return False
    downhill = step.copy()
    _solve_transposed(factor, step)
    _solve(factor, step)
    change = np.empty(block)
    quadratic = dot(downhill, step)
    for row in range(block):
        change[row] = dot(step, rows[row])
        quadratic -= weight[row] * change[row] * change[row]
    length = _line_search(curve, target, logit, change, quadratic)
    mean = gaussian.mean + length * step
    # Asked this way round, so that a nan is refused as well.
    if not np.all(np.abs(mean) <= MAX_WEIGHT):
        return False
    gaussian.mean[:], gaussian.precision[:], gaussian.factor[:] = mean, precision, factor
    return True


@borrowing
def dot(left: Any, right: Any) -> float:
    """The inner product, summed from the first to the last."""
    total = 0.0
    for i in range(len(left)):
        total += left[i] * right[i]
    return total


@borrowing
def _forget(precision: Any, prior: Any, keep: float) -> None:
    if keep == 1.0:
        return
    size = len(prior)
    for i in range(size):
        for j in range(i, size):
            precision[i, j] *= keep
        precision[i, i] += (1.0 - keep) * prior[i]


@borrowing
def _add_squares(precision: Any, rows: Any, weight: Any) -> None:
    """precision += sum of weight x x', four rows at a time: a fourth of the traffic to memory."""
    block, size = rows.shape
    whole = block - block % 4
    for row in range(0, whole, 4):
        first, second, third, fourth = rows[row], rows[row + 1], rows[row + 2], rows[row + 3]
        for i in range(size):
            a, b = weight[row] * first[i], weight[row + 1] * second[i]
            c, d = weight[row + 2] * third[i], weight[row + 3] * fourth[i]
            here = precision[i]
            for j in range(i, size):
                here[j] += (a * first[j] + b * second[j]) + (c * third[j] + d * fourth[j])
    for row in range(whole, block):
        for i in range(size):
            a = weight[row] * rows[row, i]
            for j in range(i, size):
                precision[i, j] += a * rows[row, j]


@borrowing
def _factorise(matrix: Any) -> bool:
    """Cholesky's R in place of the upper triangle; False if the matrix is not positive definite."""
    size = len(matrix)
    for k in range(size):
        pivot = matrix[k, k]
        if not pivot > 0.0 or not math.isfinite(pivot):
            return False
        root = math.sqrt(pivot)
        above = matrix[k]
        above[k] = root
        for j in range(k + 1, size):
            above[j] /= root
        for i in range(k + 1, size):
            here, share = matrix[i], above[i]
            for j in range(i, size):
                here[j] -= share * above[j]
    return True


@borrowing
def _solve_transposed(factor: Any, vector: Any) -> None:
    """R' z = vector, in place."""
    size = len(vector)
    for k in range(size):
        vector[k] /= factor[k, k]
        for j in range(k + 1, size):
            vector[j] -= factor[k, j] * vector[k]


@borrowing
def _solve(factor: Any, vector: Any) -> None:
    """R z = vector, in place."""
    for i in range(len(vector) - 1, -1, -1):
        total = vector[i]
        for j in range(i + 1, len(vector)):
            total -= factor[i, j] * vector[j]
        vector[i] = total / factor[i, i]


@borrowing
def _line_search(curve: Any, target: Any, logit: Any, change: Any, quadratic: float) -> float:
    """How many times the step to go: Newton's method along it, kept within a shrinking bracket.

    Where Newton's steps do not halve, they may go to and fro between the ends of the bracket for ever (one
    fraud that is a great surprise does it): then the bracket is halved instead.
    """
    least, most, length, moved = 0.0, LONGEST_STEP, 1.0, LONGEST_STEP
    for _ in range(SEARCH_STEPS):
        slope, bend = length * quadratic, quadratic
        for row in range(len(logit)):
            probability = sigmoid(logit[row] + length * change[row])
            slope += (curve[row] * probability - target[row]) * change[row]
            bend += curve[row] * probability * (1.0 - probability) * change[row] * change[row]
        if slope > 0.0:
            most = length
        else:
            least = length
        nearer = length - slope / bend if bend > 0.0 else least
        if not least < nearer < most or abs(nearer - length) > 0.5 * moved:
            nearer = 0.5 * (least + most)
        moved = abs(nearer - length)
        if moved <= 1e-9 * length:
            return nearer
        length = nearer
    return length


@compiled
def logit_variance(gaussian: Any, row: Any) -> float:
    """Variance of row.w (D,) under the Gaussian: x' P^-1 x."""
    solved = row.copy()
    _solve_transposed(gaussian.factor, solved)
    return dot(solved, solved)


@compiled
def factorised(matrix: Any) -> Any:
    """The factor of a precision (upper triangle); a nan at its corner if it is not positive definite."""
    factor = matrix.copy()
    if not _factorise(factor):
        factor[0, 0] = math.nan
    return factor
