"""FCM, Google's tokens and APNs as their documentation describes them, over HTTP/2 and TLS (hypercorn)."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypercorn.asyncio import serve
from hypercorn.config import Config

from tests.conftest import free_ports
from tests.federation.world import Authority

PROJECT, TEAM, KEY_ID, TOPIC = "kith-test", "TEAM123456", "KEY1234567", "org.example.chat"
EMAIL = "push@kith-test.iam.gserviceaccount.com"
_Receive = Callable[[], Awaitable[dict[str, Any]]]
_Send = Callable[[dict[str, Any]], Awaitable[None]]


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@dataclass
class Pushed:
    """A push that a service was given. ``device``: the app's token."""

    service: str
    device: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Vendors:
    """``answers``: the next answers to pushes, as (status, headers, JSON), then success. ``expired``: tokens
    of the server that are refused. ``tokens``: how many Google has given. ``http``: versions seen.
    """

    folder: Path
    origin: str
    google: rsa.RSAPrivateKey
    apple: ec.EllipticCurvePrivateKey
    pushes: asyncio.Queue[Pushed] = field(default_factory=asyncio.Queue)
    answers: list[tuple[int, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    expired: set[str] = field(default_factory=set)
    providers: set[str] = field(default_factory=set)
    tokens: int = 0
    refuses_account: bool = False
    http: set[str] = field(default_factory=set)

    def settings(self) -> dict[str, str]:
        """The settings of a server that pushes here."""
        account, key = self.folder / "account.json", self.folder / "apns.p8"
        account.write_text(
            json.dumps(
                {
                    "type": "service_account",
                    "project_id": PROJECT,
                    "client_email": EMAIL,
                    "private_key": pem(self.google),
                    "token_uri": f"{self.origin}/token",
                }
            )
        )
        key.write_text(pem(self.apple))
        return {
            "push_fcm_key": str(account),
            "push_fcm_url": self.origin,
            "push_apns_key": str(key),
            "push_apns_key_id": KEY_ID,
            "push_apns_team_id": TEAM,
            "push_apns_topic": TOPIC,
            "push_apns_url": self.origin,
            "push_apns_sandbox_url": f"{self.origin}/sandbox",
        }

    async def push(self) -> Pushed:
        return await asyncio.wait_for(self.pushes.get(), 15)

    # -- the application (ASGI) ---------------------------------------------------------------------------

    async def app(self, scope: dict[str, Any], receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            return
        self.http.add(scope["http_version"])
        content, more = b"", True
        while more:
            event = await receive()
            content += event.get("body", b"")
            more = event.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        status, said, body = self._answer(scope["path"], headers, content)
        raw = json.dumps(body).encode() if body is not None else b""
        fields = [(name.lower().encode(), value.encode()) for name, value in said.items()]
        fields.append((b"content-length", str(len(raw)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": raw})

    def _answer(self, path: str, headers: dict[str, str], content: bytes) -> tuple[int, dict[str, str], Any]:
        if path == "/token":
            return self._token(content)
        if path == f"/v1/projects/{PROJECT}/messages:send":
            return self._fcm(headers, json.loads(content))
        if found := re.fullmatch(r"(/sandbox)?/3/device/([0-9a-f]+)", path):
            return self._apns("apns-sandbox" if found[1] else "apns", found[2], headers, json.loads(content))
        return 404, {}, {"error": {"code": 404, "status": "NOT_FOUND"}, "reason": "BadPath"}

    def _token(self, content: bytes) -> tuple[int, dict[str, str], Any]:
        """Google's token endpoint (RFC 7523)."""
        form = {name: values[0] for name, values in parse_qs(content.decode()).items()}
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        if self.refuses_account:
            return 400, {}, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
        claims = jwt.decode(
            form["assertion"],
            public(self.google),
            algorithms=["RS256"],
            audience=f"{self.origin}/token",
            options={"verify_iat": False},  # clocks of tests go forward
        )
        assert claims["iss"] == EMAIL
        assert claims["scope"] == "https://www.googleapis.com/auth/firebase.messaging"
        assert claims["exp"] - claims["iat"] <= 3600
        self.tokens += 1
        return 200, {}, {"access_token": f"google-{self.tokens}", "expires_in": 3599, "token_type": "Bearer"}

    def _fcm(self, headers: dict[str, str], body: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
        token = headers["authorization"].removeprefix("Bearer ")
        if not token.startswith("google-") or token in self.expired:
            return 401, {}, {"error": {"code": 401, "status": "UNAUTHENTICATED"}}
        if body.get("validate_only"):
            return 400, {}, fcm_error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT")
        message = body["message"]
        assert set(message) == {"token", "data", "android"}
        self.pushes.put_nowait(Pushed("fcm", message["token"], headers, message))
        return self.answers.pop(0) if self.answers else (200, {}, {"name": "projects/x/messages/1"})

    def _apns(
        self, service: str, device: str, headers: dict[str, str], body: dict[str, Any]
    ) -> tuple[int, dict[str, str], Any]:
        token = headers["authorization"].removeprefix("bearer ")
        assert jwt.get_unverified_header(token)["kid"] == KEY_ID
        claims = jwt.decode(token, public(self.apple), algorithms=["ES256"])
        assert claims["iss"] == TEAM
        assert abs(claims["iat"] - time.time()) < 4000
        if token in self.expired:
            return 403, {}, {"reason": "ExpiredProviderToken"}
        self.providers.add(token)
        if headers["apns-topic"] != TOPIC:
            return 400, {}, {"reason": "DeviceTokenNotForTopic"}
        if device == "0" * 64:
            return 400, {}, {"reason": "BadDeviceToken"}
        assert len(json.dumps(body)) <= 4096
        self.pushes.put_nowait(Pushed(service, device, headers, body))
        return self.answers.pop(0) if self.answers else (200, {"apns-id": "1"}, None)


def fcm_error(code: int, status: str, fcm: str) -> dict[str, Any]:
    kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
    return {"error": {"code": code, "status": status, "details": [{"@type": kind, "errorCode": fcm}]}}


@asynccontextmanager
async def vendors(authority: Authority, folder: Path) -> AsyncIterator[Vendors]:
    """Runs them all at one port."""
    (port,) = free_ports(1)
    certificate, key = authority.certificate("vendors", names="localhost")
    config = Config()
    config.bind = [f"localhost:{port}"]
    config.certfile, config.keyfile = str(certificate), str(key)
    config.alpn_protocols = ["h2"]
    config.accesslog = config.errorlog = None
    one = Vendors(
        folder,
        f"https://localhost:{port}",
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP256R1()),
    )
    ended = asyncio.Event()
    task = asyncio.create_task(serve(one.app, config, shutdown_trigger=ended.wait))  # type: ignore[arg-type]
    while True:
        try:
            _, writer = await asyncio.open_connection("localhost", port)
            writer.close()
            break
        except OSError:
            await asyncio.sleep(0.02)
    try:
        yield one
    finally:
        ended.set()
        await asyncio.wait_for(task, 15)
