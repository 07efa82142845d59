"""Limits on connections: time and bytes before login, the rate afterwards, and what is left unread."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Protocol

#: The number of bytes that a client may send before it has logged in.
BYTES_BEFORE_LOGIN = 64 * 1024
#: How long to wait for a peer to close its side of a closed stream, in seconds.
LINGER = 3.0
#: A peer that leaves more bytes than this unread is disconnected; its messages stay in the log.
UNREAD_BYTES = 4 * 1024 * 1024
#: The same for all connections together; beyond it, the one with the most unread bytes is disconnected.
UNREAD_IN_ALL = 256 * 1024 * 1024
#: The extra cost of a tag, frame or reference, in bytes, since elements take time whatever their size.
TAG_BYTES = 64
#: The extra cost of a byte outside of ASCII, in bytes. Such letters take most of the time that preparing a
#: long address takes (`kith.wire.jid`).
LETTER_BYTES = 8
#: The cost of input that one connection may have handled before others get their turn.
PORTION = 64 * 1024
_ASCII = bytes(range(128))


def cost(data: bytes) -> int:
    """The cost of handling XML from a peer, expressed in bytes of plain text."""
    size = len(data) + TAG_BYTES * (data.count(b"<") + data.count(b"&"))
    return size if data.isascii() else size + LETTER_BYTES * len(data.translate(None, _ASCII))


class Connection(Protocol):
    """What `Lobby` needs of a connection."""

    @property
    def authenticated(self) -> bool: ...
    def too_late(self) -> None:
        """The client did not log in in time."""

    def make_room(self) -> None:
        """Closes the connection in favour of others."""


class Lobby:
    """The connections that have not logged in yet, in the order of arrival.

    Beyond ``room`` of them, the oldest is closed. Since clients log in quickly, this hits connections that
    only take up room, and new clients can connect however many of those there are.
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
        """Closes connections whose time is over. Has to be called once a second."""
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
        """Takes ``size`` bytes. Returns how many seconds to wait before reading on; 0 if none."""
        self._left = min(float(burst), self._left + (now - self._at) * rate) - size
        self._at = now
        return -self._left / rate if self._left < 0 else 0.0
