"""Templates to HTML. The page is made of pieces; each can be rendered alone, to be sent when it changes.

Pieces of the scorer change every second, those of the monitors with their view; what is costly is in the
latter. Whatever comes from outside is escaped by Jinja.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from monitoring.view import MonitorView
from serving.dashboard import formats, pictures
from serving.dashboard.log_odds import sum_of
from serving.dashboard.shown import STEPS, Asked, Now, Words, since_of, why_of

HERE = Path(__file__).parent
ASSETS = {
    "style.css": b"text/css; charset=utf-8",
    "live.js": b"text/javascript; charset=utf-8",
    "icon.svg": b"image/svg+xml",
}
OF_SCORER = ("banner", "health", "traffic", "pipeline")
OF_MONITORS = ("findings", "calibration", "rates", "labels", "drift", "timeline")
FILTERS = (
    "whole",
    "fixed",
    "short",
    "percent",
    "milliseconds",
    "duration",
    "moment",
    "day",
    "iso",
)


class Page:
    """All HTML of the dashboard.

    Args:
        words: of the columns.
    """

    def __init__(self, words: Mapping[str, str]) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        for name in FILTERS:
            self._environment.filters[name] = getattr(formats, name)
        self._environment.globals |= {
            "interval": formats.interval,
            "pictures": pictures,
            "words": Words(dict(words)),
            "version": version(),
            "since_of": since_of,
            "why_of": why_of,
            "dash": formats.DASH,
            "sum_of": sum_of,
            "most_steps": STEPS,
        }

    def whole(self, now: Now, view: MonitorView | None, asked: Asked) -> bytes:
        """The dashboard, signed in."""
        return self._render("dashboard.html", now=now, view=view, asked=asked)

    def sign_in(self, asked: Asked) -> bytes:
        """For who has no session."""
        return self._render("sign_in.html", asked=asked)

    def error(self, title: str, problem: str, fix: str) -> bytes:
        """Something that is none of the forms' doing."""
        return self._render("error.html", title=title, problem=problem, fix=fix)

    def piece(self, name: str, now: Now, view: MonitorView | None) -> str:
        """One piece alone."""
        return self._render(f"{name}.html", now=now, view=view).decode()

    def _render(self, template: str, **given: Any) -> bytes:
        text = self._environment.get_template(template).render(given)
        return text.encode()


@cache
def asset(name: str) -> bytes:
    """A file of `assets`."""
    return (HERE / "assets" / name).read_bytes()


@cache
def version() -> str:
    """Of all assets together, for their addresses: so browsers may keep them.

    >>> len(version())
    12
    """
    digest = hashlib.sha256(b"".join(asset(name) for name in sorted(ASSETS)))
    return digest.hexdigest()[:12]
