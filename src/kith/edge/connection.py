"""What connections have in common, whatever carries them: bounds, back pressure, farewell."""

from __future__ import annotations

import asyncio
import ipaddress
import math
import socket
from typing import Protocol

from kith.core.domain import Domain
from kith.core.sasl import Security
from kith.core.stream import Stream as ClientStream
from kith.edge.keepalive import Bearing, Rules, Wheel
from kith.edge.limits import BYTES_BEFORE_LOGIN, UNREAD_BYTES, Lobby, Rate
from kith.edge.tls import Certificates, peer_address
from kith.wire.errors import StreamError, stream_error
from kith.wire.parser import ParserPool, StreamOpened
from kith.wire.stanza import Stanza


class Stream(Protocol):
    """What a connection carries: `kith.core.stream.Stream`, or that of a component or a server."""

    security: Security

    @property
    def authenticated(self) -> bool: ...
    def opened(self, header: StreamOpened) -> None:
        """The peer's stream header. Raises StreamError."""

    def receive(self, element: Stanza) -> None:
        """A complete element. Raises StreamError."""

    def closed(self) -> None:
        """The peer has closed its stream."""

    def lost(self) -> None:
        """The connection is gone."""

    def fail(self, error: StreamError) -> None:
        """Ends the stream with an error."""


class Edge:
    """What all connections of a server share."""

    def __init__(self, domain: Domain, pool: ParserPool, certificates: Certificates) -> None:
        self.domain = domain
        self.pool = pool
        self.certificates = certificates
        self.lobby = Lobby(domain.config.auth_timeout)
        self.rate = domain.config.rate_bytes
        self.burst = max(4 * domain.config.rate_bytes, 2 * domain.config.stanza_bytes)
        config = domain.config
        self.connections: Wheel[Connection] = Wheel(
            Rules(config.ping_after, config.ping_timeout, config.proxy_timeout)
        )
        self.loop = asyncio.get_running_loop()

    @property
    def kernel_idle(self) -> float:
        """Seconds of silence of a client after which the kernel looks for itself."""
        rules = self.connections.rules
        return rules.longest + 2 * rules.ping_timeout if rules.ping_after else 300

    async def watch(self) -> None:
        """Looks for clients that are gone, for ever."""
        while True:
            await asyncio.sleep(self.connections.rules.turn)
            try:
                self.connections.turn()
            except Exception as error:
                self.domain.log_error("looking for lost clients failed", error)

    def plain(self, transport: asyncio.BaseTransport) -> Security:
        """What a connection without TLS offers: authentication only if set, and only on loopback."""
        peer = peer_address(transport)
        return Security(trusted=self.domain.config.allow_plaintext and _is_loopback(peer), address=peer)


def _is_loopback(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def keep_alive(transport: asyncio.BaseTransport, idle: float = 300) -> None:
    """Lets the kernel find out that a peer's machine is gone, after ``idle`` seconds or when it is sent to.

    That of a client is asked by `kith.edge.keepalive`: the kernel comes after that, or a phone would be woken
    by both.
    """
    connection = transport.get_extra_info("socket")
    if connection is None:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    seconds = min(math.ceil(idle), _LONGEST_IDLE)
    for name, value in (("TCP_KEEPIDLE", seconds), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 4)):
        if (option := getattr(socket, name, None)) is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
    if (option := getattr(socket, "TCP_USER_TIMEOUT", None)) is not None:
        connection.setsockopt(socket.IPPROTO_TCP, option, 60_000)


#: What Linux takes (MAX_TCP_KEEPIDLE), in seconds.
_LONGEST_IDLE = 32767


