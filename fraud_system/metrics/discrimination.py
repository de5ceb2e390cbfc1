"""Does the probability rank frauds above legitimate transactions, at whatever level it stands?

ROC figures do not depend on how rare fraud is: duplicate every legitimate row and they stay.
Average precision does, so it compares models on the same transactions only. All are exact: no
grid of thresholds (a binned AUC was measured at .56 where the true one was .87), and equal
probabilities form one step of the curve, so the order of the rows never matters.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fraud_system.metrics.checks import Floats, Scored, ratio, scored, share, whole


class RocCurve(NamedTuple):
    """Points of the curve from (0, 0) to (1, 1): at `threshold[i]`, flag probability >= threshold.

    The first threshold is infinity: nothing flagged.
    """

    false_positive_rate: Floats
    recall: Floats
    threshold: Floats


def roc_auc(probability: ArrayLike, is_fraud: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Chance that a random fraud has a larger probability than a random legitimate one; ties half.

    nan unless both classes are there. Columns that are already sorted are not sorted again, which
    is what makes `roc_auc_bootstrap` fast.

    Args:
        probability, is_fraud: (n,) columns.
        weight: (n,) importance weights, or None.

    Raises:
        DataError: a column is not usable.

    >>> roc_auc([0.1, 0.4, 0.4, 0.8], [False, False, True, True])  # 3.5 of 4 pairs
    0.875
    """
    _, false_alarms, hits = _curve(scored(probability, is_fraud, weight=weight))
    area = np.sum(np.diff(false_alarms) * (hits[1:] + hits[:-1])) / 2.0
    return ratio(area, false_alarms[-1] * hits[-1])


def partial_roc_auc(
    probability: ArrayLike,
    is_fraud: ArrayLike,
    max_false_positive_rate: float,
    weight: ArrayLike | None = None,
) -> float:
    """ROC AUC of the part with few false alarms, the only part that a fraud team can afford.

    Standardised (McClish 1989): 0.5 for chance, 1 for perfect, whatever the limit. As
    scikit-learn's `roc_auc_score(max_fpr=...)`. nan unless both classes are there.

    >>> partial_roc_auc([0.1, 0.4, 0.4, 0.8], [False, False, True, True], 0.5)  # area 3/8 of 1/2
    0.8333333333333333
    """
    limit = max_false_positive_rate
    if limit != 1.0:
        share(limit, "max_false_positive_rate")
    curve = roc_curve_points(probability, is_fraud, weight)
    rate, recall = curve.false_positive_rate, curve.recall
    if np.isnan(recall[-1]) or np.isnan(rate[-1]):
        return float("nan")
    after = int(np.searchsorted(rate, limit, side="right"))
    if after < len(rate):  # cut the segment that crosses the limit
        part = (limit - rate[after - 1]) / (rate[after] - rate[after - 1])
        level = recall[after - 1] + part * (recall[after] - recall[after - 1])
        rate, recall = np.append(rate[:after], limit), np.append(recall[:after], level)
    area = np.sum(np.diff(rate) * (recall[1:] + recall[:-1])) / 2.0
    chance = limit**2 / 2.0
    return float(0.5 * (1.0 + (area - chance) / (limit - chance)))


def average_precision(
    probability: ArrayLike, is_fraud: ArrayLike, weight: ArrayLike | None = None
) -> float:
    """Mean precision over the frauds in order of probability, as scikit-learn defines it.

    `sum_i (recall_i - recall_{i-1}) precision_i`, without interpolation. Its value for a random
    score is the fraud rate itself, so it moves with the rate. nan without frauds.

    >>> average_precision([0.1, 0.4, 0.4, 0.8], [False, False, True, True])  # 1/2 + 1/2 x 2/3
    0.8333333333333333
    """
    _, false_alarms, hits = _curve(scored(probability, is_fraud, weight=weight))
    flagged = false_alarms + hits
    gained = np.diff(hits)
    useful = gained > 0
    precision = hits[1:][useful] / flagged[1:][useful]
    return ratio(np.sum(gained[useful] * precision), hits[-1])


def roc_curve_points(
    probability: ArrayLike,
    is_fraud: ArrayLike,
    weight: ArrayLike | None = None,
    points: int | None = None,
) -> RocCurve:
    """The ROC curve: one point per distinct probability, or for a drawing at most `points` of them.

    Points are thinned evenly along false positive rate + recall. A rate whose class is absent is
    nan.

    Args:
        probability, is_fraud: (n,) columns.
        weight: (n,) importance weights, or None.
        points: at least 2, or None for all.

    Raises:
        DataError: a column or a setting is not usable.

    >>> curve = roc_curve_points([0.1, 0.4, 0.4, 0.8], [False, False, True, True])
    >>> curve.false_positive_rate, curve.recall, curve.threshold
    (array([0. , 0. , 0.5, 1. ]), array([0. , 0.5, 1. , 1. ]), array([inf, 0.8, 0.4, 0.1]))
    """
    threshold, false_alarms, hits = _curve(scored(probability, is_fraud, weight=weight))
    rate = false_alarms / (false_alarms[-1] or np.nan)
    recall = hits / (hits[-1] or np.nan)
    if points is not None and whole(points, "points", low=2) < len(rate):
        along = np.nan_to_num(rate) + np.nan_to_num(recall)
        kept = np.unique(np.searchsorted(along, np.linspace(0.0, along[-1], points)))
        kept[-1] = len(rate) - 1  # the end point, also after thresholds that flag nothing new
        rate, recall, threshold = rate[kept], recall[kept], threshold[kept]
    return RocCurve(rate, recall, threshold)


def _curve(columns: Scored) -> tuple[Floats, Floats, Floats]:
    """Thresholds, falling, and the weight of legitimate and of fraud rows at or above each.

    The first entry is (inf, 0, 0).
    """
    probability, is_fraud, weight = columns.probability, columns.is_fraud, columns.weight
    if np.any(probability[1:] < probability[:-1]):
        order = np.argsort(probability, kind="stable")
        probability, is_fraud, weight = probability[order], is_fraud[order], weight[order]
    falling, fraud_weight = probability[::-1], (weight * is_fraud)[::-1]
    step_end = np.flatnonzero(np.diff(falling, append=-1.0) < 0)
    hits = np.cumsum(fraud_weight)[step_end]
    false_alarms = np.cumsum(np.where(is_fraud, 0.0, weight)[::-1])[step_end]
    return (
        np.append(np.inf, falling[step_end]),
        np.append(0.0, false_alarms),
        np.append(0.0, hits),
    )
