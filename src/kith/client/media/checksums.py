"""Adds the digest to each part of a resumable upload: the checksum extension of tus 1.0."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

_PART = "application/offset+octet-stream"


async def with_checksums(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """A middleware of aiohttp, since the tus library has no checksums."""
    if request.method == "PATCH" and request.headers.get("Content-Type") == _PART:
        body = request.body
        content = body if isinstance(body, bytes) else await body.as_bytes()
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        request.headers["Upload-Checksum"] = f"sha256 {digest}"
    return await handler(request)
