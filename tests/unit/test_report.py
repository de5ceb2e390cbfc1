"""`report.html`: complete, self-contained, the same bytes for the same figures, and accessible."""

import copy
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fraud_system.errors import ArtefactError
from pipelines import report
from pipelines.evaluate import evaluate
from pipelines.report import words, write_report
from pipelines.report.page import page, pictures
from pipelines.report.svg import COLOUR

STYLE = Path(report.__file__).with_name("style.css").read_text(encoding="utf-8")


class Outline(HTMLParser):
    """Tags with their attributes in order, and the text of each heading."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[tuple[int, str]] = []
        self._open: list[str] = []
        self.unbalanced: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "link", "img"):
            self._open.append(tag)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append((int(tag[1]), ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        if self._open and re.fullmatch(r"h[1-6]", self._open[-1]):
            level, text = self.headings[-1]
            self.headings[-1] = (level, text + data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def metrics(evaluated_run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((evaluated_run / "metrics.json").read_text())
    return content


@pytest.fixture(scope="module")
def run(finished_run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((finished_run / "run.json").read_text())
    return content


@pytest.fixture(scope="module")
def text(metrics: dict[str, Any], run: dict[str, Any]) -> str:
    return page(metrics, run)


@pytest.fixture(scope="module")
def outline(text: str) -> Outline:
    return Outline(text)


def test_every_section_is_there_and_headings_are_in_order(outline: Outline) -> None:
    assert [heading for level, heading in outline.headings if level <= 2] == [
        "Fraud model report",
        "In short",
        "Headline",
        "Week by week",
        "Calibration: can a probability be taken at its word?",
        "Thresholds on expected fraud",
        "What the decisions cost",
        "Slices: where is it better or worse?",
        "Learning curve",
        "The worst errors",
        "When the labels arrived",
        "Against the truth",
        "More figures",
        "What was set aside",
        "Glossary",
        "How it was made",
    ]
    levels = [level for level, _ in outline.headings]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_nothing_outside_the_file_is_asked_for(text: str, outline: Outline) -> None:
    assert "http://" not in text
    assert "https://" not in text
    assert "@import" not in text
    assert not outline.all("script")
    assert not outline.all("link")
    for name in ("src", "srcset"):
        assert not [attributes for _, attributes in outline.tags if name in attributes]
    assert len(text.encode()) < 1_500_000


def test_ids_are_unique_and_every_reference_is_met(text: str, outline: Outline) -> None:
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes["href"] or "" for _, attributes in outline.tags if "href" in attributes]
    assert all(link.startswith("#") for link in links)
    labelled = [
        part
        for _, attributes in outline.tags
        for part in (attributes.get("aria-labelledby") or "").split()
    ]
    clipped = re.findall(r"url\(#([^)]+)\)", text)
    assert {link[1:] for link in links} | set(labelled) | set(clipped) <= set(ids)
    assert outline.unbalanced == []


def test_pictures_have_titles_and_tables_have_headers_with_scope(outline: Outline) -> None:
    drawn = [each for each in outline.all("svg") if "aria-hidden" not in each]
    assert len(drawn) == 17
    assert all(each["role"] == "img" and each["aria-labelledby"] for each in drawn)
    assert all(each.get("scope") in ("col", "row", "rowgroup") for each in outline.all("th"))
    assert len(outline.all("caption")) == len(outline.all("table")) > 8
    regions = [each for each in outline.all("div") if each.get("role") == "region"]
    assert len(regions) == len(outline.all("table"))
    assert all(each["tabindex"] == "0" and each["aria-label"] for each in regions)


def test_pictures_take_their_colours_from_the_style_sheet(metrics: dict[str, Any]) -> None:
    for name, picture in pictures(metrics).items():
        assert not re.search(r"(fill|stroke): ?#", picture), name
        used = set(re.findall(r"var\(--(\w+)\)", picture)) - {"font"}
        assert used <= set(COLOUR)
    for block in _schemes():
        assert set(COLOUR) <= set(block)


def _schemes() -> list[dict[str, str]]:
    """The colours of the light and of the dark scheme, by name."""
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, flags=re.DOTALL)
    return [dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", each)) for each in (light, dark)]


def _contrast(one: str, other: str) -> float:
    """Contrast ratio of WCAG 2, from 1 to 21."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_contrast_is_at_least_that_of_wcag_aa(scheme: int) -> None:
    colours = _schemes()[scheme]
    assert _contrast("#000000", "#ffffff") == pytest.approx(21.0)
    for text_colour in ("ink", "muted", "link", "drift", "good", "bad"):
        for ground in ("page", "paper", "shade", "simulated"):
            assert _contrast(colours[text_colour], colours[ground]) >= 4.5, (text_colour, ground)
    for line in ("model", "heuristic", "constant", "second", "third"):
        assert _contrast(colours[line], colours["paper"]) >= 3.0, line


def test_same_figures_same_bytes(run_copy: Path) -> None:
    evaluate(run_copy, draws=9)
    first = write_report(run_copy).read_bytes()
    assert write_report(run_copy).read_bytes() == first
    assert write_report(run_copy) == run_copy / "report.html"


def test_figures_on_the_page_are_those_of_the_file(text: str, metrics: dict[str, Any]) -> None:
    words_only = re.sub(r"<[^>]+>", " ", text)
    model = metrics["headline"]["model"]
    for shown in (
        f"{model['normalised_entropy']['value']:.3f}",
        f"{model['roc_auc']['value']:.3f}",
        f"{model['expected_over_observed_money']['value']:.2f}",
        f"{metrics['policy']['cost']['served']:,.2f}".replace(",", "\u202f"),
        f"{metrics['labels']['too_young']}",
    ):
        assert shown in words_only
    verdict = metrics["verdict"]
    assert f"in {verdict['below_both']} of {verdict['weeks']} weeks after the second" in words_only


