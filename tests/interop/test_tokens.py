"""xmpp.js speaks SASL2, Bind 2, inline resumption and tokens by itself; StanzaJS and slixmpp do not yet."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunningServer
from tests.raw import online

_HERE = Path(__file__).parent
Token = dict[str, str]


@pytest.fixture(scope="module", autouse=True)
def accounts(server: RunningServer) -> None:
    for name in ("ada", "ben"):
        server.add_user(name)


class TokenClient:
    """``token_client.mjs``. What it tells is kept until a test asks for it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._told: list[tuple[str, Any]] = []

    async def event(self, name: str, timeout: float = 15) -> Any:
        """The data of the next event of that name."""
        assert self._process.stdout is not None
        for at, (told, data) in enumerate(self._told):
            if told == name:
                del self._told[at]
                return data
        async with asyncio.timeout(timeout):
            while line := await self._process.stdout.readline():
                said = json.loads(line)
                assert said["event"] != "error", said
                if said["event"] == name:
                    return said["data"]
                self._told.append((said["event"], said["data"]))
        raise AssertionError(f"the client has ended without {name!r}")

    def cut(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")


@asynccontextmanager
async def client(
    server: RunningServer,
    agent: str,
    password: str = "pw",
    token: Token | None = None,
    direct_tls: bool = False,
) -> AsyncIterator[TokenClient]:
    node = shutil.which("node")
    assert node, "Node.js is missing: run `make test`, which installs it"
    assert (_HERE / "node_modules" / "@xmpp").is_dir(), "run `npm ci` in tests/interop, as `make test` does"
    service = f"wss://127.0.0.1:{server.https_port}/xmpp-websocket"
    if direct_tls:
        service = f"xmpps://127.0.0.1:{server.xmpps_port}"
    told = {"service": service, "username": "ada", "password": password, "agent": agent, "token": token}
    process = await asyncio.create_subprocess_exec(
        node,
        str(_HERE / "token_client.mjs"),
        json.dumps(told),
        env=os.environ | {"NODE_TLS_REJECT_UNAUTHORIZED": "0", "NODE_NO_WARNINGS": "1"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield TokenClient(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            process.kill()
            await process.wait()


async def first_login(server: RunningServer, agent: str) -> tuple[Token, str]:
    """By password. The token, and the address."""
    async with client(server, agent) as browser:
        assert (await browser.event("mechanism")).startswith("SCRAM-")
        token = await browser.event("token")
        return token, await browser.event("online")


@pytest.mark.parametrize("direct_tls", [False, True])
async def test_a_token_replaces_the_password(server: RunningServer, direct_tls: bool) -> None:
    agent = str(uuid.uuid4())
    token, address = await first_login(server, agent)
    assert token["mechanism"] == "HT-SHA-256-NONE"
    assert address.startswith("ada@localhost/xmppjs/")
    async with client(server, agent, password="forgotten", token=token, direct_tls=direct_tls) as browser:
        assert await browser.event("mechanism") == "HT-SHA-256-NONE"
        assert {"authorization-identifier", "bound"} <= set(await browser.event("success"))
        assert await browser.event("online") == address
        shown = server.kith("device", "list", "ada").stdout
        assert "xmpp.js" in shown
        assert "Node" in shown


async def test_a_lost_connection_is_resumed_with_the_token(server: RunningServer) -> None:
    agent = str(uuid.uuid4())
    ben = await online(server.port, "ben")
    async with client(server, agent) as browser:
        assert (await browser.event("mechanism")).startswith("SCRAM-")
        await browser.event("success")
        address = await browser.event("online")
        browser.cut()
        assert await browser.event("mechanism") == "HT-SHA-256-NONE"
        ben.send(f"<message to='{address}' type='chat'><body>missed</body></message>")
        assert "resumed" in await browser.event("success")
        assert await browser.event("resumed") == address
        assert await browser.event("message") == "missed"
    ben.abort()


async def test_a_revoked_device_needs_its_password_again(server: RunningServer) -> None:
    agent = str(uuid.uuid4())
    token, _ = await first_login(server, agent)
    server.kith("device", "revoke", "ada", "--all")
    async with client(server, agent, token=token) as browser:
        assert await browser.event("mechanism") == "HT-SHA-256-NONE"
        await browser.event("token-refused")
        assert (await browser.event("mechanism")).startswith("SCRAM-")
        assert (await browser.event("token"))["token"] != token["token"]
        await browser.event("online")
