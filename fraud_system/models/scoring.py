"""Scores one row with weights that have been published: the only arithmetic between features and answer.

One compiled kernel with a fixed order of additions: the same row gives the same bits whether it comes
alone or in a batch of thousands, which `X @ w` does not promise.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraud_system.compiled import borrowing

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Served(NamedTuple):
    """What answers transactions; d features, k pairs, r rules.

    Args:
        mean, deviation: (d,) of the scaler; deviation 0 means "constant so far".
        weight: (d + k,).
        intercept: (1,).
        left, right: (k,) sides of each pair.
        squash_limit: (1,).
        recalibration: (2,) offset and slope, see `recalibration`.
        rule_feature, rule_above, rule_threshold: (r, most conditions) of the heuristic; feature -1 ends
            a rule.
        rates: (r + 2,) fraud rate of each rule's bucket, of "no rule", and of everything.
    """

    mean: Floats
    deviation: Floats
    weight: Floats
    intercept: Floats
    left: Ints
    right: Ints
    squash_limit: Floats
    recalibration: Floats
    rule_feature: Ints
    rule_above: NDArray[np.bool_]
    rule_threshold: Floats
    rates: Floats


@borrowing
def logit_of(served: Any, row: Any, term: Any) -> float:
    """The log odds that the model gives to `row` (d,); `term` (d,) is room for the squashed features.

    A nan feature is missing and adds nothing, as a missing key does in river.
    """
    limit = served.squash_limit[0]
    features = len(row)
    logit = 0.0
    for j in range(features):
        z = 0.0
        if served.deviation[j] != 0.0:
            z = (row[j] - served.mean[j]) / served.deviation[j]
        # min and max of a nan are platform-dependent; say what missing means.
        term[j] = math.nan if math.isnan(row[j]) else limit * math.tanh(z / limit)
        if not math.isnan(row[j]):
            logit += served.weight[j] * term[j]
    for k in range(len(served.left)):
        product = term[served.left[k]] * term[served.right[k]]
        if not math.isnan(row[served.left[k]]) and not math.isnan(row[served.right[k]]):
            logit += served.weight[features + k] * product
    return logit + served.intercept[0]


@borrowing
def sigmoid(logit: float) -> float:
    """1 / (1 + exp(-logit)) without overflow.

    >>> sigmoid(0.0), sigmoid(-1000.0), sigmoid(1000.0)
    (0.5, 0.0, 1.0)
    """
    if logit >= 0.0:
        return 1.0 / (1.0 + math.exp(-logit))
    odds = math.exp(logit)
    return odds / (1.0 + odds)


@borrowing
def bucket_of(served: Any, row: Any) -> int:
    """The first rule of the heuristic that holds for `row`, or the number of rules."""
    rules, conditions = served.rule_feature.shape
    for rule in range(rules):
        holds = True
        for condition in range(conditions):
            feature = served.rule_feature[rule, condition]
            if feature < 0:
                break
            above = row[feature] > served.rule_threshold[rule, condition]
            if above != served.rule_above[rule, condition] or math.isnan(row[feature]):
                holds = False
                break
        if holds:
            return rule
    return rules
