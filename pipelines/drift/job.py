"""`drift-report`: two windows of a ledger compared; leaves `drift.html` and `drift.json`.

The ledger is opened read-only, also while a scorer writes to it.
"""

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader

from fraud_system.errors import ArtefactError, ConfigError
from fraud_system.ledger import Ledger, SqliteLedger
from fraud_system.metrics.reliability import wilson_interval
from fraud_system.settings import Settings
from pipelines.drift.columns import described, window_table
from pipelines.drift.rows import BoundedSample, is_fraud, read_window, transactions_span
from pipelines.drift.windows import Window, choose

PAGE, FIGURES = "drift.html", "drift.json"
SAMPLE_ROWS = 20_000
NOISY_BELOW_ROWS = 1_000
POLICY = (  # nothing from elsewhere: Evidently's scripts and styles are in the page
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:"
)


@dataclass(frozen=True)
class Asked:
    """What to compare.

    Args:
        ledger_file: of a run or of a scorer.
        reference, current: None for the defaults of `windows.choose`.
        sample_rows: of each window at most.
        seed: of the samples.
    """

    ledger_file: Path
    reference: Window | None = None
    current: Window | None = None
    sample_rows: int = SAMPLE_ROWS
    seed: int = 1


def drift_report(asked: Asked, out: Path) -> dict[str, Any]:
    """Compare, and write both files; returns what `drift.json` holds.

    Raises:
        ArtefactError: there is no ledger, or its settings are missing.
        ConfigError: the windows overlap, or nothing happened in one of them.
    """
    if not asked.ledger_file.is_file():
        raise ArtefactError(
            "there is no ledger",
            field=str(asked.ledger_file),
            fix="make run or make serve leaves one; say RUN=dir or LEDGER=file",
        )
    if asked.sample_rows < 1:
        raise ConfigError("must be above 0", field="SAMPLE")
    settings = settings_beside(asked.ledger_file)
    with SqliteLedger(asked.ledger_file, read_only=True) as ledger:
        span = transactions_span(ledger)
        if span is None:
            raise ConfigError("holds no transaction yet", field=str(asked.ledger_file))
        windows = choose(asked.reference, asked.current, span.to_us - 1)
        samples = [
            _read(ledger, window, name, asked, span)
            for name, window in zip(("reference", "current"), windows, strict=True)
        ]
    return _compared(asked, settings, windows, samples, out)


def settings_beside(ledger_file: Path) -> Settings:
    """The settings of a scorer's ledger, or of a run's.

    Raises:
        ArtefactError: neither lies where it should.
    """
    for path, key in (
        (Path(f"{ledger_file}-settings.json"), None),
        (ledger_file.parent / "model" / "model.json", "settings"),
    ):
        if not path.exists():
            continue
        try:
            given = json.loads(path.read_text(encoding="utf-8"))
            return Settings.from_described(given[key] if key else given)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ArtefactError(f"cannot be read: {error}", field=str(path)) from error
    raise ArtefactError(
        "no settings lie beside it",
        field=str(ledger_file),
        fix="name the ledger of a run or of a scorer, in its own folder",
    )


def _read(
    ledger: Ledger, window: Window, name: str, asked: Asked, span: Window
) -> tuple[BoundedSample, BoundedSample]:
    sent, settled = read_window(ledger, window, asked.sample_rows, asked.seed)
    if sent.seen == 0:
        raise ConfigError(
            f"no transaction from {window.words}",
            field=name.upper(),
            fix=f"there are some from {span.words} (UTC)",
        )
    return sent, settled


def _compared(
    asked: Asked,
    settings: Settings,
    windows: tuple[Window, Window],
    samples: list[tuple[BoundedSample, BoundedSample]],
    out: Path,
) -> dict[str, Any]:
    from pipelines.drift.compare import METHODS, THRESHOLD, compare  # it takes seconds

    listed = settings.features
    columns = described(listed)
    tables = [
        window_table(columns, listed, sent.table(), settled.table()) for sent, settled in samples
    ]
    there = [c for c in columns if all(table[c.label].notna().any() for table in tables)]
    drifts, page = compare(there, *tables)
    figures: dict[str, Any] = {
        # Not the whole path: whoever may read a report of a scorer need not know its disks.
        "ledger": "/".join(asked.ledger_file.parts[-2:]),
        "sample": asked.sample_rows,
        "seed": asked.seed,
        "evidently": version("evidently"),
        "threshold": THRESHOLD,
        "windows": [
            _window_figures(name, window, *each)
            for name, window, each in zip(("reference", "current"), windows, samples, strict=True)
        ],
        "drifted": sum(each.is_drifted for each in drifts),
        "columns": [each.as_json() for each in drifts],
        "left_out": [each.name for each in columns if each not in there],
    }
    header = _template().render(
        figures | {"notes": _notes(figures), "methods": METHODS, "drifts": figures["columns"]}
    )
    out.mkdir(parents=True, exist_ok=True)
    _write(out / PAGE, _with_header(page, header))
    _write(out / FIGURES, json.dumps(figures, indent=1) + "\n")
    return figures


def _window_figures(
    name: str, window: Window, sent: BoundedSample, settled: BoundedSample
) -> dict[str, Any]:
    labels = settled.table()
    share = low = high = None
    if labels:
        frauds = is_fraud(labels["resolution"])
        if len(frauds):
            share = float(frauds.mean())
            bounds = wilson_interval(np.array([share]), np.array([float(len(frauds))]), 0.95)
            low, high = (float(each[0]) for each in bounds)
    return {
        "name": name,
        "window": window.text,
        "words": window.words,
        "transactions": sent.seen,
        "transactions_compared": min(sent.seen, sent.size),
        "labels": settled.seen,
        "labels_compared": min(settled.seen, settled.size),
        "fraud_share": share,
        "fraud_share_low": low,
        "fraud_share_high": high,
    }


def _notes(figures: dict[str, Any]) -> list[str]:
    few = [w for w in figures["windows"] if w["transactions"] < NOISY_BELOW_ROWS]
    notes = [
        f"The {each['name']} window has {each['transactions']:,} transactions; below "
        f"{NOISY_BELOW_ROWS:,} chance alone makes such distances."
        for each in few
    ]
    labels = [w for w in figures["windows"] if w["labels"] < NOISY_BELOW_ROWS]
    return notes + [
        f"In the {each['name']} window {each['labels']:,} labels were settled: what is said of them is rough."
        for each in labels
    ]


def _template() -> Any:
    loader = FileSystemLoader(Path(__file__).parent)
    return Environment(loader=loader, autoescape=True).get_template("header.html")


def _with_header(page: str, header: str) -> str:
    """Evidently's page with what is told in words on top; it may load nothing from elsewhere."""
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    head = f"<head>\n{policy}\n<title>Drift report</title>"
    for mark, more in (("<head>", head), ("<body>", f"<body>\n{header}")):
        if page.count(mark) < 1:
            raise ArtefactError(f"Evidently's page has no {mark}", field="evidently")
        page = page.replace(mark, more, 1)
    return page


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    aside = path.with_name(f".{path.name}.new")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)
