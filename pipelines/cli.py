"""The commands behind the Makefile: `python -m pipelines run|train|audit-labels|...` (see `--help`).

A mistake of the user's ends with one line that names the field and the fix, and exit code 2.
"""

import argparse
import hashlib
import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NoReturn

import numpy as np

from fraud_system.errors import ArtefactError, ConfigError, FraudSystemError
from fraud_system.models.model_settings import DEFAULT_MODEL, MODELS
from fraud_system.schema import Schema
from fraud_system.simulate import SCENARIOS, simulate
from pipelines.label_files import read_labels
from pipelines.readers import arrivals, read_transactions
from pipelines.run_directory import check_out, recover
from pipelines.stream import Stream
from pipelines.system_settings import SCHEMAS, read_schema, settings_of
from pipelines.table_files import fingerprint


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    started_s = time.monotonic()
    try:
        given = _parser().parse_args(arguments)
        given.job(given)
    except FraudSystemError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"... done in {time.monotonic() - started_s:.0f} s", file=sys.stderr)
    return 0


class _Parser(argparse.ArgumentParser):
    """Mistakes on the command line are told like every other mistake."""

    def error(self, message: str) -> NoReturn:
        """As one of this system's errors, named as in the Makefile."""
        told = re.fullmatch(r"argument --?(\S+): (.*)", message, flags=re.DOTALL)
        if told is None:
            raise ConfigError(message, field="command line", fix="make help lists the commands")
        field, problem = told.groups()
        wrong = re.fullmatch(r"invalid int value: (.*)", problem)
        if wrong is not None:
            problem = f"must be a whole number, not {wrong[1]}"
        raise ConfigError(problem, field=field.upper())


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="pipelines", description=__doc__)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="the main job on a simulated stream")
    run.add_argument("--seed", type=int, default=1)
    run.add_argument("--days", type=int, help="length of the stream")
    run.add_argument("--scenario", choices=sorted(SCENARIOS), default="demo")
    run.add_argument("--model", choices=sorted(MODELS), default=DEFAULT_MODEL)
    run.add_argument("--out", type=Path, default=Path("runs/demo"))
    run.set_defaults(job=_run)
    schema = commands.add_parser("schema", help="guess a schema from what a file holds")
    schema.add_argument("--data", type=_path, required=True, help="transactions, as for train")
    schema.add_argument("--out", type=Path, help="TOML to write; by default called like the data")
    schema.set_defaults(job=_schema)
    train = commands.add_parser("train", help="the main job on your own file")
    train.add_argument("--data", type=_path, required=True, help="file or folder of transactions")
    train.add_argument("--schema", type=_path, required=True, help="TOML that names its columns")
    train.add_argument("--labels", type=Path, help="file of labels")
    train.add_argument("--model", choices=sorted(MODELS), default=DEFAULT_MODEL)
    train.add_argument("--out", type=Path, default=Path("runs/train"))
    train.set_defaults(job=_train)
    book = commands.add_parser("handbook", help="the Handbook's stream, by its own protocol")
    book.add_argument("--data", type=_path, required=True, help="the Handbook's transactions")
    book.add_argument("--model", choices=sorted(MODELS), default=DEFAULT_MODEL)
    book.add_argument("--folds", choices=("test", "choice"), default="test")
    book.add_argument(
        "--out", type=Path, help="by default runs/handbook, and -choice for those folds"
    )
    book.set_defaults(job=_handbook)
    again = commands.add_parser("evaluate", help="metrics and report again, from a run's files")
    again.add_argument("--run", type=Path, required=True)
    again.set_defaults(job=_evaluate)
    doubts = commands.add_parser("audit-labels", help="a run's labels, the least credible first")
    doubts.add_argument("--run", type=Path, required=True)
    doubts.add_argument("--out", type=Path, help="CSV or Parquet; by default in the run directory")
    doubts.add_argument("--top", type=int, default=1_000, help="how many labels at most")
    doubts.set_defaults(job=_audit_labels)
    proof = commands.add_parser("replay", help="replay a run's ledger and compare every byte")
    proof.add_argument("--run", type=Path, required=True)
    proof.set_defaults(job=_replay)
    drift = commands.add_parser("drift-report", help="two windows of a ledger, by Evidently")
    place = drift.add_mutually_exclusive_group(required=True)
    place.add_argument("--run", type=Path, help="a run directory")
    place.add_argument("--ledger", type=Path, help="the ledger of a run or of a scorer")
    drift.add_argument("--reference", help="FROM..TO, UTC; by default the 4 weeks before")
    drift.add_argument("--current", help="FROM..TO, UTC; by default the last 7 days")
    drift.add_argument("--sample", type=int, default=20_000, help="rows of each window at most")
    drift.add_argument("--seed", type=int, default=1, help="of the samples")
    drift.add_argument("--out", type=Path, default=Path("runs/drift-report"))
    drift.add_argument("--results", type=Path, help="JSON of the figures, as benchmarks leave it")
    drift.set_defaults(job=_drift_report)
    return parser


def _path(text: str) -> Path:
    """A path that was given: make passes on an empty text for what was not."""
    if not text:
        raise argparse.ArgumentTypeError("is missing: say DATA=... (and, to train, SCHEMA=...)")
    return Path(text)


