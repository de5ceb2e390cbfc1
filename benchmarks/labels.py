"""`make bench-labels`: how much of the price of waiting for labels each strategy wins back.

A logistic stream whose truth is known at every moment; frauds are reported with gamma delays of nine days
on average. All learners see the same stream through the same code (`Learner.fold`): one that is told the
truth at once, one that waits 30 days (`mature`), and one for each other strategy. The figure is the
Kullback-Leibler divergence of the served probabilities from the truth, on fresh draws, averaged over
the days after something changed; a strategy closes (waiting - strategy) / (waiting - at once) of the gap.

The model is the baseline at settings that track: AdaGrad's steps shrink with the frauds that it has seen,
and at the project's default a change is followed so slowly by every learner that the delay hardly matters.
Fraud is at 1.9 %. What a strategy pays when nothing changes depends on both: terms that are learned apart
move the weights more than a whole label does, most where fraud is probable and steps are long.
"""

import argparse
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import expit
from tqdm import tqdm

from benchmarks.table import Row, write
from fraud_system.events import DAY_US, SECOND_US, Frame, LabelSource, Resolution, Table
from fraud_system.features.declaration import load_features
from fraud_system.labels import LabelSettings
from fraud_system.learner import Learner
from fraud_system.models.model_settings import BaselineSettings
from fraud_system.publication import Publication
from fraud_system.settings import Settings
from fraud_system.strategies import STRATEGIES, LearningSettings

Floats = NDArray[np.float64]
DAY_S = DAY_US // SECOND_US
WEIGHTS = np.array([1.0, -0.7, 0.5, 0.3, 0.0, 0.0])
INTERCEPT = -4.6  # about 1.9 % fraud
PER_DAY, DAYS, CHANGE_DAY = 2_000, 130, 70
MEAN_DELAY_DAYS, DELAY_SHAPE, MATURITY_DAYS = 9.0, 2.0, 30
TEST_ROWS = 4_000
AT_ONCE, WAITING = "at once", "mature"
OTHERS = tuple(name for name in STRATEGIES if name != WAITING)


@dataclass(frozen=True)
class Scenario:
    """What changes on CHANGE_DAY.

    Args:
        name: for the table.
        attack: added to the first weight.
        rate_factor: of the odds of fraud.
        drift: standard deviation of each weight's daily step, from the first day on.
        volume_factor: of the transactions a day.
        must_close: the share of the gap that `delay_matched` has to close; None: it must be no worse
            than waiting.
    """

    name: str
    attack: float = 0.0
    rate_factor: float = 1.0
    drift: float = 0.0
    volume_factor: int = 1
    must_close: float | None = 0.7


SCENARIOS = (
    Scenario("attack on one feature", attack=1.5),
    Scenario("fraud rate x 2", rate_factor=2.0),
    Scenario("fraud rate x 0.5", rate_factor=0.5),
    Scenario("weights drift slowly", drift=0.06),
    Scenario("stationary", must_close=None),
    Scenario("volume x 3", volume_factor=3, must_close=None),
)


@dataclass(frozen=True)
class Stream:
    """One draw: rows by day, with the truth of each day.

    Args:
        features: (n, d).
        known_us, reported_us: (n,); the second counts where `is_fraud`.
        is_fraud: (n,).
        start: (DAYS + 1,) the first row of each day.
        truth: (DAYS, d + 1) weights and intercept of each day.
    """

    features: Floats
    known_us: NDArray[np.int64]
    reported_us: NDArray[np.int64]
    is_fraud: NDArray[np.bool_]
    start: NDArray[np.int64]
    truth: Floats


def stream_of(scenario: Scenario, seed: int) -> Stream:
    """Draw a stream."""
    draw = np.random.default_rng(seed)
    changed = np.arange(DAYS) >= CHANGE_DAY
    truth = np.tile(np.append(WEIGHTS, INTERCEPT), (DAYS, 1))
    truth[:, :-1] += scenario.drift * np.cumsum(draw.normal(size=(DAYS, len(WEIGHTS))), axis=0)
    truth[:, 0] += scenario.attack * changed
    truth[:, -1] += math.log(scenario.rate_factor) * changed
    count = np.where(changed, PER_DAY * scenario.volume_factor, PER_DAY)
    start = np.append(0, np.cumsum(count))
    day = np.repeat(np.arange(DAYS), count)
    features = draw.normal(size=(start[-1], len(WEIGHTS)))
    logit = (features * truth[day, :-1]).sum(axis=1) + truth[day, -1]
    known_us = day * DAY_US + ((np.arange(start[-1]) - start[day]) * DAY_US) // count[day]
    delay_days = draw.gamma(DELAY_SHAPE, MEAN_DELAY_DAYS / DELAY_SHAPE, start[-1])
    is_fraud = draw.random(start[-1]) < expit(logit)
    reported_us = known_us + (delay_days * DAY_US).astype(np.int64) + 1
    return Stream(features, known_us, reported_us, is_fraud, start, truth)


