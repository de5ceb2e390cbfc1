"""The delayed-label joiner: labels come days late, never, twice, too early or wrong.

It lives inside the engine and turns messages into resolutions, each transaction at most once each way:

    open ──fraud──> FRAUD ──reversal──> REVERSED (final)
      └─maturity──> MATURED ──fraud──> LATE_FRAUD ──reversal──> REVERSED

No message ever says "legitimate": a transaction becomes so by maturing, strictly later than
`maturity_s` after it was known. It stays joinable until `horizon_s`; memory is bounded by the
transactions within that horizon.

A message about an unknown transaction is parked, joined if the transaction comes within
`orphan_wait_s`, and otherwise becomes a dead letter, which can be read and sent again. Of several
messages about one unknown transaction the latest waits.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraud_system.compiled import borrowing
from fraud_system.errors import ConfigError
from fraud_system.events import NEVER_US, SECOND_US, LabelSource, Resolution
from fraud_system.hashing import HashIndex, empty_index, get, put, remove, with_room

MAX_PARKED = 1 << 16


class Outcome(IntEnum):
    """What became of one label message at the moment it arrived."""

    FRAUD_JOINED = 0
    LATE_FRAUD_JOINED = 1
    REVERSAL_JOINED = 2
    DUPLICATE = 3
    REVERSAL_WITHOUT_FRAUD = 4
    FRAUD_AFTER_REVERSAL = 5
    PARKED = 6


class Count(IntEnum):
    """Places in `Joiner.counts`: the outcomes first, then what happens without a message.

    Every parked message ends as one of JOINED_EARLY, SUPERSEDED (by a later one about the same
    transaction) and DEAD_LETTERS, or waits.
    """

    JOINED_EARLY = len(Outcome)
    MATURED = len(Outcome) + 1
    MATURED_IN_SILENCE = len(Outcome) + 2
    DEAD_LETTERS = len(Outcome) + 3
    EXPIRED = len(Outcome) + 4
    SUPERSEDED = len(Outcome) + 5


@dataclass(frozen=True)
class LabelSettings:
    """The joiner's clocks, all in seconds.

    Args:
        maturity_s: without a report for this long a transaction counts as legitimate.
        horizon_s: how long after a transaction a message still joins it.
        orphan_wait_s: how long a message waits for its transaction.
        silence_s: without any label message for this long, the feed counts as silent.
    """

    maturity_s: int = 30 * 86_400
    horizon_s: int = 90 * 86_400
    orphan_wait_s: int = 86_400
    silence_s: int = 3 * 86_400

    def __post_init__(self) -> None:
        for name in ("maturity_s", "horizon_s", "orphan_wait_s", "silence_s"):
            if getattr(self, name) <= 0:
                raise ConfigError("must be positive", field=f"labels.{name}", fix="give seconds")
        if self.horizon_s < self.maturity_s:
            raise ConfigError(
                "must not be shorter than labels.maturity_s", field="labels.horizon_s"
            )

    def array_us(self) -> NDArray[np.int64]:
        """(4,) in microseconds, for compiled code."""
        seconds = (self.maturity_s, self.horizon_s, self.orphan_wait_s, self.silence_s)
        return np.array(seconds, dtype=np.int64) * SECOND_US


OPEN, MATURED, FRAUD, REVERSED = 0, 1, 2, 3  # status of a remembered transaction
HEAD, NEXT_DUE, TAIL, PARKED_HEAD, PARKED_TAIL, LAST_LABEL_US = range(6)

RESOLVED_MATURED, RESOLVED_FRAUD = int(Resolution.MATURED), int(Resolution.FRAUD)
RESOLVED_REVERSED, RESOLVED_LATE = int(Resolution.REVERSED), int(Resolution.LATE_FRAUD)
FRAUD_JOINED, LATE_FRAUD_JOINED = int(Outcome.FRAUD_JOINED), int(Outcome.LATE_FRAUD_JOINED)
REVERSAL_JOINED, DUPLICATE = int(Outcome.REVERSAL_JOINED), int(Outcome.DUPLICATE)
REVERSAL_WITHOUT_FRAUD = int(Outcome.REVERSAL_WITHOUT_FRAUD)
FRAUD_AFTER_REVERSAL, PARKED = int(Outcome.FRAUD_AFTER_REVERSAL), int(Outcome.PARKED)
JOINED_EARLY, COUNT_MATURED = int(Count.JOINED_EARLY), int(Count.MATURED)
MATURED_IN_SILENCE, DEAD_LETTERS = int(Count.MATURED_IN_SILENCE), int(Count.DEAD_LETTERS)
EXPIRED, SUPERSEDED = int(Count.EXPIRED), int(Count.SUPERSEDED)
BY_MATURITY = int(LabelSource.MATURITY)


class Joiner(NamedTuple):
    """A ring of the transactions within the horizon, and a ring of parked messages.

    Transactions are numbered 0, 1, 2, ... (`ordinal`); ring place = ordinal & (capacity - 1).

    Args:
        key, known_us, seq: (capacity,) of each transaction.
        status: (capacity,) OPEN, MATURED, FRAUD or REVERSED.
        resolved_us: (capacity,) when it last became FRAUD.
        amount: (capacity,) of each transaction.
        rows: (capacity, entities) rows in the feature state.
        lookup: transaction key -> ordinal.
        parked_key, parked_is_fraud, parked_source, parked_us, parked_seq: (MAX_PARKED,) of each parked
            message; key 0 means done.
        parked_index: transaction key -> parked position.
        cursor: (6,) HEAD, NEXT_DUE, TAIL, PARKED_HEAD, PARKED_TAIL, LAST_LABEL_US.
        counts: (outcomes and counts,).
        settings_us: (4,) see `LabelSettings.array_us`.
    """

    key: NDArray[np.uint64]
    known_us: NDArray[np.int64]
    seq: NDArray[np.int64]
    status: NDArray[np.uint8]
    resolved_us: NDArray[np.int64]
    amount: NDArray[np.float64]
    rows: NDArray[np.int64]
    lookup: HashIndex
    parked_key: NDArray[np.uint64]
    parked_is_fraud: NDArray[np.bool_]
    parked_source: NDArray[np.uint8]
    parked_us: NDArray[np.int64]
    parked_seq: NDArray[np.int64]
    parked_index: HashIndex
    cursor: NDArray[np.int64]
    counts: NDArray[np.int64]
    settings_us: NDArray[np.int64]


RING_COLUMNS = ("key", "known_us", "seq", "status", "resolved_us", "amount", "rows")
PARKED_COLUMNS = (
    "parked_key",
    "parked_is_fraud",
    "parked_source",
    "parked_us",
    "parked_seq",
)


def empty_joiner(settings: LabelSettings, entities: int, capacity: int = 1024) -> Joiner:
    """Nothing has happened yet."""
    return Joiner(
        key=np.zeros(capacity, np.uint64),
        known_us=np.zeros(capacity, np.int64),
        seq=np.zeros(capacity, np.int64),
        status=np.zeros(capacity, np.uint8),
        resolved_us=np.zeros(capacity, np.int64),
        amount=np.zeros(capacity),
        rows=np.full((capacity, entities), -1, np.int64),
        lookup=empty_index(capacity),
        parked_key=np.zeros(MAX_PARKED, np.uint64),
        parked_is_fraud=np.zeros(MAX_PARKED, np.bool_),
        parked_source=np.zeros(MAX_PARKED, np.uint8),
        parked_us=np.zeros(MAX_PARKED, np.int64),
        parked_seq=np.zeros(MAX_PARKED, np.int64),
        parked_index=empty_index(MAX_PARKED),
        cursor=np.array([0, 0, 0, 0, 0, NEVER_US], np.int64),
        counts=np.zeros(len(Outcome) + len(Count), np.int64),
        settings_us=settings.array_us(),
    )


def with_room_for(joiner: Joiner, transactions: int) -> Joiner:
    """The same joiner, in larger arrays where this many more transactions might not fit."""
    head, tail = int(joiner.cursor[HEAD]), int(joiner.cursor[TAIL])
    needed = tail - head + transactions
    if needed > len(joiner.key):
        capacity = 1 << int(np.ceil(np.log2(needed)))
        ordinals = np.arange(head, tail)
        grown: dict[str, Any] = {}
        for name in RING_COLUMNS:
            old = getattr(joiner, name)
            new = np.zeros((capacity, *old.shape[1:]), old.dtype)
            new[ordinals & (capacity - 1)] = old[ordinals & (len(old) - 1)]
            grown[name] = new
        joiner = joiner._replace(**grown)
    lookup = with_room(joiner.lookup, transactions)
    return joiner if lookup is joiner.lookup else joiner._replace(lookup=lookup)


def to_arrays(joiner: Joiner) -> dict[str, NDArray[np.generic]]:
    """A canonical copy, for a snapshot."""
    ring = np.arange(joiner.cursor[HEAD], joiner.cursor[TAIL]) & (len(joiner.key) - 1)
    parked = np.arange(joiner.cursor[PARKED_HEAD], joiner.cursor[PARKED_TAIL]) & (MAX_PARKED - 1)
    arrays = {name: getattr(joiner, name)[ring] for name in RING_COLUMNS}
    arrays |= {name: getattr(joiner, name)[parked] for name in PARKED_COLUMNS}
    return arrays | {"cursor": joiner.cursor.copy(), "counts": joiner.counts.copy()}


def from_arrays(
    settings: LabelSettings, entities: int, arrays: dict[str, NDArray[np.generic]]
) -> Joiner:
    """The joiner of a snapshot, in arrays of its own."""
    capacity = 1 << int(np.ceil(np.log2(max(1024, len(arrays["key"])))))
    joiner = empty_joiner(settings, entities, capacity)
    joiner = joiner._replace(lookup=with_room(joiner.lookup, len(arrays["key"])))
    joiner.cursor[:] = arrays["cursor"]
    joiner.counts[:] = arrays["counts"]
    ordinals = np.arange(joiner.cursor[HEAD], joiner.cursor[TAIL])
    for name in RING_COLUMNS:
        getattr(joiner, name)[ordinals & (capacity - 1)] = arrays[name]
    positions = np.arange(joiner.cursor[PARKED_HEAD], joiner.cursor[PARKED_TAIL])
    for name in PARKED_COLUMNS:
        getattr(joiner, name)[positions & (MAX_PARKED - 1)] = arrays[name]
    _index(joiner.lookup, joiner.key, ordinals)
    _index(joiner.parked_index, joiner.parked_key, positions)
    return joiner


@borrowing
def _index(index: Any, ring: Any, positions: Any) -> None:
    """Make the keys in a ring findable; key 0 is an empty place."""
    for position in positions:
        key = ring[position & (len(ring) - 1)]
        if key != 0:
            put(index, key, position)


@borrowing
def remember(joiner: Any, key: Any, now_us: int, seq: int, amount: float, rows: Any) -> int:
    """Open a transaction for labels; returns its ordinal."""
    ordinal = joiner.cursor[TAIL]
    place = ordinal & (len(joiner.key) - 1)
    joiner.key[place] = key
    joiner.known_us[place] = now_us
    joiner.seq[place] = seq
    joiner.status[place] = OPEN
    joiner.resolved_us[place] = 0
    joiner.amount[place] = amount
    for entity in range(len(rows)):
        joiner.rows[place, entity] = rows[entity]
    put(joiner.lookup, key, ordinal)
    joiner.cursor[TAIL] += 1
    return ordinal


@borrowing
def next_matured(joiner: Any, now_us: int) -> int:
    """The ordinal of the next open transaction that is older than maturity, now matured, or -1."""
    maturity_us, silence_us = joiner.settings_us[0], joiner.settings_us[3]
    while joiner.cursor[NEXT_DUE] < joiner.cursor[TAIL]:
        ordinal = joiner.cursor[NEXT_DUE]
        place = ordinal & (len(joiner.key) - 1)
        if joiner.known_us[place] + maturity_us >= now_us:
            return -1
        joiner.cursor[NEXT_DUE] += 1
        if joiner.status[place] == OPEN:
            joiner.status[place] = MATURED
            joiner.counts[COUNT_MATURED] += 1
            last_us = joiner.cursor[LAST_LABEL_US]
            if last_us == NEVER_US or now_us - last_us > silence_us:
                joiner.counts[MATURED_IN_SILENCE] += 1
            return ordinal
    return -1


@borrowing
def knows(joiner: Any, key: Any, now_us: int) -> bool:
    """Whether a transaction with this key is within the horizon, also where `expire` is yet to come."""
    ordinal = get(joiner.lookup, key)
    if ordinal < 0:
        return False
    return joiner.known_us[ordinal & (len(joiner.key) - 1)] + joiner.settings_us[1] >= now_us


@borrowing
def expire(joiner: Any, now_us: int) -> None:
    """Forget transactions beyond the horizon, once everything due at `now_us` has matured."""
    horizon_us = joiner.settings_us[1]
    while joiner.cursor[HEAD] < joiner.cursor[NEXT_DUE]:
        place = joiner.cursor[HEAD] & (len(joiner.key) - 1)
        if joiner.known_us[place] + horizon_us >= now_us:
            return
        remove(joiner.lookup, joiner.key[place])
        joiner.counts[EXPIRED] += 1
        joiner.cursor[HEAD] += 1


@borrowing
def observe(
    joiner: Any, key: Any, is_fraud: bool, source: int, now_us: int, seq: int
) -> tuple[int, int]:
    """Take one label message; returns its `Outcome` and the transaction's ordinal (-1 if none)."""
    joiner.cursor[LAST_LABEL_US] = now_us
    ordinal = get(joiner.lookup, key)
    if ordinal < 0:
        outcome = _park(joiner, key, is_fraud, source, now_us, seq)
    else:
        outcome = _join(joiner, ordinal, is_fraud, now_us)
    joiner.counts[outcome] += 1
    return outcome, ordinal


