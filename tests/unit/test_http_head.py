"""Heads: what is refused at which bound, and what is left of one without its wish for another protocol."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.http_head import head_without_upgrade, is_loopback_name, refusal_of_head
from serving.http_limits import HttpLimits
from serving.security_headers import API_HEADERS, ASSET_HEADERS, PAGE_HEADERS

HOST = (b"host", b"shop.example")
LIMITS = HttpLimits(max_header_bytes=100, max_headers=3, max_target_bytes=20)


@pytest.mark.parametrize(
    ("target", "headers", "version", "status"),
    [
        (b"/" * 20, [HOST], "1.1", None),
        (b"/" * 21, [HOST], "1.1", 414),
        (b"/", [HOST] + [(b"a", b"b")] * 2, "1.1", None),
        (b"/", [HOST] + [(b"a", b"b")] * 3, "1.1", 431),
        (b"/", [HOST, (b"a", b"b" * 74)], "1.1", None),  # 1 + 20 + 79 = 100
        (b"/", [HOST, (b"a", b"b" * 75)], "1.1", 431),
        (b"/", [], "1.1", 400),
        (b"/", [HOST, HOST], "1.1", 400),
        (b"/", [], "1.0", None),
        (b"/", [HOST, HOST], "1.0", 400),
    ],
)
def test_bounds(
    target: bytes, headers: list[tuple[bytes, bytes]], version: str, status: int | None
) -> None:
    refusal = refusal_of_head(target, headers, lambda: version, LIMITS)
    assert (refusal and refusal.status) == status


def test_a_head_that_is_known_to_be_short_is_not_counted() -> None:
    headers = [HOST, (b"a", b"b" * 75)]
    assert refusal_of_head(b"/", headers, lambda: "1.1", LIMITS, known_to_be_short=True) is None


@pytest.mark.parametrize("headers", [[], [HOST], [(b"host", b"")]])
def test_a_demo_answers_to_loopback_names_only(headers: list[tuple[bytes, bytes]]) -> None:
    refusal = refusal_of_head(b"/", headers, lambda: "1.0", HttpLimits(only_loopback_names=True))
    assert refusal is not None
    assert (refusal.status, refusal.field) == (421, "Host")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (b"http://127.0.0.1:8000", None),
        (b"http://localhost", None),
        (b"https://evil.example", 403),
        (b"http://localhost.evil.example", 403),
        (b"http://evil.example:80/localhost", 403),
        (b"null", 403),
        (b"", 403),
    ],
)
def test_a_demo_answers_to_no_page_of_another_site(origin: bytes, status: int | None) -> None:
    headers = [(b"host", b"localhost"), (b"origin", origin)]
    refusal = refusal_of_head(b"/", headers, "1.1", HttpLimits(only_loopback_names=True))
    assert (refusal and refusal.status) == status
    assert refusal_of_head(b"/", headers, "1.1", HttpLimits()) is None


@given(st.binary(max_size=40))
def test_no_bytes_of_a_host_are_a_traceback(host: bytes) -> None:
    assert isinstance(is_loopback_name(host), bool)


def test_only_the_wish_is_left_out() -> None:
    headers = [
        HOST,
        (b"connection", b"keep-alive, Upgrade , HTTP2-Settings"),
        (b"upgrade", b"h2c"),
        (b"content-length", b"3"),
    ]
    assert head_without_upgrade(b"POST", b"/v1/score?x", "1.1", headers) == (
        b"POST /v1/score?x HTTP/1.1\r\n"
        b"host: shop.example\r\n"
        b"connection: keep-alive, HTTP2-Settings\r\n"
        b"content-length: 3\r\n\r\n"
    )


def test_security_headers_allow_no_outside_host_and_nothing_inline() -> None:
    for headers in (API_HEADERS, PAGE_HEADERS):
        policy = dict(headers)[b"content-security-policy"]
        assert b"default-src 'none'" in policy
        assert b"frame-ancestors 'none'" in policy
        assert not [word for word in (b"unsafe", b"http", b"*", b"data:") if word in policy]
        assert dict(headers)[b"cache-control"] == b"no-store"
    for headers in (API_HEADERS, PAGE_HEADERS, ASSET_HEADERS):
        assert dict(headers)[b"x-content-type-options"] == b"nosniff"
        assert dict(headers)[b"referrer-policy"] == b"no-referrer"
        assert all(name == name.lower() for name, _ in headers)
