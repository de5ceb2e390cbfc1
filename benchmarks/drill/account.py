"""What is counted while a drill runs: who answered what, what was found, what was switched."""

from dataclasses import dataclass
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from benchmarks.drill.payments import Payments
from benchmarks.drill.plant import Plant
from fraud_system.events import Action, Frame, Health
from fraud_system.policy import PolicyCosts
from fraud_system.switching import Switch
from monitoring.timeline import Entry

Floats = NDArray[np.float64]
COLUMNS = ("transaction_key", "known_time_us", "amount", "model", "heuristic", "action", "health")


@dataclass(frozen=True)
class Switched:
    """A switch that was recorded, and the transactions before it."""

    transactions: int
    known_us: int
    switch: Switch


class Account:
    """Shown every frame.

    Its timeline is whole; the overseer keeps the newest entries only.
    """

    def __init__(self) -> None:
        self.switches: list[Switched] = []
        self.timeline: list[Entry] = []
        self.transactions = 0
        self._parts: dict[str, list[NDArray[np.float64]]] = {name: [] for name in COLUMNS}

    def __call__(self, frame: Frame, plant: Plant) -> None:
        """Take a frame that was recorded."""
        kept = plant.overseer.timeline
        new = takewhile(
            lambda entry: not self.timeline or entry is not self.timeline[-1], reversed(kept)
        )
        self.timeline += reversed(list(new))
        if "mode" in frame.tables:
            switch = Switch.from_table(frame.tables["mode"])
            self.switches.append(Switched(self.transactions, frame.known_time_us, switch))
        if "decision" not in frame.tables:
            return
        told, decided = frame.tables["transaction"], frame.tables["decision"]
        count = len(told["seq"])
        self.transactions += count
        taken = {
            "transaction_key": told["transaction_key"],
            "known_time_us": told["known_time_us"],
            "amount": told["amount"],
            "model": decided["probability_model"],
            "heuristic": decided["probability_heuristic"],
            "action": decided["action"],
            "health": np.full(count, plant.engine.health),
        }
        for name, values in taken.items():
            self._parts[name].append(values.copy())

    def column(self, name: str) -> NDArray[np.float64]:
        """(n,) of all decisions so far."""
        return np.concatenate(self._parts[name])

    def by_plan_b(self) -> NDArray[np.bool_]:
        """(n,) whether the switch had plan B answer."""
        return self.column("health") != Health.MODEL


def actions(costs: PolicyCosts, probability: Floats, amount: Floats) -> NDArray[np.uint8]:
    """(n,) as `policy.cheapest_action` chooses, over columns.

    >>> actions(PolicyCosts(), np.array([0.001, 0.06, 0.9]), np.full(3, 100.0))
    array([0, 1, 2], dtype=uint8)
    """
    missed = probability * (amount + costs.fee)
    declined = (1.0 - probability) * (costs.margin_share * amount + costs.goodwill)
    reviewed = costs.review_cost + (1.0 - costs.review_catch_share) * missed
    hard = np.where(reviewed <= declined, Action.REVIEW, Action.DECLINE)
    return np.where((missed <= reviewed) & (missed <= declined), Action.APPROVE, hard).astype(
        np.uint8
    )


def bill(
    costs: PolicyCosts, action: NDArray[np.uint8], amount: Floats, is_fraud: NDArray[np.bool_]
) -> Floats:
    """(n,) what each decision cost, by what is true.

    >>> bill(PolicyCosts(), np.array([0, 0, 1, 2], np.uint8), np.full(4, 100.0),
    ...      np.array([False, True, True, False]))
    array([  0., 115.,  27.,  10.])
    """
    missed = is_fraud * (amount + costs.fee)
    reviewed = costs.review_cost + (1.0 - costs.review_catch_share) * missed
    declined = ~is_fraud * (costs.margin_share * amount + costs.goodwill)
    return np.choose(action, [missed, reviewed, declined])


def bills(
    account: Account, payments: Payments, costs: PolicyCosts, broken: NDArray[np.bool_]
) -> dict[str, Floats]:
    """(n,) what each decision cost as it was, had nobody switched, and with plan B just as long as broken.

    Features and learning do not depend on who answers, so one run tells all three. A score that is no number
    is plan B's business in any case.
    """
    key = payments.transactions.transaction_key
    order = np.argsort(key)
    row = order[np.searchsorted(key, account.column("transaction_key"), sorter=order)]
    seen, amount = account.column("amount"), payments.true_amount[row]
    model, heuristic = account.column("model"), account.column("heuristic")
    alone = np.where(np.isfinite(model), model, heuristic)
    done = {
        "run": account.column("action").astype(np.uint8),
        "never": actions(costs, alone, seen),
        "in_time": actions(costs, np.where(broken, heuristic, alone), seen),
    }
    return {n: bill(costs, action, amount, payments.is_fraud[row]) for n, action in done.items()}
