"""Several people in browsers of their own, and a server that can go away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from tests.api.test_devices import forget_codes
from tests.client.cable import Cable
from tests.conftest import RunningServer
from tests.web.person import DESKTOP, PHONE, Someone, meet, someone


class People:
    """Starts browsers, and looks at the end whether one of them had something to complain of."""

    def __init__(self, chromium: str, server: RunningServer, stack: AsyncExitStack) -> None:
        self._chromium = chromium
        self.server = server
        self._stack = stack
        self.all: list[Someone] = []

    async def one(self, name: str, options: dict[str, Any] = DESKTOP, cable: Cable | None = None) -> Someone:
        """``cable``: what the browser is behind, which others may be, too."""
        forget_codes(self.server)
        person = await self._stack.enter_async_context(someone(self._chromium, self.server, name, options))
        person.cable = cable
        self.all.append(person)
        return person

    async def linked(
        self, elder: Someone, options: dict[str, Any] = DESKTOP, cable: Cable | None = None
    ) -> Someone:
        """Another browser of somebody, who lets it in by the code that it shows."""
        other = await self.one(elder.name, options, cable)
        other.number = elder.number
        await other.open()
        await other.press("Log in with a QR code")
        code = await other.link_code()
        await elder.open("#/settings/link")
        await elder.fill("Or paste the link", code)
        await elder.press("Link device")
        await elder.shows("[role=status]:has-text('The new device is linked')")
        await other.shows(".home")
        return other

    async def cable(self) -> Cable:
        return await self._stack.enter_async_context(Cable(self.server.http_port))

    async def two(
        self, first: dict[str, Any] = DESKTOP, second: dict[str, Any] = PHONE, cables: bool = False
    ) -> tuple[Someone, Someone]:
        """Who have written to each other, and have the chat open. ``cables``: each behind their own."""
        ada = await self.one("Ada", first, await self.cable() if cables else None)
        ben = await self.one("Ben", second, await self.cable() if cables else None)
        await meet(ada, ben)
        return ada, ben

    async def three(self) -> tuple[Someone, Someone, Someone]:
        """The first has the other two in the list of chats, and has written nothing yet."""
        ada, ben = await self.one("Ada"), await self.one("Ben")
        cyd = await self.one("Cyd", PHONE)
        for person in (ada, ben, cyd):
            await person.register()
        for person in (ben, cyd):
            await ada.start_chat(person.number)
            await ada.open("#/")
        return ada, ben, cyd


@asynccontextmanager
async def down(server: RunningServer) -> AsyncIterator[None]:
    """It is not there for a while."""
    await asyncio.to_thread(server.stop)
    try:
        yield
    finally:
        await asyncio.to_thread(server.start)


@asynccontextmanager
async def cut(person: Someone) -> AsyncIterator[None]:
    """Somebody's own network is gone for a while; the others' is not."""
    assert person.cable is not None
    person.cable.unplug()
    try:
        yield
    finally:
        await person.cable.plug_in()


def restart(person: Someone) -> AbstractAsyncContextManager[None]:
    return down(person.server)


Interruption = Callable[[Someone], AbstractAsyncContextManager[None]]
