"""Second-order online logistic regression: a Gaussian over the weights, so each score knows how sure it is.

    StandardScaler | Squash | Interactions | LaplaceRegression

`gaussian` has the arithmetic. `LaplaceRegression` is a river classifier like any other, that learns label
by label or in fixed blocks of labels; `fast_forward` takes the whole pipeline over columns.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import base, compose, preprocessing

from fraud_system.errors import ConfigError
from fraud_system.models.gaussian import (
    Gaussian,
    Pending,
    dot,
    empty_pending,
    factorised,
    learn_rows,
    logit_variance,
    pending_arrays,
    prior_gaussian,
    restore_pending,
)
from fraud_system.models.interactions import Interactions
from fraud_system.models.model_settings import LaplaceSettings
from fraud_system.models.scoring import sigmoid
from fraud_system.models.squash import Squash

Floats = NDArray[np.float64]


class LaplaceRegression(base.MiniBatchClassifier):
    """Logistic regression with a Gaussian over its weights.

    A block is learned when it is full; until then scores use the weights before it. With the default of
    one label a block every label counts at once.

    Args:
        prevalence: log odds of it are the intercept's prior mean.
        prior_precision, intercept_precision: of the Gaussian at the start.
        memory_labels: forgetting; infinite for none.
        block_labels: labels that are learned together.

    >>> model = LaplaceRegression()
    >>> model.learn_one({"amount": 2.0}, True)
    >>> model.predict_proba_one({"amount": 2.0})[True] > 0.6
    True
    >>> model.logit_variance_one({"amount": 2.0}) < model.logit_variance_one({"amount": 9.0})
    True
    """

    def __init__(
        self,
        prevalence: float = 0.5,
        prior_precision: float = 1.0,
        intercept_precision: float = 0.1,
        memory_labels: float = math.inf,
        block_labels: int = 1,
    ) -> None:
        self.prevalence = prevalence
        self.prior_precision = prior_precision
        self.intercept_precision = intercept_precision
        self.memory_labels = memory_labels
        self.block_labels = block_labels
        self.positions: dict[Any, int] = {}
        start = np.array([math.log(prevalence / (1.0 - prevalence))])
        self.gaussian: Gaussian = prior_gaussian(start, np.array([intercept_precision]))
        self.pending: Pending = empty_pending(block_labels, 1)

    @property
    def keep(self) -> float:
        """What one label leaves of what was known before it."""
        return 1.0 - 1.0 / self.memory_labels

    @property
    def refused_blocks(self) -> int:
        """Blocks that would have spoiled the weights."""
        return int(self.pending.refused[0])

    def learn_one(self, x: dict[Any, float], y: Any, w: float = 1.0) -> None:
        """Take one label, with a weight."""
        self.know(x)
        self.learn_terms(self._row(x)[np.newaxis], np.array([w]), np.array([w * float(bool(y))]))

    def learn_many(self, X: Any, y: Any) -> None:
        """Take the labels of a data frame's rows in order, as `learn_one` would."""
        self.know(X.columns)
        ones = np.ones(len(X))
        self.learn_terms(self._rows(X), ones, np.asarray(y).astype(np.bool_).astype(np.float64))

    def predict_proba_one(self, x: dict[Any, float]) -> dict[bool, float]:
        """Probability of each class; a term that was never learned counts nothing."""
        fraud = sigmoid(self.logit_one(x))
        return {False: 1.0 - fraud, True: fraud}

    def predict_proba_many(self, X: Any) -> Any:
        """A data frame of `predict_proba_one` for each row, bit for bit."""
        mean = self.gaussian.mean
        fraud = np.array([sigmoid(dot(mean, row)) for row in self._rows(X)])
        return type(X)({False: 1.0 - fraud, True: fraud}, index=X.index)

    def logit_one(self, x: dict[Any, float]) -> float:
        """Log odds of fraud."""
        return float(dot(self.gaussian.mean, self._row(x)))

    def logit_variance_one(self, x: dict[Any, float]) -> float:
        """Variance of the log odds: how much is not known about this row; a new term has its prior's."""
        new = sum(value * value for name, value in x.items() if name not in self.positions)
        return float(logit_variance(self.gaussian, self._row(x))) + new / self.prior_precision

    def know(self, names: Any) -> None:
        """Make room for terms that were not seen before."""
        new = [name for name in names if name not in self.positions]
        if not new:
            return
        size = len(self.gaussian.mean)
        for place, name in enumerate(new):
            self.positions[name] = size + place
        self.gaussian = Gaussian(
            np.concatenate([self.gaussian.mean, np.zeros(len(new))]),
            _grown(self.gaussian.precision, len(new), self.prior_precision),
            _grown(self.gaussian.factor, len(new), math.sqrt(self.prior_precision)),
            np.concatenate([self.gaussian.prior, np.full(len(new), self.prior_precision)]),
        )
        rows = np.zeros((self.block_labels, size + len(new)))
        rows[:, :size] = self.pending.rows
        self.pending = self.pending._replace(rows=rows)

    def order_as(self, names: list[Any]) -> None:
        """Keep the terms in this order, the new ones among them at their prior.

        Raises:
            ConfigError: a term was learned that is not among them; nothing has changed then.
        """
        if list(self.positions) == names:
            return
        given = set(names)
        strange = [name for name in self.positions if name not in given]
        if strange:
            raise ConfigError(
                f"the model knows {strange[0]!r}", field="names", fix="give all its features"
            )
        self.know(names)
        order = np.array([0, *(self.positions[name] for name in names)])
        whole = np.triu(self.gaussian.precision) + np.triu(self.gaussian.precision, 1).T
        precision = np.triu(whole[np.ix_(order, order)])
        self.gaussian = Gaussian(
            self.gaussian.mean[order],
            precision,
            factorised(precision),
            self.gaussian.prior[order],
        )
        self.pending = self.pending._replace(rows=self.pending.rows[:, order].copy())
        self.positions = {name: place for place, name in enumerate(names, start=1)}

    def learn_terms(self, rows: Floats, curve: Floats, target: Floats) -> Floats:
        """Learn rows (n, D) whose first column is 1; returns their log odds before it.

        See `fast_forward_terms` for `curve` and `target`.
        """
        log_odds = np.empty(len(rows))
        learn_rows(self.gaussian, self.pending, rows, curve, target, self.keep, log_odds)
        return log_odds

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that has been learned, and the block that is not full yet (zeros from there on)."""
        arrays = {
            "weight": self.gaussian.mean.copy(),
            "precision": self.gaussian.precision.copy(),
        }
        return arrays | pending_arrays(self.pending)

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take what `to_arrays` gave; the same terms must be known."""
        self.gaussian.mean[:] = arrays["weight"]
        self.gaussian.precision[:] = arrays["precision"]
        self.gaussian.factor[:] = factorised(self.gaussian.precision)
        restore_pending(self.pending, arrays)

    def _row(self, x: dict[Any, float]) -> Floats:
        row = np.zeros(len(self.gaussian.mean))
        row[0] = 1.0
        for name, value in x.items():
            place = self.positions.get(name)
            if place is not None:
                row[place] = value
        return row

    def _rows(self, X: Any) -> Floats:
        """(n, D) of a data frame; columns that were never learned count nothing."""
        rows = np.zeros((len(X), len(self.gaussian.mean)))
        rows[:, 0] = 1.0
        for name in X.columns:
            if name in self.positions:
                rows[:, self.positions[name]] = X[name]
        return rows


def _grown(matrix: Floats, new: int, diagonal: float) -> Floats:
    size = len(matrix)
    grown = np.zeros((size + new, size + new))
    grown[:size, :size] = matrix
    np.fill_diagonal(grown[size:, size:], diagonal)
    return grown


def laplace(
    pairs: tuple[tuple[str, str], ...] = (), settings: LaplaceSettings | None = None
) -> compose.Pipeline:
    """A fresh river pipeline.

    >>> model = laplace()
    >>> model.learn_one({"amount": 3.0}, True)
    >>> 0.0 < model.predict_proba_one({"amount": 3.0})[True] < 0.1
    True
    """
    chosen = settings or LaplaceSettings()
    return compose.Pipeline(
        preprocessing.StandardScaler(),
        Squash(chosen.squash_limit),
        Interactions(pairs),
        LaplaceRegression(
            prevalence=chosen.prevalence,
            prior_precision=chosen.prior_precision,
            intercept_precision=chosen.intercept_precision,
            memory_labels=chosen.memory_labels,
            block_labels=chosen.block_labels,
        ),
    )
