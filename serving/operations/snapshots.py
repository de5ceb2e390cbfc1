"""Snapshots made anew from event 1 on: after an erasure, or where a trimmed ledger has none of use."""

from fraud_system import replay
from fraud_system.ledger import Ledger
from fraud_system.recovery import recover_engine, save_engine
from fraud_system.settings import Settings
from monitoring.health import HealthSettings
from monitoring.overseer import SNAPSHOT, Overseer
from monitoring.settings import MonitorSettings
from serving.operations.whole_ledger import WholeLedger


def save_snapshots(
    settings: Settings,
    whole: WholeLedger,
    ledger: Ledger,
    monitors: MonitorSettings | None = None,
) -> int:
    """Save what every fold makes of the whole history; returns where the engine's is.

    Args:
        settings: those that the ledger was begun with.
        whole: archive and ledger.
        ledger: the same ledger alone; a reader's handle will do, also beside a server.
        monitors: default: the defaults.
    """
    engine = recover_engine(settings, whole)
    save_engine(engine, ledger)
    place = engine.last_seq
    del engine  # each of them can be large
    replay.save_learner(replay.recover_learner(settings, whole)[0], ledger)
    overseer = Overseer(monitors or MonitorSettings(), HealthSettings(), settings)
    for frame in whole.frames():
        overseer.fold(frame)
    ledger.save_snapshot(SNAPSHOT, overseer.read_through_seq, overseer.to_arrays())
    return place
