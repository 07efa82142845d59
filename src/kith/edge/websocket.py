"""XMPP over WebSocket (RFC 7395): one element per text message."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import cast

from websockets.exceptions import ProtocolError
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from kith.edge.compression import Deflate
from kith.edge.connection import Connection
from kith.edge.edge import Edge
from kith.edge.limits import BYTES_BEFORE_LOGIN, LINGER, TAG_BYTES, cost
from kith.edge.proxies import FORWARDED, Fields, Proxies
from kith.edge.tls import peer_address
from kith.ports.connection import ClientStream, Security, Stream
from kith.wire import ns
from kith.wire.errors import StreamError
from kith.wire.parser import StreamParser
from kith.wire.serialize import attributes
from kith.wire.stanza import Stanza

_DEFLATE = Deflate()
#: The maximum number of frames in one message. Browsers send one, some libraries a few. Each costs the same,
#: however little it contains.
_MAX_FRAGMENTS = 256
#: How many bytes are handled at once. Uncompressed, they may be a thousand times as many.
_COMPRESSED_PORTION = 1024
_PORTION = 8192
#: How many bytes to search for the peer's close frame before reading stops.
_BYTES_OF_FAREWELL = 64 * 1024
_OPEN = ns.tag(ns.FRAMING, "open")
_CLOSE = ns.tag(ns.FRAMING, "close")
_CLOSE_ELEMENT = f"<close xmlns='{ns.FRAMING}'/>".encode()
_CLIENT = f" xmlns='{ns.CLIENT}'".encode()
_STREAMS = f" xmlns:stream='{ns.STREAMS}'".encode()
_HEADS = ((b"<message", _CLIENT), (b"<presence", _CLIENT), (b"<iq", _CLIENT))
_PREFIXED = ((b"<stream:features", _STREAMS), (b"<stream:error", _STREAMS))


def standalone(element: bytes) -> bytes:
    """An element of a stream as a complete XML document (RFC 7395 §3.3.3)."""
    for head, declaration in _HEADS if element[:8] != b"<stream:" else _PREFIXED:
        if element.startswith(head):
            return element[: len(head)] + declaration + element[len(head) :]
    return element


def _is_safe(proxies: Proxies, peer: str, fields: Fields) -> bool:
    """Whether a connection without TLS was not readable on any network.

    That is so if a trusted proxy says that its client uses TLS, or if a browser on this machine shows a page
    from this machine, which browsers treat as a secure context (W3C Secure Contexts, §3.1).
    """
    return proxies.over_tls(peer, fields) or (bool(fields("Origin")) and proxies.is_local(peer, fields))


class WebSocketConnection(Connection):
    """A connection, which is the `kith.ports.connection.Sink` of its stream."""

    __slots__ = ("_farewell", "_fragments", "_opened", "_parser", "_parts", "_proxied", "_websocket")

    def __init__(self, edge: Edge, transport: asyncio.Transport, secure: bool, limit_key: str) -> None:
        """``secure``: whether the connection uses TLS. ``limit_key``: from `ConnectionLimit.admit`."""
        super().__init__(edge)
        self._transport = transport
        self._websocket = ServerProtocol(
            subprotocols=["xmpp"],  # type: ignore[list-item]
            extensions=[_DEFLATE] if edge.config.websocket_compression else None,
            max_size=edge.config.stanza_bytes,
        )
        self._parser = StreamParser(edge.pool, opened=True)
        self._opened = False
        self._parts = bytearray()  # the frames of an unfinished message
        self._fragments = 0  # how many frames these were
        self._farewell = 0  # bytes received since the close frame was sent
        self._proxied = not secure  # TLS ends somewhere
        if secure:
            # browsers have no channel binding
            security = Security(encrypted=True, address=peer_address(transport))
        else:
            security = edge.plain(transport)
        self.enter(edge.stream(self, security, starttls=False), limit_key)

    @property
    def transport(self) -> str:
        return "websocket"

    # -- asyncio.Protocol ----------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if not (self._closing and self._websocket.state is State.CLOSING):
            super().data_received(data)
            return
        self._farewell += len(data)
        if self._farewell <= _BYTES_OF_FAREWELL:
            self._await_farewell(data)

    def _await_farewell(self, data: bytes) -> None:
        """Looks for the peer's close frame, after which the connection is closed."""
        self._websocket.receive_data(data)
        self._websocket.events_received()
        self._flush()

    @property
    def short(self) -> int:
        return _COMPRESSED_PORTION if self._websocket.extensions else super().short

    def size_of_portion(self, data: bytes) -> int:
        return _COMPRESSED_PORTION if self._websocket.extensions else _PORTION

    def cost(self, data: bytes) -> int:
        """Zero: the content of frames, which may be compressed, is counted in `_pay`."""
        return 0

    def _pay(self, stream: Stream, size: int) -> None:
        """Counts a frame with ``size`` uncompressed bytes. Raises StreamError."""
        if stream.authenticated:
            if self._edge.rate:
                self.charge(TAG_BYTES + size)
        elif self._websocket.extensions:
            self._bytes += size
            if self._bytes > BYTES_BEFORE_LOGIN:
                raise StreamError("policy-violation", "too much before authentication")

    def take(self, stream: Stream, data: bytes) -> None:
        self._websocket.receive_data(data)
        try:
            for event in self._websocket.events_received():
                if isinstance(event, Request):
                    self._forwarded(stream, event)
                    self._proxied |= any(name in event.headers for name in FORWARDED)
                    if self.move(stream.security.address):
                        response = self._websocket.accept(event)
                    else:
                        text = "Too many connections from your address.\n"
                        response = self._websocket.reject(HTTPStatus.TOO_MANY_REQUESTS, text)
                    self._websocket.send_response(response)
                elif isinstance(event, Frame) and not self._closing:
                    self._pay(stream, len(event.data))
                    self._frame(cast(ClientStream, stream), event)  # `__init__` has made it
        except StreamError as error:
            stream.fail(error)
        except Exception as error:
            self._edge.tasks.failed("connection failed", error)
            stream.fail(StreamError("internal-server-error"))
        self._flush()

    def _forwarded(self, stream: Stream, request: Request) -> None:
        """Reads a proxy's headers: whether logins are safe, and the client's address for limits."""
        proxies, security = self._edge.proxies, stream.security
        peer, fields = security.address, request.headers.get_all
        trusted = security.trusted or (not security.encrypted and _is_safe(proxies, peer, fields))
        stream.security = replace(security, trusted=trusted, address=proxies.client(peer, fields))

    def _frame(self, stream: ClientStream, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY:
            self._websocket.fail(CloseCode.UNSUPPORTED_DATA, "text only")
        elif frame.opcode is Opcode.PING:
            self.note_sign_of_life()
        elif frame.opcode in (Opcode.TEXT, Opcode.CONT):
            if len(self._parts) + len(frame.data) > self._edge.config.stanza_bytes:
                raise StreamError("policy-violation", "stanza is too big")
            if not frame.fin:
                self._parts += frame.data
                self._fragments += 1
                if self._fragments > _MAX_FRAGMENTS:
                    raise StreamError("policy-violation", "too many frames for one message")
                return
            data = bytes(frame.data)
            if self._fragments:
                data = bytes(self._parts) + data
                self._parts, self._fragments = bytearray(), 0
            self._document(stream, data)

    def _document(self, stream: ClientStream, data: bytes) -> None:
        data = data.strip()
        if not data:
            self.note_sign_of_life()
            return
        if stream.authenticated and self._edge.rate:
            self.charge(cost(data) - len(data))
        events = self._parser.feed(data)
        if events and isinstance(events[-1], StreamError):
            raise events[-1]
        if len(events) != 1 or not isinstance(events[0], Stanza) or not self._parser.between:
            raise StreamError("not-well-formed", "one element for each message")
        stanza = events[0]
        if stanza.tag == _OPEN:
            stream.begin(stanza.attrs)
        elif stanza.tag == _CLOSE:
            stream.closed()
        elif not self._opened:
            raise StreamError("bad-format", "open the stream first")
        else:
            stream.receive(stanza)

    @property
    def proxied(self) -> bool:
        return self._proxied

    def send_ping(self) -> None:
        """Sends a ping frame, which browsers answer without waking the page (RFC 6455 §5.5.2)."""
        if self._websocket.state is State.OPEN:
            self._websocket.send_ping(b"")
            self._flush()

    # -- Sink -----------------------------------------------------------------------------------------

    def open(self, attrs: Mapping[str, str]) -> None:
        self._opened = True
        self._text(f"<open xmlns='{ns.FRAMING}'{attributes(attrs)}/>".encode())
        self._flush()

    def restart(self) -> None:
        pass

    def start_tls(self) -> None:
        raise AssertionError("not offered")  # RFC 7395 §3.9: TLS is below the WebSocket

    def send(self, elements: Sequence[bytes]) -> None:
        for element in elements:
            self._text(standalone(element))
        self._flush()

    def _text(self, data: bytes) -> None:
        if self._websocket.state is State.OPEN:
            self._websocket.send_text(data)

    def _flush(self) -> None:
        parts = self._websocket.data_to_send()
        transport = self._transport
        if not parts or transport is None or transport.is_closing():
            return
        if data := b"".join(parts):
            self.write(data)
        if parts[-1] == b"" or self._websocket.state is State.CLOSED:
            self._closing = True
            transport.close()

    def close(self, error: bytes = b"") -> None:
        if self._closing:
            return
        if self._opened:
            if error:
                self._text(standalone(error))
            self._text(_CLOSE_ELEMENT)
        self._hang_up(CloseCode.NORMAL_CLOSURE)

    def close_for_restart(self) -> None:
        if not self._closing:
            self._hang_up(CloseCode.SERVICE_RESTART)

    def _hang_up(self, code: CloseCode) -> None:
        self._closing = True
        rest = self._rest  # more frames follow it
        if self._transport is not None:
            self._ignore_the_rest(self._transport)
        if self._websocket.state is State.OPEN:
            with contextlib.suppress(ProtocolError):
                self._websocket.send_close(code)
        self._flush()
        if rest:
            self._edge.loop.call_soon(self.data_received, rest)
        if self._transport is not None:
            self._edge.loop.call_later(LINGER, self.abort)
