"""`make bench-models`: the learners where the truth is known, beside Vowpal Wabbit and what is possible.

The log odds of fraud are linear in twenty standard normal features. Stationary: the weights stay; drifting:
each takes a random walk. Every learner sees the same rows once, in the same order, and is scored on each
row before it is learned. `laplace` learns in its usual blocks, so its scores are up to a block old; Vowpal
Wabbit learns after each row, and its learning rate is the best of five on these very rows. The memory of
`laplace` is not tried out: it is infinite where nothing moves, and else that of the Kalman filter for a
random walk of this speed, which is known here (`memory_labels`).

On the stationary streams, the final weights are also compared with the truth: what predicting with
them costs on fresh draws is the excess log loss, and about d / (2 n) is what the best estimator of d
weights from n labels pays.
"""

import argparse
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import expit
from tqdm import tqdm

from benchmarks.table import Row, text, write
from benchmarks.train import vowpal
from benchmarks.train.job import installed
from benchmarks.train.learning import progressive_log_loss
from fraud_system.models.fast_forward import fast_forward
from fraud_system.models.model_settings import BaselineSettings, LaplaceSettings, ModelSettings
from fraud_system.models.online import new_model, weights_of

Floats = NDArray[np.float64]
FEATURES, ROWS, FRESH_ROWS = 20, 100_000, 200_000
NAMES = tuple(f"f{place}" for place in range(FEATURES))
INTERCEPT, WEIGHT_DEVIATION = -4.0, 0.5
PREVALENCE = 0.05  # what every learner starts from; the streams have about 6 %
DRIFTS = {"stationary": 0.0, "drifting": 0.5, "drifting fast": 1.0}  # see `stream_of`
INFORMATION = 0.05  # of a label about a weight: about the mean of p (1 - p) of these streams
EXCESS_GOAL = 1.5
VOWPAL = "Vowpal Wabbit"


@dataclass(frozen=True)
class Stream:
    """One draw.

    Args:
        features: (n, d).
        is_fraud: (n,).
        truth: (d + 1,) intercept and weights, at the end.
    """

    features: Floats
    is_fraud: NDArray[np.bool_]
    truth: Floats


def stream_of(seed: int, drift: float, rows: int = ROWS) -> Stream:
    """Draw a stream; `drift` is the standard deviation of what each weight has moved by the end."""
    draw = np.random.default_rng(seed)
    start = draw.normal(0.0, WEIGHT_DEVIATION, FEATURES)
    features = draw.normal(size=(rows, FEATURES))
    weights = np.cumsum(draw.normal(0.0, drift / math.sqrt(rows), (rows, FEATURES)), axis=0) + start
    logit = INTERCEPT + (features * weights).sum(axis=1)
    is_fraud = draw.random(rows) < expit(logit)
    return Stream(features, is_fraud, np.append(INTERCEPT, weights[-1]))


def learners(drift: float) -> dict[str, ModelSettings]:
    """Ours. Squashing is off: the truth is linear in the features themselves."""
    memory = memory_labels(drift / math.sqrt(ROWS))
    return {
        "laplace": LaplaceSettings(
            PREVALENCE, prior_precision=1.0, memory_labels=memory, squash_limit=1e6
        ),
        "baseline": BaselineSettings(PREVALENCE, squash_limit=1e6),
    }


def memory_labels(step: float) -> float:
    """The best memory for weights that move by `step` (standard deviation) a label.

    A Kalman filter's variance V is steady where forgetting it loses what a label tells: V V I = step^2,
    and a label then is the share V I of what is known.

    >>> memory_labels(0.0), round(memory_labels(0.002))
    (inf, 2236)
    """
    return 1.0 / (step * math.sqrt(INFORMATION)) if step else math.inf


def learned(settings: ModelSettings, stream: Stream) -> tuple[float, Floats]:
    """Log loss of the scores before each row was learned, and (d + 1,) intercept and weights after all."""
    model = new_model(settings, ())
    log_odds = fast_forward(model, NAMES, stream.features, stream.is_fraud)
    served = weights_of(model, NAMES)
    weight = served.weight / served.deviation
    intercept = served.intercept - served.mean @ weight
    return progressive_log_loss(log_odds, stream.is_fraud), np.append(intercept, weight)


