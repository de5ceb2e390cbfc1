"""The OpenAPI document, made from the types of `wire`: it cannot say anything else than the code checks.

Its examples can be sent as they are: they happen at the moment when the document is asked for, and their ids
are of that moment, so that they are taken as new (`OpenApi.encoded`).
"""

import re
from http import HTTPStatus
from typing import Any

import msgspec

from fraud_system.schema import Schema
from serving.columns import time_of
from serving.openapi_schemas import schemas_of
from serving.openapi_words import DESCRIPTION, ID_USED, STATUSES
from serving.reports import FIGURES, PAGE

JSON, ARROW = "application/json", "application/vnd.apache.arrow.stream"
_ANY_REQUEST = (400, 403, 408, 414, 421, 431, 503)  # may be answered so, whatever it asks for
_WITH_KEY, _WITH_BODY = (401, 429), (413, 415, 422)
_MOMENT, _STAMP = "@moment@", "@stamp@"  # in examples: the time when the document is asked for
_ID = f"payment-{_STAMP}"


class OpenApi:
    """The document of a scorer of one data set.

    Args:
        schema: of its transactions.
    """

    def __init__(self, schema: Schema) -> None:
        self._marked = msgspec.json.encode(openapi(schema))

    def encoded(self, now_us: int) -> bytes:
        """The document as JSON, with examples that happen at that moment, microseconds since 1970."""
        now = time_of(now_us)
        moment, stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ"), now.strftime("%Y%m%dT%H%M%SZ")
        marked = self._marked.replace(_MOMENT.encode(), moment.encode())
        return marked.replace(_STAMP.encode(), stamp.encode())


def openapi(schema: Schema) -> dict[str, Any]:
    """The document, OpenAPI 3.1, with marks where its examples name the time."""
    schemas = schemas_of(schema)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Fraud scorer", "version": "1", "description": DESCRIPTION},
        "paths": _paths(schema, schemas["Transaction"]["properties"]["transaction_id"]),
        "components": {
            "schemas": schemas,
            "responses": {_name(status): _refused(status, STATUSES[status]) for status in STATUSES},
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "an API key; a demo without keys takes requests without it",
                }
            },
        },
    }


def _paths(schema: Schema, id_schema: dict[str, Any]) -> dict[str, Any]:
    transaction, label, table = _schema("Transaction"), _schema("Label"), _arrow_table()
    answers = {"type": "array", "items": {"anyOf": [_schema("Decision"), _schema("RowProblem")]}}
    receipts = {
        "type": "array",
        "items": {"anyOf": [_schema("LabelReceipt"), _schema("RowProblem")]},
    }
    score = _operation(
        "score",
        "Score one transaction",
        "score",
        {JSON: {"schema": _schema("Decision")}},
        body={JSON: _body(transaction, one=_transaction(schema))},
        refusals={409: ID_USED},
    )
    score["responses"]["200"]["links"] = {
        "decision": {
            "operationId": "decision",
            "parameters": {"transaction_id": "$response.body#/transaction_id"},
        }
    }
    pair = [_transaction(schema, "-1"), _transaction(schema, "-2")]
    report = {"transaction_id": _ID, "is_fraud": True, "source": "chargeback"}
    named = report | {"label_id": f"chargeback-{_STAMP}"}
    taken_back = report | {"is_fraud": False, "source": "review"}
    return {
        "/v1/score": {"post": score},
        "/v1/score/batch": {
            "post": _operation(
                "score_batch",
                "Score many transactions; answers are in their order",
                "score",
                {JSON: {"schema": answers}, ARROW: {"schema": table}},
                body={
                    JSON: _body({"type": "array", "items": transaction}, two=pair),
                    ARROW: {"schema": table},
                },
            )
        },
        "/v1/labels": {
            "post": _operation(
                "label",
                "Report fraud, or take a report back; one or many",
                "label",
                {JSON: {"schema": {"anyOf": [_schema("LabelReceipt"), receipts]}}},
                body={
                    JSON: _body(
                        {"anyOf": [label, {"type": "array", "items": label}]},
                        one=report,
                        two=[named, taken_back],
                    )
                },
                refusals={409: ID_USED},
            )
        },
        "/v1/decisions/{transaction_id}": {
            "parameters": [
                {
                    "name": "transaction_id",
                    "in": "path",
                    "required": True,
                    "schema": id_schema,
                    "description": "percent-encoded; what it holds of slashes may be sent as it is",
                    "example": _ID,
                }
            ],
            "get": _operation(
                "decision",
                "Everything on record about one transaction",
                "read",
                {JSON: {"schema": _schema("Explanation")}},
                refusals={404: "no such transaction is on record"},
            ),
        },
        "/v1/model": {
            "get": _operation(
                "model",
                "What answers now, and how fresh it is",
                "read",
                {JSON: {"schema": _schema("ModelState")}},
            )
        },
        "/v1/admin/mode": {
            "post": _operation(
                "mode",
                "Force plan B, or release it; nothing is recorded where it is so already",
                "admin",
                {JSON: {"schema": _schema("ModeChanged")}},
                body={
                    JSON: _body(_schema("ModeChange"), drill={"mode": "model", "reason": "a drill"})
                },
            )
        },
        "/v1/admin/champion": {
            "post": _operation(
                "champion",
                "Serve the exported model in FRAUD_CHAMPION_DIR; the learner goes on from it",
                "admin",
                {JSON: {"schema": _schema("ChampionLoaded")}},
                refusals={
                    404: "FRAUD_CHAMPION_DIR is not set",
                    409: "the model is damaged or does not fit the settings",
                },
            )
        },
        **_report_paths(),
        "/metrics": {
            "get": _operation(
                "metrics", "For Prometheus", "read", {"text/plain": {"schema": {"type": "string"}}}
            )
        },
        "/healthz": {"get": _open("healthz", "The process runs")},
        "/readyz": {"get": _open("readyz", "Transactions are answered")},
        "/openapi.json": {"get": _open("openapi", "This document")},
    }


