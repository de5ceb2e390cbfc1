"""make schema: what is guessed from the shapes of files that people have, and that it then trains."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from payment_shapes import (
    ROWS,
    SHAPES,
    creditcard,
    handbook,
    mobile_money,
    shop_of_ones_own,
    shopping,
)

from fraud_system import replay
from fraud_system.errors import DataError
from fraud_system.ledger import MemoryLedger
from fraud_system.schema import Schema, load_schema
from pipelines.cli import main
from pipelines.make_schema import make_schema
from pipelines.readers import arrivals, read_transactions
from pipelines.system_settings import SCHEMAS, read_schema, settings_of


def guessed(frame: pd.DataFrame, folder: Path, suffix: str = ".parquet") -> tuple[Schema, str]:
    data, path = folder / f"mine{suffix}", folder / "mine.toml"
    if suffix == ".csv":
        frame.to_csv(data, index=False)
    else:
        frame.to_parquet(data)
    path.unlink(missing_ok=True)
    return make_schema(data, path)[1], path.read_text()


def told_about(text: str, column: str) -> str:
    """The comment beside a column that was left out."""
    (line,) = [each for each in text.splitlines() if each.startswith(f'#   "{column}":')]
    return line


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_handbook_is_recognised_as_its_own_schema_says(tmp_path: Path, suffix: str) -> None:
    schema, text = guessed(handbook(), tmp_path, suffix)
    own = read_schema(SCHEMAS / "handbook.toml")
    assert schema.columns == own.columns
    assert schema.entities == own.entities
    assert schema.labels == own.labels
    assert (schema.numeric, schema.categorical) == ((), ())
    assert "answer" in told_about(text, "TX_FRAUD_SCENARIO")
    for clock in ("TX_TIME_SECONDS", "TX_TIME_DAYS"):
        assert "with the event time" in told_about(text, clock)
    assert "UTC" in text


def test_credit_card_has_neither_ids_nor_a_date(tmp_path: Path) -> None:
    schema, text = guessed(creditcard(), tmp_path)
    own = read_schema(SCHEMAS / "creditcard.toml")
    assert schema.columns == own.columns
    assert (schema.entities, schema.numeric) == ({}, own.numeric)
    assert (schema.labels.delay_s, schema.labels.maturity_s) == (3_600, 3_600)
    assert "the place of the row is the id" in text
    assert "count from the first row" in text


def test_mobile_money_counts_hours(tmp_path: Path) -> None:
    schema, text = guessed(mobile_money(), tmp_path)
    names = schema.columns
    assert (names.event_time, names.time_unit, names.amount) == ("step", "h", "amount")
    assert (names.transaction_id, names.label) == ("#row", "isFraud")
    assert schema.entities == {"terminal": "nameDest"}
    assert schema.categorical == ("type",)
    assert "newbalanceDest" in schema.numeric
    assert "answer" in told_about(text, "isFlaggedFraud")
    assert "could be an entity" in told_about(text, "nameOrig")


def test_shopping_tells_the_card_from_the_number_of_the_payment(tmp_path: Path) -> None:
    schema, text = guessed(shopping(), tmp_path, ".csv")
    names = schema.columns
    assert (names.transaction_id, names.amount, names.label) == ("trans_num", "amt", "is_fraud")
    assert names.event_time == "trans_date_trans_time"
    assert schema.entities == {"card": "cc_num", "terminal": "merchant"}
    assert set(schema.categorical) == {"category", "gender"}
    assert set(schema.numeric) == {"lat", "city_pop"}
    assert "no name" in told_about(text, "")
    assert "with the event time" in told_about(text, "unix_time")
    assert "a second time" in told_about(text, "dob")
    for column in ("zip", "last"):
        assert "different" in told_about(text, column)


def test_what_gives_the_answer_away_is_left_out_with_the_reason(tmp_path: Path) -> None:
    schema, text = guessed(shop_of_ones_own(), tmp_path)
    names = schema.columns
    assert (names.transaction_id, names.amount, names.label) == ("paymentId", "price", "fraudulent")
    assert (names.event_time, names.time_unit) == ("createdTimestamp", "ms")
    assert schema.entities == {"card": "customerId", "terminal": "deviceId"}
    assert (schema.numeric, schema.categorical) == (("basketSize",), ("mcc",))
    assert "frauds away" in told_about(text, "refunded")
    assert "filled at all" in told_about(text, "closedOn")
    assert "AUC" in told_about(text, "analystScore")
    assert "always EUR" in told_about(text, "currency")


@pytest.mark.parametrize("shape", SHAPES)
def test_clean_data_is_learned_from_with_the_schema_unchanged(shape: str, tmp_path: Path) -> None:
    schema, _ = guessed(SHAPES[shape](), tmp_path, ".csv")
    settings = settings_of(schema)
    read = read_transactions(tmp_path / "mine.csv", schema)
    assert (len(read.transactions), read.set_aside, read.notes) == (ROWS, [], [])
    stream = arrivals(read.transactions, read.labels, settings.labels.maturity_s)
    ledger = MemoryLedger()
    engine, learner = replay.start(settings, ledger)
    for refused in replay.run(engine, learner, ledger, stream.batches(500)):
        assert not refused.count
    assert learner.learned_labels == ROWS
    assert learner.version >= 5


def test_the_two_commands_in_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, schema, out = tmp_path / "my data.csv", tmp_path / "new" / "mine.toml", tmp_path / "run"
    shop_of_ones_own().to_csv(data, index=False)
    assert main(["schema", "--data", str(data), "--out", str(schema)]) == 0
    told = capsys.readouterr().out
    assert "label   fraudulent" in told
    assert "card customerId, terminal deviceId" in told
    assert f"DATA='{data}'" in schema.read_text()
    assert main(["train", "--data", str(data), "--schema", str(schema), "--out", str(out)]) == 0
    predictions = pd.read_parquet(out / "predictions.parquet")
    assert predictions["is_fraud"].sum() == shop_of_ones_own()["fraudulent"].sum()


def test_a_schema_that_is_there_is_not_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    handbook()[:50].to_csv("payments.csv.gz", index=False)
    assert main(["schema", "--data", "payments.csv.gz"]) == 0
    (tmp_path / "payments.toml").write_text("corrected")
    assert main(["schema", "--data", "payments.csv.gz"]) == 2
    assert "payments.toml: is there already" in capsys.readouterr().err
    assert (tmp_path / "payments.toml").read_text() == "corrected"


def test_a_command_without_data_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--data", ""]) == 2
    assert "is missing: say DATA=" in capsys.readouterr().err


def test_what_a_person_may_take_out_of_the_comment_loads(tmp_path: Path) -> None:
    frame = shopping().assign(received=lambda each: each["trans_date_trans_time"])
    _, text = guessed(frame, tmp_path)
    open_lines = []
    for line in text.splitlines():
        begins = line.removeprefix("# ").split(" ")[0].strip('"[]')
        optional = (
            "known_time",
            "categories",
            "category",
            "gender",
            "policy",
            "fee",
            "review_cost",
        )
        open_lines.append(line.removeprefix("# ") if begins in optional else line)
    schema = load_schema("\n".join(open_lines), "mine.toml")
    assert schema.columns.known_time == "received"
    assert set(schema.categories["category"]) == {"grocery_pos", "misc_net", "travel"}
    assert schema.policy == {"fee": 15.0, "review_cost": 4.0}
    frame.to_csv(tmp_path / "again.csv", index=False)
    assert read_transactions(tmp_path / "again.csv", schema).set_aside == []


def test_without_a_label_column_a_file_of_labels_is_asked_for(tmp_path: Path) -> None:
    schema, text = guessed(handbook().drop(columns=["TX_FRAUD"]), tmp_path)
    assert schema.columns.label is None
    assert schema.labels.delay_s is None
    assert "LABELS=labels.csv" in text
    assert "answer" in told_about(text, "TX_FRAUD_SCENARIO")


def test_ids_that_repeat_give_way_to_the_number_of_the_row(tmp_path: Path) -> None:
    schema, text = guessed(handbook().assign(TRANSACTION_ID=np.arange(ROWS) // 2), tmp_path)
    assert schema.columns.transaction_id == "#row"
    assert "TRANSACTION_ID has that name, but repeats" in text


def test_a_few_bad_rows_do_not_hide_what_a_column_is(tmp_path: Path) -> None:
    frame = handbook().astype({"TX_AMOUNT": object, "TX_DATETIME": str, "TX_FRAUD": object})
    clean, _ = guessed(frame, tmp_path, ".csv")
    frame.loc[3, "TRANSACTION_ID"] = 2
    frame.loc[4, "TX_AMOUNT"], frame.loc[5, "TX_AMOUNT"] = "-5", "many"
    frame.loc[6, "TX_DATETIME"], frame.loc[7, "TX_DATETIME"] = "yesterday", "2150-01-01"
    frame.loc[8, "TX_AMOUNT"] = None
    schema, text = guessed(frame, tmp_path, ".csv")
    assert (schema.columns, schema.entities) == (clean.columns, clean.entities)
    assert schema.labels == clean.labels
    assert "1 missing or again" in text
    read = read_transactions(tmp_path / "mine.csv", schema)
    assert sum(each.count for each in read.set_aside) == 5


def test_a_label_in_words_is_pointed_out(tmp_path: Path) -> None:
    words = np.where(handbook()["TX_FRAUD"] == 1, "Yes", "No")
    schema, text = guessed(handbook().assign(TX_FRAUD=words), tmp_path)
    assert schema.columns.label is None
    assert "(TX_FRAUD holds No, Yes)" in text


@pytest.mark.parametrize(
    ("change", "problem", "fix"),
    [
        (
            {"TX_DATETIME": "01/04/2018 10:00"},
            "event time .* holds 01/04/2018 10:00",
            "not 01/04/2018",
        ),
        ({"TX_DATETIME": 20180401}, "event time .* holds 20180401", "not 20180401"),
        ({"TX_AMOUNT": "$ 5.00"}, r"amount \(TX_AMOUNT holds \$ 5.00\)", "without a currency sign"),
        ({"TX_AMOUNT": -5.0}, "amount .* holds -5", "not negative"),
        ({"TX_AMOUNT": None}, "no column can be the amount", "plain numbers"),
    ],
)
def test_what_cannot_be_guessed_is_said_with_the_fix(
    tmp_path: Path, change: dict[str, object], problem: str, fix: str
) -> None:
    frame = handbook()[["TRANSACTION_ID", "TX_DATETIME", "TX_AMOUNT", "TX_FRAUD"]]
    with pytest.raises(DataError, match=problem) as caught:
        guessed(frame.assign(**change), tmp_path)
    assert fix in caught.value.fix
    assert not (tmp_path / "mine.toml").exists()


def test_many_frauds_and_few_ones_are_remarked(tmp_path: Path) -> None:
    many = handbook().assign(TX_FRAUD=np.arange(ROWS) % 3 == 0)
    schema, text = guessed(many, tmp_path)
    assert "rare in payments" in text
    assert schema.model["prevalence"] == pytest.approx(0.33)
    schema, text = guessed(handbook().assign(TX_FRAUD=0), tmp_path)
    assert schema.columns.label == "TX_FRAUD"
    assert "no 1 in the rows" in text
    assert schema.model["prevalence"] == 0.005
    schema, _ = guessed(handbook().assign(TX_FRAUD=np.arange(ROWS) % 3 > 0), tmp_path)
    assert schema.columns.label is None, "more frauds than not: it must mean something else"


def test_names_that_no_schema_can_use_are_said(tmp_path: Path) -> None:
    data = tmp_path / "mine.csv"
    lines = ["time,amount,x,x, ,#row", *(f"{each},{each}.5,1,2,3,{each}" for each in range(60))]
    data.write_text("\n".join(lines) + "\n")
    schema = make_schema(data, tmp_path / "mine.toml")[1]
    text = (tmp_path / "mine.toml").read_text()
    assert (schema.columns.event_time, schema.columns.transaction_id) == ("time", "#row")
    assert "two columns" in told_about(text, "x")
    assert "no name" in told_about(text, " ")
    assert "number of the row" in told_about(text, "#row")
