"""Do more, or fewer, of them happen than was expected? An alarm that keeps its mean time between false ones.

Cohorts of transactions come one after the other. Of each, reports (marks m in 0..1; 1 where only the count
matters) and expectations E (of the marks that should have come) trickle in for weeks. The null hypothesis:
whatever has happened so far, the marks that come next are between `1 - tolerance` and `1 + tolerance`
times those expected. A bet that a true ratio is `1 + tolerance` times 1 + c multiplies its wealth by

    prod over reports of (1 + c m)  x  exp(-c (1 + tolerance) E),        c > 0;

one that the ratio is smaller has c in (-1, 0) and `1 - tolerance`. Each is a supermartingale under the
null whatever the order in which the reports come, as long as they come one by one: the expected factor of
the next moment is (1 + c r dE)(1 - c (1 + tolerance) dE) <= 1 for every ratio r that the null allows.

The bet that begins with a cohort looks at that cohort and the later ones only: reports that still come
about older transactions neither help nor hide. The sum over all beginnings, each as heavy as the transactions
before it, is an e-detector (Shin, Ramdas and Rinaldo, "E-detectors", 2023, section 3: Shiryaev-Roberts),
and so is the mean over the bets. Reaching `mean_time_between_false_alarms` takes, under the null, that
many transactions on average at least (their theorem 2.4).

Where frauds come in clusters (one stolen card, one compromised terminal), reports are not one by one. All
logarithms are then divided by the dispersion: exact for clusters of that size, see `dispersion`.

It cannot see: a ratio within the tolerance; errors that cancel within what is summed; and clusters that are
far larger than the dispersion says make false alarms more frequent than promised.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraud_system.errors import ConfigError
from fraud_system.setting_checks import check_positive
from monitoring.compiled import borrowing

Floats = NDArray[np.float64]
MORE, FEWER = 0, 1  # the two sides
FIRST, OLDEST, NEXT = range(3)  # places in `State.cursor`
OBSERVED, EXPECTED = 0, 1  # places in `State.total`
MOST = 1e300  # wealth beyond it is cut, so that it stays a number


@dataclass(frozen=True)
class EDetectorSettings:
    """What counts as different, and how rarely that may be said in error.

    Args:
        tolerance: ratios of happened to expected from 1 - tolerance to 1 + tolerance are right enough.
        mean_time_between_false_alarms: in transactions, for both sides together.
        mean_time_between_false_warnings: the same for a warning.
        alternatives: ratios beyond the tolerance that are bet on, in equal parts; above it as they are,
            below it as their inverses.
        recovery_reports: expected after an alarm before it may end.

    Raises:
        ConfigError: a number is out of range.
    """

    tolerance: float = 0.1
    mean_time_between_false_alarms: float = 1e7
    mean_time_between_false_warnings: float = 1e6
    alternatives: tuple[float, ...] = (1.2, 1.5, 2.0, 4.0)
    recovery_reports: float = 50.0

    def __post_init__(self) -> None:
        check_positive(
            "e_detector",
            tolerance=self.tolerance,
            mean_time_between_false_alarms=self.mean_time_between_false_alarms,
            mean_time_between_false_warnings=self.mean_time_between_false_warnings,
            recovery_reports=self.recovery_reports,
        )
        if self.tolerance >= 1.0:
            raise ConfigError("is a share below 1", field="e_detector.tolerance")
        if self.mean_time_between_false_warnings > self.mean_time_between_false_alarms:
            raise ConfigError(
                "must not exceed that of alarms",
                field="e_detector.mean_time_between_false_warnings",
            )
        if not self.alternatives or not all(1.0 < each < math.inf for each in self.alternatives):
            raise ConfigError("must be numbers above 1", field="e_detector.alternatives")

    def bets(self) -> tuple[Floats, Floats]:
        """(2, k) the c of each bet, and (2, k) the edge of the null that it bets against.

        >>> EDetectorSettings(alternatives=(2.0,)).bets()
        (array([[ 1. ], [-0.5]]), array([[1.1], [0.9]]))
        """
        ratio = np.array(self.alternatives)
        edge = np.array([[1.0 + self.tolerance], [1.0 - self.tolerance]])
        return np.stack([ratio - 1.0, 1.0 / ratio - 1.0]), np.broadcast_to(edge, (2, len(ratio)))


class State(NamedTuple):
    """Cohorts are numbered 0, 1, 2, ...; place in the ring = number % size.

    Args:
        log_wealth: (bets, size) what each cohort adds to the logarithm of each bet.
        weight: (size,) transactions for which a bet begins with that cohort.
        expected, observed: (size,) marks of each cohort so far.
        base: (bets,) sum over the beginnings before the oldest cohort that is held.
        total: (2,) OBSERVED and EXPECTED marks of all cohorts that count.
        cursor: (3,) FIRST cohort that counts, OLDEST that is held, NEXT to begin.
    """

    log_wealth: Floats
    weight: Floats
    expected: Floats
    observed: Floats
    base: Floats
    total: Floats
    cursor: NDArray[np.int64]


class Since(NamedTuple):
    """Where the strongest bet begins, and what has come since.

    Args:
        cohort: its number.
        observed, expected: marks.
    """

    cohort: int
    observed: float
    expected: float


class EDetector:
    """One e-detector with both sides.

    Args:
        settings: see `EDetectorSettings`.
        size: cohorts held apart; what comes later about older ones still counts, for the bets that
            began before all that are held.

    >>> detector = EDetector(EDetectorSettings(alternatives=(2.0,)), size=4)
    >>> detector.begin(1_000)
    >>> detector.report(np.array([0, 0]), np.ones(2))
    >>> detector.expect(np.array([0]), np.array([1.0]))
    >>> more, fewer = detector.evidence()
    >>> round(more, 3), bool(np.isclose(more, 0.5 * 1_000 * 2 * 2 * np.exp(-1.1)))
    (665.742, True)
    """

    def __init__(self, settings: EDetectorSettings, size: int) -> None:
        self.settings = settings
        self._bet, self._edge = (each.ravel() for each in settings.bets())
        self._state = State(
            log_wealth=np.zeros((len(self._bet), size)),
            weight=np.zeros(size),
            expected=np.zeros(size),
            observed=np.zeros(size),
            base=np.zeros(len(self._bet)),
            total=np.zeros(2),
            cursor=np.zeros(3, np.int64),
        )

    @property
    def next_cohort(self) -> int:
        """The number that the next `begin` gives."""
        return int(self._state.cursor[NEXT])

    def begin(self, transactions: float) -> None:
        """Begin the next cohort; `transactions` went by since the one before began."""
        _begin(self._state, float(transactions))

    def report(self, cohort: NDArray[np.int64], mark: Floats, dispersion: float = 1.0) -> None:
        """Take reports (n,), by the number of their transaction's cohort; in the order in which they came.

        Those of cohorts that were never begun, or were left behind by `restart`, are passed over.
        """
        _report(self._state, self._bet, cohort, mark, dispersion)

    def expect(
        self,
        cohort: NDArray[np.int64],
        expected: Floats,
        dispersion: float = 1.0,
        slack: float = 0.0,
    ) -> None:
        """Take what was expected (n,) to be reported, in marks, of each of these cohorts.

        `slack` in [0, 1) is the share by which the expectation itself may be off.
        """
        edge = self._edge * (1.0 + slack * np.sign(self._bet))
        _expect(self._state, self._bet, edge, cohort, expected, dispersion)

    def evidence(self) -> tuple[float, float]:
        """That more happens, and that less happens, than the tolerance allows; in transactions."""
        sums = np.empty(len(self._bet))
        _add_up(self._state, sums)
        more, fewer = sums.reshape(2, -1).sum(axis=1) / len(sums)
        return float(more), float(fewer)

    def since(self, side: int) -> Since:
        """The beginning that a bet of this side (MORE, FEWER) profits most from."""
        state, half = self._state, len(self._bet) // 2
        numbers = np.arange(state.cursor[OLDEST], state.cursor[NEXT])
        place = numbers % len(state.weight)
        wealth = state.log_wealth[side * half : (side + 1) * half][:, place]
        suffix = np.cumsum(wealth[:, ::-1], axis=1)[:, ::-1].max(axis=0, initial=-np.inf)
        if not len(numbers):
            return Since(int(state.cursor[NEXT]), 0.0, 0.0)
        best = int(np.argmax(suffix))
        return Since(
            int(numbers[best]),
            float(state.observed[place[best:]].sum()),
            float(state.expected[place[best:]].sum()),
        )

    def restart(self) -> None:
        """Forget everything; only cohorts that begin from now on will count."""
        state = self._state
        state.base[:], state.total[:] = 0.0, 0.0
        state.cursor[[FIRST, OLDEST]] = state.cursor[NEXT]

    @property
    def total(self) -> tuple[float, float]:
        """Marks observed and expected since the last `restart`."""
        observed, expected = self._state.total.tolist()
        return observed, expected

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical copy, for a snapshot."""
        return {name: array.copy() for name, array in self._state._asdict().items()}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""
        for name, array in self._state._asdict().items():
            array[:] = arrays[name]


