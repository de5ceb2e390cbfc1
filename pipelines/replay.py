"""The proof of a run: its ledger is replayed from empty, and every byte compared.

Features, probabilities, decisions and resolutions are computed again by a second engine, every published
weight by a second learner, from nothing but the recorded inputs. Then the run's other files are held
against the ledger: the predictions, and the model.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from fraud_system.errors import ArtefactError, ReplayMismatch
from fraud_system.ledger import Ledger, SqliteLedger
from fraud_system.models.artefact import save_model
from fraud_system.replay import recover, verify
from fraud_system.settings import Settings
from pipelines.job import LEDGER
from pipelines.predictions import read_predictions


def verify_run(run_dir: Path) -> int:
    """Replay the ledger of a run and compare its files; returns the number of events.

    Raises:
        ArtefactError: the directory holds no run.
        ReplayMismatch: something came out differently.
    """
    settings = _settings_of(run_dir)
    with SqliteLedger(run_dir / LEDGER, read_only=True) as ledger:
        last = 0
        with tqdm(total=ledger.last_seq, unit=" events", unit_scale=True, disable=None) as progress:
            for last in verify(settings, ledger):
                progress.update(last - progress.n)
        _compare_predictions(run_dir, ledger, settings)
        _compare_model(run_dir, ledger, settings)
        return last


def _settings_of(run_dir: Path) -> Settings:
    described = run_dir / "model" / "model.json"
    if not described.exists() or not (run_dir / LEDGER).exists():
        raise ArtefactError(f"{run_dir} holds no run", field="run", fix="make run, or name a run")
    try:
        given = json.loads(described.read_text(encoding="utf-8"))["settings"]
    except (ValueError, TypeError, KeyError) as error:
        raise ArtefactError("is damaged", field=str(described), fix="make the run again") from error
    return Settings.from_described(given)


def _compare_predictions(run_dir: Path, ledger: Ledger, settings: Settings) -> None:
    again = read_predictions(ledger, tuple(entity.name for entity in settings.features.entities))
    stored = pd.read_parquet(run_dir / "predictions.parquet")
    for name in again.columns:
        same = name in stored and len(stored) == len(again)
        if not (same and _same_column(again[name], stored[name])):
            raise ReplayMismatch(
                "is not what the ledger holds", field=f"predictions.parquet: {name}"
            )


def _same_column(left: "pd.Series[object]", right: "pd.Series[object]") -> bool:
    missing = left.isna()
    same_kind = bool((missing == right.isna()).all())
    return same_kind and bool(np.asarray(left[~missing] == right[~missing]).all())


def _compare_model(run_dir: Path, ledger: Ledger, settings: Settings) -> None:
    _, learner = recover(settings, ledger)
    for name, data in save_model(learner).items():
        if (run_dir / "model" / name).read_bytes() != data:
            raise ReplayMismatch("is not what the ledger teaches", field=f"model/{name}")