def excess_log_loss(weight: Floats, truth: Floats, fresh: Floats) -> float:
    """Mean divergence of predictions with `weight` (d + 1,) from the truth, over fresh rows (n, d).

    >>> excess_log_loss(np.array([1.0, 2.0]), np.array([1.0, 2.0]), np.ones((3, 1)))
    0.0
    """
    said, true = weight[0] + fresh @ weight[1:], truth[0] + fresh @ truth[1:]
    loss = np.logaddexp(0.0, said) - np.logaddexp(0.0, true) - expit(true) * (said - true)
    return float(loss.mean())


def vowpal_log_loss(stream: Stream) -> float:
    """Progressive log loss of Vowpal Wabbit, the best of its learning rates."""
    with tempfile.TemporaryDirectory() as folder:
        cache = vowpal.make_cache(
            Path(folder), "rows", stream.features, stream.is_fraud, PREVALENCE
        )
        return min(cache.learn(rate)() for rate in vowpal.LEARNING_RATES)


def measure(name: str, seeds: Sequence[int], with_vowpal: bool) -> list[Row]:
    """All rows of the table for one kind of stream, a name in `DRIFTS`."""
    drift = DRIFTS[name]
    loss: dict[str, list[float]] = {}
    excess: dict[str, list[float]] = {}
    for seed in tqdm(seeds, desc=name, unit=" streams", disable=None):
        stream = stream_of(seed, drift)
        fresh = np.random.default_rng(seed + 1_000).normal(size=(FRESH_ROWS, FEATURES))
        for learner, settings in learners(drift).items():
            found, weight = learned(settings, stream)
            loss.setdefault(learner, []).append(found)
            least = (1 + FEATURES) / (2.0 * ROWS)
            relative = excess_log_loss(weight, stream.truth, fresh) / least
            excess.setdefault(learner, []).append(relative)
        if with_vowpal:
            loss.setdefault(VOWPAL, []).append(vowpal_log_loss(stream))
    rows = [spread(f"{name}: log loss, {learner}", "nats", loss[learner]) for learner in loss]
    if with_vowpal:
        for learner in excess:
            difference = np.subtract(loss[learner], loss[VOWPAL])
            goal = "<= 0" if learner == "laplace" else ""
            title = f"{name}: log loss, {learner} - {VOWPAL}, best of 5 -l"
            rows.append(spread(title, "1e-3 nats", 1e3 * difference, goal))
    if not drift:
        for learner, relative_each in excess.items():
            goal = f"<= {EXCESS_GOAL}" if learner == "laplace" else ""
            title = f"{name}: excess log loss of the final weights, {learner}"
            rows.append(spread(title, "x d/(2n)", relative_each, goal))
    return rows


def spread(name: str, unit: str, values: Sequence[float] | Floats, goal: str = "") -> Row:
    """Mean over the streams, with its 95 % interval (Student's t).

    >>> spread("a", "nats", [1.0, 3.0]).value
    2.0
    """
    found = np.asarray(values, np.float64)
    half = stats.t.ppf(0.975, len(found) - 1) * found.std(ddof=1) / math.sqrt(len(found))
    mean = float(found.mean())
    return Row(name, mean, unit, mean - float(half), mean + float(half), goal=goal)


def main() -> None:
    """Measure, print a table, write `results/bench-models.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="at least 2")
    given = parser.parse_args()
    if given.seeds < 2:
        parser.error("SEEDS: at least 2, for an interval")
    seeds = range(given.seeds)
    with_vowpal = installed("vowpalwabbit", VOWPAL)
    rows = [row for name in DRIFTS for row in measure(name, seeds, with_vowpal)]
    write("bench-models", rows, ("numpy", "numba", "river", "scipy", "vowpalwabbit"))
    print(f"{ROWS:,} rows, {FEATURES} features; means over {len(seeds)} streams [95 % interval]")
    print(text(rows))
    missed = [row.name for row in rows if row.goal and row.value > float(row.goal.split()[1])]
    print("missed: " + "; ".join(missed) if missed else "every goal is met")


if __name__ == "__main__":
    main()
