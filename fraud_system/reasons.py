"""Why a score is what it is: the largest contributions to the log odds, in words.

After the engine has decided, whoever answers a person asks here. The logged features and the weights that
were in force are enough, so a reason can be given again years later from the ledger alone.

A feature contributes weight x squashed value; a second-degree interaction half of its product to each of
its two sides. Features that say much the same (all hinges of the amount; all ages of one run of frauds)
are one *reason*, whose contribution is their sum: otherwise three steps of one staircase would fill
the answer. Contributions are measured from the average transaction, where every squashed value is 0.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud_system.compiled import borrowing
from fraud_system.features.declaration import Feature, FeatureList
from fraud_system.models.heuristic import Rule
from fraud_system.models.scoring import Served, bucket_of, logit_of

REASONS = 3
# Kinds that look at one thing through several lenses.
_SAME_THING = {
    "amount_beyond": "log_amount",
    "amount_exceeds": "log_amount",
    "hour_sin": "hour",
    "hour_cos": "hour",
    "is_night": "hour",
    "fraud_run_older": "fraud_run",
    "amount_beyond_legitimate": "amount_to_legitimate",
}


class Reasons:
    """The reasons that one feature list and its rules can give.

    Args:
        features: of the settings.
        rules: of the heuristic.
    """

    def __init__(self, features: FeatureList, rules: Sequence[Rule]) -> None:
        self._features = features.features
        self._rules = tuple(rule.name for rule in rules)
        groups: dict[tuple[str, str], int] = {}
        self._group = np.array(
            [groups.setdefault(_group_of(f), len(groups)) for f in features.features], np.int64
        )
        self._room = np.zeros(len(features.features)), np.zeros(len(groups))

    def of_model(self, served: Served, rows: NDArray[np.float32]) -> list[list[str]]:
        """For each row (n, d) at most `REASONS` sentences, what raises the score most first."""
        best = np.empty((len(rows), REASONS), np.int64)
        _largest(served, rows, self._group, *self._room, best)
        values = np.take_along_axis(rows, np.maximum(best, 0), axis=1).tolist()
        return [
            [self._sentence(j, value) for j, value in zip(places, found, strict=True) if j >= 0]
            for places, found in zip(best.tolist(), values, strict=True)
        ]

    def of_heuristic(self, served: Served, row: NDArray[np.float32]) -> list[str]:
        """The rule that holds for a row (d,), in its own words."""
        bucket = bucket_of(served, row)
        return [self._rules[bucket] if bucket < len(self._rules) else "no rule holds"]

    def _sentence(self, position: int, value: float) -> str:
        feature = self._features[position]
        shown = value_in_words(feature.unit, value)
        return f"{feature.words}: {shown}" if shown else feature.words


def contributions(served: Served, row: NDArray[np.float32]) -> NDArray[np.float64]:
    """(d + k,) what each feature and each interaction adds to the log odds; 0 where it is missing.

    With the intercept they sum to the log odds, up to the order of additions.
    """
    term = np.zeros(len(row))
    logit_of(served, row, term)
    products = term[served.left] * term[served.right]
    added = served.weight * np.concatenate([term, products])
    return np.where(np.isnan(added), 0.0, added)


def value_in_words(unit: str, value: float) -> str:
    """A logged feature's value in the unit that a person would use; empty where there is none.

    >>> value_in_words("log ratio", math.log(8.0)), value_in_words("log(1+count)", math.log(4.0))
    ('8 times', '3')
    >>> value_in_words("0/1", 1.0)
    ''
    """
    if unit == "log ratio":
        return f"{math.exp(value):.3g} times"
    if unit == "log(1+seconds)":
        return _duration(math.expm1(value))
    if unit.startswith("log(1+"):
        return f"{math.expm1(value):.3g}"
    if unit == "log odds":
        return f"{100.0 / (1.0 + math.exp(-value)):.2g} %"
    return "" if unit in ("0/1", "-1..1", "exp(-time/scale)") else f"{value:.3g}"


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


def _group_of(feature: Feature) -> tuple[str, str]:
    options = dict(feature.options)
    about = options.get("entity", options.get("column", ""))
    return _SAME_THING.get(feature.kind, feature.kind), about


@borrowing
def _largest(served: Any, rows: Any, group: Any, term: Any, total: Any, best: Any) -> None:
    """For each row the strongest feature of each of the largest groups; -1 where none is positive."""
    size = len(term)
    for r in range(len(rows)):
        logit_of(served, rows[r], term)
        for j in range(size):
            # In place: from here on `term` holds contributions.
            term[j] = 0.0 if math.isnan(term[j]) else term[j]
        total[:] = 0.0
        for k in range(len(served.left)):
            left, right = served.left[k], served.right[k]
            half = 0.5 * served.weight[size + k] * term[left] * term[right]
            total[group[left]] += half
            total[group[right]] += half
        for j in range(size):
            term[j] *= served.weight[j]
            total[group[j]] += term[j]
        for place in range(best.shape[1]):
            chosen = -1
            for g in range(len(total)):
                if total[g] > 0.0 and (chosen < 0 or total[g] > total[chosen]):
                    chosen = g
            best[r, place] = -1
            if chosen >= 0:
                total[chosen] = 0.0
                for j in range(size):
                    at = best[r, place]
                    if group[j] == chosen and (at < 0 or term[j] > term[at]):
                        best[r, place] = j
