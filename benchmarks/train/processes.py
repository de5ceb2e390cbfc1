"""Peak memory and the cost of compiling, each measured in fresh child processes (see `child`)."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.table import Row, compared

ROOT = Path(__file__).parents[2]
PACKAGES = ("fraud_system", "pipelines", "benchmarks")
MEMORY_GOAL = "< 3 GiB"
GIB = 2.0**30


def memory_rows(data: Path | None, days: int) -> list[Row]:
    """Peak memory of the complete replay, with the ledger in memory and in a file.

    Call it before this process has grown: where a child is started without a copy of its parent, Linux
    counts the parent's peak as the child's.
    """
    given = ["--days", str(days), *(["--data", str(data.resolve())] if data else [])]
    rows = []
    for what, where in (("memory", "ledger in memory"), ("durable-memory", "durable ledger")):
        peak = _child(ROOT, [what, *given])["bytes"] / GIB
        name = f"peak memory of the complete replay, {where}"
        rows.append(Row(name, peak, "GiB", goal=MEMORY_GOAL))
    return rows


def first_call_rows() -> list[Row]:
    """CPU seconds of a first small replay with an empty and then with a filled cache of compiled code.

    In a copy of the sources, so that the cache in use is left alone. Once: compiling takes long.
    """
    with tempfile.TemporaryDirectory() as folder:
        for package in PACKAGES:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / package, Path(folder) / package, ignore=ignored)
        rows = [
            Row(name, _child(Path(folder), ["first-call", "--days", "20"])["cpu_s"], "CPU s")
            for name in ("first call, cold cache", "first call, code cached")
        ]
    return [*rows, compared(rows[1], rows[0])]


def _child(where: Path, arguments: list[str]) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.train.child", *arguments],
        cwd=where,
        env=os.environ | {"PYTHONPATH": str(where)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found
