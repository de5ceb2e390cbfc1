"""Both clients against the service itself."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from running import Running

from serving.client import AsyncFraudClient, FraudClient, Health, Retry, ServiceError
from serving.configuration import Configuration
from serving.wire import Decision, Explanation, LabelReceipt, RowProblem

Ask = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def ask(service: Running, kind: str) -> Ask:
    """Calls one method of a client of the running service."""

    def ask_sync(method: str, *arguments: Any, **options: Any) -> Any:
        with FraudClient(service.url) as client:
            return getattr(client, method)(*arguments, **options)

    def ask_async(method: str, *arguments: Any, **options: Any) -> Any:
        async def asked() -> Any:
            async with AsyncFraudClient(service.url) as client:
                return await getattr(client, method)(*arguments, **options)

        return asyncio.run(asked())

    return ask_sync if kind == "sync" else ask_async


@pytest.fixture
def payment(ask: Ask, kind: str) -> dict[str, Any]:
    """A payment that happens now, by the service's clock."""
    return {
        "transaction_id": f"client-{kind}",
        "event_time": ask("model").known_time,
        "amount": 49.9,
        "card": f"client-{kind}",
        "terminal": "client",
        "channel": "online",
    }


def refused(ask: Ask, *arguments: Any, **options: Any) -> ServiceError:
    with pytest.raises(ServiceError) as told:
        ask(*arguments, **options)
    return told.value


def test_the_life_of_a_payment(ask: Ask, payment: dict[str, Any]) -> None:
    assert ask("health") == Health(alive=True, ready=True)
    name = payment["transaction_id"]
    later = payment["event_time"] + timedelta(seconds=1)
    first = ask("score", payment, known_time=later)
    assert isinstance(first, Decision)
    assert first.known_time >= later
    assert ask("score", payment) == first
    error = refused(ask, "score", payment, amount=50.0)
    assert (error.status, error.field) == (409, "transaction_id")
    assert error.fix

    report = {"is_fraud": True, "source": "chargeback", "label_id": f"{name}/cb-1"}
    receipt = ask("label", name, **report)
    assert isinstance(receipt, LabelReceipt)
    assert receipt.outcome == "fraud_joined"
    assert ask("label", name, **report) == receipt
    assert refused(ask, "label", name, **report | {"is_fraud": False}).status == 409
    back = {"transaction_id": name, "is_fraud": False, "source": "chargeback"}
    (taken_back,) = ask("label_many", [back])
    assert taken_back.outcome == "reversal_joined"

    found = ask("decision", name)
    assert isinstance(found, Explanation)
    assert found.decision == first
    assert [each.seq for each in found.labels] == [receipt.seq, taken_back.seq]
    assert found.status == "reversed"
    assert refused(ask, "decision", f"{name}-unknown").status == 404


@pytest.mark.parametrize("name", ["a/b", "/", "..", "é?#%", "a b+c&d=e", "%2F"])
def test_any_id_can_be_looked_up(ask: Ask, payment: dict[str, Any], kind: str, name: str) -> None:
    unusual = payment | {"transaction_id": name if kind == "sync" else f"{name}{name}"}
    scored = ask("score", unusual)
    assert ask("decision", unusual["transaction_id"]).decision == scored


def test_a_batch_answers_each_row_for_itself(ask: Ask, payment: dict[str, Any]) -> None:
    name = payment["transaction_id"]
    rows = [payment | {"transaction_id": f"{name}-{row}"} for row in range(3)]
    answers = ask("score_batch", [*rows, rows[1] | {"amount": 1.0}])
    assert [type(each) for each in answers] == [Decision, Decision, Decision, RowProblem]
    assert answers[3].problem.status == 409
    assert ask("score_batch", rows) == answers[:3]
    assert refused(ask, "score_batch", [rows[0] | {"amount": -1.0}]).field == "[0].amount"

    table = ask("score_table", pa.Table.from_pylist(rows))
    assert table["transaction_id"].to_pylist() == [row["transaction_id"] for row in rows]
    assert table["probability"].to_pylist() == [each.probability for each in answers[:3]]


def test_plan_b_can_be_forced_and_released(ask: Ask, payment: dict[str, Any]) -> None:
    name = payment["transaction_id"]
    try:
        assert ask("force_heuristic", "a test").mode == "heuristic"
        scored = ask("score", payment, transaction_id=f"{name}-by-plan-b")
        assert scored.scorer == "heuristic"
        assert ask("model").mode == "heuristic"
    finally:
        assert ask("release", "the test is over").mode == "model"
    assert ask("score", payment, transaction_id=f"{name}-by-model").scorer == "model"
    assert refused(ask, "reload_champion").field == "FRAUD_CHAMPION_DIR"


def test_the_services_own_word_on_a_field_arrives(ask: Ask, payment: dict[str, Any]) -> None:
    naive = payment["event_time"].replace(tzinfo=None)
    error = refused(ask, "score", payment, event_time=naive)
    assert (error.status, error.field) == (422, "event_time")
    assert "offset" in error.fix
    error = refused(ask, "score", payment, card="")
    assert (error.status, error.field) == (422, "card")


def test_the_service_gives_up_before_the_client_does() -> None:
    assert Retry().attempt_s > Configuration(demo=True).answer_timeout_s
