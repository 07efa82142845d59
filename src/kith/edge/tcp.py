"""XMPP over TCP: plain with STARTTLS, or TLS from the first byte (RFC 6120 §3 and §5, XEP-0368)."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Mapping, Sequence
from typing import cast

from kith.core.domain import Domain
from kith.core.sasl import Security
from kith.core.stream import Stream
from kith.edge.limits import BYTES_BEFORE_LOGIN, LINGER, UNREAD_BYTES, Lobby, Rate
from kith.edge.tls import Certificates
from kith.wire import ns
from kith.wire.errors import StreamError
from kith.wire.parser import ParserPool, StreamClosed, StreamOpened, StreamParser
from kith.wire.serialize import attributes
from kith.wire.stanza import Stanza

_HEAD = f"<?xml version='1.0'?><stream:stream xmlns='{ns.CLIENT}' xmlns:stream='{ns.STREAMS}'"


class Edge:
    """What all connections of a server share."""

    def __init__(self, domain: Domain, pool: ParserPool, certificates: Certificates) -> None:
        self.domain = domain
        self.pool = pool
        self.certificates = certificates
        self.lobby = Lobby(domain.config.auth_timeout)
        self.rate = domain.config.rate_bytes
        self.burst = max(4 * domain.config.rate_bytes, 2 * domain.config.stanza_bytes)
        self.connections: set[object] = set()
        self.loop = asyncio.get_running_loop()

    def is_trusted(self, peer: object) -> bool:
        """Whether authentication without TLS is allowed from there: only if set, only on loopback."""
        if not self.domain.config.allow_plaintext or not isinstance(peer, tuple):
            return False
        try:
            address = ipaddress.ip_address(peer[0].partition("%")[0])
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


class TCPConnection(asyncio.Protocol):
    """One connection; it is its stream's `kith.core.ports.Sink`. No task, no timer of its own."""

    __slots__ = (
        "_bytes",
        "_closing",
        "_direct",
        "_edge",
        "_handshake",
        "_opened",
        "_parser",
        "_paused",
        "_rate",
        "_stream",
        "_transport",
        "_waiters",
        "_writable",
    )

    def __init__(self, edge: Edge, direct: bool) -> None:
        self._edge = edge
        self._direct = direct
        self._parser = StreamParser(edge.pool)
        self._stream: Stream | None = None
        self._transport: asyncio.Transport | None = None
        self._bytes = 0
        self._opened = False
        self._closing = False
        self._handshake = False
        self._paused = False
        self._writable = True
        self._rate: Rate | None = None
        self._waiters: list[asyncio.Future[None]] | None = None

    # -- asyncio.Protocol ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, but not the class
        transport = cast(asyncio.Transport, transport)
        self._transport = transport
        if self._handshake:  # STARTTLS: uvloop announces the new transport
            return
        edge = self._edge
        keep_alive(transport)
        if self._direct:
            security = edge.certificates.security(transport)
        else:
            security = Security(trusted=edge.is_trusted(transport.get_extra_info("peername")))
        self._stream = Stream(edge.domain, self, security, starttls=not self._direct)
        edge.connections.add(self)
        edge.lobby.enter(self)

    def data_received(self, data: bytes) -> None:
        stream = self._stream
        if stream is None or self._closing:
            return
        if stream.account is None:
            self._bytes += len(data)
            if self._bytes > BYTES_BEFORE_LOGIN:
                stream.fail(StreamError("policy-violation", "too much before authentication"))
                return
        elif self._edge.rate:
            self._limit(len(data))
        try:
            for event in self._parser.feed(data):
                if event.__class__ is Stanza:
                    stream.receive(event)
                elif isinstance(event, StreamOpened):
                    stream.opened(event)
                elif isinstance(event, StreamClosed):
                    stream.closed()
                elif isinstance(event, StreamError):
                    stream.fail(event)
                if self._closing or self._handshake:
                    return
        except StreamError as error:
            stream.fail(error)
        except Exception as error:
            self._edge.domain.log_error("connection failed", error)
            stream.fail(StreamError("internal-server-error"))

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
        self._edge.connections.discard(self)
        self._edge.lobby.leave(self)
        self.resume_writing()
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.lost()

    # -- limits ---------------------------------------------------------------------------------------

    @property
    def authenticated(self) -> bool:
        return self._stream is None or self._stream.authenticated

    def too_late(self) -> None:
        if self._stream is not None:
            self._stream.fail(StreamError("connection-timeout", "authenticate sooner"))

    def shut_down(self) -> None:
        """The server stops (RFC 6120 §4.9.3.21)."""
        if self._stream is not None:
            self._stream.fail(StreamError("system-shutdown"))

    def _limit(self, size: int) -> None:
        edge = self._edge
        now = edge.loop.time()
        if self._rate is None:
            self._rate = Rate(now, edge.burst)
        wait = self._rate.take(size, now, edge.rate, edge.burst)
        if wait and self._transport is not None and not self._paused:
            self._transport.pause_reading()
            edge.loop.call_later(wait, self._read_on)

    def _read_on(self) -> None:
        if self._transport is not None and not self._closing and not self._paused:
            self._transport.resume_reading()

    # -- Sink -----------------------------------------------------------------------------------------

    def open(self, attrs: Mapping[str, str]) -> None:
        self._opened = True
        self._write(f"{_HEAD}{attributes(attrs)}>".encode())

    def restart(self) -> None:
        self._parser.reset()

    def start_tls(self) -> None:
        self._handshake = True
        self._edge.domain.spawn(self._start_tls())

    async def _start_tls(self) -> None:
        transport = self._transport
        assert transport is not None
        try:
            self._parser.reset()
            secured = await self._edge.loop.start_tls(
                transport,
                self,
                self._edge.certificates.starttls,
                server_side=True,
                ssl_handshake_timeout=self._edge.domain.config.auth_timeout,
            )
        except (OSError, StreamError):  # ssl.SSLError among them; the peer is told by TLS itself
            transport.abort()
            return
        if secured is None or self._stream is None:
            transport.abort()
            return
        self._transport = secured
        self._stream.security = self._edge.certificates.security(secured)
        self._opened = False
        self._handshake = False

    def send(self, elements: Sequence[bytes]) -> None:
        self._write(elements[0] if len(elements) == 1 else b"".join(elements))

    def _write(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or self._closing:
            return
        transport.write(data)
        if not self._writable and transport.get_write_buffer_size() > UNREAD_BYTES:
            transport.abort()

    def close(self, error: bytes = b"") -> None:
        transport = self._transport
        if transport is None or self._closing:
            return
        if self._opened:
            transport.write(error + b"</stream:stream>")
        self._closing = True
        if transport.can_write_eof():
            # unread input would make the kernel reset the connection, and the peer miss the reason
            transport.write_eof()
        else:
            transport.close()
        self._edge.loop.call_later(LINGER, transport.abort)

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
