"""Bodies that no honest client sends: a problem names field and fix, or they are taken for what they say."""

import json
from typing import Any

import httpx
import pytest
from guarded import MAX_BATCH_ROWS, Guarded, assert_problem, moment, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

HALF = rb"\ud800"  # of a surrogate pair


def post(guarded: Guarded, path: str, body: bytes) -> httpx.Response:
    return guarded.running.client.post(path, content=body, headers=guarded.headers())


def with_raw(field: str, raw: bytes) -> bytes:
    """A good transaction but for one field, which is spelled so."""
    rest = {name: value for name, value in transaction().items() if name != field}
    return json.dumps(rest).encode()[:-1] + b',"' + field.encode() + b'":' + raw + b"}"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"NaN", 400),
        (b"Infinity", 400),
        (b"-Infinity", 400),
        (b"+1", 400),
        (b"01", 400),
        (b"1.", 400),
        (b"0x10", 400),
        (b"1e400", 422),
        (b"-1e400", 422),
        (b"1" * 10_000, 422),
        (b"1e" + b"9" * 500, 422),
        (b"1.0000001e15", 422),
        (b"-1e-9", 422),
        (b'"5"', 422),
        (b"true", 422),
        (b"null", 422),
        (b"[1]", 422),
        (b"-0", 200),
        (b"-0.0", 200),
        (b"1e-400", 200),
        (b"0." + b"1" * 10_000, 200),
        (b"1e15", 200),
    ],
)
def test_amounts(guarded: Guarded, raw: bytes, status: int) -> None:
    answer = post(guarded, "/v1/score", with_raw("amount", raw))
    if status == 200:
        assert answer.status_code == 200
        assert 0.0 <= answer.json()["expected_loss"] <= 1e15
        assert "-" not in str(answer.json()["expected_loss"]).partition("e")[0]
    else:
        assert_problem(answer, status, "amount" if status == 422 else "body")


@pytest.mark.parametrize("field", ["transaction_id", "card", "channel"])
@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b'""', 422),
        (b"7", 422),
        (rb'"\u0000"', 422),
        (rb'"a\n"', 422),
        (rb'"a\r\nX: y"', 422),
        (rb'"\u007f"', 422),
        (b'"' + b"x" * 257 + b'"', 422),
        (b'"\x00"', 400),
        (b'"' + HALF + b'"', 400),
        (rb'"\udc00\ud800"', 400),
        (b'"\xff"', 400),  # Latin-1
        (b'"\xc0\x80"', 400),  # too long a form of NUL
        (b'"\xed\xa0\x80"', 400),  # a surrogate
        (b'"\xf4\x90\x80\x80"', 400),  # beyond Unicode
        (b'"a', 400),
    ],
)
def test_texts(guarded: Guarded, field: str, raw: bytes, status: int) -> None:
    answer = post(guarded, "/v1/score", with_raw(field, raw))
    assert_problem(answer, status, field if status == 422 else "body")


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("a" * 64, 200),
        ("a" * 65, 422),
        ("é" * 32, 200),
        ("é" * 33, 422),
        ("💥" * 16, 200),
        ("💥" * 17, 422),
    ],
)
def test_ids_are_bounded_in_bytes(guarded: Guarded, name: str, status: int) -> None:
    answer = guarded.score(transaction_id=name, event_time="2026-01-01T00:00:00Z")
    # Otherwise the time is wrong: nothing is stored.
    assert_problem(answer, 422, "event_time" if status == 200 else "transaction_id")
    for path in ("/v1/score/batch", "/v1/labels"):
        rows = [transaction(), transaction(transaction_id=name)]
        if path == "/v1/labels":
            rows = [
                {"transaction_id": each["transaction_id"], "is_fraud": True, "source": "review"}
                for each in rows
            ]
        answer = post(guarded, path, json.dumps(rows).encode())
        if status == 200:
            assert [each["transaction_id"] for each in answer.json()][1] == name
        else:
            assert_problem(answer, 422, "[1].transaction_id")


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",  # before the year 1
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-12:00",  # after the year 9999
        "2016-12-31T23:59:60Z",  # a leap second
        "0000-01-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-01T00:00:00",
        "2026-01-01",
        "2026-01-01T00:00:00+99:00",
        "1700000000",
        "२०२६-01-01T00:00:00Z",
        "",
    ],
)
def test_times(guarded: Guarded, text: str) -> None:
    assert_problem(guarded.score(event_time=text), 422, "event_time")


def test_times_may_be_a_day_late_and_five_minutes_ahead(guarded: Guarded) -> None:
    for seconds, limit in ((-86_460, "86400 s"), (360, "300 s")):
        answer = guarded.score(event_time=moment(seconds))
        assert_problem(answer, 422, "event_time")
        assert limit in answer.json()["fix"]
    for text in (moment(-86_000), moment(240), moment().replace("+00:00", "z")):
        assert guarded.score(event_time=text).status_code == 200


