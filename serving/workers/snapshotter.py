"""Saves snapshots of the engine beside the scorer, so that the scorer never stops for one.

    python -m serving.workers.snapshotter --ledger var/ledger.db --settings var/settings.json ...

Every so many events it brings an engine of its own from the newest snapshot to the end of the ledger,
saves it, and lets it go: between two snapshots it holds no state.
"""

import time
from collections.abc import Callable, Iterator

from fraud_system.ledger import Ledger, SqliteLedger
from fraud_system.recovery import recover_engine, save_engine
from fraud_system.settings import Settings
from serving.workers.messages import Heartbeat, SnapshotSaved
from serving.workers.pipe import Outlet
from serving.workers.running import Arguments, run

NICENESS = 10


def rounds(
    settings: Settings,
    ledger: Ledger,
    send: Callable[[Heartbeat | SnapshotSaved], None],
    snapshot_every_events: int,
) -> Iterator[None]:
    """Save a snapshot when enough has happened, and say so, for ever. Yields after each look."""
    found = ledger.latest_snapshot("engine")
    saved_at = found[0] if found else 0
    del found
    while True:
        if ledger.last_seq - saved_at >= snapshot_every_events:
            saved_at = save(settings, ledger)
            send(SnapshotSaved("engine", saved_at))
        send(Heartbeat(read_through_seq=saved_at))
        yield


def save(settings: Settings, ledger: Ledger) -> int:
    """Save a snapshot of the engine at the end of the ledger; returns where that is."""
    engine = recover_engine(settings, ledger)
    save_engine(engine, ledger)
    return engine.last_seq


def _work(given: Arguments, ledger: SqliteLedger, outlet: Outlet) -> None:
    for _ in rounds(given.settings, ledger, outlet.send, given.snapshot_every_events):
        time.sleep(given.poll_interval_s)


if __name__ == "__main__":
    run(_work, NICENESS)
