"""Alerts on their way: one after the other, each tried a bounded number of times.

Only a 2xx is an answer; anything else (a refusal, a redirection, which is never followed, silence, garbage)
is tried again after a pause that doubles and is drawn between half and all of that, up to a bound. The body
of the answer is not read. What does not fit into the queue, or was tried for the last time, is counted and
said in the log: by its id, never with the address, whose path may be a secret of the receiver's.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx
import msgspec

from serving.alerts.signature import signature
from serving.alerts.sources import Alert, Mark

LOGGER = logging.getLogger(__name__)
SENT, GIVEN_UP, DROPPED, TRIED = "sent", "given_up", "dropped", "tried"


@dataclass(frozen=True)
class DeliverySettings:
    """Bounds.

    Args:
        queue: alerts that wait at most.
        attempts: of each at most.
        first_pause_s, longest_pause_s: between two attempts.
        timeout_s: of an attempt, from connecting to the status of the answer.
    """

    queue: int = 256
    attempts: int = 10
    first_pause_s: float = 1.0
    longest_pause_s: float = 300.0
    timeout_s: float = 5.0


class Delivery:
    """To one receiver.

    Args:
        url: where to.
        secret: for the signature.
        counts: of `SENT`, `GIVEN_UP`, `DROPPED` alerts and of attempts, `TRIED`.
        settled: is told the mark of an alert that was sent or given up.
        now_s: seconds since 1970.
        sleep: waits.
        uniform: draws from 0 to 1, for the pauses.
        settings: bounds.
    """

    def __init__(
        self,
        url: str,
        secret: bytes,
        counts: Counter[str],
        settled: Callable[[Mark], Awaitable[None]],
        *,
        now_s: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        uniform: Callable[[], float],
        settings: DeliverySettings | None = None,
    ) -> None:
        self.settings = settings or DeliverySettings()
        self._url, self._secret, self._counts, self._settled = url, secret, counts, settled
        self._now_s, self._sleep, self._uniform = now_s, sleep, uniform
        self._waiting: deque[tuple[Alert, Mark | None]] = deque()
        self._some = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def offer(self, alert: Alert, mark: Mark | None = None) -> None:
        """Take an alert, unless too many wait; returns at once.

        Args:
            alert: to send.
            mark: to be told to `settled` after it.
        """
        if len(self._waiting) >= self.settings.queue:
            self._counts[DROPPED] += 1
            LOGGER.error("alert %s dropped: %s wait already", alert.id, len(self._waiting))
            return
        self._waiting.append((alert, mark))
        self._some.set()

    async def run(self) -> None:
        """Deliver, for ever."""
        # Proxies of the environment are not asked, so that the address is what was configured.
        async with httpx.AsyncClient(follow_redirects=False, trust_env=False) as client:
            while True:
                await self._some.wait()
                while self._waiting:
                    alert, mark = self._waiting[0]
                    sent = await self._deliver(client, alert)
                    self._counts[SENT if sent else GIVEN_UP] += 1
                    self._waiting.popleft()
                    if mark is not None:
                        await self._settled(mark)
                self._some.clear()

    async def _deliver(self, client: httpx.AsyncClient, alert: Alert) -> bool:
        body = msgspec.json.encode(alert)
        pause_s, why = self.settings.first_pause_s, ""
        for attempt in range(self.settings.attempts):
            if attempt:
                await self._sleep(pause_s * (0.5 + 0.5 * self._uniform()))
                pause_s = min(2.0 * pause_s, self.settings.longest_pause_s)
            self._counts[TRIED] += 1
            why = await self._post(client, alert, body)
            if not why:
                return True
        LOGGER.error("alert %s (%s: %s) given up: %s", alert.id, alert.kind, alert.subject, why)
        return False

    async def _post(self, client: httpx.AsyncClient, alert: Alert, body: bytes) -> str:
        """One attempt; why it failed, or nothing."""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "fraud-system",
            "Fraud-Event-Id": alert.id,
            "Fraud-Signature": signature(self._secret, body, int(self._now_s())),
        }
        try:
            async with (
                asyncio.timeout(self.settings.timeout_s),
                client.stream("POST", self._url, content=body, headers=headers) as answer,
            ):
                status = answer.status_code
        except (httpx.HTTPError, TimeoutError, OSError) as error:
            return type(error).__name__  # its text may name the address
        return "" if 200 <= status < 300 else f"answered {status}"
