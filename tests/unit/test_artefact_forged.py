"""A model that a stranger wrote, with checksums that are right: refused by name, nothing unpickled."""

import dataclasses
import io
import json
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_files import FILES, NAMES, SETTINGS, arrays_of, pack, refused, signed

from fraud_system.errors import ArtefactError
from fraud_system.learner import Learner
from fraud_system.models.artefact import BUCKETS, load_model, save_model
from fraud_system.models.fast_forward import LearnerState


def read(files):
    """The model, or why it is none."""
    try:
        return load_model(files, SETTINGS), None
    except ArtefactError as error:
        return None, error


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format_version", 2),
        ("format_version", "1"),
        ("format_version", None),
        ("kind", "forest"),
        ("kind", ["baseline"]),
    ],
)
def test_another_format_or_kind_is_not_known(field, value):
    files = signed(json.loads(FILES["model.json"]) | {field: value})
    assert "is not known" in refused(files, "model.json").problem


@pytest.mark.parametrize("name", sorted(json.loads(FILES["model.json"])))
def test_every_line_of_the_description_is_needed(name):
    described = json.loads(FILES["model.json"])
    del described[name]
    if name in ("sha256", "arrays_sha256"):
        text = (json.dumps(described, indent=1, sort_keys=True) + "\n").encode()
        refused(FILES | {"model.json": text}, "model.json")
    else:
        refused(signed(described), "settings" if name == "settings" else "model.json")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weights_version", -2),
        ("weights_version", True),
        ("learned_labels", 1.5),
        ("learned_through_seq", "7"),
        ("features", []),
        ("features", None),
        ("pairs", [["log_amount", "is_night"], ["log_amount", "numeric:age"]]),
        ("settings_fingerprint", "0" * 64),
    ],
)
def test_a_description_that_contradicts_itself_is_named(name, value):
    files = signed(json.loads(FILES["model.json"]) | {name: value})
    refused(files, f"model.json: {name}")


def test_another_feature_list_or_other_settings_are_refused():
    for other in (
        dataclasses.replace(SETTINGS, rules=()),
        dataclasses.replace(SETTINGS, publish_every_labels=71),
        dataclasses.replace(
            SETTINGS, features=dataclasses.replace(SETTINGS.features, pairs=()), rules=()
        ),
    ):
        assert "other settings" in refused(FILES, "model.json", other).problem
        load_model(save_model(Learner(other)), other)


def described_with(change):
    described = json.loads(FILES["model.json"])
    change(described)
    return described


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["settings"]["model"].update(squash_limit=0.0),
        lambda d: d["settings"]["model"].update(learning_rate=float("nan")),
        lambda d: d["settings"]["rules"][0]["conditions"][0].__setitem__(0, "absent"),
        lambda d: d["settings"]["features"]["features"][0].update(kind="absent"),
        lambda d: d["settings"]["features"].update(pairs=[["log_amount", "absent"]]),
        lambda d: d.update(settings=[]),
        lambda d: d.update(settings=None),
    ],
)
def test_settings_that_cannot_be_are_refused(change):
    refused(signed(described_with(change)), "settings")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda d: d["settings"]["model"].update(learning_rate=0.2), "settings_fingerprint"),
        (lambda d: d["settings"]["features"].update(pairs=[]), "pairs"),
        (lambda d: d["features"][0].update(words="amuont"), "features"),
    ],
)
def test_settings_that_do_not_fit_their_fingerprint_are_refused(change, field):
    refused(signed(described_with(change)), f"model.json: {field}")


@pytest.mark.parametrize("name", [*LearnerState._fields, "iterations", *BUCKETS])
def test_each_array_has_to_be_there_in_shape_and_in_type(name):
    arrays = arrays_of(FILES)
    array = arrays[name]
    missing = {n: a for n, a in arrays.items() if n != name}
    assert refused(signed(packed=pack(missing)), name).problem == "is missing"
    other_type = np.int32 if array.dtype != np.int32 else np.int64
    for wrong in (
        array[:-1],
        np.append(array, array[:1]),
        array[:, None],
        np.array(array[0]),
        array.astype(other_type),
        array.astype(array.dtype.newbyteorder(">")) if array.itemsize > 1 else array[:0],
        array.astype("U8"),
        array.astype(complex),
        array.astype("m8[s]" if array.dtype != np.bool_ else np.int8),
    ):
        refused(signed(packed=pack(arrays | {name: wrong})), f"arrays.npz: {name}")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", [n for n, a in arrays_of(FILES).items() if a.dtype == np.float64])
