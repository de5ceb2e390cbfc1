"""What becomes an alert: switches, alarms of the monitors and their end, and troubles of the scorer itself.

Warnings are for the page. What the monitors say is read from their timeline, whose entries have a place in
the ledger: so an alert has the same id whenever it is made, also after a restart, and none is made twice.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, NamedTuple

import msgspec

from monitoring.view import EntrySeen, MonitorView

HOLD_S = {
    "learner_stale": 60.0,
    "monitor_stale": 60.0,
    "ledger_unwritable": 0.0,
    "api_keys_broken": 10.0,
}
"""How long a trouble must last before it is one: a worker that starts again does not speak at once, and a
file that is copied into its place is not whole for a moment."""


Kind = Literal["switch", "alarm", "alarm_ended"]
JOINED = "feature_shift: "
"""Findings that come by the dozen when traffic changes, and never switch unless they are told to."""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert, as it is posted.

    Args:
        id: the same each time that it is sent.
        scorer: which scorer: an id of its ledger.
        kind: what happened.
        subject: the state that was switched to, the monitor and what it watches, or the trouble; of many
            features that shift at once the monitor and their number.
        subjects: all that it is about; mostly that subject alone.
        words: why, for a person.
        by_hand: somebody asked for it.
        time: when, RFC 3339; of monitors and switches by the ledger's clock.
        seq: of the event in the ledger; null for troubles.
    """

    id: str
    scorer: str
    kind: Literal["switch", "alarm", "alarm_ended", "trouble", "trouble_ended"]
    subject: str
    subjects: list[str]
    words: str
    by_hand: bool
    time: str
    seq: int | None


class Mark(NamedTuple):
    """How far the timeline was read, and which alarms are on there.

    Args:
        through_seq: what was known through this event has been told.
        alarms: subjects.
    """

    through_seq: int
    alarms: frozenset[str]


class OfMonitors:
    """Alerts from what the monitors see.

    Args:
        scorer: its id.
        mark: where to go on.
    """

    def __init__(self, scorer: str, mark: Mark) -> None:
        self._scorer, self.mark = scorer, mark

    def read(self, view: MonitorView) -> list[Alert]:
        """What is new, oldest first."""
        alarms = set(self.mark.alarms)
        told: dict[tuple[Kind, int, int, str], list[EntrySeen]] = {}
        for entry in reversed(view.timeline):
            if entry.seq > self.mark.through_seq:
                kind = _kind(entry, alarms)
                if kind is not None:
                    together = JOINED if entry.subject.startswith(JOINED) else entry.subject
                    at = kind, entry.seq, entry.known_time_us, together
                    told.setdefault(at, []).append(entry)
        through = max(self.mark.through_seq, view.read_through_seq)
        self.mark = Mark(through, frozenset(alarms))
        return [self._alert(kind, entries) for (kind, *_), entries in told.items()]

    def _alert(self, kind: Kind, entries: list[EntrySeen]) -> Alert:
        """Of one entry, or of the features that shifted at one look."""
        entry, subjects = entries[0], [each.subject for each in entries]
        is_one = len(entries) == 1
        subject = entry.subject if is_one else f"{JOINED}{len(entries)} features"
        return Alert(
            id=_id(self._scorer, kind, ", ".join(sorted(subjects)), entry.seq, entry.known_time_us),
            scorer=self._scorer,
            kind=kind,
            subject=subject,
            subjects=subjects,
            words=entry.words if is_one else f"at once; the first: {entry.words}",
            by_hand=entry.by_hand,
            time=_time(entry.known_time_us),
            seq=entry.seq,
        )


class OfScorer:
    """Alerts from troubles of the scorer, which last or do not.

    Args:
        scorer: its id.
    """

    def __init__(self, scorer: str) -> None:
        self._scorer = scorer
        self._since_s: dict[str, float] = {}
        self._told: set[str] = set()

    def look(self, troubles: Mapping[str, str], now_s: float) -> list[Alert]:
        """What has begun or ended.

        Args:
            troubles: those that there are, by name (keys of `HOLD_S`), with words.
            now_s: seconds since 1970.

        >>> source = OfScorer("s")
        >>> source.look({"learner_stale": "silent"}, 0.0)
        []
        >>> [each.kind for each in source.look({"learner_stale": "silent"}, 60.0)]
        ['trouble']
        >>> [each.kind for each in source.look({}, 61.0)]
        ['trouble_ended']
        """
        alerts = []
        for name, words in troubles.items():
            since_s = self._since_s.setdefault(name, now_s)
            if name not in self._told and now_s - since_s >= HOLD_S[name]:
                self._told.add(name)
                alerts.append(self._alert("trouble", name, words, now_s))
        for name in [name for name in self._since_s if name not in troubles]:
            del self._since_s[name]
            if name in self._told:
                self._told.remove(name)
                alerts.append(self._alert("trouble_ended", name, "it is over", now_s))
        return alerts

    def _alert(
        self, kind: Literal["trouble", "trouble_ended"], name: str, words: str, now_s: float
    ) -> Alert:
        now_us = int(now_s * 1e6)
        return Alert(
            id=_id(self._scorer, kind, name, 0, now_us),
            scorer=self._scorer,
            kind=kind,
            subject=name,
            subjects=[name],
            words=words,
            by_hand=False,
            time=_time(now_us),
            seq=None,
        )


def _kind(entry: EntrySeen, alarms: set[str]) -> Kind | None:
    """What an entry of the timeline is, with the alarms that are on; None where it is no alert."""
    if entry.kind == "switch":
        return "switch"
    if entry.kind == "alarm":
        is_new = entry.subject not in alarms
        alarms.add(entry.subject)
        return "alarm" if is_new else None
    if entry.subject in alarms:
        alarms.remove(entry.subject)
        return "alarm_ended"
    return None


def _id(*what: str | int) -> str:
    return hashlib.sha256(msgspec.json.encode(what)).hexdigest()[:32]


def _time(time_us: int) -> str:
    moment = datetime.fromtimestamp(time_us // 1_000_000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