def _report_paths() -> dict[str, Any]:
    """Of drift reports."""
    number = {"type": "string", "pattern": "^[1-9][0-9]{0,8}$"}
    of_id = [{"name": "id", "in": "path", "required": True, "schema": number, "example": "1"}]
    unknown = {404: "no such report is kept"}

    def file(name: str, summary: str, media: str, kind: str) -> dict[str, Any]:
        content = {media: {"schema": {"type": kind}}}
        asked = _operation(name, summary, "read", content, refusals=unknown)
        return {"parameters": of_id, "get": asked}

    return {
        "/v1/admin/drift-report": {
            "post": _operation(
                "drift_report",
                "Begin to compare two stretches of time, by Evidently, in a process of its own",
                "admin",
                {JSON: {"schema": _schema("ReportState")}},
                body={JSON: {"schema": _schema("DriftReportAsked")}},
                refusals={409: "a report is being made already"},
                success=202,
            )
        },
        "/v1/reports": {
            "get": _operation(
                "reports",
                "The drift reports that are kept",
                "read",
                {JSON: {"schema": _schema("ReportStates")}},
            )
        },
        "/v1/reports/{id}": {
            "parameters": of_id,
            "get": _operation(
                "report",
                "What became of a drift report",
                "read",
                {JSON: {"schema": _schema("ReportState")}},
                refusals=unknown,
            ),
        },
        f"/reports/{{id}}/{PAGE}": file("report_page", "A drift report", "text/html", "string"),
        f"/reports/{{id}}/{FIGURES}": file("report_figures", "Its figures", JSON, "object"),
    }


def _operation(
    name: str,
    summary: str,
    scope: str,
    answer: dict[str, Any],
    body: dict[str, Any] | None = None,
    refusals: dict[int, str] | None = None,
    success: int = 200,
) -> dict[str, Any]:
    statuses = {*_ANY_REQUEST, *_WITH_KEY, *(_WITH_BODY if body else ())}
    responses: dict[int, Any] = {s: _ref("responses", _name(s)) for s in statuses}
    responses |= {status: _refused(status, words) for status, words in (refusals or {}).items()}
    done = "begun" if success == 202 else "done, and durable" if body else "as asked"
    responses[success] = {"description": done, "content": answer}
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "description": f"Needs a key with the scope `{scope}`.",
        "security": [{"key": []}],
        "responses": {str(status): responses[status] for status in sorted(responses)},
    }
    if body:
        operation["requestBody"] = {"required": True, "content": body}
    return operation


def _open(name: str, summary: str) -> dict[str, Any]:
    """A route without a key; its answer is a JSON object."""
    responses: dict[str, Any] = {
        str(status): _ref("responses", _name(status)) for status in _ANY_REQUEST
    }
    content = {JSON: {"schema": {"type": "object"}}}
    responses["200"] = {"description": "as asked", "content": content}
    return {"operationId": name, "summary": summary, "security": [], "responses": responses}


def _refused(status: int, words: str) -> dict[str, Any]:
    document = {"application/problem+json": {"schema": _schema("ProblemDocument")}}
    answer: dict[str, Any] = {"description": words, "content": document}
    header = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}.get(status)
    if header == "Retry-After":
        seconds = {"type": "integer", "minimum": 1}
        answer["headers"] = {header: {"schema": seconds, "description": "seconds"}}
    elif header:
        answer["headers"] = {header: {"schema": {"type": "string"}}}
    return answer


def _body(schema: dict[str, Any], **examples: Any) -> dict[str, Any]:
    return {
        "schema": schema,
        "examples": {name: {"value": value} for name, value in examples.items()},
    }


def _transaction(schema: Schema, suffix: str = "") -> dict[str, Any]:
    """A transaction that can be sent as it is, soon."""
    example: dict[str, Any] = {
        "transaction_id": _ID + suffix,
        "event_time": _MOMENT,
        "amount": 49.9,
    }
    example |= {name: f"{name}-1" for name in schema.entities}
    example |= dict.fromkeys(schema.numeric, 0.5)
    return example | {name: schema.categories.get(name, ("web",))[0] for name in schema.categorical}


def _arrow_table() -> dict[str, Any]:
    return {"type": "string", "format": "binary", "description": "an Arrow IPC stream"}


def _schema(name: str) -> dict[str, str]:
    return _ref("schemas", name)


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _name(status: int) -> str:
    """Of the component that describes answers of a status, e.g. NotFound."""
    return re.sub(r"\W", "", HTTPStatus(status).phrase)
