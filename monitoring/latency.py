"""Are answers in time? From what the service measured of itself; nothing else here knows the clock.

The statistic is the 99 % quantile of a stretch of answers, microseconds. Above the budget is a warning, above
twice the budget an alarm. It cannot see callers that gave up, nor what a request waited for before the
service saw it.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.setting_checks import check_positive
from monitoring.findings import Finding
from monitoring.limits import At, Limits

MONITOR, SUBJECT = "sanity", "latency"


@dataclass(frozen=True)
class LatencySettings:
    """Args:
        budget_us: of the 99 % quantile, microseconds.

    Raises:
        ConfigError: it is not positive.
    """

    budget_us: float = 100_000.0

    def __post_init__(self) -> None:
        check_positive("latency", **asdict(self))


@dataclass(frozen=True)
class LatencySummary:
    """What the service measured of its own answers in one stretch of time.

    Args:
        seq: of the last event that it had recorded.
        known_time_us: when it was made.
        requests: answered.
        p99_us: 99 % of them within this.
    """

    seq: int
    known_time_us: int
    requests: int
    p99_us: float


class Latency:
    """The fold over summaries.

    Args:
        settings: see `LatencySettings`.

    >>> latency = Latency(LatencySettings(budget_us=1_000.0))
    >>> [each.words for each in latency.fold(LatencySummary(9, 0, 50, 1_500.0))]
    ['99 % of 50 answers within 1.5 ms']
    """

    def __init__(self, settings: LatencySettings) -> None:
        self.settings = settings
        self.limits = Limits(MONITOR, [SUBJECT])

    def fold(self, summary: LatencySummary) -> list[Finding]:
        """Take the next summary; returns what has changed."""
        budget = self.settings.budget_us
        requests, p99_ms = summary.requests, summary.p99_us / 1_000
        return self.limits.above(
            SUBJECT,
            summary.p99_us,
            (budget, 2.0 * budget),
            At(summary.seq, summary.known_time_us),
            lambda: f"99 % of {requests:,} answers within {p99_ms:.1f} ms",
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical copy, for a snapshot."""
        return {"levels": self.limits.array()}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""
        self.limits.restore(np.asarray(arrays["levels"]))
