"""Puts the figures of finished runs into the README, so that no number there is typed by hand.

Each table stands between two marks, `<!-- demo -->` and `<!-- /demo -->`; a test compares the demo's with
a run of its own.
"""

import json
import sys
from pathlib import Path
from typing import Any

ROWS = (
    ("normalised entropy (1 = knowing only the rate)", "normalised_entropy", "{:.2f}"),
    ("ROC AUC, exact", "roc_auc", "{:.3f}"),
    ("expected / seen fraud money (1 is right)", "expected_over_observed_money", "{:.2f}"),
    ("expected / seen frauds", "expected_over_observed", "{:.2f}"),
    ("fraud money flagged", "value_detected", "{:.0%}"),
    ("legitimate transactions not flagged", "specificity", "{:.1%}"),
)
SCORERS = ("model", "heuristic", "constant")


def demo_table(metrics: dict[str, Any]) -> str:
    """The headline of a run as a Markdown table, with the verdict by week below it."""
    verdict, method = metrics["verdict"], metrics["method"]
    lines = ["| | model | heuristic | constant rate |", "|---|---|---|---|"]
    for words, name, form in ROWS:
        cells = [form.format(_value(metrics["headline"][scorer][name])) for scorer in SCORERS]
        lines.append(f"| {words} | {' | '.join(cells)} |")
    return "\n".join(
        [
            *lines,
            "",
            f"Flagged: expected fraud (probability x amount) of at least {method['headline_threshold']:g}. "
            f"The model's log loss is below both others' in {verdict['below_both']} of "
            f"{verdict['weeks']} weeks after the second. Amount-weighted calibration error beyond chance, "
            f"as a share of the expected fraud money: {_calibration(metrics)}.",
        ]
    )


def _calibration(metrics: dict[str, Any]) -> str:
    """Of every period, also of all together."""
    told = []
    for period in metrics["calibration"]["periods"]:
        error = period["calibration_error_money"]
        name = period["name"].replace("_", " ")
        told.append(f"{name} {error['relative']:.1%} (p = {error['p_value']:.3f})")
    return ", ".join(told)


def put_between_marks(text: str, mark: str, table: str) -> str:
    """The text with what stands between two marks replaced.

    >>> put_between_marks("a <!-- x -->old<!-- /x --> b", "x", "new").splitlines()
    ['a <!-- x -->', 'new', '<!-- /x --> b']
    """
    first, last = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    before, rest = text.split(first)
    return f"{before}{first}\n{table}\n{last}{rest.split(last)[1]}"


def _value(figure: Any) -> float:
    return float(figure["value"] if isinstance(figure, dict) else figure)


def main(arguments: list[str]) -> None:
    """`python -m pipelines.readme_figures demo=runs/demo handbook=runs/handbook`."""
    readme = Path("README.md")
    text = readme.read_text(encoding="utf-8")
    for argument in arguments:
        mark, _, run = argument.partition("=")
        path = Path(run) / "metrics.json"
        if not run or not path.exists():
            raise SystemExit(
                f"error: RUNS: {argument!r} names no finished run (fix: demo=runs/demo)"
            )
        metrics = json.loads(path.read_text(encoding="utf-8"))
        text = put_between_marks(text, mark, demo_table(metrics))
    readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
