"""The headers that keep a browser from doing more with an answer than it was meant for; encoded once.

Answers of the API are data: nothing may run, frame or keep them. Pages load scripts, styles and pictures from
this service alone, with no script or style inside the page, so that text which found its way into a page
cannot act. Strict-Transport-Security is for the proxy that holds the certificate. uvicorn's `server` header
is switched off in `listener.uvicorn_config`.

Guidance: OWASP's HTTP Headers and REST Security cheat sheets.
"""

from typing import Final

Headers = tuple[tuple[bytes, bytes], ...]

_EVERYWHERE: Final[Headers] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_OF_PAGES: Final = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
)

API_HEADERS: Final[Headers] = (
    (b"cache-control", b"no-store"),
    *_EVERYWHERE,
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
PAGE_HEADERS: Final[Headers] = (
    (b"cache-control", b"no-store"),
    *_EVERYWHERE,
    (b"content-security-policy", "; ".join(_OF_PAGES).encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
ASSET_HEADERS: Final[Headers] = (
    (b"cache-control", b"public, max-age=3600"),
    *_EVERYWHERE,
    (b"cross-origin-resource-policy", b"same-origin"),
)

# A report holds scripts and styles of somebody else's tool, which the headers above would not let run. So it
# is a document without an origin: its scripts can neither ask this service nor read what a browser keeps.
_OF_REPORTS: Final = (
    "sandbox allow-scripts",
    "default-src 'none'",
    "script-src 'unsafe-inline'",
    "style-src 'unsafe-inline'",
    "img-src data: blob:",
    "font-src data:",
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
)
REPORT_HEADERS: Final[Headers] = (
    (b"cache-control", b"no-store"),
    *_EVERYWHERE,
    (b"content-security-policy", "; ".join(_OF_REPORTS).encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