def _run(given: argparse.Namespace) -> None:
    from pipelines.job import run_job

    check_out(given.out)
    scenario = SCENARIOS[given.scenario]
    if given.days is not None:
        scenario = replace(scenario, days=given.days)
    print(f"... simulating {scenario.days} days, seed {given.seed}", file=sys.stderr)
    traffic = simulate(scenario, given.seed)
    schema = read_schema(SCHEMAS / "simulated.toml")
    settings = settings_of(schema, model=given.model)
    described = json.dumps(asdict(scenario), sort_keys=True, default=str)
    stream = Stream(
        name=f"simulated ({given.scenario})",
        arrivals=arrivals(
            traffic.transactions,
            traffic.labels,
            settings.labels.maturity_s,
            settings.labels.orphan_wait_s,
        ),
        fingerprint=hashlib.sha256(f"{described} {given.seed}".encode()).hexdigest(),
        rows=len(traffic.transactions),
        seed=given.seed,
        drift_marks=[
            {
                "time": str(np.int64(traffic.drift_us).astype("datetime64[us]")),
                "what": "the simulated fraudsters change their ways",
            }
        ],
        truth=traffic.truth,
    )
    _announce(run_job(stream, settings, given.out, "run"))


def _schema(given: argparse.Namespace) -> None:
    from pipelines.make_schema import make_schema

    path, schema = make_schema(given.data, given.out)
    names = schema.columns
    print(f"schema  {path}: guesses, to be corrected by hand")
    print(f"time    {names.event_time}, amount {names.amount}, id {names.transaction_id}")
    print(f"label   {names.label or 'none found: give LABELS=file'}")
    print(f"of      {', '.join(f'{k} {v}' for k, v in schema.entities.items()) or 'no entities'}")
    print(f"more    {len(schema.numeric)} numeric, {len(schema.categorical)} categorical")


def _train(given: argparse.Namespace) -> None:
    from pipelines.job import run_job

    check_out(given.out)
    schema = read_schema(given.schema)
    settings = settings_of(schema, given.schema.parent, given.model)
    stream = _stream_of_file(given.data, given.labels, schema)
    _announce(run_job(stream, settings, given.out, "train"))


def _stream_of_file(data: Path, labels_file: Path | None, schema: Schema) -> Stream:
    """The inputs in a user's files, with what was set aside."""
    if (labels_file is None) == (schema.columns.label is None):
        raise ConfigError(
            "labels must come from exactly one place",
            field="labels",
            fix="name a label column in the schema, or give LABELS=file, not both",
        )
    print(f"... reading {data}", file=sys.stderr)
    read = read_transactions(data, schema)
    labels, set_aside = read.labels, [*read.set_aside, *read.labels_set_aside]
    if labels_file is not None:
        labels, labels_set_aside = read_labels(labels_file, schema, read.transactions)
        set_aside += labels_set_aside
    return Stream(
        name=schema.name,
        arrivals=arrivals(
            read.transactions, labels, schema.labels.maturity_s, schema.labels.orphan_wait_s
        ),
        fingerprint="+".join(fingerprint(path) for path in (data, labels_file) if path),
        rows=read.rows,
        set_aside=[each.as_json() for each in set_aside],
        notes=[each.as_json() for each in read.notes],
    )


def _handbook(given: argparse.Namespace) -> None:
    from pipelines.handbook.job import contenders, earlier, run_handbook
    from pipelines.handbook.protocol import FOLD_SETS, TEST
    from pipelines.handbook.table import table_text, write_results

    folds = FOLD_SETS[given.folds]
    target = "handbook" if folds == TEST else f"handbook-{folds.name}"
    out = given.out or Path("runs") / target
    schema = read_schema(SCHEMAS / "handbook.toml")
    settings = settings_of(schema, model=given.model)
    online = contenders(settings_of(schema, model="baseline"), settings)
    for each in online:
        check_out(out.with_name(out.name + each.suffix))
    stream = earlier(_stream_of_file(given.data, None, schema), folds.before, settings)
    lines = run_handbook(stream, online, out, folds)
    write_results(lines, folds, Path(f"results/{target}.json"))
    print(table_text(lines, folds))
    print(f"figures results/{target}.json")
    _announce(out)


def _evaluate(given: argparse.Namespace) -> None:
    from pipelines.evaluate import evaluate
    from pipelines.report import write_report

    recover(given.run)
    evaluate(given.run)
    write_report(given.run)
    _announce(given.run)


def _replay(given: argparse.Namespace) -> None:
    from pipelines.replay import verify_run

    recover(given.run)
    events = verify_run(given.run)
    print(f"{events:,} events replayed, every byte the same: {given.run}")


def _audit_labels(given: argparse.Namespace) -> None:
    from pipelines.audit import audit_run, table_text

    path, table = audit_run(given.run, given.out, given.top)
    print(table_text(table))
    print(f"labels  {len(table):,} in {path}: to be looked at, none was changed")


def _drift_report(given: argparse.Namespace) -> None:
    from pipelines.drift.job import Asked, drift_report
    from pipelines.drift.told import table_text, write_results
    from pipelines.drift.windows import Window

    windows = {
        name: Window.parse(text, name.upper())
        for name in ("reference", "current")
        if (text := getattr(given, name)) is not None
    }
    ledger = given.ledger or given.run / "ledger.sqlite"
    asked = Asked(ledger, **windows, sample_rows=given.sample, seed=given.seed)
    figures = drift_report(asked, given.out)
    print(table_text(figures))
    if given.results is not None:
        write_results(figures, given.results)
        print(f"figures {given.results}")
    print(f"report  {given.out / 'drift.html'}")


def _announce(out: Path) -> None:
    if not (out / "report.html").exists():
        raise ArtefactError("was not written", field=str(out / "report.html"))
    print(f"report  {out / 'report.html'}")
    print(f"files   {', '.join(sorted(path.name for path in out.iterdir()))} in {out}")


if __name__ == "__main__":
    sys.exit(main())
