"""Several recorded frames taken again as one: a recovery reads thousands of micro-batches of a few rows.

Any cutting of the same inputs into frames gives the same state, so a recovery need not pay for each frame
that traffic happened to make. Only inputs are kept: what had been made of them is made again.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from fraud_system.events import Frame, Table

INPUTS = "transaction", "label", "tick"
MADE = "decision", "resolved", "dead_letter"
MOST_EVENTS = 8_192  # one frame may resolve MAX_RESOLVED_IN_FRAME


def merged(frames: Iterable[Frame], most_events: int = MOST_EVENTS) -> Iterator[Frame]:
    """Frames for `Engine.refold` that have the effect of the given ones, which are in order.

    Frames that change the engine (publications, switches) come as they are, and so do long ones.

    >>> ticks = [Frame(at, at, at, {"tick": {"seq": np.array([at])}}) for at in (1, 2, 3)]
    >>> [(frame.first_seq, frame.last_seq) for frame in merged(ticks, most_events=2)]
    [(1, 2), (3, 3)]
    """
    together: list[Frame] = []
    columns: dict[str, list[str]] = {}
    for frame in frames:
        own = {name: list(frame.tables[name]) for name in INPUTS if name in frame.tables}
        is_fold = frame.tables.keys() <= {*INPUTS, *MADE}
        fits = is_fold and all(columns.get(name, its) == its for name, its in own.items())
        if together and (not fits or frame.last_seq - together[0].first_seq >= most_events):
            yield _joined(together)
            together, columns = [], {}
        if is_fold:
            together.append(frame)
            columns |= own
        else:
            yield frame
    if together:
        yield _joined(together)


def _joined(frames: list[Frame]) -> Frame:
    first, last = frames[0], frames[-1]
    inputs = [
        Frame(
            f.first_seq,
            f.last_seq,
            f.known_time_us,
            {n: f.tables[n] for n in INPUTS if n in f.tables},
        )
        for f in frames
    ]
    return Frame(first.first_seq, last.last_seq, last.known_time_us, joined(inputs))


def joined(frames: Iterable[Frame]) -> dict[str, Table]:
    """The tables of several frames, one after the other."""
    frames = list(frames)
    if len(frames) == 1:
        return frames[0].tables
    parts: dict[str, list[Table]] = {}
    for frame in frames:
        for name, table in frame.tables.items():
            parts.setdefault(name, []).append(table)
    return {
        name: {column: np.concatenate([t[column] for t in tables]) for column in tables[0]}
        for name, tables in parts.items()
    }