def test_what_was_set_aside_is_shown_and_cannot_be_markup(text: str) -> None:
    assert "amount is negative" in text
    assert "row 17: -12.00" in text
    assert "<b>-1</b>" not in text
    assert "&lt;b&gt;-1&lt;/b&gt;" in text


def test_a_last_week_of_fewer_than_seven_days_is_shown_and_not_counted(
    make_finished_run: Callable[..., Path], tmp_path: Path
) -> None:
    """60 days, the last seven of them not settled: 53 are, so week 8 has four."""
    run_dir = make_finished_run(tmp_path / "run", rows=3_000, days=60, maturity_days=10)
    figures = evaluate(run_dir, draws=9)
    weeks = figures["by_week"]
    assert [week["complete"] for week in weeks] == [True] * 7 + [False] * 2
    assert [week["below_both"] is None for week in weeks] == [True] * 2 + [False] * 5 + [True] * 2
    assert figures["verdict"]["weeks"] == 5
    assert figures["verdict"]["incomplete"] == [8]
    text = write_report(run_dir).read_text(encoding="utf-8")
    assert "Week 8 has fewer than seven settled days and is not counted." in text
    assert text.count("<td>incomplete</td>") == 1
    assert text.count("<td>labels open</td>") == 1


def test_in_short_is_a_list(text: str, metrics: dict[str, Any]) -> None:
    (short,) = re.findall(r'<ul class="short">(.*?)</ul>', text, flags=re.DOTALL)
    assert short.count("<li>") == len(words.in_short(metrics)) < 10


@pytest.mark.parametrize(
    ("dead", "said"), [(0, "Nothing was set aside."), (18, "18 label messages")]
)
def test_dead_letters_are_not_passed_over_where_no_row_was_set_aside(
    metrics: dict[str, Any], run: dict[str, Any], dead: int, said: str
) -> None:
    given = copy.deepcopy(metrics)
    given["set_aside"] = []
    given["labels"]["joiner"]["dead_letters"] = dead
    shown = page(given, run)
    assert said in shown
    assert ("Nothing was set aside." in shown) == (dead == 0)


def test_a_comparison_is_shown_where_a_job_left_one(run_copy: Path) -> None:
    evaluate(run_copy, draws=9)
    assert 'id="comparison"' not in write_report(run_copy).read_text(encoding="utf-8")
    figures = {"auc": {"value": 0.8761, "low": 0.86, "high": 0.89, "spread": 0.0154}}
    part = {
        "title": "Means <over> folds",
        "columns": [{"name": name, "title": name, "digits": 3} for name in ("auc", "loss")],
        "groups": [{"title": "Online", "rows": [{"name": "linear", "figures": figures}]}],
    }
    comparison = {"title": "Beside others", "about": "By the book.", "parts": [part]}
    (run_copy / "comparison.json").write_text(json.dumps(comparison))
    text = write_report(run_copy).read_text(encoding="utf-8")
    assert "Means &lt;over&gt; folds" in text
    assert "0.876" in text
    assert "[0.860, 0.890]" in text
    assert "± 0.015" in text
    assert Outline(text).unbalanced == []
    (run_copy / "comparison.json").write_text("{")
    with pytest.raises(ArtefactError, match=r"comparison\.json"):
        write_report(run_copy)


def test_a_run_with_nothing_to_judge_says_so(
    make_finished_run: Callable[..., Path], tmp_path: Path
) -> None:
    run_dir = make_finished_run(tmp_path / "run", rows=400, days=9, drift=False)
    evaluate(run_dir, draws=9)
    text = write_report(run_dir).read_text(encoding="utf-8")
    assert "Nothing can be judged yet" in text
    assert 'id="headline"' not in text
    assert Outline(text).unbalanced == []


def test_a_run_without_drift_truth_and_cards(
    make_finished_run: Callable[..., Path], tmp_path: Path
) -> None:
    run_dir = make_finished_run(
        tmp_path / "run", rows=3_000, drift=False, truth=False, has_cards=False, has_terminals=False
    )
    evaluate(run_dir, draws=9)
    text = write_report(run_dir).read_text(encoding="utf-8")
    assert "Age of the card" not in text
    assert "The terminals that lost most" not in text
    assert "By kind of fraud" not in text
    assert "Card precision@100</a>" not in text
    assert "No drift is marked" in text
    assert "Last four weeks" in text
    assert "this is a simulation" not in text
    assert "the data name no cards" in text


def test_a_run_without_any_fraud_can_be_read(run_copy: Path) -> None:
    path = run_copy / "predictions.parquet"
    table = pd.read_parquet(path)
    table.assign(is_fraud=table.is_fraud & False).to_parquet(path)
    evaluate(run_copy, draws=9)
    text = write_report(run_copy).read_text(encoding="utf-8")
    assert "Without a single fraud" in text
    assert "nan" not in re.sub(r"<[^>]+>", " ", text)


@pytest.mark.parametrize("name", ["metrics.json", "run.json"])
def test_a_missing_file_is_named(run_copy: Path, name: str) -> None:
    evaluate(run_copy, draws=9)
    (run_copy / name).unlink()
    with pytest.raises(ArtefactError, match=name):
        write_report(run_copy)
