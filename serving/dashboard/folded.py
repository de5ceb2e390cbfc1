"""Long lists made short: what may switch comes first, and what belongs together is folded into one line.

When traffic changes, dozens of features shift at once. They are one thing that happened: the count and
the largest are shown, the others behind a fold, so that what keeps plan B answering is not the last of a long
list.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from monitoring.view import EntrySeen, FindingSeen

FOLDED = "feature_shift"
SHOWN = 3  # of those that belong together
MOST_ROWS = 30  # of the timeline
FIRST_ROWS = 4  # of those, before the fold
MOST_NAMES = 60  # in a fold
MOST_COLUMNS = 20  # with their pictures; of the others the figure is told
_RANK = {"alarm": 0, "warning": 1, "ok": 2}


class Found(NamedTuple):
    """Findings in one line: one, or several of a monitor at one level, the largest first."""

    first: FindingSeen
    all: list[FindingSeen]

    @property
    def is_folded(self) -> bool:
        """Whether it stands for several."""
        return len(self.all) > 1


class Happened(NamedTuple):
    """Entries in one line: one, or several of a monitor, of one kind and moment."""

    first: EntrySeen
    all: list[EntrySeen]

    @property
    def is_folded(self) -> bool:
        """Whether it stands for several."""
        return len(self.all) > 1

    @property
    def monitor(self) -> str:
        """Which says so."""
        return _monitor(self.first)


def found(findings: Sequence[FindingSeen]) -> list[Found]:
    """What may switch, then alarms, then warnings; shifts of many features folded, the largest first.

    >>> def of(monitor, subject, level, statistic, may_switch=False):
    ...     return FindingSeen(monitor, subject, level, statistic, 0.1, "", 0, may_switch)
    >>> shifts = [of(FOLDED, f"x{place}", "alarm", float(place)) for place in range(9)]
    >>> cause = of("score_shift", "model probability", "alarm", 1.0, True)
    >>> [(each.first.subject, len(each.all)) for each in found([*shifts, cause])]
    [('model probability', 1), ('x8', 9)]
    """

    def rank(each: FindingSeen) -> tuple[bool, int]:
        return not (each.may_switch and each.level == "alarm"), _RANK[each.level]

    rows = []
    for _, of_rank in groupby(sorted(findings, key=rank), key=rank):
        listed = list(of_rank)
        shifts = [each for each in listed if each.monitor == FOLDED]
        is_folded = len(shifts) > SHOWN
        rows += [
            Found(each, [each]) for each in listed if not (is_folded and each.monitor == FOLDED)
        ]
        if is_folded:
            shifts.sort(key=lambda each: -(each.statistic or 0.0))
            rows.append(Found(shifts[0], shifts))
    return rows


def happened(timeline: Sequence[EntrySeen]) -> list[Happened]:
    """What happened, newest first; what one monitor said of many subjects at one moment is folded.

    >>> def of(subject, moment=5):
    ...     return EntrySeen(moment, 0, "alarm", subject, "", False)
    >>> rows = happened([of(f"feature_shift: x{n}") for n in range(4)] + [of("sanity: scores", 4)])
    >>> [(each.monitor, len(each.all)) for each in rows]
    [('feature_shift', 4), ('sanity', 1)]
    """

    # Within a moment the monitors take turns by the events, which nobody sees.
    def moment(each: EntrySeen) -> int:
        return each.known_time_us

    def together(each: EntrySeen) -> tuple[str, str]:
        return ("", each.kind) if each.kind == "switch" else (_monitor(each), each.kind)

    rows: list[Happened] = []
    for _, of_moment in groupby(timeline, key=moment):
        groups: dict[tuple[str, str], list[EntrySeen]] = {}
        for each in of_moment:
            groups.setdefault(together(each), []).append(each)
        for listed in groups.values():
            if len(listed) > SHOWN and listed[0].kind != "switch":
                rows.append(Happened(listed[0], listed))
            else:
                rows += [Happened(each, [each]) for each in listed]
    return rows


def _monitor(entry: EntrySeen) -> str:
    return entry.subject.partition(": ")[0]
