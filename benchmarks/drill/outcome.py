"""What came of a drill, and the table of all of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.drill.account import Account, Switched, bills
from benchmarks.drill.faults import IGNORED, MAY, PLAN_B, Drill
from benchmarks.drill.payments import Payments, Window
from benchmarks.table import Row
from fraud_system.events import SECOND_US, Health
from fraud_system.policy import PolicyCosts

HOUR_US = 3_600 * SECOND_US
COLUMNS = (
    "drill",
    "should",
    "found first by",
    "after",
    "plan B after",
    "plan B for",
    "back after",
    "switches",
    "bill",
    "saved",
    "missed",
)


@dataclass(frozen=True)
class Outcome:
    """One drill. Transactions and hours count from the moment at which it was broken.

    Args:
        name, expected: of the drill.
        found_by: the first finding after that moment; empty if none.
        found_after, plan_b_after: transactions; None if it did not happen.
        plan_b_hours, plan_b_transactions: for how long the switch had plan B answer.
        back_after_hours: from the end of the cause until the model answered for good; None if it never had
            to come back, or did not.
        switches: to plan B.
        ends_with: the state of the switch at the end.
        refused: transactions that got no answer.
        bill: what all decisions from that moment on cost,
        saved: how much more it had been had nobody switched,
        missed: and how much less with an oracle: that switches when the cause begins and ends, if plan B is
            cheaper then, and not at all if it is not.
        found: all findings after that moment, by name, with their worst level.
    """

    name: str
    expected: str
    found_by: str
    found_after: int | None
    plan_b_after: int | None
    plan_b_hours: float
    plan_b_transactions: int
    back_after_hours: float | None
    switches: int
    ends_with: str
    refused: int
    bill: float
    saved: float
    missed: float
    found: dict[str, str]

    @property
    def as_expected(self) -> bool:
        """Whether it went as it should."""
        if self.refused or self.ends_with != "model":
            return False
        if self.expected == PLAN_B:
            return self.switches > 0
        if self.expected == IGNORED:
            return self.switches == 0
        return self.expected == MAY or bool(self.found and not self.switches)

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self) | {"as_expected": self.as_expected}


def outcome_of(
    drill: Drill,
    account: Account,
    payments: Payments,
    window: Window,
    costs: PolicyCosts,
    refused: int,
) -> Outcome:
    """From what was counted."""
    known_us = account.column("known_time_us").astype(np.int64)
    start = int(np.searchsorted(known_us, window.start_us))
    cost = bills(account, payments, costs, window.holds(known_us))
    total = {name: float(each[start:].sum()) for name, each in cost.items()}
    findings = [
        each
        for each in account.timeline
        if each.kind in ("warning", "alarm") and each.known_time_us >= window.start_us
    ]
    first = findings[0] if findings else None
    left = [each for each in account.switches if each.switch.health == Health.HEURISTIC]
    left = [each for each in left if not _in_probation(account, each)]
    last = account.switches[-1] if account.switches else None
    back = None
    if last is not None and last.switch.health == Health.MODEL:
        back = max(0.0, (last.known_us - window.end_us) / HOUR_US)
    by_plan_b, hours = account.by_plan_b(), 0.0
    since_us = None
    for each in account.switches:
        if each.switch.health == Health.MODEL and since_us is not None:
            hours += (each.known_us - since_us) / HOUR_US
            since_us = None
        elif each.switch.health != Health.MODEL and since_us is None:
            since_us = each.known_us
    if since_us is not None:
        hours += (float(known_us[-1]) - since_us) / HOUR_US
    found: dict[str, str] = {}
    for entry in findings:
        if found.get(entry.subject) != "alarm":
            found[entry.subject] = entry.kind
    return Outcome(
        name=drill.name,
        expected=drill.expected,
        found_by="" if first is None else first.subject,
        found_after=None
        if first is None
        else int(np.searchsorted(known_us, first.known_time_us, side="right")) - start,
        plan_b_after=left[0].transactions - start if left else None,
        plan_b_hours=hours,
        plan_b_transactions=int(np.count_nonzero(by_plan_b)),
        back_after_hours=back,
        switches=len(left),
        ends_with=(last.switch.health if last else Health.MODEL).name.lower(),
        refused=refused,
        bill=total["run"],
        saved=total["never"] - total["run"],
        missed=total["run"] - min(total["never"], total["in_time"]),
        found=found,
    )


def _in_probation(account: Account, switched: Switched) -> bool:
    """Whether plan B was answering already."""
    place = account.switches.index(switched)
    return place > 0 and account.switches[place - 1].switch.health != Health.MODEL


def table_of(outcomes: Sequence[Outcome]) -> str:
    """As Markdown, for terminal and documents."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for each in outcomes:
        cells = (
            each.name,
            each.expected,
            each.found_by or "-",
            _count(each.found_after),
            _count(each.plan_b_after),
            f"{each.plan_b_hours:.0f} h" if each.switches else "-",
            "-" if each.back_after_hours is None else f"{each.back_after_hours:.0f} h",
            str(each.switches),
            f"{each.bill:,.0f}",
            f"{each.saved:+,.0f}",
            f"{each.missed:+,.0f}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def rows_of(outcomes: Sequence[Outcome]) -> list[Row]:
    """For `results/drill.json`."""
    rows = []
    for each in outcomes:
        figures = (
            ("found after", each.found_after, "transactions"),
            ("plan B answers after", each.plan_b_after, "transactions"),
            ("plan B answers for", each.plan_b_hours, "hours"),
            ("the model is back after", each.back_after_hours, "hours"),
            ("switches to plan B", each.switches, "switches"),
            ("refused", each.refused, "transactions"),
            ("bill", each.bill, "currency units"),
            ("saved against never switching", each.saved, "currency units"),
            ("missed against the oracle", each.missed, "currency units"),
        )
        rows += [
            Row(f"{each.name}: {what}", float(value), unit)
            for what, value, unit in figures
            if value is not None
        ]
    return rows


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
