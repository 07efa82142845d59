"""A person at the HTTP API: asks for codes, reads them where the server shows them, and has devices."""

from __future__ import annotations

import asyncio
import base64
import hmac
import itertools
import re
import uuid
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.conftest import RunningServer
from tests.raw import RawClient, authenticate

_numbers = itertools.count(1)
_addresses = itertools.count(1)


def new_number() -> str:
    """A number that no other test has."""
    return f"+4915112{next(_numbers):06}"


def new_address() -> str:
    """An IP address that no other test comes from (RFC 5737, RFC 2544)."""
    count = next(_addresses)
    return f"198.18.{count // 250}.{count % 250 + 1}"


@dataclass
class Answer:
    status: int
    body: Any
    headers: Any

    @property
    def error(self) -> str:
        return str(self.body.get("error", "")) if isinstance(self.body, dict) else ""


@dataclass
class Device:
    """Where somebody is logged in; ``login`` is what the API answered."""

    login: dict[str, Any]

    @property
    def local(self) -> str:
        return str(self.login["address"]).partition("@")[0]

    @property
    def domain(self) -> str:
        return str(self.login["address"]).partition("@")[2]

    @property
    def credential(self) -> str:
        text = f"{self.local}:{self.login['agent']}:{self.login['token']}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def proof(self) -> str:
        """What HT-SHA-256-NONE sends."""
        proof = hmac.digest(self.login["token"].encode(), b"Initiator", "sha256")
        return base64.b64encode(self.local.encode() + b"\0" + proof).decode()

    async def online(self, port: int, presence: str | None = "") -> RawClient:
        """On XMPP, by the token alone."""
        client = RawClient(port, self.domain)
        await client.connect()
        inline = "<bind xmlns='urn:xmpp:bind:0'/><fast xmlns='urn:xmpp:fast:0'/>"
        await client.login2(
            self.local,
            inline,
            agent=self.login["agent"],
            mechanism="HT-SHA-256-NONE",
            data=self.proof(),
        )
        if presence is not None:
            await client.available(presence)
        return client

    async def refused(self, port: int) -> bool:
        """Whether XMPP does not let it in."""
        async with RawClient(port, self.domain) as client:
            request = authenticate(
                self.local,
                inline="<fast xmlns='urn:xmpp:fast:0'/>",
                agent=self.login["agent"],
                mechanism="HT-SHA-256-NONE",
                data=self.proof(),
            )
            client.open(sender=self.login["address"], then=request)
            answer = await client.take(lambda e: e.tag.startswith("{urn:xmpp:sasl:2}"))
            return answer.tag.endswith("}failure")


@dataclass
class Person:
    """Comes from one address of the network. Not logged in, but for what ``device`` is given to."""

    server: RunningServer
    number: str = field(default_factory=new_number)
    address: str = field(default_factory=new_address)

    async def ask(
        self, method: str, path: str, json: Any = None, device: Device | None = None, **other: Any
    ) -> Answer:
        proxied = {"X-Forwarded-For": self.address, "X-Forwarded-Proto": "https"}
        headers = {**proxied, **other.pop("headers", {})}
        if device is not None:
            headers["Authorization"] = f"Bearer {device.credential}"
        url = f"http://127.0.0.1:{self.server.http_port}{path}"
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, url, json=json, headers=headers, **other) as answer,
        ):
            body = await answer.json() if answer.content_type == "application/json" else await answer.read()
            return Answer(answer.status, body, answer.headers)

    async def done(
        self, method: str, path: str, json: Any = None, device: Device | None = None, **other: Any
    ) -> Answer:
        """As `ask`, for a request that has to succeed: what follows in a test depends on it."""
        answer = await self.ask(method, path, json, device, **other)
        assert answer.status < 300, answer
        return answer

    def code(self) -> str:
        """The last one that the server has shown for the number."""
        shown = self.server.log.read_text()
        found = re.findall(rf"message to {re.escape(self.number)}: (\d{{6}}) ", shown)
        return str(found[-1])

    async def send_code(self) -> str:
        answer = await self.ask("POST", "/api/register/code", {"number": self.number})
        assert answer.status == 202, answer
        return self.code()

    async def register(self, name: str = "phone", code: str = "", **more: Any) -> Device:
        """With a code, which is asked for if none is given."""
        answer = await self.try_to_register(name, code or await self.send_code(), **more)
        assert answer.status == 201, answer
        return Device(answer.body)

    async def try_to_register(self, name: str, code: str, **more: Any) -> Answer:
        about = {"agent": str(uuid.uuid4()), "name": name, "software": "Test", "platform": "Linux"}
        request = {"number": self.number, "code": code, "device": about, **more}
        return await self.ask("POST", "/api/register", request)


async def until(condition: Any, timeout: float = 60) -> Any:
    """What an asynchronous condition gives as soon as it is true."""
    async with asyncio.timeout(timeout):
        while not (found := await condition()):
            await asyncio.sleep(0.05)
        return found
