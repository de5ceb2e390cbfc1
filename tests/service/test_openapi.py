"""The service against its own OpenAPI document: schemathesis sends what it allows and what it does not."""

import itertools
import json
from collections import Counter, defaultdict
from typing import Any

import msgspec
import pyarrow as pa
import pytest
import schemathesis
from guarded import Guarded, moment
from hypothesis import strategies as st
from schemathesis.engine import events, from_schema

from serving.openapi import ARROW, JSON
from serving.reports import DriftReportAsked
from serving.wire import EventTime, TransactionId

SETTINGS = {
    "seed": 5,
    "generation": {"max-examples": 30, "deterministic": True, "database": "none"},
    "warnings": False,
}


@st.composite
def arrow_streams(draw: st.DrawFn) -> bytes:
    """Valid batches; their times are near the service's clock."""
    n = draw(st.integers(0, 5))
    amounts = st.lists(st.floats(0, 1e6), min_size=n, max_size=n)
    ids = st.lists(st.text("abc/%é", min_size=1, max_size=20), min_size=n, max_size=n)
    now = msgspec.convert(moment(), EventTime)
    table = pa.table(
        {
            "transaction_id": pa.array(draw(ids), pa.string()),
            "event_time": pa.array([now] * n, pa.timestamp("us", "UTC")),
            "amount": pa.array(draw(amounts), pa.float64()),
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


SPANS = {
    "reference": {"from": "2025-01-01T00:00:00Z", "to": "2025-01-08T00:00:00Z"},
    "current": {"from": "2025-01-08T00:00:00Z", "to": "2025-01-09T00:00:00Z"},
}
schemathesis.openapi.media_type(ARROW, arrow_streams())
count = itertools.count()


def as_no_schema_can_say(body: Any) -> Any:
    """Times that are valid become near, and ids that are valid get new and at most 64 bytes long.

    So a valid transaction must be taken, and one with a wrong field is refused for that field.
    """
    if isinstance(body, list):
        return [as_no_schema_can_say(each) for each in body]
    if not isinstance(body, dict):
        return body
    changed = dict(body)
    if is_a(body, DriftReportAsked):
        changed |= {name: SPANS[name] for name in ("reference", "current") if body.get(name)}
    if is_a(body.get("event_time"), EventTime):
        changed["event_time"] = moment()
    if "amount" in body and is_a(body.get("transaction_id"), TransactionId):
        name = f"{next(count)}{body['transaction_id']}"
        changed["transaction_id"] = name.encode()[:64].decode(errors="ignore")
    elif is_a(body.get("transaction_id"), TransactionId):
        changed["transaction_id"] = body["transaction_id"].encode()[:64].decode(errors="ignore")
    return changed


def is_a(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def test_schemathesis_finds_nothing(guarded: Guarded) -> None:
    schema = schemathesis.openapi.from_url(
        guarded.running.url + "/openapi.json",
        config=schemathesis.Config.from_dict(SETTINGS),
    )
    schema.config.update(headers={"Authorization": guarded.headers()["authorization"]})

    @schema.hook
    def map_case(context: Any, case: Any) -> Any:
        if case.media_type == JSON:
            case.body = as_no_schema_can_say(case.body)
        return case

    found: list[str] = []
    answers: dict[str, Counter[int]] = defaultdict(Counter)
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            found.append(repr(event))
        if not isinstance(event, events.ScenarioFinished):
            continue
        for case_id, checks in event.recorder.checks.items():
            case = event.recorder.cases[case_id].value
            found += [
                f"{each.failure_info.failure}\n{case.as_curl_command()}\n{case.meta}"
                for each in checks
                if each.failure_info
            ]
        for case_id, interaction in event.recorder.interactions.items():
            if interaction.response is not None:
                label = event.recorder.cases[case_id].value.operation.label
                answers[label][interaction.response.status_code] += 1
    assert not found, "\n".join(found)
    # It got behind the checks of keys and bodies, everywhere.
    assert len(answers) == len(schema)
    of_reports = {label for label in answers if "{id}" in label}  # none is ever done here
    assert all(answers[label][404] for label in of_reports)
    others = {label: statuses for label, statuses in answers.items() if label not in of_reports}
    assert all(statuses[200] or statuses[202] for statuses in others.values())
    taken = {label for label, statuses in answers.items() if statuses[200] > 20}
    assert {"POST /v1/score", "POST /v1/score/batch", "POST /v1/labels"} <= taken
    refused = {label for label, statuses in answers.items() if statuses[422] > 20}
    assert {"POST /v1/score", "POST /v1/score/batch", "POST /v1/labels"} <= refused
    guarded.assert_sound("after schemathesis")


@pytest.fixture
def document(guarded: Guarded) -> dict[str, Any]:
    return dict(guarded.running.client.get("/openapi.json").json())


def test_the_examples_are_taken_as_they_are(guarded: Guarded, document: dict[str, Any]) -> None:
    sent = 0
    for path, operations in document["paths"].items():
        bodies = operations.get("post", {}).get("requestBody", {}).get("content", {})
        for name, example in bodies.get(JSON, {}).get("examples", {}).items():
            answers = [
                guarded.running.client.post(path, json=example["value"], headers=guarded.headers())
                for _ in range(2)
            ]
            assert [each.status_code for each in answers] == [200, 200], (
                path,
                name,
                answers[0].text,
            )
            if path != "/v1/admin/mode":
                assert answers[0].content == answers[1].content
            assert "problem" not in answers[0].text
            sent += 1
    assert sent == 5
    (parameter,) = document["paths"]["/v1/decisions/{transaction_id}"]["parameters"]
    asked = f"/v1/decisions/{parameter['example']}"
    found = guarded.running.client.get(asked, headers=guarded.headers())
    assert found.json()["decision"]["transaction_id"] == parameter["example"]


def test_every_word_of_the_document_is_in_its_place(document: dict[str, Any]) -> None:
    """No reference leads nowhere, no mark of an example is left, every property says what it is."""
    text = json.dumps(document)
    assert "@" not in text
    assert "Args:" not in text
    assert "\\\\Z" not in text
    components = document["components"]

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if "$ref" in node else []
            return own + [each for value in node.values() for each in references(value)]
        return (
            [each for item in node for each in references(item)] if isinstance(node, list) else []
        )

    for reference in references(document):
        _, _, kind, name = reference.split("/")
        assert name in components[kind]
    for name in ("Decision", "Label", "LabelReceipt", "ModelState", "WorkerState", "ModeChange"):
        for field, described in components["schemas"][name]["properties"].items():
            assert described.get("description"), (name, field)
