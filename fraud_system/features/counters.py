"""How the counters move: the only code that writes a `FeatureState`.

A transaction is read first (`encoder.encode`) and absorbed after its decision, so its own features
never contain it. Labels are absorbed when they are *resolved*, at their own known time.
"""

from typing import Any

import numpy as np

from fraud_system.compiled import borrowing
from fraud_system.events import NEVER_US, Action, Resolution
from fraud_system.features.layout import (
    ATTEMPT_CLOCK,
    LABEL_CLOCK,
    LAST_FRAUD,
    LAST_LEGITIMATE,
    RUN_START,
)
from fraud_system.features.state import HISTOGRAM_BINS, HISTOGRAM_STEP, QUANTILE_REFRESH_EVERY
from fraud_system.hashing import clear, get, mix_with, put

APPROVE = int(Action.APPROVE)
MATURED, FRAUD = int(Resolution.MATURED), int(Resolution.FRAUD)
REVERSED, LATE_FRAUD = int(Resolution.REVERSED), int(Resolution.LATE_FRAUD)


@borrowing
def seconds_between(earlier_us: int, later_us: int) -> float:
    """Seconds from one known time to a later one."""
    return (later_us - earlier_us) * 1e-6


@borrowing
def row_of(state: Any, entity: int, key: Any) -> int:
    """The row of an entity, or -1 if it was never seen; key 0 (unknown) is never seen."""
    if key == 0:
        return -1
    return get(state.lookup, mix_with(key, entity))


@borrowing
def bring_up_to_date(state: Any, layout: Any, entity: int, row: int, now_us: int) -> None:
    """Decay the counters of attempts to `now_us`."""
    elapsed_s = seconds_between(state.times_us[row, ATTEMPT_CLOCK], now_us)
    sums = state.sums[row]
    scales = layout.scales[entity]
    for scale in range(scales):
        decay = np.exp(-elapsed_s * layout.inverse_scale_s[entity, scale])
        sums[scale] *= decay
        sums[scales + scale] *= decay
    for scale in range(layout.approved[entity]):
        sums[2 * scales + scale] *= np.exp(-elapsed_s * layout.inverse_approved_s[entity, scale])
    state.times_us[row, ATTEMPT_CLOCK] = now_us


@borrowing
def bring_labels_up_to_date(state: Any, layout: Any, entity: int, row: int, now_us: int) -> None:
    """Decay the counters of labels to `now_us`."""
    if state.times_us[row, LABEL_CLOCK] != NEVER_US:
        elapsed_s = seconds_between(state.times_us[row, LABEL_CLOCK], now_us)
        labels = layout.labels[entity]
        first = 2 * layout.scales[entity] + layout.approved[entity]
        for scale in range(labels):
            decay = np.exp(-elapsed_s * layout.inverse_label_s[entity, scale])
            state.sums[row, first + scale] *= decay
            state.sums[row, first + labels + scale] *= decay
    state.times_us[row, LABEL_CLOCK] = now_us


@borrowing
def absorb_transaction(
    state: Any, layout: Any, keys: Any, rows: Any, amount: float, action: int, now_us: int
) -> None:
    """Count one attempt for each of its entities; `rows` (-1 for new) is completed in place."""
    for entity in range(len(keys)):
        if rows[entity] < 0 and keys[entity] != 0:
            if state.used[0] >= state.max_entities[0]:
                state.beyond_bound[0] += 1
                continue
            rows[entity] = state.used[0]
            state.row_key[rows[entity]] = mix_with(keys[entity], entity)
            put(state.lookup, state.row_key[rows[entity]], rows[entity])
            state.used[0] += 1
        if rows[entity] < 0:
            continue
        sums = state.sums[rows[entity]]
        scales = layout.scales[entity]
        for scale in range(scales):
            sums[scale] += 1.0
            sums[scales + scale] += amount
        first_label = 2 * scales + layout.approved[entity]
        if action == APPROVE:
            for place in range(2 * scales, first_label):
                sums[place] += 1.0
        largest = first_label + 2 * layout.labels[entity]
        sums[largest] = max(sums[largest], amount)
        state.times_us[rows[entity], ATTEMPT_CLOCK] = now_us


