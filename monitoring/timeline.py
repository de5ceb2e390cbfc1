"""What has happened, for people: switches and findings in the order in which they were known."""

from dataclasses import asdict, dataclass
from typing import Any, Self

from fraud_system.events import Frame
from fraud_system.switching import Switch
from monitoring.findings import Finding


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened.

    Args:
        known_time_us: when it was known.
        seq: of the event with which it was known.
        kind: `switch`, `alarm`, `warning` or `ok` (a level that is over).
        subject: the new state, or `monitor: subject`.
        words: why.
        by_hand: somebody asked for it.
    """

    known_time_us: int
    seq: int
    kind: str
    subject: str
    words: str
    by_hand: bool = False

    @classmethod
    def of_switch(cls, switch: Switch, frame: Frame) -> Self:
        """Of a recorded switch."""
        # Of a switch by hand the evidence is who asked for it.
        mark = ", " if switch.by_hand else ". "
        words = mark.join(each for each in (switch.reason, switch.evidence) if each)
        name = switch.health.name.lower()
        return cls(frame.known_time_us, frame.last_seq, "switch", name, words, switch.by_hand)

    @classmethod
    def of_finding(cls, finding: Finding) -> Self:
        """Of a monitor's finding.

        >>> from monitoring.findings import Level
        >>> found = Finding("shift", "amount", Level.WARNING, 0.3, 0.2, 9, 5, "PSI 0.3")
        >>> Entry.of_finding(found).subject
        'shift: amount'
        """
        subject = f"{finding.monitor}: {finding.subject}"
        kind = finding.level.name.lower()
        return cls(finding.known_time_us, finding.seq, kind, subject, finding.words)

    def described(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)