def resolved_of(stream: Stream, labels: LabelSettings) -> Table:
    """What the joiner would make of it: its own rules, over columns."""
    maturity_us, horizon_us = (labels.array_us()[:2]).tolist()
    matures_us = stream.known_us + maturity_us + 1
    early = stream.is_fraud & (stream.reported_us < matures_us)
    joins = stream.reported_us - stream.known_us <= horizon_us
    late = stream.is_fraud & ~early & joins
    ordinal = [np.flatnonzero(early), np.flatnonzero(~early), np.flatnonzero(late)]
    times = [stream.reported_us[early], matures_us[~early], stream.reported_us[late]]
    kinds = [Resolution.FRAUD, Resolution.MATURED, Resolution.LATE_FRAUD]
    table = {
        "known_time_us": np.concatenate(times),
        "resolution": np.repeat(np.array(kinds, np.uint8), [len(each) for each in ordinal]),
        "ordinal": np.concatenate(ordinal),
        "source": np.full(sum(map(len, ordinal)), LabelSource.CHARGEBACK, np.uint8),
    }
    order = np.argsort(table["known_time_us"], kind="stable")
    table = {name: column[order] for name, column in table.items()}
    table["transaction_seq"] = table["ordinal"] + 1
    table["transaction_time_us"] = stream.known_us[table["ordinal"]]
    table["seq"] = np.arange(len(order)) + len(stream.features) + 1
    return table


def settings_of(strategy: str) -> Settings:
    """A plain model that tracks, and the strategy's clocks."""
    waits = LabelSettings(MATURITY_DAYS * DAY_S, 90 * DAY_S)
    return Settings(
        features=load_features("", [], [f"x{place}" for place in range(len(WEIGHTS))]),
        labels=replace(waits, maturity_s=1) if strategy == AT_ONCE else waits,
        model=BaselineSettings(
            prevalence=float(expit(INTERCEPT)),
            learning_rate=0.2,
            intercept_learning_rate=0.03,
            squash_limit=100.0,  # the truth is linear
        ),
        learning=LearningSettings("mature" if strategy == AT_ONCE else strategy),
        publish_every_labels=200,
    )


def divergence_by_day(stream: Stream, strategy: str, seed: int) -> Floats:
    """(DAYS,) divergence in nats of what is served at the beginning of each day."""
    settings = settings_of(strategy)
    if strategy == AT_ONCE:
        stream = replace(stream, reported_us=stream.known_us)
    resolved = resolved_of(stream, settings.labels)
    learner = Learner(settings)
    served = learner.first_publication()
    fresh = np.random.default_rng(seed + 1_000).normal(size=(TEST_ROWS, len(WEIGHTS)))
    found = np.empty(DAYS)
    for day in range(DAYS):
        truth = stream.truth[day]
        found[day] = divergence(fresh @ truth[:-1] + truth[-1], log_odds(served, fresh))
        due = learner.fold(frame_of(stream, resolved, served, day))
        served = due[-1] if due else served
    return found


def frame_of(stream: Stream, resolved: Table, served: Publication, day: int) -> Frame:
    """A day's transactions, with the probabilities that were served, and a day's labels."""
    chosen = slice(stream.start[day], stream.start[day + 1])
    rows = stream.features[chosen].astype(np.float32)
    ordinal = np.arange(chosen.start, chosen.stop)
    probability = expit(log_odds(served, rows))
    begin, end = np.searchsorted(resolved["known_time_us"], [day * DAY_US, (day + 1) * DAY_US])
    tables: dict[str, Table] = {
        "transaction": {
            "seq": ordinal + 1,
            "known_time_us": stream.known_us[chosen],
            "transaction_key": ordinal.astype(np.uint64) + np.uint64(1),
        },
        "decision": {
            "features": rows,
            "probability": probability,
            "probability_model": probability,
        },
    }
    if end > begin:
        tables["resolved"] = {name: column[begin:end] for name, column in resolved.items()}
    return Frame(0, 0, (day + 1) * DAY_US - 1, tables)


