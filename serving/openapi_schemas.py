"""The types of the wire as JSON Schema, for the OpenAPI document.

msgspec makes the schemas. Here each property gets the words that the docstring of its type has for it.
"""

import re
from typing import Any

import msgspec

from fraud_system.schema import Schema
from serving.problems import ProblemDocument
from serving.reports import DriftReportAsked, ReportStates
from serving.wire import (
    ChampionLoaded,
    Decision,
    Explanation,
    Label,
    LabelReceipt,
    ModeChange,
    ModeChanged,
    ModelState,
    RowProblem,
    transaction_type,
)

# The names that a docstring gives words to, and the words, over several lines.
_ARGUMENT = re.compile(r"^ {8}(\w[\w, ]*): (.*(?:\n {9,}.*)*)", re.MULTILINE)


def schemas_of(schema: Schema) -> dict[str, Any]:
    """The schemas of all types, by name, for `components/schemas`."""
    kinds = [
        transaction_type(schema),
        Decision,
        Label,
        LabelReceipt,
        Explanation,
        ModelState,
        ModeChange,
        ModeChanged,
        ChampionLoaded,
        RowProblem,
        DriftReportAsked,
        ReportStates,
        ProblemDocument,
    ]
    ref_template = "#/components/schemas/{name}"
    _, schemas = msgspec.json.schema_components(kinds, ref_template=ref_template)
    for each in schemas.values():
        _describe(each)
    _translate_patterns(schemas)
    return schemas


def _describe(schema: dict[str, Any]) -> None:
    """Give each property the words that the docstring has for it."""
    words, _, arguments = schema.get("description", "").partition("Args:\n")
    schema["description"] = " ".join(words.split())
    for names, described in _ARGUMENT.findall(arguments):
        for name in names.split(", "):
            schema["properties"][name]["description"] = " ".join(described.split())


def _translate_patterns(node: Any) -> None:
    r"""From regular expressions of Python to those of JSON Schema, whose `$` is the `\Z` of Python."""
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            node["pattern"] = node["pattern"].replace(r"\Z", "$")
        for each in node.values():
            _translate_patterns(each)
    elif isinstance(node, list):
        for each in node:
            _translate_patterns(each)
