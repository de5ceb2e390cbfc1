"""Who watches: ours, river's ADWIN and Page-Hinkley, Evidently's default preset, and a naive test."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river.drift import ADWIN, PageHinkley
from scipy import stats

from benchmarks.monitors.streams import Stream
from fraud_system.events import DAY_US
from monitoring.findings import Finding, Level
from monitoring.monitor import Monitor
from monitoring.settings import MonitorSettings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def ours(stream: Stream, settings: MonitorSettings | None = None) -> list[Finding]:
    """Everything that the monitors say."""
    monitor = Monitor(settings or MonitorSettings(), stream.system)
    return [each for frame in stream.frames for each in monitor.fold(frame)]


def beginnings(findings: list[Finding], level: Level, from_us: int = 0) -> list[Finding]:
    """Findings in which a subject's level rises to `level`, from a moment on."""
    now: dict[tuple[str, str], Level] = {}
    begun = []
    for each in findings:
        before = now.get((each.monitor, each.subject), Level.OK)
        if each.level == level and before < level and each.known_time_us >= from_us:
            begun.append(each)
        now[each.monitor, each.subject] = each.level
    return begun


def adwin(values: Floats) -> Ints:
    """Places at which ADWIN, as it comes, says that the mean has moved."""
    return _drifts(ADWIN(), values)


def page_hinkley(values: Floats) -> Ints:
    """The same of Page-Hinkley, as it comes."""
    return _drifts(PageHinkley(), values)


def _drifts(detector: Any, values: Floats) -> Ints:
    found = []
    for place, value in enumerate(values.tolist()):
        detector.update(value)
        if detector.drift_detected:
            found.append(place)
    return np.array(found, np.int64)


@dataclass(frozen=True)
class EvidentlyDay:
    """What the default preset says of one day.

    Args:
        day: since the stream's start.
        drifted: names of the columns that it calls drifted.
        is_dataset: whether at least half of them are, which it calls drift of the data set.
    """

    day: int
    drifted: list[str]
    is_dataset: bool


def evidently_days(stream: Stream, reference: tuple[int, int], days: range) -> list[EvidentlyDay]:
    """Evidently's DataDriftPreset with its defaults, each day against the reference days."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import Report
        from evidently.presets import DataDriftPreset

        known_us = stream.known_us()
        tables = [f.tables["decision"] for f in stream.frames if "decision" in f.tables]
        features = np.concatenate([each["features"] for each in tables])
        table = pd.DataFrame(features, columns=list(stream.system.features.names))
        table["model probability"] = np.concatenate([t["probability_model"] for t in tables])
        day_of = (known_us - stream.start_us) // DAY_US
        held = table[(day_of >= reference[0]) & (day_of < reference[1])].reset_index(drop=True)
        found = []
        for day in days:
            now = table[day_of == day].reset_index(drop=True)
            metrics = Report([DataDriftPreset()]).run(now, held).dict()["metrics"]
            found.append(_evidently_day(day, metrics))
    return found


def _evidently_day(day: int, metrics: list[dict[str, Any]]) -> EvidentlyDay:
    drifted, share = [], 0.0
    for metric in metrics:
        config = metric["config"]
        if config["type"].endswith("DriftedColumnsCount"):
            share = float(metric["value"]["share"])
            continue
        value, threshold = float(metric["value"]), float(config["threshold"])
        is_p_value = "p_value" in config["method"]
        if value < threshold if is_p_value else value >= threshold:
            drifted.append(config["column"])
    return EvidentlyDay(day, drifted, share >= 0.5)


def naive_share(stream: Stream, days: range, level: float = 0.01) -> float:
    """Share of (day, feature) for which a chi-square test against the same weekday before says p < level."""
    known_us = stream.known_us()
    tables = [f.tables["decision"] for f in stream.frames if "decision" in f.tables]
    features = np.concatenate([each["features"] for each in tables]).astype(np.float64)
    day_of = (known_us - stream.start_us) // DAY_US
    tested = below = 0
    for day in days:
        now, before = features[day_of == day], features[day_of == day - 7]
        for place in range(features.shape[1]):
            edges = np.unique(np.quantile(before[:, place], np.linspace(0.1, 0.9, 9)))
            table = np.array(
                [
                    np.bincount(np.searchsorted(edges, each[:, place]), minlength=len(edges) + 1)
                    for each in (now, before)
                ]
            )
            table = table[:, table.sum(axis=0) > 0]
            if table.shape[1] > 1:
                tested += 1
                below += stats.chi2_contingency(table, correction=False).pvalue < level
    return below / tested
