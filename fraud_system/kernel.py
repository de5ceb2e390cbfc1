"""The engine's fold over one micro-batch, compiled: one event at a time, in order, whatever the batch.

For each input, at its known time: what has become due is resolved first (dead letters, then matured
transactions), then the input itself. A transaction is encoded, scored, decided and only then
absorbed. Every event takes the next seq, so seqs depend on the events alone. A refused transaction
changes nothing, not even what is due: it is not recorded, so no replay would see it.

The loop stops early when a publication is due (`resolve_limit` resolutions), when a replay reaches a
recorded event (`stop_seq`), or when the output is full; the caller goes on from there.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraud_system.compiled import borrowing
from fraud_system.events import Kind, LabelSource, Resolution, Scorer
from fraud_system.features.counters import (
    absorb_amount,
    absorb_label,
    absorb_meetings,
    absorb_transaction,
)
from fraud_system.features.encoder import encode
from fraud_system.features.layout import Layout, Program
from fraud_system.features.state import FeatureState
from fraud_system.hashing import get
from fraud_system.labels import (
    FRAUD_JOINED,
    LATE_FRAUD_JOINED,
    REVERSAL_JOINED,
    Joiner,
    claim_parked,
    expire,
    knows,
    next_dead_letter,
    next_matured,
    observe,
    remember,
)
from fraud_system.limits import MAX_AMOUNT, MAX_NUMERIC
from fraud_system.models.scoring import Served, bucket_of, logit_of, sigmoid
from fraud_system.policy import cheapest_action

TRANSACTION, LABEL = int(Kind.TRANSACTION), int(Kind.LABEL)
BY_MODEL, BY_HEURISTIC = int(Scorer.MODEL), int(Scorer.HEURISTIC)
BY_MATURITY = int(LabelSource.MATURITY)
MATURED, FRAUD = int(Resolution.MATURED), int(Resolution.FRAUD)
REVERSED, LATE_FRAUD = int(Resolution.REVERSED), int(Resolution.LATE_FRAUD)

ACCEPTED, DUPLICATE_ID, TOO_LATE, TOO_FAR_AHEAD, NOT_USABLE = range(5)  # status of an input
NEXT_SEQ, NOW_US, MODE, VERSION, HEALTH = range(5)  # places in `Core.clock`
N_TRANSACTIONS, N_LABELS, N_TICKS, N_RESOLVED, N_DEAD = range(5)  # places in `Output.count`


class Core(NamedTuple):
    """The engine's state, as compiled code sees it.

    Args:
        features, layout, program, meetings: see `features`.
        joiner: see `labels`.
        served: see `models.scoring`.
        costs: (5,) see `policy`.
        clock: (5,) NEXT_SEQ, NOW_US, MODE (a `Scorer`), VERSION of the weights, HEALTH (a `Health`).
        lateness_us: (2,) how late and how far ahead an event time may be.
    """

    features: FeatureState
    layout: Layout
    program: Program
    meetings: NDArray[np.int64]
    joiner: Joiner
    served: Served
    costs: NDArray[np.float64]
    clock: NDArray[np.int64]
    lateness_us: NDArray[np.int64]


class Input(NamedTuple):
    """The columns of `Arrivals` that the fold reads; `action` is empty where the engine itself decides."""

    kind: NDArray[np.uint8]
    row: NDArray[np.int64]
    known_us: NDArray[np.int64]
    key: NDArray[np.uint64]
    event_us: NDArray[np.int64]
    amount: NDArray[np.float64]
    entity_keys: NDArray[np.uint64]
    numeric: NDArray[np.float64]
    categories: NDArray[np.uint64]
    label_transaction_key: NDArray[np.uint64]
    label_is_fraud: NDArray[np.bool_]
    label_source: NDArray[np.uint8]
    action: NDArray[np.uint8]


class Scratch(NamedTuple):
    """Room that one transaction needs while it is folded.

    Args:
        rows: (entities,) rows in the feature state.
        elapsed_s: (entities,) since each was last seen.
        term: (d,) squashed features.
    """

    rows: NDArray[np.int64]
    elapsed_s: NDArray[np.float64]
    term: NDArray[np.float64]


class Output(NamedTuple):
    """Room for what the fold says; `filled` tells how much of each is filled.

    Args:
        status: (inputs,) ACCEPTED or why not.
        accepted: (transactions,) row of each accepted one.
        transaction_seq, features, log_odds (of the model, before recalibration) and the other decision
            columns: in order of acceptance.
        label_seq, outcome: in order.
        tick_seq: in order.
        resolved_*: in order; `resolved` columns are seq, known_us, resolution, source, transaction_seq,
            ordinal, transaction_us.
        dead: seq, known_us, label_seq.
        filled: (5,) N_TRANSACTIONS, N_LABELS, N_TICKS, N_RESOLVED, N_DEAD.
    """

    status: NDArray[np.uint8]
    accepted: NDArray[np.int64]
    transaction_seq: NDArray[np.int64]
    features: NDArray[np.float32]
    log_odds: NDArray[np.float64]
    probability: NDArray[np.float64]
    probability_model: NDArray[np.float64]
    probability_heuristic: NDArray[np.float64]
    probability_constant: NDArray[np.float64]
    expected_loss: NDArray[np.float64]
    action: NDArray[np.uint8]
    scorer: NDArray[np.uint8]
    label_row: NDArray[np.int64]
    label_seq: NDArray[np.int64]
    outcome: NDArray[np.uint8]
    tick_row: NDArray[np.int64]
    tick_seq: NDArray[np.int64]
    resolved: NDArray[np.int64]
    dead: NDArray[np.int64]
    filled: NDArray[np.int64]


@borrowing
def fold(
    core: Any,
    given: Any,
    start: int,
    resolve_limit: int,
    stop_seq: int,
    scratch: Any,
    out: Any,
) -> int:
    """Fold inputs from `start`; returns the position of the first one that was not consumed."""
    rows, elapsed_s, term = scratch.rows, scratch.elapsed_s, scratch.term
    for position in range(start, len(given.kind)):
        now_us, row = given.known_us[position], given.row[position]
        if given.kind[position] == TRANSACTION:
            out.status[position] = _admissible(core, given, row, now_us)
            if out.status[position] != ACCEPTED:
                continue
        if not resolve_due(core, now_us, resolve_limit, stop_seq, out):
            return position
        if given.kind[position] == TRANSACTION:
            _take_transaction(core, given, row, now_us, rows, elapsed_s, term, out)
        elif given.kind[position] == LABEL:
            _take_label(core, given, row, now_us, out)
        else:
            filled = out.filled[N_TICKS]
            out.tick_row[filled], out.tick_seq[filled] = row, _next_seq(core, now_us)
            out.filled[N_TICKS] += 1
    return len(given.kind)


@borrowing
def resolve_due(core: Any, now_us: int, resolve_limit: int, stop_seq: int, out: Any) -> bool:
    """Resolve what is due at `now_us`; False if it had to stop before an input may be taken.

    Where it stops it has changed nothing since the last event, so that a replay stops alike.
    """
    joiner = core.joiner
    while True:
        full = out.filled[N_RESOLVED] >= len(out.resolved) or out.filled[N_DEAD] >= len(out.dead)
        if full or out.filled[N_RESOLVED] >= resolve_limit or core.clock[NEXT_SEQ] >= stop_seq:
            return False
        parked = next_dead_letter(joiner, now_us)
        if parked >= 0:
            filled = out.filled[N_DEAD]
            out.dead[filled, 0] = _next_seq(core, now_us)
            out.dead[filled, 1] = now_us
            out.dead[filled, 2] = joiner.parked_seq[parked]
            out.filled[N_DEAD] += 1
            continue
        ordinal = next_matured(joiner, now_us)
        if ordinal < 0:
            expire(joiner, now_us)
            return True
        _resolve(core, ordinal, MATURED, BY_MATURITY, 0, now_us, out)


@borrowing
def _next_seq(core: Any, now_us: int) -> int:
    seq = core.clock[NEXT_SEQ]
    core.clock[NEXT_SEQ] = seq + 1
    core.clock[NOW_US] = now_us
    return seq


@borrowing
def _admissible(core: Any, given: Any, row: int, now_us: int) -> int:
    # First, so that whoever repeats a transaction after days still gets its first answer.
    if knows(core.joiner, given.key[row], now_us):
        return DUPLICATE_ID
    event_us, amount = given.event_us[row], given.amount[row]
    # First: a repetition may come late, and is answered as the first time.
    if knows(core.joiner, given.key[row], now_us):
        return DUPLICATE_ID
    if now_us - event_us > core.lateness_us[0]:
        return TOO_LATE
    if event_us - now_us > core.lateness_us[1]:
        return TOO_FAR_AHEAD
    if not 0.0 <= amount <= MAX_AMOUNT:
        return NOT_USABLE
    for value in given.numeric[row]:
        if abs(value) > MAX_NUMERIC:  # nan is missing, and usable
            return NOT_USABLE
    return ACCEPTED


@borrowing
def _take_transaction(
    core: Any, given: Any, row: int, now_us: int, rows: Any, elapsed_s: Any, term: Any, out: Any
) -> None:
    filled = out.filled[N_TRANSACTIONS]
    out.filled[N_TRANSACTIONS] += 1
    seq = _next_seq(core, now_us)
    out.accepted[filled], out.transaction_seq[filled] = row, seq
    keys, amount = given.entity_keys[row], given.amount[row]
    encode(
        core.features,
        core.layout,
        core.program,
        core.meetings,
        keys,
        amount,
        given.event_us[row],
        now_us,
        given.numeric[row],
        given.categories[row],
        rows,
        elapsed_s,
        out.features[filled],
    )
    action = _decide(core, out, filled, amount, term)
    if len(given.action) > 0:
        action = given.action[row]
    absorb_transaction(core.features, core.layout, keys, rows, amount, action, now_us)
    absorb_meetings(core.features, core.meetings, keys)
    absorb_amount(core.features, math.log1p(amount))
    ordinal = remember(core.joiner, given.key[row], now_us, seq, amount, rows)
    outcome, source = claim_parked(core.joiner, given.key[row], ordinal, now_us)
    if outcome >= 0:
        _resolve_outcome(core, ordinal, outcome, source, 0, now_us, out)


@borrowing
def score(core: Any, term: Any, out: Any) -> None:
    """Decide on rows of `out.features` that are there already, as if each were of amount 0."""
    for row in range(len(out.features)):
        _decide(core, out, row, 0.0, term)


@borrowing
def _decide(core: Any, out: Any, filled: int, amount: float, term: Any) -> int:
    """Score with the model and with plan B, serve one of them, choose the action."""
    row, rates = out.features[filled], core.served.rates
    log_odds = logit_of(core.served, row, term)
    out.log_odds[filled] = log_odds
    line = core.served.recalibration
    calibrated = line[0] + line[1] * log_odds
    # Asked of the log odds: the sigmoid would make a plausible 0 or 1 of an infinite one.
    model = sigmoid(calibrated) if math.isfinite(calibrated) else math.nan
    heuristic = rates[bucket_of(core.served, row)]
    out.probability_model[filled] = model
    out.probability_heuristic[filled] = heuristic
    out.probability_constant[filled] = rates[len(rates) - 1]
    # A non-finite score is answered by the heuristic in the same batch, and recorded as such.
    by_model = core.clock[MODE] == BY_MODEL and math.isfinite(model)
    probability = model if by_model else heuristic
    out.scorer[filled] = BY_MODEL if by_model else BY_HEURISTIC
    out.probability[filled] = probability
    out.expected_loss[filled] = probability * amount
    action = cheapest_action(core.costs, probability, amount)
    out.action[filled] = action
    return action


@borrowing
def _take_label(core: Any, given: Any, row: int, now_us: int, out: Any) -> None:
    filled = out.filled[N_LABELS]
    out.filled[N_LABELS] += 1
    seq = _next_seq(core, now_us)
    key, source = given.label_transaction_key[row], given.label_source[row]
    place = get(core.joiner.lookup, key) & (len(core.joiner.key) - 1)
    before_us = core.joiner.resolved_us[place]
    outcome, ordinal = observe(core.joiner, key, given.label_is_fraud[row], source, now_us, seq)
    out.label_row[filled], out.label_seq[filled], out.outcome[filled] = row, seq, outcome
    if ordinal >= 0:
        _resolve_outcome(core, ordinal, outcome, source, before_us, now_us, out)


@borrowing
def _resolve_outcome(
    core: Any, ordinal: int, outcome: int, source: int, before_us: int, now_us: int, out: Any
) -> None:
    if outcome == FRAUD_JOINED:
        _resolve(core, ordinal, FRAUD, source, 0, now_us, out)
    elif outcome == LATE_FRAUD_JOINED:
        _resolve(core, ordinal, LATE_FRAUD, source, 0, now_us, out)
    elif outcome == REVERSAL_JOINED:
        _resolve(core, ordinal, REVERSED, source, before_us, now_us, out)


@borrowing
def _resolve(
    core: Any,
    ordinal: int,
    resolution: int,
    source: int,
    before_us: int,
    now_us: int,
    out: Any,
) -> None:
    """Record a resolution and feed it to the label counters."""
    joiner = core.joiner
    place = ordinal & (len(joiner.key) - 1)
    columns = out.resolved[out.filled[N_RESOLVED]]
    out.filled[N_RESOLVED] += 1
    columns[0] = _next_seq(core, now_us)
    columns[1] = now_us
    columns[2] = resolution
    columns[3] = source
    columns[4] = joiner.seq[place]
    columns[5] = ordinal
    columns[6] = joiner.known_us[place]
    absorb_label(
        core.features,
        core.layout,
        joiner.rows[place],
        resolution,
        joiner.amount[place],
        joiner.known_us[place],
        before_us,
        now_us,
    )
