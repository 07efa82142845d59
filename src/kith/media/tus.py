"""Resumable uploads: tus 1.0 with the extensions checksum, expiration and termination (https://tus.io).

An upload is created by requesting a slot, so there is no creation over HTTP.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from email.utils import formatdate

from aiohttp import web

from kith.media.depot import Depot
from kith.media.records import Blob
from kith.media.uploads import Digest, Interrupted, UploadError, Uploads

VERSION = "1.0.0"
_PART = "application/offset+octet-stream"
_ALGORITHMS = {"sha256": hashlib.sha256, "sha1": hashlib.sha1}


class Tus:
    """``body``: the content of a request as it comes, which may end with `Interrupted`."""

    def __init__(
        self, depot: Depot, uploads: Uploads, body: Callable[[web.Request], AsyncIterator[bytes]]
    ) -> None:
        self._depot = depot
        self._uploads = uploads
        self._body = body

    def add_to(
        self, router: web.UrlDispatcher, expect: Callable[[web.Request], Awaitable[web.StreamResponse | None]]
    ) -> None:
        """Adds the routes. ``expect`` answers ``Expect: 100-continue``."""
        path = "/u/{blob}"
        router.add_head(path, self._head)
        router.add_patch(path, self._patch, expect_handler=expect)
        router.add_delete(path, self._delete)
        router.add_post(path, self._post, expect_handler=expect)

    @staticmethod
    def capabilities(most: int) -> dict[str, str]:
        """The header fields that say what the server can do. ``most``: the size of the largest file."""
        return {
            "Tus-Resumable": VERSION,
            "Tus-Version": VERSION,
            "Tus-Extension": "checksum,expiration,termination",
            "Tus-Checksum-Algorithm": ",".join(_ALGORITHMS),
            "Tus-Max-Size": str(most),
        }

    async def _head(self, request: web.Request) -> web.Response:
        await self._uploads.interrupt(request.match_info["blob"])  # what came of it counts
        upload, _ = await self._find(request)
        if upload.completed is None and upload.offset == upload.size:
            # there is nothing to send, or storing it has failed before
            async with self._uploads.alone(upload.id, aborting(request)):
                upload, _ = await self._find(request)
                if upload.completed is None:
                    upload = await self._uploads.finish(upload)
        return web.Response(status=200, headers=self._state(upload) | {"Cache-Control": "no-store"})

    async def _post(self, request: web.Request) -> web.Response:
        """Clients whose network lets no other methods pass say in a POST what they mean."""
        match request.headers.get("X-HTTP-Method-Override", "").upper():
            case "PATCH":
                return await self._patch(request)
            case "DELETE":
                return await self._delete(request)
            case "HEAD":
                return await self._head(request)
        raise web.HTTPMethodNotAllowed("POST", ("HEAD", "PATCH", "DELETE", "OPTIONS"))

    async def _patch(self, request: web.Request) -> web.Response:
        if request.content_type != _PART:
            raise UploadError(415, f"the type of a part is {_PART}")
        offset = _number(request, "Upload-Offset")
        checksum = _checksum(request)
        upload, token = await self._find(request)
        async with self._uploads.alone(upload.id, aborting(request)):
            upload, token = await self._find(request)  # it may have gone on since
            if offset != upload.offset:
                raise UploadError(409, f"the upload is at {upload.offset}")
            if upload.completed is not None:
                return web.Response(status=204, headers=self._state(upload))
            length = request.content_length
            if length is not None and offset + length > upload.size:
                raise UploadError(413, f"the slot is for {upload.size} bytes")
            try:
                upload = await self._uploads.receive(upload, token, self._body(request), checksum)
            except Interrupted:
                raise UploadError(408, "the part did not come as a whole") from None
        return web.Response(status=204, headers=self._state(upload))

    async def _delete(self, request: web.Request) -> web.Response:
        upload, _ = await self._find(request)
        async with self._uploads.alone(upload.id, aborting(request)):
            upload, _ = await self._find(request)
            if upload.completed is not None:
                raise UploadError(409, "the upload is complete; release the claim to it")
            await self._uploads.end(upload)
        return web.Response(status=204, headers={"Tus-Resumable": VERSION})

    async def _find(self, request: web.Request) -> tuple[Blob, str]:
        version = request.headers.get("Tus-Resumable")
        if version != VERSION:
            raise web.HTTPPreconditionFailed(headers={"Tus-Version": VERSION})
        token = bearer(request)
        return await self._uploads.find(request.match_info["blob"], token), token

    def _state(self, upload: Blob) -> dict[str, str]:
        headers = {
            "Tus-Resumable": VERSION,
            "Upload-Offset": str(upload.offset),
            "Upload-Length": str(upload.size),
        }
        if upload.expires is not None and upload.offset < upload.size:
            headers["Upload-Expires"] = formatdate(upload.expires, usegmt=True)
        return headers


def _number(request: web.Request, name: str) -> int:
    text = request.headers.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise UploadError(400, f"{name} is not a number")
    return int(text)


def _checksum(request: web.Request) -> tuple[Digest, bytes] | None:
    """The hash function and the digest that a part has to have. Raises UploadError."""
    text = request.headers.get("Upload-Checksum")
    if text is None:
        return None
    name, _, encoded = text.partition(" ")
    if name not in _ALGORITHMS:
        raise UploadError(400, f"checksums are {', '.join(_ALGORITHMS)}")
    try:
        return _ALGORITHMS[name](), b64decode(encoded, validate=True)
    except ValueError:
        raise UploadError(400, "the checksum is not base64") from None


def aborting(request: web.Request) -> Callable[[], None]:
    """What ends the connection of a request."""
    transport = request.transport
    return transport.abort if transport is not None else lambda: None


def bearer(request: web.Request) -> str:
    """The token of a request (RFC 6750 §2.1). Raises UploadError."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not value or not value.isascii():
        raise UploadError(403, "the request needs the token of a slot")
    return value.strip()
