"""The proof of a run: its ledger is replayed from empty, and every byte compared.

Features, probabilities, decisions and resolutions are computed again by a second engine, every published
weight by a second learner, from nothing but the recorded inputs.
"""

import json
from pathlib import Path

from tqdm import tqdm

from fraud_system.errors import ArtefactError
from fraud_system.ledger import SqliteLedger
from fraud_system.replay import verify
from fraud_system.settings import Settings
from pipelines.job import LEDGER


def verify_run(run_dir: Path) -> int:
    """Replay the ledger of a run; returns the number of events.

    Raises:
        ArtefactError: the directory holds no run.
        ReplayMismatch: something came out differently.
    """
    described = run_dir / "model" / "model.json"
    if not described.exists() or not (run_dir / LEDGER).exists():
        raise ArtefactError(f"{run_dir} holds no run", field="run", fix="make run, or name a run")
    settings = Settings.from_described(json.loads(described.read_text())["settings"])
    with SqliteLedger(run_dir / LEDGER, read_only=True) as ledger:
        last = 0
        with tqdm(total=ledger.last_seq, unit=" events", unit_scale=True, disable=None) as progress:
            for last in verify(settings, ledger):
                progress.update(last - progress.n)
        return last
