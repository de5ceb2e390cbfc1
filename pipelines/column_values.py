"""What the values of a column mean: text, numbers, times, yes or no.

A value is usable, missing, or unreadable; nothing here guesses, and nothing raises for a single value.
A column whose type cannot mean what is asked (a list, say) is a `DataError`.

    number  12.5  -3  1e3          no thousands separator, no decimal comma, no unit
    time    2018-04-01T10:00:31Z   ISO 8601 with dashes, with or without an offset; without one it is UTC
            1522576831.25          a bare number counts from 1970 (UTC), in seconds unless another unit
                                   is named; it may as well count from the first row of the data
            from 1970 up to 2200; milliseconds taken for seconds fall outside and are unreadable
    flag    0 1 true false         also 0.0 and 1.0, in any case
    text    as it stands           a whole number that was turned into "12.0" by a missing value in its
                                   column is the text "12", in CSV and Parquet alike
                                   (beyond 2^53 a float has lost digits: keep such ids as text)
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fraud_system.errors import DataError
from fraud_system.events import SECOND_US
from fraud_system.keys import keys_of
from fraud_system.schema import TIME_UNITS

END_S = 7_258_118_400  # 2200-01-01
NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
NOT_FINITE = r"(?i)^[+-]?(nan|inf|infinity)$"
# Also keeps words such as "now" away from pandas, which would read the clock for them.
ISO_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+ ?(Z|[+-][0-9:]+)?)?$"
UNITS_A_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}

Mask = NDArray[np.bool_]


class Parsed(NamedTuple):
    """n values and what is wrong with them.

    Args:
        values: (n,); 0 or nan where missing or unreadable.
        missing: (n,) bool.
        unreadable: (n,) bool, never together with missing.
    """

    values: NDArray[Any]
    missing: Mask
    unreadable: Mask


def texts(column: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    """Ids and categories as text; null where missing, blank or not valid UTF-8.

    >>> texts(pa.chunked_array([[7.0, None, 1.5]]), "card").to_pylist()
    ['7', None, '1.5']
    >>> texts(pa.chunked_array([["7.0", " ", "007"]]), "card").to_pylist()
    ['7', None, '007']
    """
    if pa.types.is_floating(column.type):
        column = _text_of_floats(column.cast(pa.float64()))
    text = _cast(column, pa.large_string(), where, "ids and categories")
    whole = pc.replace_substring_regex(text, r"^(-?[0-9]+)\.0$", r"\1")
    # NUL cannot end an id in a NumPy bytes column; U+FFFD marks what was not UTF-8.
    usable = pc.match_substring_regex(whole, r"^[^\x{FFFD}\x00]*[^\s\x{FFFD}\x00][^\x{FFFD}\x00]*$")
    return pc.if_else(usable, whole, None)


def decimals(column: pa.ChunkedArray, where: str) -> Parsed:
    """Float64; nan counts as missing, infinity is a value.

    >>> decimals(pa.chunked_array([["12.5", "", "12,5"]]), "amount")
    Parsed(values=array([12.5,  nan,  nan]), missing=array([False,  True, False]),
           unreadable=array([False, False,  True]))
    """
    if not _is_text(column):
        numbers = _cast(column, pa.float64(), where, "numbers")
        values = numbers.to_numpy()
        return Parsed(values, np.isnan(values), np.zeros(len(values), dtype=bool))
    text = pc.utf8_trim_whitespace(column)
    values, readable = _numbers(text, f"{NUMBER}|{NOT_FINITE}")
    missing = _mask(pc.equal(text, ""), if_null=True) | (readable & np.isnan(values))
    return Parsed(values, missing, ~readable & ~missing)


def times(column: pa.ChunkedArray, where: str, unit: str = "s") -> Parsed:
    """Microseconds since 1970 (UTC), int64.

    Args:
        column: the values.
        where: its name, for the error messages.
        unit: what a bare number counts, a key of `schema.TIME_UNITS`.

    >>> times(pa.chunked_array([["1970-01-02", "1.5", "now"]]), "time")
    Parsed(values=array([86400000000,     1500000,           0]),
           missing=array([False, False, False]), unreadable=array([False, False,  True]))
    """
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("s" if column.type == pa.date32() else "ms"))
    if pa.types.is_timestamp(column.type):
        return _stamps(column)
    if not _is_text(column):
        numbers = decimals(column, where)
        values, inside = _from_numbers(numbers.values, unit)
        return Parsed(values, numbers.missing, ~inside & ~numbers.missing)
    text = pc.utf8_trim_whitespace(column)
    values, readable = _from_numbers(_numbers(text, NUMBER)[0], unit)
    is_iso = _mask(pc.match_substring_regex(text, ISO_TIME))
    values[is_iso], readable[is_iso] = _from_iso(text.filter(pa.array(is_iso)).to_pylist())
    missing = _mask(pc.equal(text, ""), if_null=True)
    return Parsed(values, missing, ~readable & ~missing)


def flags(column: pa.ChunkedArray, where: str) -> Parsed:
    """Yes or no, bool.

    >>> flags(pa.chunked_array([["1", "False", "yes"]]), "label")
    Parsed(values=array([ True, False, False]), missing=array([False, False, False]),
           unreadable=array([False, False,  True]))
    """
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    if _is_text(column):
        text = pc.utf8_lower(pc.utf8_trim_whitespace(column))
        text = pc.if_else(pc.equal(text, "true"), "1", text)
        column = pc.if_else(pc.equal(text, "false"), "0", text)
    numbers = decimals(column, where)
    unreadable = ~np.isin(numbers.values, (0.0, 1.0)) & ~numbers.missing
    return Parsed(numbers.values == 1.0, numbers.missing, unreadable)


def coded(text: pa.ChunkedArray) -> tuple[NDArray[np.int64], list[str]]:
    """Each distinct text once, and which of them each row has; -1 where null.

    >>> coded(pa.chunked_array([["b", None, "b"]]))
    (array([ 0, -1,  0]), ['b'])
    """
    encoded = text.cast(pa.large_string()).combine_chunks().dictionary_encode()
    codes = encoded.indices.cast(pa.int64()).fill_null(-1)
    return codes.to_numpy(zero_copy_only=False), encoded.dictionary.to_pylist()


def keys_in(text: pa.ChunkedArray) -> NDArray[np.uint64]:
    """`keys.key_of` each text, 0 ("unknown") where null; each distinct text is hashed once.

    >>> keys_in(pa.chunked_array([[None, "b"]])) == [0, *keys_of(["b"])]
    array([ True,  True])
    """
    codes, distinct = coded(text)
    # Code -1, "missing", finds the last place.
    return np.append(keys_of(distinct), np.uint64(0))[codes]


def shared_texts(text: pa.ChunkedArray) -> NDArray[np.object_]:
    """The texts as Python objects, one object for equal texts; "" where null.

    >>> shared_texts(pa.chunked_array([["b", None, "b"]]))
    array(['b', '', 'b'], dtype=object)
    """
    codes, distinct = coded(text)
    return np.array([*distinct, ""], dtype=object)[codes]


def _is_text(column: pa.ChunkedArray) -> bool:
    return pa.types.is_string(column.type) or pa.types.is_large_string(column.type)


def _text_of_floats(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whole numbers without point or exponent; null where not finite."""
    finite = pc.is_finite(column)
    fits = pc.and_(pc.equal(pc.floor(column), column), pc.less(pc.abs(column), 2.0**63))
    whole = pc.if_else(fits, column, None).cast(pa.int64()).cast(pa.large_string())
    return pc.if_else(fits, whole, pc.if_else(finite, column, None).cast(pa.large_string()))


