"""What was answered, how fast: counts, quantiles in bounded memory, the closing table."""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from serving.client import ServiceError
from serving.wire import Decision, LabelReceipt, RowProblem

_FINEST_S: Final = 1e-5
_RATIO: Final = 1.02  # between the bounds of one bin: a quantile is at most 2 % too high
_BINS: Final = 1024  # up to some hours
_SHOWN: Final = 3  # problems of each kind


class Quantiles:
    """Of durations, from counts in bins of equal ratio.

    >>> quantiles = Quantiles()
    >>> for each in range(1, 101):
    ...     quantiles.add(each / 1000)
    >>> 0.050 <= quantiles.quantile_s(0.5) < 0.0515, 0.099 <= quantiles.quantile_s(0.99) < 0.1015
    (True, True)
    """

    def __init__(self) -> None:
        self._counts = [0] * _BINS
        self._total = 0

    def add(self, duration_s: float) -> None:
        """Count one."""
        place = math.ceil(math.log(max(duration_s, _FINEST_S) / _FINEST_S, _RATIO))
        self._counts[min(place, _BINS - 1)] += 1
        self._total += 1

    def quantile_s(self, share: float) -> float:
        """That share took no longer; nan where nothing was counted."""
        wanted, seen = math.ceil(share * self._total), 0
        for place, count in enumerate(self._counts):
            seen += count
            if count and seen >= wanted:
                return _FINEST_S * _RATIO**place
        return math.nan


@dataclass
class Tally:
    """What became of the requests of one run."""

    actions: Counter[str] = field(default_factory=Counter)
    scorers: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    repeated: int = 0
    unanswered: int = 0
    problems: dict[str, None] = field(default_factory=dict)
    latency: Quantiles = field(default_factory=Quantiles)
    known_us: int = 0

    @property
    def decisions(self) -> int:
        """Transactions that were decided."""
        return self.actions.total()

    @property
    def reports(self) -> int:
        """Reports that were taken."""
        return self.outcomes.total()

    def answer(self, answer: Decision | LabelReceipt | RowProblem) -> None:
        """Count the answer to one row."""
        match answer:
            case Decision():
                self.actions[answer.action] += 1
                self.scorers[answer.scorer] += 1
            case LabelReceipt():
                self.outcomes[answer.outcome] += 1
            case RowProblem():
                told = answer.problem
                self._refuse(1, f"HTTP {told.status}: {told.field or 'row'}: {told.detail}")

    def refuse(self, rows: int, error: ServiceError) -> None:
        """Count the rows of a request that was refused as a whole."""
        self._refuse(rows, str(error))

    def _refuse(self, rows: int, problem: str) -> None:
        self.refused += rows
        if len(self.problems) < _SHOWN:
            self.problems[problem] = None

    def line(self) -> str:
        """For the progress bar."""
        return (
            f"p50 {_ms(self.latency.quantile_s(0.5))}, p99 {_ms(self.latency.quantile_s(0.99))}, "
            f"declined {self.actions['decline']}, errors {self.refused}"
        )

    def table(self, elapsed_s: float) -> str:
        """The closing table."""
        rate = self.decisions / elapsed_s if elapsed_s > 0 else 0.0
        rows = [
            ("decisions", f"{self.decisions:,}", f"{rate:,.0f} a second"),
            ("  declined", *self._share(self.actions["decline"])),
            ("  to review", *self._share(self.actions["review"])),
            ("  by plan B", *self._share(self.scorers["heuristic"])),
            ("reports", f"{self.reports:,}", _listed(self.outcomes)),
            ("refused", f"{self.refused:,}", "; ".join(self.problems)),
            ("sent again", f"{self.repeated:,}", "requests, after a failure in passing"),
            ("unanswered", f"{self.unanswered:,}", "rows that were on the way at the end"),
            ("latency p50", _ms(self.latency.quantile_s(0.5)), "a request, repetitions included"),
            ("latency p99", _ms(self.latency.quantile_s(0.99)), ""),
        ]
        return "\n".join(f"{name:<12} {value:>12}  {more}".rstrip() for name, value, more in rows)

    def _share(self, count: int) -> tuple[str, str]:
        share = count / self.decisions if self.decisions else 0.0
        return f"{count:,}", f"{share:.2%}"


def _ms(duration_s: float) -> str:
    return f"{1e3 * duration_s:.1f} ms"


def _listed(outcomes: Counter[str]) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {count:,}" for name, count in outcomes.most_common()
    )
