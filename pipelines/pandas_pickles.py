"""The DataFrame in a pickle, as Arrow columns; written by any pandas from 1.0 to 3.0.

The Fraud Detection Handbook comes as one such file a day. `pickle_values` says what the file asks for;
here that is understood, in the three forms that pandas has given it, and everything is checked:

    pandas 1.0 to 1.2   BlockManager() with the state (.., .., .., {"0.14.1": {"axes", "blocks"}})
    pandas 1.3, 1.4     BlockManager((block, ...), axes); a block is functools.partial(new_block)(...)
    later               BlockManager((block, ...), axes); a block is _unpickle_block(...)

Read are columns of whole numbers, floats, yes and no, times without a zone, texts, and objects that are
numbers or texts. The index of the rows is not read. Neither pandas nor NumPy sees a description from the
file: an array is made from its bytes, a type of the lists below, and a shape that counts the bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fraud_system.errors import DataError
from pipelines.pickle_values import Built, Named, read_values

MAX_BYTES = 2**27
MAX_CELLS = 2**27
FIX = "write it as Parquet or CSV"

# The globals that such a pickle may name, by what they stand for here.
NAMES = {
    "frame": ("pandas.core.frame.DataFrame", "pandas.DataFrame"),
    "manager": ("pandas.core.internals.managers.BlockManager",),
    "block": ("pandas._libs.internals._unpickle_block",),
    "old block": ("pandas.core.internals.blocks.new_block",),
    "partial": ("functools.partial",),
    "index": ("pandas.core.indexes.base._new_Index",),
    "index type": (
        "pandas.Index",
        "pandas.RangeIndex",
        "pandas.core.indexes.base.Index",
        "pandas.core.indexes.range.RangeIndex",
        "pandas.core.indexes.numeric.Int64Index",
    ),
    "backed": ("pandas._libs.arrays.__pyx_unpickle_NDArrayBacked",),
    "backed type": ("pandas.core.arrays.datetimes.DatetimeArray", "pandas.arrays.DatetimeArray"),
    "texts": ("pandas.arrays.ArrowStringArray",),
    "texts type": ("pandas.StringDtype",),
    "arrow array": ("pyarrow.lib._restore_array",),
    "arrow type": ("pyarrow.lib.type_for_alias",),
    "arrow buffer": ("pyarrow.lib.py_buffer",),
    "array": ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"),
    "array in band": ("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"),
    "array type": ("numpy.ndarray",),
    "scalar": ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"),
    "dtype": ("numpy.dtype",),
    "slice": ("builtins.slice",),
    "bytes": ("builtins.bytearray",),
}
KINDS = {Named(*path.rsplit(".", 1)): kind for kind, paths in NAMES.items() for path in paths}
NUMBER_TYPES = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"}
TIME_UNITS = {b"s": "s", b"ms": "ms", b"us": "us", b"ns": "ns"}
OBJECTS = np.dtype(object)

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class PickledFrame:
    """A frame whose columns are not read yet.

    Args:
        names: of its columns.
        rows: how many.
        where: the name of the file.
    """

    names: tuple[str, ...]
    rows: int
    where: str
    _parts: tuple[Any, ...]

    def column(self, name: str) -> pa.Array:
        """One column.

        Raises:
            DataError: it holds what is not read here.
        """
        part = self._parts[self.names.index(name)]
        try:
            return part if isinstance(part, pa.Array) else _arrow(part)
        except (ValueError, TypeError, OverflowError, pa.ArrowException) as error:
            problem = f"column {name!r} cannot be read: {error}"
            raise DataError(problem, field=self.where, fix=FIX) from error


def read_frame(data: bytes, where: str) -> PickledFrame:
    """The DataFrame that a pickle holds; nothing in it is run.

    Args:
        data: the whole file, not compressed.
        where: its name, for the error messages.

    Raises:
        DataError: too large, damaged, no DataFrame, or one that names what is not in `NAMES`.

    >>> import pandas, pickle
    >>> frame = read_frame(pickle.dumps(pandas.DataFrame({"a": [1, 2]})), "t.pkl")
    >>> frame.names, frame.column("a").to_pylist()
    (('a',), [1, 2])
    """
    if len(data) > MAX_BYTES:
        raise DataError(f"larger than {MAX_BYTES} bytes: not read", field=where, fix=FIX)
    value = read_values(data, KINDS, where)
    try:
        _need(_is(value, "frame") and isinstance(value.state, dict), "a DataFrame")
        manager = value.state["_mgr" if "_mgr" in value.state else "_data"]
        _need(_is(manager, "manager"), "a BlockManager")
        axes, blocks = _axes_and_blocks(manager)
        names = _index_names(axes[0])
        parts = _parts(blocks, len(names))
        (rows,) = {len(part) for part in parts} or {0}
        _need(len(names) * rows <= MAX_CELLS, f"at most {MAX_CELLS} values")
    except (LookupError, TypeError, ValueError, AttributeError, pa.ArrowException) as error:
        problem = f"not the pickle of a DataFrame that is read here: {error}"
        raise DataError(problem, field=where, fix=FIX) from error
    return PickledFrame(names, rows, where, parts)


def _need(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"expected {what}")


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, Built) and isinstance(value.of, Named) and KINDS[value.of] == kind


def _axes_and_blocks(manager: Built) -> tuple[Any, list[tuple[Any, Any]]]:
    """The axes, and for each block its values and its place among the columns."""
    if manager.state is not None:
        described = manager.state[3]["0.14.1"]
        return described["axes"], [(b["values"], b["mgr_locs"]) for b in described["blocks"]]
    blocks, axes = manager.arguments
    return axes, [_block(block) for block in blocks]


def _block(block: Any) -> tuple[Any, Any]:
    if not _is(block, "block"):
        _need(isinstance(block, Built) and _is(block.of, "partial"), "a block")
        (function,) = block.of.arguments
        _need(KINDS.get(function) == "old block", "functools.partial of new_block")
    return block.arguments[0], block.arguments[1]


def _parts(blocks: Sequence[tuple[Any, Any]], columns: int) -> tuple[Any, ...]:
    """Each column's values, 1-d or Arrow, in the order of the names."""
    parts: list[Any] = [None] * columns
    for values, placement in blocks:
        if _is(placement, "slice"):
            places = list(range(columns)[slice(*placement.arguments)])
        else:
            places = _array(placement).tolist()
        rows = [_texts(values)] if _is(values, "texts") else _array(values)
        _need(len(places) == len(rows), "a block as high as its place")
        for place, row in zip(places, rows, strict=True):
            _need(0 <= place < columns and parts[place] is None, "one place for each column")
            parts[place] = row
    _need(all(part is not None for part in parts), "values for each column")
    return tuple(parts)


