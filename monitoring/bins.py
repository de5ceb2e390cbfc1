"""Fixed bins, learned once: quantiles of a sample of rows that any cutting into frames gives the same.

The sample holds the rows whose key, hashed, is smallest; it depends on the set of rows alone. Of each
column the edges are quantiles of it, and its smallest and largest value, so that there is a bin below and one
above all that was seen: a value belongs above an edge when it is greater. Columns with few values have
fewer edges; places that are left are infinite.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.keys import mix
from monitoring.compiled import compiled

Floats = NDArray[np.float64]
CHANCES = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 0.99)
EDGES = len(CHANCES) + 2


@dataclass(frozen=True)
class Bins:
    """Of s columns.

    Args:
        edges: (EDGES, s) float32, ascending; infinite where not used.
        deviation: (s,) standard deviation of each column in the sample, at least the smallest normal
            number.
    """

    edges: NDArray[np.float32]
    deviation: Floats


class Sample:
    """A sample of rows by their keys' hashes.

    Args:
        size: at most so many rows are kept.
        width: columns.

    >>> sample = Sample(size=4, width=1)
    >>> sample.take(np.arange(1, 100, dtype=np.uint64), np.arange(1.0, 100.0)[:, None])
    >>> 1 <= len(sample.rows) <= 4
    True
    """

    def __init__(self, size: int, width: int) -> None:
        self.size = size
        self.kept_below = np.iinfo(np.uint64).max
        self.hashes = np.zeros(0, np.uint64)
        self.rows = np.zeros((0, width), np.float32)

    def take(self, key: NDArray[np.uint64], rows: NDArray[Any]) -> None:
        """The next rows (n, width), with their keys."""
        hashes = _hashes(key)
        kept = hashes <= self.kept_below
        self.hashes = np.concatenate([self.hashes, hashes[kept]])
        self.rows = np.concatenate([self.rows, rows[kept].astype(np.float32)])
        while len(self.rows) > self.size:
            self.kept_below //= 2
            kept = self.hashes <= self.kept_below
            self.hashes, self.rows = self.hashes[kept], self.rows[kept]

    def bins(self) -> Bins:
        """The edges that this sample gives.

        >>> sample = Sample(size=10_000, width=2)
        >>> values = np.column_stack([np.arange(1_000.0), np.ones(1_000)])
        >>> sample.take(np.arange(1, 1_001, dtype=np.uint64), values)
        >>> bins = sample.bins()
        >>> bins.edges[4:6, 0], bool(bins.edges[0, 1] < 1.0), bins.edges[1:3, 1]
        (array([499., 649.], dtype=float32), True, array([ 1., inf], dtype=float32))
        """
        edges = np.full((EDGES, self.rows.shape[1]), np.inf, np.float32)
        deviation = np.full(self.rows.shape[1], np.finfo(np.float32).tiny, np.float64)
        for place, column in enumerate(self.rows.T):
            known = column[np.isfinite(column)]
            if len(known):
                found = np.quantile(known, (*CHANCES, 1.0), method="inverted_cdf")
                below = np.nextafter(known.min(), np.float32(-np.inf))
                edge = np.unique(np.append(below, found).astype(np.float32))
                edges[: len(edge), place] = edge
                deviation[place] = max(float(known.std(dtype=np.float64)), deviation[place])
        return Bins(edges, deviation)


@compiled
def _hashes(key: Any) -> Any:
    hashes = np.empty(len(key), np.uint64)
    for row in range(len(key)):
        hashes[row] = mix(key[row])
    return hashes
