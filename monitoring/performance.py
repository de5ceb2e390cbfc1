"""How good was the model, now that the labels are in? Matured cohorts only.

Two kinds of figures, over the cohorts of the last `window_s` that are mature (fraud if reported by then,
legitimate otherwise; reports that come later change nothing):

- *Rates*: recall and specificity of what was not approved, and the share of fraud money in it, with Wilson
  intervals (1927) on counts divided by the dispersion of clustered frauds. A warning, if recall is below
  `least_recall` with its whole interval.
- *Log loss* of the model beside that of the heuristic and of a constant. A bet that the other one is the
  better forecaster multiplies its wealth by (its likelihood / the model's)^(1/2), cohort by cohort; if the
  model's probabilities are true the expected factor is at most 1 (the Hellinger affinity), and by the power
  1/2 it still is when they are somewhat off (compare Choe and Ramdas, "Comparing sequential forecasters",
  2024). Bets begin with every cohort, weighted by its transactions: an e-detector as in `e_detector`, whose
  unit is transactions. An alarm ends when the model was better over `recovery_rows` that came after it.

It cannot see: anything before maturity; which of both is right where neither is; and frauds nobody reports.
"""

import math
from collections import deque
from dataclasses import asdict, astuple, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from fraud_system.errors import ConfigError
from fraud_system.events import DAY_US, SECOND_US
from fraud_system.setting_checks import check_positive
from monitoring.findings import Finding, Level
from monitoring.stretch import Matured, Stretch

Floats = NDArray[np.float64]
MONITOR = "performance"
OTHERS = ("heuristic", "constant")
MOST = 1e300
ROWS, LOSS, OTHERS_LOSS, WEIGHT, BEGAN = range(5)  # columns


@dataclass(frozen=True)
class PerformanceSettings:
    """Args:
        window_s: of the rates and log losses that are shown.
        least_recall: of what was not approved; 0 for no warning.
        level: of the intervals.
        mean_time_between_false_alarms: in transactions, of the comparison with each of the others.
        recovery_rows: matured transactions after an alarm before it may end.

    Raises:
        ConfigError: a number is out of range.
    """

    window_s: int = 28 * 86_400
    least_recall: float = 0.0
    level: float = 0.95
    mean_time_between_false_alarms: float = 1e7
    recovery_rows: int = 2_000

    def __post_init__(self) -> None:
        check_positive("performance", zero_or_more="least_recall", **asdict(self))
        if self.least_recall > 1.0 or self.level >= 1.0:
            raise ConfigError("is a share", field="performance.least_recall")


