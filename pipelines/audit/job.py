"""The job behind `make audit-labels`: reads a finished run, writes one table, changes nothing else."""

import textwrap
from pathlib import Path

import numpy as np
import pandas as pd

from fraud_system.errors import ArtefactError, ConfigError
from pipelines.audit.evidence import Evidence, read_evidence
from pipelines.audit.hindsight import hindsight_probability
from pipelines.audit.ranking import ranked_labels
from pipelines.audit.reasons import percent, with_reasons

OUTPUT = "suspicious_labels.csv"
TOP = 1_000
SHOWN = 20
SEED = 0


def audit_run(run_dir: Path, out: Path | None = None, top: int = TOP) -> tuple[Path, pd.DataFrame]:
    """Write the most suspicious labels of a run; returns where, and the table.

    Args:
        run_dir: a finished run.
        out: `.csv` or `.parquet`; by default `suspicious_labels.csv` in the run directory.
        top: how many labels at most.

    Raises:
        ArtefactError: the directory holds no run.
        ConfigError: `out` or `top` is not usable.
    """
    path = out or run_dir / OUTPUT
    if path.suffix not in (".csv", ".parquet"):
        raise ConfigError(f"{path} ends in neither", field="out", fix="end it in .csv or .parquet")
    if top < 1:
        raise ConfigError(f"must be at least 1, is {top}", field="top")
    if path.resolve() == (run_dir / "predictions.parquet").resolve():
        raise ConfigError(f"{path} belongs to the run", field="out", fix="name another file")
    table = audit(read_evidence(run_dir), top)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".csv":
            table.to_csv(path, index=False)
        else:
            table.to_parquet(path, index=False)
    except OSError as error:
        raise ArtefactError(f"cannot be written: {error}", field=str(path)) from error
    return path, table


def audit(evidence: Evidence, top: int = TOP) -> pd.DataFrame:
    """The most suspicious labels, with reasons; columns as in docs/label-noise.md."""
    hindsight = hindsight_probability(evidence, np.random.default_rng(SEED))
    return with_reasons(evidence, ranked_labels(evidence, hindsight, top))


def table_text(table: pd.DataFrame, shown: int = SHOWN) -> str:
    """The first rows for a terminal of 100 columns, reasons wrapped below each."""
    lines = [
        f"{'rank':>4}  {'transaction':22} {'amount':>10}  {'label':10} {'served':>18} {'quality':>9}"
    ]
    for row in table.head(shown).itertuples():
        lines.append(
            f"{row.rank:4}  {str(row.transaction_id)[:22]:22} {row.amount:10,.2f}  {row.label:10} "
            f"{percent(row.probability_served):>18} {row.label_quality:9.2g}"
        )
        lines += textwrap.wrap(row.reasons, 94, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines)
