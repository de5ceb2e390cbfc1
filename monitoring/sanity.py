"""Is what is served still sane? Faults that need no statistics and no labels.

- *scores*: of every `block_rows` transactions in a row, the share whose model probability is no number; and
  whether all that are numbers are the same one, as after weights of zero. Only neighbours with the same
  weights are compared: intercepts move with every publication, whatever the other weights are.
- *weights*: of every publication, the largest size of a weight, on standardised features; whether all are
  numbers; and whether, from `settled_versions` on, they point against those before (the cosine of both;
  weights with flipped signs have -1).

Units: shares, weights. Findings come with the transaction that ends a block, and with the publication. What
is stale or slow: `staleness`, `latency`.

It cannot see: scores that are wrong but vary; weights that are wrong but of a usual size and direction.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.errors import ConfigError
from fraud_system.events import Frame, Table
from fraud_system.setting_checks import check_positive
from monitoring.compiled import borrowing
from monitoring.findings import Finding
from monitoring.limits import At, Limits

Floats = NDArray[np.float64]
MONITOR = "sanity"
NOT_NUMBERS, CONSTANT = "scores that are no numbers", "scores all the same"
SIZE, DIRECTION = "size of weights", "direction of weights"
# Places in the block.
ROWS, BAD, LOWEST, HIGHEST, LEARNED, STEP, COMPARED, BEFORE, VERSION = range(9)
NO_SCORE = -1.0
NO_NUMBER = float(np.finfo(np.float64).max)  # stands for the size of what is none


@dataclass(frozen=True)
class SanitySettings:
    """Args:
        block_rows: transactions in a block.
        not_numbers_warning, not_numbers_alarm: share of a block.
        least_spread: of the probabilities of a block: the largest difference of neighbours.
        weight_warning, weight_alarm: of the size of a weight on standardised features.
        settled_versions: publications before which directions are not compared.
        direction_warning, direction_alarm: of the cosine of weights and those before.

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

    def __post_init__(self) -> None:
        check_positive("sanity", **asdict(self))
        for name in ("not_numbers", "weight"):
            if getattr(self, f"{name}_warning") > getattr(self, f"{name}_alarm"):
                raise ConfigError(
                    "must not exceed that of the alarm", field=f"sanity.{name}_warning"
                )
        if self.direction_warning < self.direction_alarm:
            raise ConfigError(
                "must not be below that of the alarm", field="sanity.direction_warning"
            )


class Sanity:
    """The fold over frames.

    Args:
        settings: see `SanitySettings`.
    """

    def __init__(self, settings: SanitySettings) -> None:
        self.settings = settings
        self.limits = Limits(MONITOR, [NOT_NUMBERS, CONSTANT, SIZE, DIRECTION])
        self._block = _empty_block()
        self._weight = np.zeros(0)

    def fold(self, frame: Frame) -> list[Finding]:
        """Take the next frame; returns what has changed."""
        findings: list[Finding] = []
        if "published" in frame.tables:
            findings += self._publication(frame.tables["published"], frame.known_time_us)
        if "decision" in frame.tables:
            findings += self._scores(frame.tables["transaction"], frame.tables["decision"])
        return findings

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
        rows, bad, low, high, learned, step, compared = self._block[:BEFORE].tolist()
        findings = self.limits.above(
            NOT_NUMBERS,
            bad / rows,
            (settings.not_numbers_warning, settings.not_numbers_alarm),
            at,
            lambda: f"{bad:.0f} of {rows:.0f} transactions had no probability of the model",
        )
        # The very first weights know nothing, and give all the same.
        if learned < rows or compared < rows / 2.0:
            return findings
        least = settings.least_spread
        return findings + self.limits.below(
            CONSTANT,
            step,
            (least, least),
            at,
            lambda: f"the probabilities of {rows:.0f} transactions lie in {low:.6g} .. {high:.6g}",
        )

    def _publication(self, table: Table, known_us: int) -> list[Finding]:
        at, settings = At(int(table["seq"][0]), known_us), self.settings
        weight = np.concatenate([table["weight"][0], table["intercept"][0]])
        size = float(np.abs(weight).max()) if np.isfinite(weight).all() else NO_NUMBER
        limits = settings.weight_warning, settings.weight_alarm
        words = f"the largest weight has size {size:.3g}"
        findings = self.limits.above(SIZE, size, limits, at, lambda: words)
        before, self._weight = self._weight, weight
        # The intercept is left out: it is the fraud rate, and outweighs all others.
        now, then = weight[:-1], before[:-1]
        if not len(then) or int(table["version"][0]) < settings.settled_versions:
            return findings
        lengths = float(np.linalg.norm(now)) * float(np.linalg.norm(then))
        if not math.isfinite(lengths):
            return findings
        cosine = float(now @ then) / lengths if lengths > 0.0 else 0.0
        limits = settings.direction_warning, settings.direction_alarm
        words_of_cosine = f"the cosine of the weights and those before is {cosine:.2f}"
        return findings + self.limits.below(DIRECTION, cosine, limits, at, lambda: words_of_cosine)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical copy, for a snapshot."""
        return {
            "levels": self.limits.array(),
            "block": self._block.copy(),
            "weight": self._weight.copy(),
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""
        self.limits.restore(arrays["levels"])
        self._block, self._weight = arrays["block"].copy(), arrays["weight"].copy()


def _empty_block() -> Floats:
    return np.array([0.0, 0.0, math.inf, -math.inf, 0.0, 0.0, 0.0, NO_SCORE, -1.0])


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
            if version[row] == block[VERSION] and block[BEFORE] != NO_SCORE:
                block[COMPARED] += 1.0
                block[STEP] = max(block[STEP], abs(value - block[BEFORE]))
        else:
            block[BAD] += 1.0
        block[BEFORE] = value if math.isfinite(value) else NO_SCORE
        block[VERSION] = version[row]
        row += 1
    return row
