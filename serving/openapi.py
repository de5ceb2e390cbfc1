"""The OpenAPI document, made from the types of `wire`: it cannot say anything else than the code checks."""

from typing import Any

import msgspec

from fraud_system.schema import Schema
from serving.problems import ProblemDocument
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

ARROW = "application/vnd.apache.arrow.stream"
_REF = "#/components/schemas/{name}"
_STATUSES = {
    400: "the request is no JSON, or a header is wrong",
    401: "no key, or one that is not known",
    403: "the key does not allow this",
    404: "not on record",
    408: "the request came too slowly",
    409: "the id was used before, with other content; or the model does not fit",
    413: "too large",
    415: "neither JSON nor Arrow, or compressed",
    422: "a field is wrong",
    429: "too many requests with this key",
    503: "starting, busy, or the ledger cannot be written; send it again",
}
_OFTEN = (401, 403, 429, 503)
_WITH_BODY = (400, 408, 413, 415, 422)


def openapi(schema: Schema) -> dict[str, Any]:
    """The document of a scorer of one data set, OpenAPI 3.1."""
    transaction = transaction_type(schema)
    kinds = [
        transaction,
        Decision,
        Label,
        LabelReceipt,
        Explanation,
        ModelState,
        ModeChange,
        ModeChanged,
        ChampionLoaded,
        RowProblem,
        ProblemDocument,
    ]
    _, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    components["Transaction"]["examples"] = [_example(schema)]
    components["Label"]["examples"] = [
        {"transaction_id": "payment-000001", "is_fraud": True, "source": "chargeback"}
    ]
    components["ModeChange"]["examples"] = [{"mode": "heuristic", "reason": "a drill"}]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Fraud scorer",
            "version": "1",
            "description": "A calibrated probability of fraud, the expected loss and an action for each"
            " transaction; reports of fraud days later. What is acknowledged is durable. Times are"
            " RFC 3339 with an offset. Errors are problem documents (RFC 9457) that name field and fix.",
        },
        "paths": _paths(components),
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _paths(components: dict[str, Any]) -> dict[str, Any]:
    one, label = _ref("Transaction"), _ref("Label")
    answers = {"type": "array", "items": {"anyOf": [_ref("Decision"), _ref("RowProblem")]}}
    receipts = {"type": "array", "items": {"anyOf": [_ref("LabelReceipt"), _ref("RowProblem")]}}
    table = {"type": "string", "format": "binary", "description": "an Arrow IPC stream"}
    name = {
        "name": "transaction_id",
        "in": "path",
        "required": True,
        "schema": components["Transaction"]["properties"]["transaction_id"],
    }
    return {
        "/v1/score": {
            "post": _operation(
                "score",
                "Score one transaction",
                "score",
                _ref("Decision"),
                body={"application/json": one},
                more=(409,),
            )
        },
        "/v1/score/batch": {
            "post": _operation(
                "score_batch",
                "Score many transactions; each is answered or refused for itself, in their order",
                "score",
                answers,
                body={"application/json": {"type": "array", "items": one}, ARROW: table},
                answer_also={ARROW: table},
            )
        },
        "/v1/labels": {
            "post": _operation(
                "label",
                "Report fraud, or take a report back; one or many",
                "label",
                {"anyOf": [_ref("LabelReceipt"), receipts]},
                body={"application/json": {"anyOf": [label, {"type": "array", "items": label}]}},
                more=(409,),
            )
        },
        "/v1/decisions/{transaction_id}": {
            "parameters": [name],
            "get": _operation(
                "decision",
                "Everything on record about one transaction",
                "read",
                _ref("Explanation"),
                more=(404,),
            ),
        },
        "/v1/model": {
            "get": _operation(
                "model", "What answers now, and how fresh it is", "read", _ref("ModelState")
            )
        },
        "/v1/admin/mode": {
            "post": _operation(
                "mode",
                "Force plan B, or release it",
                "admin",
                _ref("ModeChanged"),
                body={"application/json": _ref("ModeChange")},
            )
        },
        "/v1/admin/champion": {
            "post": _operation(
                "champion",
                "Serve the exported model in FRAUD_CHAMPION_DIR; the learner goes on from it",
                "admin",
                _ref("ChampionLoaded"),
                more=(404, 409),
            )
        },
        "/healthz": {"get": _plain("healthz", "The process runs", {200: "it does"})},
        "/readyz": {
            "get": _plain("readyz", "Transactions are answered", {200: "they are", 503: "not now"})
        },
        "/metrics": {
            "get": _operation("metrics", "For Prometheus", "read", None, answer_text=True)
        },
    }


def _operation(
    name: str,
    summary: str,
    scope: str,
    answer: Any,
    body: dict[str, Any] | None = None,
    more: tuple[int, ...] = (),
    answer_also: dict[str, Any] | None = None,
    answer_text: bool = False,
) -> dict[str, Any]:
    content = {"application/json": {"schema": answer}} if answer else {}
    if answer_text:
        content = {"text/plain": {"schema": {"type": "string"}}}
    content |= {media: {"schema": each} for media, each in (answer_also or {}).items()}
    statuses = sorted({*_OFTEN, *more, 400, *(_WITH_BODY if body else ())})
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "description": f"Needs a key with the scope `{scope}`.",
        "security": [{"key": []}],
        "responses": {"200": {"description": "done, and durable", "content": content}}
        | {str(status): _problem(status) for status in statuses},
    }
    if body:
        operation["requestBody"] = {
            "required": True,
            "content": {media: {"schema": each} for media, each in body.items()},
        }
    return operation


def _plain(name: str, summary: str, statuses: dict[int, str]) -> dict[str, Any]:
    """A route without a key."""
    return {
        "operationId": name,
        "summary": summary,
        "responses": {
            str(status): {"description": words} if status == 200 else _problem(status)
            for status, words in statuses.items()
        },
    }


def _problem(status: int) -> dict[str, Any]:
    document = {"application/problem+json": {"schema": _ref("ProblemDocument")}}
    answer: dict[str, Any] = {"description": _STATUSES[status], "content": document}
    if status in (429, 503):
        answer["headers"] = {
            "Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}
        }
    return answer


def _ref(name: str) -> dict[str, str]:
    return {"$ref": _REF.format(name=name)}


def _example(schema: Schema) -> dict[str, Any]:
    """A transaction that could be sent as it is, but for its time."""
    example: dict[str, Any] = {
        "transaction_id": "payment-000001",
        "event_time": "2026-01-31T12:00:00Z",
        "amount": 49.9,
    }
    example |= {name: f"{name}-1" for name in schema.entities}
    example |= dict.fromkeys(schema.numeric, 0.5)
    return example | {name: schema.categories.get(name, ("web",))[0] for name in schema.categorical}
