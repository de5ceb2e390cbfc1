"""Requests around the body: keys, paths, methods and headers; and what the log tells afterwards."""

import json
import re
from typing import NamedTuple
from urllib.parse import quote

import pytest
from guarded import Guarded, assert_problem, assert_safe_headers, moment, transaction
from live_server import read_one, read_to_end, request
from running import Running

from serving.openapi import ARROW

OPEN = ["/healthz", "/readyz", "/openapi.json"]


class Route(NamedTuple):
    """One operation of the OpenAPI document; its scope is empty where it wants no key."""

    method: str
    path: str
    scope: str


@pytest.fixture
def routes(guarded: Guarded) -> list[Route]:
    found = []
    for path, operations in guarded.ask("GET", "/openapi.json").json()["paths"].items():
        for method in {"get", "post"} & set(operations):
            operation = operations[method]
            scope = operation["description"].split("`")[1] if operation["security"] else ""
            found.append(Route(method.upper(), re.sub(r"{\w+}", "7", path), scope))
    assert len(found) > 10
    return found


# Keys


def test_every_route_wants_its_key(guarded: Guarded, routes: list[Route]) -> None:
    closed = [route for route in routes if route.scope]
    assert {route.path for route in routes if not route.scope} == {*OPEN}
    for method, path, scope in closed:
        good = guarded.keys[scope]
        wrong = [
            "",
            "Bearer",
            f"Basic {good}",
            good,
            f"Bearer {good}x",
            f"Bearer {good[:-1]}",
            f"Bearer {good.swapcase()}",
            "Bearer fk_00000000_" + good.split("_", 2)[2],
            f"Bearer {guarded.keys['old']}",
            "Bearer fk__",
            "Bearer \xff\xfe",
            "Bearer " + "x" * 10_000,
        ]
        for headers in [{}, *({"authorization": each.encode("latin-1")} for each in wrong)]:
            answer = guarded.ask(method, path, headers=headers)
            assert_problem(answer, 401, "Authorization")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        for other in {"score", "label", "read", "admin"} - {scope}:
            answer = guarded.ask(method, path, headers=guarded.headers(other))
            assert_problem(answer, 403, "Authorization")
            assert scope in answer.json()["fix"]
        answer = guarded.ask(method, path, headers=guarded.headers(scope))
        assert answer.status_code not in (401, 403)


@pytest.mark.parametrize("path", ["/v1/score", "/v1/admin/mode", "/healthz", "/mode"])
def test_one_who_is_refused_before_the_body_is_told_that_the_connection_ends(
    guarded: Guarded, path: str
) -> None:
    with guarded.connect() as connection:
        connection.sendall(request("POST", path, b"", "Content-Length: 10000000"))
        (answer,) = read_to_end(connection)
    assert answer.status in (401, 403, 405)
    assert answer.headers["connection"] == "close"
    whole = guarded.ask("POST", path, content=b"")
    assert "connection" not in whole.headers


@pytest.mark.parametrize("path", OPEN)
def test_what_is_open_says_little(guarded: Guarded, path: str) -> None:
    answer = guarded.ask("GET", path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert_safe_headers(answer)
    assert not [secret for secret in guarded.keys.values() if secret in answer.text]


# Paths and methods


@pytest.mark.parametrize(
    "name",
    [
        "a/b",
        "/",
        "//evil.example/",
        "..",
        "../../v1/model",
        ".",
        "%2F",
        "%",
        "a b",
        "?x=1#y",
        "é💥",
        "\u202e",
        "\ufeff",
        '"<script>',
        "\\",
        "a\u2028b",
        "X: y",
    ],
)
def test_any_id_can_be_looked_up(guarded: Guarded, name: str) -> None:
    assert guarded.score(transaction_id=name).status_code == 200
    path = "/v1/decisions/" + quote(name, safe="").replace(".", "%2E")
    answer = guarded.ask("GET", path, headers=guarded.headers())
    assert answer.json()["decision"]["transaction_id"] == name


@pytest.mark.parametrize(
    "name",
    ["%00", "%0d%0aSet-Cookie:%20a=b", "%ff", "%ed%a0%80", "%zz", "a" * 3_000, "", "a;b?c=d"],
)
def test_an_id_that_never_was_is_not_found(guarded: Guarded, name: str) -> None:
    key = f"Authorization: Bearer {guarded.keys['read']}"
    with guarded.connect() as connection:
        connection.sendall(request("GET", f"/v1/decisions/{name}", b"", key))
        answer = read_one(connection)
    assert answer.status == 404
    assert answer.document["fix"]
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v2/score",
        "/v1/score/",
        "//v1/model",
        "/V1/MODEL",
        "/v1/model/",
        "/v1/score;a",
        "/docs",
    ],
)
def test_there_is_no_other_path(guarded: Guarded, path: str) -> None:
    for method in ("GET", "POST"):
        answer = guarded.ask(method, f"{guarded.running.url}{path}", headers=guarded.headers())
        assert_problem(answer, 404, path)


