"""`make bench-scaling`: is the cost of the main job linear in the number of transactions?

Replays a simulated stream and one ten times as long (ledger, engine, learner; not the simulation and not
the evaluation), alternating, and compares CPU time; the engine's memory beside it.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from benchmarks import table
from benchmarks.table import Row
from fraud_system import replay
from fraud_system.events import Arrivals
from fraud_system.ledger import SqliteLedger
from fraud_system.settings import Settings
from fraud_system.simulate import SCENARIOS, simulate
from pipelines.job import BATCH_EVENTS, BATCHES_IN_COMMIT
from pipelines.readers import arrivals
from pipelines.system_settings import SCHEMAS, read_schema, settings_of

FACTOR = 10


def measure(stream: Arrivals, settings: Settings) -> tuple[float, int]:
    """(CPU seconds, bytes of engine state) of one replay through a durable ledger."""
    with tempfile.TemporaryDirectory() as folder:
        started_s = time.process_time()
        with SqliteLedger(Path(folder) / "ledger.sqlite") as ledger:
            engine, learner = replay.start(settings, ledger)
            batches = stream.batches(BATCH_EVENTS)
            for _ in replay.run(engine, learner, ledger, batches, BATCHES_IN_COMMIT):
                pass
        return time.process_time() - started_s, engine.memory_bytes()


def stream_of(days: int, settings: Settings) -> Arrivals:
    """The demo's traffic for so many days."""
    traffic = simulate(replace(SCENARIOS["demo"], days=days), seed=1)
    labels = settings.labels
    return arrivals(traffic.transactions, traffic.labels, labels.maturity_s, labels.orphan_wait_s)


def main() -> None:
    """Measure, print a table, write `results/bench-scaling.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    settings = settings_of(read_schema(SCHEMAS / "simulated.toml"))
    streams = {days: stream_of(days, settings) for days in (given.days, FACTOR * given.days)}
    measure(streams[given.days].rows(0, 2_000), settings)  # compile outside of what is measured
    cpu_s: dict[int, list[float]] = {days: [] for days in streams}
    state_bytes = {}
    for _ in tqdm(range(given.rounds), unit=" rounds", disable=None):
        for days, stream in streams.items():
            seconds, state_bytes[days] = measure(stream, settings)
            cpu_s[days].append(seconds)
    short, long = streams
    rows: list[Row] = []
    for days, stream in streams.items():
        took_s = cpu_s[days]
        took = Row("", statistics.median(took_s), "CPU s", min(took_s), max(took_s))
        rows += [
            Row(f"events, {days} days", len(stream), "events"),
            replace(took, name=f"replay, {days} days"),
            Row(f"engine state, {days} days", state_bytes[days], "bytes"),
        ]
    rounds = [b / a for a, b in zip(cpu_s[short], cpu_s[long], strict=True)]
    events, replayed, state = (
        (longer, shorter) for shorter, longer in zip(rows[:3], rows[3:], strict=True)
    )
    rows += [
        table.compared(*events),
        table.compared(*replayed, rounds),
        table.compared(*state),
    ]
    print(table.text(rows))
    table.write("bench-scaling", rows, ("numpy", "numba", "river"))


if __name__ == "__main__":
    main()
