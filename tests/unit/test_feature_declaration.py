"""The declared list: order, names, what is left out, and every way in which it can be wrong."""

from dataclasses import replace

import pytest

from fraud_system.errors import ConfigError
from fraud_system.features.declaration import (
    CATEGORY_BUCKETS,
    KINDS,
    Entity,
    Feature,
    load_features,
    seconds,
)
from pipelines.system_settings import DEFAULTS

CARD = """
[entities.card]
scales = ["1h", "7d", "30d"]
approved_scales = ["1d"]
label_scales = ["30d"]
"""


def feature(**keys):
    lines = "\n".join(f"{name} = {value}" for name, value in keys.items())
    return f"[[features]]\n{lines}\n"


AMOUNT = feature(kind='"log_amount"')


def test_a_declaration_expands_in_order_the_last_key_fastest():
    text = CARD + feature(
        kind='"velocity"', entity='"card"', scale='["7d", "1h"]', long_scale='"30d"'
    )
    text += feature(kind='"amount_beyond"', quantile='[0.9, "0.50"]') + AMOUNT
    text += feature(kind='"is_new"', entity='["terminal", "card"]')
    text += feature(kind='"first_meeting"', entity='["card", "terminal"]', other='["device"]')
    found = load_features(text, ["terminal", "card", "device"], ["distance"], ["channel"])
    assert found.names == (
        "velocity:card:7d:30d",
        "velocity:card:1h:30d",
        "amount_beyond:0.9",
        "amount_beyond:0.5",
        "log_amount",
        "is_new:terminal",
        "is_new:card",
        "first_meeting:card:device",
        "first_meeting:terminal:device",
        "numeric:distance",
        *(f"category:channel:{bucket}" for bucket in range(CATEGORY_BUCKETS)),
    )
    assert found.left_out == ()


def test_entities_come_in_the_order_of_the_data_and_need_no_counters():
    found = load_features(CARD + AMOUNT, ["terminal", "card"])
    assert found.entities == (
        Entity("terminal"),
        Entity("card", ("1h", "7d", "30d"), ("1d",), ("30d",)),
    )


def test_what_the_data_does_not_have_is_left_out_and_named():
    text = 'interactions = [["log_amount", "is_new:card"], ["log_amount", "is_new:*"]]\n' + CARD
    text += AMOUNT + feature(kind='"is_new"', entity='["card", "terminal"]')
    text += feature(kind='"count"', entity='"card"', scale='["1h", "7d"]')
    text += feature(kind='"first_meeting"', entity='"terminal"', other='"card"')
    found = load_features(text, ["terminal"])
    assert found.names == ("log_amount", "is_new:terminal")
    assert found.left_out == (
        "is_new:card",
        "count:card:1h",
        "count:card:7d",
        "first_meeting:terminal:card",
    )
    assert found.pairs == (("log_amount", "is_new:terminal"),)
    # It says why a feature is absent; it does not make another list.
    assert replace(found, left_out=()) == found


def test_interactions_are_pairs_in_the_order_of_the_list_each_once():
    text = """interactions = [
        ["is_night", "log_amount"], ["log_amount", "is_night"], ["is_night", "is_night"],
        ["is_*", "is_*"], ["log_amount", "category:channel:1"], ["nothing*", "log_amount"],
    ]
    """
    text += AMOUNT + feature(kind='"is_weekend"') + feature(kind='"is_night"')
    found = load_features(text, [], (), ["channel"])
    assert found.pairs == (
        ("log_amount", "is_night"),
        ("is_night", "is_night"),
        ("is_weekend", "is_weekend"),
        ("is_weekend", "is_night"),
        ("log_amount", "category:channel:1"),
    )


def test_every_kind_says_in_words_and_units_what_it_is():
    values = {
        "entity": "card",
        "other": "terminal",
        "column": "distance",
        "bucket": "3",
        "quantile": "0.9",
    }
    for kind, spec in KINDS.items():
        options = tuple((need, values.get(need, "1d")) for need in spec.needs)
        made = Feature(kind, options)
        assert made.name == ":".join([kind, *(value for _, value in options)])
        assert "{" not in made.words
        assert made.words
        assert made.unit == spec.unit
        for need in spec.needs:
            assert f"{{{need}}}" in spec.words