@borrowing
def _begin(state: Any, transactions: float) -> None:
    size, number = len(state.weight), state.cursor[NEXT]
    place = number % size
    if number - state.cursor[OLDEST] >= size:
        for bet in range(len(state.base)):
            grown = (state.base[bet] + state.weight[place]) * math.exp(state.log_wealth[bet, place])
            state.base[bet] = min(grown, MOST)
        state.cursor[OLDEST] += 1
    for bet in range(len(state.base)):
        state.log_wealth[bet, place] = 0.0
    state.weight[place] = transactions
    state.expected[place] = 0.0
    state.observed[place] = 0.0
    state.cursor[NEXT] = number + 1


@borrowing
def _report(state: Any, bet: Any, cohort: Any, mark: Any, dispersion: float) -> None:
    for row in range(len(cohort)):
        number = cohort[row]
        if not state.cursor[FIRST] <= number < state.cursor[NEXT]:
            continue
        state.total[OBSERVED] += mark[row]
        place, is_held = number % len(state.weight), number >= state.cursor[OLDEST]
        if is_held:
            state.observed[place] += mark[row]
        for each in range(len(bet)):
            gain = math.log1p(bet[each] * mark[row]) / dispersion
            if is_held:
                state.log_wealth[each, place] += gain
            else:
                _multiply_base(state, each, gain)


