"""Rate limits for many keys, such as IP addresses, in memory of limited size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

_KEYS = 50_000
#: The tolerance for rounding errors in sums of times, as a fraction of an event.
_ROUNDING = 1e-6


class RateLimit:
    """Allows a burst of ``most`` events for each key, and then as many in every ``seconds``. 0: no limit.

    This is a leaky bucket for each key: it holds ``most`` events, and one leaks out every ``seconds / most``.
    Count an event before anything is awaited, and uncount it with `add` if it does not happen: a limit that
    is checked first and counted afterwards lets parallel requests through. Beyond ``keys`` keys, the least
    recently used one is forgotten. Times are in seconds, of any monotonic clock.
    """

    __slots__ = ("_each", "_empty_at", "_keys", "_most")

    def __init__(self, most: int, seconds: float, keys: int = _KEYS) -> None:
        self._most = most
        self._each = seconds / most if most else 0.0
        self._keys = keys
        self._empty_at: dict[Hashable, float] = {}  # when each bucket is empty; the longest untouched first

    def __len__(self) -> int:
        return len(self._empty_at)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._empty_at

    def take(self, key: Hashable, now: float) -> bool:
        """Counts an event if it is allowed. Returns whether it was."""
        if not self.has_room(key, now):
            return False
        self.add(key, now)
        return True

    def wait(self, key: Hashable, now: float) -> float:
        """The seconds until another event is allowed; 0 if it is now."""
        return max(0.0, self.level(key, now) + 1 - self._most) * self._each if self._most else 0.0

    def has_room(self, key: Hashable, now: float) -> bool:
        """Whether another event is allowed."""
        return not self._most or self.level(key, now) + 1 <= self._most + _ROUNDING

    def level(self, key: Hashable, now: float) -> float:
        """How many events are in the bucket."""
        return max(0.0, self._empty_at.get(key, now) - now) / self._each if self._most else 0.0

    def add(self, key: Hashable, now: float, count: int = 1) -> None:
        """Counts events, allowed or not. ``count`` may be negative."""
        if not self._most:
            return
        before = max(self._empty_at.pop(key, now), now)
        self._empty_at[key] = before + count * self._each
        if len(self._empty_at) > self._keys:
            del self._empty_at[next(iter(self._empty_at))]


class Seen:
    """The names that were seen with one key. ``since``: when its window began, in seconds."""

    __slots__ = ("names", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.names: set[str] = set()


class Distinct:
    """Collects the different names seen with each key, for ``window`` seconds; then it starts again.

    This serves limits on the number of different people, regardless of how often each was seen. Beyond
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