GOOD = json.dumps(transaction())


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"", 400, "body"),
        (b"  ", 400, "body"),
        (b"null", 422, "body"),
        (b"[]", 422, "body"),
        (b'"a"', 422, "body"),
        (b"{}", 422, "transaction_id"),
        (b"\xef\xbb\xbf" + GOOD.encode(), 400, "body"),
        (GOOD.encode("utf-16"), 400, "body"),
        (GOOD.encode("utf-16-le"), 400, "body"),
        (GOOD.encode("utf-32"), 400, "body"),
        (GOOD.encode() + b"x", 400, "body"),
        (GOOD.encode() * 2, 400, "body"),
        (b"/**/" + GOOD.encode(), 400, "body"),
        (b"[" * 60_000, 422, "body"),
        (b'{"a":' * 10_000, 422, "a"),
        (b'{"card":' + b"[" * 60_000, 422, "card"),
        (b'{"' + b"k" * 200 + b'":1}', 422, "k" * 200),
        (rb'{"a\u0000\n": 1}', 422, "a\0\n"),
        (b'{"transaction_id":"' + b"x" * 60_000 + b'"}', 422, "transaction_id"),
        (b" " * 10_000_000, 413, "body"),
        (b"[" + b"0," * 5_000_000 + b"0]", 413, "body"),
    ],
)
def test_bodies(guarded: Guarded, body: bytes, status: int, field: str) -> None:
    assert_problem(post(guarded, "/v1/score", body), status, field)


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"", 400, "body"),
        (b"{}", 422, "body"),
        (b"[null]", 422, "[0]"),
        (b"[[]]", 422, "[0]"),
        (b"[" * 1_000_000, 422, "[0]"),
        (b"[" + b"0," * 500_000 + b"0]", 422, "[0]"),
        (b"[" + b",".join([GOOD.encode()] * (MAX_BATCH_ROWS + 1)) + b"]", 413, "body"),
        (b"[" + GOOD.encode() + b',{"transaction_id": 1}]', 422, "[1].transaction_id"),
        (b" " * 10_000_000, 413, "body"),
    ],
)
def test_batches(guarded: Guarded, body: bytes, status: int, field: str) -> None:
    assert_problem(post(guarded, "/v1/score/batch", body), status, field)


@pytest.mark.parametrize("path", ["/v1/score/batch", "/v1/labels"])
def test_nothing_is_answered_with_nothing(guarded: Guarded, path: str) -> None:
    answer = post(guarded, path, b"[]")
    assert (answer.status_code, answer.json()) == (200, [])


@pytest.mark.parametrize(
    ("path", "sent", "field"),
    [
        ("/v1/labels", {"is_fraud": 1}, "is_fraud"),
        ("/v1/labels", {"is_fraud": None}, "is_fraud"),
        ("/v1/labels", {"source": "maturity"}, "source"),
        ("/v1/labels", {"label_id": ""}, "label_id"),
        ("/v1/labels", {"label_id": "a\n"}, "label_id"),
        ("/v1/labels", {"label_id": "x" * 201}, "label_id"),
        ("/v1/labels", {"known_time": "2026-01-01T00:00:00Z"}, "known_time"),
        ("/v1/admin/mode", {"mode": "off", "reason": "r"}, "mode"),
        ("/v1/admin/mode", {"mode": "model"}, "reason"),
        ("/v1/admin/mode", {"mode": "model", "reason": ""}, "reason"),
        ("/v1/admin/mode", {"mode": "model", "reason": "r\nERROR forged"}, "reason"),
        ("/v1/admin/mode", {"mode": "model", "reason": "r" * 201}, "reason"),
    ],
)
def test_reports_and_switches(guarded: Guarded, path: str, sent: Any, field: str) -> None:
    good = {"transaction_id": "nobody", "is_fraud": True, "source": "review"}
    body = good | sent if path == "/v1/labels" else sent
    assert_problem(post(guarded, path, json.dumps(body).encode()), 422, field)


def test_of_two_fields_of_one_name_the_last_counts(guarded: Guarded) -> None:
    first = json.dumps(transaction(transaction_id="twice"))
    answer = post(guarded, "/v1/score", first[:-1].encode() + b',"amount":0}')
    assert answer.json()["expected_loss"] == 0.0


def test_a_long_name_is_quoted_in_part(guarded: Guarded) -> None:
    answer = post(guarded, "/v1/score", b'{"' + b"k" * 60_000 + b'":1}')
    assert answer.json()["field"].startswith("k" * 200)
    assert len(answer.content) < 1_000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(
    path=st.sampled_from(["/v1/score", "/v1/score/batch", "/v1/labels", "/v1/admin/mode"]),
    sent=st.binary(max_size=60)
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(
        st.sampled_from(["transaction_id", "event_time", "amount", "card", "is_fraud", "source"]),
        json_values | st.just(GOOD),
    ).map(lambda fields: json.dumps(transaction() | fields).encode()),
)
@settings(max_examples=300, deadline=None, derandomize=True, database=None)
def test_whatever_is_sent_is_taken_or_refused(guarded: Guarded, path: str, sent: bytes) -> None:
    answer = post(guarded, path, sent)
    assert answer.status_code in (200, 400, 409, 422), answer.text
    if answer.status_code != 200:
        problem = answer.json()
        assert problem["field"]
        assert problem["fix"]


@given(place=st.integers(0, len(GOOD) - 1), byte=st.integers(0, 255))
@settings(max_examples=300, deadline=None, derandomize=True, database=None)
def test_one_wrong_byte(guarded: Guarded, place: int, byte: int) -> None:
    body = bytearray(json.dumps(transaction()).encode())
    body[place % len(body)] = byte
    answer = post(guarded, "/v1/score", bytes(body))
    assert answer.status_code in (200, 400, 409, 422), answer.text


def test_afterwards_it_is_as_sound_as_before(guarded: Guarded) -> None:
    guarded.assert_sound("after hostile bodies")
