"""The schema: what it gives, what it fills in, and that each mistake is named with its fix."""

from pathlib import Path

import pytest

import pipelines
from fraud_system.errors import ConfigError
from fraud_system.schema import ROW_NUMBER, ColumnNames, LabelTimes, Limits, load_schema

SCHEMAS = Path(pipelines.__file__).parent / "schemas"
SMALLEST = """
name = "mine"
[columns]
transaction_id = "id"
event_time = "time"
amount = "amount"
"""
FULL = """
name = "mine"
[columns]
transaction_id = "id"
event_time = "time"
amount = "amount"
label = "fraud"
known_time = "received"
time_unit = "ms"
[entities]
terminal = "TERMINAL"
card = "CARD"
[features]
numeric = ["km", "age"]
categorical = ["channel"]
[categories]
channel = ["web", "pos"]
[labels]
delay_s = 100
source = "user_report"
maturity_s = 200
horizon_s = 300
orphan_wait_s = 400
[limits]
max_bad_share = 0.5
max_lateness_s = 0
max_ahead_s = 7
max_unknown_label_share = 0.25
[policy]
fee = 15
margin_share = 0.05
[model]
prevalence = 0.01
publish_every_labels = 50
recalibrate = true
features = "mine/features.toml"
"""


def test_everything_given_is_taken_over() -> None:
    schema = load_schema(FULL, "mine.toml")
    assert schema.name == "mine"
    assert schema.columns == ColumnNames("id", "time", "amount", "fraud", "received", "ms")
    assert list(schema.entities.items()) == [("terminal", "TERMINAL"), ("card", "CARD")]
    assert schema.numeric == ("km", "age")
    assert schema.categorical == ("channel",)
    assert schema.categories == {"channel": ("web", "pos")}
    assert schema.labels == LabelTimes(100, "user_report", 200, 300, 400)
    assert schema.limits == Limits(0.5, 0, 7, 0.25)
    assert schema.policy == {"fee": 15.0, "margin_share": 0.05}
    assert schema.model == {
        "prevalence": 0.01,
        "publish_every_labels": 50,
        "recalibrate": True,
        "features": "mine/features.toml",
    }


def test_what_is_left_out_has_a_sensible_value() -> None:
    schema = load_schema(SMALLEST, "mine.toml")
    assert schema.columns == ColumnNames("id", "time", "amount", None, None, "s")
    assert (schema.entities, schema.numeric, schema.categorical) == ({}, (), ())
    assert schema.categories == {}
    assert schema.labels == LabelTimes(None, "chargeback", 30 * 86_400, 60 * 86_400, 86_400)
    assert schema.limits == Limits(0.01, 86_400, 300, 0.5)
    assert schema.policy == {}
    assert schema.model == {
        "prevalence": 0.005,
        "publish_every_labels": 1000,
        "recalibrate": False,
    }


def test_defaults_of_the_classes_are_those_of_the_file() -> None:
    schema = load_schema(SMALLEST, "mine.toml")
    assert schema.labels == LabelTimes()
    assert schema.limits == Limits()


def test_horizon_follows_maturity() -> None:
    schema = load_schema(SMALLEST + "[labels]\nmaturity_s = 1000\n", "mine.toml")
    assert schema.labels.horizon_s == 2000


@pytest.mark.parametrize(
    ("delay_s", "maturity_s", "horizon_s"), [(100, 200, 200), (300, 200, 300), (200, 200, 300)]
)
def test_the_edges_of_what_the_label_times_may_be(
    delay_s: int, maturity_s: int, horizon_s: int
) -> None:
    text = FULL.replace("delay_s = 100", f"delay_s = {delay_s}")
    text = text.replace("horizon_s = 300", f"horizon_s = {horizon_s}")
    labels = load_schema(text, "mine.toml").labels
    assert (labels.delay_s, labels.maturity_s, labels.horizon_s) == (delay_s, maturity_s, horizon_s)


