"""Loads all compiled code that the engine's thread may ever call, before the first request.

What is compiled for the first time costs seconds, and even what is found on the disk costs tens of
milliseconds, for everybody who waits. So a start plays through what can happen to an engine, with one that is
thrown away: tables that grow, a report, a tick, an answer, a look-up, a snapshot.
"""

import numpy as np

from fraud_system.engine import Engine
from fraud_system.events import DAY_US, Arrivals, LabelSource
from fraud_system.frames import empty_tables
from fraud_system.models.recalibration import IDENTITY
from fraud_system.publication import Publication
from fraud_system.settings import Settings
from serving.answers import Answers, InForce
from serving.columns import label_columns
from serving.wire import Label

ROWS = 4_096  # more than every table of an empty engine has room for


def load_code(settings: Settings) -> None:
    """Do it, under these settings.

    >>> from fraud_system.features.declaration import load_features
    >>> load_code(Settings(load_features('[[features]]\\nkind = "log_amount"', [])))
    """
    engine = Engine(settings)
    engine.adopt(_any_weights(settings))
    nothing, _ = empty_tables(settings.features)
    number = np.arange(1, ROWS + 1)
    columns = {
        name: np.empty((ROWS, *column.shape[1:]), column.dtype)
        for name, column in nothing.table().items()
    }
    for column in columns.values():
        column.T[...] = number.astype(column.dtype)
    columns["event_time_us"] = columns["known_time_us"] = np.full(ROWS, DAY_US)
    report = Label(transaction_id="1", is_fraud=True, source=LabelSource.REVIEW.name.lower())  # type: ignore[arg-type]
    inputs = type(nothing)(**columns), label_columns([report], DAY_US), np.array([2 * DAY_US])
    frame = engine.fold(Arrivals.merge(*inputs)).frame
    assert frame is not None
    first = {
        name: {column: values[:1] for column, values in frame.tables[name].items()}
        for name in ("transaction", "decision")
    }
    in_force = InForce(engine.served, 0)
    Answers(settings).decisions(first["transaction"], first["decision"], in_force)
    engine.label_status(1)
    Engine.from_arrays(settings, engine.to_arrays())


def _any_weights(settings: Settings) -> Publication:
    """Not those of a learner, which would have to be loaded for it."""
    features, pairs = len(settings.features.names), len(settings.features.pairs)
    return Publication(
        version=0,
        learned_through_seq=0,
        settings=settings.fingerprint,
        mean=np.zeros(features),
        deviation=np.ones(features),
        weight=np.zeros(features + pairs),
        intercept=np.zeros(1),
        recalibration=IDENTITY.copy(),
        rates=np.full(len(settings.rules) + 2, 0.5),
    )
