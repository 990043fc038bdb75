"""How often somebody may call: a token bucket for each principal, in this process (SEC-32, REL-76)."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import timedelta

from services.chassis.faults import Overloaded

MOST_BUCKETS = 10_000
"""Principals that are remembered; the one that has not called for longest is forgotten first."""


class Rates:
    """Buckets by principal; `limits` maps a kind such as `people` to calls a second and the burst let through."""

    def __init__(self, limits: Mapping[str, tuple[float, float]], clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, principal: str) -> None:
        """Count one call; Overloaded, with the time after which there is a token again, when there is none."""
        limit = self.limits.get(principal.partition("/")[0])
        if limit is None:
            return
        rate, burst = limit
        now = self._clock()
        tokens, at = self._buckets.get(principal, (burst, now))
        tokens = min(burst, tokens + (now - at) * rate)
        enough = tokens >= 1
        self._buckets[principal] = (tokens - 1 if enough else tokens, now)
        self._buckets.move_to_end(principal)
        if len(self._buckets) > MOST_BUCKETS:
            self._buckets.popitem(last=False)
        if not enough:
            raise Overloaded(limit=f"{rate:g} calls a second").retry_in(timedelta(seconds=(1 - tokens) / rate))
