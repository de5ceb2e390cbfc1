"""What is remembered between transactions: a few floats an entity, in arrays.

Memory is bounded by the number of entities (`MAX_ENTITIES`; beyond it new ones are served as unknown
and counted), two generations of at most `MAX_MEETINGS` first meetings, and one histogram.
`to_arrays` is canonical: it depends on what has happened, never on when the arrays grew.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraud_system.compiled import borrowing
from fraud_system.events import NEVER_US
from fraud_system.features.declaration import FeatureList
from fraud_system.features.layout import TIMES, amount_quantiles, compile_layout
from fraud_system.hashing import HashIndex, empty_index, put, with_room

MAX_ENTITIES = 50_000_000
MAX_MEETINGS = 4_000_000

# The amount's histogram: equal steps of log(1 + amount).
HISTOGRAM_STEP = 0.02
HISTOGRAM_BINS = 1_200
QUANTILE_REFRESH_EVERY = 256


class FeatureState(NamedTuple):
    """Arrays that compiled code updates in place; `used[0]` rows are in use.

    Args:
        lookup: entity key (mixed with the entity's position) -> row.
        row_key: (rows,) uint64, the key of each row.
        sums: (rows, width) float64, see `layout`.
        times_us: (rows, 5) int64, see `layout`.
        used: (1,) rows in use.
        beyond_bound: (1,) how often a transaction's new entity found no room.
        young, old: the last first meetings, in two generations.
        histogram: (HISTOGRAM_BINS,) int64 of log(1 + amount).
        edges: (quantiles,) log(1 + amount) at the declared quantiles so far.
        quantiles: (quantiles,) the declared ones, ascending.
        since_refresh: (1,) transactions since the edges were brought up to date.
        max_entities, max_meetings: (1,) the bounds; settings, so no part of a snapshot.
    """

    lookup: HashIndex
    row_key: NDArray[np.uint64]
    sums: NDArray[np.float64]
    times_us: NDArray[np.int64]
    used: NDArray[np.int64]
    beyond_bound: NDArray[np.int64]
    young: HashIndex
    old: HashIndex
    histogram: NDArray[np.int64]
    edges: NDArray[np.float64]
    quantiles: NDArray[np.float64]
    since_refresh: NDArray[np.int64]
    max_entities: NDArray[np.int64]
    max_meetings: NDArray[np.int64]


def empty_state(features: FeatureList, rows: int = 1024) -> FeatureState:
    """Nothing has happened yet."""
    width = compile_layout(features).width
    quantiles = np.array(amount_quantiles(features))
    return FeatureState(
        lookup=empty_index(rows),
        row_key=np.zeros(rows, np.uint64),
        sums=np.zeros((rows, width)),
        times_us=np.full((rows, TIMES), NEVER_US, np.int64),
        used=np.zeros(1, np.int64),
        beyond_bound=np.zeros(1, np.int64),
        young=empty_index(rows),
        old=empty_index(rows),
        histogram=np.zeros(HISTOGRAM_BINS, np.int64),
        edges=np.full(len(quantiles), np.inf),
        quantiles=quantiles,
        since_refresh=np.zeros(1, np.int64),
        max_entities=np.array([MAX_ENTITIES], np.int64),
        max_meetings=np.array([MAX_MEETINGS], np.int64),
    )


def with_room_for(
    state: FeatureState, transactions: int, entities: int, meetings: int
) -> FeatureState:
    """The same state, in larger arrays where this many transactions might not fit."""
    rows, used = len(state.row_key), int(state.used[0])
    most = int(state.max_entities[0])
    wanted = min(used + transactions * entities, most)
    if wanted > rows:
        grown = min(max(rows, wanted - rows), most - rows)
        state = state._replace(
            row_key=np.concatenate([state.row_key, np.zeros(grown, np.uint64)]),
            sums=np.concatenate([state.sums, np.zeros((grown, state.sums.shape[1]))]),
            times_us=np.concatenate([state.times_us, np.full((grown, TIMES), NEVER_US, np.int64)]),
        )
    known = int(max(state.young.size[0], state.old.size[0]))
    wanted_meetings = min(known + transactions * meetings, int(state.max_meetings[0]))
    # Both generations keep one capacity, so that one can take the other's place by a plain copy.
    lookup = with_room(state.lookup, wanted - used)
    young = with_room(state.young, wanted_meetings - int(state.young.size[0]))
    old = with_room(state.old, wanted_meetings - int(state.old.size[0]))
    if lookup is state.lookup and young is state.young and old is state.old:
        return state
    return state._replace(lookup=lookup, young=young, old=old)


def to_arrays(state: FeatureState) -> dict[str, NDArray[np.generic]]:
    """A canonical copy, for a snapshot."""
    used = int(state.used[0])
    return {
        "row_key": state.row_key[:used].copy(),
        "sums": state.sums[:used].copy(),
        "times_us": state.times_us[:used].copy(),
        "beyond_bound": state.beyond_bound.copy(),
        "young": np.sort(state.young.keys[state.young.keys != 0]),
        "old": np.sort(state.old.keys[state.old.keys != 0]),
        "histogram": state.histogram.copy(),
        "edges": state.edges.copy(),
        "since_refresh": state.since_refresh.copy(),
    }


def from_arrays(features: FeatureList, arrays: dict[str, NDArray[np.generic]]) -> FeatureState:
    """The state of a snapshot, in arrays of its own."""
    used = len(arrays["row_key"])
    state = empty_state(features, rows=max(1024, used))
    state.row_key[:used] = arrays["row_key"]
    state.sums[:used] = arrays["sums"]
    state.times_us[:used] = arrays["times_us"]
    state.used[0] = used
    for name in ("beyond_bound", "histogram", "edges", "since_refresh"):
        getattr(state, name)[:] = arrays[name]
    # Both generations keep one capacity, see `with_room_for`.
    most = max(len(arrays["young"]), len(arrays["old"]))
    state = state._replace(
        lookup=with_room(state.lookup, used),
        young=with_room(state.young, most),
        old=with_room(state.old, most),
    )
    _index(state.lookup, state.row_key[:used])
    _index(state.young, np.array(arrays["young"], np.uint64))
    _index(state.old, np.array(arrays["old"], np.uint64))
    return state


@borrowing
def _index(index: Any, keys: Any) -> None:
    """Make each key's position findable."""
    for position in range(len(keys)):
        put(index, keys[position], position)
