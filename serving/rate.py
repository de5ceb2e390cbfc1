"""How many requests a key may send: a token bucket for each, off unless it is asked for.

The bucket holds `burst` tokens, gains `rate_per_s` a second up to that, and each request takes one. A request
that costs more than the bucket holds is let in when the bucket is full, and the following ones wait for it:
so a large batch is slowed and never shut out. Buckets that are full again are forgotten, because a key that
nobody has used for a while is like a new one: so memory is bounded.
"""

import math

from serving.problems import Problem

MAX_BUCKETS = 4_096


class RateLimit:
    """Token buckets by name.

    Args:
        rate_per_s: tokens that a bucket gains in a second; 0: no limit.
        burst: tokens that a bucket can hold.
        max_buckets: buckets that are not full, at most; beyond, the one that was used least recently is
            forgotten.

    >>> limit = RateLimit(rate_per_s=2.0, burst=1)
    >>> limit.take("shop", now_s=0.0)
    >>> limit.take("shop", now_s=0.1)
    Traceback (most recent call last):
    serving.problems.Problem: too many requests for this key (fix: wait 1 s)
    >>> limit.take("shop", now_s=0.5)
    """

    def __init__(self, rate_per_s: float, burst: int, max_buckets: int = MAX_BUCKETS) -> None:
        self.rate_per_s = rate_per_s
        self.burst = float(burst)
        self._max_buckets = max_buckets
        self._buckets: dict[str, tuple[float, float]] = {}  # tokens and the time of the last use

    def take(self, name: str, now_s: float, cost: int = 1) -> None:
        """Let a request in.

        Args:
            name: whose bucket.
            now_s: the time; one that goes back counts as standing still.
            cost: tokens that it takes.

        Raises:
            Problem: 429 with Retry-After, the whole seconds until a request of this cost is let in.
        """
        if not self.rate_per_s:
            return
        tokens, used_s = self._buckets.pop(name, (self.burst, now_s))
        now_s = max(now_s, used_s)
        tokens = min(self.burst, tokens + (now_s - used_s) * self.rate_per_s)
        needed = min(float(cost), self.burst)
        refused = tokens < needed
        self._buckets[name] = (tokens if refused else tokens - cost, now_s)
        if len(self._buckets) > self._max_buckets:
            self._forget(now_s)
        if refused:
            wait_s = max(1, math.ceil((needed - tokens) / self.rate_per_s))
            raise Problem(
                429, "too many requests for this key", fix=f"wait {wait_s} s", retry_after_s=wait_s
            )

    def __len__(self) -> int:
        return len(self._buckets)

    def _forget(self, now_s: float) -> None:
        """The full ones; if there is none, the oldest (the dict is in the order of use)."""
        full = [
            name
            for name, (tokens, used_s) in self._buckets.items()
            if tokens + (now_s - used_s) * self.rate_per_s >= self.burst
        ]
        for name in full or [next(iter(self._buckets))]:
            del self._buckets[name]
