"""What a run is made of: the inputs in order, and where they came from."""

from dataclasses import dataclass, field
from typing import Any

from fraud_system.events import Arrivals
from fraud_system.simulate import Truth


@dataclass
class Stream:
    """What a run is made of.

    Args:
        name: of the data set.
        arrivals: the inputs, in known-time order.
        fingerprint: SHA-256 of where they came from.
        rows: of the source, kept or not.
        seed: of the simulator, or None.
        drift_marks: moments of known change, {"time": iso, "what": text}.
        set_aside, notes: as JSON, from the reader.
        truth: of a simulator, one row a transaction.
    """

    name: str
    arrivals: Arrivals
    fingerprint: str
    rows: int
    seed: int | None = None
    drift_marks: list[dict[str, str]] = field(default_factory=list)
    set_aside: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    truth: Truth | None = None
