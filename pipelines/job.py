"""The main job: a stream goes through ledger, engine and learner in event order, and leaves a run.

    stream -> [engine <-> ledger -> learner] -> ledger.sqlite, model/
                                            -> predictions.parquet, run.json
                                            -> metrics.json, report.html, an MLflow run

A run directory is never half a run (`run_directory`). `docs/files.md` describes the files.
"""

import json
import platform
import sqlite3
import sys
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from fraud_system import replay
from fraud_system.engine import Engine
from fraud_system.events import Column
from fraud_system.learner import Learner
from fraud_system.ledger import SqliteLedger
from fraud_system.models.artefact import save_model
from fraud_system.settings import Settings
from pipelines.evaluate import evaluate
from pipelines.predictions import add_truth, read_predictions, write_predictions
from pipelines.report import write_report
from pipelines.run_directory import check_out, written_aside
from pipelines.stream import Stream
from pipelines.tracking import log_run

BATCH_EVENTS = 8_192
BATCHES_IN_COMMIT = 16
LEDGER = "ledger.sqlite"
PACKAGES = ("numpy", "numba", "river", "scikit-learn", "pandas", "mlflow", "evidently")


def run_job(stream: Stream, settings: Settings, out: Path, command: str) -> Path:
    """Run everything and leave the files in `out`.

    Raises:
        ArtefactError: `out` exists and is not a run.
        FraudSystemError: from any step; `out` is then as it was before.
    """
    check_out(out)
    started_at = datetime.now(UTC)
    with written_aside(out) as aside:
        with SqliteLedger(aside / LEDGER) as ledger:
            engine, learner, refused = _replay(stream, settings, ledger)
            replay.save_snapshot(engine, learner, ledger)
            table = read_predictions(
                ledger, tuple(entity.name for entity in settings.features.entities)
            )
        _seal(aside / LEDGER)
        if stream.truth is not None:
            add_truth(table, stream.arrivals.transactions.transaction_key, stream.truth)
        write_predictions(table, aside / "predictions.parquet")
        (aside / "model").mkdir()
        for name, data in save_model(learner).items():
            (aside / "model" / name).write_bytes(data)
        run = _described(stream, settings, engine, learner, refused)
        run |= {"command": command, "started_at": started_at.isoformat(timespec="seconds")}
        (aside / "run.json").write_text(json.dumps(run, indent=1, sort_keys=True) + "\n")
        _say("evaluating")
        evaluate(aside)
        _say("writing the report")
        write_report(aside)
    _say("logging the run in MLflow")
    log_run(out)
    return out


def _replay(
    stream: Stream, settings: Settings, ledger: SqliteLedger
) -> tuple[Engine, Learner, replay.Refused]:
    engine, learner = replay.start(settings, ledger)
    total, everything = len(stream.arrivals), replay.Refused()
    _say(f"replaying {total:,} events of {stream.name}")
    batches = stream.arrivals.batches(BATCH_EVENTS)
    with tqdm(total=total, unit=" events", unit_scale=True, disable=None) as progress:
        for refused in replay.run(engine, learner, ledger, batches, BATCHES_IN_COMMIT):
            everything.merge(refused)
            progress.update(min(BATCH_EVENTS, total - progress.n))
    return engine, learner, everything


def _seal(ledger: Path) -> None:
    """Nobody writes it any more: without a write-ahead log, readers leave no files beside it."""
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")


def _described(
    stream: Stream, settings: Settings, engine: Engine, learner: Learner, refused: replay.Refused
) -> dict[str, Any]:
    transactions = stream.arrivals.transactions
    set_aside = stream.set_aside + [
        {
            "reason": reason,
            "where": "engine",
            "count": count,
            "examples": [
                {"row": None, "value": text} for text in refused.transaction_id[reason][:5]
            ],
        }
        for reason, count in sorted(refused.count.items())
    ]
    set_aside += [
        {"reason": f"not learned: {name.replace('_', ' ')}", "where": "learner", "count": count}
        | {"examples": []}
        for name, count in learner.refusals().items()
        if count
    ]
    return {
        "seed": stream.seed,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in PACKAGES},
        "data": {
            "name": stream.name,
            "fingerprint": stream.fingerprint,
            "rows": stream.rows,
            "first_event_time": _iso(transactions.event_time_us.min()),
            "last_event_time": _iso(transactions.event_time_us.max()),
        },
        "settings": {
            "fingerprint": settings.fingerprint,
            "policy": asdict(settings.costs),
            "labels": asdict(settings.labels),
            "model": asdict(settings.model),
            "recalibration": asdict(settings.recalibration),
            "learning": asdict(settings.learning),
            "publish_every_labels": settings.publish_every_labels,
            "features": len(settings.features.names),
            "interactions": len(settings.features.pairs),
            "features_left_out": list(settings.features.left_out),
            "rules": [rule.name for rule in settings.rules],
        },
        "learned": {
            "weights_versions": learner.version + 1,
            "labels": learner.learned_labels,
            "refused": learner.refusals(),
            "events": engine.last_seq,
        },
        "labels": engine.label_counts(),
        "set_aside": set_aside,
        "notes": stream.notes,
        "drift_marks": stream.drift_marks,
    }


def _iso(time_us: Column) -> str:
    return str(np.int64(time_us).astype("datetime64[us]"))


def _say(what: str) -> None:
    print(f"... {what}", file=sys.stderr, flush=True)
