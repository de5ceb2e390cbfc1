"""How much frauds cluster: the variance of their number, in units of what independent ones would have.

One stolen card and one compromised terminal bring many frauds at once, and no model knows of an episode
before its first report. So the number of reports strays further from its expectation than chance alone
would let it, and a test that takes frauds as independent alarms on harmless weeks. With e = (reported) - f x
(expected) of a transaction, f the ratio of both sums, and g the transactions of one card, or of one
terminal, within a block of time,

    dispersion = (sum over cards of e_g^2 + sum over terminals of e_g^2 - sum of e^2) / reports

is the variance of a sum clustered two ways (Cameron, Gelbach and Miller, "Robust inference with multiway
clustering", 2011, for the sum itself); for more entities the last term is taken that many times less one.
It is asked once a block is as old as it is long, of what was reported until then. Blocks fade by
a half; until the first is done it is `start`. It is at least 1.

If frauds came in independent clusters of exactly `dispersion` each, then the number of clusters would be a
Poisson process, and a likelihood ratio with all logarithms divided by the dispersion is that of the
clusters: exact. Where sizes differ it is an approximation that gets the variance right.

It cannot see: clusters that share neither card nor terminal (a leaked list of cards), or that last longer
than a block.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraud_system.errors import ConfigError
from fraud_system.events import SECOND_US
from fraud_system.hashing import HashIndex, empty_index, get, put, with_room
from fraud_system.setting_checks import check_positive
from monitoring.compiled import borrowing

Floats = NDArray[np.float64]
GENERATIONS = 2  # the block that fills, and the one whose reports still come
ROWS, REPORTS, RISK, RISK_SQUARED, REPORTED_RISK = range(5)  # places in `Block.total`


@dataclass(frozen=True)
class DispersionSettings:
    """Args:
        block_s: length of a block, seconds.
        start: the dispersion before any is known.
        start_reports: how many reports that counts as.

    Raises:
        ConfigError: a number is out of range.
    """

    block_s: int = 14 * 86_400
    start: float = 3.0
    start_reports: float = 50.0

    def __post_init__(self) -> None:
        check_positive(
            "dispersion", block_s=self.block_s, start=self.start, start_reports=self.start_reports
        )
        if self.start < 1.0:
            raise ConfigError("must be at least 1", field="dispersion.start")


class Block(NamedTuple):
    """The clusters of one entity in one block, in rows by first appearance.

    Args:
        row_of: key -> row.
        key: (rows,).
        rows, reports, risk: (rows,) transactions, reports, and sum of probabilities.
    """

    row_of: HashIndex
    key: NDArray[np.uint64]
    rows: Floats
    reports: Floats
    risk: Floats


class Dispersion:
    """Of the sum of reports around the model's probabilities, and around a constant rate.

    Args:
        settings: see `DispersionSettings`.
        entities: how many keys a transaction has; without any there are no clusters, and it stays 1.
    """

    def __init__(self, settings: DispersionSettings, entities: int) -> None:
        self.settings = settings
        self.entities = entities
        self.block_us = settings.block_s * SECOND_US
        start = settings.start if entities else 1.0
        prior = settings.start_reports * np.array([start, start, 1.0])
        self._sums: Floats = prior  # squares around the model, around a rate; reports
        self._block = np.full(GENERATIONS, -1, np.int64)
        self._total = np.zeros((GENERATIONS, 5))
        self._clusters = [[_empty_block() for _ in range(entities)] for _ in range(GENERATIONS)]

    @property
    def of_model(self) -> float:
        """Around the model's probabilities."""
        return float(max(1.0, self._sums[0] / self._sums[2]))

    @property
    def of_rate(self) -> float:
        """Around a constant rate."""
        return float(max(1.0, self._sums[1] / self._sums[2]))

    def take(self, block: int, keys: NDArray[np.uint64], probability: Floats) -> NDArray[np.int32]:
        """Transactions of one block, keys (n, entities); returns (n, entities) rows for their reports.

        Blocks come in order; the first transactions of a new one close the one before the last.
        """
        place = block % GENERATIONS
        if self._block[place] != block:
            self._close(place)
            self._block[place] = block
        found = np.full(keys.shape, -1, np.int32)
        _take_total(self._total[place], probability)
        for entity in range(self.entities):
            clusters = self._clusters[place]
            clusters[entity] = _with_room(clusters[entity], len(keys))
            _take(clusters[entity], keys[:, entity], probability, found[:, entity])
        return found

    def report(self, block: NDArray[np.int64], row: NDArray[np.int32], probability: Floats) -> None:
        """Reports (m,) about transactions of these blocks, with these rows (m, entities)."""
        for place, number in enumerate(self._block.tolist()):
            _report_total(self._total[place], number, block, probability)
            for entity, clusters in enumerate(self._clusters[place]):
                _report(clusters.reports, number, block, row[:, entity], probability)

    def _close(self, place: int) -> None:
        """Add a finished block, and empty its place."""
        rows, reports, risk, risk_squared, reported_risk = self._total[place].tolist()
        if reports > 0.0 and risk > 0.0:
            of_model, of_rate = reports / risk, reports / rows
            alone = np.array(
                [
                    reports - 2.0 * of_model * reported_risk + of_model**2 * risk_squared,
                    reports - 2.0 * of_rate * reports + of_rate**2 * rows,
                ]
            )
            squares = -(self.entities - 1) * alone
            for each in self._clusters[place]:
                used = slice(0, int(each.row_of.size[0]))
                around = each.reports[used] - np.stack(
                    [of_model * each.risk[used], of_rate * each.rows[used]]
                )
                squares += (around**2).sum(axis=1)
            self._sums = 0.5 * self._sums + np.append(squares, reports)
        self._total[place] = 0.0
        self._clusters[place] = [_empty_block() for _ in range(self.entities)]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical copy, for a snapshot."""
        arrays: dict[str, NDArray[Any]] = {
            "sums": self._sums.copy(),
            "block": self._block.copy(),
            "total": self._total.copy(),
        }
        for place, clusters in enumerate(self._clusters):
            for entity, each in enumerate(clusters):
                used = slice(0, int(each.row_of.size[0]))
                for name in ("key", "rows", "reports", "risk"):
                    arrays[f"{place}.{entity}.{name}"] = getattr(each, name)[used].copy()
        return arrays

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take a snapshot's state."""
        self._sums = arrays["sums"].copy()
        self._block[:], self._total[:] = arrays["block"], arrays["total"]
        for place in range(GENERATIONS):
            for entity in range(self.entities):
                key = arrays[f"{place}.{entity}.key"]
                each = _with_room(_empty_block(), len(key))
                for name in ("key", "rows", "reports", "risk"):
                    getattr(each, name)[: len(key)] = arrays[f"{place}.{entity}.{name}"]
                for row, one in enumerate(key):
                    put(each.row_of, one, row)
                self._clusters[place][entity] = each


