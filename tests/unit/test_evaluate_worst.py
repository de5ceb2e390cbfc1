"""The worst errors and the frauds by kind and terminal, against pandas on the same rows."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.evaluate import evaluate


@pytest.fixture(scope="module")
def figures(evaluated_run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((evaluated_run / "metrics.json").read_text())
    return content


@pytest.fixture(scope="module")
def judged(finished_run: Path) -> pd.DataFrame:
    table = pd.read_parquet(finished_run / "predictions.parquet")
    settled = table.loc[table.label_source == "maturity", "event_time"].max()
    warm_up_end = table.event_time.min().normalize() + pd.Timedelta(days=14)
    return table[table.event_time.between(warm_up_end, settled) & table.is_fraud.notna()].astype(
        {"is_fraud": bool}
    )


def test_missed_frauds_are_the_largest_that_were_approved(
    figures: dict[str, Any], judged: pd.DataFrame
) -> None:
    missed = judged[judged.is_fraud & (judged.action == "approve")]
    found = figures["worst"]
    assert found["missed_total"] == len(missed)
    assert found["missed_cost"] == pytest.approx((missed.amount + 15.0).sum())
    expected = missed.sort_values("amount", ascending=False, kind="stable").head(10)
    assert [each["transaction_id"] for each in found["missed"]] == expected.transaction_id.tolist()
    first, row = found["missed"][0], expected.iloc[0]
    assert first["amount"] == row.amount
    assert first["probability"] == row.probability
    assert first["probability_heuristic"] == row.probability_heuristic
    assert (first["action"], first["card"], first["terminal"]) == (
        "approve",
        row.card,
        row.terminal,
    )
    assert first["label_source"] == row.label_source
    assert pd.Timestamp(first["event_time"]) == row.event_time.floor("s")
    assert first["label_delay_days"] == pytest.approx(
        (row.label_time - row.event_time) / pd.Timedelta(days=1)
    )
    assert first["fraud_kind"] == row.fraud_kind


def test_false_alarms_are_the_most_probable_that_were_stopped(
    figures: dict[str, Any], judged: pd.DataFrame
) -> None:
    alarms = judged[~judged.is_fraud & (judged.action != "approve")]
    found = figures["worst"]
    assert found["false_alarms_total"] == len(alarms)
    expected = alarms.sort_values("probability", ascending=False, kind="stable").head(10)
    told = found["false_alarms"]
    assert [each["transaction_id"] for each in told] == expected.transaction_id.tolist()
    assert [each["true_is_fraud"] for each in told] == expected.true_is_fraud.tolist()
    assert {each["label_source"] for each in told} == {"maturity"}


def test_what_plan_b_would_have_done(figures: dict[str, Any]) -> None:
    """By hand from the costs of the run: fee 15, margin 5 %, goodwill 5, review 4 finds 80 %."""
    for each in (*figures["worst"]["missed"], *figures["worst"]["false_alarms"]):
        p, amount = each["probability_heuristic"], each["amount"]
        costs = {
            "approve": p * (amount + 15),
            "review": 4 + 0.2 * p * (amount + 15),
            "decline": (1 - p) * (0.05 * amount + 5),
        }
        assert each["action_heuristic"] == min(costs, key=costs.__getitem__)


def test_equal_amounts_come_in_ledger_order_and_a_perfect_run_has_no_errors(run_copy: Path) -> None:
    path = run_copy / "predictions.parquet"
    table = pd.read_parquet(path)
    table.assign(amount=40.0).to_parquet(path)
    ids = [each["transaction_id"] for each in evaluate(run_copy, draws=9)["worst"]["missed"]]
    assert ids == sorted(ids, key=lambda text: int(text[1:]))
    stopped = np.where(table.is_fraud.fillna(False), "decline", "approve")
    table.assign(action=stopped).to_parquet(path)
    worst = evaluate(run_copy, draws=9)["worst"]
    assert worst == {
        "missed_total": 0,
        "missed_cost": 0.0,
        "missed": [],
        "false_alarms_total": 0,
        "false_alarms": [],
    }


def test_kinds_of_fraud(figures: dict[str, Any], judged: pd.DataFrame) -> None:
    threshold = figures["method"]["headline_threshold"]
    frauds = judged[judged.is_fraud]
    found = {each["kind"]: each for each in figures["slices"]["kinds"]}
    assert set(found) == {"new", "old"}
    for kind, rows in frauds.groupby("fraud_kind"):
        flagged = rows.probability * rows.amount >= threshold
        by_heuristic = rows.probability_heuristic * rows.amount >= threshold
        each = found[str(kind)]
        assert each["frauds"] == len(rows)
        assert each["recall"]["value"] == pytest.approx(flagged.mean())
        assert each["recall_heuristic"]["value"] == pytest.approx(by_heuristic.mean())
        assert each["value_detected"]["value"] == pytest.approx(
            rows.amount[flagged].sum() / rows.amount.sum()
        )
        assert each["recall"]["low"] <= each["recall"]["value"] <= each["recall"]["high"]


def test_frauds_without_a_kind_and_false_reports_are_told_apart(run_copy: Path) -> None:
    path = run_copy / "predictions.parquet"
    table = pd.read_parquet(path)
    old = table.fraud_kind == "old"
    table["fraud_kind"] = table.fraud_kind.where(~old, "")
    false = np.flatnonzero(table.is_fraud.fillna(False) & (table.fraud_kind == "new"))[:4]
    table.loc[false, ["fraud_kind", "true_is_fraud"]] = ["", False]
    table.to_parquet(path)
    found = {
        each["kind"]: each["frauds"] for each in evaluate(run_copy, draws=9)["slices"]["kinds"]
    }
    assert set(found) == {"new", "no_kind", "false_report"}
    assert found["false_report"] == 4


def test_terminals_that_lost_most(figures: dict[str, Any], judged: pd.DataFrame) -> None:
    threshold = figures["method"]["headline_threshold"]
    flagged = judged.probability * judged.amount >= threshold
    table = judged.assign(
        lost=judged.amount * judged.is_fraud,
        expected=judged.amount * judged.probability,
        found=judged.amount * (judged.is_fraud & flagged),
    )
    by_terminal = table.groupby("terminal")[["lost", "expected", "found", "is_fraud"]].sum()
    expected = by_terminal.sort_values("lost", ascending=False).head(5)
    found = figures["slices"]["worst_terminals"]
    assert [each["terminal"] for each in found] == expected.index.tolist()
    assert [each["fraud_money"] for each in found] == pytest.approx(expected.lost.tolist())
    assert [each["expected_money"] for each in found] == pytest.approx(expected.expected.tolist())
    assert [each["frauds"] for each in found] == expected.is_fraud.tolist()
    assert [each["value_detected"] for each in found] == pytest.approx(
        (expected.found / expected.lost).tolist()
    )
