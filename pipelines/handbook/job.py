"""`make handbook DATA=f [MODEL=m] [FOLDS=choice]`: the main job on the Handbook's stream, by its protocol.

Runs each contender of the model, retrains the batch yardsticks on the same features and labels, and puts
all of them into one table with what the book publishes: printed, as `results/handbook.json`, and in the
run's `report.html`. With FOLDS=choice everything happens on the stream before the first test fold: that is
where settings are chosen.
"""

import sys
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fraud_system.errors import DataError
from fraud_system.events import DAY_US, SECOND_US
from fraud_system.ledger import SqliteLedger
from fraud_system.settings import Settings
from pipelines.handbook.figures import DRAWS, figures_of, paired_with
from pipelines.handbook.protocol import DELAY_DAYS, FoldSet, Scored, day_number, days_of
from pipelines.handbook.table import Line, published_lines, write_comparison
from pipelines.handbook.yardstick import YARDSTICKS, retrained_weekly
from pipelines.job import LEDGER, run_job
from pipelines.readers import arrivals
from pipelines.report import write_report
from pipelines.stream import Stream

ONLINE = "Online: learned from labels as they mature"
WEEKLY = "scikit-learn, retrained weekly on the same features and labels"


@dataclass(frozen=True)
class Contender:
    """An online model that is run.

    Args:
        name: in the table.
        suffix: of its run directory, "" for the main one.
        settings: of its run.
    """

    name: str
    suffix: str
    settings: Settings


def contenders(baseline: Settings, chosen: Settings) -> list[Contender]:
    """Each model without and with its interactions; the last one's run is the job's own.

    Args:
        baseline: settings of the river baseline, which is always there to compare with.
        chosen: settings of the model that was asked for, possibly the same.
    """
    found = []
    for settings in [baseline] + [chosen] * (chosen != baseline):
        kind, is_last = settings.model.kind, settings == chosen
        name = "river baseline" if kind == "baseline" else kind
        linear = replace(settings, features=replace(settings.features, pairs=()))
        found += [
            Contender(f"{name}, linear", f"-{kind}-linear", linear),
            Contender(f"{name}, interactions", "" if is_last else f"-{kind}", settings),
        ]
    return found


def run_handbook(
    stream: Stream, online: list[Contender], out: Path, folds: FoldSet, draws: int = DRAWS
) -> list[Line]:
    """Run, score and compare; each contender's run is left at `out` plus its suffix.

    Args:
        stream: the Handbook's; of the folds' own days only, see `earlier`.
        online: see `contenders`; the yardsticks take the features of the last one.
        out: of the last one's run, whose report gets the table.
        folds: which weeks are scored.
        draws: resamples of the cards.

    Raises:
        DataError: the stream does not hold these weeks, or its labels are not seven days late.
    """
    _check(stream, online[-1].settings, folds)
    lines = []
    for each in online:
        run_dir = run_job(stream, each.settings, out.with_name(out.name + each.suffix), "handbook")
        _say(f"scoring {each.name}")
        lines.append(
            Line(each.name, ONLINE, figures_of(folds, read_scored(run_dir), each.name, draws))
        )
    scored, features = read_scored(out), read_features(out)
    for name in YARDSTICKS:
        _say(f"retraining {name} for {len(folds.starts)} weeks")
        answered = retrained_weekly(name, folds.starts, scored, features)
        lines.append(Line(name, WEEKLY, figures_of(folds, answered, name, draws)))
    own = next(line for line in lines if line.name == online[-1].name)
    lines = [
        each if each is own else replace(each, figures=paired_with(own.figures, each.figures))
        for each in lines
    ]
    lines += published_lines(folds)
    write_comparison(lines, folds, draws, out)
    write_report(out)
    return lines


def earlier(stream: Stream, before: date | None, settings: Settings) -> Stream:
    """The stream as it was before a day: its transactions, and whatever labels they get.

    >>> from fraud_system.events import no_labels, no_transactions
    >>> stream = Stream("s", arrivals(no_transactions(2), no_labels(), 1), "f", rows=0)
    >>> earlier(stream, None, None) is stream
    True
    """
    if before is None:
        return stream
    transactions, labels = stream.arrivals.transactions, stream.arrivals.labels
    kept = transactions.rows(transactions.event_time_us < day_number(before) * DAY_US)
    known = np.isin(labels.transaction_key, kept.transaction_key)
    maturity_s, orphan_wait_s = settings.labels.maturity_s, settings.labels.orphan_wait_s
    return replace(
        stream,
        name=f"{stream.name}, before {before}",
        arrivals=arrivals(kept, labels.rows(known), maturity_s, orphan_wait_s),
    )


def read_scored(run_dir: Path) -> Scored:
    """The columns of a run's predictions that the protocol needs."""
    table = pd.read_parquet(
        run_dir / "predictions.parquet", columns=["event_time", "card", "is_fraud", "probability"]
    )
    return Scored(
        day=days_of(table["event_time"].to_numpy().astype("datetime64[us]").astype(np.int64)),
        card=pd.factorize(table["card"])[0].astype(np.int64),
        is_fraud=table["is_fraud"].fillna(False).to_numpy(dtype=bool),
        probability=table["probability"].to_numpy(),
    )


def read_features(run_dir: Path) -> NDArray[np.float32]:
    """The logged features of a run, in ledger order."""
    with SqliteLedger(run_dir / LEDGER, read_only=True) as ledger:
        return np.concatenate(
            [f.tables["decision"]["features"] for f in ledger.frames() if "decision" in f.tables]
        )


def _check(stream: Stream, settings: Settings, folds: FoldSet) -> None:
    """Refuse before anything costly what cannot be scored by the protocol."""
    days = days_of(stream.arrivals.transactions.event_time_us)
    first, last = day_number(folds.starts[0]), day_number(folds.last_test_day)
    if not len(days) or days.min() > first or days.max() < last:
        raise DataError(
            f"does not reach from {folds.starts[0]} to {folds.last_test_day}",
            field="data",
            fix="give the Handbook's stream, all of its days up to then",
        )
    if settings.labels.maturity_s * SECOND_US != DELAY_DAYS * DAY_US:
        raise DataError("the protocol's labels are seven days late", field="labels.maturity_s")


def _say(what: str) -> None:
    print(f"... {what}", file=sys.stderr, flush=True)
