"""Random streams for the tests of the features: every kind, odd scales, labels of all sorts."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fraud_system.engine import Engine
from fraud_system.events import DAY_US, SECOND_US, Arrivals, LabelsObserved, Transactions
from fraud_system.features.declaration import FeatureList, load_features
from fraud_system.labels import LabelSettings
from fraud_system.models.model_settings import BaselineSettings
from fraud_system.settings import Settings

HOUR_US = 3_600 * SECOND_US
START_US = 20_089 * DAY_US + 5 * HOUR_US  # 2025-01-01, a Wednesday
# `address` is not declared: an entity without counters of its own still has marks.
ENTITIES = ("device", "card", "address", "terminal")
NUMERIC = ("distance_km", "age_days")
CATEGORICAL = ("channel", "country")

EVERY_KIND = Path(__file__).with_name("every_kind.toml").read_text(encoding="utf-8")

LABELS = LabelSettings(
    maturity_s=2 * 86_400, horizon_s=5 * 86_400, orphan_wait_s=43_200, silence_s=86_400
)


def every_kind() -> FeatureList:
    return load_features(EVERY_KIND, ENTITIES, NUMERIC, CATEGORICAL)


def settings_for(features: FeatureList, **changes: Any) -> Settings:
    """With a prevalence at which larger amounts are reviewed, so that not all is approved."""
    chosen: dict[str, Any] = {"labels": LABELS, "model": BaselineSettings(prevalence=0.05)}
    return Settings(features, **chosen | changes)


def transactions_of(
    known_us: Any,
    entity_keys: Any,
    amount: Any = 10.0,
    event_us: Any = None,
    numeric: Any = None,
    categories: Any = None,
    first_key: int = 1,
) -> Transactions:
    """Columns, with keys first_key, first_key + 1, ...; entity_keys (n, entities), 0 is unknown."""
    known_us = np.asarray(known_us, np.int64)
    rows = len(known_us)
    key = np.arange(first_key, first_key + rows, dtype=np.uint64)

    def table(values: Any, dtype: type) -> Any:
        return np.zeros((rows, 0), dtype) if values is None else np.asarray(values, dtype)

    return Transactions(
        transaction_id=np.array([b"%d" % each for each in key], "S20"),
        transaction_key=key,
        event_time_us=known_us if event_us is None else np.asarray(event_us, np.int64),
        known_time_us=known_us,
        amount=np.broadcast_to(np.asarray(amount, np.float64), rows).copy(),
        entity_keys=np.asarray(entity_keys, np.uint64).reshape(rows, -1),
        numeric=table(numeric, np.float64),
        categories=table(categories, np.uint64),
    )


def labels_of(known_us: Any, transaction_key: Any, is_fraud: Any = True) -> LabelsObserved:
    known_us = np.asarray(known_us, np.int64)
    key = np.asarray(transaction_key, np.uint64)
    return LabelsObserved.unnamed(
        transaction_id=np.array([b"%d" % each for each in key], "S20"),
        transaction_key=key,
        known_time_us=known_us,
        is_fraud=np.broadcast_to(np.asarray(is_fraud, np.bool_), len(key)).copy(),
        source=np.zeros(len(key), np.uint8),
    )


def random_transactions(generator: np.random.Generator, rows: int, days: float) -> Transactions:
    """Few entities, many ties, unknown keys, zero amounts, late and early event times, repeated ids."""
    span_us = int(days * DAY_US)
    known_us = np.sort(generator.integers(0, span_us, rows))
    coarse = generator.random(rows) < 0.4
    known_us = np.sort(np.where(coarse, known_us - known_us % HOUR_US, known_us)) + START_US
    late_us = generator.choice([0, 0, 1, -250 * SECOND_US, 7 * HOUR_US, 23 * HOUR_US], rows)
    entity_keys = np.column_stack(
        [generator.integers(0, most, rows) * (generator.random(rows) > 0.05) for most in _MOST]
    )
    amount = np.round(np.exp(generator.normal(3.5, 1.6, rows)), 2)
    amount[generator.random(rows) < 0.08] = 0.0
    numeric = generator.normal(0.0, 100.0, (rows, len(NUMERIC)))
    numeric[generator.random(numeric.shape) < 0.3] = np.nan
    made = transactions_of(
        known_us,
        entity_keys,
        amount,
        known_us - late_us,
        numeric,
        generator.integers(0, 30, (rows, len(CATEGORICAL))),
    )
    repeated = generator.random(rows) < 0.03
    repeated[0] = False
    made.transaction_key[repeated] = made.transaction_key[np.flatnonzero(repeated) - 1]
    return made


_MOST = (4, 9, 30, 6)  # different keys of each of ENTITIES, among them 0


def random_labels(generator: np.random.Generator, transactions: Transactions) -> LabelsObserved:
    """Early, late and never; before the transaction; twice; taken back, and again; about nothing."""
    rows = len(transactions)
    reported = np.flatnonzero(generator.random(rows) < 0.35)
    delay_us = (
        generator.choice([-8, -13, 0, 1, 5, 30, 47, 49, 60, 110, 125], len(reported)) * HOUR_US
    )
    delay_us = delay_us + generator.choice([0, 0, -1, 1, 1_234_567], len(reported))
    first = labels_of(
        transactions.known_time_us[reported] + delay_us,
        transactions.transaction_key[reported],
        generator.random(len(reported)) < 0.93,
    )
    again = first.rows(generator.random(len(first)) < 0.3)
    later_us = generator.integers(0, 40, len(again)) * HOUR_US
    second = labels_of(
        again.known_time_us + later_us, again.transaction_key, generator.random(len(again)) < 0.3
    )
    third = labels_of(second.known_time_us + 3 * HOUR_US, second.transaction_key, True)
    orphans = labels_of(
        generator.choice(transactions.known_time_us, 9), generator.integers(10**9, 2**63, 9)
    )
    labels = LabelsObserved.join([first, second, third.rows(slice(0, None, 2)), orphans])
    return labels.rows(np.argsort(labels.known_time_us, kind="stable"))


def random_stream(seed: int, rows: int = 640, days: float = 12.0) -> Arrivals:
    """Transactions, labels and ticks; the last tick comes when every label is resolved."""
    generator = np.random.default_rng(seed)
    transactions = random_transactions(generator, rows, days)
    labels = random_labels(generator, transactions)
    ticks = START_US + np.arange(0, int(days) + 8) * DAY_US
    return Arrivals.merge(transactions, labels, ticks)


class Logged(NamedTuple):
    """What the ledger recorded, as tables over the whole stream."""

    transaction: dict[str, Any]
    decision: dict[str, Any]
    resolved: dict[str, Any]

    @property
    def features(self) -> Any:
        return self.decision["features"]


def fold_stream(
    arrivals: Arrivals, settings: Settings, sizes: Sequence[int] = (), engine: Engine | None = None
) -> tuple[Engine, Logged]:
    """Fold everything, in batches of these sizes (the last one goes on for ever)."""
    engine = engine or Engine(settings)
    parts: dict[str, list[dict[str, Any]]] = {"transaction": [], "decision": [], "resolved": []}
    start, turn = 0, 0
    while start < len(arrivals):
        size = sizes[min(turn, len(sizes) - 1)] if sizes else len(arrivals)
        batch = arrivals.rows(start, min(start + size, len(arrivals)))
        position = 0
        while position < len(batch):
            folded = engine.fold(batch, position)
            position = folded.consumed
            tables = folded.frame.tables if folded.frame is not None else {}
            for name, found in parts.items():
                if name in tables:
                    found.append(tables[name])
        start, turn = start + len(batch), turn + 1
    return engine, Logged(*(_joined(found) for found in parts.values()))


def _joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: np.concatenate([part[name] for part in parts]) for name in (parts or [{}])[0]}


def features_by_name(logged: Logged, features: FeatureList) -> dict[str, Any]:
    """(n,) float32 of each feature."""
    return dict(zip(features.names, logged.features.T, strict=True))


def with_transactions(arrivals: Arrivals, **columns: Any) -> Arrivals:
    """The same stream with other columns of transactions."""
    return replace(arrivals, transactions=replace(arrivals.transactions, **columns))
