"""How far each subject of `shift` has moved, for people: now, and over the last week.

The monitor asks for the population stability index only where something may have shifted. A page shows it for
every subject, so it is computed here, from the counts by hour that the monitor keeps and with its
definitions: no history is stored, and a restart shows the same. Vectorised over subjects and weeks; a few
milliseconds for some thirty subjects.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from monitoring.bins import EDGES
from monitoring.findings import Level
from monitoring.hour_counts import HOURS_IN_WEEK, MISSING, ROWS, SWITCHED
from monitoring.shift import SERVED, Shift
from monitoring.shift_kernel import HOUR_US
from monitoring.shift_tests import SMOOTHING

Floats = NDArray[np.float64]
EVERY_HOURS = 6  # of the history
POINTS = 28
NO_DEVIATION = 1e-30


@dataclass(frozen=True)
class Drift:
    """One subject; nan where there is nothing to compare.

    Args:
        name: of the subject.
        level: the worse one of its values and of its missing share.
        psi: (points,) population stability index less what chance explains, by hour; the last is the newest.
        distance: Wasserstein distance, newest, in standard deviations.
        missing, missing_before: share of rows without a value, now and in the same hours of earlier weeks.
    """

    name: str
    level: Level
    psi: list[float]
    distance: float
    missing: float
    missing_before: float


@dataclass(frozen=True)
class DriftHistory:
    """Args:
    hours_us: (points,) ends of the hours that were compared.
    rows, past_rows: of the newest comparison.
    subjects: in the monitor's order.
    """

    hours_us: list[int]
    rows: int
    past_rows: int
    subjects: list[Drift]

    @classmethod
    def of(cls, shift: Shift) -> Self:
        """What the monitor's counts show."""
        hours = _Hours.of(shift)
        points = [] if hours is None else hours.points()
        levels = shift.levels.reshape(2, -1).max(axis=0)
        if hours is None or not points:
            subjects = [
                Drift(name, Level(int(level)), [], math.nan, math.nan, math.nan)
                for name, level in zip(shift.subjects, levels, strict=True)
            ]
            return cls([], 0, 0, subjects)
        compared = [hours.compare(back) for back in points]
        newest = compared[-1]
        psi = np.array([each.psi for each in compared])
        psi[:, hours.not_compared(levels)] = np.nan
        return cls(
            [(hours.newest + 1 - back) * HOUR_US for back in points],
            int(newest.rows),
            int(newest.past_rows.max(initial=0.0)),
            [
                Drift(name, Level(int(levels[at])), psi[:, at].tolist(), *figures)
                for at, (name, *figures) in enumerate(
                    zip(
                        shift.subjects,
                        newest.distance.tolist(),
                        newest.missing.tolist(),
                        newest.missing_before.tolist(),
                        strict=True,
                    )
                )
            ],
        )


@dataclass(frozen=True)
class _Compared:
    rows: float
    past_rows: Floats
    psi: Floats
    distance: Floats
    missing: Floats
    missing_before: Floats


