"""Reads the files of a finished run into columns; the only place of the evaluation that reads.

A run directory holds `predictions.parquet` and `run.json` (see `pipelines.evaluate`). Whatever is
missing or not usable is an `ArtefactError` that names the file and what to do.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fraud_system.errors import ArtefactError
from fraud_system.events import Action, Column, Columns, LabelSource, Scorer

PREDICTIONS = "predictions.parquet"
RUN = "run.json"
METRICS = "metrics.json"
COMPARISON = "comparison.json"
REPORT = "report.html"

NO_SOURCE = 255
"""`Predictions.label_source` where no label is known."""

INTERLEAVED_GROUPS = 2_000
"""Stand-ins for cards where a row has none: rows dealt out in turn, so independence is assumed."""

MAX_CLUSTERS = 5_000
"""More cards than these are resampled in groups: intervals as wide, at a cost that has a bound."""

CARD, CARDS, DEALT = "card", "group of cards", "interleaved group"

_NEEDED = (
    "event_time",
    "amount",
    "probability",
    "probability_heuristic",
    "probability_constant",
    "action",
    "scorer",
    "propensity",
    "is_fraud",
    "label_time",
    "label_source",
)
_TRUTH = ("true_probability", "true_is_fraud")


@dataclass(frozen=True, slots=True)
class Predictions(Columns):
    """n transactions in ledger order, as they were served and as they turned out.

    Args:
        event_time_us: (n,) int64.
        amount: (n,) float64.
        probability, probability_heuristic, probability_constant: (n,) float64.
        action: (n,) uint8, an `Action`.
        scorer: (n,) uint8, a `Scorer`.
        propensity: (n,) float64 in (0, 1], of the action that was taken.
        known: (n,) bool, whether `is_fraud` is known.
        is_fraud: (n,) bool, False where unknown.
        label_time_us: (n,) int64, 0 where unknown.
        label_source: (n,) uint8, a `LabelSource` or `NO_SOURCE`.
        cluster: (n,) int64 in 0..clusters-1: rows of one card share it (see `MAX_CLUSTERS`).
        true_probability, true_is_fraud: (n,) float64, nan where there is no ground truth.
    """

    event_time_us: Column
    amount: Column
    probability: Column
    probability_heuristic: Column
    probability_constant: Column
    action: Column
    scorer: Column
    propensity: Column
    known: Column
    is_fraud: Column
    label_time_us: Column
    label_source: Column
    cluster: Column
    true_probability: Column
    true_is_fraud: Column


@dataclass(frozen=True, slots=True)
class RunFiles:
    """What a run left behind.

    Args:
        predictions: the rows.
        run: `run.json` as parsed.
        cluster_unit: what `cluster` is: `CARD`, `CARDS` or, without cards, `DEALT`.
        has_truth: whether the stream came from a simulator that tells the truth.
    """

    predictions: Predictions
    run: dict[str, Any]
    cluster_unit: str
    has_truth: bool


def read_run_files(run_dir: Path) -> RunFiles:
    """Read and check both files.

    Raises:
        ArtefactError: a file, a column or a setting is missing or not usable.
    """
    run = read_json(run_dir, RUN, fix="run the job again; it writes this file")
    path = needed_file(run_dir, PREDICTIONS, fix="run the job again; it writes this file")
    present = set(pq.read_schema(path).names)
    for name in _NEEDED:
        if name not in present:
            raise ArtefactError(
                "the column is missing", field=f"{PREDICTIONS}: {name}", fix="run the job again"
            )
    has_truth = present.issuperset(_TRUTH)
    optional = [name for name in ("card", *_TRUTH) if name in present]
    table = pq.read_table(path, columns=[*_NEEDED, *optional])
    if table.num_rows == 0:
        raise ArtefactError(
            "there are no rows", field=PREDICTIONS, fix="give the run some transactions"
        )
    cards = table.column("card") if "card" in present else None
    cluster, cluster_unit = _clusters(cards, table.num_rows)
    predictions = _columns(table, cluster, has_truth)
    _check(predictions)
    return RunFiles(predictions, run, cluster_unit, has_truth)


def needed_file(run_dir: Path, name: str, fix: str) -> Path:
    """The path of a file of the run, or an error that names it."""
    path = run_dir / name
    if not path.is_file():
        raise ArtefactError(f"the file is missing from {run_dir}", field=name, fix=fix)
    return path


def read_json(run_dir: Path, name: str, fix: str) -> dict[str, Any]:
    """A JSON object of the run, or an error that names the file."""
    path = needed_file(run_dir, name, fix)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArtefactError(f"not JSON: {error}", field=name, fix=fix) from error
    if not isinstance(content, dict):
        raise ArtefactError("not a JSON object", field=name, fix=fix)
    return content


def setting(run: dict[str, Any], group: str, name: str) -> float:
    """One number of `run.json`'s settings.

    >>> setting({"settings": {"policy": {"fee": 15}}}, "policy", "fee")
    15.0
    """
    try:
        return float(run["settings"][group][name])
    except (KeyError, TypeError, ValueError) as error:
        raise ArtefactError(
            "a number is needed", field=f"{RUN}: settings.{group}.{name}", fix="run the job again"
        ) from error


def plain(value: Any) -> Any:
    """The same with nothing but what JSON knows; nan and infinity become None.

    >>> plain({"p": np.array([0.5, np.nan]), "rows": np.int64(2)})
    {'p': [0.5, None], 'rows': 2}
    """
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def json_text(value: Any) -> str:
    """JSON that is the same bytes for the same figures: sorted keys, floats by repr.

    >>> print(json_text({"b": 2, "a": 0.1}), end="")
    {
     "a": 0.1,
     "b": 2
    }
    """
    return json.dumps(value, sort_keys=True, indent=1, allow_nan=False) + "\n"


def _columns(table: Any, cluster: Column, has_truth: bool) -> Predictions:
    nan = np.full(table.num_rows, np.nan)
    is_fraud = pc.cast(table.column("is_fraud"), pa.bool_())
    return Predictions(
        event_time_us=_microseconds(table.column("event_time")),
        amount=_floats(table, "amount"),
        probability=_floats(table, "probability"),
        probability_heuristic=_floats(table, "probability_heuristic"),
        probability_constant=_floats(table, "probability_constant"),
        action=_codes(table, "action", [each.name.lower() for each in Action]),
        scorer=_codes(table, "scorer", [each.name.lower() for each in Scorer]),
        propensity=_floats(table, "propensity"),
        known=np.asarray(pc.is_valid(is_fraud)),
        is_fraud=np.asarray(pc.fill_null(is_fraud, False)).astype(bool),
        label_time_us=_microseconds(table.column("label_time")),
        label_source=_codes(
            table, "label_source", [each.name.lower() for each in LabelSource], missing=NO_SOURCE
        ),
        cluster=cluster,
        true_probability=_floats(table, "true_probability") if has_truth else nan,
        true_is_fraud=_floats(table, "true_is_fraud") if has_truth else nan,
    )


def _floats(table: Any, name: str) -> Column:
    column = pc.cast(table.column(name), pa.float64())
    return np.asarray(pc.fill_null(column, math.nan), dtype=np.float64)


def _microseconds(column: Any) -> Column:
    moments = pc.cast(column, pa.timestamp("us", getattr(column.type, "tz", None)), safe=False)
    return np.asarray(pc.fill_null(pc.cast(moments, pa.int64()), 0), dtype=np.int64)


def _codes(table: Any, name: str, words: list[str], missing: int | None = None) -> Column:
    """Place of each text in `words`; a null is `missing` where that is allowed."""
    column = pc.cast(table.column(name), pa.string())
    codes = pc.index_in(column, value_set=pa.array(words))
    allowed = column.null_count if missing is not None else 0
    if codes.null_count > allowed:
        raise ArtefactError(
            f"{codes.null_count - allowed} rows hold none of {', '.join(words)}",
            field=f"{PREDICTIONS}: {name}",
            fix="run the job again",
        )
    return np.asarray(pc.fill_null(codes, missing or 0)).astype(np.uint8)


def _clusters(cards: Any | None, rows: int) -> tuple[Column, str]:
    """A number for each card; rows without a card are dealt out in turn to groups of their own."""
    dealt = np.arange(rows, dtype=np.int64) % INTERLEAVED_GROUPS
    if cards is None or cards.null_count == rows:
        return dealt, DEALT
    encoded = cards.combine_chunks().dictionary_encode()
    known = len(encoded.dictionary)
    codes = np.asarray(pc.fill_null(encoded.indices, -1), dtype=np.int64)
    codes = np.where(codes < 0, known + dealt, codes)
    numbers, cluster = np.unique(codes, return_inverse=True)
    if len(numbers) > MAX_CLUSTERS:
        return cluster % MAX_CLUSTERS, CARDS
    return cluster, CARD


def _check(predictions: Predictions) -> None:
    """Refuse what would make every later figure nonsense."""
    shares = ("probability", "probability_heuristic", "probability_constant", "propensity")
    for name in shares:
        column = getattr(predictions, name)
        low_ok = column > 0 if name == "propensity" else column >= 0
        bad = np.count_nonzero(~(low_ok & (column <= 1)))
        if bad:
            raise ArtefactError(
                f"{bad} rows are not between 0 and 1",
                field=f"{PREDICTIONS}: {name}",
                fix="run the job again",
            )
    bad = np.count_nonzero(~(predictions.amount >= 0) | np.isinf(predictions.amount))
    if bad:
        raise ArtefactError(
            f"{bad} amounts are missing, negative or infinite",
            field=f"{PREDICTIONS}: amount",
            fix="run the job again",
        )
