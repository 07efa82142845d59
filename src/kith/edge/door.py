"""Limits the number of connections, from one address and in total."""

from __future__ import annotations

import resource

import structlog

from kith.base.addresses import network

logger = structlog.get_logger("kith")
#: File descriptors that are reserved for other things than connections.
_OTHER_FILES = 200
#: The interval of log lines about too many connections, in seconds.
_AGAIN = 600.0


class Door:
    """Counts connections by address.

    ``per_address``: the limit for one address; 0 means none. Loopback addresses have no limit. ``count``: the
    number of present connections. ``left``: the number of those that have ended.
    """

    def __init__(self, per_address: int, most: int) -> None:
        self.count = 0
        self.left = 0
        self.per_address = per_address
        self._most = most
        self._from: dict[str, int] = {}
        self._told = -_AGAIN

    def enter(self, address: str, now: float) -> str | None:
        """Admits a connection. Returns a key for `move` and `leave`; None if it has to be refused."""
        if self.count >= self._most:
            if now - self._told > _AGAIN:
                self._told = now
                logger.error("no more connections", connections=self.count, todo="raise LimitNOFILE")
            return None
        key = network(address)
        if not self._take(key):
            return None
        self.count += 1
        return key

    def move(self, key: str, address: str) -> str | None:
        """Counts a connection from a proxy for the client's address, which has become known.

        ``key`` is what `enter` returned. Returns the key to use from now on. Returns None if that address has
        too many connections; then the old key stays valid.
        """
        new = network(address)
        if new != key:
            if not self._take(new):
                return None
            self._give_back(key)
        return new

    def leave(self, key: str) -> None:
        """The connection with this key has ended."""
        self.count -= 1
        self.left += 1
        self._give_back(key)

    def _take(self, key: str) -> bool:
        if key and self.per_address:
            there = self._from.get(key, 0)
            if there >= self.per_address:
                return False
            self._from[key] = there + 1
        return True

    def _give_back(self, key: str) -> None:
        if key in self._from:
            self._from[key] -= 1
            if not self._from[key]:
                del self._from[key]


def most_connections() -> int:
    """How many connections the limit of open files allows, after raising it as far as possible."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return max(soft - _OTHER_FILES, soft // 2)
