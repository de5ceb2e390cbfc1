"""The main job on small streams: the files it leaves, that it can be repeated, and what it refuses."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fraud_system.ledger import SqliteLedger
from fraud_system.models.artefact import load_model
from fraud_system.simulate import SCENARIOS, simulate
from pipelines.cli import main

SNAPSHOTS = "ledger.sqlite-snapshots"
FILES = {
    "ledger.sqlite",
    SNAPSHOTS,
    "metrics.json",
    "model",
    "predictions.parquet",
    "report.html",
    "run.json",
}
REPRODUCED = ("metrics.json", "predictions.parquet", "model/model.json", "model/arrays.npz")
SMALL = ["run", "--scenario", "small", "--seed", "3"]


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "small"
    assert main([*SMALL, "--out", str(out)]) == 0
    return out


def digests(run: Path) -> dict[str, str]:
    return {name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in REPRODUCED}


def test_a_run_leaves_its_files(small_run: Path) -> None:
    assert {path.name for path in small_run.iterdir()} >= FILES
    assert not list(small_run.parent.glob(".*unfinished"))
    folds = sorted(path.name.split("-")[0] for path in (small_run / SNAPSHOTS).iterdir())
    assert folds == ["engine", "learner"]


def test_a_second_run_in_another_process_gives_the_same_bytes(
    small_run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "again"
    command = [sys.executable, "-m", "pipelines", *SMALL, "--out", str(out)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "7"},
    )
    assert digests(out) == digests(small_run)
    assert "report.html" in done.stdout
    assert "\r" not in done.stderr, "no progress bar where the output is not a terminal"


def test_another_seed_gives_other_predictions(small_run: Path, tmp_path: Path) -> None:
    arguments = ["run", "--scenario", "small", "--seed", "4", "--out", str(tmp_path / "other")]
    assert main(arguments) == 0
    other, same = digests(tmp_path / "other"), digests(small_run)
    assert other["predictions.parquet"] != same["predictions.parquet"]


def test_the_ledger_of_a_run_replays_to_the_same_bytes(
    small_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", "--run", str(small_run)]) == 0
    with SqliteLedger(small_run / "ledger.sqlite", read_only=True) as ledger:
        assert f"{ledger.last_seq:,} events replayed" in capsys.readouterr().out
    assert not [path.name for path in small_run.iterdir() if path.name.endswith(("-shm", "-wal"))]


@pytest.mark.parametrize("damaged", ["predictions.parquet", "model/arrays.npz", "model/model.json"])
def test_a_run_whose_files_do_not_follow_from_its_ledger_is_found(
    small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], damaged: str
) -> None:
    run = Path(shutil.copytree(small_run, tmp_path / "run"))
    if damaged == "predictions.parquet":
        table = pd.read_parquet(run / damaged)
        table.loc[7, "probability"] *= 0.5
        table.to_parquet(run / damaged)
    else:
        (run / damaged).write_bytes((run / damaged).read_bytes() + b" ")
    assert main(["replay", "--run", str(run)]) == 2
    assert damaged in capsys.readouterr().err


def test_evaluate_gives_the_same_files_again(small_run: Path, capsys: object) -> None:
    before = {n: (small_run / n).read_bytes() for n in ("metrics.json", "report.html")}
    for name in before:
        (small_run / name).unlink()
    assert main(["evaluate", "--run", str(small_run)]) == 0
    assert {name: (small_run / name).read_bytes() for name in before} == before


def test_predictions_are_one_row_a_transaction_with_what_the_simulator_knows(
    small_run: Path,
) -> None:
    traffic = simulate(SCENARIOS["small"], 3)
    table = pd.read_parquet(small_run / "predictions.parquet")
    ids = traffic.transactions.transaction_id.astype(str)
    assert table["transaction_id"].tolist() == ids.tolist()
    np.testing.assert_array_equal(table["amount"], traffic.transactions.amount)
    np.testing.assert_array_equal(table["true_probability"], traffic.truth.probability)
    np.testing.assert_array_equal(table["expected_loss"], table["probability"] * table["amount"])
    assert set(table["action"]) <= {"approve", "review", "decline"}
    assert table["is_fraud"].notna().all(), "the stream ends after the last label"
    assert table["weights_version"].is_monotonic_increasing
    assert (table["label_source"] == "maturity").eq(~table["is_fraud"]).mean() > 0.99
    for place, name in enumerate(("card", "terminal")):
        keys = [f"{key:016x}" for key in traffic.transactions.entity_keys[:, place]]
        assert table[name].tolist() == keys


def test_labels_known_at_the_end_are_the_last_word(small_run: Path) -> None:
    """Recomputed from the label messages alone: the last message about a transaction holds."""
    labels = simulate(SCENARIOS["small"], 3).labels
    said = pd.Series(labels.is_fraud, index=labels.transaction_id.astype(str))
    last = said.groupby(level=0).last()
    table = pd.read_parquet(small_run / "predictions.parquet").set_index("transaction_id")
    expected = last.reindex(table.index).fillna(False).astype(bool)
    assert (table["is_fraud"].astype(bool) == expected).all()


def test_run_json_describes_the_run(small_run: Path) -> None:
    run = json.loads((small_run / "run.json").read_text())
    traffic = simulate(SCENARIOS["small"], 3)
    assert run["seed"] == 3
    assert run["command"] == "run"
    assert run["data"]["rows"] == len(traffic.transactions)
    assert run["versions"]["river"] == "0.26.1"
    assert len(run["drift_marks"]) == 1
    messages = ("fraud_joined", "late_fraud_joined", "reversal_joined", "duplicate", "parked")
    others = ("reversal_without_fraud", "fraud_after_reversal")
    assert sum(run["labels"][name] for name in messages + others) == len(traffic.labels)


def test_the_saved_model_answers_like_the_last_weights(small_run: Path) -> None:
    files = {path.name: path.read_bytes() for path in (small_run / "model").iterdir()}
    model = load_model(files)
    with SqliteLedger(small_run / "ledger.sqlite", read_only=True) as ledger:
        frames = [f for f in ledger.frames() if "decision" in f.tables]
    features = frames[-1].tables["decision"]["features"][-50:]
    for row in features:
        answer = model.pipeline.predict_proba_one(dict(zip(model.names, row.tolist(), strict=True)))
        assert 0.0 <= answer[True] <= 1.0
    assert model.described["learned_labels"] >= len(features)


def test_an_mlflow_run_is_logged_with_model_and_report(small_run: Path) -> None:
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{small_run.parent / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("fraud-system")
    assert experiment is not None
    run = client.search_runs([experiment.experiment_id])[0]
    assert "model.log_loss" in run.data.metrics
    assert run.data.params["seed"] == "3"
    folder = small_run.parent / "mlartifacts" / run.info.run_id / "artifacts"
    assert {p.name for p in folder.iterdir()} >= {"model", "report.html", "metrics.json"}
    assert (folder / "model" / "arrays.npz").exists()


def test_a_directory_that_is_no_run_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("do not delete")
    assert main([*SMALL, "--out", str(tmp_path / "mine")]) == 2
    assert "is not a run" in capsys.readouterr().err
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "do not delete"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["evaluate", "--run", "nowhere"], "run.json"),
        (["replay", "--run", "nowhere"], "holds no run"),
        (["train", "--data", "nowhere.csv", "--schema", "nowhere.toml"], "nowhere.toml"),
        (["run", "--seed", "-1"], "seed"),
        (["run", "--days", "0"], "days"),
        (["run", "--days", "abc"], "DAYS: must be a whole number, not 'abc'"),
        (["train", "--data", "d", "--schema", "s", "--model", "laplacee"], "MODEL: invalid choice"),
        (["train", "--data", "", "--schema", "s"], "DATA: is missing"),
        (["handbook", "--data", "d", "--folds", "all"], "FOLDS: invalid choice"),
        (["dance"], "dance"),
    ],
)
def test_mistakes_end_with_one_line_that_names_the_field(
    arguments: list[str],
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("...")]
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert named in lines[0]
    assert not (tmp_path / "runs" / "demo").exists()
