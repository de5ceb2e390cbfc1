"""The last minutes of the scorer: its counts, sampled once a second into a bounded ring.

Counts only grow, so that any stretch of time is the difference of two samples, and sampling costs requests
nothing.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from serving.telemetry import Histogram, Telemetry

SAMPLES = 601  # ten minutes, and the sample before them


@dataclass(frozen=True, slots=True)
class Sample:
    """The counts at one moment.

    Args:
        at_s: seconds of a clock that never goes back.
        approve, review, decline: transactions decided.
        heuristic: of those, by plan B.
        at_risk, prevented: sums of expected losses, of all and of what was not approved.
        reports: taken.
        refused: transactions that were not taken.
        latency, commits: so many took at most each bound of their histogram, and in all.
    """

    at_s: float
    approve: int
    review: int
    decline: int
    heuristic: int
    at_risk: float
    prevented: float
    reports: int
    refused: int
    latency: list[int]
    commits: list[int]

    @property
    def decided(self) -> int:
        """Transactions."""
        return self.approve + self.review + self.decline

    @classmethod
    def of(cls, telemetry: Telemetry, at_s: float) -> "Sample":
        """The counts now."""
        by_action = dict.fromkeys(("approve", "review", "decline"), 0)
        heuristic = 0
        for (scorer, action), count in telemetry.decisions.items():
            by_action[action] += count
            heuristic += count if scorer == "heuristic" else 0
        return cls(
            at_s,
            **by_action,
            heuristic=heuristic,
            at_risk=telemetry.expected_loss,
            prevented=telemetry.expected_loss_prevented,
            reports=sum(telemetry.labels.values()),
            refused=sum(telemetry.refused.values()),
            latency=telemetry.latency.cumulative(),
            commits=telemetry.commits.cumulative(),
        )


@dataclass(frozen=True)
class Figures:
    """Of one stretch of time; quantiles are None where nothing was measured."""

    lasted_s: float
    approve: int
    review: int
    decline: int
    heuristic: int
    at_risk: float
    prevented: float
    reports: int
    refused: int
    commits: int
    latency_p50_s: float | None
    latency_p99_s: float | None
    commit_p99_s: float | None

    @property
    def decided(self) -> int:
        """Transactions."""
        return self.approve + self.review + self.decline

    @property
    def per_s(self) -> float:
        """Transactions in a second."""
        return self.decided / self.lasted_s if self.lasted_s > 0.0 else 0.0


class Ring:
    """The newest samples.

    >>> ring, telemetry = Ring(), Telemetry()
    >>> ring.take(telemetry, 0.0)
    >>> telemetry.decisions["model", "approve"] += 30
    >>> telemetry.latency.add(0.003)
    >>> ring.take(telemetry, 10.0)
    >>> figures = ring.over(60.0)
    >>> figures.per_s, figures.latency_p50_s
    (3.0, 0.0035)
    """

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=SAMPLES)
        self._began_s = 0.0

    def take(self, telemetry: Telemetry, at_s: float) -> None:
        """One more sample."""
        if not self._samples:
            self._began_s = at_s
        self._samples.append(Sample.of(telemetry, at_s))

    def over(self, last_s: float) -> Figures:
        """The figures of the last seconds, as far as the ring reaches."""
        if not self._samples:
            return _figures(_NOTHING, _NOTHING)
        newest = self._samples[-1]
        return _figures(self._at(newest.at_s - last_s), newest)

    def since_start(self) -> Figures:
        """The figures since the process began, from the counts themselves."""
        if not self._samples:
            return _figures(_NOTHING, _NOTHING)
        return _figures(replace(_NOTHING, at_s=self._began_s), self._samples[-1])

    def steps(self, step_s: float, number: int, end_at_s: float | None = None) -> list[Figures]:
        """The last `number` steps, oldest first; fewer while the ring is short.

        The last step ends at a multiple of `end_at_s` (or of `step_s` itself): a step that is over does
        not change any more, and steps of two lengths can end together.
        """
        end_at_s = end_at_s or step_s
        if len(self._samples) < 2:
            return []
        last_s = self._samples[-1].at_s // end_at_s * end_at_s
        edges = [last_s - step_s * back for back in range(number, -1, -1)]
        reached = [each for each in edges if each >= self._samples[0].at_s - step_s]
        found = [self._at(each) for each in reached]
        return [_figures(a, b) for a, b in pairwise(found) if b.at_s > a.at_s]

    def _at(self, at_s: float) -> Sample:
        """The newest sample that is not younger; the oldest where none is."""
        for sample in reversed(self._samples):
            if sample.at_s <= at_s:
                return sample
        return self._samples[0]


def quantile(counts: Sequence[int], chance: float, bounds_s: Sequence[float]) -> float | None:
    """A quantile of durations by bucket: even within a bucket, the last bound where it lies beyond.

    >>> quantile([0, 10, 10], 0.5, (0.1, 0.2))
    0.15000000000000002
    >>> quantile([0, 0, 0], 0.5, (0.1, 0.2)) is None
    True
    """
    total = counts[-1]
    if not total:
        return None
    wanted, below, low_s = chance * total, 0, 0.0
    for count, bound_s in zip(counts, bounds_s, strict=False):
        if count >= wanted:
            return low_s + (bound_s - low_s) * (wanted - below) / max(1, count - below)
        below, low_s = count, bound_s
    return bounds_s[-1]


def _figures(start: Sample, end: Sample) -> Figures:
    bounds_s = Histogram().bounds_s
    latency = [b - a for a, b in zip(start.latency, end.latency, strict=True)]
    commits = [b - a for a, b in zip(start.commits, end.commits, strict=True)]
    return Figures(
        lasted_s=end.at_s - start.at_s,
        approve=end.approve - start.approve,
        review=end.review - start.review,
        decline=end.decline - start.decline,
        heuristic=end.heuristic - start.heuristic,
        at_risk=end.at_risk - start.at_risk,
        prevented=end.prevented - start.prevented,
        reports=end.reports - start.reports,
        refused=end.refused - start.refused,
        commits=commits[-1],
        latency_p50_s=quantile(latency, 0.5, bounds_s),
        latency_p99_s=quantile(latency, 0.99, bounds_s),
        commit_p99_s=quantile(commits, 0.99, bounds_s),
    )


_NOTHING = Sample.of(Telemetry(), 0.0)
