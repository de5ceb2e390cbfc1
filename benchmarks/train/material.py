"""The stream that all contenders work on: the Handbook's, or the project's own simulation."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fraud_system import replay
from fraud_system.events import Arrivals, Frame, no_labels
from fraud_system.ledger import Ledger, MemoryLedger
from fraud_system.models.model_settings import LaplaceSettings
from fraud_system.settings import Settings
from fraud_system.simulate import SCENARIOS, simulate
from pipelines.job import BATCH_EVENTS, BATCHES_IN_COMMIT
from pipelines.readers import arrivals, read_transactions
from pipelines.system_settings import SCHEMAS, read_schema, settings_of


@dataclass(frozen=True)
class Material:
    """A stream and what is made of it.

    Args:
        name: of the data.
        arrivals, settings: what a replay takes.
    """

    name: str
    arrivals: Arrivals
    settings: Settings

    def first_events(self, events: int) -> "Material":
        """The beginning of it."""
        return replace(self, arrivals=self.arrivals.rows(0, events))

    def with_laplace(self, pairs: tuple[tuple[str, str], ...]) -> "Material":
        """The same stream, learned by `laplace` from its features and these products."""
        features = replace(self.settings.features, pairs=pairs)
        model = LaplaceSettings(prevalence=self.settings.model.prevalence)
        return replace(self, settings=replace(self.settings, features=features, model=model))

    @property
    def terms(self) -> str:
        """How many features and products a model learns, in words."""
        listed = self.settings.features
        return f"{len(listed.names)} features and {len(listed.pairs)} products"

    @property
    def transactions(self) -> int:
        """How many there are."""
        return len(self.arrivals.transactions)

    @property
    def is_fraud(self) -> NDArray[np.bool_]:
        """(n,) whether a fraud was ever reported of each transaction."""
        labels = self.arrivals.labels
        reported = labels.transaction_key[labels.is_fraud]
        return np.isin(self.arrivals.transactions.transaction_key, reported)


@dataclass(frozen=True)
class LearningRows:
    """n rows to learn, in order, as the engine logged them.

    Args:
        names: of the d features.
        pairs: the declared interactions.
        features: (n, d) float64.
        is_fraud: (n,).
    """

    names: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    features: NDArray[np.float64]
    is_fraud: NDArray[np.bool_]

    def first(self, rows: int) -> "LearningRows":
        """The first of them."""
        return replace(self, features=self.features[:rows], is_fraud=self.is_fraud[:rows])


def material(data: Path | None, days: int) -> Material:
    """The stream of a Handbook file, or of a simulation of so many days."""
    schema = read_schema(SCHEMAS / ("simulated.toml" if data is None else "handbook.toml"))
    settings = settings_of(schema, model="baseline")  # `with_laplace` is the other
    if data is None:
        traffic = simulate(replace(SCENARIOS["demo"], days=days), seed=1)
        tables = traffic.transactions, traffic.labels
    else:
        read = read_transactions(data, schema)
        tables = read.transactions, read.labels or no_labels()
    waits = settings.labels
    stream = arrivals(*tables, waits.maturity_s, waits.orphan_wait_s)
    return Material(schema.name, stream, settings)


def replay_all(
    stream: Material, ledger: Ledger, observe: Callable[[Frame], None] | None = None
) -> None:
    """The complete replay, as the main job runs it."""
    engine, learner = replay.start(stream.settings, ledger)
    batches = stream.arrivals.batches(BATCH_EVENTS)
    for _ in replay.run(engine, learner, ledger, batches, BATCHES_IN_COMMIT, observe):
        pass


def learning_rows(stream: Material, rows: int) -> LearningRows:
    """The first rows of the stream with the features that the engine logged of them."""
    features, keys = [], []

    def observe(frame: Frame) -> None:
        if "decision" in frame.tables:
            features.append(frame.tables["decision"]["features"])
            keys.append(frame.tables["transaction"]["transaction_key"])

    last_us = stream.arrivals.transactions.known_time_us[: rows + 1][-1]
    until = int(np.searchsorted(stream.arrivals.known_time_us, last_us))
    with MemoryLedger() as ledger:
        replay_all(stream.first_events(max(until, 1)), ledger, observe)
    labels = stream.arrivals.labels
    reported = labels.transaction_key[labels.is_fraud]
    listed = stream.settings.features
    return LearningRows(
        tuple(listed.names),
        listed.pairs,
        np.concatenate(features).astype(np.float64),
        np.isin(np.concatenate(keys), reported),
    )
