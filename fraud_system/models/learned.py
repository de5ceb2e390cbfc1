"""What a model has learned, as named arrays: the pipeline's state and the heuristic's buckets.

An artefact holds them, and so does the ledger where a champion was loaded; both are checked here, as if
a stranger had written them.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.errors import ArtefactError
from fraud_system.models.gaussian import factorised
from fraud_system.models.online import Arrays, model_arrays, new_model
from fraud_system.settings import Settings

BUCKETS = ("bucket_labels", "bucket_frauds")
NOT_NEGATIVE = (
    "learned",
    "variance",
    "squared_gradient",
    "iterations",
    "pending_held",
    "pending_refused",
    *BUCKETS,
)


def fresh_arrays(settings: Settings) -> Arrays:
    """Those of a model that has learned nothing: which there are, of what types and shapes."""
    pipeline = new_model(settings.model, settings.features.pairs)
    buckets = {name: np.zeros(len(settings.rules) + 2) for name in BUCKETS}
    return model_arrays(pipeline, settings.features.names) | buckets


def check_learned(arrays: Mapping[str, NDArray[Any]], settings: Settings, where: str) -> None:
    """Refuse arrays that are not what a model of these settings can have learned.

    Args:
        arrays: by name.
        settings: of the model.
        where: they were found, for the error.

    Raises:
        ArtefactError: naming the array and what is wrong with it.
    """
    fresh = fresh_arrays(settings)
    for name in sorted(set(fresh) ^ set(arrays)):
        problem = "is missing" if name in fresh else "is not known"
        raise ArtefactError(problem, field=f"{where}: {name}")
    for name, array in arrays.items():
        expected = fresh[name]
        if (array.dtype, array.shape) != (expected.dtype, expected.shape):
            raise ArtefactError(
                f"{array.dtype} of shape {array.shape}, not {expected.dtype} of {expected.shape}",
                field=f"{where}: {name}",
            )
        if not np.isfinite(array).all():
            raise ArtefactError("has a value that is not finite", field=f"{where}: {name}")
        if name in NOT_NEGATIVE and (array < 0.0).any():
            raise ArtefactError("has a value below 0", field=f"{where}: {name}")
    for name in ("left", "right"):
        if name in fresh and not np.array_equal(arrays[name], fresh[name]):
            raise ArtefactError("does not fit the list of pairs", field=f"{where}: {name}")
    if (arrays["bucket_frauds"] > arrays["bucket_labels"]).any():
        raise ArtefactError("more frauds than labels", field=f"{where}: bucket_frauds")
    if "precision" in fresh:
        if arrays["pending_held"][0] >= len(fresh["pending_rows"]):
            raise ArtefactError("more than a block holds", field=f"{where}: pending_held")
        if np.isnan(factorised(arrays["precision"])[0, 0]):
            raise ArtefactError("is not positive definite", field=f"{where}: precision")
