"""The fake server's media: slots, uploads in one request or resumed (tus 1.0), downloads, claims."""

from __future__ import annotations

import base64
import hashlib
import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, SubElement

from kith.client.media.segments import claim_of
from kith.client.media.service import MEDIA, UPLOAD

if TYPE_CHECKING:
    from aiohttp import web

_TUS = {"Tus-Resumable": "1.0.0"}


@dataclass
class Blob:
    """A file, or as much of it as has come."""

    size: int
    claim: str
    token: str = field(default_factory=secrets.token_hex)
    content: bytearray = field(default_factory=bytearray, repr=False)

    @property
    def complete(self) -> bool:
        """Whether all of it is there."""
        return len(self.content) == self.size


class Uploads:
    """What was uploaded, in memory.

    ``blobs``: the files by the names of their blobs. ``requests``: the HTTP requests, as (method, path).
    ``released``: blobs whose claims were given up. ``parts``: how many further parts of uploads come through
    before connections are cut; None: all. ``cut``: how many downloads are cut off on their way.
    """

    def __init__(self, domain: str) -> None:
        self.domain = domain
        self.port = 0
        self.resumable = True
        self.blobs: dict[str, Blob] = {}
        self.requests: list[tuple[str, str]] = []
        self.claims: list[tuple[str, str]] = []
        self.released: list[str] = []
        self.parts: int | None = None
        self.cut = 0

    @property
    def complete(self) -> list[Blob]:
        """The files of which everything is there."""
        return [blob for blob in self.blobs.values() if blob.complete]

    # on the stream

    def slot(self, request: Element) -> Element:
        """Answers a request for a slot (XEP-0363)."""
        name, resumable = secrets.token_urlsafe(16), request.find(f"{{{MEDIA}}}resumable")
        claim = "" if resumable is None else resumable.get("claim", "")
        blob = self.blobs[name] = Blob(int(request.get("size", "0")), claim)
        base, file = f"http://{self.domain}:{self.port}", request.get("filename", "")
        slot = Element(f"{{{UPLOAD}}}slot")
        put = SubElement(slot, f"{{{UPLOAD}}}put", url=f"{base}/u/{name}/{file}")
        header = SubElement(put, f"{{{UPLOAD}}}header", name="Authorization")
        header.text = f"Bearer {blob.token}"
        SubElement(slot, f"{{{UPLOAD}}}get", url=f"{base}/m/{name}/{file}")
        if self.resumable:
            SubElement(slot, f"{{{MEDIA}}}resumable", url=f"{base}/u/{name}", blob=name)
        return slot

    def asked(self, what: str, request: Element, jid: str) -> bool:
        """Handles a claim or its release. Returns whether it is possible."""
        blob = self.blobs.get(request.get("blob", ""))
        if blob is None:
            return False
        if what == "release":
            self.released.append(request.get("blob", ""))
            return True
        shown = request.get("secret", "")
        if what != "claim" or claim_of(base64.urlsafe_b64decode(shown + "=")) != blob.claim:
            return False
        self.claims.append((jid, request.get("blob", "")))
        return True

    # over HTTP

    def _find(self, request: web.Request) -> Blob:
        from aiohttp import web

        self.requests.append((request.method, request.path))
        blob = self.blobs.get(request.match_info["blob"])
        if blob is None:
            raise web.HTTPNotFound
        if request.path.startswith("/u/") and request.headers.get("Authorization") != f"Bearer {blob.token}":
            raise web.HTTPForbidden
        return blob

    async def put(self, request: web.Request) -> web.Response:
        """The whole file."""
        from aiohttp import web

        blob = self._find(request)
        content = await request.read()
        if len(content) != blob.size:
            raise web.HTTPRequestEntityTooLarge(blob.size, len(content))
        blob.content[:] = content
        return web.Response(status=201)

    async def head(self, request: web.Request) -> web.Response:
        """How much of an upload has come."""
        from aiohttp import web

        offset = {"Upload-Offset": str(len(self._find(request).content))}
        return web.Response(headers=_TUS | offset)

    async def patch(self, request: web.Request) -> web.Response:
        """A part of an upload, with its digest."""
        from aiohttp import web

        blob = self._find(request)
        content = await request.read()
        if self.parts == 0:
            assert request.transport is not None
            request.transport.abort()
            return web.Response(status=500)
        self.parts = None if self.parts is None else self.parts - 1
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        if request.headers.get("Upload-Checksum") != f"sha256 {digest}":
            return web.Response(status=460, headers=_TUS)
        if int(request.headers["Upload-Offset"]) != len(blob.content):
            return web.Response(status=409, headers=_TUS)
        blob.content += content
        return web.Response(status=204, headers=_TUS | {"Upload-Offset": str(len(blob.content))})

    async def get(self, request: web.Request) -> web.StreamResponse:
        """A download, or a part of it."""
        from aiohttp import web

        blob = self._find(request)
        if not blob.complete:
            raise web.HTTPNotFound
        start = request.http_range.start or 0
        headers = {"ETag": f'"{request.match_info["blob"]}"', "Accept-Ranges": "bytes"}
        if start:
            headers["Content-Range"] = f"bytes {start}-{blob.size - 1}/{blob.size}"
        answer = web.StreamResponse(status=206 if start else 200, headers=headers)
        answer.content_length = blob.size - start
        await answer.prepare(request)
        content = bytes(blob.content[start:])
        if self.cut > 0:
            self.cut -= 1
            await answer.write(content[: len(content) // 2])
            assert request.transport is not None
            request.transport.close()
            return answer
        await answer.write(content)
        return answer


async def start_uploads(stack: AsyncExitStack, domain: str) -> Uploads | None:
    """Listens on a port of the loopback until the stack is closed. None without the library."""
    try:
        from aiohttp import web
    except ImportError:
        return None
    uploads = Uploads(domain)
    application = web.Application(client_max_size=1 << 40)
    application.router.add_put("/u/{blob}/{name}", uploads.put)
    application.router.add_head("/u/{blob}", uploads.head)
    application.router.add_patch("/u/{blob}", uploads.patch)
    application.router.add_get("/m/{blob}/{name}", uploads.get, allow_head=True)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server: Any = site._server
    uploads.port = server.sockets[0].getsockname()[1]
    return uploads
