"""What `make run` promises, on the real thing: the whole demo, and every figure that the README gives."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli import main
from pipelines.readme_figures import demo_table

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "demo"
    assert main(["run", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def metrics(demo: Path) -> dict[str, Any]:
    return json.loads((demo / "metrics.json").read_text())


def test_the_model_beats_heuristic_and_constant_every_week_after_the_second(
    metrics: dict[str, Any],
) -> None:
    assert metrics["verdict"]["not_below"] == []
    assert metrics["verdict"]["below_both"] >= 14


def test_calibration_by_money_before_and_after_the_drift_is_near_or_explained(
    metrics: dict[str, Any], demo: Path
) -> None:
    report = re.sub(r"\s+", " ", (demo / "report.html").read_text())
    periods = {period["role"]: period for period in metrics["calibration"]["periods"]}
    assert periods["before"]["calibration_error_money"]["p_value"] > 0.05
    after = periods["after"]
    assert abs(after["calibration_error_money"]["relative"]) < 0.15
    if after["calibration_error_money"]["p_value"] <= 0.05:
        assert "After the drift was learned, calibration by money is off by" in report


def test_the_readme_gives_the_figures_of_this_run(metrics: dict[str, Any]) -> None:
    text = README.read_text()
    shown = text[text.index("<!-- demo -->") : text.index("<!-- /demo -->")]
    assert demo_table(metrics).strip() in shown, "make readme-figures writes them anew"
