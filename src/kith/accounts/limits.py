"""Limits how often something may happen within a sliding window, for each key.

An event is counted before anything is awaited, and uncounted if it did not happen. A limit that is checked
first and counted afterwards would let any number of parallel requests through.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict, deque

from kith.base.clock import Clock

_KEYS = 20_000


class Limit:
    """At most ``most`` events within ``seconds`` for each key.

    In memory; keys unused for longest are forgotten.
    """

    def __init__(self, most: int, seconds: float, clock: Clock) -> None:
        self._most = most
        self._seconds = seconds
        self._now = clock.steady
        self._events: OrderedDict[str, deque[float]] = OrderedDict()

    def take(self, key: str) -> float:
        """Counts an event. Returns 0 if it is allowed; otherwise the seconds to wait, without counting it."""
        now = self._now()
        wait = self._wait(key)
        if not wait:
            events = self._events.setdefault(key, deque())
            events.append(now)
            self._events.move_to_end(key)
            if len(self._events) > _KEYS:
                self._events.popitem(last=False)
        return wait

    def give_back(self, key: str) -> None:
        """Uncounts the last event, which did not happen after all."""
        if events := self._events.get(key):
            events.pop()

    def _wait(self, key: str) -> float:
        """The seconds until another event is allowed; 0 if it is now."""
        events, now = self._events.get(key), self._now()
        while events and now - events[0] >= self._seconds:
            events.popleft()
        if events is None or len(events) < self._most:
            return 0.0
        return self._seconds - (now - events[0])


def network(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            return str(ipaddress.ip_network((parsed, 64), strict=False))
        parsed = parsed.ipv4_mapped
    return str(parsed)
