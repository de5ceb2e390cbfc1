"""A stream folded once: features as logged, and every resolved label, ready to be learned again and again.

Counters, labels and so the features do not depend on the model, as long as none counts what was approved.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.engine import Engine
from fraud_system.errors import ConfigError
from fraud_system.events import Arrivals, Frame, Table
from fraud_system.merged_frames import joined
from fraud_system.settings import Settings

BATCH_EVENTS = 8_192
KEPT = ("seq", "known_time_us", "event_time_us", "transaction_key", "amount", "entity_keys")


@dataclass(frozen=True)
class LoggedStream:
    """What learning needs of n transactions and m resolved labels.

    Args:
        names: d features, the columns of `rows`.
        rows: (n, d) float32, as logged.
        transactions: the columns `KEPT`, in ledger order.
        resolved: the ledger's table of that name.
        taken_before: (m,) int64, how many transactions had been taken when each label was resolved.
    """

    names: tuple[str, ...]
    rows: NDArray[np.float32]
    transactions: Table
    resolved: Table
    taken_before: NDArray[np.int64]


def fold_once(
    arrivals: Arrivals, settings: Settings, progress: Callable[[int], Any] | None = None
) -> LoggedStream:
    """The engine's fold alone, without any model.

    Args:
        arrivals: the stream; not empty.
        settings: declare every feature that is to be compared.
        progress: is told how many inputs have been folded since it was last called.

    Raises:
        ConfigError: a feature counts what was approved: it would depend on the model.
    """
    for feature in settings.features.features:
        if "approved_scale" in dict(feature.options):
            raise ConfigError(
                f"{feature.name} depends on the decisions, so on the model",
                field="features",
                fix="leave it out; compare it by complete runs",
            )
    engine = Engine(settings)
    frames: list[Frame] = []
    rows = np.empty((len(arrivals.transactions), len(settings.features.names)), np.float32)
    filled = 0
    for batch in arrivals.batches(BATCH_EVENTS):
        position = 0
        while position < len(batch):
            folded = engine.fold(batch, position)
            position = folded.consumed
            if folded.frame is None:
                continue
            found = folded.frame.tables
            kept: dict[str, Table] = {}
            if "decision" in found:
                features = found["decision"]["features"]
                rows[filled : filled + len(features)] = features
                filled += len(features)
                kept["transaction"] = {name: found["transaction"][name] for name in KEPT}
            if "resolved" in found:
                kept["resolved"] = found["resolved"]
            frames.append(Frame(0, 0, 0, kept))
        if progress is not None:
            progress(len(batch))
    whole = joined(frames)
    return LoggedStream(
        names=settings.features.names,
        rows=rows[:filled],
        transactions=whole["transaction"],
        resolved=whole["resolved"],
        taken_before=np.searchsorted(whole["transaction"]["seq"], whole["resolved"]["seq"]),
    )
