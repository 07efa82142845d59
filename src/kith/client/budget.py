"""How often something may be done: so many times at once, and so many in an hour."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable


class Budgets:
    """One budget for each key; the keys that were used longest ago are forgotten."""

    __slots__ = ("_at_once", "_left", "_most", "_now", "_per_second")

    def __init__(
        self, at_once: int, per_hour: int, most: int = 1000, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._at_once = at_once
        self._per_second = per_hour / 3600
        self._most = most
        self._now = now
        self._left: OrderedDict[object, tuple[float, float]] = OrderedDict()

    def spend(self, key: object) -> bool:
        """Whether it may be done once more now; then it counts as done."""
        now = self._now()
        left, at = self._left.pop(key, (float(self._at_once), now))
        left = min(float(self._at_once), left + (now - at) * self._per_second)
        may = left >= 1
        self._left[key] = (left - 1 if may else left, now)
        if len(self._left) > self._most:
            self._left.popitem(last=False)
        return may
