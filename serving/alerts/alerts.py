"""The alerts of one scorer: sources and delivery together; without an address it does nothing."""

import asyncio
import logging
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from monitoring.view import MonitorView
from serving.alerts.delivery import Delivery
from serving.alerts.progress import Progress
from serving.alerts.sources import Mark, OfMonitors, OfScorer

LOGGER = logging.getLogger(__name__)


class Alerts:
    """To be used on one event loop.

    Args:
        url: of the receiver.
        secret: for signatures.
        ledger_file: beside which the progress is kept.
        last_seq: of the ledger.
        counts: see `Delivery`.
        now_s, uniform, new_id: clock and randomness.
    """

    def __init__(
        self,
        url: str,
        secret: bytes,
        ledger_file: Path,
        last_seq: int,
        counts: Counter[str],
        *,
        now_s: Callable[[], float] = time.time,
        uniform: Callable[[], float] = random.random,
        new_id: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        # It logs each request with its whole address, whose path may be a secret of the receiver's.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._progress = Progress(ledger_file, last_seq, new_id)
        self._of_monitors = OfMonitors(self._progress.scorer, self._progress.mark)
        self._of_scorer = OfScorer(self._progress.scorer)
        self._counts, self._now_s = counts, now_s
        self._delivery = Delivery(
            url, secret, counts, self._settled, now_s=now_s, sleep=asyncio.sleep, uniform=uniform
        )
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Alerts that wait for delivery."""
        return len(self._delivery)

    async def start(self) -> None:
        """Begin to deliver."""
        await self._settled(self._progress.mark)
        self._task = asyncio.create_task(self._delivery.run(), name="alerts")

    async def stop(self) -> None:
        """End; what waits from the monitors is told after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self.waiting:
            LOGGER.warning("%s alerts were not delivered yet", self.waiting)

    def see(self, view: MonitorView) -> None:
        """What the monitors see now."""
        alerts = self._of_monitors.read(view)
        for alert in alerts:
            is_last = alert is alerts[-1]
            self._delivery.offer(alert, self._of_monitors.mark if is_last else None)

    def look(self, troubles: Mapping[str, str]) -> None:
        """The troubles that the scorer has now, by name."""
        for alert in self._of_scorer.look(troubles, self._now_s()):
            self._delivery.offer(alert)

    async def _settled(self, mark: Mark) -> None:
        try:
            await asyncio.to_thread(self._progress.keep, mark)
        except OSError as error:
            self._counts["not_kept"] += 1
            LOGGER.warning("how far alerts have come was not written down: %s", error.strerror)
