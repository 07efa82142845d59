"""What connections have in common, whatever carries them: bounds, back pressure, farewell."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections import Counter
from typing import Protocol

from kith.core.domain import Domain
from kith.core.sasl import Security
from kith.edge.limits import BYTES_BEFORE_LOGIN, UNREAD_BYTES, Lobby, Rate
from kith.edge.tls import Certificates, peer_address
from kith.wire.errors import StreamError
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
    """What all connections of a server share.

    ``open`` and ``accepted`` count them by `Connection.transport`: those of now, and all.
    """

    def __init__(self, domain: Domain, pool: ParserPool, certificates: Certificates) -> None:
        self.domain = domain
        self.pool = pool
        self.certificates = certificates
        self.lobby = Lobby(domain.config.auth_timeout)
        self.rate = domain.config.rate_bytes
        self.burst = max(4 * domain.config.rate_bytes, 2 * domain.config.stanza_bytes)
        self.connections: set[Connection] = set()
        self.open: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()
        self.loop = asyncio.get_running_loop()

    def plain(self, transport: asyncio.BaseTransport) -> Security:
        """What a connection without TLS offers: authentication only if set, and only on loopback."""
        peer = peer_address(transport)
        return Security(trusted=self.domain.config.allow_plaintext and _is_loopback(peer), address=peer)


def behind_proxy(peer: str, forwarded: str | None) -> str:
    """The address of who asks. ``forwarded``: the X-Forwarded-For that a proxy on this machine has set."""
    seen = (forwarded or "").rpartition(",")[2].strip()
    return seen if seen and _is_loopback(peer) and _is_address(seen) else peer


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_loopback(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def keep_alive(transport: asyncio.BaseTransport) -> None:
    """Lets the kernel find out that a peer is gone, so that no connection needs a timer for it."""
    connection = transport.get_extra_info("socket")
    if connection is None:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 300), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 4)):
        if (option := getattr(socket, name, None)) is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
    if (option := getattr(socket, "TCP_USER_TIMEOUT", None)) is not None:
        connection.setsockopt(socket.IPPROTO_TCP, option, 60_000)


class Connection(asyncio.Protocol):
    """A stream's connection, without the framing. No task, no timer of its own."""

    __slots__ = (
        "_bytes",
        "_closing",
        "_edge",
        "_paused",
        "_rate",
        "_stream",
        "_transport",
        "_waiters",
        "_writable",
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

    @property
    def transport(self) -> str:
        """What carries it, as operators are told."""
        raise NotImplementedError

    def enter(self, stream: Stream) -> None:
        """The stream begins."""
        self._stream = stream
        edge = self._edge
        edge.connections.add(self)
        edge.open[self.transport] += 1
        edge.accepted[self.transport] += 1
        edge.lobby.enter(self)

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
        if self in self._edge.connections:
            self._edge.connections.remove(self)
            self._edge.open[self.transport] -= 1
        self._edge.lobby.leave(self)
        self.resume_writing()
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.lost()

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
