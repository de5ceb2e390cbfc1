"""A model of `laplace` on disk: what is loaded goes on as if it had never left, what is forged is named."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_files import NAMES, SETTINGS, arrays_of, learner_after, pack, refused, rows_and_labels
from model_files import signed as signed_by

from fraud_system.errors import ArtefactError
from fraud_system.models.artefact import BUCKETS, load_model, save_model
from fraud_system.models.fast_forward import fast_forward
from fraud_system.models.model_settings import LaplaceSettings
from fraud_system.models.online import model_arrays
from fraud_system.models.pipeline import parts

BLOCK = 37
USING = dataclasses.replace(
    SETTINGS,
    model=LaplaceSettings(
        prevalence=0.02, prior_precision=2.0, memory_labels=300.0, block_labels=BLOCK
    ),
)
LEARNER = learner_after(using=USING)
FILES = save_model(LEARNER)
HELD = 200 % BLOCK
OWN = ("learned", "mean", "variance", "weight", "precision")
PENDING = tuple(f"pending_{name}" for name in ("rows", "curve", "target", "held", "refused"))


def signed(arrays):
    """Files of other arrays whose checksums are right."""
    return signed_by(json_of(FILES), pack(arrays))


def json_of(files):
    return json.loads(files["model.json"])


def test_the_files_hold_everything_and_equal_learners_give_equal_bytes():
    arrays = arrays_of(FILES)
    assert set(arrays) == {*OWN, *PENDING, *BUCKETS}
    assert arrays["pending_held"].tolist() == [HELD]
    assert np.count_nonzero(arrays["weight"]) == 1 + len(NAMES) + 2
    assert json_of(FILES)["kind"] == "laplace"
    assert save_model(learner_after(using=USING)) == FILES
    assert save_model(learner_after(seed=1, using=USING)) != FILES


@pytest.mark.parametrize("by_river", [False, True], ids=["compiled", "river"])
def test_a_loaded_model_goes_on_learning_in_the_middle_of_its_block(by_river):
    learner = learner_after(using=USING)
    loaded = load_model(save_model(learner), USING).pipeline
    assert repr(loaded) == repr(learner.model)
    features, is_fraud = rows_and_labels(100, seed=2)
    for model in (loaded, learner.model):
        if by_river:
            for row, fraud in zip(features, is_fraud, strict=True):
                known = zip(NAMES, row.tolist(), strict=True)
                model.learn_one({n: v for n, v in known if v == v}, bool(fraud))
        else:
            fast_forward(model, NAMES, features, is_fraud)
    left, right = model_arrays(loaded, NAMES), model_arrays(learner.model, NAMES)
    for name, array in left.items():
        assert array.tobytes() == right[name].tobytes(), name
    x = {name: float(v) for name, v in zip(NAMES, features[0], strict=True) if v == v}
    assert loaded.predict_proba_one(x) == learner.model.predict_proba_one(x)
    terms = {"log_amount": 1.0}
    variances = [parts(m)[3].logit_variance_one(terms) for m in (loaded, learner.model)]
    assert variances[0] == variances[1]


def test_a_model_of_other_settings_is_refused():
    other = dataclasses.replace(USING, model=dataclasses.replace(USING.model, block_labels=38))
    assert "other settings" in refused(FILES, "model.json", other).problem
    refused(FILES, "model.json", SETTINGS)


def test_the_kind_must_be_that_of_the_settings():
    files = signed_by(json_of(FILES) | {"kind": "baseline"}, FILES["arrays.npz"])
    refused(files, "model.json: kind")


@pytest.mark.parametrize("name", [*OWN, *PENDING])
def test_each_array_has_to_be_there_in_shape_and_in_type(name):
    arrays = arrays_of(FILES)
    array = arrays[name]
    missing = {n: a for n, a in arrays.items() if n != name}
    assert refused(signed(missing), name).problem == "is missing"
    for wrong in (
        array[:-1],
        np.append(array, array[:1], axis=0),
        array[:, None],
        array.ravel()[:1] if array.size > 1 else np.array(array[0]),
        array.T.copy() if array.ndim == 2 and len(set(array.shape)) == 2 else array[None],
        array.astype(np.int32),
        array.astype(complex),
    ):
        refused(signed(arrays | {name: wrong}), f"arrays.npz: {name}")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", [n for n, a in arrays_of(FILES).items() if a.dtype == np.float64])
def test_a_value_that_is_not_finite_is_named(name, bad):
    arrays = arrays_of(FILES)
    arrays[name].flat[-1] = bad
    assert "not finite" in refused(signed(arrays), f"arrays.npz: {name}").problem


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("pending_held", BLOCK, "more than a block"),
        ("pending_held", BLOCK + 1, "more than a block"),
        ("pending_held", 2**62, "more than a block"),
        ("pending_held", -1, "below 0"),
        ("pending_refused", -1, "below 0"),
        ("variance", -1e-9, "below 0"),
        ("learned", -1.0, "below 0"),
        ("precision", 0.0, "positive definite"),
        ("precision", -1.0, "positive definite"),
    ],
)
def test_a_value_that_cannot_be_is_named(name, value, problem):
    arrays = arrays_of(FILES)
    arrays[name].flat[0] = value
    assert problem in refused(signed(arrays), f"arrays.npz: {name}").problem


def test_a_precision_that_is_not_positive_definite_though_its_diagonal_is_is_refused():
    arrays = arrays_of(FILES)
    arrays["precision"][0, 1] = 1.01 * np.sqrt(
        arrays["precision"][0, 0] * arrays["precision"][1, 1]
    )
    assert "positive definite" in refused(signed(arrays), "arrays.npz: precision").problem


def test_absurd_rows_of_an_open_block_are_loaded_and_then_refused_by_the_model():
    """They are finite, so nothing is wrong with the file: the guard of every block is the model's own."""
    arrays = arrays_of(FILES)
    arrays["pending_rows"][0, 1:] = 1e300
    arrays["pending_target"][0] = 1e300
    model = load_model(signed(arrays)).pipeline
    before = model_arrays(model, NAMES)
    features, is_fraud = rows_and_labels(BLOCK - HELD, seed=3)
    fast_forward(model, NAMES, features, is_fraud)
    after = model_arrays(model, NAMES)
    assert after["pending_refused"].tolist() == [1]
    for name in ("weight", "precision"):
        assert after[name].tobytes() == before[name].tobytes()


def read(files):
    """The model, or the field in which it is none."""
    try:
        return load_model(files, USING), None
    except ArtefactError as error:
        return None, error.field


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 2**30), st.integers(1, 255)), min_size=1, max_size=4))
def test_a_signed_array_file_with_any_bytes_changed_is_refused_or_sound(changes):
    packed = bytearray(FILES["arrays.npz"])
    for place, flip in changes:
        packed[place % len(packed)] ^= flip
    loaded, field = read(signed_by(json_of(FILES), bytes(packed)))
    if loaded is None:
        assert field.startswith("arrays.npz")
    else:  # a date in the zip directory, say
        assert loaded.arrays["weight"].tobytes() == arrays_of(FILES)["weight"].tobytes()
