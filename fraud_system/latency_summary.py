"""How fast the service answered in a stretch of time: measured outside, recorded as an event for a monitor.

Nothing in the engine depends on it. It is in the ledger so that monitors need no clock, and a replay says
of them what was said at the time.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np

from fraud_system.errors import DataError
from fraud_system.events import Table


@dataclass(frozen=True)
class LatencySummary:
    """What the service measured of its own answers.

    Args:
        answers: how many were measured.
        us_p50, us_p99: half of them, and 99 % of them, within this; microseconds.

    Raises:
        DataError: there were no answers, or a time is negative or no number.

    >>> LatencySummary.of([0.001, 0.002, 0.003])
    LatencySummary(answers=3, us_p50=2000.0, us_p99=2980.0)
    """

    answers: int
    us_p50: float
    us_p99: float

    def __post_init__(self) -> None:
        if self.answers < 1:
            raise DataError("there must be some", field="answers")
        if not 0.0 <= self.us_p50 <= self.us_p99 < np.inf:
            raise DataError("must not be negative, nor above us_p99", field="us_p50")

    @classmethod
    def of(cls, latencies_s: Sequence[float]) -> Self:
        """Of at least one answer, each with its seconds."""
        if not len(latencies_s):
            raise DataError("there must be some", field="answers")
        median, most = np.quantile(np.asarray(latencies_s), (0.5, 0.99)).tolist()
        return cls(len(latencies_s), median * 1e6, most * 1e6)

    def table(self, seq: int) -> Table:
        """As a table of one row."""
        return {"seq": np.array([seq])} | {n: np.array([v]) for n, v in asdict(self).items()}

    @classmethod
    def from_table(cls, table: Table) -> Self:
        """Back from a table of one row."""
        names = ("us_p50", "us_p99")
        return cls(int(table["answers"][0]), *(float(table[name][0]) for name in names))
