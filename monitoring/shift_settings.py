"""The numbers of `shift`, which says what they are for."""

from dataclasses import asdict, dataclass

from fraud_system.errors import ConfigError
from fraud_system.setting_checks import check_positive
from monitoring.hour_counts import HOURS_IN_WEEK


@dataclass(frozen=True)
class ShiftSettings:
    """Args:
        learn_from_s: after the first transaction, when the bins begin to be learned: counters fill first.
        learn_s: for how long they are learned.
        sample_rows: from so many rows at most.
        least_rows: that a window holds.
        weeks: earlier weeks that are compared with, at most.
        false_discovery_rate: of all discoveries within a period.
        period_weeks: its length.
        least_moved: share of the rows.
        psi_warning, psi_alarm, psi_end: of the index.
        surge: times the usual rows of the same hours, from which on it is the traffic that has changed.
        surge_hours: for how long after it counters are still taken to be full of it.
        settle_hours: that each test must have seen its statistic for, before it says anything.
        memory_weeks: for how long a test remembers what its statistic was.
        start_mean: of the statistic, before anything is known of it,
        start_hours: and how many hours that counts as.

    Raises:
        ConfigError: a number is out of range.
    """

    learn_from_s: int = 7 * 86_400
    learn_s: int = 7 * 86_400
    sample_rows: int = 4_096
    least_rows: int = 1_000
    weeks: int = 4
    false_discovery_rate: float = 0.01
    period_weeks: int = 4
    least_moved: float = 0.05
    psi_warning: float = 0.1
    psi_alarm: float = 0.25
    psi_end: float = 0.05
    surge: float = 2.0
    surge_hours: int = 24
    settle_hours: int = 168
    memory_weeks: float = 4.0
    start_mean: float = 2.0
    start_hours: float = 48.0

    def __post_init__(self) -> None:
        check_positive("shift", zero_or_more="learn_from_s", **asdict(self))
        if self.start_hours + self.settle_hours > self.memory_weeks * HOURS_IN_WEEK:
            raise ConfigError("must be shorter than the memory", field="shift.settle_hours")
        if not self.psi_end <= self.psi_warning <= self.psi_alarm:
            raise ConfigError("must rise from end to warning to alarm", field="shift.psi_warning")
        if self.surge <= 1.0:
            raise ConfigError("is more than the usual: above 1", field="shift.surge")
        if self.false_discovery_rate >= 1.0:
            raise ConfigError("is a share below 1", field="shift.false_discovery_rate")