@borrowing
def _join(joiner: Any, ordinal: int, is_fraud: bool, now_us: int) -> int:
    place = ordinal & (len(joiner.key) - 1)
    status = joiner.status[place]
    if is_fraud:
        if status == FRAUD:
            return DUPLICATE
        if status == REVERSED:
            return FRAUD_AFTER_REVERSAL
        joiner.status[place] = FRAUD
        joiner.resolved_us[place] = now_us
        return FRAUD_JOINED if status == OPEN else LATE_FRAUD_JOINED
    if status == REVERSED:
        return DUPLICATE
    if status != FRAUD:
        return REVERSAL_WITHOUT_FRAUD
    joiner.status[place] = REVERSED
    return REVERSAL_JOINED


@borrowing
def _park(joiner: Any, key: Any, is_fraud: bool, source: int, now_us: int, seq: int) -> int:
    """The latest message about an unknown transaction waits; a repetition counts once."""
    position = get(joiner.parked_index, key)
    if position >= 0:
        place = position & (MAX_PARKED - 1)
        if joiner.parked_is_fraud[place] == is_fraud:
            return DUPLICATE
        joiner.parked_is_fraud[place] = is_fraud
        joiner.parked_source[place] = source
        joiner.parked_seq[place] = seq
        joiner.counts[SUPERSEDED] += 1
        return PARKED
    position = joiner.cursor[PARKED_TAIL]
    place = position & (MAX_PARKED - 1)
    joiner.parked_key[place] = key
    joiner.parked_is_fraud[place] = is_fraud
    joiner.parked_source[place] = source
    joiner.parked_us[place] = now_us
    joiner.parked_seq[place] = seq
    put(joiner.parked_index, key, position)
    joiner.cursor[PARKED_TAIL] += 1
    return PARKED


