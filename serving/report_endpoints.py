"""The routes of drift reports: begin one, see what became of it, and its files (see `reports`)."""

import asyncio

import msgspec
from starlette.types import Scope

from serving.endpoints import JSON, Answer
from serving.reports import FIGURES, PAGE, DriftReportAsked, Reports
from serving.wire import decoder

HTML = b"text/html; charset=utf-8"


class ReportHandlers:
    """What the routes do.

    Args:
        reports: of the scorer.
    """

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._asked = decoder(DriftReportAsked)

    async def drift_report(self, scope: Scope, body: bytes) -> Answer:
        """Begin to make one."""
        return 202, JSON, msgspec.json.encode(self._reports.start(self._asked.decode(body)))

    async def reports(self, scope: Scope, body: bytes) -> Answer:
        """Those that are kept."""
        return 200, JSON, msgspec.json.encode(self._reports.states())

    async def report(self, scope: Scope, body: bytes) -> Answer:
        """What became of one."""
        return 200, JSON, msgspec.json.encode(self._reports.state(scope["path_params"]["id"]))

    async def report_page(self, scope: Scope, body: bytes) -> Answer:
        """Its page."""
        return 200, HTML, await self._file(scope, PAGE)

    async def report_figures(self, scope: Scope, body: bytes) -> Answer:
        """Its figures."""
        return 200, JSON, await self._file(scope, FIGURES)

    async def _file(self, scope: Scope, name: str) -> bytes:
        return await asyncio.to_thread(self._reports.file, scope["path_params"]["id"], name)
