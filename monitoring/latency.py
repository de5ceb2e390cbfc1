"""Are answers in time? From what the service measured of itself and recorded, every minute.

The statistic is the 99 % quantile of a minute's answers, microseconds. Above the budget is a warning, above
twice the budget an alarm. It cannot see callers that gave up, nor what a request waited for before the
service saw it.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.events import Frame
from fraud_system.latency_summary import LatencySummary
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


class Latency:
    """The fold over frames.

    Args:
        settings: see `LatencySettings`.

    >>> latency = Latency(LatencySettings(budget_us=1_000.0))
    >>> summary = LatencySummary(answers=50, us_p50=900.0, us_p99=1_500.0)
    >>> [each.words for each in latency.fold(Frame(9, 9, 0, {"latency": summary.table(9)}))]
    ['99 % of 50 answers within 1.5 ms, half of them within 0.9 ms']
    """

    def __init__(self, settings: LatencySettings) -> None:
        self.settings = settings
        self.limits = Limits(MONITOR, [SUBJECT])

    def fold(self, frame: Frame) -> list[Finding]:
        """Take the next frame; returns what has changed."""
        if "latency" not in frame.tables:
            return []
        summary = LatencySummary.from_table(frame.tables["latency"])
        budget_us = self.settings.budget_us
        return self.limits.above(
            SUBJECT,
            summary.us_p99,
            (budget_us, 2.0 * budget_us),
            At(frame.first_seq, frame.known_time_us),
            lambda: (
                f"99 % of {summary.answers:,} answers within {summary.us_p99 / 1_000:.1f} ms, "
                f"half of them within {summary.us_p50 / 1_000:.1f} ms"
            ),
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical copy, for a snapshot."""
        return {"levels": self.limits.array()}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""
        self.limits.restore(np.asarray(arrays["levels"]))
