"""Two people and their devices, on a real server."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from kith.client import Client, Event, Message
from tests.client.cable import Cable
from tests.conftest import RunningServer

_numbers = itertools.count(1)


class People:
    """Makes accounts and opens clients; all are closed at the end of a test."""

    def __init__(self, server: RunningServer, folder: Path, stack: AsyncExitStack) -> None:
        self.server = server
        self.folder = folder
        self._stack = stack

    def account(self, name: str) -> str:
        """A new account with a name of its own: these tests share a server."""
        return self.server.add_user(f"{name}{next(_numbers)}")

    def device(self, jid: str, device: str = "phone", **settings: Any) -> Client:
        """A client that is not open yet. The same device finds its keys and history again."""
        settings = {"host": "127.0.0.1", "port": self.server.port, "auto_accept": True} | settings
        return Client(jid, "pw", **({"data": self.folder / f"{jid}-{device}"} | settings))

    async def open(self, jid: str, device: str = "phone", **settings: Any) -> Client:
        return await self._stack.enter_async_context(self.device(jid, device, **settings))

    async def has_keys(self, client: Client, peer: str) -> None:
        """Waits until a client finds keys of a peer that has just begun."""
        async with asyncio.timeout(60):
            while not any(key.active for key in await client.fingerprints(peer)):
                await asyncio.sleep(0.2)

    async def cable(self) -> Cable:
        return await self._stack.enter_async_context(Cable(self.server.port))


@pytest.fixture
async def people(server: RunningServer, tmp_path: Path) -> AsyncIterator[People]:
    async with AsyncExitStack() as stack:
        yield People(server, tmp_path, stack)


async def receive(client: Client, count: int = 1, timeout: float = 60) -> list[Message]:
    """The next messages, whoever wrote them."""
    found: list[Message] = []
    async with asyncio.timeout(timeout):
        iterator = client.messages()
        while len(found) < count:
            found.append(await anext(iterator))
        # Asking for the next says that the last was seen.
        following = asyncio.ensure_future(anext(iterator))
        await asyncio.sleep(0.05)
        if following.done():
            found.append(following.result())
        following.cancel()
    return found


async def until(true: Callable[[], object], timeout: float = 60) -> None:
    """Waits for a condition."""
    async with asyncio.timeout(timeout):
        while not true():
            await asyncio.sleep(0.02)


async def event(events: AsyncIterator[Event], kind: type[Event], timeout: float = 60) -> Any:
    """The next event of a kind."""
    async with asyncio.timeout(timeout):
        async for found in events:
            if isinstance(found, kind):
                return found
    raise AssertionError("the client was closed")
