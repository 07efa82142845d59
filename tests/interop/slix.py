"""slixmpp, as a person's client would use it: messages in a queue, plugins for what the tests need."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from slixmpp import ClientXMPP

from tests.raw import PATIENCE

PLUGINS = (
    *("xep_0030", "xep_0059", "xep_0060", "xep_0115", "xep_0163", "xep_0172", "xep_0184"),
    *("xep_0191", "xep_0198", "xep_0199", "xep_0203", "xep_0280", "xep_0297", "xep_0313", "xep_0359"),
)


class Slix(ClientXMPP):  # type: ignore[misc]
    """``inbox`` gets all messages; ``presences`` all presence; ``mechanism`` allows one only."""

    def __init__(
        self, jid: str, password: str = "pw", mechanism: str | None = None, plugins: Sequence[str] = ()
    ) -> None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        super().__init__(jid, password, ssl_context=context)
        for plugin in (*PLUGINS, *plugins):
            self.register_plugin(plugin)
        if mechanism is not None:
            self["feature_mechanisms"].use_mechs = {mechanism}
        self.auto_reconnect = False
        self.auto_authorize = self.auto_subscribe = None
        self.inbox: asyncio.Queue[Any] = asyncio.Queue()
        self.presences: asyncio.Queue[Any] = asyncio.Queue()
        self.add_filter("in", self._keep)

    def _keep(self, stanza: Any) -> Any:
        if stanza.name == "message":
            self.inbox.put_nowait(stanza)
        elif stanza.name == "presence":
            self.presences.put_nowait(stanza)
        return stanza

    async def message(self, timeout: float = 60) -> Any:
        """The next message with a body."""
        while True:
            message = await asyncio.wait_for(self.inbox.get(), timeout)
            if message["body"]:
                return message

    async def presence(self, type: str, sender: str, timeout: float = 60) -> Any:
        """The next presence of that type (``available`` for none) from that bare address."""
        while True:
            presence = await asyncio.wait_for(self.presences.get(), timeout)
            if presence["type"] == type and presence["from"].bare == sender:
                return presence

    async def event_of(self, name: str, action: Callable[[], Any], timeout: float = 60) -> Any:
        """What comes with the first event of that name after the action."""
        future = asyncio.get_running_loop().create_future()

        def happened(data: Any) -> None:
            if not future.done():
                future.set_result(data)

        self.add_event_handler(name, happened)
        try:
            result = action()
            if isinstance(result, Awaitable):
                await result
            return await asyncio.wait_for(future, timeout)
        finally:
            self.del_event_handler(name, happened)

    async def ping(self) -> None:
        """Returns when the server has handled all that was sent before."""
        await self["xep_0199"].send_ping(self.boundjid.domain, timeout=PATIENCE)

    def log_in(self, port: int, direct_tls: bool = False, host: str = "127.0.0.1") -> None:
        """Begins to connect."""
        self.enable_direct_tls, self.enable_starttls = direct_tls, not direct_tls
        self.connect(host, port)


@asynccontextmanager
async def online(
    jid: str,
    port: int,
    *,
    mechanism: str | None = None,
    direct_tls: bool = False,
    available: bool = True,
    carbons: bool = False,
    host: str = "127.0.0.1",
    plugins: Sequence[str] = (),
) -> AsyncIterator[Slix]:
    """A client whose session has begun, with presence sent; logged out at the end."""
    client = Slix(jid, mechanism=mechanism, plugins=plugins)
    try:
        await client.event_of("session_start", lambda: client.log_in(port, direct_tls, host))
        if carbons:
            await client["xep_0280"].enable()
        if available:
            client.send_presence()
        await client.ping()
        yield client
    finally:
        await asyncio.wait_for(client.disconnect(wait=1), PATIENCE)


async def befriend(one: Slix, other: Slix) -> None:
    """Each gets the other's presence."""
    for asking, asked in ((one, other), (other, one)):
        asking.send_presence_subscription(pto=asked.boundjid.bare, ptype="subscribe")
        await asked.presence("subscribe", asking.boundjid.bare)
        asked.send_presence_subscription(pto=asking.boundjid.bare, ptype="subscribed")
        await asking.presence("subscribed", asked.boundjid.bare)
