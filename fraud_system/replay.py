"""The two folds wired to a ledger: the main job offline, recovery, and the proof that both agree.

`run` feeds arrivals; the learner is asked after each frame, so a publication is adopted right after the
label that made it due, wherever the frames were cut. `recover` brings an engine and a learner to the
end of a ledger, and `verify` recomputes a whole ledger and compares every byte.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fraud_system.comparison import compare
from fraud_system.engine import STATUS, Engine
from fraud_system.errors import ArtefactError, ReplayMismatch
from fraud_system.events import Arrivals, Frame
from fraud_system.learner import Learner
from fraud_system.ledger import Ledger
from fraud_system.merged_frames import joined
from fraud_system.publication import Publication
from fraud_system.recovery import VERSION, newest_snapshot, recover_engine, refolded, save_engine
from fraud_system.settings import Settings

MAX_REFUSED_KEPT = 1_000


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
    save_engine(engine, ledger)
    save_learner(learner, ledger)


def save_learner(learner: Learner, ledger: Ledger) -> None:
    """Keep the learner's state; a reader's ledger will do."""
    ledger.save_snapshot("learner", learner.read_through_seq, learner.to_arrays() | VERSION)


def recover(settings: Settings, ledger: Ledger) -> tuple[Engine, Learner]:
    """Engine and learner at the end of the ledger: the newest snapshot of each, plus the tail.

    That is `recover_engine` and `recover_learner`, and what neither of them may do: a publication that
    had become due, but was not recorded before the crash, is adopted and recorded now. That is where it
    would have been. So an empty ledger gives the same as `start`.

    Go on with the inputs that follow the last recorded one; those among them that are older than
    `Engine.known_time_us` had been refused before the crash.

    Raises:
        ArtefactError: a snapshot was made under other settings.
        ReplayMismatch: the ledger was, or cannot be continued here.
    """
    engine = recover_engine(settings, ledger)
    learner, ready = recover_learner(settings, ledger)
    if ready is not None and ready.version > engine.weights_version:
        frame = engine.adopt(ready)
        learner.fold(frame)
        ledger.append([frame])
    return engine, learner


def recover_learner(settings: Settings, ledger: Ledger) -> tuple[Learner, Publication | None]:
    """The learner at the end of the ledger, and the newest publication that it has ready.

    Whether that has been adopted already, the engine's `weights_version` tells. None where it is not
    known: the snapshot does not hold it, and none has become due since. Nothing is written.

    Raises:
        ArtefactError, LedgerError: as `recover_engine`.
    """
    learner, ready = restored_learner(settings, ledger)
    for frame in ledger.frames(learner.read_through_seq):
        due = learner.fold(frame)
        ready = due[-1] if due else ready
    return learner, ready


def restored_learner(settings: Settings, ledger: Ledger) -> tuple[Learner, Publication | None]:
    """The same of the learner, and what it had ready there."""
    found = newest_snapshot(ledger, "learner")
    if found is None:
        learner = Learner(settings)
        return learner, learner.first_publication()
    learner = Learner.from_arrays(settings, found)
    return learner, learner.unchanged_publication()


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
        compare(frame, _as_one(refolded(engine, frame)))
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
    compare(frame, Frame(frame.first_seq, frame.last_seq, frame.known_time_us, tables))
    return again.version


def _loaded(settings: Settings, frame: Frame) -> Publication:
    """What a learner publishes that goes on from the recorded state of a model that was loaded."""
    try:
        return Learner(settings).go_on_from(frame.tables["champion"], frame.first_seq)
    except (ArtefactError, KeyError, IndexError, ValueError) as error:
        raise ReplayMismatch(
            f"the loaded model cannot be gone on from: {error!r}", field=f"seq {frame.first_seq}"
        ) from error


def _as_one(frames: list[Frame]) -> Frame | None:
    if not frames:
        return None
    first, last = frames[0], frames[-1]
    return Frame(first.first_seq, last.last_seq, last.known_time_us, joined(frames))
