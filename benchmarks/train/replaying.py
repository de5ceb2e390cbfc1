"""The complete replay: features, score, join labels, learn, streaming metrics, ledger."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.train.material import Material, replay_all
from fraud_system.ledger import MemoryLedger, SqliteLedger
from fraud_system.metrics import ServedScores


def replay_in_memory(stream: Material) -> Callable[[], ServedScores]:
    """Everything but durability."""

    def run() -> ServedScores:
        served = ServedScores()
        with MemoryLedger() as ledger:
            replay_all(stream, ledger, served.fold)
        return served

    return run


def durable_replay(stream: Material, folder: Path) -> Callable[[], ServedScores]:
    """The same through the durable ledger that the main job writes, in a new file below `folder`."""

    def run() -> ServedScores:
        served = ServedScores()
        with (
            tempfile.TemporaryDirectory(dir=folder) as own,
            SqliteLedger(Path(own) / "ledger.sqlite") as ledger,
        ):
            replay_all(stream, ledger, served.fold)
        return served

    return run
