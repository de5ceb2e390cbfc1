"""An engine at the end of a ledger: the newest snapshot, plus the tail. What a scorer does at its start.

Nothing here learns, so that who only scores need not load what learning needs (see `replay` for both folds).
"""

import numpy as np

from fraud_system.engine import Engine
from fraud_system.errors import ArtefactError, DataError, ReplayMismatch
from fraud_system.events import Frame, Table
from fraud_system.ledger import Ledger
from fraud_system.merged_frames import merged
from fraud_system.settings import Settings

# Of what `to_arrays` gives: to be raised whenever that changes, so that recovery passes over the snapshots
# of earlier releases. The ledger gives the same state, only later.
STATE_VERSION = 3
VERSION = {"state_version": np.array([STATE_VERSION])}


def recover_engine(settings: Settings, ledger: Ledger) -> Engine:
    """The engine at the end of the ledger; nothing is written, so a reader's ledger will do.

    Raises:
        ArtefactError: the snapshot was made under other settings.
        ReplayMismatch: the ledger was, or cannot be continued here.
        LedgerError: there is no usable snapshot, and the frames before were archived.
    """
    engine = restored_engine(settings, ledger)
    for frame in merged(ledger.frames(engine.last_seq)):
        refolded(engine, frame)
    return engine


def restored_engine(settings: Settings, ledger: Ledger) -> Engine:
    """The engine of the newest snapshot, or a fresh one: it has yet to read the tail of the ledger."""
    found = newest_snapshot(ledger, "engine")
    return Engine(settings) if found is None else Engine.from_arrays(settings, found)


def save_engine(engine: Engine, ledger: Ledger) -> None:
    """Keep the engine's state; a reader's ledger will do."""
    ledger.save_snapshot("engine", engine.last_seq, engine.to_arrays() | VERSION)


def newest_snapshot(ledger: Ledger, name: str) -> Table | None:
    """The newest snapshot of a fold, if this release can read it."""
    found = ledger.latest_snapshot(name)
    if found is None or found[1].get("state_version", np.zeros(1)).tolist() != [STATE_VERSION]:
        return None
    return found[1]


def refolded(engine: Engine, frame: Frame) -> list[Frame]:
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
