"""What both clients send, how they read the answers, and what they refuse."""

import json
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from client_asks import (
    DECISION,
    NOON,
    PAYMENT,
    PROBLEM,
    Ask,
    Service,
    answer,
    ask_async,
    ask_sync,
)
from hypothesis import given
from hypothesis import strategies as st
from pretend_scorer import MODEL

from fraud_system.errors import ConfigError, DataError
from serving.client import AnswerNotUsable, AsyncFraudClient, FraudClient, Health
from serving.wire import (
    ChampionLoaded,
    Decision,
    Explanation,
    Label,
    LabelReceipt,
    ModeChanged,
    ModelState,
    RowProblem,
)

OK = answer(200, DECISION)
RECEIPT = {
    "transaction_id": "1",
    "label_id": "cb-1",
    "outcome": "fraud_joined",
    "known_time": "2026-01-31T12:00:00Z",
    "seq": 8,
}
EXPLANATION = {
    "decision": DECISION,
    "event_time": "2026-01-31T12:00:00Z",
    "amount": 49.9,
    "entities": {"card": "00000000000000ff", "terminal": None},
    "categories": {"channel": "00000000000000fe"},
    "numeric": {},
    "probability_model": 0.25,
    "probability_heuristic": 0.1,
    "probability_constant": 0.01,
    "contributions": [{"name": "n", "words": "w", "value": 1.0, "contribution": 0.5}],
    "labels": [],
    "status": "open",
}


