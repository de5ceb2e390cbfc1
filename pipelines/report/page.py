"""Puts the report together: figures, sentences and pictures into one HTML file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ..evaluation.run_files import COMPARISON, METRICS, REPORT, RUN, read_json
from . import calibration_words, detail_words, formats, plots, words
from .detail_plots import detail_pictures
from .svg import inline_svg

_HERE = Path(__file__).parent
SCORER_NAMES = {"model": "Model", "heuristic": "Heuristic", "constant": "Constant rate"}


def write_report(run_dir: Path) -> Path:
    """Write `report.html` from `metrics.json` and `run.json`; returns its path.

    A job that compares with other models leaves `comparison.json` too; the page then shows it.

    Raises:
        ArtefactError: one of the first two is missing, or one is not usable.
    """
    metrics = read_json(run_dir, METRICS, fix="make evaluate RUN=... writes it")
    run = read_json(run_dir, RUN, fix="run the job again; it writes this file")
    comparison = None
    if (run_dir / COMPARISON).exists():
        comparison = read_json(run_dir, COMPARISON, fix="remove it, or run the comparison again")
    path = run_dir / REPORT
    path.write_text(page(metrics, run, comparison), encoding="utf-8")
    return path


def page(
    metrics: dict[str, Any], run: dict[str, Any], comparison: dict[str, Any] | None = None
) -> str:
    """The whole page; the same text for the same figures."""
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("whole", "money", "percent", "significant", "fixed", "p_value", "day", "moment"):
        environment.filters[name] = getattr(formats, name)
    return environment.get_template("template.html").render(
        style=Markup((_HERE / "style.css").read_text(encoding="utf-8")),
        m=metrics,
        run=run,
        words=words,
        calibration=calibration_words,
        comparison=comparison,
        detail=detail_words,
        interval=formats.interval,
        formats=formats,
        scorers=SCORER_NAMES,
        threshold=metrics["method"]["headline_threshold"],
        pictures={name: Markup(picture) for name, picture in pictures(metrics).items()},
    )


def pictures(metrics: dict[str, Any]) -> dict[str, str]:
    """Inline SVG by name; those that have no data are left out."""
    drawn = _weekly_pictures(metrics) | detail_pictures(metrics)
    if metrics["headline"]:
        drawn |= _judged_pictures(metrics)
    labels = metrics["labels"]
    if labels["delay_curve"]["days"]:
        median_days = labels["sources"][0]["median_days"]
        drawn["delay"] = inline_svg(
            "delay",
            "Share of reported frauds known after so many days, by source",
            f"Half of all reports arrive within {formats.significant(median_days)} days; the table"
            " beside the picture has the figures.",
            lambda axes: plots.label_delay(axes, labels["delay_curve"], labels["maturity_days"]),
        )
    return drawn


def _judged_pictures(metrics: dict[str, Any]) -> dict[str, str]:
    bins, cost = metrics["calibration"]["reliability"], metrics["policy"]["cost"]
    return {
        "reliability_count": inline_svg(
            "reliability-count",
            "Reliability by count: share of frauds seen against share expected",
            "Fifteen bins of equal count with 95 % intervals; on the diagonal both agree.",
            lambda axes: plots.reliability(axes, bins["count"], money=False),
            height=340,
        ),
        "reliability_money": inline_svg(
            "reliability-money",
            "Reliability by money: share of fraud money seen against share expected",
            "Fifteen bins of equal money with 95 % intervals; on the diagonal both agree.",
            lambda axes: plots.reliability(axes, bins["money"], money=True),
            height=340,
        ),
        "cost": inline_svg(
            "cost",
            "Cost of declining everything above a threshold on expected fraud",
            "One curve each for model, heuristic and constant rate; lower is cheaper. Level lines:"
            " approving everything, and the policy as served.",
            lambda axes: plots.cost_curve(axes, metrics["cost_curve"], cost),
            height=340,
        ),
    }


def _weekly_pictures(metrics: dict[str, Any]) -> dict[str, str]:
    weeks = metrics["by_week"]

    def each(name: str, scorer: str | None = None) -> list[Any]:
        return [week[name][scorer] if scorer else week[name] for week in weeks]

    def of_scorers(name: str) -> list[tuple[list[Any], dict[str, Any]]]:
        return [(each(name, scorer), plots.STYLE[scorer]) for scorer in plots.STYLE]

    def panel(name: str, heading: str, draw: Callable[[Any], None]) -> str:
        about = "By week; warm-up shaded, drift marked. The table of this section has the figures."
        return inline_svg(name, heading, about, draw, height=255)

    model = plots.STYLE["model"]
    seen_expected = [(each("fraud_share"), plots.SECOND), (each("expected_share"), model)]
    ratios = [
        (each("expected_over_observed"), plots.SECOND),
        (each("expected_over_observed_money"), model),
    ]
    found = [(each("recall"), plots.SECOND), (each("value_detected"), model)]
    false_alarms = [
        None if week["specificity"] is None else 1.0 - week["specificity"] for week in weeks
    ]
    return {
        "week_entropy": panel(
            "week-entropy",
            "Normalised entropy by week",
            lambda axes: plots.weekly(
                axes, metrics, of_scorers("normalised_entropy"), level=1.0, cap=1.5
            ),
        ),
        "week_auc": panel(
            "week-auc",
            "ROC AUC by week",
            lambda axes: plots.weekly(axes, metrics, of_scorers("roc_auc"), level=0.5),
        ),
        "week_ratio": panel(
            "week-ratio",
            "Expected over observed fraud by week",
            lambda axes: plots.weekly(axes, metrics, ratios, level=1.0, floor=0.0, cap=2.5),
        ),
        "week_share": panel(
            "week-share",
            "Share of frauds by week, expected and seen",
            lambda axes: plots.weekly(axes, metrics, seen_expected, shares=True, floor=0.0),
        ),
        "week_found": panel(
            "week-found",
            "Recall and value detected by week",
            lambda axes: plots.weekly(axes, metrics, found, shares=True, floor=0.0, cap=1.0),
        ),
        "week_false_alarms": panel(
            "week-false-alarms",
            "Legitimate transactions flagged, by week",
            lambda axes: plots.weekly(
                axes, metrics, [(false_alarms, model)], shares=True, floor=0.0
            ),
        ),
    }
