"""Settings that were tampered with on their way through JSON are refused, never filled in or guessed."""

import json

import pytest
from every_part import LISTED, SETTINGS
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_system.errors import ArtefactError
from fraud_system.settings import Settings


def read(described):
    """The settings, or why they are none."""
    try:
        return Settings.from_described(described), None
    except ArtefactError as error:
        return None, error


def leaves(value, path=()):
    """Every place in described settings."""
    yield path
    if isinstance(value, dict | list):
        places = value if isinstance(value, dict) else range(len(value))
        for place in places:
            yield from leaves(value[place], (*path, place))


PLAIN = json.loads(json.dumps(SETTINGS.described()))
PLACES = [path for path in leaves(PLAIN) if path]
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda each: (
        st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=3), each, max_size=3)
    ),
    max_leaves=5,
)


def changed_at(path, change):
    described = json.loads(json.dumps(PLAIN))
    inner = described
    for place in path[:-1]:
        inner = inner[place]
    change(inner, path[-1])
    return described


@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)))
def test_what_is_missing_is_never_filled_in(path):
    described = changed_at(path, lambda inner, place: inner.pop(place))
    back, error = read(described)
    if back is None:
        assert error.field.startswith("settings")
        return
    # One feature, rule or pair fewer is a list of its own; whatever has a name must be there.
    assert isinstance(path[-1], int)
    assert json.loads(json.dumps(back.described())) == described
    assert back.fingerprint != SETTINGS.fingerprint or path[1] == "left_out"


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PLACES), JSON_VALUES)
def test_whatever_is_put_in_a_place_is_kept_or_refused(path, value):
    described = changed_at(path, lambda inner, place: inner.__setitem__(place, value))
    back, error = read(described)
    if back is None:
        assert error.field.startswith("settings")
    else:
        assert json.loads(json.dumps(back.described())) == described


@pytest.mark.parametrize("nonsense", [None, [], "settings", 5, {}, {"features": {}}, [[]] * 9])
def test_what_is_no_description_at_all_is_refused(nonsense):
    with pytest.raises(ArtefactError):
        Settings.from_described(nonsense)


def test_an_unknown_key_is_refused():
    for name in ("", "labels", "model", "costs", "features"):
        described = json.loads(json.dumps(PLAIN))
        (described[name] if name else described)["surprise"] = 1
        with pytest.raises(ArtefactError):
            Settings.from_described(described)


FIRST_COUNT = next(i for i, f in enumerate(LISTED.features) if f.kind == "velocity")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("features", "entities", 0, "name"), "customer"),
        (("features", "entities", 0, "scales"), ["2h", "7d"]),
        (("features", "entities", 0, "label_scales"), ["soon"]),
        (("features", "numeric"), ["height"]),
        (("features", "categorical"), []),
        (("features", "features", FIRST_COUNT, "kind"), "count"),
        (("features", "features", FIRST_COUNT, "options", 1, 1), "3h"),
        (("features", "features", FIRST_COUNT, "options", 1, 0), "approved_scale"),
        (("features", "features", 1, "options", 0, 1), "most"),
    ],
)
def test_a_feature_that_the_engine_could_not_compute_is_refused(place, value):
    described = changed_at(place, lambda inner, last: inner.__setitem__(last, value))
    assert described != PLAIN
    with pytest.raises(ArtefactError):
        Settings.from_described(described)


def test_a_value_out_of_range_is_named_as_a_field_of_the_artefact():
    described = json.loads(json.dumps(PLAIN))
    described["model"]["squash_limit"] = 0.0
    with pytest.raises(ArtefactError, match=r"settings\.model\.squash_limit: must be positive"):
        Settings.from_described(described)