@pytest.fixture(params=[ask_sync, ask_async], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    return request.param


@pytest.mark.parametrize(
    ("method", "arguments", "options", "line", "body", "told", "kind"),
    [
        (
            "score",
            (PAYMENT,),
            {"terminal": "t", "known_time": NOON},
            "POST /v1/score",
            {**PAYMENT, "event_time": "2026-01-31T12:00:00Z", "terminal": "t"},
            DECISION,
            Decision,
        ),
        (
            "label",
            ("1",),
            {"is_fraud": True, "source": "chargeback", "label_id": "cb-1", "known_time": NOON},
            "POST /v1/labels",
            {"transaction_id": "1", "is_fraud": True, "source": "chargeback", "label_id": "cb-1"},
            RECEIPT,
            LabelReceipt,
        ),
        (
            "decision",
            ("a/b ü",),
            {},
            "GET /v1/decisions/a%2Fb%20%C3%BC",
            None,
            EXPLANATION,
            Explanation,
        ),
        ("model", (), {}, "GET /v1/model", None, MODEL, ModelState),
        ("health", (), {}, "GET /readyz", None, {}, Health),
        (
            "force_heuristic",
            ("drill",),
            {},
            "POST /v1/admin/mode",
            {"mode": "heuristic", "reason": "drill"},
            {"mode": "heuristic", "seq": 9},
            ModeChanged,
        ),
        (
            "release",
            ("over",),
            {},
            "POST /v1/admin/mode",
            {"mode": "model", "reason": "over"},
            {"mode": "model", "seq": 10},
            ModeChanged,
        ),
        (
            "reload_champion",
            (),
            {},
            "POST /v1/admin/champion",
            None,
            {"weights_version": 4, "seq": 11},
            ChampionLoaded,
        ),
    ],
)
def test_each_call_says_what_is_documented_and_reads_the_answer(
    ask: Ask,
    method: str,
    arguments: tuple[Any, ...],
    options: dict[str, Any],
    line: str,
    body: Any,
    told: Any,
    kind: type,
) -> None:
    service = Service(answer(200, told))
    result = ask(service, method, *arguments, api_key="key-1.secret", **options)
    (sent,) = service.sent
    assert f"{sent.method} {sent.url.raw_path.decode()}" == line
    if body is None:
        assert sent.content == b""
    else:
        assert sent.headers["content-type"] == "application/json"
        assert json.loads(sent.content) == json.loads(json.dumps(body, default=str)) | (
            {"event_time": body["event_time"]} if "event_time" in body else {}
        )
    assert sent.headers["authorization"] == "Bearer key-1.secret"
    assert sent.headers["accept-encoding"] == "identity"
    known_time = "2026-01-31T12:00:00+00:00" if "known_time" in options else None
    assert sent.headers.get("known-time") == known_time
    assert type(result) is kind
    if kind is Decision:
        assert (result.probability, result.known_time) == (0.25, NOON)
    if kind is Health:
        assert result == Health(alive=True, ready=True)


def test_a_batch_gives_a_decision_or_a_refusal_for_each_row(ask: Ask) -> None:
    told = [DECISION, {"transaction_id": "2", "problem": PROBLEM}, DECISION]
    first, second, third = ask(Service(answer(200, told)), "score_batch", iter([PAYMENT] * 3))
    assert (type(first), type(third)) == (Decision, Decision)
    assert isinstance(second, RowProblem)
    assert (second.transaction_id, second.problem.field) == ("2", "transaction_id")
    both = ask(Service(answer(200, [DECISION] * 2)), "score_batch", [PAYMENT] * 2)
    assert [type(each) for each in both] == [Decision, Decision]
    for method in ("score_batch", "label_many"):
        with pytest.raises(AnswerNotUsable, match="0 items for 2 rows"):
            ask(Service(answer(200, [])), method, [{}, {}])


def test_many_labels_are_structs_or_mappings(ask: Ask) -> None:
    service = Service(answer(200, [RECEIPT, {"transaction_id": "2", "problem": PROBLEM}]))
    labels = [
        Label(transaction_id="1", is_fraud=True, source="review"),
        {"transaction_id": "2", "is_fraud": False, "source": "user_report", "label_id": "u"},
    ]
    first, second = ask(service, "label_many", labels, known_time=NOON)
    assert json.loads(service.sent[0].content) == [
        {"transaction_id": "1", "is_fraud": True, "source": "review", "label_id": None},
        {"transaction_id": "2", "is_fraud": False, "source": "user_report", "label_id": "u"},
    ]
    assert first.outcome == "fraud_joined"
    assert isinstance(second, RowProblem)


def stream_of(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def test_a_table_goes_and_comes_as_arrow(ask: Ask) -> None:
    table = pa.table({"transaction_id": ["1", "2"], "amount": [1.0, None]})
    scored = pa.table({"transaction_id": ["1", "2"], "probability": [0.5, 0.25]})
    service = Service(httpx.Response(200, content=stream_of(scored)))
    assert ask(service, "score_table", table).equals(scored)
    (sent,) = service.sent
    assert sent.headers["content-type"] == "application/vnd.apache.arrow.stream"
    assert pa.ipc.open_stream(sent.content).read_all().equals(table)
    for broken in (b"", b"[]", stream_of(scored)[:-40], stream_of(scored.slice(1))):
        with pytest.raises(AnswerNotUsable):
            ask(Service(httpx.Response(200, content=broken)), "score_table", table)


def test_numbers_and_times_of_other_libraries_are_sent_as_plain_ones(ask: Ask) -> None:
    service = Service(OK)
    ask(
        service,
        "score",
        event_time=pd.Timestamp("2026-01-31T12:00:00.5Z"),
        amount=Decimal("49.90"),
        distance=np.float32(0.5),
        count=np.int64(3),
        missing=float("nan"),
        also_missing=None,
        moved=datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=2))),
    )
    assert json.loads(service.sent[0].content) == {
        "event_time": "2026-01-31T12:00:00.500000+00:00",
        "amount": 49.9,
        "distance": 0.5,
        "count": 3,
        "missing": None,
        "also_missing": None,
        "moved": "2026-01-31T12:00:00+02:00",
    }


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"amount": float("inf")}, "amount"),
        ({"amount": np.float64("-inf")}, "amount"),
        ({"card": "\ud800"}, "transaction or label"),
        ({"card": 1j}, "transaction or label"),
        ({"card": {(): 4}}, "transaction or label"),
        ({"known_time": datetime(2026, 1, 31)}, "known_time"),
    ],
    ids=repr,
)
def test_what_is_no_json_is_not_sent(ask: Ask, fields: dict[str, Any], named: str) -> None:
    service = Service(OK)
    with pytest.raises(DataError) as told:
        ask(service, "score", transaction_id="1", **fields)
    assert told.value.field == named
    assert not service.sent


