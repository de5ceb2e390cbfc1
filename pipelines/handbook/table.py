"""One table for what was measured and what the book publishes: printed, for the report, and as results.

`write_comparison` leaves `comparison.json` in the run directory; `pipelines.report` shows it.
"""

import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipelines.evaluation.run_files import COMPARISON, json_text, plain
from pipelines.handbook.figures import RANKING, WHOLE_WEEKS, Figure, Figures
from pipelines.handbook.protocol import TEST, FoldSet
from pipelines.handbook.published import FOLDS, REFERENCE, TEST_WEEK, Published

BOOK = "Published in the Handbook: retrained weekly on its own features"
COLUMNS = {
    "roc_auc": ("ROC AUC", "AUC", 3),
    "average_precision": ("average precision", "AP", 3),
    "card_precision_100": ("card precision@100", "CP@100", 3),
    "log_loss": ("log loss", "log loss", 4),
    "expected_over_observed": ("expected / observed", "expected/observed", 3),
}
PAIRED = "The model of this run less each other, resampled together: above 0 it has more"
PACKAGES = ("numpy", "numba", "river", "scikit-learn")
_NAME, _CELL = 31, 18


@dataclass(frozen=True)
class Line:
    """One model.

    Args:
        name: of the model.
        group: the heading that it stands under.
        figures: means over the folds, and of the first fold.
    """

    name: str
    group: str
    figures: Figures


def published_lines(folds: FoldSet) -> list[Line]:
    """The book's, for the folds that it scores: none for others."""
    if folds != TEST:
        return []
    first = {each.model: each for each in TEST_WEEK}
    return [
        Line(
            each.model,
            BOOK,
            Figures(_published(each), _published(first[each.model]) if each.model in first else {}),
        )
        for each in FOLDS
    ]


def table_text(lines: list[Line], folds: FoldSet) -> str:
    """For the terminal: the means over the folds, then the first test week alone."""
    days = f"{folds.first_test_day} to {folds.last_test_day}"
    text = [
        f"Means over {len(folds.starts)} weekly folds, tested {days}; labels seven days late.",
        "[..]: 95 % interval, cards resampled; ±: standard deviation over the folds. AUC, AP (average",
        "precision) and CP@100 (card precision): cards known to be compromised are left out. Log loss and",
        "expected/observed: over all transactions of these weeks together.",
        *_block(lines, "mean", [*RANKING, *WHOLE_WEEKS]),
        "",
        f"The first test week alone, the seven days from {folds.first_test_day}.",
        *_block(lines, "first_fold", list(RANKING)),
        "",
        f"{PAIRED}.",
        *_block(lines, "paired", [*RANKING, *WHOLE_WEEKS]),
    ]
    return "\n".join(text)


def write_comparison(lines: list[Line], folds: FoldSet, draws: int, run_dir: Path) -> None:
    """The tables as `comparison.json` in a run directory, for its report."""
    content = {
        "title": "Beside batch models and published figures",
        "about": f"The {folds.name} folds of the Handbook's protocol, labels seven days late: cards known"
        " to be compromised are left out of the ranking. Log loss and expected / observed are over all"
        " transactions of the test weeks together. In brackets: 95 % intervals, cards resampled"
        f" {draws} times; ±: standard deviation over the folds.",
        "parts": [
            _part(
                lines,
                "mean",
                f"Means over {len(folds.starts)} weekly folds, tested {folds.first_test_day} to"
                f" {folds.last_test_day}",
            ),
            _part(
                lines,
                "first_fold",
                f"The first test week alone, the seven days from {folds.first_test_day}",
            ),
            _part(lines, "paired", PAIRED),
        ],
    }
    (run_dir / COMPARISON).write_text(json_text(plain(content)), encoding="utf-8")


def _part(lines: list[Line], part: str, title: str) -> dict[str, Any]:
    shown = [line for line in lines if getattr(line.figures, part)]
    present = {name for line in shown for name in getattr(line.figures, part)}
    return {
        "title": title,
        "columns": [
            {"name": name, "title": told, "digits": digits}
            for name, (told, _, digits) in COLUMNS.items()
            if name in present
        ],
        "groups": [
            {
                "title": group,
                "rows": [
                    {"name": line.name, "figures": _figures(line, part)}
                    for line in shown
                    if line.group == group
                ],
            }
            for group in dict.fromkeys(line.group for line in shown)
        ],
    }