@pytest.mark.parametrize(
    ("old", "new", "field", "problem", "fix"),
    [
        ('name = "mine"', "", "name", "missing", 'name = "..."'),
        ('amount = "amount"', "", "columns.amount", "missing", 'amount = "..."'),
        ('amount = "amount"', "amount = 3", "columns.amount", "must be text, not 3", "amount"),
        ('amount = "amount"', 'amount = " "', "columns.amount", "must be text", "amount"),
        ('label = "fraud"', 'labl = "fraud"', "columns.labl", "unknown key", "'label'"),
        ("[limits]", "[limit]", "limit", "unknown key", "'limits'"),
        ("[policy]", "[quux]", "quux", "unknown key", "one of name, columns"),
        ("[features]", "[[features]]", "features", "must be a table", "[features]"),
        ('["km", "age"]', '"km"', "features.numeric", "must be a list", "numeric = "),
        ('["km", "age"]', "[1]", "features.numeric", "must be a list", "numeric = "),
        ('["km", "age"]', '["km", "km"]', "features.numeric[1]", "numeric[0]", "once"),
        (
            '["channel"]',
            '["channel", "CARD"]',
            "features.categorical[1]",
            "as entities.card",
            "once",
        ),
        ('"received"', '"time"', "columns.known_time", "as columns.event_time", "once"),
        ('card = "CARD"', 'Card = "CARD"', "entities.Card", "not a name", "lower-case"),
        ('"received"', '"#row"', "columns.known_time", "is no column", "only transaction_id"),
        ('"ms"', '"msec"', "columns.time_unit", "unknown unit 'msec'", "'ms'"),
        (
            "channel = [",
            "chanel = [",
            "categories.chanel",
            "not one of features.cat",
            "add 'chanel'",
        ),
        ('["web", "pos"]', "[]", "categories.channel", "lists no values", "list them"),
        ('["web", "pos"]', "[1]", "categories.channel", "must be a list", "channel = "),
        ("delay_s = 100", "", "labels.delay_s", "missing", "seconds"),
        ("delay_s = 100", "delay_s = 0", "labels.delay_s", "from 1", "604800"),
        ("delay_s = 100", "delay_s = 301", "labels.delay_s", "longer than horizon_s", "shorter"),
        ("maturity_s = 200", "maturity_s = -1", "labels.maturity_s", "from 1", "2592000"),
        ("maturity_s = 200", "maturity_s = 2e2", "labels.maturity_s", "whole number", "2592000"),
        ("maturity_s = 200", "maturity_s = true", "labels.maturity_s", "whole number", "2592000"),
        ("maturity_s = 200", f"maturity_s = {2**31}", "labels.maturity_s", "to 2147483647", "e.g."),
        ("horizon_s = 300", "horizon_s = 199", "labels.horizon_s", "shorter", "leave it out"),
        ('"user_report"', '"user-report"', "labels.source", "unknown source", "'user_report'"),
        ('"user_report"', '"maturity"', "labels.source", "unknown source", "one of chargeback"),
        ("= 0.5", "= 1.5", "limits.max_bad_share", "from 0 to 1", "0.01"),
        ("= 0.5", '= "5 %"', "limits.max_bad_share", "must be a number", "0.01"),
        ("= 0.5", "= nan", "limits.max_bad_share", "from 0 to 1", "0.01"),
        ("max_ahead_s = 7", "max_ahead_s = -7", "limits.max_ahead_s", "from 0", "300"),
        ("fee = 15", "fee = -1.0", "policy.fee", "from 0", "e.g."),
        ("fee = 15", "fee = inf", "policy.fee", "from 0", "e.g."),
        ("fee = 15", f"fee = {10**400}", "policy.fee", "from 0", "e.g."),
        ("fee = 15", "fees = 15", "policy.fees", "unknown key", "'fee'"),
        ("margin_share = 0.05", "margin_share = 5", "policy.margin_share", "from 0 to 1", "e.g."),
        ("prevalence = 0.01", "prevalence = 0", "model.prevalence", "from 1e-06", "0.005"),
        ("= 50", "= 0", "model.publish_every_labels", "from 1", "1000"),
        ("recalibrate = true", "recalibrate = 1", "model.recalibrate", "true or false", "= true"),
        ('"mine/features.toml"', "[]", "model.features", "must be text", "features"),
    ],
)
def test_each_mistake_is_named_with_its_fix(
    old: str, new: str, field: str, problem: str, fix: str
) -> None:
    assert old in FULL
    with pytest.raises(ConfigError, match=problem.replace("[", r"\[")) as caught:
        load_schema(FULL.replace(old, new, 1), "mine.toml")
    assert caught.value.field == f"mine.toml: {field}"
    assert fix in caught.value.fix


def test_the_number_of_the_row_can_be_the_id() -> None:
    text = SMALLEST.replace('"id"', '"#row"')
    assert load_schema(text, "mine.toml").columns.transaction_id == ROW_NUMBER == "#row"


def test_what_is_not_toml_is_named() -> None:
    with pytest.raises(ConfigError, match=r"mine\.toml: not TOML: .*line 1"):
        load_schema("name = mine", "mine.toml")


def test_a_schema_cannot_be_changed() -> None:
    schema = load_schema(SMALLEST, "mine.toml")
    with pytest.raises(AttributeError):
        schema.labels.maturity_s = 1  # type: ignore[misc]


def test_the_handbook_has_all_labels_in_time() -> None:
    schema = load_schema((SCHEMAS / "handbook.toml").read_text(), "handbook.toml")
    assert schema.labels.delay_s == schema.labels.maturity_s == 7 * 86_400
    assert list(schema.entities) == ["card", "terminal"]


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*.toml")), ids=lambda path: path.stem)
def test_the_schemas_of_the_project_load(path: Path) -> None:
    assert load_schema(path.read_text(), path.name).name == path.stem
