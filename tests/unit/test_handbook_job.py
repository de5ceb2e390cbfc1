"""`make handbook FOLDS=choice` on a small stream that is shaped like the Handbook's."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.cli import main

FIRST_DAY, DAYS = "2018-06-10", 50  # five days more than the choice folds may see
CARDS, TERMINALS, ROWS = 150, 60, 12_000
MODELS = [
    "river baseline, linear",
    "river baseline, interactions",
    "laplace, linear",
    "laplace, interactions",
    "logistic regression",
    "gradient boosting",
]


def handbook_like() -> pd.DataFrame:
    """Payments of customers at terminals; some terminals are compromised for a week, some amounts large."""
    generator = np.random.default_rng(0)
    second = np.sort(generator.integers(0, DAYS * 86_400, ROWS))
    terminal = generator.integers(0, TERMINALS, ROWS)
    since = generator.integers(0, DAYS, TERMINALS)[terminal]
    day = second // 86_400
    bad = (terminal % 4 == 0) & (day >= since) & (day < since + 7) & (generator.random(ROWS) < 0.5)
    amount = np.round(generator.gamma(2.0, 25.0, ROWS), 2)
    large = generator.random(ROWS) < 0.005
    return pd.DataFrame(
        {
            "TRANSACTION_ID": np.arange(ROWS),
            "TX_DATETIME": pd.Timestamp(FIRST_DAY) + pd.to_timedelta(second, unit="s"),
            "CUSTOMER_ID": generator.integers(0, CARDS, ROWS),
            "TERMINAL_ID": terminal,
            "TX_AMOUNT": np.where(large, amount + 300.0, amount),
            "TX_FRAUD": (bad | large).astype(int),
        }
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the job was called, with `printed.txt`."""
    folder = tmp_path_factory.mktemp("handbook")
    handbook_like().to_parquet(folder / "raw.parquet")
    with pytest.MonkeyPatch.context() as patch, (folder / "printed.txt").open("w") as printed:
        patch.chdir(folder)
        patch.setattr("sys.stdout", printed)
        assert main(["handbook", "--data", "raw.parquet", "--folds", "choice"]) == 0
    return folder


def test_results_are_in_the_form_that_every_measuring_target_has(done: Path) -> None:
    result = json.loads((done / "results" / "handbook-choice.json").read_text())
    assert set(result) == {"target", "machine", "versions", "rows"}
    assert result["target"] == "handbook-choice"
    for row in result["rows"]:
        assert {"name", "value", "unit", "against", "ratio"} <= set(row)
    named = {row["name"]: row for row in result["rows"]}
    assert len(named) == len(result["rows"]) == len(MODELS) * (5 + 3) + (len(MODELS) - 1) * 5
    ratio = named["Online: river baseline, interactions: expected_over_observed"]
    assert ratio["unit"] == "test weeks together"
    assert ratio["low"] < ratio["value"] < ratio["high"]


def test_every_model_stands_in_the_one_table_that_is_printed(done: Path) -> None:
    printed = (done / "printed.txt").read_text()
    table = printed[: printed.index("The first test week alone")]
    places = [table.index(f"  {name}") for name in MODELS]
    assert places == sorted(places)
    assert "tested 2018-06-27 to 2018-07-24" in table
    assert "Published" not in printed, "the book has no figures for these weeks"
    assert max(len(line) for line in printed.splitlines()[:20]) <= 121


def test_nothing_of_the_held_back_weeks_is_read(done: Path) -> None:
    run = done / "runs" / "handbook-choice"
    table = pd.read_parquet(run / "predictions.parquet", columns=["event_time", "is_fraud"])
    assert table["event_time"].max() < pd.Timestamp("2018-07-25")
    whole = handbook_like()
    assert len(table) == (whole["TX_DATETIME"] < "2018-07-25").sum() < len(whole)
    assert table["is_fraud"].notna().all(), "but all labels of these transactions have come"
    assert "before 2018-07-25" in json.loads((run / "run.json").read_text())["data"]["name"]


def test_the_report_of_the_run_shows_the_table_also_when_it_is_made_again(done: Path) -> None:
    run = done / "runs" / "handbook-choice"
    report = (run / "report.html").read_text()
    for name in MODELS:
        assert f'<th scope="row">{name}</th>' in report
    assert main(["evaluate", "--run", str(run)]) == 0
    assert (run / "report.html").read_text() == report


def test_the_models_have_learned_something(done: Path) -> None:
    rows = json.loads((done / "results" / "handbook-choice.json").read_text())["rows"]
    auc = {row["name"]: row["value"] for row in rows if row["unit"] == "mean of the folds"}
    for name, value in auc.items():
        if name.endswith("roc_auc"):
            assert value > 0.6, name


def test_a_stream_without_the_weeks_is_refused_before_anything_is_run(
    done: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(done)
    assert main(["handbook", "--data", "raw.parquet"]) == 2
    assert "does not reach from 2018-07-25 to 2018-09-04" in capsys.readouterr().err
    assert not (done / "runs" / "handbook").exists()
