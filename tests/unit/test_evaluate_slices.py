"""Slices: cut by hand, figures against scikit-learn and the row-wise bootstrap, and what stands out."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as oracle

from fraud_system.metrics import cluster_bootstrap, expected_over_observed, rates_at
from pipelines.evaluate import evaluate
from pipelines.evaluation.cards import Bootstrap, per
from pipelines.evaluation.details import Details, read_details
from pipelines.evaluation.dimensions import Dimension, Slice
from pipelines.evaluation.run_files import DEALT, Predictions, read_run_files
from pipelines.evaluation.slices import slice_figures, summary


@pytest.fixture(scope="module")
def figures(evaluated_run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((evaluated_run / "metrics.json").read_text())
    return content


@pytest.fixture(scope="module")
def judged(finished_run: Path) -> pd.DataFrame:
    table = pd.read_parquet(finished_run / "predictions.parquet")
    settled = table.loc[table.label_source == "maturity", "event_time"].max()
    warm_up_end = table.event_time.min().normalize() + pd.Timedelta(days=14)
    first = table.groupby("card").event_time.transform("min")
    table["card_days"] = (table.event_time - first) / pd.Timedelta(days=1)
    table["card_code"] = pd.factorize(table.card)[0]
    return table[table.event_time.between(warm_up_end, settled) & table.is_fraud.notna()].astype(
        {"is_fraud": bool}
    )


def rows_of(**columns: Any) -> Predictions:
    """Predictions in which all but the given columns are zeros."""
    size = len(next(iter(columns.values())))
    blank = {name: np.zeros(size) for name in Predictions.__slots__}
    blank |= {"is_fraud": np.zeros(size, bool), "known": np.ones(size, bool)}
    blank |= {"cluster": np.arange(size), "event_time_us": np.zeros(size, np.int64)}
    return Predictions(**blank | columns)


NOTHING = Details(None, None, None, None, None)


def test_every_judged_row_is_in_one_slice_of_each_dimension(figures: dict[str, Any]) -> None:
    found = figures["slices"]["dimensions"]
    assert [each["name"] for each in found] == ["amount", "card_age", "terminal", "hour", "weekday"]
    for dimension in found:
        total = sum(each["transactions"] for each in dimension["slices"])
        assert total == figures["evaluated"]["rows"]
        assert sum(each["frauds"] for each in dimension["slices"]) == figures["evaluated"]["frauds"]


def test_figures_of_a_slice_agree_with_scikit_learn_and_the_row_wise_bootstrap(
    figures: dict[str, Any], judged: pd.DataFrame
) -> None:
    (ages,) = (d for d in figures["slices"]["dimensions"] if d["name"] == "card_age")
    (found,) = (each for each in ages["slices"] if each["name"] == "7-30")
    here = judged[(judged.card_days >= 7) & (judged.card_days < 30)]
    p, y, amount = here.probability.to_numpy(), here.is_fraud.to_numpy(), here.amount.to_numpy()
    card = here.card_code.to_numpy()
    flagged = p * amount >= figures["method"]["headline_threshold"]
    assert found["transactions"] == len(here)
    assert found["fraud_money"] == pytest.approx(amount[y].sum())
    assert found["fraud_cards"] == here.card[here.is_fraud].nunique()
    assert found["log_loss"]["value"] == pytest.approx(oracle.log_loss(y, p))
    assert found["log_loss_heuristic"] == pytest.approx(
        oracle.log_loss(y, here.probability_heuristic)
    )
    assert found["roc_auc"]["value"] == pytest.approx(oracle.roc_auc_score(y, p))
    assert found["recall"]["value"] == pytest.approx(oracle.recall_score(y, flagged))
    assert found["specificity"]["value"] == pytest.approx(
        oracle.recall_score(y, flagged, pos_label=0)
    )
    for name, statistic, columns in (
        (
            "expected_over_observed",
            lambda *c, weight: expected_over_observed(*c, None, weight),
            (p, y),
        ),
        ("expected_over_observed_money", expected_over_observed, (p, y, amount)),
        ("recall", lambda *c, weight: rates_at(*c, weight).recall, (flagged, y)),
    ):
        low, high = cluster_bootstrap(statistic, columns, card)
        assert (found[name]["low"], found[name]["high"]) == pytest.approx((low, high), rel=1e-9)


def test_a_slice_where_the_model_is_wrong_stands_out(run_copy: Path) -> None:
    """On Mondays the odds are doubled twice over; the rest of the week knows nothing of it."""
    path = run_copy / "predictions.parquet"
    table = pd.read_parquet(path)
    odds = table.probability / (1.0 - table.probability)
    monday = table.event_time.dt.dayofweek == 0
    table["probability"] = np.where(monday, 4 * odds / (1 + 4 * odds), table.probability)
    table.to_parquet(path)
    days = {
        each["name"]: each
        for each in evaluate(run_copy, draws=9)["slices"]["dimensions"][-1]["slices"]
    }
    assert (days["monday"]["off_count"], days["monday"]["off_money"]) == ("high", "high")
    assert days["monday"]["heuristic_better"]
    assert sum(each["off_count"] != "" for name, each in days.items() if name != "monday") <= 1
    assert not any(each["heuristic_better"] for name, each in days.items() if name != "monday")


def test_true_probabilities_stand_out_about_as_often_as_said() -> None:
    """Independent rows and a perfect model: 95 % intervals exclude 1 in about one slice of twenty."""
    generator = np.random.default_rng(8)
    slices, rows = 150, 60_000
    p = generator.uniform(0.0, 0.5, rows)
    here = rows_of(
        probability=p,
        probability_heuristic=np.full(rows, 0.25),
        amount=np.ones(rows),
        is_fraud=generator.random(rows) < p,
    )
    dimension = Dimension("amount", [], np.arange(rows) % slices)
    dimension = replace(dimension, slices=[Slice(str(number)) for number in range(slices)])
    found = slice_figures(here, None, [dimension], 0.1, Bootstrap(draws=100))["summary"]
    assert found["judged"] == slices
    assert found["off_by_chance"] == pytest.approx(7.5)
    assert (
        1 <= found["off"]["count"] <= 18
    )  # 7.5 expected; the percentile bootstrap is a bit narrow
    assert found["heuristic_better"] == 0


def test_few_frauds_are_not_judged_but_many_expected_are() -> None:
    """Three frauds say nothing; three frauds where sixty were expected do."""
    fraud = np.zeros(1_200, bool)
    fraud[[0, 1, 2, 600, 601, 602]] = True
    p = np.repeat([0.01, 0.1], 600)
    here = rows_of(
        probability=p, probability_heuristic=p / 2, amount=np.ones(1_200), is_fraud=fraud
    )
    dimension = Dimension("hour", [Slice("0"), Slice("1"), Slice("2")], np.repeat([0, 1], 600))
    found = slice_figures(here, None, [dimension], 0.5, Bootstrap(draws=50))
    few, many = found["dimensions"][0]["slices"]  # the third is empty and left out
    assert (few["judged"], few["off_count"]) == (False, "")
    assert (many["judged"], many["off_count"]) == (True, "high")
    assert many["expected_over_observed"]["value"] == pytest.approx(20.0)
    assert many["heuristic_better"]


def test_without_a_fraud_the_lower_score_is_not_called_better() -> None:
    p = np.full(500, 0.1)
    here = rows_of(probability=p, probability_heuristic=p / 2, amount=np.ones(500))
    dimension = Dimension("hour", [Slice("0")], np.zeros(500, np.int64))
    (found,) = slice_figures(here, None, [dimension], 0.5, Bootstrap(draws=20))["dimensions"][0][
        "slices"
    ]
    assert found["gain_over_heuristic"]["high"] < 0.0
    assert not found["heuristic_better"]
    assert np.isnan(found["expected_over_observed"]["value"])
    assert found["off_count"] == ""  # fifty were expected, but no ratio can be given


def test_summary_by_hand() -> None:
    def each(judged: bool, count: str, money: str, gain: float) -> dict[str, Any]:
        return {
            "judged": judged,
            "off_count": count,
            "off_money": money,
            "heuristic_better": gain < 0,
            "gain_over_heuristic": {"high": gain + 0.1},
        }

    found = summary(
        [
            {"slices": [each(True, "low", "", 0.3), each(False, "", "", -0.05)]},
            {"slices": [each(True, "high", "high", -0.3), each(True, "", "", 0.1)]},
        ],
        level=0.9,
    )
    assert found == {
        "slices": 4,
        "judged": 3,
        "off": {"count": 2, "money": 1},
        "off_by_chance": pytest.approx(0.3),
        "heuristic_better": 2,
        "heuristic_clearly_better": 1,
    }


def test_weights_count_as_repeated_rows(run_copy: Path, figures: dict[str, Any]) -> None:
    path = run_copy / "predictions.parquet"
    table = pd.read_parquet(path)
    table["propensity"] = np.where(table.is_fraud.fillna(False), 0.5, 1.0)
    table.to_parquet(path)
    doubled = evaluate(run_copy, draws=9)["slices"]["dimensions"]
    for before, after in zip(figures["slices"]["dimensions"], doubled, strict=True):
        for one, two in zip(before["slices"], after["slices"], strict=True):
            if one["frauds"]:
                assert two["recall"]["value"] == pytest.approx(one["recall"]["value"])
                assert two["roc_auc"]["value"] == pytest.approx(one["roc_auc"]["value"])
                assert two["expected_over_observed"]["value"] != pytest.approx(
                    one["expected_over_observed"]["value"]
                )


def test_one_pass_gives_the_intervals_of_one_figure_at_a_time() -> None:
    generator = np.random.default_rng(2)
    sums = {"frauds": generator.poisson(0.5, 80) * 1.0, "rows": generator.poisson(9, 80) + 1.0}
    together = Bootstrap(draws=60).figures({"rate": lambda s: per(s["frauds"], s["rows"])}, sums)
    alone = Bootstrap(draws=60).figure(
        sums["frauds"].sum() / sums["rows"].sum(), lambda s: s["frauds"] / s["rows"], sums
    )
    assert together["rate"] == pytest.approx(alone)


def test_columns_that_the_run_does_not_have(
    make_finished_run: Callable[..., Path], tmp_path: Path
) -> None:
    run_dir = make_finished_run(
        tmp_path / "run", rows=2_000, truth=False, has_cards=False, has_terminals=False
    )
    path = run_dir / "predictions.parquet"
    pd.read_parquet(path).drop(columns=["weights_version", "transaction_id"]).to_parquet(path)
    assert read_details(run_dir) == NOTHING
    assert read_run_files(run_dir).cluster_unit == DEALT
    figures = evaluate(run_dir, draws=9)
    assert [each["name"] for each in figures["slices"]["dimensions"]] == [
        "amount",
        "hour",
        "weekday",
    ]
    assert figures["slices"]["kinds"] is None
    assert figures["slices"]["worst_terminals"] is None
    assert figures["learning"] is None
    assert figures["more"]["alerts"]["card_precision"] is None
    assert figures["worst"]["missed"][0]["card"] is None
