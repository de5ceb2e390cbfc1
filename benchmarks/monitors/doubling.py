"""How soon a doubled fraud rate is found, where the truth is known.

The unit is transactions whose outcome is known, after the change. The first-order bound is what no detector
with that mean time between false alarms can beat by much when both rates are known to it:

    ln(mean time between false alarms) / KL(Bernoulli(2 p) || Bernoulli(p)).

Ours does not know the new rate, and tolerates 10 % more of the old one before it counts anything as
different. What is not found within LONGEST bounds counts as that.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from tqdm import tqdm

from benchmarks.monitors.contenders import adwin, beginnings, ours, page_hinkley
from benchmarks.monitors.streams import LateFrauds
from fraud_system.events import DAY_US
from monitoring.e_detector import EDetector, EDetectorSettings
from monitoring.findings import Level

Floats = NDArray[np.float64]
RATE, FACTOR, CALM, COHORT = 0.02, 2.0, 20_000, 25
LONGEST = 10.0  # bounds


def bound(rate: float, factor: float, between_false_alarms: float) -> float:
    """The first-order bound, in transactions.

    >>> round(bound(0.005, 2.0, 1e7))
    8291
    """
    after = rate * factor
    divergence = after * math.log(after / rate)
    divergence += (1.0 - after) * math.log((1.0 - after) / (1.0 - rate))
    return math.log(between_false_alarms) / divergence


@dataclass(frozen=True)
class Found:
    """Of many runs.

    Args:
        delay: (runs,) in units of the bound; LONGEST where it was not found.
        calm_alarms: (runs,) alarms before the change.
    """

    delay: Floats
    calm_alarms: Floats


def labels_at_once(runs: int, factor: float = FACTOR) -> dict[str, Found]:
    """Outcomes known at once, a calm past of CALM transactions; every contender sees the same."""
    least = bound(RATE, factor, EDetectorSettings().mean_time_between_false_alarms)
    found: dict[str, list[tuple[float, int]]] = {"ours": [], "ADWIN": [], "Page-Hinkley": []}
    for seed in tqdm(range(runs), desc="doubled rate", unit=" runs", disable=None):
        draw = np.random.default_rng(seed)
        size = CALM + int(LONGEST * least)
        rate = np.where(np.arange(size) < CALM, RATE, RATE * factor)
        outcome = (draw.random(size) < rate).astype(np.float64)
        alarms = {
            "ours": e_detector_alarms(outcome),
            "ADWIN": adwin(outcome),
            "Page-Hinkley": page_hinkley(outcome),
        }
        for name, places in alarms.items():
            after = places[places >= CALM]
            delay = (after[0] + 1 - CALM) / least if len(after) else LONGEST
            found[name].append((delay, int((places < CALM).sum())))
    return {
        name: Found(*(np.array(each, np.float64) for each in zip(*rows, strict=True)))
        for name, rows in found.items()
    }


def e_detector_alarms(outcome: Floats) -> NDArray[np.int64]:
    """Places of the first alarm before the change and of the first after it."""
    settings = EDetectorSettings()
    detector = EDetector(settings, size=128)
    alarms = []
    for number, start in enumerate(range(0, len(outcome), COHORT)):
        detector.begin(float(COHORT))
        part = outcome[start : start + COHORT]
        count = int(part.sum())
        detector.report(np.full(count, number), np.ones(count))
        detector.expect(np.array([number]), np.array([len(part) * RATE]))
        if max(detector.evidence()) >= settings.mean_time_between_false_alarms:
            alarms.append(start + len(part) - 1)
            if alarms[-1] >= CALM:
                break
            detector.restart()
    return np.array(alarms, np.int64)


def labels_late(runs: int, case: LateFrauds) -> dict[str, Found]:
    """The whole monitor on what an engine recorded: reports come after a log-normal delay."""
    found: dict[str, list[tuple[float, int]]] = {"calibration": [], "fraud_rate": []}
    for seed in tqdm(range(runs), desc="late reports", unit=" runs", disable=None):
        stream = case.stream(seed)
        change_us = case.change_day * DAY_US
        happened = stream.known_us()
        happened = happened[happened >= change_us]
        alarms = beginnings(ours(stream), Level.ALARM)
        for name in found:
            least = bound(case.rate, case.factor, 1e7)
            mine = [each.known_time_us for each in alarms if each.monitor == name]
            after = [each for each in mine if each >= change_us]
            delay = LONGEST
            if after:
                age_days = (after[0] - happened[happened < after[0]]) / DAY_US
                known = stats.lognorm.cdf(age_days, case.sigma, scale=case.median_days)
                delay = float(known.sum()) / least
            found[name].append((delay, len(mine) - len(after)))
    return {
        name: Found(*(np.array(each, np.float64) for each in zip(*rows, strict=True)))
        for name, rows in found.items()
    }


def run_length(runs: int, between_false_alarms: float, ratio: float) -> float:
    """Mean time between false alarms, in units of the promised one; runs are cut at ten times that."""
    settings = EDetectorSettings(
        mean_time_between_false_alarms=between_false_alarms,
        mean_time_between_false_warnings=between_false_alarms,
    )
    lengths = []
    for seed in tqdm(range(runs), desc=f"false alarms at {ratio:g}", unit=" runs", disable=None):
        draw, detector, number = np.random.default_rng(seed), EDetector(settings, size=64), 0
        while number * COHORT < 10.0 * between_false_alarms:
            detector.begin(float(COHORT))
            count = draw.binomial(COHORT, RATE * ratio)
            detector.report(np.full(count, number), np.ones(count))
            detector.expect(np.array([number]), np.array([COHORT * RATE]))
            number += 1
            if max(detector.evidence()) >= between_false_alarms:
                break
        lengths.append(number * COHORT)
    return float(np.mean(lengths)) / between_false_alarms
