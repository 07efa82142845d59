"""XMPP over WebSocket (RFC 7395): one element per text message."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

from websockets.exceptions import ProtocolError
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from kith.core.sasl import Security
from kith.core.stream import Stream
from kith.edge.limits import BYTES_BEFORE_LOGIN, LINGER, UNREAD_BYTES, Rate
from kith.edge.tcp import Edge
from kith.wire import ns
from kith.wire.errors import StreamError
from kith.wire.parser import StreamParser
from kith.wire.serialize import attributes
from kith.wire.stanza import Stanza

_OPEN = ns.tag(ns.FRAMING, "open")
_CLOSE = ns.tag(ns.FRAMING, "close")
_CLOSE_ELEMENT = f"<close xmlns='{ns.FRAMING}'/>".encode()
_CLIENT = f" xmlns='{ns.CLIENT}'".encode()
_STREAMS = f" xmlns:stream='{ns.STREAMS}'".encode()
_HEADS = ((b"<message", _CLIENT), (b"<presence", _CLIENT), (b"<iq", _CLIENT))
_PREFIXED = ((b"<stream:features", _STREAMS), (b"<stream:error", _STREAMS))


def standalone(element: bytes) -> bytes:
    """An element of a stream as a document of its own (RFC 7395 §3.3.3)."""
    for head, declaration in _HEADS if element[:8] != b"<stream:" else _PREFIXED:
        if element.startswith(head):
            return element[: len(head)] + declaration + element[len(head) :]
    return element


class WebSocketConnection(asyncio.Protocol):
    """One connection; it is its stream's `kith.core.ports.Sink`."""

    __slots__ = (
        "_bytes",
        "_closing",
        "_edge",
        "_opened",
        "_parser",
        "_parts",
        "_paused",
        "_rate",
        "_size",
        "_stream",
        "_transport",
        "_waiters",
        "_websocket",
        "_writable",
    )

    def __init__(self, edge: Edge, transport: asyncio.Transport, secure: bool) -> None:
        self._edge = edge
        self._transport = transport
        self._websocket = ServerProtocol(
            subprotocols=["xmpp"],  # type: ignore[list-item]
            max_size=edge.domain.config.stanza_bytes,
        )
        self._parser = StreamParser(edge.pool, opened=True)
        if secure:
            security = Security(encrypted=True)  # browsers have no channel binding
        else:
            security = Security(trusted=edge.is_trusted(transport.get_extra_info("peername")))
        self._stream: Stream | None = Stream(edge.domain, self, security, starttls=False)
        self._bytes = 0
        self._opened = False
        self._closing = False
        self._paused = False
        self._writable = True
        self._parts: list[bytes] = []
        self._size = 0
        self._rate: Rate | None = None
        self._waiters: list[asyncio.Future[None]] | None = None
        edge.connections.add(self)
        edge.lobby.enter(self)

    # -- asyncio.Protocol ----------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        stream = self._stream
        if stream is None:
            return
        if stream.account is None:
            self._bytes += len(data)
            if self._bytes > BYTES_BEFORE_LOGIN:
                stream.fail(StreamError("policy-violation", "too much before authentication"))
                return
        elif self._edge.rate:
            self._limit(len(data))
        self._websocket.receive_data(data)
        try:
            for event in self._websocket.events_received():
                if isinstance(event, Request):
                    response = self._websocket.accept(event)
                    self._websocket.send_response(response)
                elif isinstance(event, Frame) and not self._closing:
                    self._frame(stream, event)
        except StreamError as error:
            stream.fail(error)
        except Exception as error:
            self._edge.domain.log_error("connection failed", error)
            stream.fail(StreamError("internal-server-error"))
        self._flush()

    def _frame(self, stream: Stream, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY:
            self._websocket.fail(CloseCode.UNSUPPORTED_DATA, "text only")
        elif frame.opcode in (Opcode.TEXT, Opcode.CONT):
            data = bytes(frame.data)
            self._size += len(data)
            if self._size > self._edge.domain.config.stanza_bytes:
                raise StreamError("policy-violation", "stanza is too big")
            if not frame.fin or self._parts:
                self._parts.append(data)
                if not frame.fin:
                    return
                data = b"".join(self._parts)
                self._parts = []
            self._size = 0
            self._document(stream, data)

    def _document(self, stream: Stream, data: bytes) -> None:
        data = data.strip()
        if not data:
            return
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
        """The server stops."""
        if self._stream is not None:
            self._stream.fail(StreamError("system-shutdown"))

    def _limit(self, size: int) -> None:
        edge = self._edge
        now = edge.loop.time()
        if self._rate is None:
            self._rate = Rate(now, edge.burst)
        wait = self._rate.take(size, now, edge.rate, edge.burst)
        if wait and not self._paused:
            self._transport.pause_reading()
            edge.loop.call_later(wait, self._read_on)

    def _read_on(self) -> None:
        if not self._closing and not self._paused:
            self._transport.resume_reading()

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
        if parts and not self._transport.is_closing():
            data = b"".join(parts)
            if data:
                self._transport.write(data)
            if not self._writable and self._transport.get_write_buffer_size() > UNREAD_BYTES:
                self._transport.abort()
            elif parts[-1] == b"" or self._websocket.state is State.CLOSED:
                self._closing = True
                self._transport.close()

    def close(self, error: bytes = b"") -> None:
        if self._closing:
            return
        if self._opened:
            if error:
                self._text(standalone(error))
            self._text(_CLOSE_ELEMENT)
        self._closing = True
        if self._websocket.state is State.OPEN:
            with contextlib.suppress(ProtocolError):
                self._websocket.send_close(CloseCode.NORMAL_CLOSURE)
        self._flush()
        self._edge.loop.call_later(LINGER, self._transport.abort)

    def abort(self) -> None:
        self._closing = True
        self._transport.abort()

    def pause(self) -> None:
        self._paused = True
        self._transport.pause_reading()

    def resume(self) -> None:
        self._paused = False
        if not self._closing:
            self._transport.resume_reading()

    async def drained(self) -> None:
        if self._writable or self._closing:
            return
        if self._waiters is None:
            self._waiters = []
        waiter = self._edge.loop.create_future()
        self._waiters.append(waiter)
        await waiter
