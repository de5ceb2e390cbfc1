"""What each call sends and how its answer is read: everything that the sync and the async client share.

A `Call` is made from arguments and knows how to decode the body of a successful answer. No input or output
happens here, so this is also where another transport would begin.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sized
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from urllib.parse import quote

import msgspec

from fraud_system.errors import DataError
from serving.client.errors import ServiceError
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
    ScorerName,
    Source,
)

if TYPE_CHECKING:
    import pyarrow as pa

ARROW: Final = "application/vnd.apache.arrow.stream"
Transaction = Mapping[str, Any]
Result = TypeVar("Result")
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Health:
    """Of the service.

    Args:
        alive: it answers.
        ready: it can score now.
        problem: why not, in its words.
    """

    alive: bool
    ready: bool
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Call(Generic[Result]):
    """One request and how to read its answer.

    Args:
        method, path, body, headers: as HTTP has them.
        decode: of the body of a successful answer.
    """

    method: str
    path: str
    decode: Callable[[bytes], Result]
    body: bytes = b""
    headers: Mapping[str, str] | None = None


def score(
    transaction: Transaction | None, fields: Transaction, known_time: datetime | None
) -> Call[Decision]:
    """Score one transaction, given as a mapping, as keyword arguments, or both.

    >>> call = score({"transaction_id": "1"}, {"amount": float("nan"), "card": "c"}, None)
    >>> call.path, call.body
    ('/v1/score', b'{"transaction_id":"1","amount":null,"card":"c"}')
    """
    body = _json(_row({**(transaction or {}), **fields}))
    return Call("POST", "/v1/score", _decoder(Decision), body, _json_headers(known_time))


def score_batch(
    transactions: Iterable[Transaction], known_time: datetime | None
) -> Call[list[Decision | RowProblem]]:
    """Score many; the answer has an item for each, in order."""
    rows = [_row(each) for each in transactions]
    decode = _items(Decision, len(rows))
    return Call("POST", "/v1/score/batch", decode, _json(rows), _json_headers(known_time))


def score_table(table: "pa.Table", known_time: datetime | None) -> "Call[pa.Table]":
    """Score the rows of a table; the answer is a table of as many rows."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)

    def decode(body: bytes) -> Any:
        try:
            scored = pa.ipc.open_stream(body).read_all()
        except (pa.ArrowException, OSError) as error:
            raise msgspec.DecodeError(str(error)) from error
        _check_length(scored, len(table))
        return scored

    headers = {"content-type": ARROW, "accept": ARROW, **_known_time(known_time)}
    return Call("POST", "/v1/score/batch", decode, sink.getvalue().to_pybytes(), headers)


def label(
    transaction_id: str,
    is_fraud: bool,
    source: Source,
    label_id: str | None,
    known_time: datetime | None,
) -> Call[LabelReceipt]:
    """Report one transaction, or with is_fraud=False take a report back."""
    body = _json(
        Label(transaction_id=transaction_id, is_fraud=is_fraud, source=source, label_id=label_id)
    )
    return Call("POST", "/v1/labels", _decoder(LabelReceipt), body, _json_headers(known_time))


def label_many(
    labels: Iterable[Label | Mapping[str, Any]], known_time: datetime | None
) -> Call[list[LabelReceipt | RowProblem]]:
    """Report many; the answer has an item for each, in order."""
    rows = list(labels)
    decode = _items(LabelReceipt, len(rows))
    return Call("POST", "/v1/labels", decode, _json(rows), _json_headers(known_time))


def decision(transaction_id: str) -> Call[Explanation]:
    """Everything on record about one decision.

    >>> decision("a/b").path, decision("..").path
    ('/v1/decisions/a%2Fb', '/v1/decisions/%2E%2E')
    """
    # Dots are legal in a path, but ".." alone would be taken for the parent.
    name = quote(transaction_id, safe="").replace(".", "%2E")
    return Call("GET", f"/v1/decisions/{name}", _decoder(Explanation))


def model() -> Call[ModelState]:
    """What scores now."""
    return Call("GET", "/v1/model", _decoder(ModelState))


def ready() -> Call[Health]:
    """Whether the service can score now."""
    return Call("GET", "/readyz", lambda body: Health(alive=True, ready=True))


def ill(error: ServiceError) -> Health:
    """What it means that the service did not say that it is ready."""
    return Health(alive=error.status > 0, ready=False, problem=str(error))


def mode(wanted: ScorerName, reason: str) -> Call[ModeChanged]:
    """Force plan B (`heuristic`), or release it (`model`)."""
    body = _json(ModeChange(wanted, reason))
    return Call("POST", "/v1/admin/mode", _decoder(ModeChanged), body, _json_headers(None))


def reload_champion() -> Call[ChampionLoaded]:
    """Read the exported champion again."""
    return Call("POST", "/v1/admin/champion", _decoder(ChampionLoaded))


def _json_headers(known_time: datetime | None) -> dict[str, str]:
    return {"content-type": "application/json", **_known_time(known_time)}


def _known_time(known_time: datetime | None) -> dict[str, str]:
    """The header that moves the clock of a service with FRAUD_CLOCK=traffic."""
    if known_time is None:
        return {}
    if known_time.tzinfo is None:
        raise DataError("has no offset", field="known_time", fix="give it a tzinfo, such as UTC")
    return {"known-time": known_time.isoformat()}


def _row(transaction: Transaction) -> Transaction:
    """The same, unless it holds what JSON would silently turn into a missing value."""
    for name, value in transaction.items():
        if isinstance(value, float) and math.isinf(value):
            raise DataError("is infinite", field=name, fix="send a finite number, or None")
    return transaction


def _plain(value: Any) -> Any:
    """What msgspec cannot encode itself: numpy's scalars, and pandas' kind of datetime."""
    if isinstance(value, datetime):
        return value.isoformat()
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"a {type(value).__name__} is no JSON")


_encoder = msgspec.json.Encoder(enc_hook=_plain, decimal_format="number")


def _json(value: Any) -> bytes:
    try:
        return _encoder.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise DataError(
            f"cannot be sent as JSON: {error}",
            field="transaction or label",
            fix="give texts, numbers, datetimes or None by the names of the schema",
        ) from error


def _decoder(kind: type[Result]) -> Callable[[bytes], Result]:
    return msgspec.json.Decoder(kind).decode


def _items(kind: type[Item], rows: int) -> Callable[[bytes], list[Item | RowProblem]]:
    """Of an array of so many items, any of which may be a problem instead."""

    def decode(body: bytes) -> list[Item | RowProblem]:
        items: list[Item | RowProblem]
        try:
            items = msgspec.json.decode(body, type=list[kind])  # type: ignore[valid-type]
        except msgspec.ValidationError:
            items = [
                _item(each, kind) for each in msgspec.json.decode(body, type=list[msgspec.Raw])
            ]
        _check_length(items, rows)
        return items

    return decode


def _item(raw: msgspec.Raw, kind: type[Item]) -> Item | RowProblem:
    if "problem" in msgspec.json.decode(raw, type=dict[str, msgspec.Raw]):
        return msgspec.json.decode(raw, type=RowProblem)
    return msgspec.json.decode(raw, type=kind)


def _check_length(items: Sized, rows: int) -> None:
    if len(items) != rows:
        raise msgspec.DecodeError(f"{len(items)} items for {rows} rows")
