"""A push service of RFC 8030, over HTTPS, and the browsers that have subscriptions there."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tests.federation.world import Authority
from tests.push.rfc8291 import decrypt, point

PATIENCE = 10.0


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unbase64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Browser:
    """A subscription, and what its push service was given for it."""

    endpoint: str
    private: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    auth: bytes = b"sixteen bytes ok"

    def subscription(self) -> dict[str, Any]:
        keys = {"p256dh": base64url(point(self.private.public_key())), "auth": base64url(self.auth)}
        return {"endpoint": self.endpoint, "expirationTime": None, "keys": keys}

    def read(self, body: bytes) -> Any:
        return json.loads(decrypt(body, self.private, self.auth))


@dataclass
class Pushed:
    path: str
    headers: dict[str, str]
    body: bytes


class PushService:
    """``pushes``: what it was given. ``status``: its next answers, then 201."""

    def __init__(self) -> None:
        self.pushes: asyncio.Queue[Pushed] = asyncio.Queue()
        self.status: list[tuple[int, dict[str, str]]] = []
        self.origin = ""
        self._number = 0

    def browser(self) -> Browser:
        self._number += 1
        return Browser(f"{self.origin}/push/{self._number}-abcdefgh")

    async def answer(self, request: web.Request) -> web.Response:
        self.pushes.put_nowait(Pushed(request.path, dict(request.headers), await request.read()))
        status, headers = self.status.pop(0) if self.status else (201, {})
        return web.Response(status=status, headers=headers)

    async def push(self) -> Pushed:
        return await asyncio.wait_for(self.pushes.get(), PATIENCE)


def check_vapid(header: str, key: str) -> dict[str, Any]:
    """Verifies who a push says that it is from (RFC 8292). Returns the claims."""
    scheme, _, rest = header.partition(" ")
    assert scheme == "vapid"
    fields = dict(part.strip().split("=", 1) for part in rest.split(","))
    assert fields["k"] == key
    signed, _, signature = fields["t"].rpartition(".")
    head, _, claims = signed.partition(".")
    assert json.loads(unbase64url(head))["alg"] == "ES256"
    raw = unbase64url(signature)
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unbase64url(key))
    public.verify(der, signed.encode(), ec.ECDSA(hashes.SHA256()))
    found: dict[str, Any] = json.loads(unbase64url(claims))
    return found


@asynccontextmanager
async def push_service(authority: Authority) -> AsyncIterator[PushService]:
    """Serves at ``https://localhost:PORT`` with a certificate of an authority."""
    certificate, key = authority.certificate("push", names="localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    service = PushService()
    app = web.Application()
    app.router.add_post("/push/{id}", service.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    service.origin = f"https://localhost:{runner.addresses[0][1]}"
    try:
        yield service
    finally:
        await runner.cleanup()
