r"""The third fold: it reads the ledger's frames and says what has changed.

    frame --> sanity, staleness, shift                (every transaction, every publication)
          \-> cohorts --> one `Stretch` at a time --> label feed and delay, calibration, fraud rate,
                                                      performance, expectation, staleness

It proposes nothing by itself: what a finding means for the switch is decided elsewhere. State is bounded by
the transactions within the label horizon and by the entities of two blocks of weeks. The same events give
the same findings, and the same bytes of state, however they are cut into frames.
"""

import hashlib
import json
from dataclasses import asdict, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fraud_system.errors import ArtefactError
from fraud_system.events import Frame, Table
from fraud_system.settings import Settings
from monitoring.calibration import Calibration
from monitoring.cohorts import CLOCKS, Cohorts
from monitoring.expectation import Expectation
from monitoring.findings import Finding, Level
from monitoring.fraud_rate import FraudRate
from monitoring.label_delay import LabelDelay
from monitoring.label_feed import LabelFeed
from monitoring.latency import Latency
from monitoring.performance import Performance
from monitoring.sanity import Sanity
from monitoring.settings import MonitorSettings
from monitoring.shift import Shift
from monitoring.staleness import Staleness
from monitoring.stretch import Stretch

STATE_VERSION = 3
FEWER = "fewer"


class Part(Protocol):
    """What a snapshot is made of."""

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical copy."""
        ...

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""
        ...


class Monitor:
    """All monitors of one ledger.

    Args:
        settings: see `MonitorSettings`.
        system: of the engine and the learner.
    """

    def __init__(self, settings: MonitorSettings, system: Settings) -> None:
        self.settings, self.system = settings, system
        entities, held = len(system.features.entities), settings.cohorts_held
        self.cohorts = Cohorts(settings.cohorts, system.labels, entities, settings.dispersion)
        cohort_us = self.cohorts.cohort_us
        self.sanity = Sanity(settings.sanity)
        self.staleness = Staleness(settings.staleness, system.publish_every_labels)
        self.latency = Latency(settings.latency)
        self.shift = Shift(settings.shift, system.features.names)
        self.label_feed = LabelFeed(settings.label_feed, held, cohort_us)
        self.label_delay = LabelDelay(settings.label_delay)
        self.calibration = Calibration(settings.calibration, held)
        self.fraud_rate = FraudRate(settings.fraud_rate, held, self.cohorts.size, cohort_us)
        self.performance = Performance(settings.performance, cohort_us)
        self.expectation = Expectation(settings.expectation, cohort_us)
        self.read_through_seq = 0
        self._current: dict[tuple[str, str], Finding] = {}

    def fold(self, frame: Frame) -> list[Finding]:
        """Read the next recorded frame; returns what has changed, in the order of events.

        Raises:
            ArtefactError: a label is about a transaction that was not read, or not in its place.
        """
        findings = self.sanity.fold(frame) + self.staleness.fold(frame) + self.latency.fold(frame)
        tables = [frame.tables[name] for name in CLOCKS if name in frame.tables]
        if tables:
            now_us = max(int(table["known_time_us"][-1]) for table in tables)
            findings += [_with_seq(each, tables) for each in self.shift.fold(frame, now_us)]
        for stretch in self.cohorts.take(frame):
            findings += self._of_stretch(stretch)
        self.read_through_seq = frame.last_seq
        # Stable: what is found at the same event stays in the order of the monitors.
        findings.sort(key=lambda each: (each.seq, each.known_time_us))
        return self._noted(findings)

    @property
    def current(self) -> list[Finding]:
        """What is not well now, worst first."""
        return sorted(
            self._current.values(), key=lambda each: (-each.level, each.monitor, each.subject)
        )

    def _of_stretch(self, stretch: Stretch) -> list[Finding]:
        of_feed = self.label_feed.fold(stretch) + self.label_delay.fold(stretch)
        of_reports = self.calibration.fold(stretch) + self.fraud_rate.fold(stretch)
        if self._labels_are_missing():
            of_reports = [_excused(each) for each in of_reports]
        others = self.performance.fold(stretch) + self.expectation.fold(stretch)
        return of_feed + of_reports + others + self.staleness.fold_stretch(stretch)

    def _labels_are_missing(self) -> bool:
        return max(self.label_delay.level, self.label_feed.silence) != Level.OK

    def _noted(self, findings: list[Finding]) -> list[Finding]:
        for each in findings:
            subject = each.monitor, each.subject
            if each.level == Level.OK:
                self._current.pop(subject, None)
            else:
                self._current[subject] = each
        return findings

    def _parts(self) -> dict[str, Part]:
        return {
            "sanity": self.sanity,
            "staleness": self.staleness,
            "latency": self.latency,
            "shift": self.shift,
            "cohorts": self.cohorts,
            "label_feed": self.label_feed,
            "label_delay": self.label_delay,
            "calibration": self.calibration,
            "fraud_rate": self.fraud_rate,
            "performance": self.performance,
            "expectation": self.expectation,
        }

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical snapshot."""
        current = json.dumps([asdict(each) for each in self.current]).encode()
        arrays: dict[str, NDArray[Any]] = {
            "settings": np.array([self._fingerprint()], "S64"),
            "read_through_seq": np.array([self.read_through_seq]),
            "current": np.frombuffer(current, np.uint8),
        }
        for name, part in self._parts().items():
            arrays |= {f"{name}.{n}": array for n, array in part.to_arrays().items()}
        return arrays

    @classmethod
    def from_arrays(
        cls, settings: MonitorSettings, system: Settings, arrays: dict[str, NDArray[Any]]
    ) -> "Monitor":
        """The monitor of a snapshot.

        Raises:
            ArtefactError: the snapshot was made under other settings.
        """
        monitor = cls(settings, system)
        if arrays["settings"][0].decode() != monitor._fingerprint():
            raise ArtefactError(
                "made under other settings", field="snapshot", fix="replay the ledger from empty"
            )
        monitor.read_through_seq = int(arrays["read_through_seq"][0])
        for given in json.loads(arrays["current"].tobytes()):
            finding = Finding(**given | {"level": Level(given["level"])})
            monitor._current[finding.monitor, finding.subject] = finding
        for name, part in monitor._parts().items():
            cut = len(name) + 1
            part.restore({n[cut:]: a for n, a in arrays.items() if n.startswith(name + ".")})
        return monitor

    def _fingerprint(self) -> str:
        described = [STATE_VERSION, self.settings.described(), self.system.fingerprint]
        return hashlib.sha256(json.dumps(described).encode()).hexdigest()


def _with_seq(finding: Finding, tables: list[Table]) -> Finding:
    """The same, with the first event at or after the moment that was judged."""
    seqs = []
    for table in tables:
        row = int(np.searchsorted(table["known_time_us"], finding.known_time_us))
        if row < len(table["seq"]):
            seqs.append(int(table["seq"][row]))
    return replace(finding, seq=min(seqs))


def _excused(finding: Finding) -> Finding:
    """Reports that fall short while labels are missing or late say nothing about fraud."""
    if finding.level != Level.ALARM or not finding.subject.endswith(FEWER):
        return finding
    words = f"{finding.words}. But labels are missing or late, which explains it: no alarm"
    return replace(finding, level=Level.WARNING, words=words)
