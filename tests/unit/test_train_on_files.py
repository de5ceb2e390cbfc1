"""The main job on a user's own files: CSV and Parquet, a label column or a label file, odd schemas."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fraud_system.simulate import SCENARIOS, Traffic, simulate
from pipelines.cli import main

SCHEMA = """
name = "mine"
[columns]
transaction_id = "id"
event_time = "time"
amount = "amount"
{label}
[entities]
{entities}
[labels]
{delay}
maturity_s = 259200
horizon_s = 864000
"""


@pytest.fixture(scope="module")
def traffic() -> Traffic:
    return simulate(SCENARIOS["small"], 5)


@pytest.fixture(scope="module")
def table(traffic: Traffic) -> pd.DataFrame:
    transactions = traffic.transactions
    frame = pd.DataFrame(
        {
            "id": transactions.transaction_id.astype(str),
            "time": transactions.event_time_us.view("datetime64[us]"),
            "amount": transactions.amount,
            "card": traffic.card.astype(str),
            "terminal": traffic.terminal.astype(str),
            "fraud": traffic.truth.is_fraud.astype(int),
        }
    )
    return frame.iloc[:6_000]


def schema_file(
    folder: Path, *, label: bool = True, entities: tuple[str, ...] = ("card", "terminal")
) -> Path:
    text = SCHEMA.format(
        label='label = "fraud"' if label else "",
        entities="\n".join(f'{name} = "{name}"' for name in entities),
        delay="delay_s = 172800" if label else "",
    )
    (folder / "schema.toml").write_text(text)
    return folder / "schema.toml"


def train(folder: Path, data: Path, schema: Path, *more: str) -> Path:
    out = folder / "run"
    arguments = ["train", "--data", str(data), "--schema", str(schema), "--out", str(out), *more]
    assert main(arguments) == 0
    return out


def test_parquet_with_a_label_column(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_parquet(tmp_path / "mine.parquet")
    out = train(tmp_path, tmp_path / "mine.parquet", schema_file(tmp_path))
    told = pd.read_parquet(out / "predictions.parquet").set_index("transaction_id")
    fraud = table.set_index("id")["fraud"].astype(bool)
    assert (told["is_fraud"].astype(bool) == fraud.reindex(told.index)).all()
    delay = (told["label_time"] - told["event_time"])[told["is_fraud"].astype(bool)]
    assert delay.dt.total_seconds().eq(172_800).all()


def test_csv_and_parquet_give_the_same_run(table: pd.DataFrame, tmp_path: Path) -> None:
    made = []
    for name, write in (("a.csv", table.to_csv), ("a.parquet", table.to_parquet)):
        folder = tmp_path / name[2:]
        folder.mkdir()
        write(folder / name, index=False)
        out = train(folder, folder / name, schema_file(folder))
        made.append((out / "predictions.parquet").read_bytes())
    assert made[0] == made[1]


def test_a_label_file_gives_what_a_label_column_gives(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_parquet(tmp_path / "a.parquet")
    by_column = train(tmp_path, tmp_path / "a.parquet", schema_file(tmp_path))
    other = tmp_path / "other"
    other.mkdir()
    fraud = table[table["fraud"] == 1]
    labels = pd.DataFrame(
        {
            "transaction_id": fraud["id"],
            "is_fraud": 1,
            "source": "chargeback",
            "observed_time": fraud["time"] + pd.Timedelta(days=2),
        }
    )
    labels.to_csv(other / "labels.csv", index=False)
    by_file = train(
        other,
        tmp_path / "a.parquet",
        schema_file(other, label=False),
        "--labels",
        str(other / "labels.csv"),
    )
    left, right = (pd.read_parquet(r / "predictions.parquet") for r in (by_column, by_file))
    np.testing.assert_array_equal(left["probability"], right["probability"])
    pd.testing.assert_series_equal(left["label_time"], right["label_time"])


def test_bad_rows_are_counted_by_name_and_the_rest_is_used(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    damaged = table.astype({"amount": object, "time": str})
    damaged.iloc[10, damaged.columns.get_loc("amount")] = "-5"
    damaged.iloc[11, damaged.columns.get_loc("amount")] = "many"
    damaged.iloc[12, damaged.columns.get_loc("time")] = "yesterday"
    damaged.iloc[13, damaged.columns.get_loc("id")] = damaged.iloc[14]["id"]
    damaged.to_csv(tmp_path / "bad.csv", index=False)
    out = train(tmp_path, tmp_path / "bad.csv", schema_file(tmp_path))
    run = json.loads((out / "run.json").read_text())
    assert sum(each["count"] for each in run["set_aside"]) == 4
    assert len(run["set_aside"]) == 4, "each reason has its own name"
    assert len(pd.read_parquet(out / "predictions.parquet")) == len(table) - 4
    report = (out / "report.html").read_text()
    for each in run["set_aside"]:
        assert each["reason"] in report


@pytest.mark.parametrize("entities", [("card",), ("terminal",), ()])
def test_data_without_cards_or_terminals_works(
    table: pd.DataFrame, tmp_path: Path, entities: tuple[str, ...]
) -> None:
    table.to_parquet(tmp_path / "a.parquet")
    out = train(tmp_path, tmp_path / "a.parquet", schema_file(tmp_path, entities=entities))
    run = json.loads((out / "run.json").read_text())
    assert run["settings"]["features_left_out"]
    predictions = pd.read_parquet(out / "predictions.parquet")
    assert {"card", "terminal"} & set(predictions) == set(entities)
    assert predictions["probability"].between(0, 1).all()


def test_labels_from_two_places_are_refused(
    table: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table.to_parquet(tmp_path / "a.parquet")
    schema = schema_file(tmp_path)
    arguments = ["train", "--data", str(tmp_path / "a.parquet"), "--schema", str(schema)]
    assert main([*arguments, "--labels", "labels.csv", "--out", str(tmp_path / "run")]) == 2
    assert "exactly one place" in capsys.readouterr().err


def test_a_failed_run_leaves_the_earlier_one_alone(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_parquet(tmp_path / "a.parquet")
    schema = schema_file(tmp_path)
    out = train(tmp_path, tmp_path / "a.parquet", schema)
    before = (out / "predictions.parquet").read_bytes()
    table.assign(amount=-1.0).to_parquet(tmp_path / "a.parquet")
    arguments = ["train", "--data", str(tmp_path / "a.parquet"), "--schema", str(schema)]
    assert main([*arguments, "--out", str(out)]) == 2
    assert (out / "predictions.parquet").read_bytes() == before
