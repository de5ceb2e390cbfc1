"""The streams that all contenders are shown: clean, with a fault, and with frauds of a known rate."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fraud_system import replay
from fraud_system.events import DAY_US, Arrivals, Frame, LabelsObserved, Table, Transactions
from fraud_system.features.declaration import load_features
from fraud_system.frames import MAX_RESOLVED_IN_FRAME
from fraud_system.labels import LabelSettings
from fraud_system.ledger import MemoryLedger
from fraud_system.models.model_settings import BaselineSettings
from fraud_system.settings import Settings
from fraud_system.simulate import SCENARIOS, simulate
from pipelines.system_settings import SCHEMAS, read_schema, settings_of

Ints = NDArray[np.int64]
WARM_UP_DAYS, CLEAN_DAYS = 30, 60
BATCH_EVENTS = 8_192
ODD = np.uint64(0x9E3779B97F4A7C15)
ONE_FEATURE = '[[features]]\nkind = "log_amount"\n'


@dataclass(frozen=True)
class Stream:
    """What a ledger recorded.

    Args:
        system: the settings that it was recorded under.
        arrivals: what it was made of.
        frames: in order.
        start_us: midnight of its first day.
    """

    system: Settings
    arrivals: Arrivals
    frames: list[Frame]
    start_us: int

    def day_us(self, day: float) -> int:
        """A moment, days since the start."""
        return self.start_us + round(day * DAY_US)

    def column(self, name: str) -> tuple[Ints, NDArray[np.float64]]:
        """Known times and values of a feature, of "model probability", or of labels in the order known."""
        if name == "labels":
            tables = [f.tables["resolved"] for f in self.frames if "resolved" in f.tables]
            first = [each["resolution"] < 2 for each in tables]  # matured, or reported in time
            times = [t["known_time_us"][m] for t, m in zip(tables, first, strict=True)]
            values = [t["resolution"][m] for t, m in zip(tables, first, strict=True)]
            return np.concatenate(times), np.concatenate(values).astype(np.float64)
        tables = [f.tables["decision"] for f in self.frames if "decision" in f.tables]
        if name == "model probability":
            values = [each["probability_model"] for each in tables]
        else:
            place = self.system.features.names.index(name)
            values = [each["features"][:, place] for each in tables]
        return self.known_us(), np.concatenate(values).astype(np.float64)

    def known_us(self) -> Ints:
        """Of all transactions."""
        return np.concatenate(
            [
                f.tables["transaction"]["known_time_us"]
                for f in self.frames
                if "decision" in f.tables
            ]
        )

    def changed(self, from_us: int, change: Callable[[Table, NDArray[np.bool_]], None]) -> "Stream":
        """The same, after `change(decisions, rows)` of all decisions from a moment on."""
        frames = []
        for frame in self.frames:
            if "decision" in frame.tables and frame.known_time_us >= from_us:
                decisions = {n: column.copy() for n, column in frame.tables["decision"].items()}
                change(decisions, frame.tables["transaction"]["known_time_us"] >= from_us)
                frame = replace(frame, tables=dict(frame.tables) | {"decision": decisions})
            frames.append(frame)
        return replace(self, frames=frames)


def clean(seed: int, days: int = WARM_UP_DAYS + CLEAN_DAYS) -> Stream:
    """The demo's traffic without its drift, replayed by engine and learner."""
    traffic = simulate(replace(SCENARIOS["demo"], days=days, drift_at_share=1.0), seed)
    system = settings_of(read_schema(SCHEMAS / "simulated.toml"))
    last_us = traffic.transactions.known_time_us[-1]
    labels = traffic.labels.rows(traffic.labels.known_time_us <= last_us)
    ledger = MemoryLedger()
    arrivals = Arrivals.merge(traffic.transactions, labels)
    for _ in replay.run(*replay.start(system, ledger), ledger, arrivals.batches(BATCH_EVENTS)):
        pass
    start_us = int(traffic.transactions.known_time_us[0]) // DAY_US * DAY_US
    return Stream(system, arrivals, list(ledger.frames()), start_us)


@dataclass(frozen=True)
class LateFrauds:
    """Frauds of a known rate, reported after a log-normal delay; the model says the rate of before for ever.

    Args:
        rate: share of frauds before the change.
        factor: times as many after it.
        per_day: transactions.
        change_day, days: when it changes, and how long it goes on.
        median_days, sigma: of the delay.
    """

    rate: float = 0.02
    factor: float = 2.0
    per_day: int = 1_000
    change_day: int = 50
    days: int = 80
    median_days: float = 2.0
    sigma: float = 1.0

    def stream(self, seed: int) -> Stream:
        """What the engine records of them."""
        draw = np.random.default_rng(seed)
        known_us = np.sort(draw.integers(0, self.days * DAY_US, self.days * self.per_day))
        rate = np.where(known_us < self.change_day * DAY_US, self.rate, self.rate * self.factor)
        fraud = np.flatnonzero(draw.random(len(known_us)) < rate)
        delay_us = draw.lognormal(np.log(self.median_days), self.sigma, len(fraud)) * DAY_US
        reported_us = known_us[fraud] + np.maximum(delay_us, 1_000_000).astype(np.int64)
        order = np.argsort(reported_us, kind="stable")
        order = order[reported_us[order] < self.days * DAY_US]
        payments, about = _payments(known_us), fraud[order]
        labels = LabelsObserved.unnamed(
            transaction_id=payments.transaction_id[about],
            transaction_key=payments.transaction_key[about],
            known_time_us=reported_us[order],
            is_fraud=np.ones(len(about), np.bool_),
            source=np.zeros(len(about), np.uint8),
        )
        system = Settings(
            features=load_features(ONE_FEATURE, []),
            labels=LabelSettings(maturity_s=10 * 86_400, horizon_s=60 * 86_400),
            model=BaselineSettings(prevalence=self.rate),
        )
        arrivals = Arrivals.merge(payments, labels)
        return Stream(system, arrivals, _without_learning(system, arrivals), 0)


def _payments(known_us: Ints) -> Transactions:
    number = np.arange(1, len(known_us) + 1, dtype=np.uint64)
    return Transactions(
        transaction_id=number.astype("S20"),
        transaction_key=number * ODD,  # one to one, and all over the 64 bits
        event_time_us=known_us,
        known_time_us=known_us,
        amount=np.full(len(known_us), 10.0),
        entity_keys=np.zeros((len(known_us), 0), np.uint64),
        numeric=np.zeros((len(known_us), 0)),
        categories=np.zeros((len(known_us), 0), np.uint64),
    )


def _without_learning(system: Settings, arrivals: Arrivals) -> list[Frame]:
    """The first weights stay: they give every transaction the prevalence."""
    ledger = MemoryLedger()
    engine, _ = replay.start(system, ledger)
    frames = list(ledger.frames())
    for batch in arrivals.batches(BATCH_EVENTS):
        position = 0
        while position < len(batch):
            folded = engine.fold(batch, position, MAX_RESOLVED_IN_FRAME)
            frames += [folded.frame] if folded.frame is not None else []
            position = folded.consumed
    return frames
