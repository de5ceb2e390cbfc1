"""Frames for the tests of the monitors: made by the engine, and cut again in any way."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fraud_system import replay
from fraud_system.events import Arrivals, Frame, Table
from fraud_system.ledger import MemoryLedger
from fraud_system.merged_frames import joined
from fraud_system.settings import Settings
from fraud_system.simulate import SCENARIOS, simulate
from monitoring.dispersion import DispersionSettings
from monitoring.fraud_rate import FraudRateSettings
from monitoring.settings import MonitorSettings
from monitoring.shift import ShiftSettings
from monitoring.stretch import CohortSettings, Stretch

HOUR_S, DAY_S = 3_600, 86_400


def quick_settings(**changes: Any) -> MonitorSettings:
    """Everything begins within days, so that a short stream has all of it."""
    chosen: dict[str, Any] = {
        "cohorts": CohortSettings(cohort_s=2 * HOUR_S, warm_up_s=2 * DAY_S, amount_sample=500),
        "dispersion": DispersionSettings(block_s=DAY_S),
        "fraud_rate": FraudRateSettings(gap_s=6 * HOUR_S, least_reports=20.0),
        "shift": ShiftSettings(
            learn_from_s=HOUR_S, learn_s=2 * DAY_S, least_rows=300, weeks=1, settle_hours=20
        ),
        "cohorts_held": 16,
    }
    return MonitorSettings(**chosen | changes)


def recorded(settings: Settings, arrivals: Arrivals, size: int = 4_096) -> list[Frame]:
    """The frames of a ledger after all arrivals."""
    ledger = MemoryLedger()
    for _ in replay.run(*replay.start(settings, ledger), ledger, arrivals.batches(size)):
        pass
    return list(ledger.frames())


def with_features(frame: Frame, change: Callable[[Table, Any], None]) -> Frame:
    """The same frame, after `change(decision, known_time_us)` of a copy of its decisions."""
    if "decision" not in frame.tables:
        return frame
    decision = {name: column.copy() for name, column in frame.tables["decision"].items()}
    change(decision, frame.tables["transaction"]["known_time_us"])
    return replace(frame, tables=dict(frame.tables) | {"decision": decision})


def small_stream(seed: int, days: int) -> Arrivals:
    """The beginning of the small scenario, labels included."""
    traffic = simulate(SCENARIOS["small"], seed)
    end_us = int(traffic.transactions.known_time_us[0]) + days * DAY_S * 1_000_000
    transactions = traffic.transactions.rows(traffic.transactions.known_time_us < end_us)
    labels = traffic.labels.rows(traffic.labels.known_time_us < end_us)
    return Arrivals.merge(transactions, labels)


def recut(frames: Sequence[Frame], cuts: Iterable[int]) -> list[Frame]:
    """The same events in frames that end before the given seqs; publications stay alone, as recorded."""
    tables = joined(frames)
    alone = [seq for name in ("published", "mode") for seq in tables.get(name, {"seq": []})["seq"]]
    last = frames[-1].last_seq
    ends = {each for each in cuts if 1 < each <= last} | {last + 1}
    ends |= {int(each) for seq in alone for each in (seq, seq + 1)} - {frames[0].first_seq}
    known = {name: table["seq"].tolist() for name, table in tables.items()}
    made, start, known_us = [], frames[0].first_seq, 0
    for end in sorted(ends):
        picked = {}
        for name, table in tables.items():
            rows = slice(bisect_left(known[name], start), bisect_left(known[name], end))
            if rows.start < rows.stop:
                picked[name] = {column: values[rows] for column, values in table.items()}
        times = [int(t["known_time_us"][-1]) for t in picked.values() if "known_time_us" in t]
        known_us = max([known_us, *times])
        made.append(Frame(start, end - 1, known_us, picked))
        start = end
    return made


def stretch_of(number: int, **changes: Any) -> Stretch:
    """A stretch of six hours in which nothing happened, but for the changes."""
    none = np.zeros(0)
    chosen: dict[str, Any] = {
        "number": number,
        "cohort_us": 6 * HOUR_S * 1_000_000,
        "seq": number + 1,
        "judged_from": 0,
        "transactions": 0,
        "messages": 0,
        "resolved": 0,
        "cohort": np.array([number]),
        "rows": np.zeros(1),
        "risk": np.zeros(1),
        "share": np.ones(1),
        "law": np.ones(1),
        "law_number": 1,
        "reported": np.zeros(1),
        "money": np.zeros(1),
        "report_cohort": none.astype(np.int64),
        "report_mark": none,
    }
    return Stretch(**chosen | changes)


def at_once(
    number: int, reports: int, expected: float, transactions: int = 1_000, **changes: Any
) -> Stretch:
    """A stretch whose labels all come in it: so many reports, where so many were expected."""
    return stretch_of(
        number,
        transactions=transactions,
        messages=reports,
        rows=np.array([float(transactions)]),
        risk=np.array([expected]),
        money=np.array([0.5 * expected]),
        report_cohort=np.full(reports, number),
        report_mark=np.full(reports, 0.5),
        **changes,
    )


__all__ = [
    "at_once",
    "quick_settings",
    "recorded",
    "recut",
    "small_stream",
    "stretch_of",
    "with_features",
]
