"""What a monitor says: plain values, so that a page, a webhook and the switch can all read them."""

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """How bad it is."""

    OK = 0
    WARNING = 1
    ALARM = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """A subject's level has changed.

    Args:
        monitor: which monitor says so.
        subject: of what: a feature, "count", "money", ...
        level: from here on.
        statistic: what was computed; its unit is the monitor's.
        threshold: of the statistic: where the level begins; for OK, below (above) which a warning ends.
        seq: of the event with which it could be known.
        known_time_us: end of the stretch of time that was judged.
        words: the evidence, in words and numbers.

    >>> Finding("label_feed", "messages: fewer", Level.ALARM, 9.0, 7.0, 5, 0, "none came").level.name
    'ALARM'
    """

    monitor: str
    subject: str
    level: Level
    statistic: float
    threshold: float
    seq: int
    known_time_us: int
    words: str


def in_words(monitor: str, subject: str) -> str:
    """Which finding, for a sentence.

    >>> in_words("label_feed", "messages: fewer")
    'label feed (messages, fewer than expected)'
    """
    return f"{monitor.replace('_', ' ')} ({subject_in_words(subject)})"


def subject_in_words(subject: str) -> str:
    """A subject whose side is said in full.

    >>> subject_in_words("count: more"), subject_in_words("amount")
    ('count, more than expected', 'amount')
    """
    name, _, side = subject.rpartition(": ")
    return f"{name}, {side} than expected" if side in ("more", "fewer") else subject
