"""Contenders take turns on one core, and are timed in CPU seconds.

Taking turns lets whatever else the machine does fall on all of them alike; CPU time leaves out the waiting
for a core that others use. Both together make ratios hold where absolute figures do not.
"""

import os
import time
from collections.abc import Callable, Mapping

from tqdm import tqdm

THREAD_SETTINGS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
)

Contender = Callable[[], object]


def stay_on_one_core() -> None:
    """One thread and one core for this process and its children; call it before numpy is imported."""
    os.environ |= dict.fromkeys(THREAD_SETTINGS, "1")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def cpu_s(contender: Contender) -> float:
    """CPU seconds of one call, all threads of this process together."""
    started_s = time.process_time()
    contender()
    return time.process_time() - started_s


def take_turns(contenders: Mapping[str, Contender], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each contender in each round.

    >>> turns = take_turns({"a": lambda: None, "b": lambda: None}, rounds=2)
    >>> {name: len(seconds) for name, seconds in turns.items()}
    {'a': 2, 'b': 2}
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    with tqdm(total=rounds * len(contenders), unit=" turns", disable=None) as progress:
        for _ in range(rounds):
            for name, contender in contenders.items():
                progress.set_postfix_str(name)
                seconds[name].append(cpu_s(contender))
                progress.update()
    return seconds
