"""One MLflow run for each run directory, in an SQLite store beside it.

Logs what a person compares runs by: the settings, the headline figures of the three scorers, and the
files (model, report, metrics). MLflow is imported here only, because importing it costs seconds.
"""

import json
import logging
import os
from pathlib import Path
from typing import Any

EXPERIMENT = "fraud-system"
STORE = "mlflow.db"
ARTEFACTS = ("metrics.json", "report.html", "run.json")
MAX_PARAM_CHARACTERS = 500


def log_run(run_dir: Path) -> str:
    """Log a finished run directory; returns the MLflow run id.

    The store is `mlflow.db` and `mlartifacts/` in the directory that holds the run directory.
    """
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "1"
    # The first use of a store prints one line for each of dozens of database migrations.
    for name in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)
    import mlflow

    home = run_dir.resolve().parent
    mlflow.set_tracking_uri(f"sqlite:///{home / STORE}")
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    experiment_id = (
        experiment.experiment_id
        if experiment
        else client.create_experiment(EXPERIMENT, (home / "mlartifacts").as_uri())
    )
    run = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))
    metrics = json.loads((run_dir / "metrics.json").read_text(encoding="utf-8"))
    with mlflow.start_run(experiment_id=experiment_id, run_name=run_dir.name) as started:
        mlflow.log_params(_params(run))
        mlflow.log_metrics(_headline(metrics))
        for name in ARTEFACTS:
            mlflow.log_artifact(str(run_dir / name))
        mlflow.log_artifacts(str(run_dir / "model"), artifact_path="model")
        return str(started.info.run_id)


def _params(run: dict[str, Any]) -> dict[str, str]:
    """Settings as flat text.

    >>> _params({"command": "run", "seed": 1, "data": {"name": "demo"}, "settings": {"model": {"a": 2}}})
    {'command': 'run', 'seed': '1', 'data.name': 'demo', 'settings.model.a': '2'}
    """
    flat: dict[str, str] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{prefix}.{key}", inner)
        else:
            flat[prefix] = str(value)[:MAX_PARAM_CHARACTERS]

    for key in ("command", "seed", "data", "settings"):
        walk(key, run[key])
    return flat


def _headline(metrics: dict[str, Any]) -> dict[str, float]:
    """The headline figures of each scorer, as flat numbers; intervals and nulls are left to the files."""
    flat: dict[str, float] = {}
    for scorer, figures in metrics["headline"].items():
        for name, figure in figures.items():
            value = figure.get("value") if isinstance(figure, dict) else figure
            if isinstance(value, int | float) and not isinstance(value, bool):
                flat[f"{scorer}.{name}"] = float(value)
    return flat
