"""Servers as processes of their own: where they run, and what they use, from /proc (Linux only).

A server gets one core for itself. The clients, and the workers that the scorer starts (learner,
snapshotter), share the others: children inherit the core of their parent, so each is moved once it is there.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

CLOCK_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
START_TIMEOUT_S = 300.0  # the first start may have to compile


def cores() -> tuple[set[int], set[int]]:
    """The server's core, and the others; with one core they are the same."""
    usable = sorted(os.sched_getaffinity(0))
    return {usable[0]}, set(usable[1:]) or {usable[0]}


class Server:
    """One running server.

    Args:
        name: in the tables.
        process: of it.
        port: on the loopback address.
    """

    def __init__(self, name: str, process: subprocess.Popen[bytes], port: int) -> None:
        self.name = name
        self.port = port
        self._process = process

    def cpu_s(self) -> float:
        """User and system time of all its threads, without its children."""
        text = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii")
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * CLOCK_TICK_S

    def resident_bytes(self) -> int:
        """Its resident memory."""
        pages = Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * PAGE_BYTES

    def move_workers(self, core: set[int]) -> int:
        """Move its children to other cores; returns how many there are."""
        pid = self._process.pid
        children: set[str] = set()
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            children.update(path.read_text(encoding="ascii").split())
        for child in children:
            for thread in Path(f"/proc/{child}/task").glob("*"):
                os.sched_setaffinity(int(thread.name), core)
        return len(children)


@contextmanager
def running(
    name: str, module: Sequence[str], port: int, core: set[int], variables: Mapping[str, str]
) -> Iterator[Server]:
    """A server that answers at its port, pinned from its first instruction on; ended at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", *module],
        env=os.environ | variables,
        preexec_fn=lambda: os.sched_setaffinity(0, core),
    )
    try:
        _await_ready(process, port)
        yield Server(name, process, port)
    finally:
        process.terminate()
        process.wait(60.0)


def free_port() -> int:
    """One that nobody has now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _await_ready(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait for an answer to /readyz that is no 503; who does not have that route is ready, too."""
    until_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until_s:
        if process.poll() is not None:
            sys.exit(f"error: a server ended at its start, with status {process.returncode}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=10.0) as asking:
                asking.sendall(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                if asking.recv(64).split(b" ")[1] != b"503":
                    return
        except (OSError, IndexError):
            pass
        time.sleep(0.1)
    sys.exit("error: a server was not ready in time")
