"""Every model in one place: which there are, and what the learner asks of any of them.

A model is a river pipeline. `fast_forward` learns columns with it; here it is made, turned into the
weights that are served, and turned into arrays and back.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import compose

from fraud_system.models.baseline import baseline
from fraud_system.models.fast_forward import LearnerState, read_state, write_state
from fraud_system.models.forward_laplace import laplace_arrays, laplace_weight, restore_laplace
from fraud_system.models.laplace import LaplaceRegression, laplace
from fraud_system.models.model_settings import LaplaceSettings, ModelSettings
from fraud_system.models.pipeline import parts, read_scaler
from fraud_system.models.weights import Weights

Floats = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]


def new_model(settings: ModelSettings, pairs: tuple[tuple[str, str], ...]) -> compose.Pipeline:
    """A fresh pipeline of the kind that the settings are for."""
    if isinstance(settings, LaplaceSettings):
        return laplace(pairs, settings)
    return baseline(pairs, settings)


def weights_of(model: compose.Pipeline, names: Sequence[str]) -> Weights:
    """The weights as they are now."""
    _, mean, variance = read_scaler(model, names)
    regression = parts(model)[3]
    if isinstance(regression, LaplaceRegression):
        weight = laplace_weight(model, names)
        return Weights(mean, np.sqrt(variance), weight[1:], weight[:1])
    state = read_state(model, names)
    return Weights(mean, np.sqrt(variance), state.weight, state.intercept)


def model_arrays(model: compose.Pipeline, names: Sequence[str]) -> Arrays:
    """Everything that is needed to go on learning."""
    regression = parts(model)[3]
    if isinstance(regression, LaplaceRegression):
        return laplace_arrays(model, names)
    arrays: Arrays = dict(read_state(model, names)._asdict())
    arrays["iterations"] = np.array([regression.optimizer.n_iterations], np.int64)
    return arrays


def restore_model(model: compose.Pipeline, names: Sequence[str], arrays: Arrays) -> None:
    """Take what `model_arrays` gave, into a fresh pipeline of the same settings."""
    regression = parts(model)[3]
    if isinstance(regression, LaplaceRegression):
        restore_laplace(model, names, arrays)
        return
    state = {name: array for name, array in arrays.items() if name != "iterations"}
    write_state(model, names, LearnerState(**state))
    regression.optimizer.n_iterations = int(arrays["iterations"][0])
