"""The pieces of the page as they were last rendered: each anew only when it is due and may have changed."""

import asyncio
import re
from collections.abc import Callable, Sequence
from time import monotonic

from monitoring.view import MonitorView
from serving.dashboard.page import EVERY_S, Page
from serving.dashboard.shown import Now
from serving.dashboard.stream import Pieces
from serving.reports import ReportState

OF_VIEW = ("findings", "calibration", "rates", "labels", "drift", "timeline")
"""What changes with the view of the monitors alone."""
_VERSION = re.compile("[0-9a-f]{8}")


class Rendered:
    """For all readers together.

    Args:
        page: renders.
        now_s: a clock that never goes back.
    """

    def __init__(self, page: Page, now_s: Callable[[], float] = monotonic) -> None:
        self._page, self._now_s = page, now_s
        self._pieces: Pieces = {}
        self._due_s: dict[str, float] = {}
        self._views: dict[str, MonitorView | None] = {}

    def clear(self) -> None:
        """Let all of them be due."""
        self._pieces, self._due_s, self._views = {}, {}, {}

    async def pieces(
        self, now: Now, view: MonitorView | None, reports: Sequence[ReportState]
    ) -> Pieces:
        """All of them; requests come between the rendering of two."""
        for name, every_s in EVERY_S.items():
            now_s = self._now_s()
            if now_s < self._due_s.get(name, now_s):
                continue
            if name in OF_VIEW and name in self._views and self._views[name] == view:
                continue
            self._due_s[name], self._views[name] = now_s + every_s, view
            self._pieces[name] = self._page.piece(name, now, view, reports)
            await asyncio.sleep(0)
        return dict(self._pieces)


def versions(have: str) -> dict[str, str]:
    """What a page says that it has: versions by the ids of its elements; what is none is left out.

    >>> versions("health.0123abcd,nothing.0123abcd,drift.x")
    {'health': '0123abcd'}
    """
    told = (each.partition(".") for each in have.split(","))
    return {name: v for name, _, v in told if name in EVERY_S and _VERSION.fullmatch(v)}
