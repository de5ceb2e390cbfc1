"""What fraudsters do: four kinds of fraud on top of ordinary traffic.

Large amounts and compromised terminals change ordinary transactions; stolen cards and card testing
add transactions of their own. Every kind only *adds log-odds* (see `risk`): a transaction of a
stolen card is probably, never certainly, a fraud.
"""

from dataclasses import replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from fraud_system.events import Column
from fraud_system.simulate.ordinary import Draft
from fraud_system.simulate.profiles import Cards, Terminals, hours
from fraud_system.simulate.settings import FraudRegime, Period, TrafficSettings

SECONDS_PER_DAY = 86_400.0
SECONDS_BETWEEN_TRIES = 45.0
CASH_OUT_HOURS = (0.1, 3.0)


class FraudKind(IntEnum):
    """What a transaction is part of, whether or not it turned out to be a fraud."""

    NONE = 0
    LARGE_AMOUNT = 1
    COMPROMISED_TERMINAL = 2
    STOLEN_CARD = 3
    CARD_TESTING = 4


def with_large_amounts(draft: Draft, period: Period, rng: np.random.Generator) -> Draft:
    """Inflates some transactions of the period to several times their amount."""
    regime = period.regime
    chance = rng.random(len(draft))
    ratio = rng.uniform(*regime.large_amount_ratio, len(draft))
    hit = _inside(draft.day, period) & (chance < regime.large_amount_share)
    return replace(
        draft,
        amount=np.where(hit, draft.amount * ratio, draft.amount),
        kind=np.where(hit, FraudKind.LARGE_AMOUNT, draft.kind).astype(np.uint8),
        log_odds=draft.log_odds + np.where(hit, regime.large_amount_log_odds, 0.0),
    )


def with_compromised_terminals(
    draft: Draft,
    period: Period,
    settings: TrafficSettings,
    terminals: Terminals,
    rng: np.random.Generator,
) -> Draft:
    """Raises the risk of whoever pays at a terminal while it is compromised."""
    regime = period.regime
    count = period.episodes(regime.compromised_per_terminal_day, settings.terminals)
    if not count:
        return draft
    start = rng.uniform(period.first_day, period.end_day, count)
    is_online = rng.random(count) < regime.compromised_online_share
    terminal = terminals.anywhere(is_online, rng)
    end = start + rng.uniform(*regime.compromised_days, count)
    log_odds = _spread(regime.compromised_log_odds, regime, count, rng)

    # The last episode that began at this terminal before the transaction, if it is not over.
    order = np.lexsort((start, terminal))
    stride = settings.days + 1.0
    begun = (terminal * stride + start)[order]
    last = np.searchsorted(begun, draft.terminal * stride + draft.day, side="right") - 1
    episode = order[np.maximum(last, 0)]
    hit = (last >= 0) & (terminal[episode] == draft.terminal) & (draft.day < end[episode])
    is_plain = hit & (draft.kind == FraudKind.NONE)
    return replace(
        draft,
        kind=np.where(is_plain, FraudKind.COMPROMISED_TERMINAL, draft.kind).astype(np.uint8),
        log_odds=np.maximum(draft.log_odds, np.where(hit, log_odds[episode], 0.0)),
    )


def stolen_cards(
    period: Period,
    settings: TrafficSettings,
    cards: Cards,
    terminals: Terminals,
    rng: np.random.Generator,
) -> Draft:
    """Extra transactions of stolen cards over some days, at terminals unusual for the card."""
    regime = period.regime
    count = period.episodes(regime.stolen_per_card_day, settings.cards)
    start = rng.uniform(period.first_day, period.end_day, count)
    duration = rng.uniform(*regime.stolen_days, count)
    stolen = cards.in_use(rng.integers(0, settings.cards, count), start)
    log_odds = _spread(regime.stolen_log_odds, regime, count, rng)
    number = rng.integers(*regime.stolen_transactions, count, endpoint=True)

    episode = np.repeat(np.arange(count), number)  # one row per extra transaction
    size = len(episode)
    moment = start[episode] + duration[episode] * rng.random(size)
    is_online = rng.random(size) < regime.stolen_online_share
    card = stolen[episode]
    extra = _extra(
        FraudKind.STOLEN_CARD,
        day=_at_fraud_hours(moment, regime, rng),
        card=card,
        terminal=terminals.somewhere(is_online, rng),
        amount=cards.mean_amount[card] * rng.uniform(*regime.stolen_ratio, size),
        log_odds=log_odds[episode],
    )
    return _possible(extra, period, cards)


