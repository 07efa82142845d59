"""Wrong passwords from one address: so many in so long, then it has to wait (promise 6)."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

#: Failures that an address may have within `WINDOW` seconds.
MOST = 30
WINDOW = 60.0
_ADDRESSES = 10_000


class Attempts:
    """Counts failures by address, ``most`` of them in ``window`` seconds; IPv6 by the /64 network.

    Loopback is not counted: a proxy may be there.
    """

    def __init__(self, most: int = MOST, window: float = WINDOW) -> None:
        self._most = most
        self._window = window
        self._failed: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def failed(self, address: str, now: float) -> None:
        """A login from ``address`` failed at ``now`` (seconds of any steady clock)."""
        key = network(address)
        if not key:
            return
        since, count = self._failed.pop(key, (now, 0))
        if now - since > self._window:
            since, count = now, 0
        self._failed[key] = (since, count + 1)
        if len(self._failed) > _ADDRESSES:
            self._failed.popitem(last=False)

    def too_many(self, address: str, now: float) -> bool:
        """Whether a login from there is refused unseen."""
        since, count = self._failed.get(network(address), (now, 0))
        return count >= self._most and now - since <= self._window


def network(address: str) -> str:
    """What counts as one peer: an IPv4 address, an IPv6 /64 network; empty for this machine itself."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            return "" if parsed.is_loopback else str(ipaddress.ip_network((parsed, 64), strict=False))
        parsed = parsed.ipv4_mapped
    return "" if parsed.is_loopback else str(parsed)
