"""One row of features out of the history, for one transaction, before it is absorbed.

Formulas, with t the known time of the transaction, a its amount and every counter decayed to t:

    count            log(1 + n)                      total              log(1 + s)
    amount_to_mean   log((a + 1) / (s / n + 1))      amount_to_largest  log((a + 1) / (largest + 1))
    velocity         log((n_short / short + r) / (n_long / long + r)),  r = 1 / long
    fraud_rate       log odds of (f + 0.005 * 20) / (n + 20)
    recency          exp(-(t - last) / scale), 0 when there is none
    amount_to_legitimate       log((a + 1) / (l + 1)), l the largest that has matured as legitimate
    amount_beyond_legitimate   max(0, amount_to_legitimate - log(times))

`last` is the time of the latest transaction known as fraud (as legitimate), not of its label. Of an
entity that was never seen, counters and labels are 0 and comparisons with them are 0 too. A missing
category (key 0) is in no bucket; a missing number stays nan.

Amounts beyond the highest declared quantile so far count as that quantile (`amount_exceeds` still tells them
apart): a line has nothing to say about amounts of which hardly any were seen.

The calendar features use the sender's clock (it is the customer's night that counts), in UTC.
"""

from typing import Any

import numpy as np

from fraud_system.compiled import borrowing
from fraud_system.events import DAY_US, NEVER_US
from fraud_system.features.counters import (
    bring_labels_up_to_date,
    bring_up_to_date,
    meeting_key,
    row_of,
    seconds_between,
)
from fraud_system.features.declaration import CATEGORY_BUCKETS, OPCODES
from fraud_system.features.layout import ATTEMPT_CLOCK, LAST_FRAUD, LAST_LEGITIMATE
from fraud_system.hashing import contains
from fraud_system.keys import mix

RATE_PRIOR, RATE_STRENGTH = 0.005, 20.0
NEVER_SEEN_S = 90.0 * 86_400.0

LOG_AMOUNT, AMOUNT_BEYOND = OPCODES["log_amount"], OPCODES["amount_beyond"]
AMOUNT_EXCEEDS = OPCODES["amount_exceeds"]
HOUR_SIN, HOUR_COS, IS_NIGHT = OPCODES["hour_sin"], OPCODES["hour_cos"], OPCODES["is_night"]
AMOUNT_TO_MEAN, AMOUNT_TO_LARGEST = OPCODES["amount_to_mean"], OPCODES["amount_to_largest"]
VELOCITY, TIME_SINCE_LAST = OPCODES["velocity"], OPCODES["time_since_last"]
IS_NEW, FIRST_MEETING = OPCODES["is_new"], OPCODES["first_meeting"]
FRAUD_RATE, FRAUD_IS_LATEST = OPCODES["fraud_rate"], OPCODES["fraud_is_latest"]
FRAUD_RUN_OLDER = OPCODES["fraud_run_older"]
AMOUNT_TO_LEGITIMATE = OPCODES["amount_to_legitimate"]
AMOUNT_BEYOND_LEGITIMATE = OPCODES["amount_beyond_legitimate"]
FRAUD_RECENCY, LEGITIMATE_RECENCY = OPCODES["fraud_recency"], OPCODES["legitimate_recency"]
NUMERIC, CATEGORY = OPCODES["numeric"], OPCODES["category"]


@borrowing
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
    # The loop hands over single arrays, never `state`: counting the references of all its arrays at
    # every call cost twenty times the arithmetic.
    sums, times_us, edges, young, old = (
        state.sums,
        state.times_us,
        state.edges,
        state.young.keys,
        state.old.keys,
    )
    log_amount = np.log1p(amount)
    for index in range(len(program.opcode)):
        opcode, entity = program.opcode[index], program.entity[index]
        place, second = program.place[index], program.second[index]
        if entity < 0:
            value = _of_transaction(
                opcode, place, second, edges, numeric, categories, log_amount, event_us
            )
        elif opcode == TIME_SINCE_LAST:
            value = np.log1p(elapsed_s[entity])
        elif opcode == IS_NEW:
            value = 1.0 if rows[entity] < 0 else 0.0
        elif opcode == FIRST_MEETING:
            key = meeting_key(meetings, place, keys)
            value = 0.0 if contains(young, key) or contains(old, key) else 1.0
        elif rows[entity] < 0:
            value = log_odds_of_fraud(0.0, 0.0) if opcode == FRAUD_RATE else 0.0
        elif opcode == FRAUD_RECENCY or opcode == LEGITIMATE_RECENCY:
            value = _recency(times_us[rows[entity], place], now_us, program.scale_s[index])
        elif opcode == FRAUD_IS_LATEST:
            value = _fraud_is_latest(times_us[rows[entity]])
        elif opcode == FRAUD_RUN_OLDER:
            age_s = seconds_between(times_us[rows[entity], second], now_us)
            runs = sums[rows[entity], place] > 0.0
            value = 1.0 if runs and age_s > program.scale_s[index] else 0.0
        else:
            scale_s, long_scale_s = program.scale_s[index], program.long_scale_s[index]
            value = _of_counters(
                opcode,
                sums[rows[entity]],
                place,
                second,
                scale_s,
                long_scale_s,
                program.log_times[index],
                log_amount,
            )
        out[index] = value


