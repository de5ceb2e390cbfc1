"""`make bench-burst`: does a burst of 50,000 reports make anybody who pays wait?

In each round the scorer answers single transactions at a fixed rate, all the time: quietly, then while
another process sends 50,000 reports of fraud as fast as they are taken and the learner learns them, then
quietly again. Compared are the quantiles of latency while reports are taken in, while they are learned, and
without them; the two quiet stretches of a round beside each other say what is noise.

The server has a core for itself; its workers, the clients and the sender of reports share the others, so on
two cores the client competes with the learner, which has stepped back (`nice`).
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import numpy as np
from tqdm import tqdm

from benchmarks import table
from benchmarks.serve.clients import Connection, closed_loop, open_loop
from benchmarks.serve.processes import cores, free_port, running
from benchmarks.serve.traffic import JSON, Traffic, request
from benchmarks.table import Row
from fraud_system.ledger import SqliteLedger
from pipelines.system_settings import SCHEMAS, read_schema, settings_of
from serving.workers.running import write_settings

REPORTS, REPORTS_IN_REQUEST, BATCH_ROWS = 50_000, 10_000, 5_000
CONNECTIONS = 32
STRETCHES = "quiet", "reports are taken in", "reports are learned", "quiet again"


@dataclass
class Burst:
    """When what happened, by `perf_counter`, which all processes of a machine share.

    Args:
        began_s: the first request was sent.
        taken_s: the last request was answered.
        learned_s: the learner had read the last report.
    """

    began_s: float
    taken_s: float
    learned_s: float


@dataclass
class Stretch:
    """Latencies of one stretch of every round, in seconds."""

    rounds: list[np.ndarray] = field(default_factory=list)

    def quantiles_ms(self, share: float) -> list[float]:
        """Of each round."""
        return [1e3 * float(np.quantile(each, share)) for each in self.rounds]


def send_burst(port: int, ids: Sequence[str]) -> Burst:
    """Report all of these as frauds, and wait until the learner has read them."""
    requests = [
        request("/v1/labels", JSON, json.dumps([_report(each) for each in part]).encode())
        for part in (
            ids[at : at + REPORTS_IN_REQUEST] for at in range(0, len(ids), REPORTS_IN_REQUEST)
        )
    ]
    answers: list[bytes] = []
    began_s = perf_counter()
    closed_loop(port, 1, requests, answers)
    taken_s = perf_counter()
    through_seq = json.loads(answers[-1])[-1]["seq"]
    while read_through_seq(port) < through_seq:
        time.sleep(0.1)
    return Burst(began_s, taken_s, perf_counter())


def read_through_seq(port: int) -> int:
    """How far the learner has come."""
    asking = Connection(port)
    asking.ask(b"GET /v1/model HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    while (body := asking.answer()) is None:
        pass
    asking.socket.close()
    state = json.loads(body)
    return int(state["last_seq"] - state["workers"]["learner"]["behind_events"])


def _report(transaction_id: str) -> dict[str, str | bool]:
    return {"transaction_id": transaction_id, "is_fraud": True, "source": "chargeback"}


class Rounds:
    """The measured rounds.

    Args:
        port: of the scorer.
        traffic: makes requests.
        rate_per_s: of single transactions.
        quiet_s, burst_s: how long a quiet stretch and a burst are measured.
    """

    def __init__(
        self, port: int, traffic: Traffic, rate_per_s: float, quiet_s: float, burst_s: float
    ) -> None:
        self.stretches = {name: Stretch() for name in STRETCHES}
        self.bursts: list[Burst] = []
        self._port, self._traffic, self._rate_per_s = port, traffic, rate_per_s
        self._quiet_s, self._burst_s = quiet_s, burst_s

    def add(self, sender: ProcessPoolExecutor) -> None:
        """One round."""
        ids = self._on_record()
        self._quiet("quiet")
        burst = sender.submit(send_burst, self._port, ids)
        meant: list[float] = []
        latencies = np.array(self._singles(self._burst_s, meant))
        found = burst.result()
        self.bursts.append(found)
        taken = (found.began_s <= np.array(meant)) & (np.array(meant) < found.taken_s)
        learned = (found.taken_s <= np.array(meant)) & (np.array(meant) < found.learned_s)
        for name, chosen in zip(STRETCHES[1:3], (taken, learned), strict=True):
            self.stretches[name].rounds.append(latencies[chosen])
        self._quiet("quiet again")

    def _on_record(self) -> list[str]:
        """As many new transactions as reports will come about; the learner has read them."""
        batches = [self._traffic.rows(BATCH_ROWS) for _ in range(REPORTS // BATCH_ROWS)]
        bodies = [json.dumps(rows).encode() for rows in batches]
        answers: list[bytes] = []
        requests = [request("/v1/score/batch", JSON, body) for body in bodies]
        closed_loop(self._port, 1, requests, answers)
        through_seq = json.loads(answers[-1])[-1]["seq"]
        while read_through_seq(self._port) < through_seq:
            time.sleep(0.1)
        return [str(row["transaction_id"]) for rows in batches for row in rows]

    def _quiet(self, name: str) -> None:
        self.stretches[name].rounds.append(np.array(self._singles(self._quiet_s)))

    def _singles(self, length_s: float, meant: list[float] | None = None) -> list[float]:
        requests = self._traffic.singles(round(length_s * self._rate_per_s))
        return open_loop(self._port, CONNECTIONS, requests, self._rate_per_s, meant)


def rows_of(rounds: Rounds) -> list[Row]:
    """The figures, and what is compared."""
    rows = []
    for share, word in ((0.5, "p50"), (0.99, "p99"), (0.999, "p99.9")):
        quiet, *others = (
            _row(f"{name}: {word}", rounds.stretches[name].quantiles_ms(share))
            for name in STRETCHES
        )
        before = rounds.stretches["quiet"].quantiles_ms(share)
        rows += [quiet, *others]
        for name, row in zip(STRETCHES[1:], others, strict=True):
            each = rounds.stretches[name].quantiles_ms(share)
            ratios = [a / b for a, b in zip(each, before, strict=True)]
            learning = name == "reports are learned" and share <= 0.99
            goal = "within the noise: as quiet again / quiet" if learning else ""
            rows.append(table.compared(row, quiet, ratios, goal))
    took = [each.taken_s - each.began_s for each in rounds.bursts]
    learned = [each.learned_s - each.taken_s for each in rounds.bursts]
    return [
        *rows,
        table.rates(f"{REPORTS:,} reports are taken in", "reports/s", REPORTS, took),
        Row(
            "and are learned so much later",
            statistics.median(learned),
            "s",
            min(learned),
            max(learned),
        ),
    ]


def _row(name: str, values_ms: Sequence[float]) -> Row:
    return Row(name, statistics.median(values_ms), "ms", min(values_ms), max(values_ms))


def main() -> None:
    """Measure, print a table, write `results/bench-burst.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=300.0, help="single transactions a second")
    parser.add_argument("--quiet-s", type=float, default=8.0)
    parser.add_argument("--burst-s", type=float, default=20.0)
    parser.add_argument("--folder", type=Path, default=Path("var"), help="the ledger's disk")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    core, others = cores()
    os.sched_setaffinity(0, others)
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        ledger_file = Path(name) / "ledger.sqlite"
        settings = settings_of(read_schema(SCHEMAS / "simulated.toml"))
        # Otherwise the guard would keep such a burst from being learned, which is quick.
        open_guards = replace(settings.guards, max_reported_share=1.0)
        write_settings(Path(f"{ledger_file}-settings.json"), replace(settings, guards=open_guards))
        SqliteLedger(ledger_file).close()
        port = free_port()
        variables = {"FRAUD_DEMO": "true", "FRAUD_LEDGER_FILE": str(ledger_file)}
        variables["FRAUD_PORT"] = str(port)
        sender = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        with running("scorer", ["serving"], port, core, variables) as server, sender:
            workers = server.move_workers(others)
            traffic = Traffic(1, datetime.now(UTC), f"burst-{int(time.time())}")
            rounds = Rounds(port, traffic, given.rate, given.quiet_s, given.burst_s)
            rounds._singles(2.0)
            for _ in tqdm(range(given.rounds), unit=" rounds", disable=None):
                rounds.add(sender)
    rows = rows_of(rounds)
    print(table.text(rows))
    about = {"cores": len(core | others), "shared_core": core == others, "workers": workers}
    table.write("bench-burst", rows, ("uvicorn", "numpy", "numba", "msgspec"), about)


if __name__ == "__main__":
    main()
