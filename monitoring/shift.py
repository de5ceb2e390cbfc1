"""Does the traffic still look like the same hours of earlier weeks? Features, scores and actions.

Subjects are every logged feature, the model's probability (in the shadow as well), the probability that was
served and the action; and of each the share that is missing, as a test of its own. Every hour, the last
hours that hold `least_rows` rows are compared with the same hours of up to `weeks` earlier weeks, over bins
that are fixed once (`bins`).

Two things have to come together before anything is said:

- *It is not chance.* Pearson's X^2 over its degrees of freedom would be near 1 if rows were independent.
  They are not: cards come again, an episode of fraud lasts for weeks, and on the demo the mean is 1.2 to 15
  by feature, so that a chi-square table alarms on anything. So each test learns mean and variance of its
  own statistic from the hours in which it was well, and p is the tail of a gamma law with these two moments
  (bounded after Chernoff). Over features and hours together the false discovery rate is kept by e-LOND
  (`online_fdr`) at `false_discovery_rate` in every `period_weeks`.
- *It is large.* The population stability index sum (p - q) log(p / q), less what chance explains, is at
  least `psi_warning` (.1) or `psi_alarm` (.25), as is usual in credit scoring (Siddiqi 2006). And at least
  `least_moved` (5 %) of the rows are in another bin: the index makes much of rare values that come in
  episodes. (That does not hold for missing shares.)

The Wasserstein distance of the binned distributions, in standard deviations, goes into the evidence. A level
ends when the index falls below `psi_end`. Hours in which a subject was not well are not compared with later:
a fault of two days is not taken for normal a week after. A change that stays is the new normal when all
earlier weeks have left the memory.

With a multiple of the usual traffic (`surge`), cards pay more often, counters rise and scores move: the
traffic has changed, and the model need not be broken. Until a day after it (`surge_hours`, as counters of a
day are full of it) an alarm is a warning; it is an alarm after that if it still lasts. Nothing is learned
from a surge, nor is it compared with later.

It cannot see: changes within a bin; features that are nearly always the same and now always are; changes
of how features go together (`calibration` may); what is wrong from the first day; a drift slower than
`weeks`; in a surge, what else is wrong. What depends on who answers (served probability, action) is not
compared while plan B answers by decree.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.events import SECOND_US, Frame, Scorer
from monitoring.bins import EDGES, Bins, Sample
from monitoring.findings import Finding, Level
from monitoring.hour_counts import COUNTS, HOURS_IN_WEEK, NO_HOUR, Group, Hours
from monitoring.online_fdr import once_in
from monitoring.shift_kernel import HOUR_US, fold
from monitoring.shift_settings import ShiftSettings
from monitoring.shift_tests import (
    CLOCKS,
    FOUND,
    HOUR,
    QUARANTINE_HOURS,
    SURGE,
    Changes,
    Compared,
    Limits,
    Null,
)

FEATURE, SCORE = "feature_shift", "score_shift"
SERVED = ("model probability", "served probability", "action")
FIRST_SERVED = 1  # of those, what depends on who answers begins here
NOT_BEGUN = -1
START_SHAPE = 2.0  # of the gamma law of a statistic, before anything is known of it


class Shift:
    """The fold over frames.

    Args:
        settings: see `ShiftSettings`.
        features: their names, in order.
    """

    def __init__(self, settings: ShiftSettings, features: Sequence[str]) -> None:
        self.settings = settings
        self.features = len(features)
        self.subjects = (*features, *SERVED)
        self._learn_us = (NOT_BEGUN, NOT_BEGUN)
        self._sample: Sample | None = Sample(settings.sample_rows, len(self.subjects))
        self._bins: Bins | None = None
        width = len(self.subjects)
        size = (settings.weeks + 1) * HOURS_IN_WEEK
        self._hours = Hours(
            features=_empty_group(self.features),
            served=_empty_group(len(SERVED)),
            rows=np.zeros(2, np.int64),
            hour=np.full(size, NO_HOUR, np.int64),
            past=np.zeros((size, COUNTS, width), np.int32),
            past_rows=np.zeros((size, 2), np.int64),
            is_bad=np.zeros((size, width), np.bool_),
        )
        start = settings.start_mean
        self._null = Null(
            mean=np.full(2 * width, start),
            variance=np.full(2 * width, start * start / START_SHAPE),
            seen=np.full(2 * width, settings.start_hours),
            waiting=np.full((QUARANTINE_HOURS, 2 * width), np.nan),
            level=np.zeros(2 * width, np.int64),
            clock=np.zeros(CLOCKS, np.int64),
        )
        self._null.clock[SURGE] = -settings.surge_hours
        self._limits = Limits(
            first_served=self.features + FIRST_SERVED,
            least_rows=settings.least_rows,
            weeks=settings.weeks,
            alpha=settings.false_discovery_rate,
            period_hours=settings.period_weeks * HOURS_IN_WEEK,
            least_moved=settings.least_moved,
            psi_warning=settings.psi_warning,
            psi_alarm=settings.psi_alarm,
            psi_end=settings.psi_end,
            surge=settings.surge,
            surge_hours=settings.surge_hours,
            settled_hours=settings.start_hours + settings.settle_hours,
            memory_hours=settings.memory_weeks * HOURS_IN_WEEK,
        )
        self._compared = Compared(
            now=np.zeros((COUNTS, width), np.int64),
            week=np.zeros((COUNTS, width), np.int64),
            past=np.zeros((COUNTS, width), np.int64),
            is_well=np.zeros(width, np.int64),
            past_rows=np.zeros(width),
            left=np.zeros(width),
            past_left=np.zeros(width),
            statistic=np.zeros(2 * width),
            freedom=np.zeros(2 * width),
        )
        self._out = Changes(np.zeros((4 * width, FOUND)), np.zeros(1, np.int64))

    @property
    def levels(self) -> NDArray[np.int64]:
        """(2 s,) of every subject's values, then of their missing shares."""
        return self._null.level.copy()

    @property
    def hours(self) -> Hours:
        """What was counted, by hour; not to be written to."""
        return self._hours

    @property
    def usual(self) -> NDArray[np.float64]:
        """(2 s,) mean of each test's statistic when nothing has happened; not to be written to."""
        return self._null.mean

    @property
    def bins(self) -> Bins | None:
        """Of all subjects; None while they are learned."""
        return self._bins

    def fold(self, frame: Frame, now_us: int) -> list[Finding]:
        """Take the next frame, whose last event is known at `now_us`; returns what has changed.

        The findings have no `seq` yet: it depends on tables that this fold does not read.
        """
        if "decision" not in frame.tables:
            return self._count(np.zeros(0, np.int64), *self._no_columns(), now_us)
        decided = frame.tables["decision"]
        known_us = frame.tables["transaction"]["known_time_us"]
        model = decided["probability_model"]
        served = np.column_stack(
            [model, decided["probability"], decided["action"].astype(np.float64)]
        ).astype(np.float32)
        by_plan_b = (decided["scorer"] == Scorer.HEURISTIC) & np.isfinite(model)
        start = 0
        if self._bins is None:
            start = self._learn(frame.tables["transaction"], known_us, decided["features"], served)
        columns = decided["features"][start:], served[start:], by_plan_b[start:]
        return self._count(known_us[start:], *columns, now_us)

    def _no_columns(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        return (
            np.zeros((0, self.features), np.float32),
            np.zeros((0, len(SERVED)), np.float32),
            np.zeros(0, np.bool_),
        )

    @property
    def compared_from_us(self) -> int | None:
        """Known time from which rows are compared, at the earliest: a week after the bins are learned.

        None before the first transaction.
        """
        learned_us = self._learn_us[1]
        return None if learned_us == NOT_BEGUN else learned_us + HOURS_IN_WEEK * HOUR_US

    def _learn(
        self,
        transactions: dict[str, NDArray[Any]],
        known_us: NDArray[np.int64],
        features: NDArray[np.float32],
        served: NDArray[np.float32],
    ) -> int:
        """Learn the bins from what is in time for it; returns the first row after that."""
        settings = self.settings
        if self._learn_us[0] == NOT_BEGUN:
            from_us = (int(known_us[0]) // HOUR_US) * HOUR_US + settings.learn_from_s * SECOND_US
            self._learn_us = from_us, from_us + settings.learn_s * SECOND_US
        sample = self._sample
        assert sample is not None
        while True:
            start, stop = np.searchsorted(known_us, self._learn_us).tolist()
            if start < stop:
                rows = np.concatenate([features[start:stop], served[start:stop]], axis=1)
                sample.take(transactions["transaction_key"][start:stop], rows)
            if stop == len(known_us):
                return stop
            if len(sample.rows) >= min(settings.least_rows, settings.sample_rows):
                break
            self._learn_us = self._learn_us[1], self._learn_us[1] + settings.learn_s * SECOND_US
        self._begin(sample.bins())
        return stop

    def _begin(self, bins: Bins) -> None:
        self._bins, self._sample = bins, None
        self._hours.features.edges[:] = bins.edges[:, : self.features]
        self._hours.served.edges[:] = bins.edges[:, self.features :]
        self._null.clock[HOUR] = self._learn_us[1] // HOUR_US

    def _count(
        self,
        known_us: NDArray[np.int64],
        features: NDArray[np.float32],
        served: NDArray[np.float32],
        by_plan_b: NDArray[np.bool_],
        now_us: int,
    ) -> list[Finding]:
        if self._bins is None:
            return []
        findings, row = [], 0
        while True:
            self._out.filled[0] = 0
            row = fold(
                self._hours,
                self._bins.edges,
                self._null,
                self._limits,
                self._compared,
                self._bins.deviation,
                known_us,
                features,
                served,
                by_plan_b,
                row,
                now_us,
                self._out,
            )
            findings += [self._finding(f) for f in self._out.found[: self._out.filled[0]].tolist()]
            if (self._null.clock[HOUR] + 1) * HOUR_US > now_us:
                return findings

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical copy, for a snapshot."""
        arrays: dict[str, NDArray[Any]] = {"learn_us": np.array(self._learn_us, np.int64)}
        if self._bins is not None:
            arrays["bins.edges"] = self._bins.edges.copy()
            arrays["bins.deviation"] = self._bins.deviation.copy()
        elif self._sample is not None:
            sample = self._sample
            arrays["sample.hashes"], arrays["sample.rows"] = sample.hashes, sample.rows
            arrays["sample.kept_below"] = np.array([sample.kept_below], np.uint64)
        return arrays | {name: array.copy() for name, array in self._counted().items()}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""
        from_us, to_us = arrays["learn_us"].tolist()
        self._learn_us = from_us, to_us
        if "bins.edges" in arrays:
            self._begin(Bins(arrays["bins.edges"].copy(), arrays["bins.deviation"].copy()))
        elif self._sample is not None:
            self._sample.hashes, self._sample.rows = arrays["sample.hashes"], arrays["sample.rows"]
            self._sample.kept_below = int(arrays["sample.kept_below"][0])
        for name, array in self._counted().items():
            array[:] = arrays[name]

    def _counted(self) -> dict[str, NDArray[Any]]:
        """The arrays of the state, by name."""
        hours = self._hours
        arrays = {"features": hours.features.now, "served": hours.served.now}
        names = ("rows", "hour", "past", "past_rows", "is_bad")
        arrays |= {f"hours.{name}": getattr(hours, name) for name in names}
        return arrays | {f"null.{name}": array for name, array in self._null._asdict().items()}

    def _finding(self, found: list[float]) -> Finding:
        hour, test, level, psi, by_chance, distance, log_e, threshold, rows, past = found
        subject = self.subjects[int(test) % len(self.subjects)]
        is_value = int(test) < len(self.subjects)
        words = (
            f"population stability index {psi:.2f} beyond the {by_chance:.2f} that chance explains, "
            f"by chance at most once in {once_in(log_e)} comparisons ({once_in(threshold)} needed)"
        )
        if is_value:
            words += f", moved by {distance:.2g} standard deviations"
        words += f": {rows:,.0f} rows against {past:,.0f} of the same hours of earlier weeks"
        if past == 0.0:
            words = f"it has been so for {self.settings.weeks} weeks, and is taken as normal now"
        limit = {
            Level.ALARM: self.settings.psi_alarm,
            Level.WARNING: self.settings.psi_warning,
            Level.OK: self.settings.psi_end,
        }[Level(int(level))]
        return Finding(
            FEATURE if int(test) % len(self.subjects) < self.features else SCORE,
            subject if is_value else f"{subject}: missing",
            Level(int(level)),
            psi,
            limit,
            -1,
            (int(hour) + 1) * HOUR_US,
            words,
        )


def _empty_group(width: int) -> Group:
    edges = np.full((EDGES, width), np.inf, np.float32)
    return Group(edges, np.zeros((COUNTS, width), np.int32))
