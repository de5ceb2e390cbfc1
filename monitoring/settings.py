"""Everything that can be set about the monitors, in one value."""

from dataclasses import asdict, dataclass, field
from typing import Any

from fraud_system.errors import ConfigError
from monitoring.dispersion import DispersionSettings
from monitoring.e_detector import EDetectorSettings
from monitoring.expectation import ExpectationSettings
from monitoring.fraud_rate import FraudRateSettings
from monitoring.label_delay import LabelDelaySettings
from monitoring.label_feed import LabelFeedSettings
from monitoring.latency import LatencySettings
from monitoring.performance import PerformanceSettings
from monitoring.sanity import SanitySettings
from monitoring.shift_settings import ShiftSettings
from monitoring.staleness import StalenessSettings
from monitoring.stretch import CohortSettings

WEEK_S = 7 * 86_400


@dataclass(frozen=True)
class MonitorSettings:
    """Of all monitors; each part is described where it lives.

    Args:
        cohorts_held: cohorts that e-detectors hold apart.

    Raises:
        ConfigError: a number is out of range, or lengths of time do not fit each other.

    >>> MonitorSettings().calibration.mean_time_between_false_alarms
    10000000.0
    """

    cohorts: CohortSettings = field(default_factory=CohortSettings)
    dispersion: DispersionSettings = field(default_factory=DispersionSettings)
    calibration: EDetectorSettings = field(default_factory=EDetectorSettings)
    fraud_rate: FraudRateSettings = field(default_factory=FraudRateSettings)
    label_feed: LabelFeedSettings = field(default_factory=LabelFeedSettings)
    label_delay: LabelDelaySettings = field(default_factory=LabelDelaySettings)
    shift: ShiftSettings = field(default_factory=ShiftSettings)
    performance: PerformanceSettings = field(default_factory=PerformanceSettings)
    expectation: ExpectationSettings = field(default_factory=ExpectationSettings)
    sanity: SanitySettings = field(default_factory=SanitySettings)
    staleness: StalenessSettings = field(default_factory=StalenessSettings)
    latency: LatencySettings = field(default_factory=LatencySettings)
    cohorts_held: int = 128

    def __post_init__(self) -> None:
        if not isinstance(self.cohorts_held, int) or self.cohorts_held < 1:
            raise ConfigError("must be a whole number above 0", field="monitor.cohorts_held")
        cohort_s = self.cohorts.cohort_s
        if WEEK_S % cohort_s:
            raise ConfigError(f"must divide a week ({WEEK_S} s)", field="cohorts.cohort_s")
        if self.dispersion.block_s % cohort_s:
            raise ConfigError(
                f"must be a multiple of cohorts.cohort_s ({cohort_s})", field="dispersion.block_s"
            )

    def described(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)
