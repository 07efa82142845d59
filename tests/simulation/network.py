"""Connections between people and nodes: late by as much as the seed says, and cut at any time.

A node has the real `kith.edge.tcp.TCPConnection` on a transport of this kind, so bytes pass the parser, the
bounds and the back pressure that they pass from a socket.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, Protocol

from tests.simulation.clock import Loop

#: How long bytes are on their way, in seconds: mostly a little, now and then long.
QUICK, SLOW = 0.003, 0.5
_HIGH, _LOW = 64 * 1024, 16 * 1024


class Client(Protocol):
    """The other side of a connection."""

    def received(self, data: bytes) -> None:
        """Bytes came."""

    def ended(self) -> None:
        """The connection is over."""


def delay(rng: random.Random) -> float:
    return rng.random() * (SLOW if rng.random() < 0.02 else QUICK)


class Line:
    """One TCP connection. ``near`` is the loop of the people, ``far`` the node's.

    Bytes of one direction keep their order, and each connection has its own delays.
    """

    def __init__(self, near: Loop, client: Client, rng: random.Random) -> None:
        self.near = near
        self.client = client
        self.rng = rng
        self.far: Loop | None = None
        self.transport: Transport | None = None
        self.client_gone = False
        self._up_at = self._down_at = 0.0  # when the last bytes arrive
        self._up_lost = self._down_lost = False  # what is on its way does not arrive

    def connected(self, protocol: asyncio.Protocol) -> None:
        """A node has taken the connection; ``far`` is set."""
        self.transport = Transport(self, protocol)
        protocol.connection_made(self.transport)

    # -- the client's side ----------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Sends bytes to the node."""
        if self.far is not None and not self.client_gone:
            self._up(self._arrive, data)

    def _up(self, call: Callable[..., None], *args: object) -> None:
        assert self.far is not None
        self._up_at = max(self._up_at + 1e-6, self.near.time() + delay(self.rng))
        self.far.call_at(self._up_at, call, *args)

    def _arrive(self, data: bytes) -> None:
        if self.transport is not None and not self._up_lost:
            self.transport.feed(data)

    def cut(self, silence: float) -> None:
        """The client is gone at once. The node learns of it after so many seconds.

        What is on its way may arrive or not: each direction has its luck.
        """
        if self.client_gone:
            return
        self.client_gone = True
        self._up_lost = self.rng.random() < 0.5
        self._down_lost = True
        if self.far is not None and self.transport is not None:
            self.far.call_at(self.near.time() + silence + 0.01, self.transport.lost)

    # -- the node's side ------------------------------------------------------------------------------

    def write(self, data: bytes, arrived: Callable[[], None]) -> None:
        """Sends bytes to the client; ``arrived`` is called in the node's loop."""
        self._down(self._deliver, data, arrived)

    def _down(self, call: Callable[..., None], *args: object) -> None:
        assert self.far is not None
        self._down_at = max(self._down_at + 1e-6, self.far.time() + delay(self.rng))
        self.near.call_at(self._down_at, call, *args)

    def _deliver(self, data: bytes, arrived: Callable[[], None]) -> None:
        if self._down_lost:
            return
        assert self.far is not None
        self.far.call_soon(arrived)
        self.client.received(data)

    def hang_up(self) -> None:
        """The node has closed the connection: the client sees that after all bytes."""
        if self.far is not None and not self.client_gone:
            self._down(self._hung_up)

    def _hung_up(self) -> None:
        if not self.client_gone:
            self.client_gone = True
            self.client.ended()

    def node_killed(self) -> None:
        """The client sees it soon, or only when it has waited; what was on its way may arrive."""
        transport, self.transport = self.transport, None
        if transport is not None:
            transport.forget()
        if self.client_gone:
            return
        self._down_lost = self.rng.random() < 0.5
        silence = self.rng.random() * (3.0 if self.rng.random() < 0.2 else 0.01)
        self._down_at = max(self._down_at + 1e-6, self.near.time() + silence)
        self.near.call_at(self._down_at, self._hung_up)


class Transport(asyncio.Transport):
    """The node's side of a `Line`, as asyncio knows transports."""

    def __init__(self, line: Line, protocol: asyncio.Protocol) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self._line = line
        self._protocol = protocol
        self._closing = self._over = False
        self._paused = False
        self._waiting: list[bytes] = []
        self._on_its_way = 0  # bytes
        self._high = False

    # -- what comes -----------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        if self._over or self._closing:
            return
        if self._paused or self._waiting:
            self._waiting.append(data)
        else:
            self._protocol.data_received(data)

    def forget(self) -> None:
        """Its node is dead."""
        self._closing = self._over = True

    def lost(self, error: Exception | None = None) -> None:
        """The peer is gone."""
        if not self._over:
            self._closing = self._over = True
            self._line.hang_up()
            self._protocol.connection_lost(error)

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            assert self._line.far is not None
            self._line.far.call_soon(self._resume)

    def _resume(self) -> None:
        while self._waiting and not self._paused and not self._over:
            self._protocol.data_received(self._waiting.pop(0))

    def is_reading(self) -> bool:
        return not self._paused

    # -- what goes ------------------------------------------------------------------------------------

    def write(self, data: Any) -> None:
        if self._over or self._closing:
            return
        size = len(data)
        self._on_its_way += size
        self._line.write(bytes(data), lambda: self._arrived(size))
        if self._on_its_way > _HIGH and not self._high:
            self._high = True
            self._protocol.pause_writing()

    def _arrived(self, size: int) -> None:
        self._on_its_way -= size
        if self._high and self._on_its_way < _LOW and not self._over:
            self._high = False
            self._protocol.resume_writing()

    def get_write_buffer_size(self) -> int:
        return self._on_its_way

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._line.hang_up()

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            assert self._line.far is not None
            self._line.far.call_soon(self.lost)

    def abort(self) -> None:
        self.close()
