"""Which transactions are evaluated, and how the run is cut into weeks and periods.

*Settled.* Nobody ever reports "legitimate": a transaction becomes legitimate by maturing, while
frauds are reported early. So among young transactions the only known labels are frauds, and to
evaluate on "whatever is known" would invent a wave of fraud at the end. The settled part of the
run ends with the last transaction that matured; a transaction is evaluated if it lies in it and
its label is known.

*Warm-up.* The first two weeks are shown but are in no headline: the model starts from nothing.

*Drift.* After a drift mark the model can learn only from labels that arrive later. It is judged
again from `maturity + two weeks of resolved labels` after the mark; the time between is a period
of its own.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from fraud_system.errors import ArtefactError
from fraud_system.events import DAY_US, SECOND_US, Column, LabelSource

from .run_files import RUN, Predictions, setting

WEEK_US = 7 * DAY_US
WARM_UP_US = 2 * WEEK_US
LEARNING_US = 2 * WEEK_US
"""Resolved labels that the model may learn from before it is judged again after a drift."""


@dataclass(frozen=True, slots=True)
class Period:
    """Transactions with start_us <= event time < stop_us.

    Args:
        name: short and stable, for `metrics.json`.
        role: `all`, `recent`, `before` a drift, `learning` it, or `after`.
        start_us, stop_us: microseconds since 1970, UTC.
    """

    name: str
    role: str
    start_us: int
    stop_us: int

    def holds(self, event_time_us: Column) -> Column:
        """(n,) bool: which moments lie in it.

        >>> Period("p", "all", 10, 20).holds(np.array([9, 10, 19, 20]))
        array([False,  True,  True, False])
        """
        return (event_time_us >= self.start_us) & (event_time_us < self.stop_us)


@dataclass(frozen=True, slots=True)
class Calendar:
    """The run's time, cut.

    Args:
        first_day_us: midnight (UTC) of the first transaction's day; week 1 starts here.
        warm_up_end_us: two weeks later.
        last_us: the last transaction.
        settled_us: the last transaction that matured; None if none did.
        drift: (moment in microseconds, what happened), in order of time.
        maturity_us: how long a transaction waits before it counts as legitimate.
    """

    first_day_us: int
    warm_up_end_us: int
    last_us: int
    settled_us: int | None
    drift: list[tuple[int, str]]
    maturity_us: int

    @property
    def evaluated_end_us(self) -> int:
        """The settled part stops before this moment."""
        return self.first_day_us if self.settled_us is None else self.settled_us + 1

    def week(self, event_time_us: Column) -> Column:
        """(n,) int64: 1 for the first seven days, and so on."""
        return 1 + (event_time_us - self.first_day_us) // WEEK_US


def calendar_of(predictions: Predictions, run: dict[str, Any]) -> Calendar:
    """The calendar of a run.

    Raises:
        ArtefactError: a drift mark or the maturity cannot be read.
    """
    event = predictions.event_time_us
    first_day_us = int(event.min()) // DAY_US * DAY_US
    maturity_us = round(setting(run, "labels", "maturity_s") * SECOND_US)
    drift = sorted(
        (moment_us(mark.get("time"), "drift_marks"), str(mark.get("what", "")))
        for mark in run.get("drift_marks", [])
    )
    return Calendar(
        first_day_us, first_day_us + WARM_UP_US, int(event.max()), _settled_us(predictions), drift,
        maturity_us,
    )  # fmt: skip


def evaluated(predictions: Predictions, calendar: Calendar) -> Column:
    """(n,) bool: settled, and the label is known."""
    return predictions.known & (predictions.event_time_us < calendar.evaluated_end_us)


def weight_of(predictions: Predictions, counted: Column) -> Column | None:
    """(n,) 1/propensity, so that the few declined transactions let through speak for the others.

    None where every propensity among the `counted` rows is 1: nothing was withheld.
    """
    if np.all(predictions.propensity[counted] == 1.0):
        return None
    return np.asarray(1.0 / predictions.propensity)


def calibration_periods(calendar: Calendar) -> list[Period]:
    """The stretches over which calibration is judged; empty ones are left out.

    >>> day = DAY_US
    >>> quiet = Calendar(0, 14 * day, 70 * day, 69 * day - 1, [], 7 * day)
    >>> [(p.name, p.start_us // day, p.stop_us // day) for p in calibration_periods(quiet)]
    [('all', 14, 69), ('last_four_weeks', 41, 69)]
    >>> moved = Calendar(0, 14 * day, 70 * day, 69 * day - 1, [(30 * day, "new fraud")], 7 * day)
    >>> [(p.name, p.start_us // day, p.stop_us // day) for p in calibration_periods(moved)]
    [('all', 14, 69), ('before_drift', 14, 30), ('learning_drift', 30, 51), ('after_drift', 51, 69)]
    """
    begin, end = calendar.warm_up_end_us, calendar.evaluated_end_us
    periods = [Period("all", "all", begin, end)]
    marks = [moment for moment, _ in calendar.drift if moment < end]
    if not marks:
        periods.append(Period("last_four_weeks", "recent", max(begin, end - 4 * WEEK_US), end))
    else:
        periods.append(Period("before_drift", "before", begin, marks[0]))
    for number, mark in enumerate(marks, start=1):
        following = marks[number] if number < len(marks) else end
        learned = mark + calendar.maturity_us + LEARNING_US
        suffix = f"_{number}" if len(marks) > 1 else ""
        start = max(begin, mark)
        periods.append(
            Period(f"learning_drift{suffix}", "learning", start, min(learned, following))
        )
        periods.append(Period(f"after_drift{suffix}", "after", max(begin, learned), following))
    return [period for period in periods if period.start_us < period.stop_us]


def moment_us(text: object, field: str) -> int:
    """Microseconds since 1970 of an ISO 8601 time; without a zone it is UTC.

    >>> moment_us("1970-01-02", "x") == DAY_US == moment_us("1970-01-02T01:00:00+01:00", "x")
    True
    """
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise ArtefactError(
            f"{text!r} is not a time", field=f"{RUN}: {field}", fix="give ISO 8601, e.g. 2024-05-01"
        ) from error
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    whole = aware.replace(microsecond=0)
    return round(whole.timestamp()) * SECOND_US + aware.microsecond


def iso(moment: int) -> str:
    """The same moment as text, UTC, to the second.

    >>> iso(1_500_000)
    '1970-01-01T00:00:01'
    """
    return datetime.fromtimestamp(moment // SECOND_US, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _settled_us(predictions: Predictions) -> int | None:
    """Event time of the last transaction that matured, or of the last known legitimate one."""
    legitimate = predictions.known & ~predictions.is_fraud
    matured = legitimate & (predictions.label_source == LabelSource.MATURITY)
    last = matured if matured.any() else legitimate
    return int(predictions.event_time_us[last].max()) if last.any() else None
