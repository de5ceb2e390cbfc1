"""A stream of payments that can be broken: what the engine is told, beside what is true.

    simulator -> Payments -> [ fault ] -> Payments -> Arrivals for the engine

A fault changes what is told; `true_amount` and `is_fraud` stay, for the bill.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.events import (
    DAY_US,
    SECOND_US,
    Arrivals,
    LabelsObserved,
    LabelSource,
    Transactions,
)
from fraud_system.simulate import FraudRegime, Traffic, TrafficSettings, simulate
from fraud_system.simulate.reports import reports_of

OTHER_KEYS = np.uint64(0xD1B54A32D192ED03)


@dataclass(frozen=True)
class Payments:
    """n payments and m messages about them, each by known time.

    Args:
        transactions, labels: what the engine is told.
        is_fraud: (n,) what is true.
        true_amount: (n,) what was paid.
        probability: (n,) with which `is_fraud` was drawn.
    """

    transactions: Transactions
    labels: LabelsObserved
    is_fraud: NDArray[np.bool_]
    true_amount: NDArray[np.float64]
    probability: NDArray[np.float64]

    @classmethod
    def of(cls, traffic: Traffic) -> "Payments":
        """A simulated stream, unbroken."""
        told, truth = traffic.transactions, traffic.truth
        return cls(told, traffic.labels, truth.is_fraud, told.amount, truth.probability)

    @property
    def known_us(self) -> NDArray[np.int64]:
        """(n,) when each was known."""
        return self.transactions.known_time_us

    def arrivals(self, from_us: int, until_us: int) -> Arrivals:
        """What the engine is told in a stretch of time."""
        said = self.labels.known_time_us
        return Arrivals.merge(
            self.transactions.rows((self.known_us >= from_us) & (self.known_us < until_us)),
            self.labels.rows((said >= from_us) & (said < until_us)),
        )

    def rows(self, chosen: NDArray[Any]) -> "Payments":
        """Some of the payments, and the messages about them."""
        told = self.transactions.rows(chosen)
        about = np.isin(self.labels.transaction_key, told.transaction_key)
        return Payments(
            told,
            self.labels.rows(about),
            self.is_fraud[chosen],
            self.true_amount[chosen],
            self.probability[chosen],
        )

    def renamed(self, letter: str) -> "Payments":
        """The same payments under other ids, which begin with this letter."""

        def under_other_ids(table: dict[str, Any]) -> dict[str, Any]:
            ids = np.char.replace(table["transaction_id"], b"t", letter.encode())
            return table | {
                "transaction_id": ids.astype(table["transaction_id"].dtype),
                "transaction_key": table["transaction_key"] ^ OTHER_KEYS ^ np.uint64(ord(letter)),
            }

        labels = under_other_ids(self.labels.table())
        del labels["label_key"]
        return replace(
            self,
            transactions=Transactions(**under_other_ids(self.transactions.table())),
            labels=LabelsObserved.unnamed(**labels),
        )

    def joined(self, other: "Payments") -> "Payments":
        """Both streams as one."""
        told = Transactions.join([self.transactions, other.transactions])
        labels = LabelsObserved.join([self.labels, other.labels])
        order = np.argsort(told.known_time_us, kind="stable")
        return Payments(
            told.rows(order),
            labels.rows(np.argsort(labels.known_time_us, kind="stable")),
            np.concatenate([self.is_fraud, other.is_fraud])[order],
            np.concatenate([self.true_amount, other.true_amount])[order],
            np.concatenate([self.probability, other.probability])[order],
        )

    def with_columns(self, chosen: NDArray[np.bool_], **columns: Any) -> "Payments":
        """Other values in some columns of the chosen transactions."""
        table = self.transactions.table()
        for name, values in columns.items():
            column = table[name].copy()
            column[chosen] = values
            table[name] = column
        return replace(self, transactions=Transactions(**table))


@dataclass(frozen=True)
class Window:
    """When it is broken, and what a fault may need to know.

    Args:
        start_us, end_us: known times.
        simulated: the scenario.
        seed: of whatever is drawn.
    """

    start_us: int
    end_us: int
    simulated: TrafficSettings
    seed: int

    def holds(self, time_us: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(n,) whether a time is within."""
        return (time_us >= self.start_us) & (time_us < self.end_us)

    def draw(self) -> np.random.Generator:
        """A generator of its own."""
        return np.random.default_rng([self.seed, 20])


Distortion = Callable[[Payments, Window], Payments]


def amount_frozen(payments: Payments, window: Window) -> Payments:
    """Every payment seems to be of the same amount."""
    return payments.with_columns(window.holds(payments.known_us), amount=50.0)


def amount_scaled(payments: Payments, window: Window) -> Payments:
    """Cents are sent where units are expected."""
    chosen = window.holds(payments.known_us)
    return payments.with_columns(chosen, amount=100.0 * payments.transactions.amount[chosen])


def card_frozen(payments: Payments, window: Window) -> Payments:
    """Every payment seems to be of the same card."""
    chosen = window.holds(payments.known_us)
    keys = payments.transactions.entity_keys[chosen].copy()
    keys[:, 0] = OTHER_KEYS
    return payments.with_columns(chosen, entity_keys=keys)


