"""Monitors and switch together, as a process beside the scorer or a drill runs them.

frame --> [ monitors ] --> findings --> [ switch ] --> proposals, for the engine to record
                              └───────> timeline, for people
"""

import json
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.errors import ArtefactError
from fraud_system.events import Frame
from fraud_system.ledger import Ledger
from fraud_system.settings import Settings
from fraud_system.switching import Switch
from monitoring.health import HealthSettings, HealthSwitch, Proposal
from monitoring.monitor import Monitor
from monitoring.settings import MonitorSettings
from monitoring.timeline import Entry

TIMELINE_LENGTH = 200
SNAPSHOT = "monitor"
_CLOCKS = ("transaction", "label", "tick")


class Overseer:
    """All monitors of one ledger, the switch, and what has happened.

    Args:
        monitors: settings of the monitors.
        health: settings of the switch.
        system: of the engine and the learner.
    """

    def __init__(self, monitors: MonitorSettings, health: HealthSettings, system: Settings) -> None:
        self.monitor = Monitor(monitors, system)
        self.switch = HealthSwitch(health)
        self.timeline: deque[Entry] = deque(maxlen=TIMELINE_LENGTH)
        self.known_time_us = 0

    @property
    def read_through_seq(self) -> int:
        """The last event that was read."""
        return self.monitor.read_through_seq

    def fold(self, frame: Frame) -> list[Proposal]:
        """Read the next recorded frame; returns what should be switched.

        Raises:
            ArtefactError: a label is about a transaction that was not read, or not in its place.
        """
        inputs = [frame.tables[name] for name in _CLOCKS if name in frame.tables]
        for table in inputs:
            self.known_time_us = max(self.known_time_us, int(table["known_time_us"][-1]))
        findings = self.monitor.fold(frame)
        if "mode" in frame.tables:
            switch = Switch.from_table(frame.tables["mode"])
            self.timeline.append(Entry.of_switch(switch, frame))
        self.timeline.extend(Entry.of_finding(each) for each in findings)
        law = self.monitor.cohorts.law
        return self.switch.fold(frame, findings, law, self.known_time_us)

    def waiting_for(self) -> str:
        """What has to happen before the switch changes by itself."""
        return self.switch.waiting_for(self.monitor.cohorts.law, self.known_time_us)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical snapshot."""
        entries = json.dumps([each.described() for each in self.timeline]).encode()
        arrays: dict[str, NDArray[Any]] = {
            "known_time_us": np.array([self.known_time_us]),
            "timeline": np.frombuffer(entries, np.uint8),
        }
        arrays |= {f"monitor.{n}": a for n, a in self.monitor.to_arrays().items()}
        return arrays | {f"health.{n}": a for n, a in self.switch.to_arrays().items()}

    @classmethod
    def from_arrays(
        cls,
        monitors: MonitorSettings,
        health: HealthSettings,
        system: Settings,
        arrays: dict[str, NDArray[Any]],
    ) -> "Overseer":
        """The overseer of a snapshot.

        Raises:
            ArtefactError: the snapshot was made under other settings.
        """

        def part(prefix: str) -> dict[str, NDArray[Any]]:
            cut = len(prefix) + 1
            return {n[cut:]: a for n, a in arrays.items() if n.startswith(prefix + ".")}

        overseer = cls(monitors, health, system)
        overseer.monitor = Monitor.from_arrays(monitors, system, part("monitor"))
        overseer.switch.restore(part("health"))
        overseer.known_time_us = int(arrays["known_time_us"][0])
        entries = json.loads(arrays["timeline"].tobytes())
        overseer.timeline.extend(Entry(**each) for each in entries)
        return overseer


def recover_overseer(
    monitors: MonitorSettings, health: HealthSettings, system: Settings, ledger: Ledger
) -> Overseer:
    """The newest snapshot that fits, or a fresh one; what follows in the ledger is left to be read."""
    found = ledger.latest_snapshot(SNAPSHOT)
    if found is not None:
        try:
            return Overseer.from_arrays(monitors, health, system, found[1])
        except (ArtefactError, KeyError, ValueError):
            pass  # of other settings or another release: the ledger gives the same, only later
    return Overseer(monitors, health, system)
