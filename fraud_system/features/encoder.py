"""One row of features out of the history, for one transaction, before it is absorbed.

Formulas, with t the known time of the transaction, a its amount and every counter decayed to t:

    count            log(1 + n)                      total              log(1 + s)
    amount_to_mean   log((a + 1) / (s / n + 1))      amount_to_largest  log((a + 1) / (largest + 1))
    velocity         log((n_short / short + r) / (n_long / long + r)),  r = 1 / long
    fraud_rate       log odds of (f + 0.005 * 20) / (n + 20)
    recency          exp(-(t - last) / scale), 0 when there is none

The calendar features use the sender's clock (it is the customer's night that counts), in UTC.
"""

from typing import Any

import numpy as np

from fraud_system.compiled import compiled
from fraud_system.events import DAY_US, NEVER_US
from fraud_system.features.counters import (
    bring_labels_up_to_date,
    bring_up_to_date,
    meeting_key,
    row_of,
    seconds_between,
)
from fraud_system.features.declaration import CATEGORY_BUCKETS, OPCODES
from fraud_system.features.state import ATTEMPT_CLOCK, LAST_FRAUD, LAST_LEGITIMATE
from fraud_system.hashing import get
from fraud_system.keys import mix

RATE_PRIOR, RATE_STRENGTH = 0.005, 20.0
NEVER_SEEN_S = 90.0 * 86_400.0

LOG_AMOUNT, AMOUNT_BEYOND = OPCODES["log_amount"], OPCODES["amount_beyond"]
AMOUNT_EXCEEDS = OPCODES["amount_exceeds"]
HOUR_SIN, HOUR_COS = OPCODES["hour_sin"], OPCODES["hour_cos"]
IS_NIGHT, IS_WEEKEND = OPCODES["is_night"], OPCODES["is_weekend"]
COUNT, TOTAL, APPROVED_COUNT = OPCODES["count"], OPCODES["total"], OPCODES["approved_count"]
AMOUNT_TO_MEAN, AMOUNT_TO_LARGEST = OPCODES["amount_to_mean"], OPCODES["amount_to_largest"]
VELOCITY, TIME_SINCE_LAST = OPCODES["velocity"], OPCODES["time_since_last"]
IS_NEW, FIRST_MEETING = OPCODES["is_new"], OPCODES["first_meeting"]
FRAUD_RATE, FRAUD_COUNT = OPCODES["fraud_rate"], OPCODES["fraud_count"]
FRAUD_RECENCY, LEGITIMATE_RECENCY = OPCODES["fraud_recency"], OPCODES["legitimate_recency"]
FRAUD_IS_LATEST, FRAUD_RUN = OPCODES["fraud_is_latest"], OPCODES["fraud_run"]
NUMERIC, CATEGORY = OPCODES["numeric"], OPCODES["category"]


@compiled
def encode(
    state: Any,
    layout: Any,
    program: Any,
    meetings: Any,
    keys: Any,
    amount: float,
    event_us: int,
    now_us: int,
    numeric: Any,
    categories: Any,
    rows: Any,
    elapsed_s: Any,
    out: Any,
) -> None:
    """Write the features of one transaction to `out` (d,) float32, and its entities' rows to `rows`.

    Decays the counters of its entities to `now_us` and changes nothing else. Features are rounded to
    float32 here, once: what is logged is exactly what was scored and what will be learned.
    """
    for entity in range(len(keys)):
        rows[entity] = row_of(state, entity, keys[entity])
        elapsed_s[entity] = NEVER_SEEN_S
        if rows[entity] >= 0:
            last_us = state.times_us[rows[entity], ATTEMPT_CLOCK]
            elapsed_s[entity] = min(seconds_between(last_us, now_us), NEVER_SEEN_S)
            bring_up_to_date(state, layout, entity, rows[entity], now_us)
            bring_labels_up_to_date(state, layout, entity, rows[entity], now_us)
    log_amount = np.log1p(amount)
    for index in range(len(program.opcode)):
        opcode, entity = program.opcode[index], program.entity[index]
        if entity >= 0:
            value = _of_entity(
                state, layout, program, meetings, keys, rows, elapsed_s, log_amount, now_us, index
            )
        elif opcode == NUMERIC:
            value = numeric[program.place[index]]
        elif opcode == CATEGORY:
            bucket = mix(categories[program.place[index]]) % np.uint64(CATEGORY_BUCKETS)
            value = 1.0 if bucket == np.uint64(program.second[index]) else 0.0
        else:
            value = _of_transaction(state, program, index, log_amount, event_us)
        out[index] = value


