"""Small streams for the tests of joiner, engine, learner and replay.

A tiny stream is a list of lines in the order in which they arrive, times in seconds:

    [transaction(0, "a"), fraud(5, "a"), reversal(9, "a"), tick(101)]
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from fraud_system.engine import Engine
from fraud_system.events import (
    DAY_US,
    SECOND_US,
    Arrivals,
    Frame,
    Kind,
    LabelsObserved,
    LabelSource,
    Resolution,
    Table,
    Transactions,
)
from fraud_system.features.declaration import load_features
from fraud_system.frames import MAX_RESOLVED_IN_FRAME
from fraud_system.keys import keys_of
from fraud_system.labels import LabelSettings, Outcome
from fraud_system.learner import Learner
from fraud_system.merged_frames import joined
from fraud_system.models.heuristic import Rule
from fraud_system.models.model_settings import BaselineSettings, LaplaceSettings, ModelSettings
from fraud_system.settings import Settings
from fraud_system.simulate import SCENARIOS, simulate
from pipelines.system_settings import SCHEMAS, read_schema, settings_of

MATURITY_S, HORIZON_S, ORPHAN_WAIT_S, SILENCE_S = 100, 300, 50, 70
TINY_LABELS = LabelSettings(MATURITY_S, HORIZON_S, ORPHAN_WAIT_S, SILENCE_S)
MICROSECOND_S = 1e-6
# A publication falls into the middle of a block of laplace, and so does a snapshot.
MODELS: dict[str, ModelSettings] = {
    "baseline": BaselineSettings(),
    "laplace": LaplaceSettings(block_labels=40),
}

TINY_FEATURES = """
interactions = [["log_amount", "fraud_count:card:1d"]]
[entities.card]
scales = ["1m"]
label_scales = ["1d"]
[[features]]
kind = "log_amount"
[[features]]
kind = "count"
entity = "card"
scale = "1m"
[[features]]
kind = "fraud_count"
entity = "card"
scale = "1d"
"""


def tiny_settings(**changes: Any) -> Settings:
    """Three declared features and the numeric column `risk`, one rule, clocks of minutes."""
    chosen: dict[str, Any] = {
        "features": load_features(TINY_FEATURES, ["card"], ["risk"]),
        "rules": (Rule("fraud before", (("fraud_count:card:1d", True, 0.5),)),),
        "labels": TINY_LABELS,
        "model": BaselineSettings(prevalence=0.01),
        "publish_every_labels": 1_000,
    }
    return Settings(**chosen | changes)


class Line(NamedTuple):
    """One input."""

    kind: Kind
    time_s: float
    name: str = ""
    is_fraud: bool = False
    source: LabelSource = LabelSource.CHARGEBACK
    event_s: float | None = None
    amount: float = 10.0
    risk: float = 0.0


def transaction(time_s: float, name: str, **others: Any) -> Line:
    return Line(Kind.TRANSACTION, time_s, name, **others)


def fraud(time_s: float, name: str, source: LabelSource = LabelSource.CHARGEBACK) -> Line:
    return Line(Kind.LABEL, time_s, name, is_fraud=True, source=source)


def reversal(time_s: float, name: str, source: LabelSource = LabelSource.CHARGEBACK) -> Line:
    return Line(Kind.LABEL, time_s, name, is_fraud=False, source=source)


def tick(time_s: float) -> Line:
    return Line(Kind.TICK, time_s)


def in_us(time_s: float) -> int:
    return round(time_s * 1e6)


def arrivals_of(lines: Iterable[Line]) -> Arrivals:
    """The lines as one micro-batch; the card of a transaction is the first letter of its name."""
    lines = list(lines)
    of = {kind: [line for line in lines if line.kind == kind] for kind in Kind}
    kinds = np.array([line.kind for line in lines], np.uint8)
    row = np.zeros(len(lines), np.int64)
    for kind in Kind:
        row[kinds == kind] = np.arange(len(of[kind]))
    messages = of[Kind.LABEL]
    labels = LabelsObserved.unnamed(
        transaction_id=np.array([line.name for line in messages], "S16"),
        transaction_key=keys_of(line.name for line in messages),
        known_time_us=np.array([in_us(line.time_s) for line in messages], np.int64),
        is_fraud=np.array([line.is_fraud for line in messages], np.bool_),
        source=np.array([line.source for line in messages], np.uint8),
    )
    ticks = np.array([in_us(line.time_s) for line in of[Kind.TICK]], np.int64)
    return Arrivals(kinds, row, _transactions(of[Kind.TRANSACTION]), labels, ticks)


def _transactions(lines: list[Line]) -> Transactions:
    known_us = [in_us(line.time_s) for line in lines]
    event_us = [in_us(line.time_s if line.event_s is None else line.event_s) for line in lines]
    return Transactions(
        transaction_id=np.array([line.name for line in lines], "S16"),
        transaction_key=keys_of(line.name for line in lines),
        event_time_us=np.array(event_us, np.int64),
        known_time_us=np.array(known_us, np.int64),
        amount=np.array([line.amount for line in lines], np.float64),
        entity_keys=keys_of(line.name[:1] for line in lines).reshape(-1, 1),
        numeric=np.array([line.risk for line in lines], np.float64).reshape(-1, 1),
        categories=np.zeros((len(lines), 0), np.uint64),
    )


def many_transactions(known_us: Any, first_key: int = 1, cards: int = 50) -> Transactions:
    """One transaction at each time, in order, with keys all over the 64 bits."""
    known_us = np.asarray(known_us, np.int64)
    number = np.arange(first_key, first_key + len(known_us), dtype=np.uint64)
    return Transactions(
        transaction_id=np.char.mod("%d", number).astype("S16"),
        transaction_key=scattered(number),
        event_time_us=known_us,
        known_time_us=known_us,
        amount=1.0 + (number % np.uint64(97)).astype(np.float64),
        entity_keys=(number % np.uint64(cards) + np.uint64(1)).reshape(-1, 1),
        numeric=np.zeros((len(number), 1)),
        categories=np.zeros((len(number), 0), np.uint64),
    )


def many_frauds(known_us: Any, numbers: Any) -> LabelsObserved:
    """A report about each of the transactions that `many_transactions` numbers so."""
    numbers = np.asarray(numbers, np.uint64)
    return LabelsObserved.unnamed(
        transaction_id=np.char.mod("%d", numbers).astype("S16"),
        transaction_key=scattered(numbers),
        known_time_us=np.broadcast_to(np.asarray(known_us, np.int64), len(numbers)),
        is_fraud=np.ones(len(numbers), np.bool_),
        source=np.zeros(len(numbers), np.uint8),
    )


def scattered(number: Any) -> Any:
    """A different odd multiple for each number: a one-to-one map of 64 bits that keeps 0."""
    return np.asarray(number, np.uint64) * np.uint64(0x9E3779B97F4A7C15)


def no_messages() -> LabelsObserved:
    return many_frauds([], [])


def fold_all(
    engine: Engine, arrivals: Arrivals, limit: int = MAX_RESOLVED_IN_FRAME
) -> tuple[list[Frame], np.ndarray]:
    """Every frame that the engine makes of these inputs, and the status of each input."""
    frames, statuses, position = [], [], 0
    while True:
        folded = engine.fold(arrivals, position, limit)
        frames += [folded.frame] if folded.frame is not None else []
        statuses.append(folded.status)
        assert folded.consumed > position or folded.frame is not None, "no progress"
        position = folded.consumed
        if position == len(arrivals):
            return frames, np.concatenate(statuses)


def play(lines: Iterable[Line], engine: Engine | None = None) -> tuple[Engine, dict[str, Table]]:
    """An engine that has taken these lines, and all tables of its frames."""
    engine = engine or Engine(tiny_settings())
    frames, _ = fold_all(engine, arrivals_of(lines))
    return engine, joined(frames)


def resolutions(tables: dict[str, Table]) -> list[tuple[str, str, float]]:
    """(resolution, transaction, known time in seconds) in the order of the ledger."""
    resolved = tables.get("resolved")
    if resolved is None:
        return []
    seqs = tables["transaction"]["seq"].tolist()
    names = tables["transaction"]["transaction_id"].astype(str).tolist()
    name_of = dict(zip(seqs, names, strict=True))
    rows = zip(
        resolved["resolution"].tolist(),
        resolved["transaction_seq"].tolist(),
        (resolved["known_time_us"] / 1e6).tolist(),
        strict=True,
    )
    return [(Resolution(kind).name, name_of[seq], time_s) for kind, seq, time_s in rows]


def counts(engine: Engine) -> dict[str, int]:
    """The counts of the joiner that are not 0."""
    return {name: count for name, count in engine.label_counts().items() if count}


# ---- a simulated stream with everything in it, for the replay tests

SIMULATED_LABELS = LabelSettings(
    maturity_s=28_800, horizon_s=57_600, orphan_wait_s=7_200, silence_s=3_600
)


def simulated_settings(**changes: Any) -> Settings:
    """The project's own features and rules, with clocks of hours so that little traffic is enough."""
    settings = settings_of(read_schema(SCHEMAS / "simulated.toml"))
    return replace(settings, labels=SIMULATED_LABELS, publish_every_labels=150, **changes)


