"""A model on disk: `model.json` says what it is, `arrays.npz` holds the numbers. Never pickle.

Written with everything that is needed to go on learning (scaler, weights, optimizer, buckets), and
checked when it is loaded: both checksums, then that settings, feature list, shapes, types and values
belong together. The checksums find damage; they are no signature, so the rest is checked as if a stranger
had written it: nothing is unpickled, and no size is believed before it is compared with the expected.
"""

import hashlib
import io
import json
import math
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import compose

from fraud_system.errors import ArtefactError
from fraud_system.learner import Learner
from fraud_system.models.learned import BUCKETS, check_learned, fresh_arrays
from fraud_system.models.model_settings import MODELS
from fraud_system.models.online import Arrays, model_arrays, new_model, restore_model
from fraud_system.settings import Settings

FORMAT_VERSION = 1
COUNTED = {
    "weights_version": -1,
    "learned_labels": 0,
    "learned_through_seq": 0,
}


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
    arrays = model_arrays(learner.model, learner.names)
    arrays |= {"bucket_labels": learner.buckets.labels, "bucket_frauds": learner.buckets.frauds}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    described = {
        "format_version": FORMAT_VERSION,
        "kind": learner.settings.model.kind,
        "weights_version": learner.version,
        "learned_labels": learner.learned_labels,
        "learned_through_seq": learner.learned_through_seq,
        "arrays_sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
    } | _of_settings(learner.settings)
    described["sha256"] = _checksum(described)
    return {"model.json": _text(described), "arrays.npz": buffer.getvalue()}


def load_model(files: dict[str, bytes], settings: Settings | None = None) -> LoadedModel:
    """Read the files of a model directory.

    Args:
        files: by name, as `save_model` gives them.
        settings: if given, the model must belong to them.

    Raises:
        ArtefactError: naming what does not fit.
    """
    described = _described(files)
    own = Settings.from_described(described["settings"])
    for name, value in _of_settings(own).items():
        if _text({name: described[name]}) != _text({name: value}):
            raise ArtefactError("does not fit its own settings", field=f"model.json: {name}")
    if settings is not None and settings.fingerprint != own.fingerprint:
        raise ArtefactError("belongs to other settings", field="model.json: settings_fingerprint")
    if described["kind"] != own.model.kind:
        raise ArtefactError("does not fit its own settings", field="model.json: kind")
    pipeline = new_model(own.model, own.features.pairs)
    arrays = _arrays(files, described["arrays_sha256"], fresh_arrays(own))
    check_learned(arrays, own, "arrays.npz")
    learned = {name: array for name, array in arrays.items() if name not in BUCKETS}
    restore_model(pipeline, own.features.names, learned)
    return LoadedModel(pipeline, own.features.names, described, arrays)


def _of_settings(settings: Settings) -> dict[str, Any]:
    """What `model.json` says about the settings, for a person and for a machine."""
    return {
        "features": [
            {"name": feature.name, "unit": feature.unit, "words": feature.words}
            for feature in settings.features.features
        ],
        "pairs": [list(pair) for pair in settings.features.pairs],
        "settings": settings.described(),
        "settings_fingerprint": settings.fingerprint,
    }


def _text(described: dict[str, Any]) -> bytes:
    return (json.dumps(described, indent=1, sort_keys=True) + "\n").encode()


def _checksum(described: dict[str, Any]) -> str:
    """Of everything but itself."""
    return hashlib.sha256(_text({n: v for n, v in described.items() if n != "sha256"})).hexdigest()


def _described(files: dict[str, bytes]) -> dict[str, Any]:
    """The content of `model.json`: of this format, undamaged, and whole."""
    try:
        described: dict[str, Any] = json.loads(files["model.json"])
        version, kind = described["format_version"], described["kind"]
        checksum = _checksum(described)
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        raise ArtefactError("is missing or not readable", field="model.json") from error
    if version != FORMAT_VERSION or kind not in list(MODELS):
        raise ArtefactError(
            f"format {version!r} of kind {kind!r} is not known",
            field="model.json",
            fix=f"use a version of this software that writes {kind!r}",
        )
    if checksum != described.get("sha256") or _text(described) != files["model.json"]:
        raise ArtefactError(
            "does not match its checksum", field="model.json: sha256", fix="copy it again"
        )
    for name in ("arrays_sha256", "features", "pairs", "settings", "settings_fingerprint"):
        if name not in described:
            raise ArtefactError("is missing", field=f"model.json: {name}")
    for name, least in COUNTED.items():
        value = described.get(name)
        if type(value) is not int or value < least:
            raise ArtefactError(f"{value!r} is not a count", field=f"model.json: {name}")
    return described


def _arrays(
    files: dict[str, bytes],
    sha256: str,
    expected: Arrays,
) -> dict[str, NDArray[Any]]:
    """The content of `arrays.npz`, which must be just the expected arrays."""
    packed = files.get("arrays.npz")
    if packed is None:
        raise ArtefactError("is missing", field="arrays.npz", fix="copy it again")
    if hashlib.sha256(packed).hexdigest() != sha256:
        raise ArtefactError("does not match its checksum", field="arrays.npz", fix="copy it again")
    members = _members(packed)
    for name in sorted(set(expected) ^ set(members)):
        problem = "is missing" if name in expected else "is not known"
        raise ArtefactError(problem, field=f"arrays.npz: {name}")
    return {name: _array(name, members[name], fresh) for name, fresh in expected.items()}


def _members(packed: bytes) -> dict[str, bytes]:
    """The members of a zip file that stores them as they are, by name without `.npy`."""
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            listed = archive.infolist()
            # Stored members cannot be larger than the file: none of them can swell in memory.
            if any(each.compress_type != zipfile.ZIP_STORED for each in listed):
                raise ValueError("a member is compressed")
            if sum(each.file_size for each in listed) > len(packed):
                raise ValueError("the members are larger than the file")
            return {each.filename.removesuffix(".npy"): archive.read(each) for each in listed}
    except Exception as error:  # whatever a parser says of bytes that anyone may have written
        raise ArtefactError(f"is not an array file: {error}", field="arrays.npz") from error


def _array(name: str, member: bytes, fresh: NDArray[Any]) -> NDArray[Any]:
    dtype, shape = fresh.dtype, fresh.shape
    stream = io.BytesIO(member)
    try:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise ValueError(f"version {version}")
        stored_shape, _, stored_dtype = np.lib.format.read_array_header_1_0(stream)
    except Exception as error:  # as above
        raise ArtefactError(f"is not an array: {error}", field=f"arrays.npz: {name}") from error
    data = member[stream.tell() :]
    size = math.prod(shape) * dtype.itemsize
    if (stored_dtype, stored_shape) != (dtype, shape) or len(data) != size:
        raise ArtefactError(
            f"{stored_dtype} of shape {stored_shape} in {len(data)} bytes, not {dtype} of {shape}",
            field=f"arrays.npz: {name}",
        )
    return np.frombuffer(data, dtype).reshape(shape).copy()