@dataclass(frozen=True)
class Rate:
    """A share with its interval; nan where there is nothing to divide by."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Figures:
    """Of the window; log losses are nats per transaction."""

    transactions: float
    frauds: float
    recall: Rate
    specificity: Rate
    value_detection_rate: float
    loss_model: float
    loss_heuristic: float
    loss_constant: float


def wilson(part: float, total: float, dispersion: float, level: float) -> Rate:
    """A share of counts that come in clusters: Wilson's interval of the counts over the dispersion.

    >>> wilson(8.0, 10.0, 1.0, 0.95)
    Rate(value=0.8, low=0.490..., high=0.943...)
    """
    if total <= 0.0:
        return Rate(math.nan, math.nan, math.nan)
    n, share = total / dispersion, part / total
    z = float(ndtri(0.5 + level / 2.0))
    middle = (share + z * z / (2.0 * n)) / (1.0 + z * z / n)
    half = z / (1.0 + z * z / n) * math.sqrt(share * (1.0 - share) / n + z * z / (4.0 * n * n))
    return Rate(share, max(0.0, middle - half), min(1.0, middle + half))


class Performance:
    """The fold over stretches.

    Args:
        settings: see `PerformanceSettings`.
        cohort_us: length of a stretch.
    """

    def __init__(self, settings: PerformanceSettings, cohort_us: int) -> None:
        self.settings = settings
        self._window: deque[Matured] = deque(
            maxlen=max(1, settings.window_s * SECOND_US // cohort_us)
        )
        self._dispersion = 1.0
        self._wealth = np.zeros(len(OTHERS))
        self._since = np.zeros((len(OTHERS), OTHERS_LOSS + 1))  # the last alarm
        self._best = (
            _no_bets()
        )  # of the bets that make up the wealth, the one that has gained the most
        self.levels = dict.fromkeys(("recall", *OTHERS), Level.OK)

    def fold(self, stretch: Stretch) -> list[Finding]:
        """Take the next stretch; returns what has changed."""
        if stretch.matured is None:
            return []
        self._window.append(stretch.matured)
        self._dispersion = stretch.dispersion
        return self._compare(stretch, stretch.matured) + self._judge_recall(stretch)

    def figures(self) -> Figures:
        """Of the window."""
        sums = dict.fromkeys((each.name for each in fields(Matured)), 0.0)
        for cohort in self._window:
            for name, value in asdict(cohort).items():
                sums[name] += value
        rows = sums["legitimate"] + sums["fraud"]
        passed = sums["legitimate"] - sums["legitimate_flagged"]
        level = self.settings.level

        def per_row(value: float) -> float:
            return value / rows if rows else math.nan

        return Figures(
            transactions=rows,
            frauds=sums["fraud"],
            recall=wilson(sums["fraud_flagged"], sums["fraud"], self._dispersion, level),
            specificity=wilson(passed, sums["legitimate"], 1.0, level),
            value_detection_rate=(
                sums["money_flagged"] / sums["money"] if sums["money"] else math.nan
            ),
            loss_model=per_row(sums["loss_model"]),
            loss_heuristic=per_row(sums["loss_heuristic"]),
            loss_constant=per_row(sums["loss_constant"]),
        )

    def _compare(self, stretch: Stretch, matured: Matured) -> list[Finding]:
        rows = matured.legitimate + matured.fraud
        losses = np.array([matured.loss_heuristic, matured.loss_constant])
        log_gain = 0.5 * (matured.loss_model - losses) / stretch.dispersion
        gain = np.exp(np.minimum(log_gain, 690.0))
        self._wealth = np.minimum((self._wealth + rows) * gain, MOST)
        came = np.array([[rows, matured.loss_model, each] for each in losses.tolist()])
        self._since += came
        self._bet(came, log_gain, stretch.number)
        findings = []
        limit = self.settings.mean_time_between_false_alarms
        for place, other in enumerate(OTHERS):
            rows_since, loss, others_loss = self._since[place].tolist()
            level, found = self.levels[other], float(self._wealth[place])
            if found >= limit:
                level = Level.ALARM
            elif rows_since >= self.settings.recovery_rows and others_loss > loss:
                level = Level.OK
            if level != self.levels[other]:
                self.levels[other] = level
                subject, words = f"log loss against the {other}", self._words(place, level, stretch)
                findings.append(self._finding(subject, level, found, limit, words, stretch))
            if found >= limit:
                self._wealth[place], self._since[place] = 0.0, 0.0
                self._best[place] = _no_bets()[place]
        return findings

    def _bet(self, came: Floats, log_gain: Floats, number: int) -> None:
        """Of the bets that have begun so far, keep the one with the most wealth."""
        for best, new, gained in zip(self._best, came, log_gain, strict=True):
            weight = math.log(new[ROWS]) if new[ROWS] > 0.0 else -math.inf
            if weight >= best[WEIGHT]:
                best[:] = 0.0, 0.0, 0.0, weight, number
            best[:WEIGHT] += new
            best[WEIGHT] += gained

    def _words(self, place: int, level: Level, stretch: Stretch) -> str:
        """What the level rests on, and beside it what the window shows."""
        when, of = "since the alarm", self._since[place]
        if level == Level.ALARM:
            of = self._best[place]
            days = (stretch.number + 1 - of[BEGAN]) * stretch.cohort_us / DAY_US
            when = f"in the last {days:.1f} days"
        window, other = self.figures(), OTHERS[place]
        rows, shown = of[ROWS], getattr(window, f"loss_{other}")
        return (
            f"over {rows:,.0f} transactions that matured {when}, log loss of the model "
            f"{of[LOSS] / rows:.5f}, of the {other} {of[OTHERS_LOSS] / rows:.5f} nats; over the "
            f"{window.transactions:,.0f} of the whole window {window.loss_model:.5f} and {shown:.5f}"
        )

    def _judge_recall(self, stretch: Stretch) -> list[Finding]:
        least = self.settings.least_recall
        if least == 0.0:
            return []
        recall = self.figures().recall
        level = Level.WARNING if recall.high < least else Level.OK
        if level == self.levels["recall"]:
            return []
        self.levels["recall"] = level
        words = f"recall {recall.value:.2f} [{recall.low:.2f}, {recall.high:.2f}] of matured frauds"
        return [self._finding("recall", level, recall.value, least, words, stretch)]

    def _finding(
        self, subject: str, level: Level, value: float, limit: float, words: str, stretch: Stretch
    ) -> Finding:
        return Finding(MONITOR, subject, level, value, limit, stretch.seq, stretch.end_us, words)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical copy, for a snapshot."""
        window = [astuple(each) for each in self._window]
        return {
            "window": np.array(window, np.float64).reshape(-1, len(fields(Matured))),
            "dispersion": np.array([self._dispersion]),
            "wealth": self._wealth.copy(),
            "since": self._since.copy(),
            "best": self._best.copy(),
            "levels": np.array(list(self.levels.values()), np.int64),
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""
        self._window.clear()
        self._window += [Matured(*row) for row in arrays["window"].tolist()]
        self._dispersion = float(arrays["dispersion"][0])
        self._wealth, self._since = arrays["wealth"].copy(), arrays["since"].copy()
        self._best = arrays["best"].copy()
        levels = [Level(each) for each in arrays["levels"].tolist()]
        self.levels = dict(zip(self.levels, levels, strict=True))


def _no_bets() -> Floats:
    """(others, columns): the next one is the best."""
    bets = np.zeros((len(OTHERS), BEGAN + 1))
    bets[:, WEIGHT] = -math.inf
    return bets