def simulated_arrivals(events: int = 2_500, seed: int = 3) -> Arrivals:
    """The first transactions of the small scenario, with ticks, with messages of all kinds at all
    moments, and with transactions that will be refused.
    """
    traffic = simulate(SCENARIOS["small"], seed)
    draw = np.random.default_rng(seed)
    taken = traffic.transactions.rows(slice(0, events))
    first_us, last_us = int(taken.known_time_us[0]), int(taken.known_time_us[-1])

    repeated = taken.rows(draw.choice(events, 60, replace=False)).table()
    # Again at once, and after the first one has matured.
    repeated["known_time_us"] = repeated["known_time_us"] + draw.choice([0, 40_000], 60) * SECOND_US
    repeated["event_time_us"] = repeated["known_time_us"]
    unusable = taken.rows(draw.choice(events, 60, replace=False)).table()
    off_us = draw.choice([-1, 0, 1], 60) * 2 * DAY_US
    unusable["event_time_us"] = unusable["known_time_us"] + off_us
    unusable["amount"] = np.where(off_us == 0, np.nan, unusable["amount"])
    unusable["transaction_key"] = keys_of(f"unusable-{place}" for place in range(60))
    transactions = Transactions.join([taken, Transactions(**repeated), Transactions(**unusable)])
    order = np.argsort(transactions.known_time_us, kind="stable")

    labels = _messages_about(taken, draw)
    labels = labels.rows((labels.known_time_us >= first_us) & (labels.known_time_us <= last_us))
    # Ticks in the day, and one after a silence in which everything matures and is forgotten.
    ticks = np.append(np.arange(first_us, last_us, 1_800 * SECOND_US), last_us + DAY_US)
    return Arrivals.merge(transactions.rows(order), labels, ticks)