@borrowing
def _expect(state: Any, bet: Any, edge: Any, cohort: Any, expected: Any, dispersion: float) -> None:
    older = 0.0  # of cohorts that are not held any more
    for row in range(len(cohort)):
        number = cohort[row]
        if not state.cursor[FIRST] <= number < state.cursor[NEXT]:
            continue
        state.total[EXPECTED] += expected[row]
        if number < state.cursor[OLDEST]:
            older += expected[row]
            continue
        place = number % len(state.weight)
        state.expected[place] += expected[row]
        per_bet = expected[row] / dispersion
        for each in range(len(bet)):
            state.log_wealth[each, place] -= bet[each] * edge[each] * per_bet
    for each in range(len(bet)):
        _multiply_base(state, each, -bet[each] * edge[each] * older / dispersion)


@borrowing
def _multiply_base(state: Any, bet: int, gain: float) -> None:
    if state.base[bet] > 0.0:
        state.base[bet] = min(state.base[bet] * math.exp(gain), MOST)


@borrowing
def _add_up(state: Any, sums: Any) -> None:
    """The sum over all beginnings of each bet: in the order of cohorts they join, and all are multiplied."""
    for each in range(len(sums)):
        total = state.base[each]
        for number in range(state.cursor[OLDEST], state.cursor[NEXT]):
            place = number % len(state.weight)
            total = (total + state.weight[place]) * math.exp(state.log_wealth[each, place])
        sums[each] = min(total, MOST)