def test_methods(guarded: Guarded, routes: list[Route]) -> None:
    for allowed, path, _ in routes:
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - {allowed}:
            answer = guarded.ask(method, path, headers=guarded.headers())
            assert_problem(answer, 405, path)
            assert answer.headers["allow"] == ("GET, HEAD" if allowed == "GET" else allowed)


def test_a_head_is_a_get_without_the_body(guarded: Guarded) -> None:
    for path in ("/v1/model", "/metrics", *OPEN):
        answer = guarded.ask("HEAD", path, headers=guarded.headers())
        assert (answer.status_code, answer.content) == (200, b"")


# Headers


@pytest.mark.parametrize(
    "media",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/jsonx",
        ARROW,
    ],
)
def test_a_body_must_say_what_it_is(guarded: Guarded, media: str | None) -> None:
    headers = guarded.headers()
    del headers["content-type"]
    if media is not None:
        headers["content-type"] = media
    for path in ("/v1/score", "/v1/labels", "/v1/admin/mode"):
        body = json.dumps(transaction()).encode()
        answer = guarded.ask("POST", path, headers=headers, content=body)
        assert_problem(answer, 415, "Content-Type")


def test_json_may_name_its_encoding(guarded: Guarded) -> None:
    headers = guarded.headers(content_type="Application/JSON; charset=UTF-8")
    body = json.dumps(transaction()).encode()
    assert guarded.ask("POST", "/v1/score", headers=headers, content=body).status_code == 200


def test_this_machine_keeps_its_own_time(guarded: Guarded) -> None:
    headers = guarded.headers(known_time=moment(3600))
    answer = guarded.ask("POST", "/v1/score", headers=headers, json=transaction())
    assert_problem(answer, 400, "Known-Time")


@pytest.mark.parametrize(
    "text", ["", "now", "2026-01-01", "1969-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "9" * 5_000]
)
def test_times_of_a_demo(service: Running, text: str) -> None:
    answer = service.client.get("/v1/model", headers={"known-time": text})
    assert_problem(answer, 400, "Known-Time")


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("host", "evil.example", 421),
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
    ],
)
def test_a_demo_answers_no_page_of_another_site(
    service: Running, header: str, value: str, status: int
) -> None:
    answer = service.client.post("/v1/admin/champion", headers={header: value})
    assert_problem(answer, status, header.title())


# Afterwards


def test_the_log_tells_no_secret(guarded: Guarded) -> None:
    guarded.score(transaction_id="a-name-to-look-for", card="4111111111111111")
    log = guarded.running.log
    assert "listening at http" in log
    for key in guarded.keys.values():
        _, identity, secret = key.split("_", 2)
        assert secret not in log
        assert identity not in log
    assert "a-name-to-look-for" not in log
    assert "4111111111111111" not in log
    stored = guarded.running.ledger_file.read_bytes()
    assert b"4111111111111111" not in stored


def test_afterwards_it_is_as_sound_as_before(guarded: Guarded) -> None:
    guarded.assert_sound("after hostile requests")
