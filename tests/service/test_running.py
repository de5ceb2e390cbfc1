"""The whole service, from outside."""

from running import Running


def test_the_shared_service_answers(service: Running) -> None:
    known_time = service.client.get("/v1/model").json()["known_time"]
    sent = {
        "transaction_id": "running-1",
        "event_time": known_time,
        "amount": 49.9,
        "card": "running",
        "terminal": "running",
    }
    first = service.client.post("/v1/score", json=sent)
    assert first.status_code == 200, first.text
    assert first.json()["transaction_id"] == "running-1"
    assert service.client.post("/v1/score", json=sent).json() == first.json()
