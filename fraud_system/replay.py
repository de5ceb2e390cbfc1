"""The two folds wired to a ledger: the main job offline, recovery, and the proof that both agree.

`run` feeds arrivals; the learner is asked after each frame, so a publication is adopted right after the
label that made it due, wherever the frames were cut. `recover` brings an engine and a learner to the
end of a ledger, and `verify` recomputes a whole ledger and compares every byte.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fraud_system.engine import STATUS, Engine
from fraud_system.errors import ArtefactError, DataError, ReplayMismatch
from fraud_system.events import Arrivals, Frame, Table
from fraud_system.frames import labels_of
from fraud_system.learner import Learner
from fraud_system.ledger import Ledger
from fraud_system.publication import Publication
from fraud_system.settings import Settings

MAX_REFUSED_KEPT = 1_000
# Of what `to_arrays` gives: to be raised whenever that changes, so that recovery passes over the snapshots
# of earlier releases. The ledger gives the same state, only later.
STATE_VERSION = 2


@dataclass
class Refused:
    """Inputs that the engine did not accept, by reason; at most MAX_REFUSED_KEPT ids each."""

    count: dict[str, int] = field(default_factory=dict)
    transaction_id: dict[str, list[str]] = field(default_factory=dict)

    def add(self, arrivals: Arrivals, start: int, status: NDArray[np.uint8]) -> None:
        """Note what was refused among the inputs from `start`."""
        for position in np.flatnonzero(status):
            reason = STATUS[int(status[position])]
            row = arrivals.row[start + position]
            self.count[reason] = self.count.get(reason, 0) + 1
            ids = self.transaction_id.setdefault(reason, [])
            if len(ids) < MAX_REFUSED_KEPT:
                ids.append(arrivals.transactions.transaction_id[row].decode())

    def merge(self, other: "Refused") -> None:
        """Add another account to this one."""
        for reason, count in other.count.items():
            self.count[reason] = self.count.get(reason, 0) + count
            ids = self.transaction_id.setdefault(reason, [])
            ids += other.transaction_id[reason][: MAX_REFUSED_KEPT - len(ids)]


def start(settings: Settings, ledger: Ledger) -> tuple[Engine, Learner]:
    """A fresh engine and learner on an empty ledger, with the first weights adopted and recorded."""
    engine, learner = Engine(settings), Learner(settings)
    frame = engine.adopt(learner.first_publication())
    learner.fold(frame)
    ledger.append([frame])
    return engine, learner


def run(
    engine: Engine,
    learner: Learner,
    ledger: Ledger,
    batches: Iterable[Arrivals],
    batches_in_commit: int = 1,
    observe: Callable[[Frame], None] | None = None,
) -> Iterator[Refused]:
    """Fold batches in order. Yields what was refused, after each batch.

    One durable commit takes `batches_in_commit` of them: nobody waits for the answers of a replay, and
    the ledger's index of ids costs less in large commits. What is not committed yet is lost by a crash.

    `observe` is shown every frame in order, before its commit: a third fold, such as streaming metrics,
    that changes nothing.
    """
    frames: list[Frame] = []

    def take(frame: Frame) -> list[Publication]:
        frames.append(frame)
        if observe is not None:
            observe(frame)
        return learner.fold(frame)

    for number, arrivals in enumerate(batches, start=1):
        refused = Refused()
        position = 0
        while True:
            folded = engine.fold(arrivals, position, learner.labels_until_publication)
            refused.add(arrivals, position, folded.status)
            due = [] if folded.frame is None else take(folded.frame)
            for publication in due:
                take(engine.adopt(publication))
            position = folded.consumed
            if position == len(arrivals):
                break
        if number % batches_in_commit == 0:
            ledger.append(frames, engine.oldest_open_seq)
            frames = []
        yield refused
    ledger.append(frames, engine.oldest_open_seq)


def save_snapshot(engine: Engine, learner: Learner, ledger: Ledger) -> None:
    """Keep both states beside the ledger, so that recovery need not start from empty.

    Each is kept at the place that it has read to: a learner may lag.
    """
    version = {"state_version": np.array([STATE_VERSION])}
    ledger.save_snapshot("engine", engine.last_seq, engine.to_arrays() | version)
    ledger.save_snapshot("learner", learner.read_through_seq, learner.to_arrays() | version)


def recover(settings: Settings, ledger: Ledger) -> tuple[Engine, Learner]:
    """Engine and learner at the end of the ledger: the newest snapshot of each, plus the tail.

    A publication that had become due, but was not recorded before the crash, is adopted and recorded
    now: that is where it would have been. So an empty ledger gives the same as `start`.

    Go on with the inputs that follow the last recorded one; those among them that are older than
    `Engine.known_time_us` had been refused before the crash.

    Raises:
        ArtefactError: a snapshot was made under other settings.
        ReplayMismatch: the ledger was, or cannot be continued here.
    """
    engine, learner = Engine(settings), Learner(settings)
    pending: Publication | None = learner.first_publication()
    if at_engine := _snapshot(ledger, "engine"):
        engine = Engine.from_arrays(settings, at_engine)
    if at_learner := _snapshot(ledger, "learner"):
        learner = Learner.from_arrays(settings, at_learner)
        pending = learner.unchanged_publication()
    for frame in ledger.frames(min(engine.last_seq, learner.read_through_seq)):
        if frame.last_seq > engine.last_seq:
            _refold(engine, frame)
        if frame.last_seq > learner.read_through_seq:
            due = learner.fold(frame)
            pending = due[-1] if due else pending
    if pending is not None and pending.version > engine.weights_version:
        frame = engine.adopt(pending)
        learner.fold(frame)
        ledger.append([frame])
    return engine, learner


def _snapshot(ledger: Ledger, name: str) -> Table | None:
    """The newest snapshot of a fold, if this release can read it."""
    found = ledger.latest_snapshot(name)
    if found is None or found[1].get("state_version", np.zeros(1)).tolist() != [STATE_VERSION]:
        return None
    return found[1]


def _refold(engine: Engine, frame: Frame) -> list[Frame]:
    """What the engine makes of a recorded frame, if it makes as many events of it."""
    problem: Exception | None = None
    try:
        made = engine.refold(frame)
    except (ArtefactError, DataError, KeyError, IndexError, ValueError) as error:
        problem = error
    if problem is not None or engine.last_seq != frame.last_seq:
        why = repr(problem) if problem else f"a replay reaches event {engine.last_seq}"
        raise ReplayMismatch(
            f"the frame cannot be replayed: {why}",
            field=f"seq {frame.first_seq}..{frame.last_seq}",
            fix="replay with the settings, lock file, Python and CPU type of the record",
        ) from problem
    return made


def verify(settings: Settings, ledger: Ledger) -> Iterator[int]:
    """Replay a whole ledger from empty; yields, after each frame, the last seq that came out the same.

    Every table of every frame is recomputed by a second engine, every published weight by a second
    learner, and compared byte by byte. A model that was loaded (see `champion`) is an input; what it
    published is compared.

    Raises:
        ReplayMismatch: naming the first seq and column that differ.
    """
    engine, learner = Engine(settings), Learner(settings)
    learned = {0: learner.first_publication()}
    for frame in ledger.frames():
        if "published" in frame.tables:
            if "champion" in frame.tables:
                learned = {frame.first_seq: _loaded(settings, frame)}
            version = _check_published(frame, learned)
            # Versions are adopted in order, so older ones cannot come any more.
            learned = {v: p for v, p in learned.items() if v > version}
        _compare(frame, _refold(engine, frame))
        learned |= {each.version: each for each in learner.fold(frame)}
        yield engine.last_seq


def _check_published(frame: Frame, learned: dict[int, Publication]) -> int:
    """The version of the recorded weights, if the second learner has learned the same by now."""
    recorded = frame.tables["published"]
    found = recorded["version"].tolist() if "version" in recorded else []
    if len(found) != 1 or found[0] not in learned:
        raise ReplayMismatch(
            f"weights version {found} had not been learned by then",
            field=f"seq {frame.first_seq}",
        )
    again = learned[found[0]]
    tables = frame.tables | {"published": again.table(frame.first_seq)}
    _compare(frame, [Frame(frame.first_seq, frame.last_seq, frame.known_time_us, tables)])
    return again.version


def _loaded(settings: Settings, frame: Frame) -> Publication:
    """What a learner publishes that goes on from the recorded state of a model that was loaded."""
    try:
        return Learner(settings).go_on_from(frame.tables["champion"], frame.first_seq)
    except (ArtefactError, KeyError, IndexError, ValueError) as error:
        raise ReplayMismatch(
            f"the loaded model cannot be gone on from: {error!r}", field=f"seq {frame.first_seq}"
        ) from error


def _compare(recorded: Frame, made: list[Frame]) -> None:
    ends = (recorded.first_seq, recorded.last_seq, recorded.known_time_us)
    if not made or (made[0].first_seq, made[-1].last_seq, made[-1].known_time_us) != ends:
        raise ReplayMismatch(
            "first_seq, last_seq or known_time_us were recorded differently",
            field=f"seq {recorded.first_seq}..{recorded.last_seq}",
        )
    again = _as_recorded(joined(made), recorded)
    for name in sorted(set(recorded.tables) | set(again)):
        expected, found = recorded.tables.get(name, {}), again.get(name, {})
        for column in sorted(set(expected) | set(found)):
            left, right = expected.get(column), found.get(column)
            same = (
                left is not None
                and right is not None
                and left.shape == right.shape
                and left.dtype == right.dtype
                and left.tobytes() == right.tobytes()
            )
            if not same:
                raise ReplayMismatch(
                    f"{name}.{column} was recorded differently",
                    field=f"seq {recorded.first_seq}..{recorded.last_seq}",
                    fix="replay with the lock file, Python and CPU type of the record",
                )


def _as_recorded(tables: dict[str, Table], recorded: Frame) -> dict[str, Table]:
    """Without the column that a release before it did not record: it follows from the others."""
    label = recorded.tables.get("label")
    if label is None or "label_key" in label or "label" not in tables:
        return tables
    return tables | {"label": {n: c for n, c in tables["label"].items() if n != "label_key"}}


def joined(frames: Iterable[Frame]) -> dict[str, Table]:
    """The tables of several frames, one after the other."""
    parts: dict[str, list[Table]] = {}
    for frame in frames:
        for name, table in frame.tables.items():
            parts.setdefault(name, []).append(table)
    return {
        name: {column: np.concatenate([t[column] for t in tables]) for column in tables[0]}
        for name, tables in parts.items()
    }


def dead_letters(ledger: Ledger) -> Iterator[Table]:
    """The label messages that were given up, as rows of the `label` table; send them again to retry."""
    held: Frame | None = None
    for frame in ledger.frames():
        for label_seq in frame.tables.get("dead_letter", {}).get("label_seq", ()):
            # Neighbours mostly come from one frame: read it once.
            if held is None or not held.first_seq <= label_seq <= held.last_seq:
                held = ledger.frame_at(int(label_seq))
            table = held.tables["label"] | labels_of(held.tables["label"]).table()
            row = table["seq"] == label_seq
            yield {name: column[row] for name, column in table.items()}
