"""Loading another model into a running system, so that its ledger still explains and repeats everything.

    frame = reloaded(engine, load_model(files, engine.settings))

The frame records, beside the weights in `published`, the whole learned state of the model in a table
`champion`: one row, an array a column. Whoever reads it later needs no file of long ago. The learner goes
on from exactly that state; recovery and `replay.verify` take it as an input, like a transaction.

Its version is the seq of the frame. A learner's version rises by at most one an event, so no proposal that
was learned before, and is still under way, can be newer: the engine refuses it.

What is not of the model goes on as it was: the strategy's open terms and delays, the guards' counts. The
recalibration, which an artefact does not hold, begins again at the identity.
"""

import numpy as np

from fraud_system.engine import Engine
from fraud_system.errors import ArtefactError
from fraud_system.events import Frame, Table
from fraud_system.guards import sound_weights
from fraud_system.learner import Learner
from fraud_system.models.artefact import LoadedModel
from fraud_system.models.online import weights_of
from fraud_system.publication import Publication
from fraud_system.settings import Settings


def reloaded(engine: Engine, loaded: LoadedModel) -> Frame:
    """Serve a loaded model from here on; returns what the ledger shall record.

    Raises:
        ArtefactError: it belongs to other settings, or its weights are such as the guards let no learner
            publish.
    """
    champion, settings = champion_of(loaded), engine.settings
    if not sound_weights(weights_of(loaded.pipeline, loaded.names), settings.guards):
        raise ArtefactError("beyond what the guards let pass", field="weight")
    return engine.adopt(publication_of(champion, settings, engine.last_seq + 1), champion)


def champion_of(loaded: LoadedModel) -> Table:
    """The learned state of a model as a table of one row, and which artefact it came from."""
    described = loaded.described
    about = {
        "settings": np.array([described["settings_fingerprint"]], "S64"),
        "artefact_sha256": np.array([described["sha256"]], "S64"),
        "learned_labels": np.array([described["learned_labels"]]),
    }
    return about | {f"learned.{name}": array[None] for name, array in loaded.arrays.items()}


def publication_of(champion: Table, settings: Settings, version: int) -> Publication:
    """What a learner publishes that goes on from there.

    Raises:
        ArtefactError: the state belongs to other settings, or is none of a model of these.
    """
    return Learner(settings).go_on_from(champion, version)
