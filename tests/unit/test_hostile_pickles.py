"""Pickles that want more than to be a table: refused by name, and nothing in them has run."""

import builtins
import functools
import io
import os
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas._libs.internals import _unpickle_block
from pandas.core.internals.managers import BlockManager

from fraud_system.errors import DataError
from pipelines import pandas_pickles, pickle_values
from pipelines.pandas_pickles import read_frame
from pipelines.pickle_values import Named, read_values


class Call:
    """Pickles as a call of `function`, with a state where one is given."""

    def __init__(self, function: Callable[..., Any], *arguments: Any, state: Any = None) -> None:
        self.reduced = (function, arguments, state) if state is not None else (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced

    def __call__(self) -> None:
        """Pickle wants a function that is called to be callable."""


def array(shape: object, kind: object, content: object) -> Call:
    """An array as NumPy pickles it, with a description of one's own."""
    state = (1, shape, kind, False, content)
    return Call(np._core.multiarray._reconstruct, np.ndarray, (0,), b"b", state=state)


def frame(values: object, place: object = None, names: object = None) -> bytes:
    """A DataFrame of one block, as pandas pickles it."""
    return frame_of(
        Call(_unpickle_block, values, slice(0, 1, 1) if place is None else place, 2), names
    )


def frame_of(block: object, names: object = None) -> bytes:
    index = pd.Index(["a"], dtype=object) if names is None else names
    manager = Call(BlockManager, (block,), [index, pd.RangeIndex(1)])
    return pickle.dumps(Call(pd.DataFrame, state={"_mgr": manager}), protocol=4)


INT64 = np.dtype("i8")
ONE = array((1, 1), INT64, bytes(8))


def test_the_forms_made_here_are_read_when_nothing_is_wrong() -> None:
    read = read_frame(frame(ONE), "t.pkl")
    assert (read.rows, read.column("a").to_pylist()) == (1, [0])


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    ("function", "named"),
    [
        (os.system, r"(posix|nt)\.system"),
        (builtins.eval, r"(builtins|__builtin__)\.eval"),
        (builtins.exec, r"(builtins|__builtin__)\.exec"),
        (builtins.getattr, r"(builtins|__builtin__)\.getattr"),
        (subprocess.run, r"(subprocess|commands)\.run"),
        (pickle.loads, r"_?pickle\.loads"),
        (pd.read_pickle, r"pandas(\.io\.pickle)?\.read_pickle"),
        (np.load, r"numpy\.load"),
        (io.open, r"(_io|io)\.open"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_a_call_of_anything_else_is_refused_by_name(
    tmp_path: Path, function: Callable[..., Any], named: str, protocol: int
) -> None:
    argument = f"touch {tmp_path / 'ran'}"
    with pytest.raises(DataError, match=f"names {named}, which no table needs"):
        read_frame(pickle.dumps(Call(function, argument), protocol=protocol), "t.pkl")
    assert not (tmp_path / "ran").exists()


def test_partial_is_only_known_as_the_old_name_of_a_block() -> None:
    for content in (functools.partial(os.system, "true"), functools.partial(print)):
        with pytest.raises(DataError, match=r"names (posix\.system|builtins\.print)"):
            read_frame(pickle.dumps(content), "t.pkl")
    for content in (Call(functools.partial, pd.DataFrame), functools.partial(pd.DataFrame)):
        with pytest.raises(DataError, match=r"expected a DataFrame"):
            read_frame(pickle.dumps(content), "t.pkl")
    for function in (Call(functools.partial, pd.DataFrame), Call(functools.partial, ONE)):
        block = Call(function, ONE, slice(0, 1, 1))
        with pytest.raises(DataError, match=r"expected functools.partial of new_block"):
            read_frame(frame_of(block), "t.pkl")


def test_one_bad_object_in_an_honest_frame_is_enough(tmp_path: Path) -> None:
    honest = pd.DataFrame({"id": [1, 2], "note": pd.Series(["a", "b"], dtype=object)})
    honest.loc[1, "note"] = Call(os.system, f"touch {tmp_path / 'ran'}")
    with pytest.raises(DataError, match=r"names posix\.system"):
        read_frame(pickle.dumps(honest), "t.pkl")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"(S'true'\nios\nsystem\n.", "the opcode STRING"),
        (b"(cos\nsystem\nS'true'\no.", r"names os\.system"),
        (b"(ios\nsystem\n.", "the opcode INST"),
        (b"\x80\x02\x82\x01.", "the opcode EXT1"),
        (b"Pid\n.", "the opcode PERSID"),
        (b"\x80\x04K\x01Q.", "the opcode BINPERSID"),
        (b"\x80\x05\x97.", "the opcode NEXT_BUFFER"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", r"names os\.system"),
        (b"\x80\x04\x8c\x0apandas.ext\x8c\x04Name\x93.", r"names pandas\.ext\.Name"),
        (b"\x80\x04K\x01K\x02\x93.", "a global without a name"),
        (b"\x80\x04\x8f(K\x01\x90.", "the opcode EMPTY_SET"),
        (b"\x80\x04K\x01)R.", "calls what is no global"),
        (b"\x80\x04K\x01K\x02b.", "sets the state of what has none"),
        (b"\x80\x04}K\x01K\x02s.", "no dict of texts"),
        (b"\x80\x04)K\x01a.", "appends to what is no list"),
        (b"\x80\x04K\x01\x86.", "not there"),
        (b"\x80\x04t.", "damaged"),
        (b"\x80\x04h\x09.", "damaged"),
        (b"\x80\x04K\x01K\x02.", "damaged"),
        (b"\x80\x04.", "damaged"),
        (b"\x80\x04K", "damaged"),
        (b"\x80\x04B\xff\xff\xff\x7fabc.", "damaged"),
        (b"not a pickle", "opcode"),
        (b"", "damaged"),
    ],
)
def test_pickles_by_hand(data: bytes, problem: str) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        read_values(data, [Named("pandas", "DataFrame")], "t.pkl")
    assert caught.value.field == "t.pkl"


def test_a_place_in_the_memo_costs_what_is_put_there() -> None:
    assert read_values(b"\x80\x04K\x07r\xff\xff\xff\xff0".replace(b"0", b"."), [], "t.pkl") == 7


def test_deep_nesting_does_no_harm() -> None:
    deep = read_values(b"\x80\x04)" + b"\x85" * 50_000 + b".", [], "t.pkl")
    assert type(deep) is tuple
    with pytest.raises(DataError, match="no dict of texts"):
        read_values(b"\x80\x04})" + b"\x85" * 50_000 + b"K\x01s.", [], "t.pkl")


def forged_dtype(*arguments: object, state: object) -> Call:
    return Call(np.dtype, *arguments, state=state)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        # With its flags cleared, NumPy would take the bytes of an object array for addresses.
        (
            array(
                (1, 1),
                forged_dtype("O8", False, True, state=(3, "|", None, None, None, -1, -1, 0)),
                bytes(8),
            ),
            "expected a list of objects",
        ),
        (
            array((1, 1), forged_dtype("V8", False, True, state=(3, "|", None)), bytes(8)),
            "a type of",
        ),
        (
            array((1, 1), forged_dtype("i8", False, True, state=(3, "@", None)), bytes(8)),
            "byte order",
        ),
        (
            array((1, 1), forged_dtype(INT64, False, True, state=(3, "<", None)), bytes(8)),
            "a type of",
        ),
        (array((1, 1), np.dtype("M8[h]"), bytes(8)), "a unit of time"),
        (array((1, 1), np.dtype("M8[2s]"), bytes(8)), "a unit of time"),
        (array((1, 1), None, bytes(8)), "a dtype"),
        (array((1, 2**40), INT64, bytes(8)), "as many values as the shape says"),
        (array((2**40, 0), INT64, b""), "a block as high as its place"),
        (array((1, -1), INT64, bytes(8)), "a shape"),
        (array([1, 1], INT64, bytes(8)), "a shape"),
        (array((1, 1), INT64, bytes(7)), "buffer size must be a multiple"),
        (array((1, 1), INT64, "12345678"), "expected bytes"),
        (array((1, 1), INT64, [1]), "expected bytes"),
        (array((), INT64, bytes(8)), "not the pickle of a DataFrame"),
        (Call(slice, 0, 1), "an array"),
        (7, "an array"),
    ],
)
def test_false_descriptions_of_arrays(values: object, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        read_frame(frame(values), "t.pkl").column("a")


@pytest.mark.parametrize(
    ("place", "names", "problem"),
    [
        (slice(0, 0, 1), None, "as high as its place"),
        (slice(1, 2, 1), None, "as high as its place"),
        (array((1,), INT64, (1).to_bytes(8, "little")), None, "one place for each column"),
        (array((1,), INT64, b"\xff" * 8), None, "one place for each column"),
        (array((1,), np.dtype("f8"), b"\xff" * 8), None, "not the pickle of a DataFrame"),
        (slice("a", None), None, "not the pickle of a DataFrame"),
        (None, pd.Index(["a", "b"], dtype=object), "values for each column"),
        (None, pd.Index([7], dtype=object), "texts as the names"),
        (None, "ab", "an Index of the columns"),
    ],
)
def test_false_places_and_names(place: object, names: object, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        read_frame(frame(ONE, place, names), "t.pkl")


def texts(
    length: object, offset: object, *buffers: bytes | None, kind: str = "large_string"
) -> bytes:
    """A frame of texts from Arrow buffers that need not fit."""
    import pyarrow.lib as lib

    made = [None if each is None else Call(lib.py_buffer, bytearray(each)) for each in buffers]
    described = (Call(lib.type_for_alias, kind), length, 0, offset, made, [], None)
    inner = Call(lib._restore_array, described)
    return frame(Call(pd.arrays.ArrowStringArray, state={"_pa_array": inner, "_dtype": None}))


ENDS = np.array([0, 2], dtype="<i8").tobytes()


def test_texts_from_buffers() -> None:
    assert read_frame(texts(1, 0, None, ENDS, b"ab"), "t.pkl").column("a").to_pylist() == ["ab"]


@pytest.mark.parametrize(
    "data",
    [
        texts(1, 0, None, ENDS, b"a"),
        texts(10**9, 0, None, ENDS, b"ab"),
        texts(2**62, 0, None, ENDS, b"ab"),
        texts(1, 10**6, None, ENDS, b"ab"),
        texts(-1, 0, None, ENDS, b"ab"),
        texts(1, -5, None, ENDS, b"ab"),
        texts(1.0, 0, None, ENDS, b"ab"),
        texts(1, 0, b"", ENDS, b"ab"),
        texts(1, 0, None, np.array([-9, 2], "<i8").tobytes(), b"ab"),
        texts(1, 0, None, np.array([2, 0], "<i8").tobytes(), b"ab"),
        texts(1, 0, None, ENDS, b"\xff\xfe"),
        texts(1, 0, None, None, None),
        texts(1, 0, None),
        texts(1, 0, None, ENDS, b"ab", kind="int64"),
    ],
    ids=range(14),
)
def test_false_descriptions_of_texts(data: bytes) -> None:
    with pytest.raises(DataError, match="not the pickle of a DataFrame that is read here"):
        read_frame(data, "t.pkl")


def test_there_are_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    data = pickle.dumps(pd.DataFrame({"a": range(100), "b": range(100)}))
    assert read_frame(data, "t.pkl").rows == 100
    for module, bound, least, problem in (
        (pandas_pickles, "MAX_BYTES", len(data), "larger than"),
        (pandas_pickles, "MAX_CELLS", 200, "at most 199 values"),
        (pickle_values, "MAX_STEPS", 10, "more than 9 steps"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(module, bound, least - 1)
            with pytest.raises(DataError, match=problem):
                read_frame(data, "t.pkl")