def _messages_about(transactions: Transactions, draw: np.random.Generator) -> LabelsObserved:
    """600 messages about 250 transactions: early, at the very moment of maturity, late, too late."""
    row = draw.choice(draw.choice(len(transactions), 250, replace=False), 600)
    maturity_s, horizon_s = SIMULATED_LABELS.maturity_s, SIMULATED_LABELS.horizon_s
    longest_s = draw.choice([-9_000, 600, maturity_s, horizon_s, 2 * horizon_s], 600)
    delay_us = (draw.random(600) * longest_s * SECOND_US).astype(np.int64)
    delay_us[:30] = maturity_s * SECOND_US
    known_us = transactions.known_time_us[row] + delay_us
    order = np.argsort(known_us, kind="stable")
    return LabelsObserved.unnamed(
        transaction_id=transactions.transaction_id[row][order],
        transaction_key=transactions.transaction_key[row][order],
        known_time_us=known_us[order],
        is_fraud=draw.random(600) < 0.75,
        source=draw.integers(0, 3, 600).astype(np.uint8),
    )


def cut(arrivals: Arrivals, sizes: Iterable[int]) -> Iterator[Arrivals]:
    """The same inputs in micro-batches of these sizes; the last size goes on for ever."""
    position, size = 0, len(arrivals)
    for size in sizes:
        if position >= len(arrivals):
            return
        yield arrivals.rows(position, position + size)
        position += size
    yield from arrivals.rows(position, len(arrivals)).batches(max(1, size))


def digest(ledger: Any, *folds: Engine | Learner) -> str:
    """SHA-256 of all that a ledger records, whatever its frames, and of the state of folds."""
    found = hashlib.sha256()

    def add(name: str, table: Table) -> None:
        for column in sorted(table):
            array = np.ascontiguousarray(table[column])
            found.update(f"{name}.{column} {array.dtype.str} {array.shape}".encode())
            found.update(array.tobytes())

    tables = joined(ledger.frames())
    for name in sorted(tables):
        add(name, tables[name])
    for fold in folds:
        add(type(fold).__name__, fold.to_arrays())
    return found.hexdigest()


def outcomes(lines: Iterable[Line]) -> list[str]:
    """What became of each message, in order."""
    _, tables = play(lines)
    return [Outcome(code).name for code in tables["label"]["outcome"].tolist()]
