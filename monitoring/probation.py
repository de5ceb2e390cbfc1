"""Has the model proved itself? Its shadow scores against plan B's, on fresh reports.

Waiting for maturity would take weeks, so reports about transactions of the probation are judged as they come.
With F the law of their delays, a score p expects by now the sum of p x F(age) reports. Reports that come with
rate p dF are a Poisson process, whose log likelihood under the model less that under plan B is

    log_ratio = sum over reports of log(p_model / p_heuristic)  -  (expected_model - expected_heuristic),

in which F, the same for both, cancels but for the expectations (see e.g. Daley and Vere-Jones, "An
Introduction to the Theory of Point Processes", section 7.2). Above 0 the model explains what came better than
plan B does. If plan B is right its exponential is a martingale with mean 1.

To pass it has to explain it better beyond chance, and to expect as many reports as came, within a tolerance
and chance. Frauds come in clusters, so chance is taken as `dispersion` times that of independent ones.
"""

import math
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.delay_law import DelayLaw
from fraud_system.events import SECOND_US, Frame, Resolution, Table
from fraud_system.setting_checks import check_positive

LEAST_PROBABILITY = 1e-6
HOUR_US = 3_600 * SECOND_US
MAX_ROWS = 1 << 19
MAX_HOURS = 24 * 366
REPORTED = (Resolution.FRAUD, Resolution.LATE_FRAUD)
TRANSACTIONS, MODEL, HEURISTIC = range(3)


class Verdict(Enum):
    """What the evidence says."""

    OPEN = "open"
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True)
class ProbationSettings:
    """Args:
        least_s, least_transactions: it lasts at least so long, and so many.
        least_reports: that the model must have expected.
        tolerance: of reports against expected ones, as a share.
        dispersion: variance of the number of reports, in units of that of independent ones.
        passing_log_ratio: so much better than plan B it has to be, in nats: if plan B is right, a model
            gets there with a chance of exp(-passing_log_ratio) at most, however often one looks (Ville).
        failing_log_ratio: so much worse than plan B, and it has failed, in nats.

    Raises:
        ConfigError: a number is not positive.
    """

    least_s: float = 86_400.0
    least_transactions: int = 2_000
    least_reports: float = 5.0
    tolerance: float = 0.25
    dispersion: float = 3.0
    passing_log_ratio: float = 3.0
    failing_log_ratio: float = 6.0

    def __post_init__(self) -> None:
        check_positive("probation", **asdict(self))


