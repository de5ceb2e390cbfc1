"""`make handbook DATA=f`: the main job on the Handbook's stream, and the book's protocol on what it left.

Runs the baseline twice (linear features only, and with interactions), retrains the batch yardsticks, prints
everything beside what the book publishes, and writes `results/handbook.json`.
"""

import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from fraud_system.ledger import SqliteLedger
from fraud_system.metrics import cluster_bootstrap, expected_over_observed
from fraud_system.settings import Settings
from pipelines.handbook.protocol import (
    CHOICE_STARTS,
    DELAY_DAYS,
    TEST_DAYS,
    TEST_STARTS,
    TRAINING_DAYS,
    FoldScores,
    day_number,
    days_of,
    fold_scores,
    mean_scores,
    scored_rows,
)
from pipelines.handbook.published import FOLDS
from pipelines.handbook.yardstick import YARDSTICKS
from pipelines.job import LEDGER, run_job
from pipelines.stream import Stream

MATURITY_DAYS = 7


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Args:
        name: of the model.
        test, choice: means over the test folds and over the folds that choices were made on.
        expected_over_observed: (value, low, high) over the four test weeks together.
    """

    name: str
    test: FoldScores
    choice: FoldScores | None = None
    expected_over_observed: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Scored:
    """What the protocol needs of a run: days, card codes, labels and probabilities, in ledger order."""

    day: NDArray[np.int64]
    card: NDArray[np.int64]
    is_fraud: NDArray[np.bool_]
    probability: NDArray[np.float64]


def run_handbook(stream: Stream, settings: Settings, out: Path) -> list[Line]:
    """Run, score and compare; the runs are left in `out` and beside it with "-linear"."""
    linear = replace(settings, features=replace(settings.features, pairs=()))
    run_job(stream, linear, out.with_name(out.name + "-linear"), "handbook")
    run_job(stream, settings, out, "handbook")
    lines = [
        online_line("river baseline, linear", read_scored(out.with_name(out.name + "-linear"))),
        online_line("river baseline, interactions", read_scored(out)),
    ]
    scored, features = read_scored(out), read_features(out)
    for name in tqdm(YARDSTICKS, unit=" yardsticks", disable=None):
        lines.append(yardstick_line(name, scored, features))
    lines += [Line(f"published: {each.model}", FoldScores(*each[1:])) for each in FOLDS]
    return lines


def read_scored(run_dir: Path) -> Scored:
    """The columns of a run's predictions that the protocol needs."""
    table = pd.read_parquet(
        run_dir / "predictions.parquet", columns=["event_time", "card", "is_fraud", "probability"]
    )
    return Scored(
        day=days_of(table["event_time"].to_numpy().astype("datetime64[us]").astype(np.int64)),
        card=pd.factorize(table["card"])[0].astype(np.int64),
        is_fraud=table["is_fraud"].fillna(False).to_numpy(dtype=bool),
        probability=table["probability"].to_numpy(),
    )


def read_features(run_dir: Path) -> NDArray[np.float32]:
    """The logged features of a run, in ledger order."""
    with SqliteLedger(run_dir / LEDGER, read_only=True) as ledger:
        return np.concatenate(
            [f.tables["decision"]["features"] for f in ledger.frames() if "decision" in f.tables]
        )


def online_line(name: str, scored: Scored) -> Line:
    """The folds, on the probabilities that were served."""
    test_from = day_number(TEST_STARTS[0]) + TRAINING_DAYS + DELAY_DAYS
    weeks = (scored.day >= test_from) & (scored.day < test_from + TEST_DAYS * len(TEST_STARTS))
    columns = (scored.probability[weeks], scored.is_fraud[weeks])

    def ratio(p: Any, y: Any, weight: Any = None) -> float:
        return expected_over_observed(p, y, weight=weight)

    low, high = cluster_bootstrap(ratio, columns, scored.card[weeks])
    return Line(
        name,
        mean_scores(list(_folds(TEST_STARTS, scored))),
        mean_scores(list(_folds(CHOICE_STARTS, scored))),
        (ratio(*columns), low, high),
    )


def yardstick_line(name: str, scored: Scored, features: NDArray[np.float32]) -> Line:
    """The test folds, each with a model trained on all labels known when its test week began."""
    folds = []
    for start in TEST_STARTS:
        test_first = day_number(start) + TRAINING_DAYS + DELAY_DAYS
        known = scored.day < test_first - MATURITY_DAYS
        model = YARDSTICKS[name]().fit(features[known], scored.is_fraud[known])
        rows = scored_rows(start, scored.day, scored.card, scored.is_fraud)
        probability = np.zeros(len(scored.day))
        probability[rows] = model.predict_proba(features[rows])[:, 1]
        folds.append(fold_scores(rows, scored.day, scored.card, scored.is_fraud, probability))
    return Line(name, mean_scores(folds))


def _folds(starts: Any, scored: Scored) -> Iterator[FoldScores]:
    for start in starts:
        rows = scored_rows(start, scored.day, scored.card, scored.is_fraud)
        yield fold_scores(rows, scored.day, scored.card, scored.is_fraud, scored.probability)


def table_text(lines: list[Line]) -> str:
    """For the terminal: AUC, average precision and card precision@100 on the test folds."""
    text = [f"{'mean of four weekly test folds':52} {'AUC':>6} {'AP':>6} {'CP@100':>7}  E/O [95 %]"]
    for line in lines:
        scores, ratio = line.test, line.expected_over_observed
        eo = f"{ratio[0]:.3f} [{ratio[1]:.3f}, {ratio[2]:.3f}]" if ratio else ""
        text.append(
            f"{line.name:52} {scores.roc_auc:6.3f} {scores.average_precision:6.3f} "
            f"{scores.card_precision_100:7.3f}  {eo}"
        )
    return "\n".join(text)


def write_results(lines: list[Line], path: Path) -> None:
    """The same figures as `results/handbook.json`."""
    best = {name: max(getattr(each, name) for each in FOLDS) for name in FoldScores.__annotations__}
    rows: list[dict[str, Any]] = []
    for line in lines:
        for name, against in best.items():
            value = getattr(line.test, name)
            rows.append(
                {
                    "name": f"{line.name}: {name}",
                    "value": value,
                    "unit": "mean of four folds",
                    "against": f"best published {name}, {against}",
                    "ratio": value / against,
                }
            )
    result = {
        "target": "handbook",
        "machine": platform.machine(),
        "versions": {name: version(name) for name in ("numpy", "numba", "river", "scikit-learn")},
        "rows": rows,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
