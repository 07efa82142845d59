"""Limits the number of connections, from one network and in total."""

from __future__ import annotations

import resource

import structlog

from kith.base.addresses import network

logger = structlog.get_logger("kith")
#: How many file descriptors are reserved for other purposes than connections.
_OTHER_FILES = 200
#: The interval of log lines about too many connections, in seconds.
_LOG_INTERVAL = 600.0


class ConnectionLimit:
    """Counts connections, in total and for each network (`kith.base.addresses.network`).

    ``per_address``: the limit for a network; 0: none. Loopback addresses have no limit. ``most``: the limit
    in total. ``count``: how many connections there are. ``ended``: how many have ended so far.
    """

    def __init__(self, per_address: int, most: int) -> None:
        self.count = 0
        self.ended = 0
        self.per_address = per_address
        self._most = most
        self._from: dict[str, int] = {}
        self._logged_at = -_LOG_INTERVAL

    def admit(self, address: str, now: float) -> str | None:
        """Counts a new connection. Returns a key for `move` and `release`; None if it has to be refused."""
        if self.count >= self._most:
            if now - self._logged_at > _LOG_INTERVAL:
                self._logged_at = now
                logger.error("no more connections", connections=self.count, todo="raise LimitNOFILE")
            return None
        key = network(address)
        if not self._take(key):
            return None
        self.count += 1
        return key

    def move(self, key: str, address: str) -> str | None:
        """Counts a connection from a proxy for its client instead, whose address has become known.

        ``key``: from `admit`. Returns the key to use from now on; None if the client has too many
        connections, and then the old key stays valid.
        """
        new = network(address)
        if new != key:
            if not self._take(new):
                return None
            self._give_back(key)
        return new

    def release(self, key: str) -> None:
        """Uncounts a connection that has ended. ``key``: from `admit` or `move`."""
        self.count -= 1
        self.ended += 1
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
    """How many connections the limit on open files allows, after raising that as far as possible."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return max(soft - _OTHER_FILES, soft // 2)
