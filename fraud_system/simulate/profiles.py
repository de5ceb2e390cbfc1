"""Who pays and where: latent profiles of terminals and cards.

Terminals lie in a square of 100 x 100 km or are online shops. A card has a home there, a mean
amount, a rate, a favourite hour, and terminals that it usually goes to: the nearest ones and a few
online shops.

Cards live in slots. A slot always holds one card; when a card is replaced, a new one with a profile
of its own takes the slot. So the number of cards in use stays the same, and some are always new.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from fraud_system.events import Column, Columns
from fraud_system.simulate.settings import TrafficSettings

REGION_KM = 100.0
USUAL_NEARBY = 8
USUAL_ONLINE = 3
HOURS = np.arange(25)

# Relative activity by hour of the day (UTC), six a row, and from Monday to Sunday (mean 1).
HOURLY = np.array(
    [[2, 1, 1, 1, 1, 2], [4, 8, 12, 13, 14, 16], [18, 16, 14, 14, 16, 18], [19, 16, 12, 9, 6, 4]]
).ravel()
WEEKLY = np.array([0.90, 0.90, 0.95, 1.00, 1.15, 1.25, 0.85])


@dataclass(frozen=True, slots=True)
class Terminals(Columns):
    """t terminals.

    Args:
        is_online: (t,) bool.
        location_km: (t, 2) float64; means nothing for online shops.
        amount_ratio: (t,) float64, how amounts here compare with elsewhere.
        risk: (t,) float64, standard normal: how attractive to fraudsters, lastingly.
    """

    is_online: Column
    location_km: Column
    amount_ratio: Column
    risk: Column

    def anywhere(self, is_online: Column, rng: np.random.Generator) -> NDArray[np.int64]:
        """A terminal of the wanted sort for each row, all equally likely."""
        chance = rng.random(len(is_online))
        street, shops = np.flatnonzero(~self.is_online), np.flatnonzero(self.is_online)
        return np.where(is_online, _pick(shops, chance), _pick(street, chance))

    def somewhere(self, is_online: Column, rng: np.random.Generator) -> NDArray[np.int64]:
        """The same, but of the online shops the popular ones more often."""
        chance = rng.random(len(is_online))
        street, shops = np.flatnonzero(~self.is_online), np.flatnonzero(self.is_online)
        return np.where(is_online, _pick(shops, _popular(chance)), _pick(street, chance))


@dataclass(frozen=True, slots=True)
class Cards(Columns):
    """c cards, by slot and then by first day.

    Args:
        slot: (c,) int64.
        first_day, end_day: (c,) float64, in use from first_day to before end_day, in whole days.
        mean_amount: (c,) float64, currency units.
        daily_rate: (c,) float64, ordinary transactions per day.
        online_share: (c,) float64.
        favourite_hour: (c,) float64.
        nearby: (c, at most 8) int64, usual terminals in the street, nearest first.
        shops: (c, 3) int64, usual online shops, dearest first.
    """

    slot: Column
    first_day: Column
    end_day: Column
    mean_amount: Column
    daily_rate: Column
    online_share: Column
    favourite_hour: Column
    nearby: Column
    shops: Column

    def in_use(self, slot: Column, day: Column) -> NDArray[np.int64]:
        """Which card holds the slot on that day."""
        stride = self.end_day.max() + 1
        births = self.slot * stride + self.first_day
        return np.searchsorted(births, slot * stride + day, side="right") - 1

    def usual(self, card: Column, is_online: Column, rng: np.random.Generator) -> NDArray[np.int64]:
        """One of the card's usual terminals for each row; the first ones more often."""
        chance = _popular(rng.random(len(card)))
        nearby = self.nearby[card, (chance * self.nearby.shape[1]).astype(np.int64)]
        shop = self.shops[card, (chance * USUAL_ONLINE).astype(np.int64)]
        return np.where(is_online, shop, nearby)


def terminals_of(settings: TrafficSettings, rng: np.random.Generator) -> Terminals:
    """The terminals of a scenario."""
    is_online = rng.permutation(settings.terminals) < settings.online_terminals
    return Terminals(
        is_online=is_online,
        location_km=rng.uniform(0.0, REGION_KM, (settings.terminals, 2)),
        amount_ratio=rng.lognormal(0.0, 0.3, settings.terminals),
        risk=rng.standard_normal(settings.terminals),
    )


def cards_of(settings: TrafficSettings, terminals: Terminals, rng: np.random.Generator) -> Cards:
    """The cards of a scenario: the first of each slot, and those that replace them."""
    slot, first_day = _births(settings, rng)
    is_last = np.append(slot[1:] != slot[:-1], True)
    end_day = np.where(is_last, settings.days, np.append(first_day[1:], 0)).astype(np.float64)

    cards = len(slot)
    street = np.flatnonzero(~terminals.is_online)
    home_km = rng.uniform(0.0, REGION_KM, (cards, 2))
    near = min(USUAL_NEARBY, len(street))
    nearest = cKDTree(terminals.location_km[street]).query(home_km, k=near)[1].reshape(cards, near)
    rate = settings.transactions_per_card_per_day
    return Cards(
        slot=slot,
        first_day=first_day,
        end_day=end_day,
        mean_amount=rng.lognormal(np.log(35.0), 0.9, cards),
        daily_rate=rate * rng.gamma(2.0, 0.5, cards),
        online_share=rng.beta(2.0, 5.0, cards),
        favourite_hour=hours(cards, rng),
        nearby=street[nearest],
        shops=terminals.somewhere(np.ones(cards * USUAL_ONLINE, bool), rng).reshape(cards, -1),
    )


def hours(size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Hours of the day, 0..24, by the population's daily season."""
    cumulated = np.append(0, np.cumsum(HOURLY)) / HOURLY.sum()
    return np.interp(rng.random(size), cumulated, HOURS)


def _births(
    settings: TrafficSettings, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Slot and first day of every card, sorted; no two of a slot on the same day."""
    new = round(settings.cards * settings.card_replacement_share * settings.days)
    slot = np.concatenate([np.arange(settings.cards), rng.integers(0, settings.cards, new)])
    day = np.concatenate(
        [np.zeros(settings.cards, dtype=np.int64), rng.integers(0, settings.days, new)]
    )
    births = np.unique(slot * settings.days + day)
    return births // settings.days, (births % settings.days).astype(np.float64)


def _pick(choices: Column, chance: Column) -> Column:
    """The choice at each place 0..1 along `choices`."""
    return choices[(chance * len(choices)).astype(np.int64)]


def _popular(chance: Column) -> NDArray[np.float64]:
    """Uniform chances made denser towards 0 (density falling as the cube root)."""
    return chance * np.sqrt(chance)
