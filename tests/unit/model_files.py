"""A small learner that has learned, the files of its model, and how a stranger would forge them."""

import hashlib
import io
import json

import numpy as np
import pytest

from fraud_system.errors import ArtefactError
from fraud_system.events import SECOND_US, Frame, Resolution
from fraud_system.features.declaration import load_features
from fraud_system.labels import LabelSettings
from fraud_system.learner import Learner
from fraud_system.models.artefact import load_model, save_model
from fraud_system.models.heuristic import Rule
from fraud_system.models.model_settings import BaselineSettings
from fraud_system.settings import Settings

FEATURES = """
interactions = [["log_amount", "log_amount"], ["log_amount", "numeric:age"]]
[[features]]
kind = "log_amount"
[[features]]
kind = "is_night"
[[features]]
kind = "is_new"
entity = "device"
"""
SETTINGS = Settings(
    features=load_features(FEATURES, [], ["age"]),
    rules=(Rule("large", (("log_amount", True, 4.0),)),),
    labels=LabelSettings(maturity_s=100, horizon_s=10_000),
    model=BaselineSettings(0.02, 0.3, 0.5, 0.04, 2.5),
    publish_every_labels=70,
)
NAMES = SETTINGS.features.names


def rows_and_labels(rows, seed):
    generator = np.random.default_rng(seed)
    features = generator.normal(3.0, 2.0, size=(rows, len(NAMES))).astype(np.float32)
    features[generator.random(features.shape) < 0.1] = np.nan
    return features, generator.random(rows) < 0.3


def learner_after(rows=200, seed=0, using=SETTINGS):
    """A learner that has folded one frame of transactions and their labels, all at maturity."""
    learner = Learner(using)
    learner.first_publication()
    features, is_fraud = rows_and_labels(rows, seed)
    known_us = np.arange(rows, dtype=np.int64) * SECOND_US
    is_fraud[-1] = False  # a fraud is learned in its turn, which the next one brings
    resolution = np.where(is_fraud, Resolution.FRAUD, Resolution.MATURED).astype(np.uint8)
    resolved_us = known_us + using.labels.maturity_s * SECOND_US
    tables = {
        "transaction": {
            "seq": np.arange(rows) + 1,
            "known_time_us": known_us,
            "transaction_key": np.arange(rows, dtype=np.uint64) + np.uint64(1),
        },
        "decision": {
            "features": features,
            "probability": np.full(rows, 0.3),
            "probability_model": np.full(rows, 0.3),
        },
        "resolved": {
            "seq": np.arange(rows) + rows + 1,
            "known_time_us": resolved_us,
            "resolution": resolution,
            "source": np.zeros(rows, np.uint8),
            "transaction_seq": np.arange(rows) + 1,
            "ordinal": np.arange(rows),
            "transaction_time_us": known_us,
        },
    }
    learner.fold(Frame(1, 2 * rows, int(resolved_us[-1]), tables))
    return learner


LEARNER = learner_after()
FILES = save_model(LEARNER)


def arrays_of(files):
    with np.load(io.BytesIO(files["arrays.npz"])) as stored:
        return {name: stored[name] for name in stored.files}


def pack(arrays, **options):
    buffer = io.BytesIO()
    np.savez(buffer, **options, **arrays)
    return buffer.getvalue()


def signed(described=None, packed=None):
    """Files whose checksums are right whatever they hold: what a stranger could write."""
    described = dict(json.loads(FILES["model.json"]) if described is None else described)
    packed = FILES["arrays.npz"] if packed is None else packed
    described["arrays_sha256"] = hashlib.sha256(packed).hexdigest()
    described.pop("sha256", None)
    text = json.dumps(described, indent=1, sort_keys=True) + "\n"
    described["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    text = json.dumps(described, indent=1, sort_keys=True) + "\n"
    return {"model.json": text.encode(), "arrays.npz": packed}


def refused(files, field, using=None):
    with pytest.raises(ArtefactError) as caught:
        load_model(files, using)
    assert field in caught.value.field
    return caught.value
