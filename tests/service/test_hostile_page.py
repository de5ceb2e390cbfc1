"""The page for people, attacked: forms from elsewhere, made-up sessions, broken queries, markup to show."""

import html
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from guarded import Guarded
from live_server import request

FORM = {"content-type": "application/x-www-form-urlencoded"}
MARKUP = "<img src=x onerror=alert(1)>\"'&"


def browser(guarded: Guarded, **headers: str) -> httpx.Client:
    """One that says where its forms come from, as browsers do."""
    own = {"sec-fetch-site": "same-origin"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return httpx.Client(base_url=guarded.running.url, headers=own, timeout=60.0, trust_env=False)


@contextmanager
def signed_in(guarded: Guarded, key: str = "read") -> Iterator[httpx.Client]:
    with browser(guarded) as client:
        answer = client.post("/sign-in", data={"key": guarded.keys[key]})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        yield client


def assert_safe(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "server" not in answer.headers


def test_a_cookie_opens_the_page_and_nothing_else(guarded: Guarded) -> None:
    with signed_in(guarded, "all") as client:
        cookie = client.cookies.jar
        assert all(each.has_nonstandard_attr("HttpOnly") for each in cookie)
        assert client.get("/").status_code == 200
        for path in ("/v1/model", "/v1/decisions/a", "/metrics"):
            assert client.get(path).status_code == 401
        json = {"mode": "heuristic", "reason": "r"}
        assert client.post("/v1/admin/mode", json=json).status_code == 401
        # A session reads; the switch wants an admin's key each time.
        assert_safe(client.post("/mode", data=json), 401)
        assert_safe(client.post("/mode", data=json | {"key": guarded.keys["read"]}), 403)
        client.post("/sign-out", headers=FORM)
        assert 'name="key"' in client.get("/").text


@pytest.mark.parametrize("key", ["", "fk__", "x" * 7_000, "old", "label", "\udcff"])
def test_who_may_not_read_is_not_signed_in(guarded: Guarded, key: str) -> None:
    with browser(guarded) as client:
        body = "key=" + (guarded.keys.get(key, key)).encode("utf-8", "surrogateescape").decode(
            "latin-1"
        )
        answer = client.post("/sign-in", content=body.encode("latin-1"), headers=FORM)
        assert answer.status_code in (400, 401, 403)
        assert "set-cookie" not in answer.headers
        assert guarded.keys["old"] not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": "http://[::1"},
        {"origin": "\xff"},
        {},
    ],
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/mode", "/drift-report"])
def test_forms_of_other_sites_are_refused(
    guarded: Guarded, path: str, headers: dict[str, str]
) -> None:
    sent: dict[str, Any] = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = guarded.ask("POST", path, headers=FORM | sent, content=b"key=a")
    assert_safe(answer, 403)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/decisions?transaction_id=" + "a" * 65, 422),
        ("/decisions?transaction_id=", 422),
        ("/decisions", 422),
        ("/decisions?transaction_id=nobody", 404),
        ("/decisions?transaction_id=%ff", 400),
        ("/decisions?transaction_id=%ed%a0%80", 400),
        ("/decisions?transaction_id=%00%0d%0a", 404),
        ("/decisions?" + "a=1&" * 100, 400),
        ("/events?a=%ff", 400),
        ("/assets/../page.py", 404),
        ("/assets/%2e%2e/page.py", 404),
        ("/assets/", 404),
    ],
)
def test_queries(guarded: Guarded, path: str, status: int) -> None:
    with signed_in(guarded) as client:
        answer = client.get(path)
        assert answer.status_code == status
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_markup_is_shown_as_text(guarded: Guarded) -> None:
    assert guarded.score(transaction_id=MARKUP).status_code == 200
    guarded.ask(
        "POST",
        "/v1/admin/mode",
        json={"mode": "model", "reason": MARKUP},
        headers=guarded.headers(),
    )
    with signed_in(guarded) as client:
        for path in ("/", "/decisions"):
            text = client.get(path, params={"transaction_id": MARKUP}).text
            assert "<img" not in text
        assert html.escape(MARKUP, quote=False)[:20] in text


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_events_are_for_readers(guarded: Guarded, method: str) -> None:
    for cookie in ("", "Cookie: fraud_session=made-up", "Cookie: fraud_session=\xff; ;=;"):
        with guarded.connect() as connection:
            connection.sendall(request(method, "/events", b"", *([cookie] if cookie else [])))
            assert connection.recv(1 << 16).startswith(b"HTTP/1.1 401 ")


def test_the_head_of_the_events_ends(guarded: Guarded) -> None:
    with signed_in(guarded) as client:
        answer = client.head("/events")
        assert (answer.status_code, answer.content) == (200, b"")


def test_afterwards_it_is_as_sound_as_before(guarded: Guarded) -> None:
    guarded.assert_sound("after a hostile browser")