def _index_names(index: Any) -> tuple[str, ...]:
    _need(_is(index, "index"), "an Index of the columns")
    data = index.arguments[1].get("data")
    _need(data is not None, "columns with names")
    names = (_texts(data) if _is(data, "texts") else _array(data)).tolist()
    _need(all(type(name) is str for name in names), "texts as the names of the columns")
    return tuple(names)


def _array(value: Any) -> Array:
    """An array of its own bytes or objects."""
    if _is(value, "backed"):
        arrays = [part for part in value.state if _is(part, "array") or _is(part, "array in band")]
        (value,) = arrays
    if _is(value, "array in band"):
        content, described, shape, order = value.arguments
    else:
        _need(_is(value, "array"), "an array")
        _, shape, described, fortran, content = value.state
        order = "F" if fortran else "C"
    _need(type(shape) is tuple and all(type(n) is int and n >= 0 for n in shape), "a shape")
    _need(order in ("C", "F"), "an order of C or F")
    kind = _dtype(described)
    if kind == OBJECTS:
        _need(type(content) is list, "a list of objects")
        flat = np.empty(len(content), dtype=object)
        flat[:] = content
    else:
        flat = np.frombuffer(_bytes(content), kind)
    _need(prod(shape) == len(flat), "as many values as the shape says")
    return flat.reshape(shape, order=order)


def _dtype(value: Any) -> np.dtype[Any]:
    """One of the types that are known here."""
    _need(_is(value, "dtype"), "a dtype")
    code, state = value.arguments[0], value.state
    if code in ("O", "O8"):
        return OBJECTS
    _need(state[1] in ("<", ">", "|"), "a byte order")
    mark = state[1] if state[1] != "|" else ""
    if code in ("M8", "datetime64"):
        unit, *multiples = state[8][1]
        _need(unit in TIME_UNITS and multiples == [1, 1, 1], "a unit of time")
        return np.dtype(f"{mark}M8[{TIME_UNITS[unit]}]")
    _need(code in NUMBER_TYPES, "a type of numbers, times or texts")
    return np.dtype(f"{mark}{code}")


def _bytes(value: Any) -> bytes | bytearray:
    if _is(value, "bytes"):
        (value,) = value.arguments or (b"",)
    _need(type(value) in (bytes, bytearray), "bytes")
    content: bytes | bytearray = value
    return content


def _texts(value: Built) -> pa.Array:
    """An Arrow array of texts, from its buffers."""
    array = value.state["_pa_array"]
    _need(_is(array, "arrow array"), "an Arrow array")
    kind, length, _, offset, buffers, children, dictionary = array.arguments[0]
    _need(_is(kind, "arrow type") and not children and dictionary is None, "an array of texts")
    types = {"string": pa.string(), "large_string": pa.large_string()}
    _need(all(type(n) is int and 0 <= n <= MAX_BYTES for n in (length, offset)), "a length")
    kept = [None if buffer is None else _buffer(buffer) for buffer in buffers]
    made = pa.Array.from_buffers(types[kind.arguments[0]], length, kept, -1, offset)
    made.validate(full=True)
    return made.cast(pa.large_string())


def _buffer(value: Any) -> pa.Buffer:
    _need(_is(value, "arrow buffer"), "a buffer")
    return pa.py_buffer(bytes(_bytes(value.arguments[0])))


def _arrow(values: Array) -> pa.Array:
    if values.dtype == OBJECTS:
        return _of_objects([_plain(value) for value in values])
    return pa.array(np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="))))


def _plain(value: Any) -> Any:
    """A number or a text; None where it is missing."""
    if _is(value, "scalar"):
        kind, content = value.arguments
        value = np.frombuffer(_bytes(content), _dtype(kind))[0].item()
    _need(value is None or type(value) in (bool, int, float, str), "a number or a text")
    return None if value != value else value  # nan


def _of_objects(values: list[Any]) -> pa.Array:
    """Whole numbers, floats, yes and no or texts where all are alike; else each as a text."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int} and all(abs(value or 0) < 2**63 for value in values):
        return pa.array(values, pa.int64())
    if kinds in ({float}, {int, float}):
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    return pa.array([None if v is None else str(v) for v in values], pa.large_string())
