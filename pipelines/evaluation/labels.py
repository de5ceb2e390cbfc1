"""When the truth arrived, from whom, and for how many transactions it never did."""

from typing import Any

import numpy as np

from fraud_system.events import DAY_US, LabelSource

from .periods import Calendar, evaluated, iso
from .run_files import Predictions

_CURVE_POINTS = 61


def label_figures(
    predictions: Predictions, calendar: Calendar, run: dict[str, Any]
) -> dict[str, Any]:
    """Counts of transactions by what is known of them, and the delays of reported frauds.

    Delays are taken from the settled part only: among younger transactions just the fast reports
    have arrived, and the curve would rise too early.

    Returns:
        `rows` = `evaluated` + `unlabelled` (settled, but no label came) + `too_young` (of which
        `too_young_frauds` are already reported); `sources` and `delay_curve` of reported frauds;
        `strategy`: what is learned when; `joiner`: the counts that the run itself recorded.
    """
    counted = evaluated(predictions, calendar)
    settled = predictions.event_time_us < calendar.evaluated_end_us
    reported = counted & predictions.is_fraud & (predictions.label_source != LabelSource.MATURITY)
    delay_days = (predictions.label_time_us - predictions.event_time_us)[reported] / DAY_US
    source = predictions.label_source[reported]
    maturity_days = calendar.maturity_us / DAY_US
    return {
        "rows": len(predictions),
        "evaluated": np.count_nonzero(counted),
        "unlabelled": np.count_nonzero(settled & ~predictions.known),
        "too_young": np.count_nonzero(~settled),
        "too_young_frauds": np.count_nonzero(~settled & predictions.is_fraud),
        "settled_until": None if calendar.settled_us is None else iso(calendar.settled_us),
        "maturity_days": maturity_days,
        "reported_frauds": len(delay_days),
        "after_maturity": np.count_nonzero(delay_days > maturity_days),
        "sources": [
            _delays(name, delay_days[chosen])
            for name, chosen in [("any", slice(None)), *_by_source(source)]
        ],
        "delay_curve": _curve(delay_days, source, maturity_days),
        "strategy": run.get("settings", {}).get("learning", {}).get("strategy", "mature"),
        "joiner": dict(run.get("labels", {})),
    }


def _by_source(source: Any) -> list[tuple[str, Any]]:
    return [
        (each.name.lower(), source == each)
        for each in LabelSource
        if each != LabelSource.MATURITY and np.any(source == each)
    ]


def _delays(name: str, delay_days: Any) -> dict[str, Any]:
    median, late = np.quantile(delay_days, [0.5, 0.9]) if len(delay_days) else (np.nan, np.nan)
    return {"source": name, "frauds": len(delay_days), "median_days": median, "p90_days": late}


def _curve(delay_days: Any, source: Any, maturity_days: float) -> dict[str, Any]:
    """Share of the reported frauds of each source that were known after so many days."""
    if not len(delay_days):
        return {"days": [], "known_share": {}}
    reach = max(float(np.quantile(delay_days, 0.995)), 1.1 * maturity_days)
    days = np.linspace(0.0, reach, _CURVE_POINTS)
    known_share = {
        name: np.searchsorted(np.sort(delay_days[chosen]), days, side="right")
        / np.count_nonzero(chosen)
        for name, chosen in _by_source(source)
    }
    return {"days": days, "known_share": known_share}
