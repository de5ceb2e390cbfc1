"""Learning, by the project's compiled kernel and by river's own loop over the same pipeline."""

from collections.abc import Callable, Sequence
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray
from river import compose, linear_model, optim, preprocessing

from benchmarks.train.material import LearningRows
from fraud_system.models.fast_forward import fast_forward
from fraud_system.models.model_settings import ModelSettings
from fraud_system.models.online import new_model

Pairs = tuple[tuple[str, str], ...]


def all_pairs(names: Sequence[str]) -> Pairs:
    """All squares and products, which is what Vowpal Wabbit's `-q ::` makes.

    >>> all_pairs(["a", "b"])
    (('a', 'a'), ('a', 'b'), ('b', 'b'))
    """
    return tuple(combinations_with_replacement(names, 2))


def compiled(
    rows: LearningRows, pairs: Pairs, settings: ModelSettings
) -> Callable[[], NDArray[np.float64]]:
    """Learn all rows once from nothing; gives their log odds just before each was learned."""
    return lambda: fast_forward(
        new_model(settings, pairs), rows.names, rows.features, rows.is_fraud
    )


def river_loop(
    rows: LearningRows, pairs: Pairs, settings: ModelSettings
) -> Callable[[], compose.Pipeline]:
    """river's `learn_one` over the very pipeline that `compiled` learns; dictionaries made beforehand."""
    given, labels = dictionaries(rows), rows.is_fraud.tolist()

    def learn() -> compose.Pipeline:
        model = new_model(settings, pairs)
        for x, label in zip(given, labels, strict=True):
            model.learn_one(x, label)
        return model

    return learn


def river_linear_loop(rows: LearningRows) -> Callable[[], compose.Pipeline]:
    """The bare loop of river's documentation: predict, then learn; linear, and nothing else."""
    given, labels = dictionaries(rows), rows.is_fraud.tolist()

    def replay() -> compose.Pipeline:
        model = compose.Pipeline(
            preprocessing.StandardScaler(),
            linear_model.LogisticRegression(optimizer=optim.AdaGrad(0.1)),
        )
        for x, label in zip(given, labels, strict=True):
            model.predict_proba_one(x)
            model.learn_one(x, label)
        return model

    return replay


def dictionaries(rows: LearningRows) -> list[dict[str, float]]:
    """Each row as river takes it: a nan is an absent key."""
    return [
        {name: value for name, value in zip(rows.names, row, strict=True) if value == value}
        for row in rows.features.tolist()
    ]


def squashed(rows: LearningRows, limit: float) -> NDArray[np.float64]:
    """(n, d) the standardised, squashed features as river's scaler gives them while it learns.

    Row t is standardised with the mean and variance of rows 0..t; missing and constant features are 0.

    >>> column = np.array([[1.0], [3.0], [np.nan], [2.0]])
    >>> rows = LearningRows(("a",), (), column, np.zeros(4, dtype=bool))
    >>> squashed(rows, limit=1e9).round(6).tolist()
    [[0.0], [1.0], [0.0], [0.0]]
    """
    out = np.zeros_like(rows.features)
    for column in range(out.shape[1]):
        value = rows.features[:, column]
        present = ~np.isnan(value)
        known = value[present]
        if len(known) == 0:
            continue
        count = np.arange(1, len(known) + 1)
        shifted = known - known[0]  # or the variance would be a small difference of large sums
        mean = np.cumsum(shifted) / count
        variance = np.maximum(np.cumsum(shifted * shifted) / count - mean * mean, 0.0)
        deviation = np.sqrt(variance)
        z = np.divide(shifted - mean, deviation, out=np.zeros_like(mean), where=variance > 1e-12)
        out[present, column] = limit * np.tanh(z / limit)
    return out


def progressive_log_loss(log_odds: NDArray[np.float64], is_fraud: NDArray[np.bool_]) -> float:
    """Mean log loss of predictions that were made before their label was learned.

    >>> round(progressive_log_loss(np.array([0.0, 0.0]), np.array([True, False])), 4)
    0.6931
    """
    return float(np.mean(np.logaddexp(0.0, np.where(is_fraud, -log_odds, log_odds))))
