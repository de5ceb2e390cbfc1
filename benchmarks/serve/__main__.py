"""`make bench-serve`: durable scoring beside routes that do nothing, all in one run.

    a  32 connections that ask as fast as they are answered: requests a second
    b  500 requests a second at fixed times: how long an answer takes, beside two syncs of this disk
    c  batches of 1,000: transactions a second, beside pydantic that checks a list and does nothing
    d  memory while it is loaded for minutes
    e  what was answered, against a replay of the ledger from empty

The server has a core for itself, client and workers have the others; contenders take turns within each round.
"""

import argparse
import json
import os
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

from benchmarks import table
from benchmarks.serve.measures import Latency, Throughput, sync_ms
from benchmarks.serve.parity import replayed
from benchmarks.serve.processes import Server, cores, free_port, running
from benchmarks.serve.soak import soak
from benchmarks.serve.traffic import Traffic
from benchmarks.table import Row

CONNECTIONS, BATCH_CONNECTIONS, BATCH_ROWS = 32, 2, 1_000
RATE_PER_S = 500.0
SYNCS = 100
WITHIN_MS = 0.3
OURS, FASTAPI, ASGI = "durable /v1/score", "empty FastAPI route", "empty ASGI application"


def main() -> None:
    """Measure, print a table, write `results/bench-serve.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=10_000, help="of each contender in a round")
    parser.add_argument("--minutes", type=float, default=10.0, help="of load, for memory; 0: none")
    parser.add_argument("--folder", type=Path, default=Path("var"), help="the ledger's disk")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    core, others = cores()
    os.sched_setaffinity(0, others)
    with tempfile.TemporaryDirectory(dir=given.folder) as name, ExitStack() as stack:
        folder = Path(name)
        servers = _servers(stack, folder, core)
        ours = servers[OURS]
        workers = ours.move_workers(others)
        traffic = Traffic(1, datetime.now(UTC), f"bench-{int(time.time())}")
        served: list[bytes] = []
        rows = _throughput(servers, traffic, given.rounds, given.requests, served)
        rows += _latency(servers, traffic, given.rounds, given.requests // 2, folder)
        rows += _batches(servers, traffic, given.rounds)
        if given.minutes:
            rows += soak(ours, traffic, given.minutes, CONNECTIONS)
        stack.close()
        rows += replayed(folder / "ledger.sqlite", [json.loads(each) for each in served])
    print(table.text(rows))
    table.write(
        "bench-serve",
        rows,
        ("fastapi", "uvicorn", "uvloop", "httptools", "msgspec", "pydantic", "numpy", "numba"),
        {"cores": len(core | others), "shared_core": core == others, "workers": workers},
    )


def _servers(stack: ExitStack, folder: Path, core: set[int]) -> dict[str, Server]:
    contenders = "benchmarks.serve.contenders"
    scorer = {"FRAUD_DEMO": "true", "FRAUD_LEDGER_FILE": str(folder / "ledger.sqlite")}
    servers = {}
    for name, module in (
        (OURS, ["serving"]),
        (FASTAPI, [contenders, "fastapi"]),
        (ASGI, [contenders, "asgi"]),
    ):
        port = free_port()
        own = name == OURS
        module = module if own else [*module, str(port)]
        variables = scorer | {"FRAUD_PORT": str(port)} if own else {}
        servers[name] = stack.enter_context(running(name, module, port, core, variables))
    return servers


def _throughput(
    servers: dict[str, Server], traffic: Traffic, rounds: int, count: int, served: list[bytes]
) -> list[Row]:
    measured = {name: Throughput(name, "request") for name in servers}
    for number in tqdm(range(rounds + 1), desc="32 connections", disable=None):
        requests = traffic.singles(count)
        for name, server in servers.items():
            kept = served if name == OURS else None
            # The first round, a tenth as long, only warms up.
            into = measured[name] if number else Throughput(name, "request")
            into.add(
                server, CONNECTIONS, requests if number else requests[: count // 10], kept=kept
            )
    (ours, ours_cpu), (fastapi, fastapi_cpu), (asgi, asgi_cpu) = (
        measured[name].rows() for name in servers
    )
    each, other = measured[OURS], measured[FASTAPI]
    per_s = [a / b for a, b in zip(each.per_s, other.per_s, strict=True)]
    per_cpu = [b / a for a, b in zip(each.cpu_us, other.cpu_us, strict=True)]
    by_cpu = _inverse(ours_cpu), _inverse(fastapi_cpu)
    return [
        *(ours, fastapi, asgi, ours_cpu, fastapi_cpu, asgi_cpu),
        table.compared(ours, fastapi, per_s, goal=">= 1, stretch 1.5"),
        table.compared(*by_cpu, per_cpu, goal=">= 1, stretch 1.5"),
    ]


def _inverse(cpu: Row) -> Row:
    """From CPU time a unit of work to work a CPU second."""
    unit = cpu.unit.removeprefix("us/")
    return Row(f"{cpu.name.removesuffix(': CPU')}, a CPU second", 1e6 / cpu.value, f"{unit}s")


def _latency(
    servers: dict[str, Server], traffic: Traffic, rounds: int, count: int, folder: Path
) -> list[Row]:
    measured = {name: Latency(name) for name in (OURS, FASTAPI)}
    syncs_ms = []
    for _ in tqdm(range(rounds), desc="500 a second", disable=None):
        requests = traffic.singles(count)
        for name, latency in measured.items():
            syncs_ms.append(sync_ms(folder, SYNCS))
            latency.add(servers[name], CONNECTIONS, requests, RATE_PER_S)
    syncs_ms.sort()
    sync = Row("one disk sync", syncs_ms[len(syncs_ms) // 2], "ms", syncs_ms[0], syncs_ms[-1])
    (ours, ours_p99), (empty, empty_p99) = (each.rows() for each in measured.values())
    allowed = Row("empty route + 2 syncs + 0.3 ms", empty.value + 2 * sync.value + WITHIN_MS, "ms")
    return [
        *(ours, empty, sync, allowed, ours_p99, empty_p99),
        table.compared(ours, allowed, goal="<= 1"),
        table.compared(ours_p99, empty_p99),
    ]


def _batches(servers: dict[str, Server], traffic: Traffic, rounds: int) -> list[Row]:
    contenders = {
        "JSON batches of 1,000, durable": (servers[OURS], traffic.json_batches),
        "Arrow batches of 1,000, durable": (servers[OURS], traffic.arrow_batches),
        "pydantic list of 1,000, nothing done": (servers[FASTAPI], traffic.json_batches),
    }
    measured = {name: Throughput(name, "transaction") for name in contenders}
    for number in tqdm(range(rounds + 1), desc="batches", disable=None):
        for name, (server, make) in contenders.items():
            into = measured[name] if number else Throughput(name, "transaction")
            into.add(server, BATCH_CONNECTIONS, make(40, BATCH_ROWS), BATCH_ROWS)
    rows = {name: each.rows() for name, each in measured.items()}
    (*ours, pydantic) = contenders
    found = [rate for rate, _ in rows.values()] + [cpu for _, cpu in rows.values()]
    for name in ours:
        per_s = [a / b for a, b in zip(measured[name].per_s, measured[pydantic].per_s, strict=True)]
        found.append(table.compared(rows[name][0], rows[pydantic][0], per_s, goal=">= 4"))
    return found


if __name__ == "__main__":
    main()
