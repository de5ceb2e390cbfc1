"""Settings: every field is in the fingerprint, a trip through JSON gives them back, nonsense is refused."""

import dataclasses
import json
import math

import pytest
from every_part import FEATURES, LISTED, RULES, SETTINGS
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_system.errors import ArtefactError, ConfigError
from fraud_system.features.declaration import Entity, Feature, FeatureList, load_features
from fraud_system.guards import GuardSettings
from fraud_system.labels import LabelSettings
from fraud_system.models.heuristic import Rule
from fraud_system.models.model_settings import BaselineSettings, LaplaceSettings
from fraud_system.models.recalibration import RecalibrationSettings
from fraud_system.policy import PolicyCosts
from fraud_system.settings import Settings
from fraud_system.strategies import LearningSettings


def with_features(**changes):
    return dataclasses.replace(SETTINGS, features=dataclasses.replace(LISTED, **changes))


def with_part(name, part, field):
    value = getattr(part, field)
    changed = dataclasses.replace(part, **{field: value + 1 if type(value) is int else value / 2})
    return dataclasses.replace(SETTINGS, **{name: changed})


def with_entity(**changes):
    changed = dataclasses.replace(LISTED.entities[0], **changes)
    return with_features(entities=(changed, LISTED.entities[1]))


PARTS = {
    "labels": SETTINGS.labels,
    "costs": SETTINGS.costs,
    "model": SETTINGS.model,
    "recalibration": SETTINGS.recalibration,
    "guards": SETTINGS.guards,
}
CHANGED = {
    (type(part).__name__, each.name): with_part(name, part, each.name)
    for name, part in PARTS.items()
    for each in dataclasses.fields(part)
    if each.name not in ("kind", "enabled")
} | {
    ("RecalibrationSettings", "enabled"): dataclasses.replace(
        SETTINGS, recalibration=RecalibrationSettings(enabled=True)
    ),
    ("BaselineSettings", "kind"): dataclasses.replace(SETTINGS, model=LaplaceSettings()),
    ("Settings", "features"): with_features(features=LISTED.features[::-1]),
    ("Settings", "rules"): dataclasses.replace(SETTINGS, rules=RULES[::-1]),
    ("Settings", "labels"): dataclasses.replace(SETTINGS, labels=LabelSettings(maturity_s=60)),
    ("Settings", "costs"): dataclasses.replace(SETTINGS, costs=PolicyCosts(fee=0.0)),
    ("Settings", "model"): dataclasses.replace(SETTINGS, model=BaselineSettings(prevalence=0.1)),
    ("Settings", "guards"): dataclasses.replace(SETTINGS, guards=GuardSettings(max_weight=9.0)),
    ("Settings", "recalibration"): dataclasses.replace(
        SETTINGS, recalibration=RecalibrationSettings(True, memory_labels=10.0)
    ),
    ("Settings", "learning"): dataclasses.replace(
        SETTINGS, learning=LearningSettings("delay_matched")
    ),
    **{
        ("LearningSettings", name): dataclasses.replace(
            SETTINGS, learning=LearningSettings(**{name: value})
        )
        for name, value in {
            "strategy": "fake_negative_weighted",
            "keep_legitimate": 0.1,
            "false_fraud_share": 0.01,
            "missed_fraud_share": 0.2,
            "weight_cap": 5.0,
        }.items()
    },
    ("Settings", "publish_every_labels"): dataclasses.replace(SETTINGS, publish_every_labels=999),
    ("Settings", "memory_labels"): dataclasses.replace(SETTINGS, memory_labels=49_999.5),
    ("Settings", "max_lateness_s"): dataclasses.replace(SETTINGS, max_lateness_s=0),
    ("Settings", "max_ahead_s"): dataclasses.replace(SETTINGS, max_ahead_s=301),
    ("FeatureList", "entities"): with_features(entities=LISTED.entities[::-1]),
    ("FeatureList", "numeric"): with_features(numeric=("age", "height")),
    ("FeatureList", "categorical"): with_features(categorical=("channel", "country")),
    ("FeatureList", "features"): with_features(features=(*LISTED.features, Feature("hour_sin"))),
    ("FeatureList", "pairs"): with_features(pairs=LISTED.pairs[:-1]),
    ("Entity", "name"): with_entity(name="customer"),
    ("Entity", "scales"): with_entity(scales=("7d", "1h")),
    ("Entity", "approved_scales"): with_entity(approved_scales=("2d",)),
    ("Entity", "label_scales"): with_entity(label_scales=()),
    ("Feature", "kind"): with_features(features=(*LISTED.features, Feature("hour_cos"))),
    ("Feature", "options"): with_features(
        features=tuple(
            Feature("amount_exceeds", (("quantile", "0.95"),)) if f.name[-3:] == "0.9" else f
            for f in LISTED.features
        )
    ),
    ("Rule", "name"): dataclasses.replace(SETTINGS, rules=(Rule("b", RULES[0].conditions),)),
    ("Rule", "conditions"): dataclasses.replace(
        SETTINGS, rules=(Rule("both", (("log_amount", False, 5.0),)), RULES[1])
    ),
}
NO_PART = {("FeatureList", "left_out")}


