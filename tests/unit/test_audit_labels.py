"""The label audit on the smallest cases: by hand, and on a small finished run."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from fraud_system.events import DAY_US
from fraud_system.features.declaration import load_features
from fraud_system.publication import Publication
from fraud_system.settings import Settings
from pipelines.audit.evidence import Evidence, read_evidence
from pipelines.audit.hindsight import hindsight_probability
from pipelines.audit.job import audit
from pipelines.audit.neighbours import others_within
from pipelines.audit.ranking import ranked_labels
from pipelines.audit.reasons import contributions
from pipelines.cli import main

FEATURES = """
[entities.card]
scales = ["1d"]
label_scales = ["30d"]
[[features]]
kind = "log_amount"
[[features]]
kind = "is_new"
entity = "card"
"""


def four_transactions() -> Evidence:
    """A plain fraud, a fraud that nobody expected, a legitimate one like a fraud, and an open one."""
    settings = Settings(features=load_features(FEATURES, ["card"]), rules=())
    served = np.array([0.9, 0.01, 0.8, 0.5])
    table = pd.DataFrame(
        {
            "transaction_id": ["a", "b", "c", "d"],
            "event_time": (DAY_US * np.array([0, 1, 2, 3])).view("datetime64[us]"),
            "amount": [10.0, 20.0, 30.0, 40.0],
            "probability": served,
            "scorer": "model",
            "weights_version": 3,
            "is_fraud": pd.array([True, True, False, None], dtype="boolean"),
            "label_time": (DAY_US * np.array([2, 6, 32, 0])).view("datetime64[us]"),
            "label_source": ["review", "user_report", "maturity", None],
            "card": ["x", "y", "x", "x"],
        }
    )
    weights = Publication(
        version=3,
        learned_through_seq=0,
        settings=settings.fingerprint,
        mean=np.array([3.0, 0.1]),
        deviation=np.array([1.0, 0.3]),
        weight=np.array([1.0, 0.5]),
        intercept=np.array([-4.0]),
        recalibration=np.array([0.0, 1.0]),
        rates=np.zeros(2),
    )
    features = np.array([[5.0, 1.0], [2.0, 0.0], [4.0, 1.0], [3.0, 0.0]], np.float32)
    return Evidence(table, features, {3: weights}, settings)


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "small"
    assert main(["run", "--scenario", "small", "--seed", "3", "--out", str(out)]) == 0
    return out


def digests(run: Path) -> dict[str, str]:
    files = (path for path in run.rglob("*") if path.is_file())
    return {
        str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def test_labels_are_ranked_by_the_probability_of_what_they_say() -> None:
    """Qualities by hand: fraud at .9 and .01, legitimate at .8: 1 - .8 = .2; d has no label."""
    ranked = ranked_labels(four_transactions(), np.array([0.9, 0.01, 0.8, 0.5]))
    assert ranked["transaction_id"].tolist() == ["b", "c", "a"]
    assert ranked["rank"].tolist() == [1, 2, 3]
    np.testing.assert_allclose(ranked["label_quality"], [0.01, 0.2, 0.9])
    assert ranked["label"].tolist() == ["fraud", "legitimate", "fraud"]


def test_reasons_say_who_when_how_probable_and_what_is_near() -> None:
    """With three labels nothing can be fitted, so hindsight is the served probability.

    Contributions by hand, squashed by 5 tanh(z / 5): b: 5 tanh(-.2) = -.99, and 5 tanh(-1/15) / 2 = -.17;
    c: 5 tanh(.2) = .99, and 5 tanh(.6) / 2 = 1.34.
    """
    table = audit(four_transactions()).set_index("transaction_id")
    reported, matured = table.loc["b", "reasons"], table.loc["c", "reasons"]
    assert "reported as fraud by a user report 5.0 days after the transaction" in reported
    assert "the model gave it 1 % when it came" in reported
    assert "nothing else of the card within 7 days" in reported
    assert 'against fraud spoke low "amount" (-1.0), not "first time this card is seen"' in reported
    assert "taken as legitimate because no report came in time" in matured
    assert "1 of the card's 2 other transactions within 7 days reported as fraud" in matured
    assert (
        'against legitimate spoke "first time this card is seen" (+1.3), high "amount"' in matured
    )


def test_neighbours_by_hand() -> None:
    """Card 0 at days 0, 1, 1, 5; card 1 at day 1; an unknown card. Windows of one day."""
    card = np.array([0, 0, 1, 0, 0, -1])
    time_us = DAY_US * np.array([5, 1, 1, 0, 1, 1])
    is_fraud = np.array([True, True, True, False, True, True])
    others, frauds = others_within(card, time_us, is_fraud, 1.0)
    assert others.tolist() == [0, 2, 0, 2, 2, 0]
    assert frauds.tolist() == [0, 1, 0, 2, 1, 0]


def test_contributions_are_those_of_the_answer_that_was_given(small_run: Path) -> None:
    evidence = read_evidence(small_run)
    rows = np.flatnonzero(evidence.predictions["scorer"] == "model")
    for row in np.random.default_rng(1).choice(rows, 50, replace=False):
        version = evidence.predictions["weights_version"].iloc[row]
        added = sum(contributions(evidence, row).values())
        answered = logit(evidence.predictions["probability"].iloc[row])
        intercept = float(evidence.publications[version].intercept[0])
        assert added + intercept == pytest.approx(answered, abs=1e-8)


def test_the_audit_ranks_every_label_once_and_changes_nothing_but_its_file(
    small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = digests(small_run)
    out = tmp_path / "all.parquet"
    assert main(["audit-labels", "--run", str(small_run), "--top", "300", "--out", str(out)]) == 0
    assert digests(small_run) == before
    written = pd.read_parquet(out)
    assert written["reasons"].str.len().gt(40).all()
    evidence = read_evidence(small_run)
    table = ranked_labels(evidence, hindsight_probability(evidence, np.random.default_rng(0)))
    assert table["transaction_id"].head(300).tolist() == written["transaction_id"].tolist()
    predictions = pd.read_parquet(small_run / "predictions.parquet")
    labelled = predictions[predictions["is_fraud"].notna()].set_index("transaction_id")
    assert sorted(table["transaction_id"]) == sorted(labelled.index)
    said = table.set_index("transaction_id")["label"].eq("fraud")
    assert said.eq(labelled["is_fraud"].astype(bool).reindex(said.index)).all()
    assert table["rank"].tolist() == list(range(1, len(table) + 1))
    assert table["label_quality"].is_monotonic_increasing
    assert "none was changed" in capsys.readouterr().out


def test_the_default_file_is_in_the_run_directory_and_can_be_made_again(small_run: Path) -> None:
    before = digests(small_run)
    command = ["audit-labels", "--run", str(small_run), "--top", "7"]
    assert main(command) == 0
    once = digests(small_run)
    assert main(command) == 0
    assert digests(small_run) == once
    assert set(once) - set(before) == {"suspicious_labels.csv"}
    assert {name: once[name] for name in before} == before
    assert len(pd.read_csv(small_run / "suspicious_labels.csv")) == 7
    (small_run / "suspicious_labels.csv").unlink()


def test_hindsight_is_the_same_for_the_same_seed_and_leaves_unlabelled_rows_alone(
    small_run: Path,
) -> None:
    evidence = read_evidence(small_run)
    table = evidence.predictions.copy()
    table.loc[table.index[-200:], ["is_fraud", "label_time", "label_source"]] = pd.NA
    open_at_the_end = evidence._replace(predictions=table)
    first, second = (
        hindsight_probability(open_at_the_end, np.random.default_rng(4)) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first[-200:], table["probability"].to_numpy()[-200:])


@pytest.mark.parametrize(
    ("more", "field"),
    [
        (["--out", "list.txt"], "out"),
        (["--top", "0"], "top"),
        (["--out", "{run}/predictions.parquet"], "out"),
    ],
    ids=["ending", "top", "own file"],
)
def test_what_cannot_be_done_is_said(
    small_run: Path, capsys: pytest.CaptureFixture[str], more: list[str], field: str
) -> None:
    before = digests(small_run)
    given = [each.replace("{run}", str(small_run)) for each in more]
    assert main(["audit-labels", "--run", str(small_run), *given]) == 2
    assert f"error: {field}:" in capsys.readouterr().err
    assert digests(small_run) == before


@pytest.mark.parametrize("gone", ["predictions.parquet", "ledger.sqlite", "model/model.json"])
def test_a_directory_that_is_no_run_is_refused(
    small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], gone: str
) -> None:
    run = Path(shutil.copytree(small_run, tmp_path / "run"))
    (run / gone).unlink()
    assert main(["audit-labels", "--run", str(run)]) == 2
    assert "is missing" in capsys.readouterr().err


def test_predictions_of_another_run_are_refused(small_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(small_run, tmp_path / "run"))
    table = pd.read_parquet(run / "predictions.parquet")
    table.iloc[:-1].to_parquet(run / "predictions.parquet")
    assert main(["audit-labels", "--run", str(run)]) == 2
