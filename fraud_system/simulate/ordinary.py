"""What card holders do by themselves: ordinary transactions, in daily and weekly seasons.

Each card's transactions are a Poisson process whose rate follows the weekday; hours follow the
card's favourite hour or the population. The result is a `Draft`, to which `fraud` adds its own.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fraud_system.events import DAY_US, Column, Columns
from fraud_system.simulate.profiles import WEEKLY, Cards, Terminals, hours
from fraud_system.simulate.settings import TrafficSettings

FAVOURITE_HOUR_SHARE = 0.5
FAVOURITE_HOUR_SPREAD = 2.0
AMOUNT_SIGMA = 0.5


@dataclass(frozen=True, slots=True)
class Draft(Columns):
    """n transactions before they have an outcome, in no order.

    Args:
        day: (n,) float64, days since the start of the stream.
        card, terminal: (n,) int64, rows of `Cards` and `Terminals`.
        amount: (n,) float64, currency units, not rounded.
        is_usual: (n,) bool, at a usual terminal of the card.
        kind: (n,) uint8, a `FraudKind`.
        log_odds: (n,) float64, what the kind adds to the background.
    """

    day: Column
    card: Column
    terminal: Column
    amount: Column
    is_usual: Column
    kind: Column
    log_odds: Column


def ordinary(
    settings: TrafficSettings, cards: Cards, terminals: Terminals, rng: np.random.Generator
) -> Draft:
    """All ordinary transactions of a scenario, of kind 0 (none)."""
    card, whole_day = _days(settings, cards, rng)
    size = len(card)
    is_online = rng.random(size) < cards.online_share[card]
    is_usual = rng.random(size) >= settings.exploration_share
    usual = cards.usual(card, is_online, rng)
    terminal = np.where(is_usual, usual, terminals.somewhere(is_online, rng))
    noise = rng.lognormal(-(AMOUNT_SIGMA**2) / 2, AMOUNT_SIGMA, size)
    return Draft(
        day=whole_day + _hour(cards.favourite_hour[card], rng) / 24.0,
        card=card,
        terminal=terminal,
        amount=cards.mean_amount[card] * terminals.amount_ratio[terminal] * noise,
        is_usual=is_usual,
        kind=np.zeros(size, dtype=np.uint8),
        log_odds=np.zeros(size),
    )


def _days(
    settings: TrafficSettings, cards: Cards, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Card and day of each transaction: as many as the weekdays of the card's life call for."""
    monday_based = settings.start_us // DAY_US + 3  # 1970-01-01 was a Thursday
    weight = WEEKLY[(monday_based + np.arange(settings.days)) % 7]
    activity = np.append(0.0, np.cumsum(weight))
    first = activity[cards.first_day.astype(np.int64)]
    end = activity[cards.end_day.astype(np.int64)]
    card = np.repeat(np.arange(len(cards)), rng.poisson(cards.daily_rate * (end - first)))
    moment = rng.uniform(first[card], end[card])
    day = np.searchsorted(activity, moment, side="right") - 1
    return card, np.minimum(day, settings.days - 1)  # rounding may reach the very end


def _hour(favourite: Column, rng: np.random.Generator) -> NDArray[np.float64]:
    """Hour of the day, 0..24: near the favourite one, or the population's."""
    size = len(favourite)
    near = (favourite + FAVOURITE_HOUR_SPREAD * rng.standard_normal(size)) % 24.0
    return np.where(rng.random(size) < FAVOURITE_HOUR_SHARE, near, hours(size, rng))
