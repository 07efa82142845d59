"""Limits what peers leave unread, for each connection and in total."""

from __future__ import annotations

from typing import Protocol

from kith.edge.limits import UNREAD_BYTES, UNREAD_IN_ALL


class Reader(Protocol):
    """A connection whose peer reads slowly."""

    def unread(self) -> int:
        """The number of bytes that were not sent yet."""

    def abort(self) -> None:
        """Drops the connection at once."""


class Unread:
    """The connections that have unread bytes. Others cost nothing."""

    def __init__(self, each: int = UNREAD_BYTES, in_all: int = UNREAD_IN_ALL) -> None:
        self._each = each
        self._in_all = in_all
        self._sizes: dict[Reader, int] = {}
        self._total = 0

    def grew(self, reader: Reader) -> None:
        """More was written to a slow connection. Disconnects those that leave too much unread."""
        size = reader.unread()
        self._total += size - self._sizes.get(reader, 0)
        self._sizes[reader] = size
        if size > self._each:
            reader.abort()
            self.caught_up(reader)
        elif self._total > self._in_all:
            self._make_room()

    def caught_up(self, reader: Reader) -> None:
        """The connection has read nearly everything, or has ended."""
        self._total -= self._sizes.pop(reader, 0)

    def _make_room(self) -> None:
        """Disconnects the worst connection, after looking again what each has left unread."""
        self._sizes = {reader: reader.unread() for reader in self._sizes}
        self._total = sum(self._sizes.values())
        for reader in sorted(self._sizes, key=self._sizes.__getitem__, reverse=True):
            if self._total <= self._in_all * 3 // 4:
                return
            reader.abort()
            self.caught_up(reader)
