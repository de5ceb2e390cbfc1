"""Evidently's judgement of two tables. Importing this module costs seconds: import it where it is used.

Evidently's telemetry is switched off before it is imported. What it writes into a page loads nothing from
elsewhere, but its plotting library could fetch maps: the page's own Content-Security-Policy forbids it.
"""

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipelines.drift.columns import Described

os.environ["DO_NOT_TRACK"] = "1"
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it reads names that NumPy gives up
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

THRESHOLD = 0.1  # Evidently's own, for both distances
NUMBERS, NAMES = "wasserstein", "jensenshannon"
METHODS = {
    NUMBERS: "Wasserstein distance, in standard deviations of the reference",
    NAMES: "Jensen-Shannon distance",
}


@dataclass(frozen=True)
class Drift:
    """What Evidently says of one column.

    Args:
        column: which.
        method: a key of `METHODS`.
        statistic: the distance.
        is_drifted: it is at least `THRESHOLD`.
        reference, current: mean, of 0/1 the share of 1; None for names.
        reference_rows, current_rows: how many values there are.
    """

    column: Described
    method: str
    statistic: float
    is_drifted: bool
    reference: float | None
    current: float | None
    reference_rows: int
    current_rows: int

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "name": self.column.name,
            "words": self.column.words,
            "unit": self.column.unit,
            "about": self.column.about,
            "method": self.method,
            "statistic": self.statistic,
            "threshold": THRESHOLD,
            "is_drifted": self.is_drifted,
            "reference_mean": self.reference,
            "current_mean": self.current,
            "reference_rows": self.reference_rows,
            "current_rows": self.current_rows,
        }


def compare(
    columns: Sequence[Described], reference: pd.DataFrame, current: pd.DataFrame
) -> tuple[list[Drift], str]:
    """Each column's drift, the largest first, and Evidently's page.

    Args:
        columns: those that hold at least one value in both tables.
        reference, current: by `Described.label`.
    """
    labels = [each.label for each in columns]
    definition = DataDefinition(
        numerical_columns=[each.label for each in columns if not each.is_categorical],
        categorical_columns=[each.label for each in columns if each.is_categorical],
    )
    preset = DataDriftPreset(
        columns=labels,
        num_method=NUMBERS,
        cat_method=NAMES,
        num_threshold=THRESHOLD,
        cat_threshold=THRESHOLD,
    )
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of the versions of pandas, NumPy and SciPy that it was made for
        found = Report([preset]).run(
            Dataset.from_pandas(current[labels], data_definition=definition),
            Dataset.from_pandas(reference[labels], data_definition=definition),
        )
        page = found.get_html_str(as_iframe=False)
    statistics = {
        metric["config"]["column"]: float(metric["value"])
        for metric in found.dict()["metrics"]
        if "column" in metric["config"]
    }
    drifts = [
        _drift(each, statistics[each.label], reference[each.label], current[each.label])
        for each in columns
    ]
    return sorted(drifts, key=lambda each: (-each.statistic, each.column.name)), page


def _drift(column: Described, statistic: float, reference: pd.Series, current: pd.Series) -> Drift:
    return Drift(
        column,
        NAMES if column.is_categorical else NUMBERS,
        statistic,
        statistic >= THRESHOLD,
        _mean(column, reference),
        _mean(column, current),
        int(reference.notna().sum()),
        int(current.notna().sum()),
    )


def _mean(column: Described, values: pd.Series) -> float | None:
    known = values.dropna()
    if not column.is_categorical:
        return float(known.mean())
    return float((known == "yes").mean()) if column.unit == "0/1" else None
