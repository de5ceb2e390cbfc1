"""Labels redrawn from the probabilities themselves: what a perfect model's frauds would look like.

Both the null distribution of the calibration error and the expected rates without labels rest on
this: draw y ~ Bernoulli(p) for every row, many times, and keep only sums by group.

One uniform number per row and draw is too slow for 400,000 rows and 999 draws. Frauds are rare, so
rows are grouped by octaves of p and the sampler *jumps*: within a block with largest probability
`bound` the gap to the next candidate is geometric(bound), and the candidate at row i is kept with
probability p[i] / bound (thinning). Both steps are exact, so every row is still an independent
Bernoulli(p[i]); the work is about 2 sum(p) instead of n. Blocks of large p are drawn row by row.
"""

import math
from typing import Any

import numpy as np

from fraud_system.compiled import compiled
from fraud_system.keys import mix
from fraud_system.metrics.checks import Floats, Integers

_GAMMA = np.uint64(0x9E3779B97F4A7C15)  # splitmix64's increment
_JUMP_BELOW = 0.2  # where a logarithm per candidate costs less than a uniform per row
_LOWEST_OCTAVE = 2.0**-30


def redrawn_sums(
    probability: Floats, coefficient: Floats, group: Integers, groups: int, draws: int, seed: int
) -> Floats:
    """Sums of coefficient over redrawn frauds, by draw and group.

    Memory is that of the columns plus the answer: nothing of size rows x draws is ever made.

    Args:
        probability: (n,) in [0, 1].
        coefficient: (n,) what a fraud of this row adds.
        group: (n,) whole numbers in [0, groups).
        groups, draws: how many.
        seed: same seed, same answer; the drawn fraud sets depend on seed and probability alone.

    Returns:
        (draws, groups) float64.

    >>> redrawn_sums(np.array([0.0, 1.0]), np.array([5.0, 7.0]), np.array([0, 1]), 2, 1, seed=0)
    array([[0., 7.]])
    """
    order = np.argsort(probability, kind="stable")
    ascending = probability[order]
    octave = np.frexp(np.maximum(ascending, _LOWEST_OCTAVE))[1]
    starts = np.flatnonzero(np.diff(octave, prepend=np.iinfo(octave.dtype).min))
    edges = np.append(starts, len(order)).astype(np.int64)
    sums = np.zeros((draws, groups))
    key = np.uint64(seed % 2**64)
    _draw(ascending, coefficient[order], group[order].astype(np.int64), edges, key, sums)
    return sums


@compiled
def _draw(probability: Any, coefficient: Any, group: Any, edges: Any, key: Any, sums: Any) -> None:
    for draw in range(sums.shape[0]):
        state = mix(mix(key) ^ np.uint64(draw))
        for block in range(len(edges) - 1):
            row, stop = edges[block], edges[block + 1]
            bound = probability[stop - 1]
            if bound <= 0.0:
                continue
            if bound > _JUMP_BELOW:
                for each in range(row, stop):
                    state += _GAMMA
                    if _unit(state) < probability[each]:
                        sums[draw, group[each]] += coefficient[each]
                continue
            scale = 1.0 / math.log1p(-bound)
            while True:
                state += _GAMMA
                gap = math.floor(math.log(1.0 - _unit(state)) * scale)
                if gap >= stop - row:
                    break
                row += int(gap)
                state += _GAMMA
                if _unit(state) * bound < probability[row]:
                    sums[draw, group[row]] += coefficient[row]
                row += 1


@compiled
def _unit(state: Any) -> float:
    return np.float64(mix(state) >> np.uint64(11)) * 2.0**-53
