"""What tests of uploads do again and again: slots over XMPP, and HTTP requests."""

from __future__ import annotations

import hashlib
import os
from base64 import urlsafe_b64encode
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element

import aiohttp

from tests.conftest import RunningServer
from tests.raw import online

UPLOAD = "{urn:xmpp:http:upload:0}"
MEDIA = "{urn:kith:media:0}"
SERVICE = "upload.localhost"


class Slot(NamedTuple):
    put: str
    get: str
    tus: str
    blob: str
    headers: dict[str, str]


class Uploader:
    """A person who uploads. Each request is a login of its own, so that tests need no order."""

    def __init__(self, server: RunningServer, name: str) -> None:
        self.server = server
        self.name = name

    async def ask(self, type: str, child: str, to: str = SERVICE) -> Element:
        """The answer to an iq."""
        client = await online(self.server.port, self.name, presence=None)
        try:
            return await client.iq(type, child, to)
        finally:
            client.abort()

    async def slot(
        self, size: int, name: str = "file.bin", type: str = "", resumable: str | None = "", inner: str = ""
    ) -> Slot:
        """A slot. ``resumable``: attributes of its element; None: without one."""
        kind = f" content-type='{type}'" if type else ""
        own = f"<resumable xmlns='urn:kith:media:0' {resumable}/>" if resumable is not None else ""
        head = f"<request xmlns='urn:xmpp:http:upload:0' filename='{name}' size='{size}'{kind}>"
        return read_slot(await self.ask("get", f"{head}{own}{inner}</request>"))

    async def put(self, data: bytes, **wishes: Any) -> Slot:
        """Uploads a file as a whole."""
        slot = await self.slot(len(data), **wishes)
        async with (
            aiohttp.ClientSession() as http,
            http.put(slot.put, data=data, headers=slot.headers) as done,
        ):
            assert done.status == 201, await done.text()
        return slot


def read_slot(answer: Element) -> Slot:
    slot = answer.find(f"{UPLOAD}slot")
    assert slot is not None, answer
    put, get, own = slot.find(f"{UPLOAD}put"), slot.find(f"{UPLOAD}get"), slot.find(f"{MEDIA}resumable")
    assert put is not None
    assert get is not None
    headers = {header.get("name", ""): header.text or "" for header in put}
    url, blob = (own.get("url", ""), own.get("blob", "")) if own is not None else ("", "")
    return Slot(put.get("url", ""), get.get("url", ""), url, blob, headers)


def claim() -> tuple[str, str]:
    """The secret of a claim, and the hash that a slot is requested with."""
    secret = os.urandom(32)
    return encoded(secret), encoded(hashlib.sha256(secret).digest())


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")