def _cast(column: pa.ChunkedArray, kind: pa.DataType, where: str, wanted: str) -> pa.ChunkedArray:
    try:
        return column.cast(kind, safe=False)
    except pa.ArrowException as error:
        problem = f"the column has type {column.type}, which cannot be read as {wanted}"
        raise DataError(problem, field=where, fix="write it as text or numbers") from error


def _mask(which: pa.ChunkedArray, if_null: bool = False) -> Mask:
    return which.fill_null(if_null).to_numpy()


def _numbers(text: pa.ChunkedArray, pattern: str) -> tuple[NDArray[np.float64], Mask]:
    """The numbers among the texts, as Python's float reads them; nan elsewhere."""
    readable = _mask(pc.match_substring_regex(text, pattern))
    values = np.full(len(text), np.nan)
    found = text.filter(pa.array(readable)).to_pylist()
    values[readable] = np.array(found, dtype=object).astype(np.float64)
    return values, readable


def _from_numbers(numbers: NDArray[np.float64], unit: str) -> tuple[NDArray[np.int64], Mask]:
    with np.errstate(over="ignore"):
        values = numbers * TIME_UNITS[unit]
    inside = (values >= 0) & (values < END_S * SECOND_US)
    return np.rint(np.where(inside, values, 0.0)).astype(np.int64), inside


def _from_iso(found: list[str]) -> tuple[NDArray[np.int64], Mask]:
    stamps = pd.to_datetime(
        pd.Series(found, dtype=object), format="ISO8601", errors="coerce", utc=True
    )
    good = stamps.notna().to_numpy()
    values = stamps.dt.as_unit("us").to_numpy(dtype="datetime64[us]").astype(np.int64)
    inside = good & (values >= 0) & (values < END_S * SECOND_US)
    return np.where(inside, values, 0), inside


def _stamps(column: pa.ChunkedArray) -> Parsed:
    """In their own unit first: a date far off would overflow as microseconds."""
    a_second = UNITS_A_SECOND[column.type.unit]
    missing = _mask(column.is_null())
    ticks = column.cast(pa.int64()).fill_null(0).to_numpy()
    inside = (ticks >= 0) & (ticks < END_S * a_second) & ~missing
    ticks = np.where(inside, ticks, 0)
    coarse = a_second <= SECOND_US
    values = ticks * (SECOND_US // a_second) if coarse else ticks // (a_second // SECOND_US)
    return Parsed(values, missing, ~inside & ~missing)
