"""The sections on slices, learning, worst errors and further figures: words, pictures, markup."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipelines.evaluate import evaluate
from pipelines.report import detail_words, write_report
from pipelines.report.detail_plots import detail_pictures
from pipelines.report.page import page


@pytest.fixture(scope="module")
def metrics(evaluated_run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((evaluated_run / "metrics.json").read_text())
    return content


@pytest.fixture(scope="module")
def run(finished_run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((finished_run / "run.json").read_text())
    return content


def _slice(name: str, value: float, **changes: Any) -> dict[str, Any]:
    ratio = {"value": value, "low": 0.9 * value, "high": 1.1 * value}
    figures = {"name": name, "low": None, "high": None, "judged": True, "heuristic_better": False}
    figures |= {"off_count": "", "off_money": "", "gain_over_heuristic": {"high": 0.1}}
    figures |= {"expected_over_observed": ratio, "expected_over_observed_money": ratio}
    return figures | changes


def _slices(*each: dict[str, Any], judged: int) -> dict[str, Any]:
    off = {"count": 2, "money": 1}
    summary = {"slices": len(each), "judged": judged, "off": off, "off_by_chance": 0.15}
    return {"dimensions": [{"name": "weekday", "slices": list(each)}], "summary": summary}


def test_verdict_names_how_many_by_chance_the_furthest_first_and_the_heuristics() -> None:
    ratio = {"value": 0.9, "low": 0.8, "high": 1.0}
    overall = {"expected_over_observed": ratio, "expected_over_observed_money": ratio}
    told = detail_words.slice_verdict(
        _slices(
            _slice("monday", 1.5, off_count="high"),
            _slice("tuesday", 0.5, off_count="low", off_money="low"),
            _slice("friday", 1.0, heuristic_better=True, judged=False),
            judged=2,
        ),
        overall,
    )
    text = " ".join(told).replace("\u00a0", " ")
    assert "Of 3 slices 2 have enough frauds" in text
    assert "excludes 1 by count, in 1 by money" in text
    assert "about 0.15 of each would do so by chance" in text
    assert "expected 0.90 [0.80, 1.00] times the frauds" in text
    furthest = text[text.index("Furthest off") :]
    assert furthest.index("Tuesday (expected 0.50") < furthest.index("Monday (expected 1.50")
    assert "in 1 of 3 slices: Friday (may be chance)." in text


def test_a_verdict_without_anything_that_stands_out() -> None:
    undefined = {"value": None, "low": None, "high": None}
    overall = {"expected_over_observed": undefined, "expected_over_observed_money": undefined}
    told = detail_words.slice_verdict(_slices(_slice("monday", 1.0), judged=1), overall)
    assert told[0].startswith("All 1 slices have")
    assert told[1:] == ["In no slice is the heuristic's log loss below the model's."]


@pytest.mark.parametrize(
    ("count", "money", "said"),
    [
        ("high", "high", "expects too much"),
        ("low", "", "too little by count"),
        ("low", "high", "too little by count; too much by money"),
        ("", "", ""),
    ],
)
def test_what_stands_out_in_a_row(count: str, money: str, said: str) -> None:
    assert detail_words.stands_out(_slice("x", 1.0, off_count=count, off_money=money)) == said


def test_every_slice_of_the_run_has_its_row(metrics: dict[str, Any], run: dict[str, Any]) -> None:
    text = page(metrics, run)
    table = text[text.index('aria-label="Figures by slice"') :]
    table = table[: table.index("</table>")]
    for dimension in metrics["slices"]["dimensions"]:
        for each in dimension["slices"]:
            assert detail_words.slice_title(dimension["name"], each) in table
    assert table.count('scope="row"') == metrics["slices"]["summary"]["slices"]


def test_worst_errors_are_shown_and_cannot_be_markup(
    metrics: dict[str, Any], run: dict[str, Any]
) -> None:
    changed = copy.deepcopy(metrics)
    changed["worst"]["missed"][0] |= {"transaction_id": "<script>x</script>", "card": "<i>1</i>"}
    text = page(changed, run)
    assert "<script>" not in text
    assert "&lt;script&gt;x&lt;/script&gt;" in text
    assert "&lt;i&gt;1&lt;/i…" in text or "&lt;i&gt;1&lt;/i&gt;" in text
    for each in metrics["worst"]["false_alarms"]:
        assert each["transaction_id"] in text


def test_a_shortened_key_does_not_show_the_whole_key(
    metrics: dict[str, Any], run: dict[str, Any]
) -> None:
    changed = copy.deepcopy(metrics)
    changed["worst"]["missed"][0]["terminal"] = "0123456789abcdef"
    text = page(changed, run)
    assert "01234567…" in text
    assert "0123456789abcdef" not in text.replace("fingerprint 0123456789abcdef", "")


def test_pictures_of_slices_hold_every_value_inside_or_beyond_the_axis(
    metrics: dict[str, Any],
) -> None:
    changed = copy.deepcopy(metrics)
    weekday = changed["slices"]["dimensions"][-1]["slices"]
    weekday[0]["expected_over_observed"] = {"value": 12.3, "low": 4.0, "high": 60.0}
    weekday[1]["expected_over_observed_money"] = {"value": 0.011, "low": 0.001, "high": 0.02}
    weekday[2]["expected_over_observed"] = {"value": None, "low": None, "high": None}
    picture = detail_pictures(changed)["slices_weekday"]
    assert "12 →" in picture
    assert "← 0.011" in picture
    assert "Wednesday" in picture


def test_the_learning_curve_says_from_when_on(metrics: dict[str, Any]) -> None:
    learning = metrics["learning"]
    told = detail_words.learned_enough(learning | {"ahead_from": 1200}).replace("\u202f", " ")
    assert told.startswith("From 1 200 resolved labels on, the model's cumulative log loss stays")
    assert detail_words.learned_enough(learning | {"ahead_from": 0}).startswith("From the start on")


def test_a_run_of_one_publication_has_no_learning_picture(run_copy: Path) -> None:
    path = run_copy / "predictions.parquet"
    pd.read_parquet(path).assign(weights_version=0).to_parquet(path)
    metrics = evaluate(run_copy, draws=9)
    assert "learning_cumulative" not in detail_pictures(metrics)
    text = write_report(run_copy).read_text(encoding="utf-8")
    assert 'id="learning"' in text


def test_further_figures_are_those_of_the_file(
    metrics: dict[str, Any], run: dict[str, Any]
) -> None:
    text = page(metrics, run)
    words_only = re.sub(r"<[^>]+>", " ", text[text.index('id="more"') :])
    scores = metrics["more"]["scores"]["model"]
    assert f"{scores['partial_roc_auc']['value']:.3f}" in words_only
    assert f"{scores['spiegelhalter']['z']:.2f}".replace("-", "\u2212") in words_only
    cards = metrics["more"]["alerts"]["card_precision"]
    assert f"{cards['model']['value']:.3f}" in words_only
    assert "Labels still open" in words_only
    assert "No labels are open" not in words_only
    assert "nan" not in words_only
    assert "None" not in words_only
