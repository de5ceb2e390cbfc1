"""`metrics.json` against scikit-learn and against hand-worked cases."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as oracle

from fraud_system.events import DAY_US
from fraud_system.metrics import (
    cluster_bootstrap,
    expected_over_observed,
    normalised_entropy,
    rates_at,
    roc_auc_bootstrap,
)
from fraud_system.policy import PolicyCosts
from pipelines.evaluate import evaluate
from pipelines.evaluation.cards import auc_placements
from pipelines.evaluation.money import actions_of
from pipelines.evaluation.periods import Calendar, calibration_periods

DRAWS = 99  # as the fixture `evaluated_run`
SCORES = {
    "model": "probability",
    "heuristic": "probability_heuristic",
    "constant": "probability_constant",
}


@pytest.fixture(scope="module")
def figures(evaluated_run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((evaluated_run / "metrics.json").read_text())
    return content


@pytest.fixture(scope="module")
def table(finished_run: Path) -> pd.DataFrame:
    return pd.read_parquet(finished_run / "predictions.parquet")


@pytest.fixture(scope="module")
def judged(table: pd.DataFrame) -> pd.DataFrame:
    """After the warm-up, and not after the last transaction that matured."""
    settled = table.loc[table.label_source == "maturity", "event_time"].max()
    warm_up_end = table.event_time.min().normalize() + pd.Timedelta(days=14)
    return table[table.event_time.between(warm_up_end, settled) & table.is_fraud.notna()].astype(
        {"is_fraud": bool}
    )


def rewrite(run_dir: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Path:
    path = run_dir / "predictions.parquet"
    change(pd.read_parquet(path)).to_parquet(path)
    return run_dir


@pytest.mark.parametrize("scorer", SCORES)
def test_headline_agrees_with_scikit_learn(
    figures: dict[str, Any], judged: pd.DataFrame, scorer: str
) -> None:
    p, y = judged[SCORES[scorer]].to_numpy(), judged.is_fraud.to_numpy()
    found = figures["headline"][scorer]
    assert found["log_loss"]["value"] == pytest.approx(oracle.log_loss(y, p), rel=1e-12)
    assert found["roc_auc"]["value"] == pytest.approx(oracle.roc_auc_score(y, p), rel=1e-12)
    assert found["brier"] == pytest.approx(oracle.brier_score_loss(y, p), rel=1e-12)
    assert found["average_precision"] == pytest.approx(oracle.average_precision_score(y, p))
    assert found["expected_over_observed"]["value"] == pytest.approx(p.sum() / y.sum())
    flagged = p * judged.amount >= figures["method"]["headline_threshold"]
    assert found["recall"]["value"] == pytest.approx(oracle.recall_score(y, flagged))
    assert found["specificity"]["value"] == pytest.approx(
        oracle.recall_score(y, flagged, pos_label=0)
    )
    money = judged.amount[y]
    assert found["value_detected"]["value"] == pytest.approx(money[flagged[y]].sum() / money.sum())


def test_what_is_counted(
    figures: dict[str, Any], table: pd.DataFrame, judged: pd.DataFrame
) -> None:
    assert figures["evaluated"]["rows"] == len(judged)
    assert figures["evaluated"]["frauds"] == judged.is_fraud.sum()
    labels = figures["labels"]
    assert labels["rows"] == len(table)
    assert labels["evaluated"] + labels["unlabelled"] + labels["too_young"] == len(table)
    # In the made-up run the last week has no matured transaction, only reported frauds.
    young = table[table.event_time > table.event_time[table.label_source == "maturity"].max()]
    assert labels["too_young"] == len(young) > 0
    assert labels["too_young_frauds"] == young.is_fraud.fillna(False).sum() > 0


def test_young_frauds_would_have_shifted_the_rate(
    figures: dict[str, Any], table: pd.DataFrame
) -> None:
    """Why the unsettled tail is left out: known labels there are all fraud."""
    last = table[table.event_time > table.event_time.max() - pd.Timedelta(days=6)]
    assert last.is_fraud.dropna().all()
    assert figures["by_week"][-1]["evaluated"] == 0
    assert figures["by_week"][-1]["below_both"] is None
    assert figures["by_week"][-1]["log_loss"]["model"] is None


def test_weeks_are_seven_days_and_the_verdict_counts_them(
    figures: dict[str, Any], table: pd.DataFrame, judged: pd.DataFrame
) -> None:
    weeks = figures["by_week"]
    assert [week["week"] for week in weeks] == list(range(1, 21))
    assert sum(week["transactions"] for week in weeks) == len(table)
    assert [week["warm_up"] for week in weeks[:3]] == [True, True, False]
    assert weeks[0]["below_both"] is None
    start = table.event_time.min().normalize()
    fifth = judged[(judged.event_time - start) // pd.Timedelta(days=7) == 4]
    losses = {
        scorer: oracle.log_loss(fifth.is_fraud, fifth[column]) for scorer, column in SCORES.items()
    }
    assert weeks[4]["log_loss"] == pytest.approx(losses)
    assert weeks[4]["below_both"] == (
        losses["model"] < min(losses["heuristic"], losses["constant"])
    )
    counted = [week for week in weeks if week["below_both"] is not None]
    assert figures["verdict"]["weeks"] == len(counted)
    assert figures["verdict"]["below_both"] == sum(week["below_both"] for week in counted)


def test_a_model_that_is_worse_in_one_week_is_caught(run_copy: Path) -> None:
    def spoil(table: pd.DataFrame) -> pd.DataFrame:
        week = (table.event_time - table.event_time.min().normalize()) // pd.Timedelta(days=7) + 1
        return table.assign(probability=np.where(week == 6, 0.5, table.probability))

    verdict = evaluate(rewrite(run_copy, spoil), draws=9)["verdict"]
    assert 6 in verdict["not_below"]
    assert verdict["below_both"] == verdict["weeks"] - len(verdict["not_below"])


def test_calibration_is_judged_before_and_after_the_drift(figures: dict[str, Any]) -> None:
    """The made-up model is right before the drift, wrong while it learns, and right again after."""
    periods = {period["role"]: period for period in figures["calibration"]["periods"]}
    assert list(periods) == ["all", "before", "learning", "after"]
    drift = figures["drift_marks"][0]["time"]
    assert periods["before"]["to"] == drift == periods["learning"]["from"]
    gap = pd.Timestamp(periods["after"]["from"]) - pd.Timestamp(drift)
    assert gap == pd.Timedelta(days=10 + 14)  # maturity and two weeks
    assert periods["before"]["calibration_error_money"]["p_value"] > 0.05
    assert periods["after"]["calibration_error_money"]["p_value"] > 0.05
    assert periods["learning"]["expected_over_observed"]["high"] < 1.0
    for role in ("before", "after"):
        ratio = periods[role]["expected_over_observed"]
        assert ratio["low"] < 1.0 < ratio["high"]


def test_every_drift_is_judged_until_the_next() -> None:
    drift = [(30 * DAY_US, "one"), (60 * DAY_US, "two"), (200 * DAY_US, "after the end")]
    calendar = Calendar(0, 14 * DAY_US, 100 * DAY_US, 100 * DAY_US - 1, drift, 7 * DAY_US)
    assert [
        (period.name, period.start_us // DAY_US, period.stop_us // DAY_US)
        for period in calibration_periods(calendar)
    ] == [
        ("all", 14, 100),
        ("before_drift", 14, 30),
        ("learning_drift_1", 30, 51),
        ("after_drift_1", 51, 60),
        ("learning_drift_2", 60, 81),
        ("after_drift_2", 81, 100),
    ]


def test_intervals_equal_those_from_resampling_all_rows(
    figures: dict[str, Any], table: pd.DataFrame, judged: pd.DataFrame
) -> None:
    """Adding up by card first changes nothing: the same draws, the same answer."""
    p, y = judged.probability.to_numpy(), judged.is_fraud.to_numpy()
    amount = judged.amount.to_numpy()
    card = pd.factorize(table.card)[0][judged.index]
    model = figures["headline"]["model"]
    flagged = p * amount >= figures["method"]["headline_threshold"]
    for name, statistic, columns in (
        ("normalised_entropy", normalised_entropy, (p, y)),
        ("expected_over_observed_money", expected_over_observed, (p, y, amount)),
        ("recall", lambda *c, weight: rates_at(*c, weight).recall, (flagged, y)),
        ("specificity", lambda *c, weight: rates_at(*c, weight).specificity, (flagged, y)),
    ):
        expected = cluster_bootstrap(statistic, columns, card)
        assert (model[name]["low"], model[name]["high"]) == pytest.approx(expected, rel=1e-9)
    low, high = roc_auc_bootstrap(p, y, card)
    width = high - low
    assert model["roc_auc"]["low"] == pytest.approx(low, abs=0.1 * width)
    assert model["roc_auc"]["high"] == pytest.approx(high, abs=0.1 * width)


def test_placements_give_the_auc_with_ties_and_weights() -> None:
    generator = np.random.default_rng(3)
    p = np.round(generator.random(400), 1)
    y = generator.random(400) < p
    w = generator.integers(1, 4, 400).astype(float)
    of_fraud, of_legitimate = auc_placements(p, y, w)
    auc = oracle.roc_auc_score(y, p, sample_weight=w)
    assert (w * of_fraud).sum() / w[y].sum() == pytest.approx(auc)
    assert (w * of_legitimate).sum() / w[~y].sum() == pytest.approx(auc)


def test_rows_let_through_speak_for_the_others(run_copy: Path, judged: pd.DataFrame) -> None:
    """Rows of propensity 1/4 weigh four times, as scikit-learn weighs them."""
    rare = judged.transaction_id[::3]

    def withhold(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(propensity=np.where(table.transaction_id.isin(rare), 0.25, 1.0))

    figures = evaluate(rewrite(run_copy, withhold), draws=9)
    weight = np.where(judged.transaction_id.isin(rare), 4.0, 1.0)
    model = figures["headline"]["model"]
    assert figures["method"]["weighted"]
    assert model["log_loss"]["value"] == pytest.approx(
        oracle.log_loss(judged.is_fraud, judged.probability, sample_weight=weight)
    )
    assert model["roc_auc"]["value"] == pytest.approx(
        oracle.roc_auc_score(judged.is_fraud, judged.probability, sample_weight=weight)
    )


def test_policy_costs_by_hand(figures: dict[str, Any], judged: pd.DataFrame) -> None:
    costs, amount, fraud = PolicyCosts(), judged.amount, judged.is_fraud
    missed = np.where(fraud, amount + costs.fee, 0.0)
    refused = np.where(fraud, 0.0, costs.margin_share * amount + costs.goodwill)
    reviewed = costs.review_cost + (1.0 - costs.review_catch_share) * missed
    served = np.select(
        [judged.action == "approve", judged.action == "review"], [missed, reviewed], refused
    )
    cost = figures["policy"]["cost"]
    assert cost["served"] == pytest.approx(served.sum())
    assert cost["approve_all"] == pytest.approx(missed.sum())
    actions = {each["action"]: each for each in figures["policy"]["actions"]}
    assert sum(each["transactions"] for each in actions.values()) == len(judged)
    assert actions["decline"]["fraud_money"] == pytest.approx(
        amount[(judged.action == "decline") & fraud].sum()
    )
    curve = figures["cost_curve"]
    assert curve["model"][-1] == pytest.approx(missed.sum())  # so high that nothing is declined
    assert curve["best"]["model"]["cost"] == min(curve["model"])


def test_the_same_policy_is_applied_to_every_score() -> None:
    costs, amount = PolicyCosts(), np.array([10.0, 100.0, 1000.0])
    p = np.array([0.5, 0.05, 0.004])
    expected = np.array(
        [
            p * (amount + costs.fee),
            costs.review_cost + (1.0 - costs.review_catch_share) * p * (amount + costs.fee),
            (1.0 - p) * (costs.margin_share * amount + costs.goodwill),
        ]
    )
    assert actions_of(costs, p, amount).tolist() == expected.argmin(axis=0).tolist()


def test_label_delays(figures: dict[str, Any], table: pd.DataFrame) -> None:
    settled = table.event_time[table.label_source == "maturity"].max()
    frauds = table[table.is_fraud.fillna(False) & (table.event_time <= settled)]
    days = (frauds.label_time - frauds.event_time) / pd.Timedelta(days=1)
    sources = {each["source"]: each for each in figures["labels"]["sources"]}
    assert sources["any"]["frauds"] == len(frauds)
    assert sources["any"]["median_days"] == pytest.approx(days.median())
    review = days[frauds.label_source == "review"]
    assert sources["review"]["p90_days"] == pytest.approx(review.quantile(0.9))
    assert figures["labels"]["after_maturity"] == (days > 10).sum()
    curve = figures["labels"]["delay_curve"]
    for known in curve["known_share"].values():
        assert known == sorted(known)
        assert 0.9 < known[-1] <= 1.0


def test_truth_of_a_simulation(figures: dict[str, Any], table: pd.DataFrame) -> None:
    truth = figures["truth"]
    after = table[table.event_time >= table.event_time.min().normalize() + pd.Timedelta(days=14)]
    assert truth["log_loss"]["truth"] == pytest.approx(
        oracle.log_loss(after.true_is_fraud, after.true_probability)
    )
    assert truth["rows"] == len(after)  # also those whose labels never came
    assert truth["log_loss"]["truth"] < truth["log_loss"]["model"]
    assert 0.5 < truth["gain_share"]["model"] < 1.0
    before = next(period for period in truth["periods"] if period["role"] == "before")
    assert before["expected_over_true"] == pytest.approx(1.0)
    assert truth["labels"]["never_reported"] > 0


def test_same_inputs_same_bytes_and_plain_json(run_copy: Path, figures: dict[str, Any]) -> None:
    assert evaluate(run_copy, draws=DRAWS) == figures
    first = (run_copy / "metrics.json").read_bytes()
    evaluate(run_copy, draws=DRAWS)
    assert (run_copy / "metrics.json").read_bytes() == first

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert json.loads(first, parse_constant=refuse) == figures  # no NaN, no Infinity
