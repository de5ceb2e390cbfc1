"""The further figures against scikit-learn, statsmodels and the metrics on all rows."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn import metrics as oracle

from fraud_system.metrics import (
    alert_budget,
    average_precision,
    card_precision_at_k,
    cluster_bootstrap,
    cost_of_each,
    expected_rates,
    loss_prevented,
    partial_roc_auc,
    rates_at,
    realised_cost,
    score_decomposition,
    spiegelhalter_z,
)
from fraud_system.policy import PolicyCosts
from pipelines.evaluation.cards import Bootstrap
from pipelines.evaluation.more_scores import brier_figures, line_figures, order_figures

SCORES = {
    "model": "probability",
    "heuristic": "probability_heuristic",
    "constant": "probability_constant",
}
CODES = {"approve": 0, "review": 1, "decline": 2}


@pytest.fixture(scope="module")
def figures(evaluated_run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((evaluated_run / "metrics.json").read_text())
    return content


@pytest.fixture(scope="module")
def table(finished_run: Path) -> pd.DataFrame:
    table = pd.read_parquet(finished_run / "predictions.parquet")
    first_day = table.event_time.min().normalize()
    table["day"] = (table.event_time - first_day) // pd.Timedelta(days=1)
    table["code"] = pd.factorize(table.card)[0]
    settled = table.loc[table.label_source == "maturity", "event_time"].max()
    table["settled"] = table.event_time <= settled
    return table


@pytest.fixture(scope="module")
def judged(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table.day >= 14) & table.settled & table.is_fraud.notna()].astype(
        {"is_fraud": bool}
    )


def columns_of(rows: pd.DataFrame, scorer: str = "model") -> tuple[Any, Any, Any, Any]:
    return tuple(rows[name].to_numpy() for name in (SCORES[scorer], "is_fraud", "amount", "code"))


@pytest.mark.parametrize("scorer", SCORES)
def test_scores(figures: dict[str, Any], judged: pd.DataFrame, scorer: str) -> None:
    p, y, _, _ = columns_of(judged, scorer)
    found = figures["more"]["scores"][scorer]
    assert found["brier"]["value"] == pytest.approx(oracle.brier_score_loss(y, p))
    assert found["average_precision"]["value"] == pytest.approx(
        oracle.average_precision_score(y, p)
    )
    assert found["partial_roc_auc"]["value"] == pytest.approx(
        oracle.roc_auc_score(y, p, max_fpr=0.05)
    )
    assert found["spiegelhalter"] == pytest.approx(spiegelhalter_z(p, y)._asdict())
    parts, whole = found["brier_parts"], score_decomposition(p, y)
    assert parts["miscalibration"] == pytest.approx(whole.miscalibration)
    assert parts["discrimination"]["value"] == pytest.approx(whole.discrimination, abs=1e-15)
    assert parts["uncertainty"]["value"] == pytest.approx(whole.uncertainty)
    assert found["brier"]["value"] == pytest.approx(
        parts["miscalibration"]
        - parts["discrimination"]["value"]
        + parts["uncertainty"]["value"]
        + parts["within_bin"]
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_intervals_of_order_figures_are_those_of_resampled_cards(
    judged: pd.DataFrame, weighted: bool
) -> None:
    """Merging what lies between two frauds changes nothing, ties and weights included."""
    rows = judged.iloc[:2_000]
    p, y, _, card = columns_of(rows)
    p = np.round(p, 2)
    weight = np.random.default_rng(1).integers(1, 4, len(p)) * 1.0 if weighted else None
    found = order_figures(p, y, weight, card, Bootstrap(draws=40))
    for name, statistic in (
        ("average_precision", average_precision),
        ("partial_roc_auc", lambda p, y, weight: partial_roc_auc(p, y, 0.05, weight)),
    ):
        interval = cluster_bootstrap(statistic, (p, y), card, draws=40, weight=weight)
        assert found[name]["value"] == pytest.approx(statistic(p, y, weight=weight))
        assert (found[name]["low"], found[name]["high"]) == pytest.approx(interval)


def test_order_figures_without_any_fraud_are_undefined() -> None:
    p, y = np.array([0.1, 0.2, 0.3]), np.zeros(3, bool)
    found = order_figures(p, y, None, np.arange(3), Bootstrap(draws=5))
    assert all(np.isnan(list(each.values())).all() for each in found.values())


@pytest.mark.parametrize("weighted", [False, True])
def test_slope_and_intercept_have_the_sandwich_of_statsmodels(
    judged: pd.DataFrame, weighted: bool
) -> None:
    p, y, _, card = columns_of(judged)
    weight = np.random.default_rng(2).integers(1, 4, len(p)) if weighted else np.ones(len(p), int)
    found = line_figures(p, y, weight * 1.0 if weighted else None, card, 0.95)
    logit = np.log(p / (1.0 - p))
    design = sm.add_constant(logit)
    # A whole weight is a repeated row of the same card.
    repeated = np.repeat(np.arange(len(p)), weight)
    fit = sm.Logit(y[repeated].astype(float), design[repeated]).fit(
        disp=0, cov_type="cluster", cov_kwds={"groups": card[repeated], "use_correction": False}
    )
    for place, name in ((1, "slope"), (0, "intercept")):
        assert found[name]["value"] == pytest.approx(fit.params[place], rel=1e-6)
        assert (found[name]["low"], found[name]["high"]) == pytest.approx(
            tuple(fit.conf_int()[place]), rel=1e-4
        )


def test_a_line_that_cannot_be_fitted_is_undefined() -> None:
    found = line_figures(np.full(4, 0.1), np.array([True, False] * 2), None, np.arange(4), 0.95)
    assert np.isnan([each["low"] for each in found.values()]).all()


def test_miscalibration_by_chance_is_the_mean_over_redrawn_labels() -> None:
    generator = np.random.default_rng(4)
    p = generator.uniform(0.0, 0.2, 3_000)
    card = np.arange(len(p)) % 100
    weight = generator.integers(1, 3, len(p)) * 1.0
    said = brier_figures(p, p > 0.19, weight, card, Bootstrap(draws=2))["brier_parts"]
    drawn = [
        score_decomposition(p, generator.random(len(p)) < p, weight=weight).miscalibration
        for _ in range(400)
    ]
    error = np.std(drawn) / np.sqrt(len(drawn))
    assert abs(said["miscalibration_by_chance"] - np.mean(drawn)) < 4 * error


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("scorer", SCORES)
def test_rules(figures: dict[str, Any], judged: pd.DataFrame, scorer: str, number: int) -> None:
    p, y, amount, card = columns_of(judged, scorer)
    rule = figures["more"]["rules"][number]
    assert (rule["on"], rule["threshold"]) == [
        ("expected_fraud", figures["method"]["headline_threshold"]),
        ("probability", 0.01),
        ("probability", 0.05),
        ("probability", 0.2),
    ][number]
    flagged = (p * amount if rule["on"] == "expected_fraud" else p) >= rule["threshold"]
    found, rates = rule[scorer], asdict(rates_at(flagged, y))
    for name in set(found) & set(rates):
        value = found[name]["value"]
        finite = np.isfinite(rates[name])
        assert value == (pytest.approx(rates[name], abs=1e-12) if finite else None), name
    assert found["loss_prevented"]["value"] == pytest.approx(
        loss_prevented(flagged, y, amount, fee=15.0)
    )
    if scorer == "model" and number == 0:
        low, high = cluster_bootstrap(
            lambda *c, weight: rates_at(*c, weight).positive_likelihood_ratio, (flagged, y), card
        )
        ratio = found["positive_likelihood_ratio"]
        assert (ratio["low"], ratio["high"]) == pytest.approx((low, high))
        at_headline = figures["headline"]["model"]
        for name in ("recall", "specificity", "value_detected"):
            assert found[name] == pytest.approx(at_headline[name])


def test_costs(figures: dict[str, Any], judged: pd.DataFrame) -> None:
    costs = asdict(PolicyCosts())
    served = judged.action.map(CODES).to_numpy()
    _, y, amount, card = columns_of(judged)
    found = figures["more"]["costs"]
    for way, cost in figures["policy"]["cost"].items():
        assert found[way]["cost"]["value"] == pytest.approx(cost)
    assert cost_of_each(served, y, amount, **costs).sum() == pytest.approx(
        realised_cost(served, y, amount, **costs)
    )
    interval = cluster_bootstrap(
        lambda *c, weight: realised_cost(*c, weight=weight, **costs), (served, y, amount), card
    )
    cost = found["served"]["cost"]
    assert (cost["low"], cost["high"]) == pytest.approx(interval)
    share = 1.0 - cost["value"] / found["approve_all"]["cost"]["value"]
    assert found["served"]["saving_share"]["value"] == pytest.approx(share)


@pytest.mark.parametrize("scorer", SCORES)
def test_alert_budgets(figures: dict[str, Any], judged: pd.DataFrame, scorer: str) -> None:
    p, y, amount, _ = columns_of(judged, scorer)
    day = judged.day.to_numpy()
    budgets = figures["more"]["alerts"]["budgets"]
    assert [each["alerts_per_day"] for each in budgets] == [10, 50, 100]
    for each in budgets:
        by_p = alert_budget(p, y, amount, each["alerts_per_day"], day)
        by_loss = alert_budget(p * amount, y, amount, each["alerts_per_day"], day)
        assert each[scorer]["recall"]["value"] == pytest.approx(by_p.recall)
        assert each[scorer]["value_detected"]["value"] == pytest.approx(
            by_loss.value_detection_rate
        )
        assert each["best"]["recall"]["value"] >= each[scorer]["recall"]["value"]


def test_card_precision_starts_anew_each_week(
    figures: dict[str, Any], judged: pd.DataFrame
) -> None:
    found = figures["more"]["alerts"]["card_precision"]
    by_week, days = [], []
    for _, rows in judged.groupby(judged.day // 7):
        p, y, _, card = columns_of(rows)
        by_week.append(card_precision_at_k(rows.day.to_numpy(), card, p, y, found["k"]))
        days.append(rows.day.nunique())
    assert found["model"]["value"] == pytest.approx(np.average(by_week, weights=days))
    assert found["best"]["value"] >= found["model"]["value"]


def test_what_is_said_before_the_labels_are_in(
    figures: dict[str, Any], table: pd.DataFrame, judged: pd.DataFrame
) -> None:
    settled, still_open = figures["more"]["unlabelled"]
    threshold = figures["method"]["headline_threshold"]
    last = judged.event_time.max()
    window = table[table.settled & (table.event_time > last - pd.Timedelta(days=10))]
    young = table[~table.settled]
    for said, rows in ((settled, window), (still_open, young)):
        p, amount = rows.probability.to_numpy(), rows.amount.to_numpy()
        flagged = p * amount >= threshold
        rates = asdict(expected_rates(p, flagged, amount, draws=99))
        assert said["transactions"] == len(rows)
        assert said["flagged"] == flagged.sum()
        assert said["expected_frauds"] == pytest.approx(p.sum())
        for name, figure in said["expected"].items():
            assert figure["value"] == pytest.approx(rates[name])
            assert (figure["low"], figure["high"]) == (rates[f"{name}_low"], rates[f"{name}_high"])
    came = window[window.is_fraud.notna()].astype({"is_fraud": bool})
    flagged = came.probability * came.amount >= threshold
    assert settled["seen"]["frauds"] == came.is_fraud.sum()
    assert settled["seen"]["recall"]["value"] == pytest.approx(
        oracle.recall_score(came.is_fraud, flagged)
    )
    assert still_open["seen"] is None