@borrowing
def next_dead_letter(joiner: Any, now_us: int) -> int:
    """The ring place of the next parked message that has waited too long, or -1.

    One is given up early when the ring is full, so that a flood of orphans cannot grow.
    """
    wait_us = joiner.settings_us[2]
    while joiner.cursor[PARKED_HEAD] < joiner.cursor[PARKED_TAIL]:
        place = joiner.cursor[PARKED_HEAD] & (MAX_PARKED - 1)
        full = joiner.cursor[PARKED_TAIL] - joiner.cursor[PARKED_HEAD] >= MAX_PARKED
        joined = joiner.parked_key[place] == 0
        if not joined and not full and joiner.parked_us[place] + wait_us >= now_us:
            return -1
        joiner.cursor[PARKED_HEAD] += 1
        if not joined:
            remove(joiner.parked_index, joiner.parked_key[place])
            joiner.counts[DEAD_LETTERS] += 1
            return place
    return -1


@borrowing
def claim_parked(joiner: Any, key: Any, ordinal: int, now_us: int) -> tuple[int, int]:
    """Join a message that came before its transaction; returns (outcome or -1, source)."""
    if joiner.parked_index.size[0] == 0:
        return -1, 0
    position = get(joiner.parked_index, key)
    if position < 0:
        return -1, 0
    place = position & (MAX_PARKED - 1)
    remove(joiner.parked_index, key)
    joiner.parked_key[place] = 0
    joiner.counts[JOINED_EARLY] += 1
    outcome = _join(joiner, ordinal, joiner.parked_is_fraud[place], now_us)
    return outcome, joiner.parked_source[place]
