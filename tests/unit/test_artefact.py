"""A model on disk: what is loaded is what was saved, and damage on the way is found and named."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_files import (
    FILES,
    LEARNER,
    NAMES,
    SETTINGS,
    learner_after,
    refused,
    rows_and_labels,
    signed,
)

from fraud_system.errors import ArtefactError
from fraud_system.features.declaration import load_features
from fraud_system.learner import Learner
from fraud_system.models.artefact import BUCKETS, load_model, save_model
from fraud_system.models.fast_forward import LearnerState, fast_forward, read_state
from fraud_system.models.pipeline import parts
from fraud_system.settings import Settings


def test_signing_again_what_is_not_damaged_changes_nothing():
    assert signed() == FILES
    load_model(signed(), SETTINGS)


def test_a_loaded_model_predicts_the_same_bits():
    loaded = load_model(FILES, SETTINGS)
    assert loaded.names == NAMES
    features, _ = rows_and_labels(50, seed=1)
    for row in features:
        x = {n: float(v) for n, v in zip(NAMES, row, strict=True) if not np.isnan(v)}
        assert loaded.pipeline.predict_proba_one(x) == LEARNER.model.predict_proba_one(x)


@pytest.mark.parametrize("by_river", [False, True], ids=["compiled", "river"])
def test_a_loaded_model_goes_on_learning_as_if_it_had_never_left(by_river):
    learner = learner_after()
    loaded = load_model(save_model(learner)).pipeline
    assert repr(loaded) == repr(learner.model)
    features, is_fraud = rows_and_labels(100, seed=2)
    for model in (loaded, learner.model):
        if by_river:
            for row, fraud in zip(features, is_fraud, strict=True):
                known = zip(NAMES, row.tolist(), strict=True)
                model.learn_one({n: v for n, v in known if v == v}, bool(fraud))
        else:
            fast_forward(model, NAMES, features, is_fraud)
    for left, right in zip(
        read_state(loaded, NAMES), read_state(learner.model, NAMES), strict=True
    ):
        assert left.tobytes() == right.tobytes()
    iterations = [parts(model)[3].optimizer.n_iterations for model in (loaded, learner.model)]
    assert iterations == [300, 300]


def test_what_the_files_say_is_what_was_learned():
    described = json.loads(FILES["model.json"])
    assert described["learned_labels"] == 200
    assert described["weights_version"] == 2  # at first, and after every 70 labels
    assert described["learned_through_seq"] == 400
    assert [each["name"] for each in described["features"]] == list(NAMES)
    assert described["features"][0] == {
        "name": "log_amount",
        "unit": "log(1+amount)",
        "words": "amount",
    }
    assert described["pairs"] == [["log_amount", "log_amount"], ["log_amount", "numeric:age"]]
    assert Settings.from_described(described["settings"]) == SETTINGS
    arrays = load_model(FILES).arrays
    assert set(arrays) == {*LearnerState._fields, "iterations", *BUCKETS}
    assert arrays["iterations"].tolist() == [200]
    assert arrays["bucket_frauds"].tobytes() == LEARNER.buckets.frauds.tobytes()
    assert arrays["bucket_labels"][-1] > 190.0


def test_equal_learners_give_equal_bytes_and_others_do_not():
    assert save_model(learner_after()) == FILES
    assert save_model(learner_after(seed=9))["arrays.npz"] != FILES["arrays.npz"]
    loaded = load_model(FILES)
    again = learner_after()
    again.model = loaded.pipeline
    assert save_model(again) == FILES


@pytest.mark.parametrize(
    "using",
    [
        SETTINGS,
        dataclasses.replace(SETTINGS, rules=()),
        Settings(features=load_features('[[features]]\nkind = "log_amount"', [])),
    ],
    ids=["fresh", "without rules", "one feature"],
)
def test_a_model_that_has_learned_nothing(using):
    learner = Learner(using)
    files = save_model(learner)
    loaded = load_model(files, using)
    assert loaded.described["weights_version"] == -1
    assert loaded.pipeline.predict_proba_one({"log_amount": 1.0})[True] == pytest.approx(
        using.model.prevalence
    )
    assert not loaded.arrays["seen"].any()


def test_loaded_arrays_can_be_written_to():
    loaded = load_model(FILES)
    for array in loaded.arrays.values():
        assert array.flags.writeable
        assert array.flags.owndata


@pytest.mark.parametrize("name", FILES)
def test_every_flipped_bit_is_found(name):
    """All bits of some hundred places, and one bit of each of the others."""
    data = FILES[name]
    places = [(place, place % 8) for place in range(0, len(data), 3)]
    places += [(place, bit) for place in range(0, len(data), 61) for bit in range(8)]
    for place, bit in places:
        damaged = bytearray(data)
        damaged[place] ^= 1 << bit
        with pytest.raises(ArtefactError) as caught:
            load_model(FILES | {name: bytes(damaged)})
        # A flip in a checksum makes the other side look wrong; either way a file is named.
        assert caught.value.field.split(":")[0] in FILES


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_a_file_that_is_cut_or_grown_or_replaced_is_refused(name, data):
    whole = FILES[name]
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, len(whole)))
    damaged = whole[:start] + data.draw(st.binary(max_size=20)) + whole[stop:]
    if damaged != whole:
        refused(FILES | {name: damaged}, name)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(name):
    files = {n: data for n, data in FILES.items() if n != name}
    assert "missing" in refused(files, name).problem


def test_nothing_at_all_is_refused():
    refused({}, "model.json")
    refused({"model.json": b"", "arrays.npz": b""}, "model.json")


def test_the_files_of_two_models_do_not_mix():
    other = save_model(learner_after(seed=9))
    refused({"model.json": FILES["model.json"], "arrays.npz": other["arrays.npz"]}, "arrays.npz")


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe",
        b"null",
        b"[]",
        b"5",
        b'"model"',
        b"{}",
        b'{"format_version": 1}',
        b'{"format_version": 1, "kind": "baseline"}',
        b"[" * 100_000,
        b'{"format_version":' * 100_000,
        b"1" * 10_000,
        b'{"format_version": 1, "kind": "baseline"',
    ],
    ids=range(12),
)
def test_a_description_that_is_none_is_refused(text):
    refused(FILES | {"model.json": text}, "model.json")