def test_every_field_of_every_part_is_in_the_fingerprint():
    kinds = (Settings, FeatureList, Entity, Feature, Rule, LabelSettings, PolicyCosts)
    kinds = (*kinds, BaselineSettings, LearningSettings, RecalibrationSettings)
    kinds = (*kinds, GuardSettings)
    every = {(k.__name__, f.name) for k in kinds for f in dataclasses.fields(k)}
    assert set(CHANGED) == every - NO_PART
    fingerprints = {SETTINGS.fingerprint} | {each.fingerprint for each in CHANGED.values()}
    assert len(fingerprints) == len(CHANGED) + 1
    assert all(len(bytes.fromhex(each)) == 32 for each in fingerprints)
    for field, changed in CHANGED.items():
        assert changed != SETTINGS, field


@pytest.mark.parametrize("place", range(3))
def test_each_element_of_a_condition_is_in_the_fingerprint(place):
    other = ("amount_exceeds:0.9", False, 5.000000000000001)
    condition = ["log_amount", True, 5.0]
    condition[place] = other[place]
    before = dataclasses.replace(SETTINGS, rules=(Rule("a", (("log_amount", True, 5.0),)),))
    after = dataclasses.replace(SETTINGS, rules=(Rule("a", (tuple(condition),)),))
    assert before.fingerprint != after.fingerprint


def test_equal_settings_have_equal_fingerprints():
    again = Settings(load_features(FEATURES, ["card", "terminal"], ["age"], ["channel"]), RULES)
    assert again == SETTINGS
    assert again.fingerprint == SETTINGS.fingerprint
    whole = dataclasses.replace(
        SETTINGS,
        memory_labels=50_000,
        costs=PolicyCosts(fee=15, goodwill=5, review_cost=4),
        rules=(Rule("both", (("log_amount", True, 5), RULES[0].conditions[1])), RULES[1]),
    )
    assert whole == SETTINGS
    assert whole.fingerprint == SETTINGS.fingerprint
    zero = [dataclasses.replace(SETTINGS, costs=PolicyCosts(fee=fee)) for fee in (0.0, -0.0, 0)]
    assert len({each.fingerprint for each in zero}) == 1
    unnamed = with_features(left_out=())
    assert unnamed == SETTINGS
    assert unnamed.fingerprint == SETTINGS.fingerprint


ALL = [SETTINGS, Settings(LISTED), *CHANGED.values()]


def usable(each):
    """Some of the changed lists above differ in a way that no declaration can give."""
    try:
        Settings.from_described(each.described())
    except ArtefactError:
        return False
    return True


def test_a_trip_through_json_gives_equal_settings():
    good = [each for each in ALL if usable(each)]
    assert len(good) > len(ALL) - 6
    for each in good:
        text = json.dumps(each.described(), allow_nan=False)
        back = Settings.from_described(json.loads(text))
        assert back == each
        assert back.features.left_out == each.features.left_out
        assert back.fingerprint == each.fingerprint
        assert json.dumps(back.described()) == text
        assert hash(back) == hash(each)


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 1_000_000),
    st.floats(100.0, 1e12),
    st.integers(0, 2**31 - 1),
    st.floats(1e-9, 0.999),
    st.floats(1e-9, 1e9),
    st.floats(-3e38, 3e38),
    st.text(min_size=1).filter(str.strip),
)
def test_any_numbers_survive_the_trip(publish, memory, seconds, prevalence, rate, threshold, name):
    original = Settings(
        LISTED,
        rules=(Rule(name, (("log_amount", False, threshold),)),),
        model=BaselineSettings(prevalence=prevalence, learning_rate=rate),
        publish_every_labels=publish,
        memory_labels=memory,
        max_lateness_s=seconds,
    )
    back = Settings.from_described(json.loads(json.dumps(original.described())))
    assert back == original
    assert back.fingerprint == original.fingerprint


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        *[("publish_every_labels", bad) for bad in (0, -1, 1_000_001, 10.0, True, "10", None)],
        *[("memory_labels", bad) for bad in (99.9, 0.0, -1.0, math.nan, math.inf, "1e6", None)],
        *[("max_lateness_s", bad) for bad in (-1, 2**31, 1.5, math.nan, False, None)],
        *[("max_ahead_s", bad) for bad in (-1, 2**31, 0.0, "300")],
    ],
)
def test_a_number_out_of_range_is_named(field, bad):
    with pytest.raises(ConfigError) as caught:
        dataclasses.replace(SETTINGS, **{field: bad})
    assert caught.value.field == field
    assert repr(bad) in caught.value.problem


def test_the_bounds_themselves_are_allowed():
    for changes in (
        {"publish_every_labels": 1, "memory_labels": 100, "max_lateness_s": 0, "max_ahead_s": 0},
        {"publish_every_labels": 1_000_000, "max_lateness_s": 2**31 - 1, "max_ahead_s": 2**31 - 1},
    ):
        changed = dataclasses.replace(SETTINGS, **changes)
        assert Settings.from_described(changed.described()) == changed


@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("rules", lambda: Settings(LISTED, (Rule("a", (("is_new:device", True, 0.5),)),))),
        ("features.pairs", lambda: with_features(pairs=(("log_amount", "absent"),))),
        ("features.pairs", lambda: with_features(pairs=(("log_amount", "log_amount"),) * 2)),
        ("features", lambda: with_features(features=(Feature("log_amount"),) * 2, pairs=())),
    ],
)
def test_names_that_do_not_fit_are_refused(field, make):
    with pytest.raises(ConfigError) as caught:
        make()
    assert caught.value.field == field
