"""Plan B: how its rules are read from TOML, and what is said of a rule that is wrong."""

import math

import pytest

from fraud_system.errors import ConfigError
from fraud_system.models.heuristic import MAX_CONDITIONS, Rule, load_rules

NAMES = ("is_new:card", "amount", "fraud_run:terminal", "numeric:age of account")


def toml_rule(name, *when):
    return f'[[rules]]\nname = "{name}"\nwhen = {list(when)}\n'


def test_rules_are_read_in_order():
    text = toml_rule("new", "is_new:card > 0.5", "amount <= 2") + toml_rule(
        "small", "amount <= -1e3"
    )
    assert load_rules(text, NAMES) == (
        Rule("new", (("is_new:card", True, 0.5), ("amount", False, 2.0))),
        Rule("small", (("amount", False, -1000.0),)),
    )


def test_a_feature_may_have_spaces_in_its_name():
    found = load_rules(toml_rule("young", "  numeric:age of account   <=  30 "), NAMES)
    assert found == (Rule("young", (("numeric:age of account", False, 30.0),)),)


def test_no_rules_at_all_is_a_constant_rate():
    assert load_rules("", NAMES) == ()
    assert load_rules("rules = []", NAMES) == ()


@pytest.mark.parametrize(
    ("text", "field", "problem"),
    [
        ("[[rules", "rules", "not TOML"),
        ('[[rule]]\nname = "a"\nwhen = ["amount > 1"]', "rules", "'rule'"),
        ('[rules]\nname = "a"\nwhen = ["amount > 1"]', "rules", "list of tables"),
        ("rules = 5", "rules", "list of tables"),
        ('rules = ["amount > 1"]', "rules[0]", "a name and one to four"),
        ("rules = [5]", "rules[0]", "a name and one to four"),
        ("rules = [[1, 2]]", "rules[0]", "a name and one to four"),
        ('[[rules]]\nname = "a"', "rules[0]", "a name and one to four"),
        ('[[rules]]\nwhen = ["amount > 1"]', "rules[0]", "a name and one to four"),
        ('[[rules]]\nname = ""\nwhen = ["amount > 1"]', "rules[0]", "a name and one to four"),
        ('[[rules]]\nname = 7\nwhen = ["amount > 1"]', "rules[0]", "a name and one to four"),
        ('[[rules]]\nname = "a"\nwhen = "amount > 1"', "rules[0]", "a name and one to four"),
        ('[[rules]]\nname = "a"\nwhen = "a>1"', "rules[0]", "a name and one to four"),
        ('[[rules]]\nname = "a"\nwhen = 3', "rules[0]", "a name and one to four"),
        (
            '[[rules]]\nname = "a"\nwhen = ["amount > 1"]\nthen = "decline"',
            "rules[0]",
            "a name and one to four",
        ),
        (toml_rule("a"), "rules[0]", "a name and one to four"),
        (toml_rule("a", *["amount > 1"] * 5), "rules[0]", "a name and one to four"),
        (toml_rule("a", "amount > 1") + toml_rule("b", "amount"), "rules[1]", "'amount'"),
        (toml_rule("a", "amount >= 1"), "rules[0]", "is not a condition"),
        (toml_rule("a", "amount < 1"), "rules[0]", "is not a condition"),
        (toml_rule("a", "amount>1"), "rules[0]", "is not a condition"),
        (toml_rule("a", "> 1"), "rules[0]", "is not a condition"),
        (toml_rule("a", "amount > many"), "rules[0]", "is not a condition"),
        (toml_rule("a", "1 < amount > 2"), "rules[0]", "no feature is called '1 < amount'"),
        (toml_rule("a", "amount > nan"), "rules[0]", "is not a condition"),
        (toml_rule("a", "amount <= nan"), "rules[0]", "is not a condition"),
        (toml_rule("a", "amount <= inf"), "rules[0]", "is not a condition"),
        (toml_rule("a", "amount > 1e39"), "rules[0]", "is not a condition"),
        ('[[rules]]\nname = "a"\nwhen = [1]', "rules[0]", "is not a condition"),
        ('[[rules]]\nname = "a"\nwhen = [["amount > 1"]]', "rules[0]", "is not a condition"),
        (toml_rule("a", "amuont > 1"), "rules[0]", "no feature is called 'amuont'"),
        (toml_rule("a", "amount > 1") * 2, "rules[1]", "declared twice"),
    ],
)
def test_a_rule_that_is_wrong_is_named_with_its_fix(text, field, problem):
    with pytest.raises(ConfigError) as caught:
        load_rules(text, NAMES)
    assert caught.value.field == field
    assert problem in caught.value.problem
    if problem != "not TOML":
        assert caught.value.fix


def test_a_misspelt_feature_gets_a_suggestion():
    with pytest.raises(ConfigError) as caught:
        load_rules(toml_rule("a", "fraud_run:termnial > 1"), NAMES)
    assert caught.value.fix == "did you mean 'fraud_run:terminal'?"


def test_rules_that_read_what_the_data_does_not_have_are_left_out():
    text = (
        toml_rule("a", "is_new:terminal > 0.5")
        + toml_rule("b", "amount > 3", "is_new:terminal > 0.5")
        + toml_rule("c", "amount > 3")
    )
    found = load_rules(text, NAMES, left_out=["is_new:terminal", "count:terminal:1h"])
    assert [rule.name for rule in found] == ["c"]
    with pytest.raises(ConfigError, match="is_new:terminal"):
        load_rules(text, NAMES)


def test_what_is_misspelt_is_named_even_beside_what_is_left_out():
    text = toml_rule("a", "is_new:terminal > 0.5", "zmount > 1")
    with pytest.raises(ConfigError, match="zmount"):
        load_rules(text, NAMES, left_out=["is_new:terminal"])


@pytest.mark.parametrize(
    ("name", "conditions"),
    [
        ("", (("amount", True, 1.0),)),
        (None, (("amount", True, 1.0),)),
        ("none", ()),
        ("many", (("amount", True, 1.0),) * (MAX_CONDITIONS + 1)),
        ("nan", (("amount", False, math.nan),)),
        ("infinite", (("amount", False, math.inf),)),
        ("beyond float32", (("amount", True, -3.5e38),)),
    ],
)
def test_a_rule_made_by_hand_is_checked_too(name, conditions):
    with pytest.raises(ConfigError):
        Rule(name, conditions)
