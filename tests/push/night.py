"""A node whose accounts have devices that sleep, with a clock that the test moves, and a carrier that only
notes what it was given.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kith.core.actors import sm
from kith.core.actors.account import Session
from kith.core.hooks.feature import Feature
from kith.features import ALL
from kith.push.carrier import Wake
from kith.push.pushing import Pushing
from kith.push.registration import Registration
from tests.clocks import SetClock
from tests.parts import Room, make

#: Long enough for everything that waits for an answer or a read mark.
SOON = 20.0


class Noted:
    """The carrier ``noted``. ``pushes``: the node and the push, in order. ``failure``: raised instead."""

    name = "noted"

    def __init__(self) -> None:
        self.pushes: list[tuple[str, Wake]] = []
        self.failure: Exception | None = None

    def place(self, registration: Registration) -> str:
        return registration.service

    async def push(self, owner: str, registration: Registration, wake: Wake) -> None:
        if self.failure is not None:
            raise self.failure
        self.pushes.append((registration.node, wake))

    @property
    def woken(self) -> list[str]:
        """The nodes that were pushed to since this was asked last."""
        nodes = [node for node, _ in self.pushes]
        self.pushes.clear()
        return nodes


class Night:
    """``there`` is the node; ``carrier`` notes all pushes."""

    def __init__(self, there: Room, clock: SetClock, carrier: Noted) -> None:
        self.there = there
        self.clock = clock
        self.pushing = there.node.get(Pushing)
        self.carrier = carrier
        self._number = 0

    async def person(self, address: str) -> Session:
        """``ada/phone`` is online, with stream management."""
        session = await self.there.session(address)
        session.sm = sm.Unacknowledged(f"token-{address}", 1000, 1 << 20)
        return session

    async def sleeper(self, address: str, device: str = "") -> None:
        """``ada/phone`` wants to be woken; the name of its node is ``ada/phone``."""
        local, _, resource = address.partition("/")
        bare = f"{local}@localhost"
        await self.there.node.store.create_accounts([(bare, {})])
        self.there.node.accounts.appeared(bare)
        account = await self.there.node.accounts.load(bare)
        assert account is not None
        await self.pushing.register(account, Registration("noted", "push", address, device, resource))

    async def write(
        self, sender: Session, to: str, inner: str = "<body>hello</body>", type: str = "chat"
    ) -> str:
        """Sends a message. Returns its id."""
        self._number += 1
        id = f"m{self._number}"
        to = to if "@" in to else f"{to}@localhost"
        await self.there.says(sender, f"<message to='{to}' type='{type}' id='{id}'>{inner}</message>")
        return id

    async def acknowledges(self, session: Session) -> None:
        """The client has got everything that it was sent."""
        manage = session.sm
        assert manage is not None
        h = manage.acknowledged + len(manage.queue)
        await self.there.says(session, f"<a xmlns='urn:xmpp:sm:3' h='{h}'/>")

    def vanishes(self, session: Session) -> None:
        """The connection of a session is lost; it may be resumed."""
        self.there.node.sessions.lost(session)

    async def leaves(self, session: Session) -> None:
        """A client closes its stream."""
        self.there.node.sessions.end(session)
        await self.there.settle()

    async def passes(self, seconds: float = SOON) -> None:
        """Time passes; what was due in between happens at its end."""
        self.clock.forward(seconds)
        for sleepers in list(self.pushing._sleepers.values()):
            sleepers.on_time()
        await self.there.settle()


@asynccontextmanager
async def night(
    folder: Path, *more: type[Feature], clock: SetClock | None = None, **settings: Any
) -> AsyncIterator[Night]:
    """A node with all features of a server, and ``more``."""
    clock = clock or SetClock()
    node = make(folder, [*ALL, *more, Pushing], clock=clock, **settings)
    carrier = Noted()
    node.get(Pushing).carriers[carrier.name] = carrier
    await node.start()
    try:
        there = Room(node)
        night = Night(there, clock, carrier)
        while not night.pushing.restored:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        there.rest()
        await there.settle()
        yield night
    finally:
        await node.stop()
