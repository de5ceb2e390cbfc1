"""The learning curve: by hand, and against scikit-learn on what had been scored so far."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as oracle

from fraud_system.events import DAY_US
from pipelines.evaluation.learning import POINTS, learning_figures
from pipelines.evaluation.periods import Calendar
from pipelines.evaluation.run_files import Predictions

RUN = {"settings": {"publish_every_labels": 10}}


@pytest.fixture(scope="module")
def learning(evaluated_run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((evaluated_run / "metrics.json").read_text())
    return content["learning"]


@pytest.fixture(scope="module")
def counted(finished_run: Path) -> pd.DataFrame:
    """Everything evaluated, the warm-up included."""
    table = pd.read_parquet(finished_run / "predictions.parquet")
    settled = table.loc[table.label_source == "maturity", "event_time"].max()
    return table[(table.event_time <= settled) & table.is_fraud.notna()].astype({"is_fraud": bool})


def figures_of(
    version: list[int], *, run: Any = RUN, drift: tuple[int, ...] = (), **columns: Any
) -> Any:
    """The learning curve of rows an hour apart; probabilities are 0.5 where not given."""
    size = len(version)
    blank: dict[str, Any] = {name: np.zeros(size) for name in Predictions.__slots__}
    scores = ("probability", "probability_heuristic", "probability_constant")
    blank |= {name: np.full(size, 0.5) for name in scores}
    blank |= {"is_fraud": np.zeros(size, bool), "event_time_us": np.arange(size) * DAY_US // 24}
    rows = Predictions(**blank | {name: np.array(each) for name, each in columns.items()})
    marks = [(hour * DAY_US // 24, "") for hour in drift]
    calendar = Calendar(0, 14 * DAY_US, size * DAY_US, None, marks, DAY_US)
    counted = np.ones(size, bool)
    return learning_figures(rows, np.array(version), counted, None, calendar, run)


def test_cumulative_and_rolling_by_hand() -> None:
    """Six points of one row each; rolling is over the last four."""
    p = [0.5, 0.25, 0.5, 0.25, 0.5, 0.75]
    fraud = [True, False, False, False, False, True]
    found = figures_of([0, 1, 2, 3, 4, 5], probability=p, is_fraud=fraud)
    loss = -np.log([0.5, 0.75, 0.5, 0.75, 0.5, 0.75])
    assert found["learned"].tolist() == [0, 10, 20, 30, 40, 50]
    assert found["window"] == 40
    np.testing.assert_allclose(
        found["log_loss"]["cumulative"]["model"], np.cumsum(loss) / np.arange(1, 7)
    )
    rolling = found["log_loss"]["rolling"]["model"]
    np.testing.assert_allclose(
        rolling[[3, 4, 5]], [loss[:4].mean(), loss[1:5].mean(), loss[2:].mean()]
    )
    entropy = found["normalised_entropy"]["rolling"]["model"]
    rate = 0.25  # one fraud among the last four
    assert entropy[5] == pytest.approx(rolling[5] / -(0.25 * np.log(rate) + 0.75 * np.log(0.75)))
    assert np.isnan(entropy[4])  # no fraud among rows 1 to 4
    assert found["ahead_from"] == 10


def test_it_ends_ahead_only_if_it_is_ahead_at_the_end() -> None:
    worse_at_the_end = [0.5, 0.4, 0.4, 0.999]
    assert figures_of([0, 1, 2, 3], probability=worse_at_the_end)["ahead_from"] is None
    assert figures_of([0, 1, 2, 3], probability=[0.9, 0.9, 0.1, 0.0])["ahead_from"] is None
    assert figures_of([0, 1, 2, 3], probability=[0.6, 0.1, 0.1, 0.1])["ahead_from"] == 10


def test_drift_stands_where_the_weights_in_force_had_learned_so_much() -> None:
    found = figures_of([0, 0, 1, 3, 3, 4], drift=(0, 3, 4))
    assert found["drift"] == [0, 10, 30]


def test_many_versions_share_points_and_none_is_lost() -> None:
    version = np.repeat(np.arange(1_000), 2)
    found = figures_of(version.tolist())
    assert len(found["learned"]) == POINTS + 1
    assert found["transactions"].sum() == len(version)
    assert found["transactions"][0] == 2  # before anything was learned
    assert found["learned"][-1] == 9_990
    assert found["window"] == 4 * 25 * 10


def test_versions_that_served_nothing_have_no_point() -> None:
    found = figures_of([0, 5, 5])
    assert found["learned"].tolist() == [0, 50]
    assert found["transactions"].tolist() == [1, 2]


def test_without_the_number_of_labels_it_counts_publications() -> None:
    found = figures_of([0, 1, 2], run={"settings": {}})
    assert found["unit"] == "publications"
    assert found["learned"].tolist() == [0, 1, 2]


def test_the_curve_of_a_run_agrees_with_scikit_learn(
    learning: dict[str, Any], counted: pd.DataFrame
) -> None:
    assert learning["unit"] == "resolved labels"
    assert sum(learning["transactions"]) == len(counted)
    place = len(learning["learned"]) // 2
    so_far = counted[counted.weights_version * 100 <= learning["learned"][place]]
    assert sum(learning["transactions"][: place + 1]) == len(so_far)
    for scorer, column in (("model", "probability"), ("heuristic", "probability_heuristic")):
        assert learning["log_loss"]["cumulative"][scorer][place] == pytest.approx(
            oracle.log_loss(so_far.is_fraud, so_far[column])
        )
    start = learning["learned"][place] - learning["window"]
    lately = so_far[so_far.weights_version * 100 > start]
    assert learning["log_loss"]["rolling"]["model"][place] == pytest.approx(
        oracle.log_loss(lately.is_fraud, lately.probability)
    )
