"""What is measured of one server in one round."""

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks.serve.clients import closed_loop, open_loop
from benchmarks.serve.processes import Server
from benchmarks.table import Row

SYNCED_BYTES = 4_096


@dataclass
class Throughput:
    """Rounds of the closed loop: units of work a second, and CPU microseconds for each.

    Args:
        name: of the contender.
        unit: of the work.
    """

    name: str
    unit: str
    per_s: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    def add(
        self,
        server: Server,
        connections: int,
        requests: Sequence[bytes],
        rows: int = 1,
        kept: list[bytes] | None = None,
    ) -> None:
        """One round; each request holds so many rows."""
        before_s = server.cpu_s()
        took_s = closed_loop(server.port, connections, requests, kept)
        done = len(requests) * rows
        self.per_s.append(done / took_s)
        self.cpu_us.append(1e6 * (server.cpu_s() - before_s) / done)

    def rows(self) -> tuple[Row, Row]:
        """Rate and cost."""
        return (
            _row(self.name, self.per_s, f"{self.unit}/s"),
            _row(f"{self.name}: CPU", self.cpu_us, f"us/{self.unit}"),
        )


@dataclass
class Latency:
    """Rounds of the open loop.

    Args:
        name: of the contender.
    """

    name: str
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)

    def add(
        self, server: Server, connections: int, requests: Sequence[bytes], rate_per_s: float
    ) -> None:
        """One round."""
        found = open_loop(server.port, connections, requests, rate_per_s)
        p50_s, p99_s = np.quantile(found, [0.5, 0.99]).tolist()
        self.p50_ms.append(1e3 * p50_s)
        self.p99_ms.append(1e3 * p99_s)

    def rows(self) -> tuple[Row, Row]:
        """Median and 99th percentile: of each the median round."""
        return (
            _row(f"{self.name}: p50", self.p50_ms, "ms"),
            _row(f"{self.name}: p99", self.p99_ms, "ms"),
        )


def sync_ms(folder: Path, times: int) -> float:
    """Median milliseconds of appending 4 KiB to a file there and syncing it."""
    path, block, took_s = folder / "synced", bytes(SYNCED_BYTES), []
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    try:
        for _ in range(times):
            started_s = perf_counter()
            os.write(file, block)
            os.fdatasync(file)
            took_s.append(perf_counter() - started_s)
    finally:
        os.close(file)
        path.unlink()
    return 1e3 * statistics.median(took_s)


def _row(name: str, values: Sequence[float], unit: str) -> Row:
    return Row(name, statistics.median(values), unit, min(values), max(values))
