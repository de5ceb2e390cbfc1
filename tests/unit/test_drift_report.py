"""The drift report: which rows of a ledger it reads, and that it finds what was shifted."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streams import fold_all, many_frauds, many_transactions, tiny_settings

from fraud_system.engine import Engine
from fraud_system.errors import ArtefactError, ConfigError
from fraud_system.events import DAY_US, Arrivals
from fraud_system.ledger import SqliteLedger
from pipelines.cli import main
from pipelines.drift.job import Asked, drift_report
from pipelines.drift.rows import frames_within, read_window, transactions_span
from pipelines.drift.windows import Window
from serving.workers.running import write_settings

ROOT = Path(__file__).parents[2]
ROWS, DAYS, SHIFTED_FROM = 6_000, 35, 28
START_US = 20_000 * DAY_US


@pytest.fixture(scope="module")
def ledger_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """35 days of which the last 7 have another mean of `risk`; every tenth payment is reported."""
    draw = np.random.default_rng(3)
    known_us = START_US + np.sort(draw.integers(0, DAYS * DAY_US, ROWS))
    risk = draw.normal(size=ROWS) + (known_us >= START_US + SHIFTED_FROM * DAY_US)
    sent = replace(many_transactions(known_us), numeric=risk[:, None])
    reported = np.arange(0, ROWS, 10)
    labels = many_frauds(known_us[reported] + 50_000_000, reported + 1)
    arrivals = Arrivals.merge(sent, labels, np.array([START_US + (DAYS + 40) * DAY_US]))
    engine = Engine(tiny_settings())
    path = tmp_path_factory.mktemp("drift") / "ledger.sqlite"
    write_settings(Path(f"{path}-settings.json"), engine.settings)
    with SqliteLedger(path) as ledger:
        for batch in arrivals.batches(97):
            ledger.append(fold_all(engine, batch)[0])
    return path


def days(start: float, stop: float) -> Window:
    return Window(START_US + round(start * DAY_US), START_US + round(stop * DAY_US))


@pytest.mark.parametrize("window", [days(-5, 1), days(3.2, 9.71), days(30, 90), days(50, 60)])
def test_a_window_is_all_of_its_rows_and_no_others(ledger_file: Path, window: Window) -> None:
    with SqliteLedger(ledger_file, read_only=True) as ledger:
        sent, settled = read_window(ledger, window, size=ROWS, seed=1)
        expected = {"transaction": 0, "resolved": 0}
        for frame in ledger.frames():
            for name in expected:
                for known_us in frame.tables.get(name, {}).get("known_time_us", []):
                    expected[name] += window.from_us <= known_us < window.to_us
        frames = sum(1 for _ in frames_within(ledger, window))
        assert frames <= 2 + sum(1 for _ in ledger.frames()) * (window.to_us - window.from_us) / (
            DAYS * DAY_US
        )
    assert (sent.seen, settled.seen) == tuple(expected.values())


def test_the_end_is_the_last_transaction_not_the_last_tick(ledger_file: Path) -> None:
    with SqliteLedger(ledger_file, read_only=True) as ledger:
        span = transactions_span(ledger)
        last_us = ledger.frame_at(ledger.last_seq).known_time_us
    assert span is not None
    assert START_US <= span.from_us < span.to_us <= START_US + DAYS * DAY_US < last_us


def test_what_was_shifted_is_named_first_and_the_page_loads_nothing(
    ledger_file: Path, tmp_path: Path
) -> None:
    """In a process of its own, as Evidently takes seconds to import and warns of its age."""
    command = [sys.executable, "-m", "pipelines", "drift-report", "--ledger", str(ledger_file)]
    command += ["--out", str(tmp_path / "out"), "--results", str(tmp_path / "results.json")]
    done = subprocess.run(
        [*command, "--sample", "1000"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "out" / "drift.json").read_text())
    by_name = {each["name"]: each for each in figures["columns"]}
    first = figures["columns"][0]
    assert (first["name"], first["is_drifted"]) == ("numeric:risk", True)
    assert first["statistic"] == pytest.approx(
        1.0, abs=0.15
    )  # standard deviations, by construction
    assert not by_name["is_fraud"]["is_drifted"]
    assert not by_name["log_amount"]["is_drifted"]
    reference, current = figures["windows"]
    assert (reference["transactions_compared"], current["transactions_compared"]) == (1_000, 1_000)
    assert reference["transactions"] + current["transactions"] > 0.99 * ROWS
    assert reference["fraud_share"] == pytest.approx(0.1, abs=0.02)
    page = (tmp_path / "out" / "drift.html").read_text(encoding="utf-8")
    assert "numeric:risk" in page
    assert "At most 1,000 rows" in page
    assert "default-src 'none'" in page
    assert not re.findall(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="?http', page)
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert rows[0]["name"] == "numeric:risk"


def test_mistakes_are_told_before_anything_costly(ledger_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no transaction from"):
        drift_report(Asked(ledger_file, current=days(60, 61)), tmp_path)
    with pytest.raises(ConfigError, match="overlaps"):
        drift_report(Asked(ledger_file, days(0, 5), days(4, 8)), tmp_path)
    with pytest.raises(ArtefactError, match="there is no ledger"):
        drift_report(Asked(tmp_path / "none.sqlite"), tmp_path)
    with pytest.raises(ConfigError, match="SAMPLE"):
        drift_report(Asked(ledger_file, sample_rows=0), tmp_path)
    empty = tmp_path / "empty.sqlite"
    SqliteLedger(empty).close()
    write_settings(Path(f"{empty}-settings.json"), tiny_settings())
    with pytest.raises(ConfigError, match="no transaction yet"):
        drift_report(Asked(empty), tmp_path)
    assert not any(path.suffix == ".html" for path in tmp_path.iterdir())


def test_a_mistake_on_the_command_line_is_one_line(
    ledger_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["drift-report", "--ledger", str(ledger_file), "--current", "yesterday"]) == 2
    assert capsys.readouterr().err.startswith("error: CURRENT: 'yesterday' are no two times")