def card_testing(
    period: Period,
    settings: TrafficSettings,
    cards: Cards,
    terminals: Terminals,
    rng: np.random.Generator,
) -> Draft:
    """Small online transactions within minutes at one shop, then large ones elsewhere."""
    regime = period.regime
    count = period.episodes(regime.testing_per_card_day, settings.cards)
    start = _at_fraud_hours(rng.uniform(period.first_day, period.end_day, count), regime, rng)
    shop = terminals.somewhere(np.ones(count, dtype=bool), rng)
    log_odds = _spread(regime.testing_log_odds, regime, count, rng)
    number = rng.integers(*regime.testing_cards, count, endpoint=True)

    burst = np.repeat(np.arange(count), number)  # one row per tested card
    card = cards.in_use(rng.integers(0, settings.cards, len(burst)), start[burst])
    tries = rng.integers(*regime.testing_tries, len(burst), endpoint=True)
    tested = np.repeat(np.arange(len(burst)), tries)  # one row per small transaction
    small = _extra(
        FraudKind.CARD_TESTING,
        day=start[burst[tested]] + _waits(tries, rng),
        card=card[tested],
        terminal=shop[burst[tested]],
        amount=rng.uniform(*regime.testing_amount, len(tested)),
        log_odds=log_odds[burst[tested]],
    )
    cashed = np.flatnonzero(rng.random(len(burst)) < regime.testing_cash_out_share)
    ratio = rng.uniform(*regime.testing_cash_out_ratio, len(cashed))
    large = _extra(
        FraudKind.CARD_TESTING,
        day=start[burst[cashed]] + rng.uniform(*CASH_OUT_HOURS, len(cashed)) / 24.0,
        card=card[cashed],
        terminal=terminals.somewhere(np.ones(len(cashed), dtype=bool), rng),
        amount=cards.mean_amount[card[cashed]] * ratio,
        log_odds=log_odds[burst[cashed]],
    )
    return _possible(Draft.join([small, large]), period, cards)


def _waits(tries: Column, rng: np.random.Generator) -> NDArray[np.float64]:
    """Days from the start of a burst to each of a card's tries, card after card."""
    waits = rng.exponential(SECONDS_BETWEEN_TRIES / SECONDS_PER_DAY, tries.sum())
    total = np.cumsum(waits)
    before_card = np.append(0.0, total)[np.cumsum(tries) - tries]
    return total - np.repeat(before_card, tries)


def _extra(
    kind: FraudKind,
    *,
    day: Column,
    card: Column,
    terminal: Column,
    amount: Column,
    log_odds: Column,
) -> Draft:
    """Transactions that the card holder did not make (or so it seems)."""
    return Draft(
        day=day,
        card=card,
        terminal=terminal,
        amount=amount,
        is_usual=np.zeros(len(day), dtype=bool),
        kind=np.full(len(day), kind, dtype=np.uint8),
        log_odds=log_odds,
    )


def _inside(day: Column, period: Period) -> NDArray[np.bool_]:
    return (day >= period.first_day) & (day < period.end_day)


def _spread(
    log_odds: float, regime: FraudRegime, count: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Log-odds of each episode: some fraudsters are more thorough than others."""
    return log_odds + regime.episode_spread_log_odds * rng.standard_normal(count)


def _at_fraud_hours(
    day: Column, regime: FraudRegime, rng: np.random.Generator
) -> NDArray[np.float64]:
    """The same days, some of them moved to an hour at which customers are awake."""
    by_day = np.floor(day) + hours(len(day), rng) / 24.0
    return np.where(rng.random(len(day)) < regime.round_the_clock_share, day, by_day)


def _possible(extra: Draft, period: Period, cards: Cards) -> Draft:
    """Without what falls before the period's habits began or after the card was replaced."""
    in_use = (extra.day >= period.first_day) & (extra.day < cards.end_day[extra.card])
    return extra.rows(in_use)
