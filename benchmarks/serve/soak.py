"""Memory while the scorer is loaded for minutes: how it grows, and what its own state explains."""

import json
import socket
from time import monotonic
from typing import Any

from tqdm import tqdm

from benchmarks.serve.clients import closed_loop
from benchmarks.serve.processes import Server
from benchmarks.serve.traffic import Traffic
from benchmarks.table import Row

ROUND_REQUESTS = 10_000
WARM_UP_SHARE = 0.1
MIB = 2**20


def soak(server: Server, traffic: Traffic, minutes: float, connections: int) -> list[Row]:
    """Load it with single transactions; the engine's state grows with what can still be joined."""
    start = _sizes(server)
    warm = start
    began_s, length_s, done, warm_done = monotonic(), 60.0 * minutes, 0, 0
    with tqdm(total=round(length_s), unit=" s", desc="memory", disable=None) as progress:
        while (passed_s := monotonic() - began_s) < length_s:
            closed_loop(server.port, connections, traffic.singles(ROUND_REQUESTS))
            done += ROUND_REQUESTS
            if warm is start and passed_s >= WARM_UP_SHARE * length_s:
                warm, warm_done = _sizes(server), done
            progress.update(min(round(monotonic() - began_s), progress.total) - progress.n)
    end = _sizes(server)
    grown, explained = end[0] - warm[0], end[1] - warm[1]
    rows = [
        Row(f"memory {when}", size[0] / MIB, "MiB")
        for when, size in (("at the start", start), ("warmed up", warm), ("at the end", end))
    ]
    return [
        *rows,
        Row("the engine's state at the end", end[1] / MIB, "MiB"),
        Row("growth since warm", grown / MIB, "MiB"),
        Row("of that the engine's state", explained / MIB, "MiB"),
        Row("growth that is not state", (grown - explained) / MIB, "MiB"),
        Row("transactions since warm", done - warm_done, "transactions"),
    ]


def _sizes(server: Server) -> tuple[int, int]:
    """Resident bytes, and those of the engine's state."""
    return server.resident_bytes(), int(model_state(server)["memory_bytes"])


def model_state(server: Server) -> dict[str, Any]:
    """The answer of /v1/model."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60.0) as asking:
        asking.sendall(b"GET /v1/model HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        read = b""
        while piece := asking.recv(65_536):
            read += piece
    document: dict[str, Any] = json.loads(read.partition(b"\r\n\r\n")[2])
    return document