@dataclass(frozen=True)
class _Hours:
    """Counts from the newest hour that is over backwards, summed up: [back] holds the hours before it.

    Args:
        shift: whose counts they are.
        newest: number of the hour.
        counts: (size + 1, COUNTS, s).
        rows: (size + 1,).
        bad: (size + 1, s) hours in which a subject was not well.
        held: how many hours back there is no gap.
    """

    shift: Shift
    newest: int
    counts: NDArray[np.int64]
    rows: NDArray[np.int64]
    bad: NDArray[np.int64]
    held: int

    @classmethod
    def of(cls, shift: Shift) -> "_Hours | None":
        hours = shift.hours
        newest, size = int(hours.hour.max()), len(hours.hour)
        if newest < 0:
            return None
        numbers = newest - np.arange(size)
        place = numbers % size
        is_held = hours.hour[place] == numbers

        def summed(values: NDArray[np.generic]) -> NDArray[np.int64]:
            start = np.zeros((1, *values.shape[1:]), np.int64)
            return np.concatenate([start, np.cumsum(values[place], axis=0, dtype=np.int64)])

        held = size if is_held.all() else int(np.argmin(is_held))
        sums = summed(hours.past), summed(hours.past_rows[:, ROWS]), summed(hours.is_bad)
        return cls(shift, newest, *sums, held)

    def points(self) -> list[int]:
        """Hours back, oldest first, at which there is something to compare with."""
        least = self.shift.settings.least_rows
        backs = [0, *range(self.newest % EVERY_HOURS + 1, HOURS_IN_WEEK, EVERY_HOURS)][:POINTS]
        return [
            back
            for back in reversed(backs)
            if (width := self._width(back, least)) and back + width + HOURS_IN_WEEK <= self.held
        ]

    def _width(self, back: int, least_rows: int) -> int:
        """Hours up to `back` that hold so many rows; 0 if a week does not."""
        rows = self.rows[back + 1 : back + 1 + HOURS_IN_WEEK] - self.rows[back]
        enough = np.flatnonzero(rows >= least_rows)
        return int(enough[0]) + 1 if len(enough) else 0

    def not_compared(self, levels: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(s,) what depends on who answers is not compared while plan B answers by decree."""
        served = np.arange(len(levels)) >= len(levels) - len(SERVED) + 1
        hours = self.shift.hours
        by_decree = hours.past_rows[self.newest % len(hours.hour), SWITCHED] > 0
        return served & by_decree & (levels == Level.OK)

    def compare(self, back: int) -> _Compared:
        """The window that ends `back` hours ago, with the same hours of earlier weeks."""
        shift = self.shift
        width = self._width(back, shift.settings.least_rows)
        now = (self.counts[back + width] - self.counts[back]).astype(np.float64)
        rows = float(self.rows[back + width] - self.rows[back])
        past, past_rows = np.zeros_like(now), np.zeros(now.shape[1])
        for week in range(1, shift.settings.weeks + 1):
            then = back + week * HOURS_IN_WEEK
            if then + width > self.held:
                break
            is_well = self.bad[then + width] == self.bad[then]
            past += (self.counts[then + width] - self.counts[then]) * is_well
            past_rows += (self.rows[then + width] - self.rows[then]) * is_well
        known, past_known = rows - now[MISSING], past_rows - past[MISSING]
        enough = 2.0 * np.minimum(known, past_known) >= shift.settings.least_rows
        ratio = np.where(past_rows > 0.0, past[MISSING] / np.maximum(past_rows, 1.0), np.nan)
        psi = self._index(now, past, known, past_known)
        distance = self._distance(now, past, known, past_known)
        return _Compared(
            rows,
            past_rows,
            np.where(enough, psi, np.nan),
            np.where(enough, distance, np.nan),
            now[MISSING] / rows,
            ratio,
        )

    def _index(self, now: Floats, past: Floats, known: Floats, past_known: Floats) -> Floats:
        """(s,) as `shift_tests.stability_index`, less what chance explains."""
        bins, past_bins = _bins(now, known), _bins(past, past_known)
        filled = bins + past_bins > 0.0
        number = np.maximum(filled.sum(axis=0), 2)
        share = (bins + SMOOTHING) / (known + SMOOTHING * number)
        was = (past_bins + SMOOTHING) / (past_known + SMOOTHING * number)
        index = np.where(filled, (share - was) * np.log(share / was), 0.0).sum(axis=0)
        mean = np.maximum(self.shift.usual[: len(known)], 1.0)  # as `shift_tests.judge`
        by_chance = 1.0 / np.maximum(known, 1.0) + 1.0 / np.maximum(past_known, 1.0)
        return np.asarray(index - mean * (number - 1.0) * by_chance)

    def _distance(self, now: Floats, past: Floats, known: Floats, past_known: Floats) -> Floats:
        """(s,) as `shift_tests.wasserstein`, in standard deviations."""
        bins = self.shift.bins
        assert bins is not None  # hours are counted from then on
        edges = bins.edges.astype(np.float64)
        above = now[:EDGES] / np.maximum(known, 1.0) - past[:EDGES] / np.maximum(past_known, 1.0)
        finite = np.isfinite(edges[1:])
        width = np.where(finite, edges[1:], 0.0) - np.where(finite, edges[:-1], 0.0)
        moved = (np.abs(above[:-1]) * width).sum(axis=0)
        # What was constant while bins were learned has no scale.
        scale = np.where(bins.deviation > NO_DEVIATION, bins.deviation, np.nan)
        return np.asarray(moved / scale)


def _bins(counts: Floats, known: Floats) -> Floats:
    """(EDGES + 1, s) rows in each bin, of rows above each edge."""
    return -np.diff(counts[:EDGES], prepend=known[None], append=0.0, axis=0)
