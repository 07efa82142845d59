"""What TCP and WebSocket connections have in common: limits, back pressure, closing."""

from __future__ import annotations

import asyncio

from kith.edge.edge import Edge
from kith.edge.limits import BYTES_BEFORE_LOGIN, PORTION, Rate, cost
from kith.ports.connection import Liveness, Stream
from kith.wire.errors import StreamError, stream_error

_SHORT = 4096
_FLOW, _RATE, _STOP = 1, 2, 4


class Connection(asyncio.Protocol):
    """The connection of a stream, without the framing, which subclasses add. It has no task and no timer.

    What the peer has sent is given to `take` in portions, so that other connections get their turn.
    """

    __slots__ = (
        "_beats",
        "_bytes",
        "_closing",
        "_edge",
        "_held",
        "_limit_key",
        "_rate",
        "_rest",
        "_stream",
        "_transport",
        "_waiters",
        "_writable",
        "asked",
        "heard",
        "survived",
    )

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._stream: Stream | None = None
        self._transport: asyncio.Transport | None = None
        self._bytes = 0
        self._closing = False
        self._held = 0  # the reasons not to read: bits of `_FLOW`, `_RATE` and `_STOP`
        self._limit_key: str | None = None  # from `ConnectionLimit.admit`, while it counts
        self._writable = True
        self._rate: Rate | None = None
        self._rest = b""  # received, and not handled yet
        self._waiters: list[asyncio.Future[None]] | None = None
        # `kith.edge.keepalive.Watched`, in turns of the wheel
        self.heard = 0
        self.asked = -1
        self.survived = 0
        self._beats: tuple[int, int] | None = None  # when it last sent a sign of life, and the interval

    @property
    def transport(self) -> str:
        """The name of the transport in metrics."""
        raise NotImplementedError

    @property
    def short(self) -> int:
        """Input of up to this many bytes is handled at once, not in portions."""
        return _SHORT

    def enter(self, stream: Stream, limit_key: str) -> None:
        """The stream begins. ``limit_key`` is what `ConnectionLimit.admit` has returned."""
        self._stream = stream
        self._limit_key = limit_key
        edge = self._edge
        edge.connections.enter(self)
        edge.open[self.transport] += 1
        edge.accepted[self.transport] += 1
        edge.lobby.enter(self)

    def move(self, address: str) -> bool:
        """Counts the connection for another address, that of a client behind a proxy.

        Returns False if that address has too many connections.
        """
        limit_key = self._edge.connection_limit.move(self._limit_key or "", address)
        if limit_key is not None:
            self._limit_key = limit_key
        return limit_key is not None

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._edge.unread.caught_up(self)
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._closing = True
        self._rest = b""
        edge = self._edge
        if self.asked >= 0:  # it is on the wheel
            edge.connections.leave(self)
            edge.open[self.transport] -= 1
        edge.lobby.leave(self)
        limit_key, self._limit_key = self._limit_key, None
        if limit_key is not None:
            edge.connection_limit.release(limit_key)
        self.resume_writing()
        # a TLS transport refers to the connection too, in a cycle that is never collected
        self._transport = None
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.lost()

    # -- silence --------------------------------------------------------------------------------------

    def note_sign_of_life(self) -> None:
        """Notes the time, and the interval of such signs, since the client probably sends them regularly."""
        now = self._edge.connections.now
        last, interval = self._beats or (now, 0)
        self._beats = now, max(now - last, interval * 7 // 8)

    def liveness(self) -> Liveness | None:
        """What decides how long the client may be silent; None while its silence means nothing."""
        shown = self._stream.liveness() if self._stream is not None and not self._held else None
        if shown is None:
            return None
        interval = self._beats[1] * self._edge.connections.rules.turn if self._beats is not None else 0
        return shown._replace(proxied=self.proxied, interval=interval)

    @property
    def proxied(self) -> bool:
        """Whether the client is known to come through a proxy, which closes silent connections."""
        return False

    def send_ping(self) -> None:
        """Sends something that the client has to answer."""
        if self._stream is not None:
            self._stream.send_ping()

    def on_timeout(self) -> None:
        """The client did not answer in time. The connection ends; a resumable session is kept."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.lost()
        self.close(stream_error(StreamError("connection-timeout", "nothing was heard of the client")))

    # -- bounds ---------------------------------------------------------------------------------------

    @property
    def authenticated(self) -> bool:
        return self._stream is None or self._stream.authenticated

    def too_late(self) -> None:
        """The client did not log in within `auth_timeout`."""
        if self._stream is not None:
            self._stream.fail(StreamError("connection-timeout", "authenticate sooner"))

    def make_room(self) -> None:
        """Closes the connection, because too many others have not logged in either."""
        if self._stream is not None:
            self._stream.fail(StreamError("resource-constraint", "too many connections"))
        self.abort_later()

    def listen_no_more(self) -> bool:
        """Stops reading, because the server is about to stop. Clients send again what was not handled.

        Returns False if it goes on reading until the peer has ended its stream, because the peer would not.
        """
        if self._stream is not None and self._stream.say_goodbye():
            return False
        self._hold(_STOP)
        return True

    def shut_down(self) -> None:
        """Closes the connection, because the server stops (RFC 6120 §4.9.3.21).

        Sessions that can be resumed continue after the restart.
        """
        if self._stream is not None:
            self._stream.shut_down()

    # -- input ------------------------------------------------------------------------------------

    def take(self, stream: Stream, data: bytes) -> None:
        """Handles a portion of what the peer has sent. Raises StreamError."""
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        if self._rest:
            self._rest += data
            return
        stream = self._stream
        if stream is None or self._closing:
            return
        if len(data) > self.short:
            data = self._portion(data)
        if self._admit(stream, data):
            self.take(stream, data)

    def _portion(self, data: bytes) -> bytes:
        """The portion of the input to handle now. The rest is kept for later."""
        size = self.size_of_portion(data)
        if size >= len(data):
            return data
        self._rest = bytes(data[size:])
        if self._rest:
            self._edge.loop.call_soon(self._go_on)
        self._update_reading()
        return data[:size]

    def size_of_portion(self, data: bytes) -> int:
        """How many bytes of the input are handled before other connections get their turn."""
        size = min(len(data), PORTION)
        price = cost(data[:size])
        return size if price <= PORTION else max(self.short, size * PORTION // price)

    def _go_on(self) -> None:
        """Handles the next portion, unless reading is paused."""
        if self._held or self._closing:
            return
        data, self._rest = self._rest, b""
        if data:
            self.data_received(data)
        self._update_reading()

    def _update_reading(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._held or self._rest:
            transport.pause_reading()
        elif not self._closing:
            transport.resume_reading()

    def _ignore_the_rest(self, transport: asyncio.Transport) -> None:
        """Discards further input, but keeps reading, to notice when the peer closes its side."""
        self._held, self._rest = 0, b""
        if not transport.is_closing():
            transport.resume_reading()

    def _hold(self, why: int) -> None:
        self._held |= why
        self._update_reading()

    def _let_go(self, why: int) -> None:
        self._held &= ~why
        if self._rest and not self._held:
            self._edge.loop.call_soon(self._go_on)
        self._update_reading()

    def _admit(self, stream: Stream, data: bytes) -> bool:
        """Counts input. Returns False, and ends the stream, if it is too much for somebody not logged in."""
        edge = self._edge
        self.heard = edge.connections.now
        if not stream.authenticated:
            self._bytes += len(data)
            if self._bytes > BYTES_BEFORE_LOGIN:
                stream.fail(StreamError("policy-violation", "too much before authentication"))
                return False
        elif edge.rate:
            self.charge(self.cost(data))
        return True

    def cost(self, data: bytes) -> int:
        """The cost of handling input, in bytes of plain text (`kith.edge.limits.cost`)."""
        return cost(data)

    def charge(self, size: int) -> None:
        """Counts the cost of input, and pauses reading if it exceeds the rate."""
        edge = self._edge
        now = edge.loop.time()
        if self._rate is None:
            self._rate = Rate(now, edge.burst)
        wait = self._rate.take(size, now, edge.rate, edge.burst)
        if wait and not self._held & _RATE:
            self._hold(_RATE)
            edge.loop.call_later(wait, self._let_go, _RATE)

    # -- what all sinks do ------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Sends bytes. A peer that leaves too much unread is disconnected."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(data)
        if not self._writable:
            self._edge.unread.grew(self)

    def unread(self) -> int:
        """The number of bytes that were not sent yet, because the peer does not read."""
        transport = self._transport
        return transport.get_write_buffer_size() if transport is not None else 0

    def close(self, error: bytes = b"") -> None:
        raise NotImplementedError

    def close_for_restart(self) -> None:
        raise NotImplementedError

    def abort(self) -> None:
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    def abort_later(self) -> None:
        """Aborts the connection once what was written has been sent."""
        if self._transport is not None:
            self._edge.loop.call_soon(self._transport.abort)

    def pause(self) -> None:
        self._hold(_FLOW)

    def resume(self) -> None:
        self._let_go(_FLOW)

    async def drained(self) -> None:
        if self._writable or self._closing:
            return
        if self._waiters is None:
            self._waiters = []
        waiter = self._edge.loop.create_future()
        self._waiters.append(waiter)
        await waiter