def test_a_value_that_is_not_finite_is_named(name, bad):
    arrays = arrays_of(FILES)
    arrays[name][-1] = bad
    assert "not finite" in refused(signed(packed=pack(arrays)), f"arrays.npz: {name}").problem


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("variance", -1e-9),
        ("learned", -1.0),
        ("squared_gradient", -1.0),
        ("bucket_labels", -5.0),
        ("bucket_frauds", 1e6),
        ("left", 3),
        ("right", -1),
        ("left", 2**40),
    ],
)
def test_a_value_that_cannot_be_is_named(name, value):
    arrays = arrays_of(FILES)
    arrays[name][0] = value
    refused(signed(packed=pack(arrays)), f"arrays.npz: {name}")


def test_an_array_too_many_is_refused():
    files = signed(packed=pack(arrays_of(FILES) | {"more": np.zeros(3)}))
    assert refused(files, "arrays.npz: more").problem == "is not known"


class Bomb:
    """What unpickling it would run must never run."""

    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


@pytest.mark.parametrize("name", ["weight", "left", "more"])
def test_nothing_is_ever_unpickled(name):
    arrays = arrays_of(FILES)
    objects = np.array([Bomb()] * 4, dtype=object)
    refused(signed(packed=pack(arrays | {name: objects}, allow_pickle=True)), f"arrays.npz: {name}")
    buffer = io.BytesIO()
    np.save(buffer, objects, allow_pickle=True)
    refused(signed(packed=buffer.getvalue()), "arrays.npz")


def test_an_array_file_of_another_kind_is_refused():
    arrays = arrays_of(FILES)
    single, squeezed, empty = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(single, arrays["weight"])
    np.savez_compressed(squeezed, **arrays)
    zipfile.ZipFile(empty, "w").close()
    for packed in (b"", b"PK", single.getvalue(), squeezed.getvalue(), empty.getvalue()):
        refused(signed(packed=packed), "arrays.npz")


def member_with_header(header):
    """A `.npy` member whose header says what it likes."""
    text = header.encode().ljust(118, b" ") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize(
    "member",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x09\x00" + bytes(100),
        b"\x93NUMPY\x01\x00\xff\xff",
        member_with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000000,)}"),
        member_with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (5,)}"),
        member_with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"),
        member_with_header("{'descr': '|O', 'fortran_order': False, 'shape': (5,)}"),
        member_with_header("{'descr': '<f8', 'shape': (5,)}"),
        member_with_header("{'descr': '" + "(" * 60 + "', 'fortran_order': 0, 'shape': 5}"),
        member_with_header("(" * 100),
        member_with_header("open('/etc/passwd')"),
        member_with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (5,)}") + bytes(41),
    ],
    ids=range(13),
)
def test_a_member_that_says_what_it_is_not_is_refused(member):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays_of(FILES).items():
            inner = io.BytesIO()
            np.save(inner, array)
            archive.writestr(f"{name}.npy", member if name == "weight" else inner.getvalue())
    refused(signed(packed=buffer.getvalue()), "arrays.npz: weight")


def test_a_zip_that_would_swell_is_refused_before_it_is_unpacked():
    for size in (2**20, 2**62):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("weight.npy", bytes(2**20))
        packed = bytearray(buffer.getvalue())
        entry = packed.rindex(b"PK\x01\x02")
        packed[entry + 24 : entry + 28] = struct.pack("<I", min(size, 2**32 - 2))
        assert "compressed" in refused(signed(packed=bytes(packed)), "arrays.npz").problem
        packed[entry + 10 : entry + 12] = struct.pack("<H", zipfile.ZIP_STORED)
        assert "larger than" in refused(signed(packed=bytes(packed)), "arrays.npz").problem


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**30), st.integers(1, 255)), min_size=1, max_size=4))
def test_a_signed_array_file_with_any_bytes_changed_is_refused_or_sound(changes):
    packed = bytearray(FILES["arrays.npz"])
    for place, flip in changes:
        packed[place % len(packed)] ^= flip
    loaded, error = read(signed(packed=bytes(packed)))
    if loaded is None:
        assert error.field.startswith("arrays.npz")
    else:  # a date in the zip directory, say
        assert loaded.arrays["weight"].tobytes() == arrays_of(FILES)["weight"].tobytes()


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda each: (
        st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=3), each, max_size=3)
    ),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(json.loads(FILES["model.json"]))), JSON_VALUES)
def test_a_signed_description_with_any_line_changed_is_refused_or_sound(name, value):
    files = signed(json.loads(FILES["model.json"]) | {name: value})
    loaded, error = read(files)
    if loaded is None:
        assert error.field
    else:  # another count
        assert loaded.names == NAMES
        assert name in ("sha256", "arrays_sha256") or value == loaded.described[name]
