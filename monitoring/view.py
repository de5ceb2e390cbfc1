"""What the monitors see, as a page or an alert shows it: plain types, made from the overseer's state.

The process that watches sends it to the scorer, which keeps the newest; nothing is computed there.
"""

from typing import Literal

import msgspec

from monitoring.findings import Finding
from monitoring.overseer import Overseer


class FindingSeen(msgspec.Struct, frozen=True):
    """Something that is not well now."""

    monitor: str
    subject: str
    level: Literal["ok", "warning", "alarm"]
    statistic: float
    threshold: float
    words: str
    known_time_us: int


class EntrySeen(msgspec.Struct, frozen=True):
    """Something that happened (see `timeline.Entry`)."""

    known_time_us: int
    seq: int
    kind: Literal["switch", "ok", "warning", "alarm"]
    subject: str
    words: str
    by_hand: bool


class MonitorView(msgspec.Struct, frozen=True):
    """Args:
    read_through_seq: the last event that was read.
    known_time_us: of the last input that was read.
    health: of the switch.
    since_us: known time since which.
    waiting_for: what has to happen before it changes by itself.
    causes: findings that keep plan B answering.
    findings: all that is not well now, worst first.
    timeline: what happened, newest first.
    """

    read_through_seq: int
    known_time_us: int
    health: Literal["model", "heuristic", "probation", "forced"]
    since_us: int
    waiting_for: str
    causes: list[str]
    findings: list[FindingSeen]
    timeline: list[EntrySeen]


def view_of(overseer: Overseer) -> MonitorView:
    """What there is to see now."""
    switch = overseer.switch
    return MonitorView(
        read_through_seq=overseer.read_through_seq,
        known_time_us=overseer.known_time_us,
        health=switch.health.name.lower(),  # type: ignore[arg-type]
        since_us=switch.since_us,
        waiting_for=overseer.waiting_for(),
        causes=sorted(switch.causes),
        findings=[_finding(each) for each in overseer.monitor.current],
        timeline=[EntrySeen(**each.described()) for each in reversed(overseer.timeline)],
    )


def _finding(finding: Finding) -> FindingSeen:
    return FindingSeen(
        finding.monitor,
        finding.subject,
        finding.level.name.lower(),  # type: ignore[arg-type]
        finding.statistic,
        finding.threshold,
        finding.words,
        finding.known_time_us,
    )
