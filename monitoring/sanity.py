"""Is what is served still sane? Faults that need no statistics and no labels.

- *scores*: of every `block_rows` transactions in a row, the share whose model probability is no number; and
  whether all that are numbers are the same one, as after weights of zero.
- *weights*: of every publication, the largest size of a weight, on standardised features; whether all are
  numbers; and whether, from `settled_versions` on, they point against those before (the cosine of both;
  weights with flipped signs have -1).
- *staleness*: publications that are overdue, by the labels resolved since the weights in force were adopted;
  and once one is, the age of the weights in seconds.
- *latency*: where summaries are given, the share of time above the budget.

Units: shares, weights, seconds, labels, microseconds. Findings come with the transaction that ends a
block, with the publication, at the end of a stretch, and with a summary.

It cannot see: scores that are wrong but vary; weights that are wrong but of a usual size and direction.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraud_system.errors import ConfigError
from fraud_system.events import SECOND_US, Frame, Table
from fraud_system.setting_checks import check_positive
from monitoring.compiled import borrowing
from monitoring.findings import Finding, Level
from monitoring.stretch import Stretch

Floats = NDArray[np.float64]
MONITOR = "sanity"
NOT_NUMBERS, CONSTANT, SIZE, DIRECTION = (
    "scores that are no numbers",
    "scores all the same",
    "size of weights",
    "direction of weights",
)
AGE, OVERDUE, LATENCY = "age of weights", "publications overdue", "latency"
ROWS, BAD, LOWEST, HIGHEST, LEARNED = range(5)  # places in the block
NEVER_US = -1
NO_NUMBER = float(np.finfo(np.float64).max)  # stands for the size of what is none
Words = Callable[[], str]  # made only when something is said


@dataclass(frozen=True)
class SanitySettings:
    """Args:
        block_rows: transactions in a block.
        not_numbers_warning, not_numbers_alarm: share of a block.
        least_spread: of the probabilities of a block, largest less smallest.
        weight_warning, weight_alarm: of the size of a weight on standardised features.
        settled_versions: publications before which directions are not compared.
        direction_warning, direction_alarm: of the cosine of weights and those before.
        overdue_warning, overdue_alarm: publications.
        stale_warning_s, stale_alarm_s: since the weights were adopted, seconds.
        latency_budget_us: of the 99 % quantile of answers.

    Raises:
        ConfigError: a number is out of range.
    """

    block_rows: int = 500
    not_numbers_warning: float = 0.002
    not_numbers_alarm: float = 0.05
    least_spread: float = 1e-9
    weight_warning: float = 30.0
    weight_alarm: float = 100.0
    settled_versions: int = 30
    direction_warning: float = 0.5
    direction_alarm: float = 0.2
    overdue_warning: float = 5.0
    overdue_alarm: float = 20.0
    stale_warning_s: float = 2 * 86_400.0
    stale_alarm_s: float = 7 * 86_400.0
    latency_budget_us: float = 100_000.0

    def __post_init__(self) -> None:
        check_positive("sanity", **asdict(self))
        for name, unit in (("not_numbers", ""), ("weight", ""), ("overdue", ""), ("stale", "_s")):
            warning, alarm = (getattr(self, f"{name}_{w}{unit}") for w in ("warning", "alarm"))
            if warning > alarm:
                raise ConfigError(
                    "must not exceed that of the alarm", field=f"sanity.{name}_warning{unit}"
                )
        if self.direction_warning < self.direction_alarm:
            raise ConfigError(
                "must not be below that of the alarm", field="sanity.direction_warning"
            )


@dataclass(frozen=True)
class LatencySummary:
    """What the service measured of its own answers in one stretch of time.

    Args:
        seq: of the last event it had recorded.
        known_time_us: when it was made.
        requests: answered.
        p99_us: 99 % of them within this.
    """

    seq: int
    known_time_us: int
    requests: int
    p99_us: float


class At(NamedTuple):
    """The event with which something could be known, and when."""

    seq: int
    known_us: int


class Sanity:
    """The fold over frames, stretches and latency summaries.

    Args:
        settings: see `SanitySettings`.
        publish_every_labels: how many labels make a publication due.
    """

    def __init__(self, settings: SanitySettings, publish_every_labels: int) -> None:
        self.settings = settings
        self.publish_every_labels = publish_every_labels
        subjects = (NOT_NUMBERS, CONSTANT, SIZE, DIRECTION, AGE, OVERDUE, LATENCY)
        self.levels = dict.fromkeys(subjects, Level.OK)
        self._block = _empty_block()
        self._weight = np.zeros(0)
        self._published_us = NEVER_US
        self._labels_since = 0

    def fold(self, frame: Frame) -> list[Finding]:
        """Take the next frame; returns what has changed."""
        findings: list[Finding] = []
        if "published" in frame.tables:
            findings += self._publication(frame.tables["published"], frame.known_time_us)
        if "decision" in frame.tables:
            findings += self._scores(frame.tables["transaction"], frame.tables["decision"])
        return findings

    def fold_stretch(self, stretch: Stretch) -> list[Finding]:
        """At the end of a stretch: are the weights stale?"""
        if self._published_us == NEVER_US:
            return []
        self._labels_since += stretch.resolved
        settings, at = self.settings, At(stretch.seq, stretch.end_us)
        since, overdue = self._labels_since, self._labels_since / self.publish_every_labels
        findings = self._above(
            OVERDUE,
            overdue,
            (settings.overdue_warning, settings.overdue_alarm),
            at,
            lambda: f"{since:,} labels resolved since the weights in force were adopted",
        )
        # With little traffic weights are old and well: none are due. The stretch of a publication counts
        # whole, so one may seem due that is not.
        age_s = (stretch.end_us - self._published_us) / SECOND_US if overdue >= 2.0 else 0.0
        return findings + self._above(
            AGE,
            age_s,
            (settings.stale_warning_s, settings.stale_alarm_s),
            at,
            lambda: f"weights in force for {age_s / 3_600:.1f} hours, and newer ones are due",
        )

    def fold_latency(self, summary: LatencySummary) -> list[Finding]:
        """Take a summary; above the budget is a warning, above twice the budget an alarm."""
        budget = self.settings.latency_budget_us
        requests, p99_ms = summary.requests, summary.p99_us / 1_000
        return self._above(
            LATENCY,
            summary.p99_us,
            (budget, 2.0 * budget),
            At(summary.seq, summary.known_time_us),
            lambda: f"99 % of {requests:,} answers within {p99_ms:.1f} ms",
        )

    def _scores(self, transactions: Table, decisions: Table) -> list[Finding]:
        findings: list[Finding] = []
        probability, version = decisions["probability_model"], decisions["weights_version"]
        size, row = self.settings.block_rows, 0
        while True:
            row = _add_block(self._block, probability, version, row, size)
            if self._block[ROWS] < size:
                return findings
            last = row - 1
            at = At(int(transactions["seq"][last]), int(transactions["known_time_us"][last]))
            findings += self._judge_block(at)
            self._block = _empty_block()

    def _judge_block(self, at: At) -> list[Finding]:
        settings = self.settings
        rows, bad, low, high, learned = self._block.tolist()
        findings = self._above(
            NOT_NUMBERS,
            bad / rows,
            (settings.not_numbers_warning, settings.not_numbers_alarm),
            at,
            lambda: f"{bad:.0f} of {rows:.0f} transactions had no probability of the model",
        )
        # The very first weights know nothing, and give all the same.
        if learned < rows or bad == rows:
            return findings
        spread = high - low
        level = Level.ALARM if spread < settings.least_spread else Level.OK
        return findings + self._change(
            CONSTANT,
            level,
            spread,
            settings.least_spread,
            at,
            lambda: f"the probabilities of {rows:.0f} transactions lie in {low:.6g} .. {high:.6g}",
        )

    def _publication(self, table: Table, known_us: int) -> list[Finding]:
        self._published_us, self._labels_since = known_us, 0
        at, settings = At(int(table["seq"][0]), known_us), self.settings
        weight = np.concatenate([table["weight"][0], table["intercept"][0]])
        size = float(np.abs(weight).max()) if np.isfinite(weight).all() else NO_NUMBER
        limits = settings.weight_warning, settings.weight_alarm
        findings = self._above(
            SIZE, size, limits, at, lambda: f"the largest weight has size {size:.3g}"
        )
        before, self._weight = self._weight, weight
        # The intercept is left out: it is the fraud rate, and outweighs all others.
        now, then = weight[:-1], before[:-1]
        lengths = float(np.linalg.norm(now)) * float(np.linalg.norm(then)) if len(then) else 0.0
        if int(table["version"][0]) < settings.settled_versions or not math.isfinite(lengths):
            return findings
        cosine = float(now @ then) / lengths if lengths > 0.0 else 0.0
        level, limit = Level.OK, settings.direction_warning
        if cosine < settings.direction_alarm:
            level, limit = Level.ALARM, settings.direction_alarm
        elif cosine < settings.direction_warning:
            level = Level.WARNING
        return findings + self._change(
            DIRECTION,
            level,
            cosine,
            limit,
            at,
            lambda: f"the cosine of the weights and those before is {cosine:.2f}",
        )

    def _above(
        self, subject: str, value: float, limits: tuple[float, float], at: At, words: Words
    ) -> list[Finding]:
        """The level of a value that should stay below two limits, of a warning and of an alarm."""
        warning, alarm = limits
        level, limit = Level.OK, warning
        if value >= warning:
            level, limit = (Level.ALARM, alarm) if value >= alarm else (Level.WARNING, warning)
        return self._change(subject, level, value, limit, at, words)

    def _change(
        self, subject: str, level: Level, value: float, limit: float, at: At, words: Words
    ) -> list[Finding]:
        if level == self.levels[subject]:
            return []
        self.levels[subject] = level
        return [Finding(MONITOR, subject, level, value, limit, *at, words())]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical copy, for a snapshot."""
        return {
            "levels": np.array(list(self.levels.values()), np.int64),
            "block": self._block.copy(),
            "weight": self._weight.copy(),
            "published": np.array([self._published_us, self._labels_since], np.int64),
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""
        levels = [Level(each) for each in arrays["levels"].tolist()]
        self.levels = dict(zip(self.levels, levels, strict=True))
        self._block, self._weight = arrays["block"].copy(), arrays["weight"].copy()
        self._published_us, self._labels_since = arrays["published"].tolist()


def _empty_block() -> Floats:
    return np.array([0.0, 0.0, math.inf, -math.inf, 0.0])


@borrowing
def _add_block(block: Any, probability: Any, version: Any, start: int, size: int) -> int:
    """Add rows from `start` until the block holds `size`; returns the first row that is not in it."""
    row = start
    while row < len(probability) and block[ROWS] < size:
        value = probability[row]
        block[ROWS] += 1.0
        block[LEARNED] += version[row] > 0
        if math.isfinite(value):
            block[LOWEST] = min(block[LOWEST], value)
            block[HIGHEST] = max(block[HIGHEST], value)
        else:
            block[BAD] += 1.0
        row += 1
    return row
