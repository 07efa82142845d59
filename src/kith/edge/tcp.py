"""XMPP over TCP: plain with STARTTLS, or TLS from the first byte (RFC 6120 §3 and §5, XEP-0368)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from kith.edge.connection import Connection
from kith.edge.edge import Edge
from kith.edge.limits import LINGER
from kith.edge.tls import peer_address
from kith.ports.connection import Security, Sink, Stream
from kith.wire import ns
from kith.wire.errors import StreamError, stream_error
from kith.wire.parser import Event, StreamClosed, StreamOpened, StreamParser
from kith.wire.serialize import attributes
from kith.wire.stanza import Stanza

#: A function that makes the stream of a new connection.
MakeStream = Callable[[Sink, Security], Stream]


class TCPConnection(Connection):
    """A connection, which is the `kith.ports.connection.Sink` of its stream."""

    __slots__ = ("_answers", "_direct", "_handshake", "_make_stream", "_namespace", "_opened", "_parser")

    def __init__(
        self,
        edge: Edge,
        make_stream: MakeStream,
        limit_key: str | None = None,
        namespace: str = ns.CLIENT,
    ) -> None:
        """``limit_key``: from `ConnectionLimit.admit`, if it was called already; then TLS has been started.

        ``namespace``: the content namespace of the stream (RFC 6120 §4.8.3).
        """
        super().__init__(edge)
        self._make_stream = make_stream
        self._namespace = namespace
        self._limit_key = limit_key
        self._direct = limit_key is not None
        self._parser = StreamParser(edge.pool)
        self._opened = False
        self._handshake = False
        self._answers: list[bytes] | None = None  # to the input that is being handled; sent with one write

    @property
    def transport(self) -> str:
        """``tls`` for TLS from the first byte; ``tcp`` for others, with or without STARTTLS."""
        other = {ns.SERVER: "server", ns.COMPONENT: "component"}.get(self._namespace)
        return other or ("tls" if self._direct else "tcp")

    @property
    def _is_server(self) -> bool:
        """Whether the peer is another server."""
        return self._namespace == ns.SERVER

    # -- asyncio.Protocol ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, but not the class
        self._transport = cast(asyncio.Transport, transport)
        edge = self._edge
        limit_key = self._limit_key
        if limit_key is not None:
            security = edge.certificates.security(transport)
        else:
            limit_key = edge.connection_limit.admit(peer_address(transport), edge.loop.time())
            if limit_key is None:
                self._refuse()
                return
            security = edge.plain(transport)
        self.enter(self._make_stream(self, security), limit_key)

    def _refuse(self) -> None:
        """Refuses the connection, because there are too many (RFC 6120 §4.9.1.2)."""
        transport = self._transport
        self._closing = True
        if transport is not None:
            self._head({"from": self._edge.domain.name, "version": "1.0"})
            error = StreamError("policy-violation", "too many connections")
            self.write(stream_error(error) + b"</stream:stream>")
            transport.close()

    def take(self, stream: Stream, data: bytes) -> None:
        self._answers = []
        try:
            self._handle(stream, self._parser.feed(data), data)
        except StreamError as error:
            stream.fail(error)
        except Exception as error:
            self._edge.tasks.failed("connection failed", error)
            stream.fail(StreamError("internal-server-error"))
        self._answer()

    def _handle(self, stream: Stream, events: Sequence[Event], data: bytes) -> None:
        if not events and data.isspace():  # a whitespace keepalive (RFC 6120 §4.6.1)
            self.note_sign_of_life()
        for event in events:
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

    def _answer(self) -> None:
        """Sends the collected answers. Later ones are sent at once."""
        answers, self._answers = self._answers, None
        if answers:
            self.write(answers[0] if len(answers) == 1 else b"".join(answers))

    def write(self, data: bytes) -> None:
        if self._answers is not None:
            self._answers.append(data)
        else:
            super().write(data)

    # -- Sink -----------------------------------------------------------------------------------------

    def open(self, attrs: Mapping[str, str]) -> None:
        self._opened = True
        self._head(attrs)

    def _head(self, attrs: Mapping[str, str]) -> None:
        head = f"<?xml version='1.0'?><stream:stream xmlns='{self._namespace}' xmlns:stream='{ns.STREAMS}'"
        self.write(f"{head}{attributes(attrs)}>".encode())

    def restart(self) -> None:
        self._parser.reset()

    def start_tls(self) -> None:
        self._handshake = True
        self._rest = b""  # what was sent without encryption after <starttls/>
        if self._transport is not None:
            self._transport.pause_reading()  # the next bytes belong to the TLS handshake
        self._edge.tasks.spawn(self._start_tls())

    async def _start_tls(self) -> None:
        transport = self._transport
        assert transport is not None
        edge = self._edge
        secured = None
        try:
            self._parser.reset()
            secured = await edge.loop.start_tls(
                transport,
                self,
                edge.certificates.servers if self._is_server else edge.certificates.starttls,
                server_side=True,
                ssl_handshake_timeout=edge.config.auth_timeout,
            )
        except (OSError, StreamError):
            pass  # or an ssl.SSLError; TLS itself tells the peer
        if secured is None or self._stream is None:
            transport.abort()
            self.connection_lost(None)  # uvloop does not report a connection that ends during the handshake
            return
        self._transport = secured
        certificates = edge.certificates
        examine = certificates.server_security if self._is_server else certificates.security
        self._stream.security = examine(secured)
        self._opened = False
        self._handshake = False

    def send(self, elements: Sequence[bytes]) -> None:
        if not self._closing:
            self.write(elements[0] if len(elements) == 1 else b"".join(elements))

    def close(self, error: bytes = b"") -> None:
        transport = self._transport
        if transport is None or self._closing:
            return
        if self._handshake:
            self.abort()
            return
        if self._opened:
            self.write(error + b"</stream:stream>")
        self._hang_up(transport)

    def close_for_restart(self) -> None:
        if self._transport is not None and not self._closing:
            self._hang_up(self._transport)

    def _hang_up(self, transport: asyncio.Transport) -> None:
        self._answer()
        self._closing = True
        self._ignore_the_rest(transport)
        if transport.can_write_eof():
            # unread input would make the kernel reset the connection before the peer has read the error
            transport.write_eof()
        else:
            transport.close()
        self._edge.loop.call_later(LINGER, self.abort)
