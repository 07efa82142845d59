"""Connections of the media ports: their number, and for how long they may do nothing."""

from __future__ import annotations

import asyncio
from typing import cast

from kith.edge.connection_limit import ConnectionLimit
from kith.edge.edge import Edge
from kith.edge.tls import peer_address
from kith.media.http import MediaWeb

#: Seconds without a byte in either direction after which a connection is closed.
IDLE = 75.0
#: How many connections there are at most; beyond it, the one that was idle for the longest is closed.
_MOST = 4000


class Visitors:
    """The open connections, the one whose last progress is the longest ago first."""

    def __init__(self, limit: ConnectionLimit) -> None:
        self.limit = limit
        self._all: dict[MediaConnection, None] = {}

    def __len__(self) -> int:
        return len(self._all)

    def enter(self, connection: MediaConnection) -> None:
        self._all[connection] = None
        if len(self._all) > _MOST:
            min(self._all, key=lambda one: one.moved).abort()

    def leave(self, connection: MediaConnection) -> None:
        self._all.pop(connection, None)

    async def sweep(self) -> None:
        """Closes connections that make no progress."""
        now = asyncio.get_running_loop().time()
        for connection in list(self._all):
            if connection.progress(now) < now - IDLE:
                connection.abort()


class MediaConnection(asyncio.Protocol):
    """Counts a connection, and hands it to aiohttp.

    ``moved``: when something was received, or the client has read something, in the loop's time.
    """

    __slots__ = ("_edge", "_handler", "_limit_key", "_transport", "_visitors", "_waiting", "_web", "moved")

    def __init__(self, edge: Edge, web: MediaWeb, visitors: Visitors, limit_key: str | None = None) -> None:
        """``limit_key``: from `ConnectionLimit.admit`, if it was called already; then TLS is used."""
        self._edge = edge
        self._web = web
        self._visitors = visitors
        self._limit_key = limit_key
        self._handler: asyncio.Protocol | None = None
        self._transport: asyncio.Transport | None = None
        self._waiting = 0  # bytes that the client had not read when we looked last
        self.moved = edge.loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's have the methods, but not the class
        self._transport = transport
        if self._limit_key is None:
            peer = peer_address(transport)
            self._limit_key = self._visitors.limit.admit(self._edge.known(peer), self._edge.loop.time())
            if self._limit_key is None:
                transport.close()
                return
        self._visitors.enter(self)
        self._handler = self._web.handler()
        self._handler.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self.moved = self._edge.loop.time()
        if self._handler is not None:
            self._handler.data_received(data)

    def progress(self, now: float) -> float:
        """When the connection has made progress last, as far as is known at ``now``."""
        if self._transport is not None:
            waiting = self._transport.get_write_buffer_size()
            if waiting != self._waiting:
                self._waiting = waiting
                self.moved = now
        return self.moved

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def eof_received(self) -> bool | None:
        return self._handler.eof_received() if self._handler is not None else None

    def pause_writing(self) -> None:
        if self._handler is not None:
            self._handler.pause_writing()

    def resume_writing(self) -> None:
        self.moved = self._edge.loop.time()
        if self._handler is not None:
            self._handler.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        limit_key, self._limit_key = self._limit_key, None
        if limit_key is not None:
            self._visitors.leave(self)
            self._visitors.limit.release(limit_key)
        self._transport = None  # one of TLS holds the connection in turn, in a circle that is never collected
        handler, self._handler = self._handler, None
        if handler is not None:
            handler.connection_lost(error)
