"""Bounds on connections: time and bytes before authentication, and the rate afterwards."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Protocol

#: Bytes that a stream may send before it is authenticated.
BYTES_BEFORE_LOGIN = 64 * 1024
#: How long a peer may take to close its side of a closed stream, in seconds.
LINGER = 3.0
#: A reader that leaves more than this unread is cut off; its messages stay in the log.
UNREAD_BYTES = 8 * 1024 * 1024


class Connection(Protocol):
    """What `Lobby` needs of a connection."""

    @property
    def authenticated(self) -> bool: ...
    def too_late(self) -> None:
        """The time to authenticate is over."""


class Lobby:
    """Connections that have not authenticated yet, in the order of arrival; one timer for all."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._waiting: OrderedDict[Connection, float] = OrderedDict()

    def enter(self, connection: Connection) -> None:
        self._waiting[connection] = asyncio.get_running_loop().time() + self._timeout

    def leave(self, connection: Connection) -> None:
        self._waiting.pop(connection, None)

    def sweep(self) -> None:
        """Turns out those whose time is over; to be called each second."""
        now = asyncio.get_running_loop().time()
        while self._waiting:
            connection, deadline = next(iter(self._waiting.items()))
            if connection.authenticated:
                del self._waiting[connection]
            elif deadline <= now:
                del self._waiting[connection]
                connection.too_late()
            else:
                return


class Rate:
    """A token bucket without a timer: ``rate`` bytes per second, with ``burst`` bytes at once."""

    __slots__ = ("_at", "_left")

    def __init__(self, now: float, burst: int) -> None:
        self._at = now
        self._left = float(burst)

    def take(self, size: int, now: float, rate: int, burst: int) -> float:
        """Takes ``size`` bytes. Returns how many seconds to wait before reading on, or 0."""
        self._left = min(float(burst), self._left + (now - self._at) * rate) - size
        self._at = now
        return -self._left / rate if self._left < 0 else 0.0
