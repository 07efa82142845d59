"""Limits how often something may be done: a burst, and then so many times per hour."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable


class RateLimits:
    """One token bucket for each key. Beyond ``max_keys``, the least recently used keys are forgotten."""

    __slots__ = ("_burst", "_max_keys", "_now", "_per_second", "_tokens")

    def __init__(
        self, burst: int, per_hour: int, max_keys: int = 1000, now: Callable[[], float] = time.monotonic
    ) -> None:
        """``now`` returns seconds."""
        self._burst = float(burst)
        self._per_second = per_hour / 3600
        self._max_keys = max_keys
        self._now = now
        self._tokens: OrderedDict[object, tuple[float, float]] = OrderedDict()

    def allow(self, key: object) -> bool:
        """Whether it may be done once more now. If so, it counts as done."""
        now = self._now()
        tokens, at = self._tokens.pop(key, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._per_second)
        allowed = tokens >= 1
        self._tokens[key] = (tokens - 1 if allowed else tokens, now)
        if len(self._tokens) > self._max_keys:
            self._tokens.popitem(last=False)
        return allowed
