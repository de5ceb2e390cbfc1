"""How the transactions are cut into slices: amount, age of card, terminal, hour, weekday.

A dimension gives every transaction to one slice at most. Cuts use what the transaction itself and
the stream tell (an amount, a first appearance, traffic), never a label, so that no slice is chosen
by its outcome.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fraud_system.events import DAY_US, Column

from .details import NOBODY, Details, Named
from .run_files import Predictions

AMOUNT_QUANTILES = (0.2, 0.4, 0.6, 0.8, 0.95, 0.99)
CARD_AGE_DAYS = (1.0, 7.0, 30.0)
NEW_TERMINAL_DAYS = 7.0
HOURS_PER_SLICE = 3
_HOUR_US = DAY_US // 24
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_THURSDAY = 3  # 1970-01-01 was one


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice: `low` <= value < `high` where it is a band of numbers.

    Args:
        name: stable, for `metrics.json`; unique within its dimension.
        low, high: of the band, None where it is open or no band. Of terminals: the number of their
            transactions in the run, both ends included.
    """

    name: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Dimension:
    """A way to cut.

    Args:
        name: `amount`, `card_age`, `terminal`, `hour` or `weekday`.
        slices: in the order in which to read them.
        place: (n,) int64, which slice each row is in; `NOBODY` for none.
    """

    name: str
    slices: list[Slice]
    place: Column


def dimensions(predictions: Predictions, details: Details, judged: Column) -> list[Dimension]:
    """The dimensions that the data have.

    Args:
        predictions: all rows; first appearances and traffic are taken from all of them.
        details: of the same rows.
        judged: (n,) bool; quantiles of the amounts are those of these rows.

    Returns:
        dimensions with `place` for all n rows.
    """
    moment = predictions.event_time_us
    found = [_bands("amount", predictions.amount, _cuts(predictions.amount[judged]))]
    if details.card is not None:
        age = days_since_first(details.card.code, moment)
        found.append(_known(details.card, _bands("card_age", age, CARD_AGE_DAYS)))
    if details.terminal is not None:
        found.append(_known(details.terminal, _terminals(details.terminal.code, moment, judged)))
    hour = moment % DAY_US // _HOUR_US
    found.append(_bands("hour", hour, range(HOURS_PER_SLICE, 24, HOURS_PER_SLICE), 0, 24))
    weekday = (moment // DAY_US + _THURSDAY) % 7
    return [*found, Dimension("weekday", [Slice(name) for name in _WEEKDAYS], weekday)]


def days_since_first(code: Column, event_time_us: Column) -> Column:
    """(n,) days between a row and the first row (in event time) with the same code.

    >>> days_since_first(np.array([5, 7, 5]), np.array([0, 0, DAY_US // 2]))
    array([0. , 0. , 0.5])
    """
    _, place = np.unique(code, return_inverse=True)
    first = np.full(place.max(initial=0) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, place, event_time_us)
    return np.asarray((event_time_us - first[place]) / DAY_US)


def _cuts(amount: Column) -> list[float]:
    """Quantiles as sums of money: two decimals, and no band without room between its ends.

    >>> _cuts(np.array([1.0, 1.0, 1.0, 1.0, 9.0]))
    [1.0, 9.0]
    """
    quantiles = np.quantile(amount, AMOUNT_QUANTILES, method="inverted_cdf")
    return sorted({float(np.round(each, 2)) for each in quantiles})


def _bands(
    name: str,
    value: Column,
    cuts: Iterable[float],
    lowest: float | None = None,
    highest: float | None = None,
) -> Dimension:
    """One band below the first cut, one between each two, one from the last on."""
    edges = [lowest, *(float(each) for each in cuts), highest]
    slices = [Slice(f"{_text(low)}-{_text(high)}", low, high) for low, high in pairwise(edges)]
    return Dimension(name, slices, np.digitize(value, list(cuts)).astype(np.int64))


def _terminals(code: Column, event_time_us: Column, judged: Column) -> Dimension:
    """New ones apart; the others by their traffic in the whole run, each third of the rows."""
    _, place, count = np.unique(code, return_inverse=True, return_counts=True)
    traffic = count[place]
    new = days_since_first(code, event_time_us) < NEW_TERMINAL_DAYS
    old = traffic[judged & ~new]
    cuts = np.quantile(old, [1 / 3, 2 / 3], method="inverted_cdf") if len(old) else [0, 0]
    third = np.digitize(traffic, cuts, right=True)
    slices = [
        Slice("new"),
        Slice("quiet", None, float(cuts[0])),
        Slice("middle", float(cuts[0]) + 1, float(cuts[1])),
        Slice("busy", float(cuts[1]) + 1, None),
    ]
    return Dimension("terminal", slices, np.where(new, 0, 1 + third).astype(np.int64))


def _known(entity: Named, dimension: Dimension) -> Dimension:
    """Rows without the entity are in no slice."""
    place = np.where(entity.code == NOBODY, NOBODY, dimension.place)
    return Dimension(dimension.name, dimension.slices, place)


def _text(edge: float | None) -> str:
    return "" if edge is None else f"{edge:g}"
