"""What the scorer counts while it works, for `/metrics`. Counting costs a few additions a request.

The event loop's thread alone writes here. Rendering is prometheus_client's.
"""

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Sequence

import numpy as np

from fraud_system.engine import STATUS
from fraud_system.events import Frame, Table
from fraud_system.kernel import DUPLICATE_ID
from fraud_system.latency_summary import LatencySummary
from serving.answers import ACTIONS, OUTCOMES, SCORERS

# Upper bounds of the buckets of latency, from the time that a request waits to its answer.
LATENCY_BOUNDS_S = (
    0.0005,
    0.001,
    0.002,
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)

NEWEST = 65_536  # latencies that are kept for a summary


class Histogram:
    """Counts of durations by bucket.

    >>> histogram = Histogram((0.1, 1.0))
    >>> histogram.add(0.05)
    >>> histogram.add(3.0)
    >>> histogram.cumulative(), histogram.total_s
    ([1, 1, 2], 3.05)
    """

    def __init__(self, bounds_s: Sequence[float] = LATENCY_BOUNDS_S) -> None:
        self.bounds_s = bounds_s
        self._counts = [0] * (len(bounds_s) + 1)
        self.total_s = 0.0

    def add(self, duration_s: float) -> None:
        """Count one."""
        self._counts[bisect_left(self.bounds_s, duration_s)] += 1
        self.total_s += duration_s

    def cumulative(self) -> list[int]:
        """How many were at most each bound, and how many in all."""
        return np.cumsum(self._counts).tolist()


class Telemetry:
    """Counts since the start of the process."""

    def __init__(self) -> None:
        self.decisions: Counter[tuple[str, str]] = Counter()  # (scorer, action)
        self.refused: Counter[str] = Counter()
        self.labels: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.answers: Counter[tuple[str, int]] = Counter()  # (route, status)
        self.alerts: Counter[str] = Counter()  # see `alerts.delivery`
        self.repeated = 0
        self.newest_s: deque[float] = deque(maxlen=NEWEST)  # latencies since the last summary
        self.commits = Histogram()
        self.latency = Histogram()
        self.expected_loss = 0.0
        self.expected_loss_prevented = 0.0

    def committed(self, frames: Iterable[Frame], took_s: float) -> None:
        """One durable commit."""
        self.commits.add(took_s)
        for frame in frames:
            if "label" in frame.tables:
                self.labels.update(
                    OUTCOMES[each] for each in frame.tables["label"]["outcome"].tolist()
                )

    def decided(self, made: dict[str, Table], status: Sequence[int]) -> None:
        """The transactions of one cycle."""
        if "decision" in made:
            table = made["decision"]
            pairs = Counter(zip(table["scorer"].tolist(), table["action"].tolist(), strict=True))
            for (scorer, action), count in pairs.items():
                self.decisions[SCORERS[scorer], ACTIONS[action]] += count
            self.expected_loss += float(table["expected_loss"].sum())
            stopped = table["action"] != 0
            self.expected_loss_prevented += float(table["expected_loss"][stopped].sum())
        if any(status):
            self.refused.update(STATUS[each] for each in status if each not in (0, DUPLICATE_ID))

    def answered(self, arrived_s: Sequence[float], now_s: float) -> None:
        """Single transactions that had arrived then are answered now."""
        for each in arrived_s:
            self.latency.add(now_s - each)
            self.newest_s.append(now_s - each)

    def summary(self) -> LatencySummary | None:
        """Of the answers since the last summary, the newest `NEWEST` of them; None if there were none."""
        if not self.newest_s:
            return None
        newest_s = list(self.newest_s)
        self.newest_s.clear()
        return LatencySummary.of(newest_s)

    def failed(self, error: Exception) -> None:
        """Something went wrong that an operator should look at."""
        self.failures[type(error).__name__] += 1
