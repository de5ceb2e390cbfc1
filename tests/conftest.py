"""What several tests share: a small finished run."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

DAY_US = 86_400_000_000
FIRST_DAY_US = 20_089 * DAY_US  # 2025-01-01
POLICY = {
    "fee": 15.0,
    "margin_share": 0.05,
    "goodwill": 5.0,
    "review_cost": 4.0,
    "review_catch_share": 0.8,
}


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 20 weeks with a drift in the middle, as the main job leaves it; do not change it."""
    return write_finished_run(tmp_path_factory.mktemp("runs") / "finished")


@pytest.fixture(scope="session")
def evaluated_run(finished_run: Path) -> Path:
    """The same run, with `metrics.json` from 99 draws."""
    from pipelines.evaluate import evaluate

    evaluate(finished_run, draws=99)
    return finished_run


@pytest.fixture
def run_copy(finished_run: Path, tmp_path: Path) -> Path:
    """The same files in a directory of one's own."""
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


@pytest.fixture(scope="session")
def make_finished_run() -> Callable[..., Path]:
    """`write_finished_run`, for tests that want another run."""
    return write_finished_run


def write_finished_run(
    directory: Path,
    *,
    rows: int = 8_000,
    cards: int = 500,
    days: int = 140,
    maturity_days: int = 10,
    mean_log_odds: float = -5.2,
    drift: bool = True,
    truth: bool = True,
    has_cards: bool = True,
    has_terminals: bool = True,
    seed: int = 5,
) -> Path:
    """Write `predictions.parquet` and `run.json` of a made-up run.

    The model knows the true probabilities, except between the drift and `maturity_days + 7` after it,
    when it takes the new kind of fraud for the old rate. The last week is not settled.
    """
    generator = np.random.default_rng(seed)
    day = np.sort(generator.uniform(0.0, days, rows))
    drift_day = days / 2
    card = generator.integers(0, cards, rows)
    strange = generator.normal(size=rows) + 0.5 * generator.normal(size=cards)[card]
    online = generator.random(rows) < 0.3
    new_kind = online & (day > drift_day if drift else False)
    amount = np.round(np.exp(generator.normal(3.6, 1.0, rows)), 2)
    known_log_odds = mean_log_odds + 1.9 * strange + 0.3 * np.log(amount / 40.0)
    true = expit(known_log_odds + 2.5 * new_kind)
    unlearned = new_kind & (day < drift_day + maturity_days + 7)
    probability = np.where(unlearned, expit(known_log_odds), true)
    fraud = generator.random(rows) < true
    bucket = np.digitize(strange, [0.8, 1.6])
    heuristic = np.array([true[bucket == each].mean() for each in range(3)])[bucket]
    heuristic = np.where(day > drift_day, 0.8 * heuristic, heuristic)

    source = generator.choice(3, rows, p=[0.5, 0.2, 0.3])
    median_days = np.array([0.4, 0.05, 0.15])[source] * maturity_days
    delay_days = np.exp(np.log(median_days) + 0.7 * generator.normal(size=rows))
    reported = fraud & (generator.random(rows) < 0.96)
    label_day = day + np.where(reported, delay_days, maturity_days)
    known = label_day < days + maturity_days - 7
    event_us = FIRST_DAY_US + (day * DAY_US).astype(np.int64)
    label_us = FIRST_DAY_US + (label_day * DAY_US).astype(np.int64)
    names = np.array(["chargeback", "review", "user_report"])[source]
    expected_loss = probability * amount
    action = np.select(
        [expected_loss > 25.0, expected_loss > 6.0], ["decline", "review"], "approve"
    )
    table = pd.DataFrame(
        {
            "transaction_id": [f"t{row}" for row in range(rows)],
            "event_time": event_us.view("datetime64[us]"),
            "amount": amount,
            "probability": probability,
            "probability_heuristic": heuristic,
            "probability_constant": np.full(rows, true.mean()),
            "expected_loss": expected_loss,
            "action": action,
            "scorer": np.where(day < 1, "heuristic", "model"),
            "weights_version": (day // 2).astype(np.int64),
            "arm": "all",
            "propensity": 1.0,
            "is_fraud": pd.array(np.where(known, reported, None), dtype="boolean"),
            "label_time": pd.Series(label_us.view("datetime64[us]")).where(known),
            "label_source": pd.Series(np.where(reported, names, "maturity")).where(known),
        }
    )
    if has_cards:
        table["card"] = [f"c{each}" for each in card]
    if has_terminals:
        terminal = np.random.default_rng(seed + 1).geometric(0.02, rows)  # some busy, many quiet
        table["terminal"] = [f"m{each}" for each in terminal]
    if truth:
        table["true_probability"] = true
        table["true_is_fraud"] = fraud
        table["fraud_kind"] = np.where(fraud, np.where(new_kind, "new", "old"), "")
    directory.mkdir(parents=True)
    table.to_parquet(directory / "predictions.parquet")
    moment = pd.Timestamp(FIRST_DAY_US + int(drift_day * DAY_US), unit="us").isoformat()
    run = {
        "command": "run --seed 5",
        "seed": seed,
        "versions": {"python": "3.11", "numpy": np.__version__},
        "data": {"name": "made up", "rows": rows, "fingerprint": "0123456789abcdef"},
        "settings": {
            "policy": POLICY,
            "labels": {
                "maturity_s": maturity_days * 86_400,
                "horizon_s": 3 * maturity_days * 86_400,
                "orphan_wait_s": 86_400,
            },
            "publish_every_labels": 100,
        },
        "set_aside": [
            {
                "reason": "amount is negative",
                "where": "transactions",
                "count": 3,
                "examples": [{"row": 17, "value": "-12.00"}, {"row": 90, "value": "<b>-1</b>"}],
            }
        ],
        "labels": {"fraud_joined": int(reported.sum()), "duplicate": 4, "dead_letters": 1},
        "drift_marks": [{"time": moment, "what": "a new kind of fraud"}] if drift else [],
        "started_at": "2025-06-01T00:00:00",
    }
    (directory / "run.json").write_text(json.dumps(run), encoding="utf-8")
    return directory
