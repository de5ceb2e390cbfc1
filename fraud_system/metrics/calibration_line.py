"""In which direction the probabilities are wrong: a line through the logits, a test of spread."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, ndtr

from fraud_system.metrics.checks import Floats, scored
from fraud_system.metrics.proper import CLIP

MAX_STEPS = 100
NOISE = 1e-12  # of a mean log likelihood in float64: a smaller loss is no reason to halve a step


class CalibrationLine(NamedTuple):
    """`logit(true probability) = intercept + slope x logit(probability)`; (1, 0) is calibrated.

    A slope below 1 says too extreme, above 1 too timid. With slope 1 the intercept says how far the
    level is off, in logits.
    """

    slope: float
    intercept: float


class SpiegelhalterTest(NamedTuple):
    """Standard normal z, positive where Brier is worse than promised; two-sided p-value."""

    z: float
    p_value: float


def calibration_line(
    probability: ArrayLike, is_fraud: ArrayLike, weight: ArrayLike | None = None
) -> CalibrationLine:
    """Logistic regression of the label on the logit of the probability, by Newton (Cox 1958).

    Probabilities are clipped to [1e-15, 1 - 1e-15]. Both are nan where no finite line fits best:
    one class only, one probability only, or classes that the probability separates perfectly.

    Args:
        probability, is_fraud: (n,) columns.
        weight: (n,) importance weights, or None.

    Raises:
        DataError: a column is not usable.

    >>> line = calibration_line([0.2] * 5 + [0.8] * 5, [True] + [False] * 4 + [True] * 4 + [False])
    >>> round(line.slope, 6), abs(round(line.intercept, 6))
    (1.0, 0.0)
    """
    columns = scored(probability, is_fraud, weight=weight).with_weight()
    clipped = np.clip(columns.probability, CLIP, 1.0 - CLIP)
    logit = np.log(clipped) - np.log1p(-clipped)
    if not _overlap(logit[columns.is_fraud], logit[~columns.is_fraud]):
        return CalibrationLine(float("nan"), float("nan"))
    target = columns.is_fraud.astype(np.float64)
    middle, spread = logit.mean(), logit.std()
    height, slope = _fit((logit - middle) / spread, target, columns.weight / columns.weight.sum())
    return CalibrationLine(float(slope / spread), float(height - slope * middle / spread))


def spiegelhalter_z(probability: ArrayLike, is_fraud: ArrayLike) -> SpiegelhalterTest:
    """Is the Brier score what the probabilities promise? (Spiegelhalter 1986.)

    `z = sum (y - p)(1 - 2p) / sqrt(sum (1 - 2p)^2 p (1 - p))`, standard normal for a perfect
    model with enough frauds (tens; below that the normal law is rough). Wrongs in opposite
    directions cancel, so a small |z| is no proof. nan when every probability is 0, 0.5 or 1.

    >>> round(spiegelhalter_z([0.1, 0.1, 0.2], [False, False, True]).z, 3)  # .32 / sqrt(.1728)
    0.77
    """
    columns = scored(probability, is_fraud)
    chance, tilt = columns.probability, 1.0 - 2.0 * columns.probability
    variance = np.sum(tilt**2 * chance * (1.0 - chance))
    if variance <= 0.0:
        return SpiegelhalterTest(float("nan"), float("nan"))
    z = float(np.sum((columns.is_fraud - chance) * tilt) / np.sqrt(variance))
    return SpiegelhalterTest(z, float(2.0 * ndtr(-abs(z))))


def _overlap(fraud: Floats, legitimate: Floats) -> bool:
    """Whether a finite best line exists: the classes' ranges cross (Albert and Anderson 1984)."""
    if len(fraud) == 0 or len(legitimate) == 0:
        return False
    return bool(fraud.min() < legitimate.max() and legitimate.min() < fraud.max())


def _fit(logit: Floats, target: Floats, weight: Floats) -> tuple[float, float]:
    """Intercept and slope of greatest likelihood; a step that loses likelihood is halved.

    Starts flat, at the observed rate: from slope 1 certain probabilities leave no curvature to follow.
    """
    rate = np.sum(weight * target)
    line = np.array([np.log(rate / (1.0 - rate)), 0.0])
    best = _log_likelihood(line, logit, target, weight)
    for _ in range(MAX_STEPS):
        chance = expit(line[0] + line[1] * logit)
        residual = weight * (target - chance)
        curvature = weight * chance * (1.0 - chance)
        gradient = np.array([residual.sum(), (residual * logit).sum()])
        cross = (curvature * logit).sum()
        hessian = np.array([[curvature.sum(), cross], [cross, (curvature * logit**2).sum()]])
        step = np.linalg.lstsq(hessian, gradient)[0]
        found = _log_likelihood(line + step, logit, target, weight)
        while found < best - NOISE:
            step = step / 2.0
            found = _log_likelihood(line + step, logit, target, weight)
        line, best = line + step, found
        if np.abs(step).max() <= 1e-10:
            break
    return float(line[0]), float(line[1])


def _log_likelihood(line: Floats, logit: Floats, target: Floats, weight: Floats) -> float:
    score = line[0] + line[1] * logit
    return float(np.sum(weight * (target * score - np.logaddexp(0.0, score))))
