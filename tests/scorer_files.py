"""The files of a scorer that has served a simulated stream: ledger, settings, snapshots."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from streams import MODELS, SIMULATED_LABELS, cut, simulated_arrivals, simulated_settings

from fraud_system import replay
from fraud_system.engine import Engine
from fraud_system.learner import Learner
from fraud_system.ledger import Ledger, SqliteLedger
from fraud_system.settings import Settings
from monitoring.overseer import SNAPSHOT
from serving.operations.ledger_files import LedgerFiles
from serving.workers.running import write_settings

EVENTS = 500
HORIZON_S = 36_000


def scorer_settings() -> Settings:
    """Clocks of hours: within the simulated stream much is beyond the horizon."""
    labels = replace(SIMULATED_LABELS, maturity_s=18_000, horizon_s=HORIZON_S)
    settings = simulated_settings(model=MODELS["baseline"])
    return replace(settings, labels=labels, publish_every_labels=50)


def serving(ledger: Ledger, settings: Settings, events: int = EVENTS) -> Iterator[None]:
    """Serve the stream on an empty ledger; each step is a durable commit of some requests."""
    engine, learner = replay.start(settings, ledger)
    stream = simulated_arrivals(events)
    for number, _ in enumerate(replay.run(engine, learner, ledger, cut(stream, [15]))):
        if number in (15, 45):
            save_snapshots(engine, learner, ledger)
        yield
    save_snapshots(engine, learner, ledger)


def save_snapshots(engine: Engine, learner: Learner, ledger: Ledger) -> None:
    """Of all folds; that of the monitors holds nothing, as nothing is read from it here."""
    replay.save_snapshot(engine, learner, ledger)
    ledger.save_snapshot(SNAPSHOT, ledger.last_seq, {})


def scorer(folder: Path) -> LedgerFiles:
    """The files of a scorer that was stopped."""
    files, settings = LedgerFiles(folder / "ledger.sqlite"), scorer_settings()
    folder.mkdir(parents=True, exist_ok=True)
    write_settings(files.settings, settings)
    with SqliteLedger(files.ledger) as ledger:
        for _ in serving(ledger, settings):
            pass
    return files
