"""Who may connect: so many from one address, so many in all (promise 6)."""

from __future__ import annotations

import resource

import structlog

from kith.base.attempts import address_key

logger = structlog.get_logger("kith")
#: Files that the server has open besides connections.
_OTHER_FILES = 200
#: Being full is told of so often, in seconds.
_AGAIN = 600.0


class Door:
    """Counts connections. ``per_address``: 0 is no bound, and this machine itself has none.

    ``count``: those of now; ``left``: all that have ended.
    """

    def __init__(self, per_address: int, most: int) -> None:
        self.count = 0
        self.left = 0
        self._per_address = per_address
        self._most = most
        self._from: dict[str, int] = {}
        self._told = -_AGAIN

    def enter(self, address: str, now: float) -> str | None:
        """A connection from there has come. Returns what `leave` needs; None if it may not stay."""
        if self.count >= self._most:
            if now - self._told > _AGAIN:
                self._told = now
                logger.error("no more connections", connections=self.count, todo="raise LimitNOFILE")
            return None
        key = address_key(address)
        if not self._take(key):
            return None
        self.count += 1
        return key

    def move(self, key: str, address: str) -> str | None:
        """A connection of a proxy turns out to be somebody's: it takes one of their places.

        ``key``: what `enter` gave. Returns what `leave` needs from now on; None if there is no place for it,
        and the older one stays.
        """
        new = address_key(address)
        if new != key:
            if not self._take(new):
                return None
            self._give_back(key)
        return new

    def leave(self, key: str) -> None:
        """The connection is gone."""
        self.count -= 1
        self.left += 1
        self._give_back(key)

    def _take(self, key: str) -> bool:
        if key and self._per_address:
            there = self._from.get(key, 0)
            if there >= self._per_address:
                return False
            self._from[key] = there + 1
        return True

    def _give_back(self, key: str) -> None:
        if key in self._from:
            self._from[key] -= 1
            if not self._from[key]:
                del self._from[key]


def most_connections() -> int:
    """How many connections the system's limit of open files lets one have. Raises it as far as it goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return max(soft - _OTHER_FILES, soft // 2)
