"""What can be asked of the joiner without changing it: counts, silence, what is known of a transaction."""

import numpy as np

from fraud_system.events import NEVER_US, SECOND_US
from fraud_system.hashing import get
from fraud_system.labels import HEAD, LAST_LABEL_US, TAIL, Count, Joiner, Outcome

STATUS_NAMES = ("open", "matured", "fraud", "reversed")  # by status, see `labels`


def counts_by_name(joiner: Joiner) -> dict[str, int]:
    """Every count, by its name in lower case."""
    names = [member.name.lower() for kind in (Outcome, Count) for member in kind]
    return dict(zip(names, joiner.counts.tolist(), strict=True))


def silence_s(joiner: Joiner, now_us: int) -> float:
    """Seconds since any label message came; infinite before the first."""
    last_us = int(joiner.cursor[LAST_LABEL_US])
    return float("inf") if last_us == NEVER_US else (now_us - last_us) / SECOND_US


def status_of(joiner: Joiner, transaction_key: int) -> str | None:
    """One of `STATUS_NAMES`; None for a transaction that never came or is forgotten."""
    ordinal = get(joiner.lookup, np.uint64(transaction_key))
    if ordinal < 0:
        return None
    return STATUS_NAMES[joiner.status[ordinal & (len(joiner.key) - 1)]]


def oldest_seq(joiner: Joiner) -> int | None:
    """Of the oldest transaction that is remembered; None where there is none."""
    head = joiner.cursor[HEAD]
    if head == joiner.cursor[TAIL]:
        return None
    return int(joiner.seq[head & (len(joiner.key) - 1)])
