"""Streams that this server opens to others (RFC 6120 §4 and §5), always in TLS with a verified
certificate.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque

from kith.federation.failures import Ended, Failure, NotFound, Refused, Unreachable, Untrusted, describe
from kith.federation.resolver import Resolver, Target
from kith.wire import ns
from kith.wire.errors import StreamError
from kith.wire.parser import Event, ParserPool, StreamClosed, StreamOpened, StreamParser
from kith.wire.serialize import escape_attribute
from kith.wire.stanza import Stanza

#: The timeout for each step of opening a stream, in seconds.
PATIENCE = 15.0
_READ = 65536
_FEATURES = ns.tag(ns.STREAMS, "features")
_ERROR = ns.tag(ns.STREAMS, "error")
_STARTTLS, _PROCEED = ns.tag(ns.TLS, "starttls"), ns.tag(ns.TLS, "proceed")


class Connection:
    """An open stream to another server.

    ``id``: the stream's id, which the other server has chosen. ``features``: those it offers in TLS.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pool: ParserPool) -> None:
        self._reader = reader
        self._writer = writer
        self._pool = pool
        self._parser = StreamParser(pool)
        self._events: deque[Event] = deque()
        self.id = ""
        self.features = Stanza(_FEATURES, {}, b"", [])

    async def next(self) -> Stanza | StreamOpened:
        """The next element. Raises Refused if the stream is over."""
        while not self._events:
            data = await self._reader.read(_READ)
            if not data:
                raise Refused("the connection was closed")
            try:
                self._events.extend(self._parser.feed(data))
            except StreamError as error:
                raise Refused(f"what came is no stream: {error.condition}") from None
        event = self._events.popleft()
        if isinstance(event, StreamClosed):
            raise Ended("it has closed the stream")
        if isinstance(event, StreamError):
            raise Refused(f"what came is no stream: {event.condition}")
        if isinstance(event, Stanza) and event.tag == _ERROR:
            names = [child.rpartition("}")[2] for child in event.children] or ["undefined-condition"]
            text = event.element.findtext(ns.tag(ns.STREAM_ERRORS, "text"), "")[:200]
            raise Refused(f"stream error {names[0]}{f' ({text})' if text else ''}", names[0])
        return event

    async def expect(self, *tags: str) -> Stanza:
        """The next element with one of these names. Others are skipped. Raises Refused."""
        async with asyncio.timeout(PATIENCE):
            while True:
                event = await self.next()
                if isinstance(event, Stanza) and event.tag in tags:
                    return event

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def drain(self) -> None:
        await self._writer.drain()

    async def open(self, local: str, remote: str) -> None:
        """Sends a header and waits for the features."""
        self._parser = StreamParser(self._pool)
        self._events.clear()
        self.write(
            f"<?xml version='1.0'?><stream:stream xmlns='{ns.SERVER}' xmlns:db='{ns.DIALBACK}' "
            f"xmlns:stream='{ns.STREAMS}' from='{escape_attribute(local)}' to='{escape_attribute(remote)}' "
            "version='1.0'>".encode()
        )
        async with asyncio.timeout(PATIENCE):
            header = await self.next()
            if not isinstance(header, StreamOpened):
                raise Refused("no stream header")
            self.id = header.attrs.get("id", "")
        self.features = await self.expect(_FEATURES)

    async def start_tls(self, context: ssl.SSLContext, name: str) -> None:
        """Negotiates STARTTLS, and verifies the certificate. Raises Refused, OSError."""
        if _STARTTLS not in self.features.children:
            raise Untrusted("it offers no TLS")
        self.write(f"<starttls xmlns='{ns.TLS}'/>".encode())
        await self.expect(_PROCEED)
        async with asyncio.timeout(PATIENCE):
            await self._writer.start_tls(context, server_hostname=name)

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._writer.write(b"</stream:stream>")
            self._writer.close()


class Connector:
    """Opens streams to the servers of domains, verified by their certificates (RFC 6125)."""

    def __init__(self, resolver: Resolver, context: ssl.SSLContext, pool: ParserPool) -> None:
        self._resolver = resolver
        self._context = context
        self._pool = pool

    async def connect(self, local: str, remote: str) -> Connection:
        """Opens a stream in TLS, up to its features. Raises Failure."""
        problems: list[Failure] = []
        for target in await self._resolver.targets(remote):
            try:
                addresses = await self._resolver.addresses(target.host)
            except (NotFound, Unreachable) as error:
                problems.append(error)
                continue
            for address in addresses:
                try:
                    return await self._try(local, remote, target, address)
                except ssl.SSLCertVerificationError as error:
                    problems.append(Untrusted(f"its certificate does not fit: {error.verify_message}"))
                except ssl.SSLError as error:
                    problems.append(Refused(f"TLS failed: {error.reason or error}"))
                except Refused as error:
                    problems.append(error)
                except OSError as error:  # or a TimeoutError
                    problems.append(Unreachable(describe(error), doubtful=not target.named))
        # there is hope as long as one of them may work the next time
        raise min(reversed(problems), key=lambda problem: (problem.permanent, problem.doubtful))

    async def _try(self, local: str, remote: str, target: Target, address: str) -> Connection:
        name = remote.strip("[]")
        name = name if name.isascii() else name.encode("idna").decode()
        tls = self._context if target.direct else None
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(
                address, target.port, ssl=tls, server_hostname=name if tls is not None else None
            )
        connection = Connection(reader, writer, self._pool)
        try:
            await connection.open(local, remote)
            if tls is None:
                await connection.start_tls(self._context, name)
                await connection.open(local, remote)
        except BaseException:
            writer.transport.abort()
            raise
        return connection
