"""Do label messages still come? No labels is not no fraud.

All messages of a stretch are compared with those that should have come in it, whatever they are about: the
reports that the model's probabilities and the law of delays expect in that stretch, times what this place in
the week usually brings per such report (a feed that rests at weekends is not silent then; nor are duplicates
and reversals a flood). The statistic is the e-detector of `watch`, its cohorts being the stretches in which
messages come, betting on a third, a twentieth, and on three and twenty times as many: `fewer` is silence,
`more` is a flood. What is usual is not learned while there is an alarm.

It cannot see: a feed that loses less than half of its messages (`calibration` does, sooner or later); a
silence that is shorter than what some twenty messages usually take; and why.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.setting_checks import check_positive
from monitoring.e_detector import FEWER, MORE, EDetectorSettings
from monitoring.findings import Finding, Level
from monitoring.stretch import Stretch
from monitoring.watch import Marks, Told, Watch
from monitoring.weeks import places_in_week

MONITOR, SUBJECT = "label_feed", "messages"


@dataclass(frozen=True)
class LabelFeedSettings:
    """Args:
        detector: see `EDetectorSettings`.
        prior_reports: what each place in the week is first taken to have seen, one message a report.
        memory_weeks: for how long what was seen counts; it fades.

    Raises:
        ConfigError: a number is out of range.
    """

    detector: EDetectorSettings = field(
        default_factory=lambda: EDetectorSettings(
            tolerance=0.2, alternatives=(3.0, 20.0), recovery_reports=20.0
        )
    )
    prior_reports: float = 2.0
    memory_weeks: float = 8.0

    def __post_init__(self) -> None:
        check_positive(
            "label_feed", prior_reports=self.prior_reports, memory_weeks=self.memory_weeks
        )


class LabelFeed:
    """The fold over stretches.

    Args:
        settings: see `LabelFeedSettings`.
        stretches: held apart (see `EDetector`).
        cohort_us: length of a stretch.
    """

    def __init__(self, settings: LabelFeedSettings, stretches: int, cohort_us: int) -> None:
        self.settings = settings
        told = Told("label messages", "{} were due", "in", "since")
        self.silent, self.flooded = (
            Watch(MONITOR, SUBJECT, told, settings.detector, stretches, (side,))
            for side in (FEWER, MORE)
        )
        places = places_in_week(cohort_us)
        self._messages = np.full(places, settings.prior_reports)
        self._expected = np.full(places, settings.prior_reports)

    @property
    def silence(self) -> Level:
        """Whether too few messages come."""
        return self.silent.levels[FEWER]

    @property
    def evidence(self) -> float:
        """Of silence or of a flood, whichever is more likely; in transactions."""
        return max(*self.silent.evidence, *self.flooded.evidence)

    def fold(self, stretch: Stretch) -> list[Finding]:
        """Take the next stretch; returns what has changed."""
        place = stretch.number % len(self._messages)
        reports = stretch.expected_reports
        expected = reports * self._messages[place] / self._expected[place]
        now = np.array([stretch.number])
        came = Marks(np.repeat(now, stretch.messages), np.ones(stretch.messages))
        due = Marks(now, np.array([expected]))
        # Reports of one cluster come apart when there is silence, and may come together in a flood.
        findings = self.silent.fold(stretch, came, due, dispersion=1.0)
        findings += self.flooded.fold(stretch, came, due, stretch.dispersion)
        if max(*self.silent.levels, *self.flooded.levels) < Level.ALARM:
            keep = 1.0 - 1.0 / self.settings.memory_weeks
            self._messages[place] = keep * self._messages[place] + stretch.messages
            self._expected[place] = keep * self._expected[place] + reports
        return findings

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical copy, for a snapshot."""
        arrays = {"messages": self._messages.copy(), "expected": self._expected.copy()}
        for name, watch in self._watches().items():
            arrays |= {f"{name}.{n}": array for n, array in watch.to_arrays().items()}
        return arrays

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""
        self._messages[:], self._expected[:] = arrays["messages"], arrays["expected"]
        for name, watch in self._watches().items():
            cut = len(name) + 1
            watch.restore({n[cut:]: a for n, a in arrays.items() if n.startswith(name + ".")})

    def _watches(self) -> dict[str, Watch]:
        return {"silent": self.silent, "flooded": self.flooded}
