"""Connections of the media ports: downloads are answered here, everything else by aiohttp.

Downloads are most of the requests, and the large ones are sent by the system itself (sendfile). So requests
for blobs in their plain form do not pass aiohttp. Whatever is unusual about a request makes it aiohttp's,
which then keeps the connection, and answers downloads too (`kith.media.http`), only with more effort.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Coroutine
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, cast

import structlog

from kith.edge.connection_limit import ConnectionLimit
from kith.edge.edge import Edge
from kith.edge.tls import peer_address
from kith.media.depot import Depot
from kith.media.downloads import SAFE, Download, answer, serving
from kith.media.http import MediaWeb
from kith.media.records import Blob
from kith.media.sending import File, cork, duplicate, send_pieces, send_plain
from kith.media.shelf import Opened, Shelf
from kith.ports.blobs import BlobError, BlobMissing

logger = structlog.get_logger("kith.media")
#: Seconds without a byte in either direction after which a connection is closed.
IDLE = 75.0
#: How many connections there are at most; beyond it, the one that was idle for the longest is closed.
_MOST = 4000
#: The longest head of a request that is looked at here, and how many bytes of requests may wait.
_HEAD_BYTES = 8 * 1024
_WAITING_BYTES = 32 * 1024
#: A request for a blob, as clients write it.
_PLAIN = re.compile(
    rb"(GET|HEAD) /m/([A-Za-z0-9_-]{22})/[A-Za-z0-9._~%-]{1,300} HTTP/1\.1\r\n"
    rb"((?:[A-Za-z0-9-]+:[ \t]*[\x21-\x7e](?:[\t\x20-\x7e]*)\r\n)+)\r\n"
)
#: The end of a head, also as lenient clients write it.
_END = re.compile(rb"\n\r?\n")
#: Fields that make a request another one than one for all of a blob.
_SPECIAL = re.compile(
    rb"(?:^|\n)(?:range|if-|content-length|transfer-|expect|upgrade|connection|x-http)", re.I
)
#: Fields with which a request is aiohttp's.
_OTHERS = ("content-length", "transfer-encoding", "expect", "upgrade")


class Visitors:
    """The open connections."""

    def __init__(self, limit: ConnectionLimit) -> None:
        self.limit = limit
        self._all: set[MediaConnection] = set()

    def __len__(self) -> int:
        return len(self._all)

    def enter(self, connection: MediaConnection) -> None:
        self._all.add(connection)
        if len(self._all) > _MOST:
            min(self._all, key=lambda one: one.moved).abort()

    def leave(self, connection: MediaConnection) -> None:
        self._all.discard(connection)

    async def sweep(self) -> None:
        """Closes connections that make no progress."""
        now = asyncio.get_running_loop().time()
        for connection in list(self._all):
            if connection.progress(now) < now - IDLE and not connection.working:
                connection.abort()

    async def close(self) -> None:
        """Ends all connections."""
        for connection in list(self._all):
            connection.abort()


class House:
    """What the connections of a media server share."""

    def __init__(self, edge: Edge, depot: Depot, web: MediaWeb) -> None:
        self.edge = edge
        self.loop = edge.loop
        self.depot = depot
        self.web = web
        self.shelf = Shelf(depot)
        self.visitors = Visitors(edge.connection_limit)
        self.accel = depot.config.media_accel.rstrip("/")
        #: Whether downloads are redirected although the files are here.
        self.redirects = bool(depot.config.media_cdn_url)
        self._second = 0
        self._date = b""

    @property
    def elsewhere(self) -> bool:
        """Whether somebody else sends the files, also small ones."""
        return bool(self.accel) or self.redirects

    def date(self) -> bytes:
        """The Date field of answers (RFC 9110 §6.6.1)."""
        now = self.depot.now()
        if now != self._second:
            self._second = now
            self._date = f"Date: {formatdate(now, usegmt=True)}\r\n".encode()
        return self._date


class MediaConnection(asyncio.Protocol):
    """One connection.

    ``moved``: when something was received, or the client has read something, in the loop's time.
    """

    __slots__ = (
        *("_buffer", "_drained", "_handler", "_house", "_limit_key", "_reading", "_secure", "_task"),
        *("_transport", "_waiting", "_writing", "moved", "working"),
    )

    def __init__(self, house: House, limit_key: str | None = None) -> None:
        """``limit_key``: from `ConnectionLimit.admit`, if it was called already; then TLS is used."""
        self._house = house
        self._limit_key = limit_key
        self._secure = limit_key is not None
        self._handler: asyncio.Protocol | None = None
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._buffer = b""
        self._reading = True
        self._writing = True  # nothing waits to be sent; with TLS: not much
        self._drained: asyncio.Future[None] | None = None
        self._waiting = 0  # bytes that the client had not read when we looked last
        self.moved = house.loop.time()
        self.working = False  # an upload is being received or stored

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's have the methods, but not the class
        self._transport = transport
        house = self._house
        if self._limit_key is None:
            peer = peer_address(transport)
            self._limit_key = house.visitors.limit.admit(house.edge.known(peer), house.loop.time())
            if self._limit_key is None:
                transport.close()
                return
        if not self._secure:  # with TLS, uvloop says only of full buffers when they have become empty
            transport.set_write_buffer_limits(0)
        house.visitors.enter(self)

    # -- what comes -------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self.moved = self._house.loop.time()
        if self._handler is not None:
            self._handler.data_received(data)
            return
        self._buffer = self._buffer + data if self._buffer else data
        if self._task is None:
            self._next()
        elif len(self._buffer) > _WAITING_BYTES and self._reading and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()

    def _next(self) -> None:
        """Answers the requests that have come, until one takes longer."""
        while self._buffer and self._transport is not None and not self._transport.is_closing():
            found = _PLAIN.match(self._buffer)
            if found is None:
                if (
                    _END.search(self._buffer)
                    or len(self._buffer) > _HEAD_BYTES
                    or not _may_become_plain(self._buffer)
                ):
                    self._hand_over()
                return
            method, blob, fields = found.groups()
            if _SPECIAL.search(fields) is None:
                values: dict[str, str] = {}
            else:
                values = _parsed(fields)
                if any(name in values for name in _OTHERS) or values.get(
                    "connection", "keep-alive"
                ).lower() not in (
                    "keep-alive",
                    "close",
                ):
                    self._hand_over()
                    return
            self._buffer = self._buffer[found.end() :]
            name = blob.decode()
            opened = None if self._house.elsewhere else self._house.shelf.at_hand(name)
            if opened is not None and self._writing:
                self._answer_now(opened, method == b"HEAD", values)
            else:
                self._work(self._answer(name, method == b"HEAD", values))
                return

    def _hand_over(self) -> None:
        """Lets aiohttp have the connection, with everything that has come."""
        assert self._transport is not None
        self._transport.set_write_buffer_limits()
        self._handler = self._house.web.handler()
        self._handler.connection_made(self._transport)
        buffer, self._buffer = self._buffer, b""
        self._handler.data_received(buffer)

    # -- answers ----------------------------------------------------------------------------------------

    def _answer_now(self, opened: Opened, head: bool, values: dict[str, str]) -> None:
        """Answers with a small blob that is in memory."""
        download = answer(opened.blob, lambda name: values.get(name.lower(), ""))
        assert opened.content is not None
        content = b"" if head else opened.content[download.start : download.end]
        self._write(self._head(download) + content)
        if values.get("connection", "").lower() == "close":
            self._close()

    async def _answer(self, blob: str, head: bool, values: dict[str, str]) -> None:
        """Answers with a blob that has to be looked for, when the client has read what it has asked for."""
        await self._drain()
        opened = await self._house.shelf.open(blob)
        if opened is None:
            self._write(self._head(Download(404, {**SAFE, "Content-Length": "0"})))
        else:
            try:
                await self._send(opened, head, values)
            finally:
                if opened.descriptor is not None:
                    os.close(opened.descriptor)
        if values.get("connection", "").lower() == "close":
            self._close()

    async def _send(self, opened: Opened, head: bool, values: dict[str, str]) -> None:
        blob, accel = opened.blob, self._house.accel
        download = answer(blob, lambda name: values.get(name.lower(), ""))
        if accel and blob.size and download.status in (200, 206):  # nginx looks at Range again
            place = {"X-Accel-Redirect": f"{accel}/{blob.id[:2]}/{blob.id}", "Content-Length": "0"}
            download.headers.pop("Content-Range", None)
            download = Download(200, download.headers | place)
        here = opened.content is not None or opened.descriptor is not None
        if download.end and not head and (self._house.redirects or not here):
            await self._send_from_store(download, blob)
        elif head or not download.end:
            self._write(self._head(download))
        elif opened.content is not None:
            self._write(self._head(download) + opened.content[download.start : download.end])
        elif opened.descriptor is not None:
            await self._send_file(download, opened.descriptor)

    async def _send_from_store(self, download: Download, blob: Blob) -> None:
        """Redirects to an address of the blob store, or sends what is read from it.

        Raises BlobError in the middle of the content.
        """
        blobs = self._house.depot.blobs
        try:
            if (address := await blobs.address(blob.id, serving(blob))) is not None:
                moved = {**SAFE, "Location": address, "Cache-Control": "no-store", "Content-Length": "0"}
                self._write(self._head(Download(302, moved)))
                return
            pieces = blobs.read(blob.id, download.start, download.end)
            piece = await anext(pieces)
        except BlobMissing as error:
            logger.error("a file is missing", blob=blob.id, error=str(error))
            self._write(self._head(Download(404, {**SAFE, "Content-Length": "0"})))
            return
        except BlobError as error:
            logger.warning("the blob store does not answer", error=str(error))
            self._write(self._head(Download(503, {**SAFE, "Content-Length": "0", "Retry-After": "30"})))
            return
        self._write(self._head(download) + piece)
        async for piece in pieces:
            await self._drain()
            self._write(piece)
        await self._drain()

    async def _send_file(self, download: Download, descriptor: int) -> None:
        transport, house = self._transport, self._house
        if transport is None:
            return
        file = File(descriptor, download.start, download.end, house.depot.disk)
        wire = None if self._secure else duplicate(transport)
        if wire is None:
            self._write(self._head(download))
            await self._drain()
            await send_pieces(self._write, self._drain, file)
            return
        try:
            cork(transport, True)
            self._write(self._head(download))
            await self._drain()
            await send_plain(wire, file, self._progressed)
            if self._transport is not None:
                cork(transport, False)
        finally:
            os.close(wire)

    def _progressed(self) -> None:
        self.moved = self._house.loop.time()

    def _head(self, download: Download) -> bytes:
        phrase = HTTPStatus(download.status).phrase
        lines = "".join(f"{name}: {value}\r\n" for name, value in download.headers.items())
        return b"HTTP/1.1 %d %s\r\n%s%s\r\n" % (
            *(download.status, phrase.encode(), self._house.date()),
            lines.encode("latin-1"),
        )

    def _write(self, data: bytes) -> None:
        """Raises ConnectionResetError if the client has gone."""
        if self._transport is None:
            raise ConnectionResetError
        self._transport.write(data)

    async def _drain(self) -> None:
        """Waits until everything is sent. Raises ConnectionResetError."""
        while not self._writing and self._transport is not None:
            if self._drained is None:
                self._drained = self._house.loop.create_future()
            await self._drained
        if self._transport is None:
            raise ConnectionResetError

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._buffer = b""

    # -- work -------------------------------------------------------------------------------------------

    def _work(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = self._house.loop.create_task(work)
        self._task.add_done_callback(self._worked)

    def _worked(self, task: asyncio.Task[None]) -> None:
        self._task = None
        error = None if task.cancelled() else task.exception()
        if error is not None:
            if isinstance(error, BlobError):
                logger.warning("a download failed", error=str(error))
            elif not isinstance(error, OSError):
                self._house.edge.tasks.failed("a download failed", error)
            self.abort()
            return
        if self._transport is None:
            return
        if not self._reading:
            self._reading = True
            self._transport.resume_reading()
        self._next()

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
        self._writing = False
        if self._handler is not None:
            self._handler.pause_writing()

    def resume_writing(self) -> None:
        self.moved = self._house.loop.time()
        self._writing = True
        self._wake()
        if self._handler is not None:
            self._handler.resume_writing()

    def _wake(self) -> None:
        waiting, self._drained = self._drained, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        limit_key, self._limit_key = self._limit_key, None
        if limit_key is not None:
            self._house.visitors.leave(self)
            self._house.visitors.limit.release(limit_key)
        self._transport = None  # one of TLS holds the connection in turn, in a circle that is never collected
        if self._task is not None:
            self._task.cancel()
        self._wake()
        handler, self._handler = self._handler, None
        if handler is not None:
            handler.connection_lost(error)


def _may_become_plain(data: bytes) -> bool:
    """Whether a request that has not come as a whole may be one for a blob."""
    return any(start.startswith(data[:7]) or data.startswith(start) for start in (b"GET /m/", b"HEAD /m/"))


def _parsed(fields: bytes) -> dict[str, str]:
    """Header fields by their names in lower case. Of several with one name, the values are joined."""
    values: dict[str, str] = {}
    for line in fields.decode("latin-1").split("\r\n")[:-1]:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip()
        values[name] = f"{values[name]}, {value}" if name in values else value
    return values
