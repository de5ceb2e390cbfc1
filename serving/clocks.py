"""When it is, for the engine: this machine's clock, or in a demo the traffic's own."""

import time

from serving.problems import Problem


class WallClock:
    """This machine's clock."""

    moved_by_traffic = False

    def now_us(self) -> int:
        """Microseconds since 1970."""
        return time.time_ns() // 1_000

    def advance(self, known_time_us: int) -> None:
        """Refuse: nobody who sends moves this clock."""
        raise Problem(
            400,
            "this service keeps its own time",
            field="Known-Time",
            fix="leave the header out, or start a demo with FRAUD_CLOCK=traffic",
        )


class TrafficClock:
    """Moved forward by the header Known-Time of requests, so that months pass in minutes.

    >>> clock = TrafficClock(5)
    >>> clock.advance(9)
    >>> clock.advance(7)
    >>> clock.now_us()
    9
    """

    moved_by_traffic = True

    def __init__(self, known_time_us: int = 0) -> None:
        self._now_us = known_time_us

    def now_us(self) -> int:
        """Microseconds since 1970, by the latest header."""
        return self._now_us

    def advance(self, known_time_us: int) -> None:
        """Go forward, never back."""
        self._now_us = max(self._now_us, known_time_us)
