"""The project's compiled feature encoder alone: encode, then absorb, one transaction after the other.

What the engine does around it (joining messages to transactions, scoring, deciding, recording) is left out.
With label counters in the list each transaction's label is absorbed when it matures.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.train.material import Material
from fraud_system.compiled import borrowing
from fraud_system.events import SECOND_US, Action, Resolution
from fraud_system.features import state as feature_state
from fraud_system.features.counters import (
    absorb_amount,
    absorb_label,
    absorb_meetings,
    absorb_transaction,
)
from fraud_system.features.declaration import FeatureList, load_features
from fraud_system.features.encoder import encode
from fraud_system.features.layout import compile_layout, compile_program, meetings
from pipelines.job import BATCH_EVENTS

SCALES = ("1h", "1d", "7d", "30d")
APPROVE = int(Action.APPROVE)
MATURED, FRAUD = int(Resolution.MATURED), int(Resolution.FRAUD)


def windows_only() -> FeatureList:
    """Count and total of card and terminal over four time scales: what the others compute too.

    >>> len(windows_only().names)
    16
    """
    scales = ", ".join(f'"{scale}"' for scale in SCALES)
    entities = "".join(f"[entities.{name}]\nscales = [{scales}]\n" for name in ("card", "terminal"))
    features = "".join(
        f'[[features]]\nkind = "{kind}"\nentity = "{entity}"\nscale = [{scales}]\n'
        for kind in ("count", "total")
        for entity in ("card", "terminal")
    )
    return load_features(entities + features, ["card", "terminal"])


def encoder(stream: Material, listed: FeatureList) -> Callable[[], NDArray[np.float32]]:
    """Encode all transactions once from nothing; gives (n, d) features."""
    transactions = stream.arrivals.transactions
    columns = tuple(
        np.require(column, None, ["C", "W", "A"])
        for column in (
            transactions.entity_keys,
            transactions.amount,
            transactions.event_time_us,
            transactions.known_time_us,
            transactions.numeric[:, : len(listed.numeric)],
            transactions.categories[:, : len(listed.categorical)],
        )
    )
    n, entities = transactions.entity_keys.shape
    layout, program = compile_layout(listed), compile_program(listed)
    met = np.array(meetings(listed), np.int64).reshape(-1, 2)
    is_fraud = stream.is_fraud
    with_labels = any(entity.label_scales for entity in listed.entities)
    delay_us = stream.settings.labels.maturity_s * SECOND_US if with_labels else 0

    def encode_all() -> NDArray[np.float32]:
        state, due = feature_state.empty_state(listed), 0
        out = np.empty((n, len(listed.names)), np.float32)
        rows, elapsed_s = np.empty((n, entities), np.int64), np.zeros(entities)
        for start in range(0, n, BATCH_EVENTS):
            # Room for one batch at a time, as the engine makes it: small tables stay in the CPU's cache.
            stop = min(start + BATCH_EVENTS, n)
            state = feature_state.with_room_for(state, stop - start, entities, len(met))
            due = _encode(
                state,
                layout,
                program,
                met,
                columns,
                start,
                stop,
                is_fraud,
                delay_us,
                due,
                rows,
                elapsed_s,
                out,
            )
        return out

    return encode_all


@borrowing
def _encode(
    state: Any,
    layout: Any,
    program: Any,
    met: Any,
    columns: Any,
    start: int,
    stop: int,
    is_fraud: Any,
    delay_us: int,
    due: int,
    rows: Any,
    elapsed_s: Any,
    out: Any,
) -> int:
    keys, amount, event_us, known_us, numeric, categories = columns
    for row in range(start, stop):
        now_us = known_us[row]
        while delay_us > 0 and known_us[due] + delay_us < now_us:
            resolution = FRAUD if is_fraud[due] else MATURED
            absorb_label(
                state, layout, rows[due], resolution, amount[due], known_us[due], 0, now_us
            )
            due += 1
        encode(
            state,
            layout,
            program,
            met,
            keys[row],
            amount[row],
            event_us[row],
            now_us,
            numeric[row],
            categories[row],
            rows[row],
            elapsed_s,
            out[row],
        )
        absorb_transaction(state, layout, keys[row], rows[row], amount[row], APPROVE, now_us)
        absorb_meetings(state, met, keys[row])
        absorb_amount(state, np.log1p(amount[row]))
    return due
