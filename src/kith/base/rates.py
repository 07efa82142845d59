"""Rate limits by any key, in memory of limited size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

_KEYS = 50_000


class Rates:
    """Allows ``most`` events in ``window`` seconds for each key; 0 means no limit."""

    def __init__(self, most: int, window: float) -> None:
        self._most = most
        self._window = window
        self._counts: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def take(self, key: Hashable, now: float) -> bool:
        """Counts an event at ``now`` (seconds of any monotonic clock).

        Returns False if there were too many.
        """
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


class Seen:
    """The names that were seen with one key since ``since``, a time of the monotonic clock."""

    __slots__ = ("names", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.names: set[str] = set()


class Distinct:
    """The different names seen with each key. Their set is cleared after ``window`` seconds.

    This is for limits on the number of different people, regardless of how often each was seen. Beyond
    ``keys`` keys, the one whose window began first is forgotten.
    """

    def __init__(self, window: float, keys: int = 20_000) -> None:
        self._window = window
        self._keys = keys
        self._seen: OrderedDict[str, Seen] = OrderedDict()
        #: The names of a key, or None. Its window may be over.
        self.get: Callable[[str], Seen | None] = self._seen.get

    def names(self, key: str, now: float) -> set[str]:
        """The set of names for a key in the current window. The caller adds to it."""
        seen = self._seen.get(key)
        if seen is None or now - seen.since > self._window:
            seen = self._seen[key] = Seen(now)
            self._seen.move_to_end(key)
            if len(self._seen) > self._keys:
                self._seen.popitem(last=False)
        return seen.names