@borrowing
def absorb_meetings(state: Any, meetings: Any, keys: Any) -> None:
    """Remember which entities have met; the older generation is dropped when the younger is full."""
    for pair in range(len(meetings)):
        key = meeting_key(meetings, pair, keys)
        if key == 0:
            continue
        if get(state.young, key) >= 0:
            continue
        if state.young.size[0] >= state.max_meetings[0]:
            for place in range(len(state.young.keys)):
                state.old.keys[place] = state.young.keys[place]
            state.old.size[0] = state.young.size[0]
            clear(state.young)
        put(state.young, key, 1)


@borrowing
def meeting_key(meetings: Any, pair: int, keys: Any) -> Any:
    """One key for two entities, or 0 where either is unknown."""
    left, right = keys[meetings[pair, 0]], keys[meetings[pair, 1]]
    if left == 0 or right == 0:
        return np.uint64(0)
    return mix_with(mix_with(left, pair) ^ right, pair)


@borrowing
def absorb_amount(state: Any, log_amount: float) -> None:
    """Count the amount, and every so many transactions look the quantiles up again."""
    place = min(int(log_amount / HISTOGRAM_STEP), HISTOGRAM_BINS - 1)
    state.histogram[place] += 1
    state.since_refresh[0] += 1
    if len(state.quantiles) == 0 or state.since_refresh[0] < QUANTILE_REFRESH_EVERY:
        return
    state.since_refresh[0] = 0
    total = state.histogram.sum()
    seen, quantile = 0, 0
    for bin_ in range(HISTOGRAM_BINS):
        count = state.histogram[bin_]
        while quantile < len(state.quantiles) and seen + count >= state.quantiles[quantile] * total:
            share = (state.quantiles[quantile] * total - seen) / count
            state.edges[quantile] = (bin_ + share) * HISTOGRAM_STEP
            quantile += 1
        seen += count


@borrowing
def absorb_label(
    state: Any,
    layout: Any,
    rows: Any,
    resolution: int,
    amount: float,
    transaction_us: int,
    resolved_us: int,
    now_us: int,
) -> None:
    """Count one resolved label for each entity of its transaction.

    A first resolution counts one label; a fraud also one fraud. A late fraud (matured before) adds its
    fraud only. A reversal takes its fraud back, decayed since `resolved_us`; marks and run stay.

    The run counts the frauds that became known while no later transaction was known as legitimate; it
    ends when a transaction matures that is later than every known fraud. So it is 0 exactly where the
    latest known label is legitimate, whatever the order in which labels come. It began with the
    earliest of its frauds.

    The largest legitimate amount is of those that have matured; a late fraud does not take it back.
    """
    for entity in range(len(rows)):
        row = rows[entity]
        if row < 0:
            continue
        bring_labels_up_to_date(state, layout, entity, row, now_us)
        sums, times_us = state.sums[row], state.times_us[row]
        labels = layout.labels[entity]
        counts = 2 * layout.scales[entity] + layout.approved[entity]
        frauds = counts + labels
        run = frauds + labels + 1
        for scale in range(labels):
            if resolution == MATURED or resolution == FRAUD:
                sums[counts + scale] += 1.0
            if resolution == FRAUD or resolution == LATE_FRAUD:
                sums[frauds + scale] += 1.0
            elif resolution == REVERSED:
                age_s = seconds_between(resolved_us, now_us)
                left = np.exp(-age_s * layout.inverse_label_s[entity, scale])
                sums[frauds + scale] = max(0.0, sums[frauds + scale] - left)
        if resolution == FRAUD or resolution == LATE_FRAUD:
            times_us[LAST_FRAUD] = max(times_us[LAST_FRAUD], transaction_us)
            # A late fraud carries its own mark of having matured: at a tie it is fraud.
            if transaction_us >= times_us[LAST_LEGITIMATE]:
                if sums[run] == 0.0 or transaction_us < times_us[RUN_START]:
                    times_us[RUN_START] = transaction_us
                sums[run] += 1.0
        elif resolution == MATURED:
            times_us[LAST_LEGITIMATE] = max(times_us[LAST_LEGITIMATE], transaction_us)
            if transaction_us > times_us[LAST_FRAUD]:
                sums[run] = 0.0
            sums[run + 1] = max(sums[run + 1], amount)