def write_results(lines: list[Line], folds: FoldSet, path: Path) -> None:
    """The same figures as `results/handbook.json`, each against the book's logistic regression."""
    rows: list[dict[str, Any]] = []
    references = {"mean": REFERENCE, "first_fold": TEST_WEEK[0]} if folds == TEST else {}
    for part, unit, suffix in (
        ("mean", "mean of the folds", ""),
        ("first_fold", "first test week", ", first test week"),
        ("paired", "difference", ", this run's model less it"),
    ):
        for line in lines:
            for name, figure in getattr(line.figures, part).items():
                whole_weeks = "test weeks together"
                row = {
                    "name": f"{_short(line.group)}: {line.name}: {name}{suffix}",
                    "value": figure.value,
                    "unit": whole_weeks if name in WHOLE_WEEKS and part == "mean" else unit,
                    "low": figure.low,
                    "high": figure.high,
                    "against": None,
                    "ratio": None,
                }
                against = getattr(references.get(part), name, None)
                if against is not None:
                    row["against"] = f"published logistic regression, {against}"
                    row["ratio"] = figure.value / against
                elif name == "expected_over_observed" and part == "mean":
                    row |= {"against": "1, as many frauds as expected", "ratio": figure.value}
                rows.append(row)
    result = {
        "target": path.stem,
        "machine": platform.processor() or platform.machine(),
        "versions": {name: version(name) for name in PACKAGES},
        "rows": plain(rows),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _short(group: str) -> str:
    """
    >>> _short("Online: learned from labels"), _short("scikit-learn, retrained weekly")
    ('Online', 'scikit-learn')
    """
    return group.partition(":")[0].partition(",")[0]


def _published(given: Published) -> dict[str, Figure]:
    spread = given.spread or (None, None, None)
    return {
        name: Figure(getattr(given, name), spread=spread[place])
        for place, name in enumerate(RANKING)
    }


def _figures(line: Line, part: str) -> dict[str, Any]:
    return {name: asdict(figure) for name, figure in getattr(line.figures, part).items()}


def _block(lines: list[Line], part: str, names: list[str]) -> list[str]:
    """A row for each model, and below it the intervals where it has them."""
    text = ["", _row("", [COLUMNS[name][1] for name in names])]
    group = ""
    for line in lines:
        figures = getattr(line.figures, part)
        if not figures:
            continue
        if line.group != group:
            group = line.group
            text.append(group)
        text.append(_row(f"  {line.name}", [_value(figures.get(n), COLUMNS[n][2]) for n in names]))
        intervals = [_interval(figures.get(name), COLUMNS[name][2]) for name in names]
        if any(intervals):
            text.append(_row("", intervals))
    return text


def _row(name: str, cells: list[str]) -> str:
    return (f"{name:{_NAME}}" + "".join(f"{cell:>{_CELL}}" for cell in cells)).rstrip()


def _value(figure: Figure | None, digits: int) -> str:
    """
    >>> _value(Figure(0.5, spread=0.1), 2), _value(Figure(0.5), 2), _value(None, 2)
    ('0.50 ± 0.10', '0.50', '')
    """
    if figure is None:
        return ""
    spread = "" if figure.spread is None else f" ± {figure.spread:.{digits}f}"
    return f"{figure.value:.{digits}f}{spread}"


def _interval(figure: Figure | None, digits: int) -> str:
    """
    >>> _interval(Figure(0.5, 0.4, 0.6), 1), _interval(Figure(0.5), 1)
    ('[0.4, 0.6]', '')
    >>> _interval(Figure(-0.5, -0.6, -0.4), 4)
    '[-0.6000,-0.4000]'
    """
    if figure is None or figure.low is None:
        return ""
    text = f"[{figure.low:.{digits}f}, {figure.high:.{digits}f}]"
    # Two minus signs fill a column to its edge: the next one must not touch it.
    return text if len(text) < _CELL else text.replace(", ", ",")
