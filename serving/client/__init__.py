"""A Python client of the scorer, sync (`FraudClient`) and async (`AsyncFraudClient`).

    with FraudClient("http://127.0.0.1:8000", api_key=key) as service:
        decision = service.score(transaction_id="1", event_time=now, amount=49.9, card="c", terminal="t")
        service.label("1", is_fraud=True, source="chargeback", label_id="cb-77")

Reading order: `calls` (what is sent and how answers are read), `attempts` (when it is sent again, and when
that ends), `shared`, then the input and output: `client` and `async_client`. `errors` is the small tree.

It repeats what failed in passing, which is safe: the service knows a transaction or a report by its id, and
a repetition gets the first answer. It needs httpx and msgspec, for tables pyarrow, and nothing of the rest of
the system but the types on the wire.
"""

from serving.client.async_client import AsyncFraudClient
from serving.client.attempts import Retry
from serving.client.calls import Health
from serving.client.client import FraudClient
from serving.client.errors import AnswerNotUsable, ServiceError, ServiceUnavailable

__all__ = [
    "AnswerNotUsable",
    "AsyncFraudClient",
    "FraudClient",
    "Health",
    "Retry",
    "ServiceError",
    "ServiceUnavailable",
]
