"""`make bench-monitors`: what is measured, the table, `results/bench-monitors.json`.

1. Clean: the demo's traffic without its drift, 30 days for warming up and 60 that are judged.
2. A doubled fraud rate, where the truth is known, against the first-order bound (see `doubling`).
3. Faults from day 70 at noon on: a feature frozen, the same times 100, all log odds of the model + 1.5.
4. What the monitors cost, in turns with the replay that makes their frames.

Every contender sees the same streams, with the settings that it comes with. A detector of river's watches one
series, so it is given the very one that the fault is in.
"""

import argparse
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from tqdm import tqdm

from benchmarks import table
from benchmarks.monitors import contenders, doubling
from benchmarks.monitors.contenders import beginnings
from benchmarks.monitors.streams import (
    BATCH_EVENTS,
    CLEAN_DAYS,
    WARM_UP_DAYS,
    LateFrauds,
    Stream,
    clean,
)
from benchmarks.rounds import take_turns
from benchmarks.table import Row
from fraud_system import replay
from fraud_system.events import Frame, Table
from fraud_system.ledger import MemoryLedger
from monitoring.findings import Level
from monitoring.monitor import Monitor
from monitoring.settings import MonitorSettings

PACKAGES = ("numpy", "numba", "scipy", "river", "evidently", "pandas")
SERIES = ("model probability", "log_amount", "labels")
FAULT_DAY = 70.5
EVIDENTLY_REFERENCE = (WARM_UP_DAYS - 7, WARM_UP_DAYS)
RIVERS = {"ADWIN": contenders.adwin, "Page-Hinkley": contenders.page_hinkley}
FAULTS = {  # and the series that each is in
    "log_amount frozen": "log_amount",
    "log_amount x 100": "log_amount",
    "log odds + 1.5": "model probability",
}
Change = Callable[[Table, NDArray[np.bool_]], None]


