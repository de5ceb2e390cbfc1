"""What the scorer is compared with, under the same uvicorn settings: routes that do nothing.

`python -m benchmarks.serve.contenders fastapi PORT` serves an empty FastAPI route as one would write it, and
one that takes a list of transactions by pydantic; `asgi` serves an empty application without any framework.
"""

import argparse
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI
from pydantic import AwareDatetime, BaseModel, Field

Text = Annotated[str, Field(min_length=1, max_length=256)]
_EMPTY = b"{}"


class Transaction(BaseModel):
    """The fields of the simulator's transaction, with the scorer's bounds."""

    transaction_id: Annotated[str, Field(min_length=1, max_length=64)]
    event_time: AwareDatetime
    amount: Annotated[float, Field(ge=0.0, le=1e15, allow_inf_nan=False)]
    card: Text | None = None
    terminal: Text | None = None
    channel: Text | None = None


def fastapi_app() -> FastAPI:
    """An empty route, and an empty one of a list."""
    app = FastAPI()

    @app.post("/v1/score")
    async def score() -> dict[str, str]:
        return {}

    @app.post("/v1/score/batch")
    async def score_batch(rows: list[Transaction]) -> dict[str, str]:
        return {}

    return app


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    """Answers every request with an empty object; `lifespan` is off."""
    start = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_EMPTY))]
    await send({"type": "http.response.start", "status": 200, "headers": start})
    await send({"type": "http.response.body", "body": _EMPTY})


def main() -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=("fastapi", "asgi"))
    parser.add_argument("port", type=int)
    given = parser.parse_args()
    app: Any = fastapi_app() if given.name == "fastapi" else asgi_app
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=given.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
    )


if __name__ == "__main__":
    main()
