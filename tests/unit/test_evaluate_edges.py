"""Evaluation of runs that lack something: figures where there are some, an error that names it where not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fraud_system.errors import ArtefactError
from pipelines.evaluate import evaluate
from pipelines.evaluation.cards import Bootstrap, sums_by_card
from pipelines.evaluation.run_files import CARD, CARDS, MAX_CLUSTERS, read_run_files


def rewrite(run_dir: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Path:
    path = run_dir / "predictions.parquet"
    change(pd.read_parquet(path)).to_parquet(path)
    return run_dir


def rewrite_run(run_dir: Path, **changes: Any) -> Path:
    run = json.loads((run_dir / "run.json").read_text()) | changes
    (run_dir / "run.json").write_text(json.dumps(run))
    return run_dir


def test_without_cards_truth_and_drift(
    make_finished_run: Callable[..., Path], tmp_path: Path
) -> None:
    run_dir = make_finished_run(
        tmp_path / "run", rows=3_000, drift=False, truth=False, has_cards=False
    )
    figures = evaluate(run_dir, draws=9)
    assert figures["truth"] is None
    assert figures["drift_marks"] == []
    assert figures["method"]["cluster_unit"] == "interleaved group"
    periods = figures["calibration"]["periods"]
    assert [period["role"] for period in periods] == ["all", "recent"]
    assert figures["headline"]["model"]["log_loss"]["low"] is not None


def test_a_run_too_short_to_judge(make_finished_run: Callable[..., Path], tmp_path: Path) -> None:
    run_dir = make_finished_run(tmp_path / "run", rows=500, days=9)
    figures = evaluate(run_dir, draws=9)
    assert figures["headline"] == {}
    assert figures["thresholds"] == []
    assert figures["verdict"] == {
        "weeks": 0,
        "below_both": 0,
        "not_below": [],
        "incomplete": [],
    }
    assert figures["by_week"][0]["evaluated"] > 0


def test_a_run_without_any_label(run_copy: Path) -> None:
    def forget(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(is_fraud=None, label_time=None, label_source=None)

    figures = evaluate(rewrite(run_copy, forget), draws=9)
    assert figures["headline"] == {}
    assert figures["labels"]["settled_until"] is None
    assert figures["labels"]["evaluated"] == 0


def test_a_run_without_any_fraud(run_copy: Path) -> None:
    def honest(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(is_fraud=table.is_fraud & False)

    figures = evaluate(rewrite(run_copy, honest), draws=9)
    assert figures["evaluated"]["frauds"] == 0
    assert figures["headline"]["model"]["roc_auc"]["value"] is None
    assert figures["headline"]["model"]["log_loss"]["value"] > 0


@pytest.mark.parametrize("name", ["predictions.parquet", "run.json"])
def test_a_missing_file_is_named(run_copy: Path, name: str) -> None:
    (run_copy / name).unlink()
    with pytest.raises(ArtefactError, match=name):
        evaluate(run_copy, draws=9)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("probability_heuristic", lambda t: t.drop(columns="probability_heuristic")),
        ("probability", lambda t: t.assign(probability=1.5)),
        ("propensity", lambda t: t.assign(propensity=0.0)),
        ("action", lambda t: t.assign(action="shrug")),
        ("label_source", lambda t: t.assign(label_source="rumour")),
        ("amount", lambda t: t.assign(amount=np.nan)),
        ("predictions.parquet", lambda t: t.iloc[:0]),
    ],
)
def test_unusable_predictions_are_refused_by_name(
    run_copy: Path, field: str, change: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    with pytest.raises(ArtefactError, match=field):
        evaluate(rewrite(run_copy, change), draws=9)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("settings.policy.fee", {"settings": {"labels": {"maturity_s": 864_000}}}),
        ("settings.labels.maturity_s", {"settings": {}}),
        ("drift_marks", {"drift_marks": [{"time": "some day", "what": ""}]}),
    ],
)
def test_an_unusable_run_file_is_refused_by_name(
    run_copy: Path, field: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(ArtefactError, match=field):
        evaluate(rewrite_run(run_copy, **changes), draws=9)


def test_a_run_file_that_is_no_json(run_copy: Path) -> None:
    (run_copy / "run.json").write_text("not json")
    with pytest.raises(ArtefactError, match=r"run\.json"):
        evaluate(run_copy, draws=9)


def test_cards_that_are_missing_do_not_become_one_card(run_copy: Path) -> None:
    def some(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(card=table.card.where(np.arange(len(table)) % 2 == 0))

    files = read_run_files(rewrite(run_copy, some))
    assert files.cluster_unit == CARD
    assert np.bincount(files.predictions.cluster).max() < 100


def test_more_cards_than_can_be_resampled_one_by_one_are_resampled_in_groups(
    make_finished_run: Callable[..., Path], tmp_path: Path
) -> None:
    run_dir = make_finished_run(tmp_path / "run", rows=9_000, cards=100_000)
    table = pd.read_parquet(run_dir / "predictions.parquet")
    assert table.card.nunique() > MAX_CLUSTERS
    files = read_run_files(run_dir)
    assert files.cluster_unit == CARDS
    assert files.predictions.cluster.max() == MAX_CLUSTERS - 1
    groups = pd.Series(files.predictions.cluster).groupby(table.card.to_numpy()).nunique()
    assert groups.max() == 1  # a card is never split


def test_bootstrap_without_any_fraud_is_undefined() -> None:
    sums = sums_by_card({"frauds": np.zeros(3), "rows": np.ones(3)}, np.arange(3))
    figure = Bootstrap(draws=5).figure(np.nan, lambda s: s["rows"] / s["frauds"], sums)
    assert np.isnan([figure["low"], figure["high"]]).all()
