"""Templates to HTML. The page is made of pieces; each can be rendered alone, to be sent when it changes.

Whatever comes from outside is escaped by Jinja.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from monitoring.view import MonitorView
from serving.dashboard import formats, pictures
from serving.dashboard.folded import (
    FIRST_ROWS,
    MOST_COLUMNS,
    MOST_NAMES,
    MOST_ROWS,
    found,
    happened,
)
from serving.dashboard.log_odds import sum_of
from serving.dashboard.shown import STEPS, Asked, Now, Words, is_behind, since_of, why_of
from serving.dashboard.stream import Piece
from serving.reports import ReportState

HERE = Path(__file__).parent
ASSETS = {
    "style.css": b"text/css; charset=utf-8",
    "live.js": b"text/javascript; charset=utf-8",
    "icon.svg": b"image/svg+xml",
}
EVERY_S = {
    "banner": 1.0,
    "health": 1.0,
    "findings": 2.0,
    "last_minute": 1.0,
    "last_minutes": 10.0,
    "calibration": 10.0,
    "rates": 10.0,
    "pipeline": 2.0,
    "labels": 10.0,
    "drift": 10.0,
    "reports": 2.0,
    "timeline": 2.0,
}
"""The pieces, by the id of their element; each is rendered at most so often while a page is open."""
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
            "found": found,
            "happened": happened,
            "first_rows": FIRST_ROWS,
            "most_rows": MOST_ROWS,
            "most_names": MOST_NAMES,
            "most_columns": MOST_COLUMNS,
            "is_behind": is_behind,
            "since_of": since_of,
            "why_of": why_of,
            "dash": formats.DASH,
            "sum_of": sum_of,
            "most_steps": STEPS,
        }

    def whole(self, now: Now, view: MonitorView | None, asked: Asked) -> bytes:
        """The dashboard, signed in."""
        pieces = {name: self.piece(name, now, view, asked.reports) for name in EVERY_S}
        return self._render("dashboard.html", now=now, pieces=pieces, asked=asked).encode()

    def sign_in(self, asked: Asked) -> bytes:
        """For who has no session."""
        return self._render("sign_in.html", asked=asked).encode()

    def error(self, title: str, problem: str, fix: str) -> bytes:
        """Something that is none of the forms' doing."""
        given = {"title": title, "problem": problem, "fix": fix}
        return self._render("error.html", **given).encode()

    def piece(
        self, name: str, now: Now, view: MonitorView | None, reports: Sequence[ReportState] = ()
    ) -> Piece:
        """One piece alone."""
        return Piece.of(self._render(f"{name}.html", now=now, view=view, reports=reports))

    def _render(self, template: str, **given: Any) -> str:
        return self._environment.get_template(template).render(given)


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
