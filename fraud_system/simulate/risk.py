"""The true probability of fraud of every transaction, given everything latent.

`probability = expit(background + kind)`, kept within 1e-6..0.98. The background depends smoothly on
hour, channel, amount and place, so that the probabilities of harmless transactions spread over
several orders of magnitude; what a kind adds is in `fraud`. Outcomes are independent Bernoulli
draws with this probability, so an oracle that answers it is calibrated by construction, in any
group of transactions that is formed without looking at outcomes.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from fraud_system.events import Column
from fraud_system.simulate.ordinary import Draft
from fraud_system.simulate.profiles import Cards, Terminals
from fraud_system.simulate.settings import TrafficSettings

LOWEST, HIGHEST = 1e-6, 0.98
CHANNELS = ("chip", "online", "contactless")
CHIP, ONLINE, CONTACTLESS = range(3)
CONTACTLESS_LIMIT = 50.0
CONTACTLESS_SHARE = (0.65, 0.05)  # of payments in the street up to the limit, and above


def channel_of(draft: Draft, terminals: Terminals, rng: np.random.Generator) -> NDArray[np.int64]:
    """Index into `CHANNELS`: online at online shops, else contactless mostly for small amounts."""
    share = np.where(draft.amount <= CONTACTLESS_LIMIT, *CONTACTLESS_SHARE)
    in_street = np.where(rng.random(len(draft)) < share, CONTACTLESS, CHIP)
    return np.where(terminals.is_online[draft.terminal], ONLINE, in_street)


def probability_of(
    draft: Draft, channel: Column, settings: TrafficSettings, cards: Cards, terminals: Terminals
) -> NDArray[np.float64]:
    """(n,) the probability with which each transaction is a fraud."""
    before, after = settings.periods()
    is_after = draft.day >= after.first_day

    def now(name: str) -> NDArray[np.float64]:
        return np.where(is_after, getattr(after.regime, name), getattr(before.regime, name))

    by_channel = [np.zeros(len(draft)), now("online_log_odds"), now("contactless_log_odds")]
    hours_off = (draft.day % 1.0) * 24.0 - now("riskiest_hour")
    closeness = ((1.0 + np.cos(hours_off * (2.0 * np.pi / 24.0))) / 2.0) ** 2
    log_odds = (
        now("background_log_odds")
        + now("hour_log_odds") * closeness
        + np.choose(channel, by_channel)
        + now("amount_log_odds") * np.log1p(draft.amount / cards.mean_amount[draft.card])
        + now("stranger_log_odds") * ~draft.is_usual
        + now("terminal_spread_log_odds") * terminals.risk[draft.terminal]
        + draft.log_odds
    )
    return np.clip(expit(log_odds), LOWEST, HIGHEST)
