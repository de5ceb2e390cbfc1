"""The river pipeline that every model here is, as names and columns.

    StandardScaler | Squash | Interactions | a logistic regression

Its terms are the features and then the products that `Interactions` makes of them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import compose

from fraud_system.errors import ConfigError
from fraud_system.models.interactions import Interactions
from fraud_system.models.squash import Squash

Floats = NDArray[np.float64]


def parts(model: compose.Pipeline) -> tuple[Any, Squash, Interactions, Any]:
    """Scaler, squash, interactions and logistic regression of a pipeline."""
    scaler, squash, interactions, logistic = model.steps.values()
    return scaler, squash, interactions, logistic


def _pairs(model: compose.Pipeline, names: Sequence[str]) -> list[tuple[str, str]]:
    known = set(names)
    return [(a, b) for a, b in parts(model)[2].pairs if a in known and b in known]


def terms_of(model: compose.Pipeline, names: Sequence[str]) -> list[str]:
    """The names of all d + k terms that features `names` (d,) have in a pipeline.

    Raises:
        ConfigError: two of its terms share a name.
    """
    terms = [*names, *(f"{a}*{b}" for a, b in _pairs(model, names))]
    if len(set(terms)) < len(terms):
        twice = min(term for term in terms if terms.count(term) > 1)
        raise ConfigError(f"two terms are called {twice!r}", field="names", fix="rename one")
    return terms


def sides_of(
    model: compose.Pipeline, names: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(k,) positions in `names` of the sides of each product."""
    position = {name: index for index, name in enumerate(names)}
    pairs = [(position[a], position[b]) for a, b in _pairs(model, names)]
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    return np.ascontiguousarray(left), np.ascontiguousarray(right)


def read_scaler(model: compose.Pipeline, names: Sequence[str]) -> tuple[Floats, Floats, Floats]:
    """(d,) each: how many values the scaler has learned, their mean and variance."""
    scaler = parts(model)[0]
    # One look at a time: indexing river's default dictionaries would create the entries.
    return (
        np.array([float(scaler.counts.get(name, 0)) for name in names]),
        np.array([scaler.means.get(name, 0.0) for name in names]),
        np.array([scaler.vars.get(name, 0.0) for name in names]),
    )


def write_scaler(
    model: compose.Pipeline, names: Sequence[str], learned: Floats, mean: Floats, variance: Floats
) -> None:
    """Put these into the river scaler; features never seen get no entry there."""
    scaler = parts(model)[0]
    for index, name in enumerate(names):
        if learned[index] > 0:
            scaler.counts[name] = int(learned[index])
            scaler.means[name] = float(mean[index])
            scaler.vars[name] = float(variance[index])
