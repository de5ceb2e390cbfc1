"""How frauds become known: messages that are late, missing, doubled, wrong or taken back.

For every reported transaction there is one message, perhaps a second, perhaps a reversal after
both. Whether and when depends on nothing but the outcome: not on the kind of fraud or the amount.
(In life it does: small amounts are reported less. Here labels are late and noisy, not selective.)
"""

import numpy as np
from numpy.typing import NDArray

from fraud_system.events import (
    DAY_US,
    SECOND_US,
    Column,
    LabelsObserved,
    LabelSource,
    Transactions,
)
from fraud_system.keys import keys_of
from fraud_system.simulate.settings import LabelSettings

LAST_ID = 9_999_999_999
REPORTING_SOURCES = (LabelSource.CHARGEBACK, LabelSource.REVIEW, LabelSource.USER_REPORT)


def transaction_name(number: int) -> str:
    """The id of the transaction of that place in the stream.

    >>> transaction_name(123)
    't-0000000123'
    """
    return f"t-{number:010d}"


def reports_of(
    settings: LabelSettings,
    transactions: Transactions,
    is_fraud: Column,
    rng: np.random.Generator,
) -> LabelsObserved:
    """All messages about these transactions, by arrival; some come long after the stream's end."""
    chance = rng.random(len(transactions))
    share = np.where(is_fraud, 1.0 - settings.never_share, settings.false_report_share)
    row = np.flatnonzero(chance < share)
    is_right = is_fraud[row]
    source, first_us = _first_reports(settings, transactions, row, rng)

    size = len(row)
    doubled = rng.random(size) < settings.duplicate_share
    is_other = rng.random(size) < settings.duplicate_other_source_share
    other = (source + 1 + rng.integers(0, 2, size)) % len(REPORTING_SOURCES)
    second_source = np.where(is_other, other, source)
    wait_us = _delay_us(settings.duplicate_median_days, settings.duplicate_sigma, size, rng)
    second_us = first_us + wait_us

    taken_back_share = np.where(
        is_right, settings.fraud_reversal_share, settings.false_report_reversal_share
    )
    reversed_ = rng.random(size) < taken_back_share
    wait_us = _delay_us(settings.reversal_median_days, settings.reversal_sigma, size, rng)
    reversal_us = np.where(doubled, second_us, first_us) + wait_us

    about = np.concatenate([row, row[doubled], row[reversed_]])
    known_us = np.concatenate([first_us, second_us[doubled], reversal_us[reversed_]])
    sources = np.concatenate([source, second_source[doubled], source[reversed_]])
    says_fraud = np.arange(len(about)) < size + doubled.sum()
    reports = LabelsObserved.unnamed(
        transaction_id=transactions.transaction_id[about],
        transaction_key=transactions.transaction_key[about],
        known_time_us=known_us,
        is_fraud=says_fraud,
        source=sources.astype(np.uint8),
    )
    orphans = _orphans(settings, round(settings.orphan_share * size), transactions, rng)
    everything = LabelsObserved.join([reports, orphans])
    return everything.rows(np.argsort(everything.known_time_us, kind="stable"))


def _orphans(
    settings: LabelSettings, count: int, transactions: Transactions, rng: np.random.Generator
) -> LabelsObserved:
    """Reports within the span of the stream about transactions that are not in it."""
    names = [transaction_name(LAST_ID - number) for number in range(count)]
    span_us = (0, 0)
    if count:
        span_us = transactions.event_time_us.min(), transactions.event_time_us.max()
    return LabelsObserved.unnamed(
        transaction_id=np.array(names, dtype=transactions.transaction_id.dtype),
        transaction_key=keys_of(names),
        known_time_us=rng.integers(*span_us, count, endpoint=True),
        is_fraud=np.ones(count, dtype=bool),
        source=_sources(settings, count, rng).astype(np.uint8),
    )


def _first_reports(
    settings: LabelSettings, transactions: Transactions, row: Column, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Source and time of the first message about each row; some overtake a late transaction."""
    source = _sources(settings, len(row), rng)
    median = np.array([each.median_days for each in settings.sources()])[source]
    sigma = np.array([each.sigma for each in settings.sources()])[source]
    happened_us = transactions.event_time_us[row]
    late_us = transactions.known_time_us[row] - happened_us
    overtakes = rng.random(len(row)) < settings.overtaking_share
    in_between_us = (rng.uniform(0.1, 0.9, len(row)) * late_us).astype(np.int64)
    delay_us = _delay_us(median, sigma, len(row), rng)
    return source, happened_us + np.where(overtakes & (late_us > 0), in_between_us, delay_us)


def _sources(settings: LabelSettings, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    shares = np.cumsum([source.share for source in settings.sources()])
    last = len(REPORTING_SOURCES) - 1
    return np.minimum(np.searchsorted(shares, rng.random(size), side="right"), last)


def _delay_us(
    median_days: float | Column, sigma: float | Column, size: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Log-normal delays, at least a second."""
    days = median_days * np.exp(sigma * rng.standard_normal(size))
    return np.maximum(days * DAY_US, SECOND_US).astype(np.int64)