@pytest.mark.parametrize(
    ("failure", "alive", "told"),
    [
        (answer(503, {"detail": "is starting"}), True, "is starting"),
        (answer(401, {"title": "Unauthorized"}), True, "Unauthorized"),
        (httpx.Response(502, text="<html>proxy"), True, "<html>proxy"),
        (httpx.ConnectError("refused"), False, "refused"),
    ],
    ids=["starting", "unauthorized", "proxy", "refused"],
)
def test_health_asks_once_and_raises_nothing(
    ask: Ask, failure: httpx.Response | Exception, alive: bool, told: str
) -> None:
    service = Service(failure)
    health = ask(service, "health")
    assert (health.alive, health.ready) == (alive, False)
    assert told in health.problem
    assert len(service.sent) == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"\xff", b'{"seq": "7"}', b"[" * 100_000, b"[1]", b'[{"seq": 1}]', b"null"],
    ids=lambda body: repr(body[:12]),
)
@pytest.mark.parametrize("method", ["score", "score_batch"])
def test_a_success_that_is_not_the_documented_one_is_told(
    ask: Ask, method: str, body: bytes
) -> None:
    service = Service(httpx.Response(200, content=body))
    with pytest.raises(AnswerNotUsable) as told:
        ask(service, method, PAYMENT if method == "score" else [PAYMENT])
    assert told.value.status == 200
    assert len(service.sent) == 1


def test_an_answer_is_bounded(ask: Ask) -> None:
    service = Service(httpx.Response(200, content=b" " * 1001))
    with pytest.raises(AnswerNotUsable, match="1,000 bytes"):
        ask(service, "score", PAYMENT, max_answer_bytes=1000)
    packed = httpx.Response(200, headers={"content-encoding": "unknown"}, content=b"x")
    with pytest.raises(AnswerNotUsable, match="compressed"):
        ask(Service(packed), "score", PAYMENT)


@given(st.text(min_size=1, max_size=20).filter(str.isprintable))
def test_any_id_arrives_as_one_part_of_the_path(transaction_id: str) -> None:
    service = Service(answer(200, EXPLANATION))
    ask_sync(service, "decision", transaction_id, url="http://test/prefix/")
    path = service.sent[0].url.raw_path.decode()
    assert path.startswith("/prefix/v1/decisions/")
    assert path.count("/") == 4
    assert unquote(path.rpartition("/")[2]) == transaction_id


@pytest.mark.parametrize("kind", [FraudClient, AsyncFraudClient])
@pytest.mark.parametrize(
    ("url", "options", "field"),
    [
        ("127.0.0.1:8000", {}, "url"),
        ("ftp://host", {}, "url"),
        ("http://", {}, "url"),
        ("http://host/?a=b", {}, "url"),
        ("http://host:port", {}, "url"),
        ("http://host", {"connections": 0}, "connections"),
        ("http://host", {"api_key": ""}, "api_key"),
        ("http://host", {"api_key": "a\nb"}, "api_key"),
        ("http://host", {"api_key": "ä"}, "api_key"),
    ],
)
def test_mistakes_of_configuration_are_told_by_name(
    kind: type, url: str, options: dict[str, Any], field: str
) -> None:
    with pytest.raises(ConfigError) as told:
        kind(url, **options)
    assert told.value.field == field
    assert "secret" not in repr(FraudClient("http://host", api_key="secret"))


def test_the_client_brings_neither_compiler_nor_models() -> None:
    script = "import sys, serving.client; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "serving.client.client" in modules
    heavy = {"numba", "river", "sklearn", "scipy", "pandas", "pyarrow", "fastapi", "pydantic"}
    assert not heavy & set(modules)