def _empty_block() -> Block:
    return Block(empty_index(1_024), np.zeros(1_024, np.uint64), *np.zeros((3, 1_024)))


def _with_room(block: Block, extra: int) -> Block:
    needed, size = int(block.row_of.size[0]) + extra, len(block.key)
    if needed > size:
        more = (1 << (needed - 1).bit_length()) - size
        grown = [np.concatenate([each, np.zeros(more, each.dtype)]) for each in block[1:]]
        block = Block(block.row_of, *grown)
    return block._replace(row_of=with_room(block.row_of, extra))


@borrowing
def _take(block: Any, key: Any, probability: Any, found: Any) -> None:
    for each in range(len(key)):
        row = get(block.row_of, key[each])
        if row < 0 and key[each] != 0:
            row = block.row_of.size[0]
            put(block.row_of, key[each], row)
            block.key[row] = key[each]
        found[each] = row
        if row >= 0:
            block.rows[row] += 1.0
            if math.isfinite(probability[each]):
                block.risk[row] += probability[each]


@borrowing
def _take_total(total: Any, probability: Any) -> None:
    for each in range(len(probability)):
        total[ROWS] += 1.0
        if math.isfinite(probability[each]):
            total[RISK] += probability[each]
            total[RISK_SQUARED] += probability[each] ** 2


@borrowing
def _report(reports: Any, number: int, block: Any, row: Any, probability: Any) -> None:
    for each in range(len(block)):
        if block[each] == number and row[each] >= 0 and math.isfinite(probability[each]):
            reports[row[each]] += 1.0


@borrowing
def _report_total(total: Any, number: int, block: Any, probability: Any) -> None:
    for each in range(len(block)):
        if block[each] == number and math.isfinite(probability[each]):
            total[REPORTS] += 1.0
            total[REPORTED_RISK] += probability[each]