def run() -> None:
    """Measure everything, print the table, write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="of the clean traffic")
    parser.add_argument("--runs", type=int, default=100, help="with a doubled rate")
    parser.add_argument("--rounds", type=int, default=5, help="of the cost")
    given = parser.parse_args()
    if min(given.seeds, given.runs, given.rounds) < 1:
        parser.error("SEEDS, RUNS and ROUNDS: at least 1")
    streams = {seed: clean(seed) for seed in tqdm(range(1, given.seeds + 1), desc="streams")}
    first = streams[1]
    rows = cost_rows(first, given.rounds)
    rows += clean_rows(streams)
    rows += doubling_rows(given.runs)
    rows += fault_rows(streams)
    path = table.write("bench-monitors", rows, PACKAGES, {"runs": given.runs, "seeds": given.seeds})
    print(f"{CLEAN_DAYS} clean days after {WARM_UP_DAYS} of warming up; {given.seeds} seeds")
    print(table.text(rows))
    print(f"written: {path}")


def clean_rows(streams: dict[int, Stream]) -> list[Row]:
    """Alarms on days on which nothing is wrong."""
    alarms: list[float] = []
    warnings: list[float] = []
    drifts: dict[tuple[str, str], list[float]] = {}
    for stream in tqdm(streams.values(), desc="clean", unit=" streams", disable=None):
        from_us = stream.day_us(WARM_UP_DAYS)
        findings = contenders.ours(stream)
        alarms.append(len(beginnings(findings, Level.ALARM)))
        warnings.append(len(beginnings(findings, Level.WARNING)))
        for name, detect in (
            ("ADWIN", contenders.adwin),
            ("Page-Hinkley", contenders.page_hinkley),
        ):
            for series in SERIES:
                known_us, values = stream.column(series)
                found = known_us[detect(values)]
                drifts.setdefault((name, series), []).append(int((found >= from_us).sum()))
    title = f"{CLEAN_DAYS} clean days"
    rows = [
        count_row(f"{title}: alarms, ours, all monitors", alarms, "0"),
        count_row(f"{title}: warnings, ours, all monitors", warnings, "<= 1"),
    ]
    rows += [
        count_row(f"{title}: alarms, {name} on {series}", found)
        for (name, series), found in drifts.items()
    ]
    stream = next(iter(streams.values()))
    days = range(WARM_UP_DAYS, WARM_UP_DAYS + CLEAN_DAYS)
    shown = contenders.evidently_days(stream, EVIDENTLY_REFERENCE, days)
    flagged = [len(each.drifted) for each in shown]
    some = sum(count > 0 for count in flagged)
    rows += [
        Row(f"{title}: days with a drifted column, Evidently", float(some), "days"),
        Row(f"{title}: columns drifted on a day, Evidently", float(np.mean(flagged)), "columns"),
        Row(
            f"{title}: days with a drifted data set, Evidently",
            float(sum(each.is_dataset for each in shown)),
            "days",
        ),
        Row(
            f"{title}: naive chi-square against the weekday before, p < .01",
            contenders.naive_share(stream, days),
            "of tests",
        ),
    ]
    return rows


def doubling_rows(runs: int) -> list[Row]:
    """Delays in units of the bound."""
    rows = []
    for factor, goal in ((2.0, "<= 1.5"), (0.5, "")):
        for name, found in doubling.labels_at_once(runs, factor).items():
            title = f"rate x {factor:g}, labels at once: delay, {name}"
            rows.append(delay_row(title, found.delay, goal if name == "ours" else ""))
            calm = f"rate x {factor:g}: alarms in {doubling.CALM:,} calm transactions, {name}"
            rows.append(Row(calm, float(found.calm_alarms.mean()), "alarms"))
    for name, found in doubling.labels_late(max(runs // 2, 1), LateFrauds()).items():
        title = f"rate x 2, reports days late: delay, ours ({name})"
        rows.append(delay_row(title, found.delay, "<= 1.5"))
        rows.append(
            Row(f"  alarms before, ours ({name})", float(found.calm_alarms.mean()), "alarms")
        )
    for ratio in (1.0, 1.1):
        length = doubling.run_length(max(runs // 2, 1), 1e5, ratio)
        title = f"time between false alarms over the promised 1e5, true ratio {ratio:g}"
        rows.append(Row(title, length, "x", goal=">= 1"))
    return rows


def fault_rows(streams: dict[int, Stream]) -> list[Row]:
    """Transactions until a fault is found; all that come where it is not."""
    rows = []
    for fault, series in FAULTS.items():
        delays: dict[str, list[float]] = {}
        for seed, stream in streams.items():
            broken = stream.changed(stream.day_us(FAULT_DAY), change_of(fault, stream))
            found = found_us(broken, series, with_evidently=seed == min(streams))
            known_us = stream.known_us()
            known_us = known_us[known_us >= stream.day_us(FAULT_DAY)]
            for name, at_us in found.items():
                waited = len(known_us) if at_us is None else (known_us < at_us).sum()
                delays.setdefault(name, []).append(float(waited))
        rows += [
            count_row(f"{fault}: found after, {name}", each, unit="transactions")
            for name, each in delays.items()
        ]
    return rows


def found_us(broken: Stream, series: str, with_evidently: bool) -> dict[str, int | None]:
    """When each contender says something of a stream whose fault begins on FAULT_DAY."""
    from_us = broken.day_us(FAULT_DAY)
    said = beginnings(contenders.ours(broken), Level.ALARM, from_us)
    found = {
        "ours": min((each.known_time_us for each in said), default=None),
        f"ours, {series}": min(
            (each.known_time_us for each in said if each.subject == series), default=None
        ),
    }
    known_us, values = broken.column(series)
    for name, detect in RIVERS.items():
        later = known_us[detect(values)]
        later = later[later >= from_us]
        found[name] = int(later[0]) + 1 if len(later) else None
    if with_evidently:
        days = range(math.floor(FAULT_DAY), math.floor(FAULT_DAY) + 7)
        shown = contenders.evidently_days(broken, EVIDENTLY_REFERENCE, days)
        day = next((each.day for each in shown if series in each.drifted), None)
        found["Evidently, daily"] = None if day is None else broken.day_us(day + 1)
    return found


def change_of(fault: str, stream: Stream) -> Change:
    """What the fault does to decisions."""
    place = stream.system.features.names.index("log_amount")

    def frozen(decisions: Table, rows: NDArray[np.bool_]) -> None:
        decisions["features"][rows, place] = np.float32(3.5)

    def scaled(decisions: Table, rows: NDArray[np.bool_]) -> None:
        decisions["features"][rows, place] *= np.float32(100.0)

    def shifted(decisions: Table, rows: NDArray[np.bool_]) -> None:
        chance = decisions["probability_model"]
        chance[rows] = expit(logit(chance[rows]) + 1.5)

    return {"log_amount frozen": frozen, "log_amount x 100": scaled}.get(fault, shifted)


def cost_rows(stream: Stream, rounds: int) -> list[Row]:
    """The monitors in turns with the replay that makes their frames, in memory."""
    frames: list[Frame] = []

    def replayed() -> None:
        frames.clear()
        ledger = MemoryLedger()
        batches = stream.arrivals.batches(BATCH_EVENTS)
        parts = replay.start(stream.system, ledger)
        for _ in replay.run(*parts, ledger, batches, observe=frames.append):
            pass

    def monitored() -> None:
        monitor = Monitor(MonitorSettings(), stream.system)
        for frame in frames:
            monitor.fold(frame)

    replayed()
    monitored()
    turns = take_turns({"replay": replayed, "monitors": monitored}, rounds)
    count, unit = float(len(stream.known_us())), "transactions/s"
    share = [m / r for m, r in zip(turns["monitors"], turns["replay"], strict=True)]
    middle = float(np.median(share))
    return [
        table.rates(f"replay in memory, batches of {BATCH_EVENTS:,}", unit, count, turns["replay"]),
        table.rates("monitors over the same frames", unit, count, turns["monitors"]),
        Row("cost of the monitors", middle, "of the replay", min(share), max(share), goal="< 0.1"),
    ]


def count_row(name: str, found: Sequence[float], goal: str = "", unit: str = "alarms") -> Row:
    """Mean over the streams, with the least and the most."""
    return Row(name, float(np.mean(found)), unit, float(min(found)), float(max(found)), goal=goal)


def delay_row(name: str, delay: NDArray[np.float64], goal: str) -> Row:
    """Median over the runs, with the tenth and the ninetieth hundredth."""
    low, middle, high = np.quantile(delay, [0.1, 0.5, 0.9], method="nearest")
    return Row(name, float(middle), "x bound", float(low), float(high), goal=goal)
