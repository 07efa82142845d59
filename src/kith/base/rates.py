"""So many in so long: counts of what somebody has done, by any key, in memory of a bounded size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

_KEYS = 50_000


class Rates:
    """``most`` in ``window`` seconds for each key; 0 is no bound."""

    def __init__(self, most: int, window: float) -> None:
        self._most = most
        self._window = window
        self._counts: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def take(self, key: Hashable, now: float) -> bool:
        """Counts one more at ``now`` (seconds of any steady clock). False if it is one too many."""
        if not self._most:
            return True
        since, count = self._counts.get(key, (now, 0))
        if now - since > self._window:
            since, count = now, 0
        if count >= self._most:
            return False
        self._counts[key] = (since, count + 1)
        self._counts.move_to_end(key)
        if len(self._counts) > _KEYS:
            self._counts.popitem(last=False)
        return True
