"""What a request's head must be like: not too large, and for this service."""

import functools
from collections.abc import Callable, Sequence
from typing import Final

from serving.configuration import is_loopback
from serving.http_limits import HttpLimits
from serving.problems import Problem

_FRAMING_BYTES: Final = 4  # ": " and the line's end


def refusal_of_head(
    target: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    version: Callable[[], str],
    limits: HttpLimits,
    known_to_be_short: bool = False,
) -> Problem | None:
    """Why a complete head is refused, or None.

    Args:
        target: the address in the request line.
        headers: names in lower case, and values.
        version: gives that of HTTP, e.g. 1.1; asked only where it matters.
        limits: of the server.
        known_to_be_short: its bytes need not be counted.

    >>> refusal_of_head(b"/", [(b"host", b"shop.example")], lambda: "1.1", HttpLimits()) is None
    True
    >>> refusal_of_head(b"/" * 9_999, [], lambda: "1.1", HttpLimits()).status
    414
    """
    if len(target) > limits.max_target_bytes:
        return long_target(limits)
    if len(headers) > limits.max_headers:
        return large_head(limits)
    if not known_to_be_short:
        length = sum(len(name) + len(value) + _FRAMING_BYTES for name, value in headers)
        if len(target) + length > limits.max_header_bytes:
            return large_head(limits)
    host = None
    for name, value in headers:  # a plain loop: it takes a third of a comprehension's time
        if name == b"host":
            if host is not None:
                return _unclear_host()
            host = value
    if host is None and version() == "1.1":
        return _unclear_host()
    if limits.only_loopback_names and not (host and is_loopback_name(host)):
        fix = "use http://127.0.0.1 or http://localhost"
        return Problem(421, "this demo answers to this machine only", field="Host", fix=fix)
    if limits.only_loopback_names:
        for name, value in headers:
            if name == b"origin" and not is_loopback_name(value.partition(b"://")[2]):
                fix = "call it from a program, or set up API keys"
                return Problem(403, "pages of other sites may not ask", field="Origin", fix=fix)
    return None


def head_without_upgrade(
    method: bytes, target: bytes, version: str, headers: Sequence[tuple[bytes, bytes]]
) -> bytes:
    """The same head without the wish for another protocol, which a server may ignore (RFC 9110, 7.8).

    >>> head_without_upgrade(b"GET", b"/", "1.1", [(b"upgrade", b"h2c"), (b"connection", b"Upgrade")])
    b'GET / HTTP/1.1\\r\\n\\r\\n'
    """
    lines = [b"%b %b HTTP/%b" % (method, target, version.encode())]
    for name, value in headers:
        kept = value
        if name == b"connection":
            options = [option.strip() for option in value.split(b",")]
            kept = b", ".join(option for option in options if option.lower() != b"upgrade")
        if name != b"upgrade" and kept:
            lines.append(b"%b: %b" % (name, kept))
    return b"\r\n".join([*lines, b"", b""])


def _unclear_host() -> Problem:
    fix = "send the header Host once"
    return Problem(400, "it is not clear whom this is for", field="Host", fix=fix)


def large_head(limits: HttpLimits) -> Problem:
    """The headers are too many or too long."""
    bounds = f"{limits.max_header_bytes} bytes or {limits.max_headers} in number"
    fix = "send fewer and shorter headers"
    return Problem(431, f"the headers are more than {bounds}", fix=fix)


def long_target(limits: HttpLimits) -> Problem:
    """The request line is too long."""
    problem = f"the address is longer than {limits.max_target_bytes} bytes"
    return Problem(414, problem, fix="send data in the body")


@functools.lru_cache(maxsize=64)
def is_loopback_name(host: bytes) -> bool:
    """Whether a Host header, with or without a port, names this machine.

    >>> [is_loopback_name(host) for host in (b"localhost:8000", b"[::1]:8000", b"evil.example")]
    [True, True, False]
    """
    name = host.decode("latin-1").lower()
    if name.startswith("["):
        return is_loopback(name[1:].partition("]")[0])
    return is_loopback(name.partition(":")[0])