@compiled
def _of_transaction(
    state: Any, program: Any, index: int, log_amount: float, event_us: int
) -> float:
    opcode = program.opcode[index]
    if opcode == LOG_AMOUNT:
        return log_amount
    if opcode == AMOUNT_BEYOND:
        return max(0.0, log_amount - state.edges[program.place[index]])
    if opcode == AMOUNT_EXCEEDS:
        return 1.0 if log_amount > state.edges[program.place[index]] else 0.0
    day_share = (event_us % DAY_US) / DAY_US
    if opcode == HOUR_SIN:
        return np.sin(2.0 * np.pi * day_share)
    if opcode == HOUR_COS:
        return np.cos(2.0 * np.pi * day_share)
    if opcode == IS_NIGHT:
        return 1.0 if day_share < 0.25 else 0.0
    weekday = (event_us // DAY_US + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
    return 1.0 if weekday >= 5 else 0.0


@compiled
def _of_entity(
    state: Any,
    layout: Any,
    program: Any,
    meetings: Any,
    keys: Any,
    rows: Any,
    elapsed_s: Any,
    log_amount: float,
    now_us: int,
    index: int,
) -> float:
    opcode, entity = program.opcode[index], program.entity[index]
    place = program.place[index]
    row = rows[entity]
    if opcode == TIME_SINCE_LAST:
        return np.log1p(elapsed_s[entity])
    if opcode == IS_NEW:
        return 1.0 if row < 0 else 0.0
    if opcode == FIRST_MEETING:
        key = meeting_key(meetings, place, keys)
        met = key != 0 and (get(state.young, key) >= 0 or get(state.old, key) >= 0)
        return 0.0 if met else 1.0
    if opcode >= FRAUD_RATE:
        return _of_labels(state, layout, program, row, now_us, index)
    if row < 0:
        return 0.0
    sums, scales = state.sums[row], layout.scales[entity]
    if opcode == COUNT:
        return np.log1p(sums[place])
    if opcode == TOTAL:
        return np.log1p(sums[scales + place])
    if opcode == APPROVED_COUNT:
        return np.log1p(sums[2 * scales + place])
    if opcode == AMOUNT_TO_MEAN:
        # After long silence both counters underflow to 0; then there is no mean to compare with.
        mean = sums[scales + place] / sums[place] if sums[place] > 1e-12 else np.expm1(log_amount)
        return log_amount - np.log1p(mean)
    if opcode == AMOUNT_TO_LARGEST:
        largest = 2 * scales + layout.approved[entity] + 2 * layout.labels[entity]
        return log_amount - np.log1p(sums[largest])
    # VELOCITY
    floor = 1.0 / program.long_scale_s[index]
    short = sums[place] / program.scale_s[index] + floor
    return np.log(short / (sums[program.second[index]] / program.long_scale_s[index] + floor))


@compiled
def _of_labels(state: Any, layout: Any, program: Any, row: int, now_us: int, index: int) -> float:
    opcode, entity = program.opcode[index], program.entity[index]
    counts = 2 * layout.scales[entity] + layout.approved[entity]
    frauds = counts + layout.labels[entity]
    place = program.place[index]
    if opcode == FRAUD_RATE:
        fraud, count = RATE_PRIOR * RATE_STRENGTH, RATE_STRENGTH
        if row >= 0:
            fraud += state.sums[row, frauds + place]
            count += state.sums[row, counts + place]
        # A label may be counted as fraud before its day of maturity: keep the odds finite.
        return np.log(fraud / max(count - fraud, 0.5))
    if row < 0:
        return 0.0
    if opcode == FRAUD_COUNT:
        return np.log1p(state.sums[row, frauds + place])
    last_fraud_us = state.times_us[row, LAST_FRAUD]
    last_legitimate_us = state.times_us[row, LAST_LEGITIMATE]
    if opcode == FRAUD_RECENCY:
        return _recency(last_fraud_us, now_us, program.scale_s[index])
    if opcode == LEGITIMATE_RECENCY:
        return _recency(last_legitimate_us, now_us, program.scale_s[index])
    if opcode == FRAUD_IS_LATEST:
        return 1.0 if last_fraud_us > last_legitimate_us else 0.0
    return np.log1p(state.sums[row, frauds + layout.labels[entity] + 1])  # FRAUD_RUN


@compiled
def _recency(last_us: int, now_us: int, scale_s: float) -> float:
    if last_us == NEVER_US:
        return 0.0
    return np.exp(-seconds_between(last_us, now_us) / scale_s)