def test_the_default_list_serves_any_data():
    text = (DEFAULTS / "features.toml").read_text()
    both = load_features(text, ["card", "terminal"], (), ["channel"])
    for entities in (["card"], ["terminal"], []):
        found = load_features(text, entities)
        kept = set(found.names) | set(found.left_out)
        assert kept == {name for name in both.names if not name.startswith("category")}
    assert load_features(text, []).entities == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1s", 1), ("90m", 5_400), ("13h", 46_800), ("365d", 31_536_000), ("007d", 604_800)],
)
def test_seconds(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h",
        "1",
        "0d",
        "1w",
        "-1h",
        "1.5h",
        "1 h",
        "1H",
        "²h",
        "٣h",
        "h1",
        "1_0h",
        "9" * 5_000 + "d",
    ],
)
def test_what_is_not_a_time_scale(text):
    with pytest.raises(ConfigError) as caught:
        seconds(text, "entities.card.scales")
    assert caught.value.field == "entities.card.scales"
    assert caught.value.fix


IS_NEW = feature(kind='"is_new"', entity='"card"')
COUNT = feature(kind='"count"', entity='"card"', scale='"1h"')
WRONG = {
    "not TOML": ("kind = ", "features"),
    "a number that Python does not read": ("features = " + "9" * 5_000, "features"),
    "unknown table": ("[entity.card]\n" + AMOUNT, "features"),
    "entities are no table": ("entities = 3\n" + AMOUNT, "entities"),
    "entity is no table": ('[entities]\ncard = "1h"\n' + AMOUNT, "entities.card"),
    "unknown counters": ('[entities.card]\nscale = ["1h"]\n' + AMOUNT, "entities.card"),
    "scales are no list": ('[entities.card]\nscales = "1h"\n' + AMOUNT, "entities.card.scales"),
    "no time scale": (
        '[entities.card]\nlabel_scales = ["1h", "soon"]\n' + AMOUNT,
        "entities.card.label_scales",
    ),
    "a scale is a number": ("[entities.card]\nscales = [3600]\n" + AMOUNT, "entities.card.scales"),
    "a scale is there twice": (
        '[entities.card]\napproved_scales = ["1d", "24h"]\n' + AMOUNT,
        "entities.card.approved_scales",
    ),
    "features are no list": ("[features]\nkind = 1\n", "features"),
    "a feature is no table": ('features = ["log_amount"]\n', "features[0]"),
    "no kind": (AMOUNT + feature(entity='"card"'), "features[1].kind"),
    "unknown kind": (feature(kind='"log_amonut"'), "features[0].kind"),
    "kind is no text": (feature(kind='["log_amount"]'), "features[0].kind"),
    "numeric comes from the schema": (
        feature(kind='"numeric"', column='"distance"'),
        "features[0].kind",
    ),
    "category comes from the schema": (
        feature(kind='"category"', column='"channel"', bucket='"1"'),
        "features[0].kind",
    ),
    "missing key": (AMOUNT + feature(kind='"count"', entity='"card"'), "features[1]"),
    "surplus key": (feature(kind='"log_amount"', scale='"1h"'), "features[0]"),
    "empty list": (CARD + feature(kind='"is_new"', entity="[]"), "features[0].entity"),
    "entity is no text": (feature(kind='"is_new"', entity="[true]"), "features[0].entity"),
    "scale is no text": (
        CARD + feature(kind='"count"', entity='"card"', scale="3600"),
        "features[0].scale",
    ),
    "scale not kept": (
        CARD + AMOUNT + feature(kind='"count"', entity='"card"', scale='"2h"'),
        "features[1].scale",
    ),
    "scale of other counters": (
        CARD + feature(kind='"fraud_rate"', entity='"card"', scale='"1h"'),
        "features[0].scale",
    ),
    "scale of approved counters": (
        CARD + feature(kind='"approved_count"', entity='"card"', scale='"30d"'),
        "features[0].scale",
    ),
    "entity keeps nothing": (COUNT, "features[0].scale"),
    "long scale not kept": (
        CARD + feature(kind='"velocity"', entity='"card"', scale='"1h"', long_scale='"2d"'),
        "features[0].long_scale",
    ),
    "long scale is not longer": (
        CARD + feature(kind='"velocity"', entity='"card"', scale='["1h", "7d"]', long_scale='"7d"'),
        "features[0].long_scale",
    ),
    "meets itself": (
        feature(kind='"first_meeting"', entity='"card"', other='["terminal", "card"]'),
        "features[0].other",
    ),
    "declared twice": (IS_NEW + AMOUNT + IS_NEW, "features"),
    "the same quantile twice": (
        feature(kind='"amount_beyond"', quantile='["0.5", 0.50]'),
        "features",
    ),
    "nothing is left": (feature(kind='"is_new"', entity='"device"'), "features"),
    "nothing at all": ("", "features"),
    "interactions are no list": ('interactions = "log_amount"\n' + AMOUNT, "interactions"),
    "no pair": ('interactions = [["log_amount"]]\n' + AMOUNT, "interactions[0]"),
    "a pair is no list": ('interactions = ["ab"]\n' + AMOUNT, "interactions[0]"),
    "a side is no text": ('interactions = [["log_amount", 3]]\n' + AMOUNT, "interactions[0]"),
    "unknown feature": (
        'interactions = [["log_amount", "log_amount"], ["log_amount", "is_new:card"]]\n' + AMOUNT,
        "interactions[1]",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(name):
    text, field = WRONG[name]
    with pytest.raises(ConfigError) as caught:
        load_features(text, ["card", "terminal"])
    assert caught.value.field == field
    assert caught.value.problem


@pytest.mark.parametrize(
    "quantile", ["0", "1.0", "-0.5", "nan", "inf", '"half"', "true", "[[0.5]]"]
)
def test_a_quantile_is_a_number_between_0_and_1(quantile):
    with pytest.raises(ConfigError) as caught:
        load_features(feature(kind='"amount_beyond"', quantile=quantile), [])
    assert caught.value.field == "features[0].quantile"


def test_columns_of_the_data_are_there_once():
    with pytest.raises(ConfigError, match="declared twice: numeric:a"):
        load_features(AMOUNT, [], ["a", "a"])


def test_the_fix_suggests_what_was_meant():
    with pytest.raises(ConfigError, match="did you mean 'log_amount'"):
        load_features(feature(kind='"log_amonut"'), [])
    with pytest.raises(ConfigError, match=r"add it to entities\.card\.scales"):
        load_features(COUNT, ["card"])


BEYOND, OLDER = '"amount_beyond_legitimate"', '"fraud_run_older"'


@pytest.mark.parametrize("times", ["0", "101", "-1", "nan", '"few"', "true", "[[2]]"])
def test_a_multiple_is_a_positive_number(times):
    with pytest.raises(ConfigError) as caught:
        load_features(feature(kind=BEYOND, entity='"card"', times=times), ["card"])
    assert caught.value.field == "features[0].times"


def test_a_multiple_may_be_given_as_number_or_text():
    text = feature(kind=BEYOND, entity='"card"', times='[0.50, "2.0"]')
    names = load_features(text, ["card"]).names
    assert names == ("amount_beyond_legitimate:card:0.5", "amount_beyond_legitimate:card:2")


@pytest.mark.parametrize("age", ["3", '"3"', '"3 weeks"', '"0d"', "true"])
def test_the_age_of_a_run_is_a_time(age):
    with pytest.raises(ConfigError) as caught:
        load_features(feature(kind=OLDER, entity='"card"', age=age), ["card"])
    assert caught.value.field == "features[0].age"