class Probation:
    """The evidence of one probation.

    Args:
        settings: see there.
    """

    def __init__(self, settings: ProbationSettings) -> None:
        self.settings = settings
        self.begin(0)

    def begin(self, now_us: int) -> None:
        """Forget everything; what is known from here on counts."""
        self.began_us = now_us
        self.reports, self._log_sum = 0, 0.0
        self._rows = 0
        self._seq: list[NDArray[np.int64]] = []
        self._scores: list[NDArray[np.float64]] = []
        self._hours = np.zeros((0, 3))

    @property
    def transactions(self) -> int:
        """That count so far."""
        return int(self._hours[:, TRANSACTIONS].sum())

    def fold(self, frame: Frame) -> None:
        """Take the next frame."""
        if "decision" in frame.tables and self._rows < MAX_ROWS:
            self._add(frame.tables["transaction"], frame.tables["decision"])
        if "resolved" in frame.tables and self._seq:
            self._report(frame.tables["resolved"])

    def expected(self, law: DelayLaw, now_us: int) -> tuple[float, float]:
        """Reports that the model, and plan B, expect by now."""
        middle_us = self.began_us + (np.arange(len(self._hours)) + 0.5) * HOUR_US
        known = np.concatenate([[0.0], law.distribution(now_us)])
        edges = np.concatenate([[0.0], law.edges_us])
        share = np.interp(np.maximum(now_us - middle_us, 0.0), edges, known)
        sums = share @ self._hours
        return float(sums[MODEL]), float(sums[HEURISTIC])

    def log_ratio(self, expected: tuple[float, float]) -> float:
        """How much better the model explains the reports than plan B does, in nats."""
        return self._log_sum - (expected[0] - expected[1])

    def verdict(self, law: DelayLaw, now_us: int) -> tuple[Verdict, str]:
        """What the evidence says by now, and the evidence in words."""
        settings, expected = self.settings, self.expected(law, now_us)
        log_ratio = self.log_ratio(expected)
        allowed = settings.tolerance * expected[0]
        allowed += 2.0 * math.sqrt(settings.dispersion * expected[0])
        words = (
            f"{self.transactions} transactions, {self.reports} reports of {expected[0]:.1f} expected"
            f" ({expected[0] - allowed:.1f} to {expected[0] + allowed:.1f} pass); log likelihood"
            f" {log_ratio:+.1f} nats against plan B"
        )
        if log_ratio < -settings.failing_log_ratio:
            return Verdict.FAILED, words
        enough = (
            now_us - self.began_us >= settings.least_s * SECOND_US
            and self.transactions >= settings.least_transactions
            and expected[0] >= settings.least_reports
        )
        good = (
            log_ratio >= settings.passing_log_ratio and abs(self.reports - expected[0]) <= allowed
        )
        return (Verdict.PASSED if enough and good else Verdict.OPEN), words

    def _add(self, transactions: Table, decisions: Table) -> None:
        known_us = transactions["known_time_us"]
        fresh = known_us >= self.began_us
        model = decisions["probability_model"][fresh]
        scores = np.stack([model, decisions["probability_heuristic"][fresh]], axis=1)
        # A score that is no number is no evidence for the model: it counts as certain of nothing.
        scores = np.clip(np.nan_to_num(scores, nan=LEAST_PROBABILITY), LEAST_PROBABILITY, 1.0)
        self._seq.append(transactions["seq"][fresh].astype(np.int64))
        self._scores.append(scores)
        self._rows += len(scores)
        hour = np.minimum((known_us[fresh] - self.began_us) // HOUR_US, MAX_HOURS - 1)
        if len(hour) and hour[-1] >= len(self._hours):
            more = np.zeros((int(hour[-1]) + 1 - len(self._hours), 3))
            self._hours = np.concatenate([self._hours, more])
        np.add.at(self._hours[:, TRANSACTIONS], hour, 1.0)
        np.add.at(self._hours[:, MODEL], hour, scores[:, 0])
        np.add.at(self._hours[:, HEURISTIC], hour, scores[:, 1])

    def _report(self, resolved: Table) -> None:
        about = resolved["transaction_seq"][np.isin(resolved["resolution"], REPORTED)]
        if len(about) == 0:
            return
        seq, scores = self._joined()
        place = np.searchsorted(seq, about)
        held = place < len(seq)
        held[held] = seq[place[held]] == about[held]
        found = scores[place[held]]
        self.reports += len(found)
        # One after the other, so that the last bit does not depend on how frames were cut.
        for each in np.log(found[:, 0] / found[:, 1]).tolist():
            self._log_sum += each

    def _joined(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        if len(self._seq) > 1:
            self._seq = [np.concatenate(self._seq)]
            self._scores = [np.concatenate(self._scores)]
        return self._seq[0], self._scores[0]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical copy, for a snapshot."""
        seq, scores = self._joined() if self._seq else (np.zeros(0, np.int64), np.zeros((0, 2)))
        return {
            "began_us": np.array([self.began_us]),
            "reports": np.array([self.reports]),
            "log_sum": np.array([self._log_sum]),
            "seq": seq.copy(),
            "scores": scores.copy(),
            "hours": self._hours.copy(),
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""
        self.begin(int(arrays["began_us"][0]))
        self.reports, self._log_sum = int(arrays["reports"][0]), float(arrays["log_sum"][0])
        self._seq, self._scores = [np.array(arrays["seq"])], [np.array(arrays["scores"])]
        self._rows, self._hours = len(arrays["seq"]), np.array(arrays["hours"])