class Connection(asyncio.Protocol):
    """A stream's connection, without the framing. No task, no timer of its own."""

    __slots__ = (
        "_beats",
        "_bytes",
        "_closing",
        "_edge",
        "_paused",
        "_rate",
        "_stream",
        "_transport",
        "_waiters",
        "_writable",
        "asked",
        "heard",
    )

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._stream: Stream | None = None
        self._transport: asyncio.Transport | None = None
        self._bytes = 0
        self._closing = False
        self._paused = False
        self._writable = True
        self._rate: Rate | None = None
        self._waiters: list[asyncio.Future[None]] | None = None
        # `kith.edge.keepalive.Watched`, in turns of the wheel
        self.heard = 0
        self.asked = -1
        self._beats: tuple[int, int] | None = None  # its last own sign of life, and the time between two

    def enter(self, stream: Stream) -> None:
        """The stream begins."""
        self._stream = stream
        self._edge.connections.enter(self)
        self._edge.lobby.enter(self)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._closing = True
        self._edge.connections.leave(self)
        self._edge.lobby.leave(self)
        self.resume_writing()
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.lost()

    # -- silence --------------------------------------------------------------------------------------

    def beat(self) -> None:
        """The client has given a sign of life for its own sake, as it probably does at an interval."""
        now = self._edge.connections.now
        last, interval = self._beats or (now, 0)
        self._beats = now, max(now - last, interval * 7 // 8)

    def bearing(self) -> Bearing | None:
        stream = self._stream
        if self._paused or not isinstance(stream, ClientStream) or not stream.authenticated:
            return None
        session = stream.session
        interval = self._beats[1] * self._edge.connections.rules.turn if self._beats is not None else 0
        if session is None:
            return Bearing(proxied=self.proxied, interval=interval)
        resumable = session.sm is not None and session.sm.resumable
        return Bearing(resumable, session.resting, self.proxied, interval)

    @property
    def proxied(self) -> bool:
        """Whether a proxy is known to be between, which cuts silent connections."""
        return False

    def ask(self) -> None:
        session = self._stream.session if isinstance(self._stream, ClientStream) else None
        if session is not None:
            session.ask()

    def gone(self) -> None:
        """Ends the connection, but not what can be resumed (XEP-0198 §5)."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.lost()
        self.close(stream_error(StreamError("connection-timeout", "nothing was heard of the client")))

    # -- bounds ---------------------------------------------------------------------------------------

    @property
    def authenticated(self) -> bool:
        return self._stream is None or self._stream.authenticated

    def too_late(self) -> None:
        """The time to authenticate is over."""
        if self._stream is not None:
            self._stream.fail(StreamError("connection-timeout", "authenticate sooner"))

    def shut_down(self) -> None:
        """The server stops (RFC 6120 §4.9.3.21)."""
        if self._stream is not None:
            self._stream.fail(StreamError("system-shutdown"))

    def admit(self, stream: Stream, size: int) -> bool:
        """Counts what has come; False if it is too much before authentication, and the stream is over."""
        edge = self._edge
        self.heard = edge.connections.now
        if not stream.authenticated:
            self._bytes += size
            if self._bytes > BYTES_BEFORE_LOGIN:
                stream.fail(StreamError("policy-violation", "too much before authentication"))
                return False
        elif edge.rate:
            now = edge.loop.time()
            if self._rate is None:
                self._rate = Rate(now, edge.burst)
            wait = self._rate.take(size, now, edge.rate, edge.burst)
            if wait and self._transport is not None and not self._paused:
                self._transport.pause_reading()
                edge.loop.call_later(wait, self._read_on)
        return True

    def _read_on(self) -> None:
        if self._transport is not None and not self._closing and not self._paused:
            self._transport.resume_reading()

    # -- what all sinks do ------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Sends bytes; cuts off a peer that leaves too much unread."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(data)
        if not self._writable and transport.get_write_buffer_size() > UNREAD_BYTES:
            transport.abort()

    def close(self, error: bytes = b"") -> None:
        raise NotImplementedError

    def abort(self) -> None:
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        self._paused = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        self._paused = False
        if self._transport is not None and not self._closing:
            self._transport.resume_reading()

    async def drained(self) -> None:
        if self._writable or self._closing:
            return
        if self._waiters is None:
            self._waiters = []
        waiter = self._edge.loop.create_future()
        self._waiters.append(waiter)
        await waiter
