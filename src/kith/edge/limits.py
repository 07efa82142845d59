"""Bounds on connections: time and bytes before authentication, the rate afterwards, what is left unread."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Protocol

#: Bytes that a stream may send before it is authenticated.
BYTES_BEFORE_LOGIN = 64 * 1024
#: How long a peer may take to close its side of a closed stream, in seconds.
LINGER = 3.0
#: A reader that leaves more than this unread is cut off; its messages stay in the log.
UNREAD_BYTES = 4 * 1024 * 1024
#: What all together may leave unread; past it, whoever leaves the most is cut off.
UNREAD_IN_ALL = 256 * 1024 * 1024
#: What a tag, a frame or a reference costs, as so many bytes more: elements take time, whatever their size.
TAG_BYTES = 64
#: What a byte outside of ASCII costs, as so many bytes more. Most of the time of a long address goes into
#: preparing such letters (`kith.wire.jid`).
LETTER_BYTES = 8
#: So much of what one connection has sent is handled before others get their turn; cost as above.
PORTION = 64 * 1024
_ASCII = bytes(range(128))


def cost(data: bytes) -> int:
    """What it takes to handle XML from a peer, as a number of bytes of plain text."""
    size = len(data) + TAG_BYTES * (data.count(b"<") + data.count(b"&"))
    return size if data.isascii() else size + LETTER_BYTES * len(data.translate(None, _ASCII))


class Connection(Protocol):
    """What `Lobby` needs of a connection."""

    @property
    def authenticated(self) -> bool: ...
    def too_late(self) -> None:
        """The time to authenticate is over."""

    def make_room(self) -> None:
        """Others need its place."""


class Lobby:
    """Connections that have not authenticated yet, in the order of arrival; one timer for all.

    Past ``room`` of them, the oldest makes room. Who logs in is soon out again; who only takes a place is
    not, so whoever comes gets in, however many are silent.
    """

    def __init__(self, timeout: float, room: int) -> None:
        self._timeout = timeout
        self._room = room
        self._waiting: OrderedDict[Connection, float] = OrderedDict()

    def enter(self, connection: Connection) -> None:
        self._waiting[connection] = asyncio.get_running_loop().time() + self._timeout
        while len(self._waiting) > self._room:
            oldest, _ = self._waiting.popitem(last=False)
            if not oldest.authenticated:
                oldest.make_room()

    def leave(self, connection: Connection) -> None:
        self._waiting.pop(connection, None)

    def sweep(self) -> None:
        """Turns out those whose time is over, forgets those who have logged in; to be called each second."""
        now = asyncio.get_running_loop().time()
        for connection in [waiting for waiting in self._waiting if waiting.authenticated]:
            del self._waiting[connection]
        while self._waiting:
            connection, deadline = next(iter(self._waiting.items()))
            if deadline > now:
                return
            del self._waiting[connection]
            connection.too_late()


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
