"""A model on disk: `model.json` says what it is, `arrays.npz` holds the numbers. Never pickle.

Written with everything that is needed to go on learning (scaler, weights, optimizer, buckets), and
checked when it is loaded: checksum, shapes, finiteness and feature list.
"""

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import compose

from fraud_system.errors import ArtefactError
from fraud_system.learner import Learner
from fraud_system.models.baseline import baseline, parts
from fraud_system.models.fast_forward import LearnerState, write_state
from fraud_system.settings import Settings

FORMAT_VERSION = 1
KIND = "baseline"
STATE = LearnerState._fields
BUCKETS = ("bucket_labels", "bucket_frauds")


@dataclass(frozen=True)
class LoadedModel:
    """A model that has been read and checked.

    Args:
        pipeline: the river pipeline, ready to predict and to learn.
        names: of its features, in the order of the columns.
        described: the content of `model.json`.
        arrays: the content of `arrays.npz`.
    """

    pipeline: compose.Pipeline
    names: tuple[str, ...]
    described: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


def save_model(learner: Learner) -> dict[str, bytes]:
    """The files of a model directory, by name; equal learners give equal bytes."""
    arrays = {n: a for n, a in learner.to_arrays().items() if n.startswith("model.")}
    arrays = {name.removeprefix("model."): array for name, array in arrays.items()}
    arrays |= {"bucket_labels": learner.buckets.labels, "bucket_frauds": learner.buckets.frauds}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    settings = learner.settings
    described = {
        "format_version": FORMAT_VERSION,
        "kind": KIND,
        "weights_version": learner.version,
        "learned_labels": learner.learned_labels,
        "learned_through_seq": learner.learned_through_seq,
        "optimizer_iterations": parts(learner.model)[3].optimizer.n_iterations,
        "features": [
            {"name": feature.name, "unit": feature.unit, "words": feature.words}
            for feature in settings.features.features
        ],
        "pairs": [list(pair) for pair in settings.features.pairs],
        "settings": settings.described(),
        "settings_fingerprint": settings.fingerprint,
        "arrays_sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
    }
    text = json.dumps(described, indent=1, sort_keys=True) + "\n"
    return {"model.json": text.encode(), "arrays.npz": buffer.getvalue()}


def load_model(files: dict[str, bytes], settings: Settings | None = None) -> LoadedModel:
    """Read the files of a model directory.

    Args:
        files: by name, as `save_model` gives them.
        settings: if given, the model must belong to them.

    Raises:
        ArtefactError: naming what does not fit.
    """
    described = _described(files)
    packed = files.get("arrays.npz", b"")
    if hashlib.sha256(packed).hexdigest() != described["arrays_sha256"]:
        raise ArtefactError("does not match its checksum", field="arrays.npz", fix="copy it again")
    try:
        with np.load(io.BytesIO(packed), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise ArtefactError("is not an array file", field="arrays.npz") from error
    names = tuple(feature["name"] for feature in described["features"])
    pairs = tuple((left, right) for left, right in described["pairs"])
    if settings is not None and described["settings_fingerprint"] != settings.fingerprint:
        raise ArtefactError("belongs to other settings", field="model.json")
    _check_arrays(arrays, len(names), len(pairs))
    pipeline = baseline(pairs)
    scaler_settings = described["settings"]["model"]
    pipeline["Squash"].limit = scaler_settings["squash_limit"]
    logistic = parts(pipeline)[3]
    logistic.optimizer.lr.learning_rate = scaler_settings["learning_rate"]
    logistic.optimizer.eps = scaler_settings["first_gradient"]
    logistic.intercept_lr.learning_rate = scaler_settings["intercept_learning_rate"]
    logistic.optimizer.n_iterations = described["optimizer_iterations"]
    write_state(pipeline, names, LearnerState(**{name: arrays[name] for name in STATE}))
    return LoadedModel(pipeline, names, described, arrays)


def _described(files: dict[str, bytes]) -> dict[str, Any]:
    try:
        described: dict[str, Any] = json.loads(files["model.json"])
        version, kind = described["format_version"], described["kind"]
    except (KeyError, TypeError, ValueError) as error:
        raise ArtefactError("is missing or not readable", field="model.json") from error
    if (version, kind) != (FORMAT_VERSION, KIND):
        raise ArtefactError(
            f"format {version} of kind {kind!r} is not known",
            field="model.json",
            fix=f"use a version of this software that writes {kind!r}",
        )
    return described


def _check_arrays(arrays: dict[str, NDArray[Any]], features: int, pairs: int) -> None:
    lengths = {
        "learned": features,
        "mean": features,
        "variance": features,
        "weight": features + pairs,
        "squared_gradient": features + pairs,
        "seen": features + pairs,
        "intercept": 1,
        "left": pairs,
        "right": pairs,
    }
    for name in (*STATE, *BUCKETS):
        if name not in arrays:
            raise ArtefactError("is missing", field=f"arrays.npz: {name}")
        if name in lengths and arrays[name].shape != (lengths[name],):
            raise ArtefactError(
                f"shape {arrays[name].shape}, not ({lengths[name]},)", field=f"arrays.npz: {name}"
            )
        if not np.isfinite(arrays[name]).all():
            raise ArtefactError("has a value that is not finite", field=f"arrays.npz: {name}")
