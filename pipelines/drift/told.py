"""The figures of a drift report in a terminal, and as `results/drift-report.json`."""

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

SHOWN = 12
PACKAGES = ("evidently", "numpy", "pandas", "scipy")


def table_text(figures: dict[str, Any]) -> str:
    """Windows and the largest differences."""
    lines = [
        f"{each['name']:9} {each['words']} UTC, {each['transactions']:,} transactions "
        f"({each['transactions_compared']:,} compared), {each['labels']:,} labels settled"
        + ("" if each["fraud_share"] is None else f", {each['fraud_share']:.2%} fraud")
        for each in figures["windows"]
    ]
    columns = figures["columns"]
    lines.append(
        f"{figures['drifted']} of {len(columns)} columns differ by {figures['threshold']} or more"
    )
    width = max(len(each["words"]) for each in columns[:SHOWN])
    lines += [
        f"  {each['words']:{width}}  {each['statistic']:7.3f}"
        f"{'  differs' if each['is_drifted'] else ''}"
        for each in columns[:SHOWN]
    ]
    if len(columns) > SHOWN:
        lines.append(f"  ... and {len(columns) - SHOWN} more, which differ less")
    return "\n".join(lines)


def write_results(figures: dict[str, Any], path: Path) -> None:
    """The same figures in the shape that every measuring target leaves."""
    rows = [
        {
            "name": each["name"],
            "value": each["statistic"],
            "unit": f"{each['method']} distance",
            "against": f"threshold {each['threshold']}",
            "ratio": each["statistic"] / each["threshold"],
        }
        for each in figures["columns"]
    ]
    result = {
        "target": "drift-report",
        "machine": platform.processor() or platform.machine(),
        "versions": {name: version(name) for name in PACKAGES},
        "rows": rows,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
