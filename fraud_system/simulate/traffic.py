"""Puts a simulated stream together: transactions, labels, and the truth behind them.

    settings, seed -> profiles -> ordinary + fraud -> risk -> outcome -> lateness -> Traffic
                                                                 \\-> reports -> labels

Every step draws from a generator of its own, so changing one (say, the labels) leaves the others as
they were.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fraud_system.errors import ConfigError
from fraud_system.events import DAY_US, SECOND_US, Column, Columns, LabelsObserved, Transactions
from fraud_system.keys import keys_of
from fraud_system.simulate.fraud import (
    card_testing,
    stolen_cards,
    with_compromised_terminals,
    with_large_amounts,
)
from fraud_system.simulate.ordinary import Draft, ordinary
from fraud_system.simulate.profiles import Cards, Terminals, cards_of, terminals_of
from fraud_system.simulate.reports import reports_of, transaction_name
from fraud_system.simulate.risk import CHANNELS, channel_of, probability_of
from fraud_system.simulate.settings import TrafficSettings

ID_BLOCK = 8_192

# One child seed each, by place: append new steps at the end, or every stream changes.
STEPS = (
    "terminals",
    "cards",
    "ordinary",
    "large_amounts",
    "compromised_terminals",
    "stolen_cards",
    "card_testing",
    "channel",
    "outcome",
    "lateness",
    "labels",
)


@dataclass(frozen=True, slots=True)
class Truth(Columns):
    """What only the simulator knows, one row per transaction.

    Args:
        probability: (n,) float64, with which `is_fraud` was drawn, given everything latent.
        is_fraud: (n,) bool, independent Bernoulli draws.
        kind: (n,) uint8, the `FraudKind` that the transaction is part of, fraud or not. NONE with
            is_fraud is a fraud without a pattern, from the background.
    """

    probability: Column
    is_fraud: Column
    kind: Column


@dataclass(frozen=True, slots=True)
class Traffic:
    """A simulated stream.

    Args:
        transactions: n rows by known time. Entities: card, terminal. Categories: channel. No
            numeric columns.
        labels: m messages by known time.
        truth: n rows.
        drift_us: when the fraudsters' habits change.
        card, terminal, channel: (n,) bytes, the ids behind the keys.
        last_us: known time of the last message of either table.
    """

    transactions: Transactions
    labels: LabelsObserved
    truth: Truth
    drift_us: int
    card: Column
    terminal: Column
    channel: Column
    last_us: int


def simulate(settings: TrafficSettings, seed: int) -> Traffic:
    """The stream of a scenario: the same settings and seed give the same bytes.

    Raises:
        ConfigError: the seed is negative.

    >>> from fraud_system.simulate import SCENARIOS
    >>> traffic = simulate(SCENARIOS["small"], seed=1)
    >>> traffic.transactions.transaction_id[0], traffic.channel[0]
    (np.bytes_(b't-0000000000'), np.bytes_(b'...'))
    >>> expected, observed = traffic.truth.probability.sum(), traffic.truth.is_fraud.sum()
    >>> bool(0.7 < expected / observed < 1.4)
    True
    """
    if seed < 0:
        raise ConfigError(f"must not be negative, is {seed}", field="seed")
    children = np.random.SeedSequence(seed).spawn(len(STEPS))
    draw = {
        step: np.random.Generator(np.random.PCG64(child))
        for step, child in zip(STEPS, children, strict=True)
    }
    terminals = terminals_of(settings, draw["terminals"])
    cards = cards_of(settings, terminals, draw["cards"])
    draft = _draft(settings, cards, terminals, draw)
    channel = channel_of(draft, terminals, draw["channel"])
    probability = probability_of(draft, channel, settings, cards, terminals)
    truth = Truth(
        probability=probability,
        is_fraud=draw["outcome"].random(len(draft)) < probability,
        kind=draft.kind,
    )

    event_us = settings.start_us + (draft.day * DAY_US).astype(np.int64)
    known_us = event_us + _lateness_us(settings, len(draft), draw["lateness"])
    order = np.lexsort((event_us, known_us))
    draft, truth, channel = draft.rows(order), truth.rows(order), channel[order]

    transaction_id, transaction_key = _transaction_ids(len(draft))
    card, card_key = _ids("card-{:06d}", len(cards), draft.card)
    terminal, terminal_key = _ids("terminal-{:05d}", len(terminals), draft.terminal)
    transactions = Transactions(
        transaction_id=transaction_id,
        transaction_key=transaction_key,
        event_time_us=event_us[order],
        known_time_us=known_us[order],
        amount=draft.amount,
        entity_keys=np.column_stack([card_key, terminal_key]),
        numeric=np.zeros((len(draft), 0)),
        categories=keys_of(CHANNELS)[channel].reshape(-1, 1),
    )
    labels = reports_of(settings.labels, transactions, truth.is_fraud, draw["labels"])
    known = np.append(transactions.known_time_us, labels.known_time_us)
    return Traffic(
        transactions=transactions,
        labels=labels,
        truth=truth,
        drift_us=settings.start_us + round(settings.drift_day * DAY_US),
        card=card,
        terminal=terminal,
        channel=np.array(CHANNELS, dtype="S")[channel],
        last_us=int(known.max(initial=settings.start_us)),
    )


def _draft(
    settings: TrafficSettings,
    cards: Cards,
    terminals: Terminals,
    draw: dict[str, np.random.Generator],
) -> Draft:
    """Ordinary transactions with fraud of all kinds among them; amounts in whole cents."""
    draft = ordinary(settings, cards, terminals, draw["ordinary"])
    parts = []
    for period in settings.periods():
        draft = with_large_amounts(draft, period, draw["large_amounts"])
        draft = with_compromised_terminals(
            draft, period, settings, terminals, draw["compromised_terminals"]
        )
        parts.append(stolen_cards(period, settings, cards, terminals, draw["stolen_cards"]))
        parts.append(card_testing(period, settings, cards, terminals, draw["card_testing"]))
    everything = Draft.join([draft, *parts])
    cents = np.maximum(np.rint(everything.amount * 100.0), 1.0)
    table = everything.table() | {"amount": cents / 100.0}
    return Draft(**table)


def _lateness_us(
    settings: TrafficSettings, size: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Between happening and being known: mostly nothing, sometimes seconds to minutes."""
    is_late = rng.random(size) < settings.late_share
    wait_s = settings.late_median_s * np.exp(settings.late_sigma * rng.standard_normal(size))
    wait_s = np.where(is_late, np.minimum(wait_s, settings.late_longest_s), 0.0)
    return (wait_s * SECOND_US).astype(np.int64)


def _transaction_ids(count: int) -> tuple[Column, NDArray[np.uint64]]:
    """Ids in stream order as bytes and as keys; in blocks, so that few are ever held as text."""
    ids, keys = np.empty(count, dtype="S12"), np.empty(count, dtype=np.uint64)
    for start in range(0, count, ID_BLOCK):
        stop = min(start + ID_BLOCK, count)
        names = [transaction_name(number) for number in range(start, stop)]
        ids[start:stop], keys[start:stop] = names, keys_of(names)
    return ids, keys


def _ids(template: str, count: int, row: Column) -> tuple[Column, NDArray[np.uint64]]:
    """Ids as bytes and as keys for each row; every distinct id is hashed once."""
    names = [template.format(number) for number in range(count)]
    return np.array(names, dtype="S")[row], keys_of(names)[row]
