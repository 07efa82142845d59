"""The HTTP side of the media server: routes, and what is the same for all of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler

from kith.edge.application import HTTPApplication
from kith.edge.media_origin import greeting
from kith.media.depot import Depot
from kith.media.downloads import SAFE, Download, answer, serving
from kith.media.proxy import Proxy
from kith.media.records import Blob
from kith.media.stores import SOURCE
from kith.media.tus import Tus, aborting, bearer
from kith.media.uploads import Interrupted, UploadError, Uploads
from kith.ports.blobs import BlobError, BlobFull, BlobMissing, is_blob_id

#: How long a client may send nothing within a request, in seconds.
IDLE = 60.0
#: How long to wait for requests in progress when the server stops, in seconds.
_FAREWELL = 2.0
#: How long a request that was refused is read further, so that the client sees why, in seconds.
LINGER = 3.0
_READ_BYTES = 256 * 1024
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": (
        "Authorization, Content-Type, Range, If-Range, If-None-Match, Tus-Resumable, Upload-Offset,"
        " Upload-Length, Upload-Checksum, Upload-Metadata, X-HTTP-Method-Override, X-Requested-With"
    ),
    "Access-Control-Max-Age": "86400",
}
_EXPOSED = (
    "Content-Length, Content-Range, ETag, Accept-Ranges, Location, Retry-After, Tus-Resumable, Tus-Version,"
    " Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm, Upload-Offset, Upload-Length, Upload-Expires"
)
_logger = logging.getLogger("kith.media.http")
_logger.addFilter(lambda record: not record.exc_info or record.levelno > logging.ERROR)


@runtime_checkable
class Working(Protocol):
    """A connection that knows whether a request is being handled that sends or stores a file."""

    working: bool


class MediaWeb(HTTPApplication):
    """An aiohttp application; `handler` makes the protocol of a connection."""

    def __init__(self, depot: Depot, uploads: Uploads, proxy: Proxy) -> None:
        self._depot = depot
        self._uploads = uploads
        self._proxy = proxy
        app = web.Application(client_max_size=64 * 1024)
        app.middlewares.append(self._outer)
        app.router.add_put("/u/{blob}/{name}", self._put, expect_handler=self._expect)
        Tus(depot, uploads, body).add_to(app.router, self._expect)
        app.router.add_get("/m/{blob}/{name}", self._get)
        app.router.add_get(SOURCE + "{blob}", self._get_here)
        proxy.add_to(app.router)
        app.router.add_get("/health", self._health)
        self.app = app
        super().__init__(
            web.AppRunner(
                *(app,),
                access_log=None,
                keepalive_timeout=75,
                auto_decompress=False,
                lingering_time=LINGER,
                shutdown_timeout=_FAREWELL,
                logger=_logger,
                read_bufsize=_READ_BYTES,
            )
        )

    async def stop(self) -> None:
        await super().stop()
        await self._proxy.stop()

    @web.middleware
    async def _outer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answers preflight requests and errors, and adds what lets pages of the app read the answers."""
        try:
            if request.method == "OPTIONS":
                response: web.StreamResponse = web.Response(status=204, headers=self._options())
            elif request.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise UploadError(415, "files are taken as they are, without a Content-Encoding")
            else:
                with _at_work(request):
                    response = await handler(request)
        except UploadError as error:
            response = _refusal(error)
        except web.HTTPException as error:
            response = web.Response(status=error.status, text=f"{error.reason}\n", headers=error.headers)
        except BlobFull:
            response = web.Response(status=507, text="the server has no room at the moment\n")
        except BlobMissing as error:
            _logger.error("a file is missing: %s", error)
            response = web.Response(status=404, text="not found\n")
        except BlobError as error:
            _logger.warning("the blob store does not answer: %s", error)
            response = web.Response(status=503, text="try again later\n", headers=_wait(30))
        if not response.prepared:
            self._complete(response)
        return response

    def _complete(self, response: web.StreamResponse) -> None:
        """Adds the header fields that all answers have."""
        for name, value in SAFE.items():
            response.headers.setdefault(name, value)
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED

    def _options(self) -> dict[str, str]:
        return {**_PREFLIGHT, **Tus.capabilities(self._depot.config.media_file_bytes)}

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(text=f"{greeting(self._depot.config.domain)}\n")

    # -- uploads ----------------------------------------------------------------------------------------

    async def _expect(self, request: web.Request) -> web.StreamResponse | None:
        """Lets a client that asks (RFC 9110 §10.1.1) send its file only if it may."""
        try:
            await self._uploads.find(request.match_info["blob"], bearer(request))
        except UploadError as error:  # middlewares are not called for this
            response = _refusal(error)
            self._complete(response)
            response.force_close()  # what follows may be the file
            return response
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return None

    async def _put(self, request: web.Request) -> web.Response:
        blob, proof = request.match_info["blob"], bearer(request)
        upload = await self._uploads.find(blob, proof)
        if upload.completed is not None:
            raise UploadError(409, "this file was uploaded before")
        if request.content_length is None:
            raise UploadError(411, "the request needs a Content-Length")
        if request.content_length != upload.size:
            raise UploadError(413, f"the slot is for {upload.size} bytes")
        try:
            async with self._uploads.alone(blob, aborting(request)):
                upload = await self._uploads.find(blob, proof)
                if upload.completed is not None:
                    raise UploadError(409, "this file was uploaded before")
                upload = await self._uploads.begin_again(upload)
                await self._uploads.receive(upload, proof, body(request), whole=True)
        except Interrupted:
            raise UploadError(408, "the file did not come as a whole") from None
        except UploadError as error:
            if error.status == 423:
                raise UploadError(409, error.text) from None
            raise
        return web.Response(status=201)

    # -- downloads --------------------------------------------------------------------------------------

    async def _wanted(self, request: web.Request) -> tuple[Blob, Download]:
        """The blob of a request, and how it is answered. Raises HTTPNotFound."""
        blob = request.match_info["blob"]
        found = await self._depot.find(blob) if is_blob_id(blob) else None
        if found is None or found.completed is None:
            raise web.HTTPNotFound
        download = answer(found, lambda name: request.headers.get(name, ""))
        return found, download

    async def _get(self, request: web.Request) -> web.StreamResponse:
        found, download = await self._wanted(request)
        if download.end and request.method == "GET":  # signatures are for GET alone
            address = await self._depot.blobs.address(found.id, serving(found))
            if address is not None:
                return web.Response(status=302, headers={"Location": address, "Cache-Control": "no-store"})
        return await self._send(request, found.id, download)

    async def _get_here(self, request: web.Request) -> web.StreamResponse:
        """Sends a blob, for a CDN, which would be redirected to itself by `_get`."""
        found, download = await self._wanted(request)
        return await self._send(request, found.id, download)

    async def _send(self, request: web.Request, blob: str, download: Download) -> web.StreamResponse:
        if request.method == "HEAD" or download.end == download.start:
            return web.Response(status=download.status, headers=download.headers)
        response = web.StreamResponse(status=download.status, headers=download.headers)
        pieces = self._depot.blobs.read(blob, download.start, download.end)
        piece = await anext(pieces)  # while an error can still be the answer
        await response.prepare(request)
        await response.write(piece)
        try:
            async for piece in pieces:
                await response.write(piece)
        except BlobError as error:
            _logger.warning("the blob store failed in the middle of a download: %s", error)
            if request.transport is not None:
                request.transport.abort()  # the client sees that something is missing
            return response
        await response.write_eof()
        return response


@contextmanager
def _at_work(request: web.Request) -> Iterator[None]:
    """Lets the connection of an upload live while it is stored. How long it may be silent, `body` says."""
    front = request.transport.get_protocol() if request.transport is not None else None
    if request.method in ("GET", "HEAD") or not isinstance(front, Working):
        yield
        return
    front.working = True
    try:
        yield
    finally:
        front.working = False


async def body(request: web.Request) -> AsyncIterator[bytes]:
    """The content of a request as it comes, in pieces that are not joined. Raises Interrupted."""
    while True:
        try:
            async with asyncio.timeout(IDLE):
                piece, chunk_ended = await request.content.readchunk()
        except (TimeoutError, ConnectionError, aiohttp.ClientError, web.HTTPException) as error:
            # aiohttp offers the error before what came earlier, which counts
            if rest := request.content._read_nowait(-1):
                yield rest
            raise Interrupted from error
        if piece:
            yield piece
        elif not chunk_ended or request.content.at_eof():
            return


def _refusal(error: UploadError) -> web.Response:
    return web.Response(status=error.status, text=f"{error.text}\n", headers=_wait(error.wait))


def _wait(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(seconds)} if seconds else {}