def log_odds(served: Publication, rows: NDArray[Any]) -> Floats:
    """(n,) of published weights without interactions and squashing."""
    deviation = np.where(served.deviation > 0.0, served.deviation, np.inf)
    return ((rows - served.mean) / deviation) @ served.weight + served.intercept[0]


def divergence(true: Floats, said: Floats) -> float:
    """Mean Kullback-Leibler divergence in nats between Bernoulli laws with these log odds.

    >>> divergence(np.array([0.0]), np.array([0.0])), divergence(np.zeros(1), np.ones(1)) > 0.1
    (0.0, True)
    """
    loss = np.logaddexp(0.0, said) - np.logaddexp(0.0, true) - expit(true) * (said - true)
    return float(loss.mean())


def main() -> None:
    """Measure, print a table, write `results/bench-labels.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="at least 2")
    given = parser.parse_args()
    if given.seeds < 2:
        parser.error("SEEDS: at least 2, for an interval")
    seeds = range(given.seeds)
    print(
        f"KL from the truth (1e-3 nats a transaction), mean over {len(seeds)} streams, and the share"
    )
    print("of the gap between waiting and knowing at once that is closed: mean [95 % interval]")
    print(f"{'':22}{AT_ONCE:>9}{WAITING:>9}" + "".join(f"{name:>31}" for name in OTHERS))
    rows: list[Row] = []
    for scenario in tqdm(SCENARIOS, unit=" scenarios", disable=None):
        streams = [stream_of(scenario, seed) for seed in seeds]
        found = {
            name: 1e3
            * np.array(
                [
                    divergence_by_day(stream, name, seed)[CHANGE_DAY:].mean()
                    for seed, stream in zip(seeds, streams, strict=True)
                ]
            )
            for name in (AT_ONCE, WAITING, *OTHERS)
        }
        made = rows_of(scenario, found)
        rows += made
        tqdm.write(line_of(scenario, found, made))
    write("bench-labels", rows, ("numpy", "numba", "river", "scipy"))
    missed = [row.name for row in rows if row.goal and not _meets(row)]
    print("missed: " + "; ".join(missed) if missed else "every goal is met")


def rows_of(scenario: Scenario, found: dict[str, Floats]) -> list[Row]:
    """The divergences, and the share of the gap that each strategy closes, stream by stream."""
    rows = []
    for name, values in found.items():
        low, mean, high = interval(values)
        rows.append(Row(f"{scenario.name}: {name}", mean, "1e-3 nats", low, high))
    for name in OTHERS:
        is_default = name == "delay_matched"
        if scenario.must_close is None:
            low, mean, high = interval(found[name] - found[WAITING])
            what, unit, goal = "divergence beyond waiting", "1e-3 nats", "low <= 0"
        else:
            gap = found[WAITING] - found[AT_ONCE]
            low, mean, high = interval((found[WAITING] - found[name]) / gap)
            what, unit, goal = "share of the gap closed", "share", f">= {scenario.must_close}"
        goal = goal if is_default else ""
        rows.append(Row(f"{scenario.name}: {what}, {name}", mean, unit, low, high, goal=goal))
    return rows


def line_of(scenario: Scenario, found: dict[str, Floats], rows: list[Row]) -> str:
    """One line of the printed table."""
    line = f"{scenario.name:22}{found[AT_ONCE].mean():9.3f}{found[WAITING].mean():9.3f}"
    for name, row in zip(OTHERS, rows[-len(OTHERS) :], strict=True):
        sign = "+" if scenario.must_close is None else " "
        line += (
            f"{found[name].mean():9.3f} {row.value:{sign}7.2f} [{row.low:5.2f}, {row.high:5.2f}]"
        )
    return line


def _meets(row: Row) -> bool:
    if row.goal.startswith(">="):
        return row.value >= float(row.goal.removeprefix(">="))
    return row.low is not None and row.low <= 0.0


def interval(values: Floats) -> tuple[float, float, float]:
    """Lower end, mean and upper end of a 95 % interval of the mean (Student's t over the streams)."""
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    return float(values.mean() - half), float(values.mean()), float(values.mean() + half)


if __name__ == "__main__":
    main()
