"""Values with limits: for monitors that need no statistics."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitoring.findings import Finding, Level

Words = Callable[[], str]  # made only when something is said


class At(NamedTuple):
    """The event with which something could be known, and when."""

    seq: int
    known_us: int


class Limits:
    """The levels of some subjects; what changes one becomes a finding.

    Args:
        monitor: of the findings.
        subjects: that there are.

    >>> limits = Limits("sanity", ["size"])
    >>> [each.level.name for each in limits.above("size", 40.0, (30.0, 100.0), At(7, 0), lambda: "big")]
    ['WARNING']
    >>> limits.above("size", 50.0, (30.0, 100.0), At(8, 0), lambda: "bigger")
    []
    """

    def __init__(self, monitor: str, subjects: Sequence[str]) -> None:
        self.monitor = monitor
        self.levels = dict.fromkeys(subjects, Level.OK)

    def above(
        self, subject: str, value: float, limits: tuple[float, float], at: At, words: Words
    ) -> list[Finding]:
        """A value that should stay below two limits, of a warning and of an alarm."""
        warning, alarm = limits
        level, limit = Level.OK, warning
        if value >= warning:
            level, limit = (Level.ALARM, alarm) if value >= alarm else (Level.WARNING, warning)
        return self.change(subject, level, value, limit, at, words)

    def below(
        self, subject: str, value: float, limits: tuple[float, float], at: At, words: Words
    ) -> list[Finding]:
        """A value that should not fall below two limits, of a warning and of an alarm."""
        warning, alarm = limits
        level, limit = Level.OK, warning
        if value < warning:
            level, limit = (Level.ALARM, alarm) if value < alarm else (Level.WARNING, warning)
        return self.change(subject, level, value, limit, at, words)

    def change(
        self, subject: str, level: Level, value: float, limit: float, at: At, words: Words
    ) -> list[Finding]:
        """A subject's level from here on; nothing if it is as before."""
        if level == self.levels[subject]:
            return []
        self.levels[subject] = level
        return [Finding(self.monitor, subject, level, value, limit, *at, words())]

    def array(self) -> NDArray[np.int64]:
        """The levels, for a snapshot."""
        return np.array(list(self.levels.values()), np.int64)

    def restore(self, array: NDArray[np.int64]) -> None:
        """Take a snapshot's levels."""
        levels = [Level(each) for each in array.tolist()]
        self.levels = dict(zip(self.levels, levels, strict=True))
