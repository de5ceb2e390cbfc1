"""Made traffic with features that shift, for the tests of `monitoring.shift`."""

from typing import Any

import numpy as np

from fraud_system.events import Frame, Scorer
from monitoring.shift_settings import ShiftSettings

HOUR_US = 3_600_000_000
DAY = 24
START_HOUR = 20_458 * DAY  # a Monday
NAMES = ("habit", "season", "rare", "gaps")
SETTINGS = ShiftSettings(learn_from_s=0, learn_s=7 * 86_400, least_rows=800, weeks=2)


def traffic(
    seed: int, hours: int, change: Any = None, per_hour: int = 120, times: Any = None
) -> list[Frame]:
    """An hour a frame: customers with habits, a feature of the hour, one mostly nought, one with gaps.

    `times(hour)` multiplies the rows of an hour.
    """
    draw = np.random.default_rng(seed)
    habit = draw.normal(size=400)
    frames, key = [], 0
    for hour in range(hours):
        rows = int(1.0 + per_hour * (1.0 + 0.8 * np.sin(2.0 * np.pi * hour / DAY)))
        rows *= 1 if times is None else times(hour)
        card = draw.integers(0, 400, rows)
        decision = {
            "features": np.stack(
                [
                    habit[card] + 0.3 * draw.normal(size=rows),
                    np.full(rows, np.sin(2.0 * np.pi * hour / DAY)),
                    np.where(draw.random(rows) < 0.03, draw.exponential(size=rows), 0.0),
                    np.where(draw.random(rows) < 0.1, np.nan, draw.normal(size=rows)),
                ],
                axis=1,
            ).astype(np.float32),
            "probability_model": draw.beta(1.0, 50.0, rows),
            "scorer": np.full(rows, Scorer.MODEL, np.uint8),
            "action": (draw.random(rows) < 0.05).astype(np.uint8),
        }
        if change is not None:
            change(decision, hour)
        decision.setdefault("probability", decision["probability_model"])
        known_us = (START_HOUR + hour) * HOUR_US + np.sort(draw.integers(0, HOUR_US, rows))
        seq = np.arange(key + 1, key + rows + 1)
        transaction = {
            "seq": seq,
            "known_time_us": known_us,
            "transaction_key": seq.astype(np.uint64),
        }
        tables = {"transaction": transaction, "decision": decision}
        frames.append(Frame(key + 1, key + rows, int(known_us[-1]), tables))
        key += rows
    return frames


def from_hour(first: int, last: int, change):
    def changed(decision, hour):
        if first <= hour < last:
            change(decision)

    return changed


def feature(name: str, change):
    def changed(decision):
        values = decision["features"][:, NAMES.index(name)]
        values[:] = change(values)

    return changed


WEEKS = 7 * DAY
FAULTS = {
    "frozen": ("habit", feature("habit", lambda values: values[0])),
    "times 100": ("habit", feature("habit", lambda values: 100.0 * values)),
    "a constant": ("season", feature("season", lambda values: np.full_like(values, 7.0))),
    "missing": ("habit: missing", feature("habit", lambda values: np.full_like(values, np.nan))),
    "no gaps": ("gaps: missing", feature("gaps", lambda values: np.nan_to_num(values))),
    "not so rare": ("rare", feature("rare", lambda values: np.abs(values) + 1.0)),
}
