"""What is measured in a process of its own: `python -m benchmarks.train.child memory|first-call ...`.

Peak memory counts everything since the start of a process, and compilation happens once in one; so each is
asked of a fresh process, which prints one line of JSON.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.rounds import stay_on_one_core

FIRST_EVENTS = 2_000


def main() -> None:
    """Measure one thing and print it."""
    stay_on_one_core()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("memory", "durable-memory", "first-call"))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--days", type=int, required=True)
    given = parser.parse_args()
    if given.what == "first-call":
        found = first_call()
    else:
        found = peak_memory(given.data, given.days, durable=given.what == "durable-memory")
    print(json.dumps(found))


def peak_memory(data: Path | None, days: int, durable: bool) -> dict[str, float]:
    """Bytes at the peak, from the start of the process: imports, reading the data, the complete replay."""
    from benchmarks.train.material import material
    from benchmarks.train.replaying import durable_replay, replay_in_memory

    stream = material(data, days)
    if durable:
        with tempfile.TemporaryDirectory() as folder:
            durable_replay(stream, Path(folder))()
    else:
        replay_in_memory(stream)()
    unit = 1 if sys.platform == "darwin" else 1_024
    return {"bytes": float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)}


def first_call() -> dict[str, float]:
    """CPU seconds until a few events have been replayed: what the compiler costs, or the cache saves."""
    from benchmarks.train.material import material
    from benchmarks.train.replaying import replay_in_memory

    stream = material(None, days=20)
    started_s = time.process_time()
    replay_in_memory(stream.first_events(FIRST_EVENTS))()
    return {"cpu_s": time.process_time() - started_s}


if __name__ == "__main__":
    main()