@borrowing
def _of_transaction(
    opcode: int,
    place: int,
    second: int,
    edges: Any,
    numeric: Any,
    categories: Any,
    log_amount: float,
    event_us: int,
) -> float:
    if opcode == NUMERIC:
        return numeric[place]
    if opcode == CATEGORY:
        category = categories[place]
        bucket = mix(category) % np.uint64(CATEGORY_BUCKETS)
        return 1.0 if category != 0 and bucket == np.uint64(second) else 0.0
    if opcode == LOG_AMOUNT or opcode == AMOUNT_BEYOND:
        highest = edges[len(edges) - 1] if len(edges) > 0 else log_amount
        capped = min(log_amount, highest)
        return capped if opcode == LOG_AMOUNT else max(0.0, capped - edges[place])
    if opcode == AMOUNT_EXCEEDS:
        return 1.0 if log_amount > edges[place] else 0.0
    day_share = (event_us % DAY_US) / DAY_US
    if opcode == HOUR_SIN:
        return np.sin(2.0 * np.pi * day_share)
    if opcode == HOUR_COS:
        return np.cos(2.0 * np.pi * day_share)
    if opcode == IS_NIGHT:
        return 1.0 if day_share < 0.25 else 0.0
    weekday = (event_us // DAY_US + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
    return 1.0 if weekday >= 5 else 0.0


@borrowing
def _of_counters(
    opcode: int,
    sums: Any,
    place: int,
    second: int,
    scale_s: float,
    long_scale_s: float,
    log_times: float,
    log_amount: float,
) -> float:
    """Of one entity's `sums`; see `layout.Program` for what is at `place` and `second`."""
    if opcode == AMOUNT_TO_MEAN:
        # After long silence both counters fade to nothing; then there is no mean to compare with.
        if sums[place] <= 1e-12:
            return 0.0
        return log_amount - np.log1p(sums[second] / sums[place])
    if opcode == AMOUNT_TO_LARGEST:
        return log_amount - np.log1p(sums[place])
    if opcode == VELOCITY:
        floor = 1.0 / long_scale_s
        return np.log((sums[place] / scale_s + floor) / (sums[second] / long_scale_s + floor))
    if opcode == FRAUD_RATE:
        return log_odds_of_fraud(sums[place], sums[second])
    if opcode == AMOUNT_TO_LEGITIMATE or opcode == AMOUNT_BEYOND_LEGITIMATE:
        if sums[place] == 0.0:  # nothing has matured yet: there is nothing to compare with
            return 0.0
        ratio = log_amount - np.log1p(sums[place])
        return ratio if opcode == AMOUNT_TO_LEGITIMATE else max(0.0, ratio - log_times)
    return np.log1p(sums[place])


@borrowing
def log_odds_of_fraud(frauds: float, labels: float) -> float:
    """Smoothed: with no label at all, the log odds of RATE_PRIOR."""
    frauds += RATE_PRIOR * RATE_STRENGTH
    # A late fraud counts when its label has partly faded: keep the odds finite.
    return np.log(frauds / max(labels + RATE_STRENGTH - frauds, 0.5))


@borrowing
def _recency(last_us: int, now_us: int, scale_s: float) -> float:
    if last_us == NEVER_US:
        return 0.0
    return np.exp(-seconds_between(last_us, now_us) / scale_s)


@borrowing
def _fraud_is_latest(times_us: Any) -> float:
    """The same tie as in `counters.absorb_label`."""
    last_us = times_us[LAST_FRAUD]
    return 1.0 if last_us != NEVER_US and last_us >= times_us[LAST_LEGITIMATE] else 0.0
