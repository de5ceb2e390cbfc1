"""What lies in deploy/ for Prometheus and Grafana: checked by promtool, and against the service's metrics."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from guarded import Guarded
from prometheus_client.parser import text_string_to_metric_families

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES, CASES = DEPLOY / "prometheus-rules.yml", DEPLOY / "prometheus-rules-test.yml"
GRAFANA = DEPLOY / "grafana-dashboard.json"
METRIC = re.compile(r"\bfraud_\w+")


@pytest.fixture(scope="module")
def exposition(guarded: Guarded) -> str:
    """/metrics of a service that has answered."""
    assert guarded.score(transaction_id="metrics").status_code == 200
    return str(guarded.running.client.get("/metrics", headers=guarded.headers()).text)


@pytest.fixture(scope="module")
def names(exposition: str) -> set[str]:
    """Of all metrics, as expressions name them."""
    found = set()
    for family in text_string_to_metric_families(exposition):
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
        suffix = suffixes.get(family.type, [""])
        found |= {f"{family.name}{each}" for each in suffix}
    return found


def promtool(program: str, *arguments: str, given: str = "") -> str:
    done = subprocess.run(
        [program, *arguments], cwd=DEPLOY, input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_promtool_takes_the_rules_and_their_cases(require_program: Callable[[str], str]) -> None:
    program = require_program("promtool")
    rules = set(re.findall(r"alert: (\w+)", RULES.read_text(encoding="utf-8")))
    assert f"{len(rules)} rules found" in promtool(program, "check", "rules", RULES.name)
    promtool(program, "test", "rules", CASES.name)
    cases = CASES.read_text(encoding="utf-8")
    for rule in rules:  # each has a case in which it fires, and is silent where all is well
        assert re.search(rf"- alertname: {rule}\n", cases), rule
        assert f"alertname: {rule}, eval_time: 59m, exp_alerts: []" in cases, rule


def test_promtool_finds_nothing_wrong_with_the_metrics(
    require_program: Callable[[str], str], exposition: str
) -> None:
    assert promtool(require_program("promtool"), "check", "metrics", given=exposition) == ""


@pytest.mark.parametrize("path", [RULES, CASES, GRAFANA], ids=lambda path: path.name)
def test_every_metric_that_is_named_exists(path: Path, names: set[str]) -> None:
    named = set(METRIC.findall(path.read_text(encoding="utf-8")))
    assert len(named) > 10
    assert named <= names


def test_the_grafana_file_has_the_shape_of_a_dashboard() -> None:
    dashboard = json.loads(GRAFANA.read_text(encoding="utf-8"))
    assert isinstance(dashboard["schemaVersion"], int)
    assert "Not run by this project" in dashboard["description"]
    panels: list[dict[str, Any]] = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 10
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["type"] in {"stat", "timeseries"}
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0
        for target in panel["targets"]:
            assert target["expr"].count("(") == target["expr"].count(")")
            assert '$instance"' in target["expr"]
    assert {each["name"] for each in dashboard["templating"]["list"]} == {"datasource", "instance"}