def columns_swapped(payments: Payments, window: Window) -> Payments:
    """Card and terminal change places."""
    chosen = window.holds(payments.known_us)
    keys = payments.transactions.entity_keys[chosen][:, ::-1]
    return payments.with_columns(chosen, entity_keys=keys)


def channel_missing(payments: Payments, window: Window) -> Payments:
    """The channel is not sent."""
    return payments.with_columns(window.holds(payments.known_us), categories=0)


def labels_stopped(payments: Payments, window: Window) -> Payments:
    """No message comes; what would have come is lost."""
    said = payments.labels.known_time_us
    return replace(payments, labels=payments.labels.rows(~window.holds(said)))


def labels_delayed(payments: Payments, window: Window) -> Payments:
    """Every message of the time comes two weeks later."""
    said = payments.labels.known_time_us
    return _with_label_times(payments, said + 14 * DAY_US * window.holds(said))


def labels_flipped(payments: Payments, window: Window) -> Payments:
    """Within two hours 3,000 good payments are reported as fraud; when it ends, that is taken back."""
    draw = window.draw()
    recent = (payments.known_us > window.start_us - 10 * DAY_US) & (
        payments.known_us < window.start_us
    )
    good = draw.choice(np.flatnonzero(recent & ~payments.is_fraud), 3_000, replace=False)
    told = payments.transactions.rows(np.tile(good, 2))
    says_fraud = np.arange(len(told)) < len(good)
    start_us = np.where(says_fraud, window.start_us, window.end_us)
    flipped = LabelsObserved.unnamed(
        transaction_id=told.transaction_id,
        transaction_key=told.transaction_key,
        known_time_us=start_us + draw.integers(0, 7_200 * SECOND_US, len(told)),
        is_fraud=says_fraud,
        source=np.full(len(told), LabelSource.USER_REPORT, np.uint8),
    )
    labels = LabelsObserved.join([payments.labels, flipped])
    order = np.argsort(labels.known_time_us, kind="stable")
    return replace(payments, labels=labels.rows(order))


def hours_shifted(payments: Payments, window: Window) -> Payments:
    """From then on everything happens five hours later in the day: clocks that changed, another region."""
    told, said = payments.transactions, payments.labels.known_time_us
    later_us = np.where(payments.known_us >= window.start_us, 5 * 3_600 * SECOND_US, 0)
    table = told.table()
    for name in ("event_time_us", "known_time_us"):
        table[name] = table[name] + later_us
    shifted = replace(payments, transactions=Transactions(**table))
    return _with_label_times(shifted, said + 5 * 3_600 * SECOND_US * (said >= window.start_us))


def quiet_weekends(payments: Payments, window: Window) -> Payments:
    """From then on half of the payments of weekends are gone."""
    day = payments.known_us // DAY_US + 3  # day 0 was a Thursday; now 0 is a Monday
    weekend = (day % 7 >= 5) & (payments.known_us >= window.start_us)
    gone = weekend & (window.draw().random(len(payments.known_us)) < 0.5)
    return payments.rows(np.flatnonzero(~gone))


def traffic_five_times(payments: Payments, window: Window) -> Payments:
    """Each card pays five times as often: the payments of four other days come as well."""
    spike = payments
    length_us = window.end_us - window.start_us
    for number in range(1, 5):
        ago_us = number * length_us
        earlier = Window(window.start_us - ago_us, window.end_us - ago_us, window.simulated, 0)
        copied = payments.rows(np.flatnonzero(earlier.holds(payments.known_us)))
        table = copied.transactions.table()
        for name in ("event_time_us", "known_time_us"):
            table[name] = table[name] + ago_us
        copied = replace(copied, transactions=Transactions(**table)).renamed("abcd"[number - 1])
        draw = np.random.default_rng([window.seed, 21, number])
        is_fraud = draw.random(len(copied.is_fraud)) < copied.probability
        labels = reports_of(window.simulated.labels, copied.transactions, is_fraud, draw)
        spike = spike.joined(replace(copied, is_fraud=is_fraud, labels=labels))
    return spike


def other_frauds(after: FraudRegime) -> Distortion:
    """From then on fraudsters have these habits."""

    def distort(payments: Payments, window: Window) -> Payments:
        simulated = window.simulated
        share = (window.start_us - simulated.start_us) / (simulated.days * DAY_US)
        changed = Payments.of(
            simulate(replace(simulated, after=after, drift_at_share=share), window.seed)
        )
        before = payments.rows(np.flatnonzero(payments.known_us < window.start_us))
        later = changed.rows(np.flatnonzero(changed.known_us >= window.start_us))
        return before.joined(later.renamed("n"))

    return distort


def _with_label_times(payments: Payments, known_us: NDArray[np.int64]) -> Payments:
    labels = LabelsObserved(**payments.labels.table() | {"known_time_us": known_us})
    order = np.argsort(known_us, kind="stable")
    return replace(payments, labels=labels.rows(order))
