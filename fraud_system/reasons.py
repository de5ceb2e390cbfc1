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
from fraud_system.features.scales import seconds
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
_BEYOND = ("amount_beyond", "amount_beyond_legitimate")  # 0 up to where they begin


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
        shown = value_in_words(feature, value)
        return f"{feature.words}: {shown}" if shown else feature.words


def contributions(served: Served, row: NDArray[np.float32]) -> NDArray[np.float64]:
    """(d + k,) what each feature and each interaction adds to the log odds; 0 where it is missing.

    With the intercept they sum to the log odds before recalibration, up to the order of additions.
    """
    term = np.zeros(len(row))
    logit_of(served, row, term)
    products = term[served.left] * term[served.right]
    added = served.weight * np.concatenate([term, products])
    return np.where(np.isnan(added), 0.0, added)


def value_in_words(feature: Feature, value: float) -> str:
    """A logged feature's value as a person would say it; empty where the feature's own words say it all.

    >>> value_in_words(Feature("amount_to_largest", (("entity", "card"),)), math.log(8.0))
    '8 times'
    >>> value_in_words(Feature("log_amount"), math.log1p(4_900.0))
    '4,900'
    >>> recency = Feature("fraud_recency", (("entity", "card"), ("label_scale", "7d")))
    >>> value_in_words(recency, math.exp(-2.0 / 7.0)), value_in_words(recency, 0.0)
    ('2 days ago', 'none, or long ago')
    >>> is_new = Feature("is_new", (("entity", "card"),))
    >>> value_in_words(is_new, 1.0), value_in_words(is_new, 0.0)
    ('', 'no')
    """
    unit = feature.unit
    if math.isnan(value):
        return "missing"
    if unit == "0/1":
        return "" if value > 0.5 else "no"
    if unit == "-1..1":
        return ""
    if unit == "exp(-time/scale)":
        scale_s = seconds(dict(feature.options)["label_scale"])
        return (
            f"{_duration(-scale_s * math.log(value))} ago" if value > 0.0 else "none, or long ago"
        )
    if feature.kind in _BEYOND and value <= 0.0:
        return "not beyond it"
    if unit == "log ratio":
        return f"{_figure(math.exp(value))} times"
    if unit == "log(1+seconds)":
        return _duration(math.expm1(value))
    if unit.startswith("log(1+"):
        return _figure(math.expm1(value))
    if unit == "log odds":
        return f"{100.0 / (1.0 + math.exp(-value)):.2g} %"
    return _figure(value)


def _figure(value: float) -> str:
    """Three digits, or all of those before the point.

    >>> _figure(0.01234), _figure(12.0), _figure(1234.5)
    ('0.0123', '12', '1,234')
    """
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def _duration(length_s: float) -> str:
    """In its largest unit.

    >>> _duration(86_400.0), _duration(90_000.0), _duration(150.0), _duration(0.0)
    ('1 day', '1.04 days', '2.5 minutes', '0 seconds')
    """
    units = (("day", 86_400.0), ("hour", 3_600.0), ("minute", 60.0))
    unit, unit_s = next((each for each in units if length_s >= each[1]), ("second", 1.0))
    number = _figure(max(length_s, 0.0) / unit_s)
    return f"{number} {unit}" if number == "1" else f"{number} {unit}s"


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
