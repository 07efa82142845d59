"""A client that this project did not write: slixmpp, with what it gets in queues."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from slixmpp import ClientXMPP
from slixmpp.exceptions import IqError

EVENT = "{http://jabber.org/protocol/pubsub#event}"
PLUGINS = ("xep_0004", "xep_0030", "xep_0060", "xep_0115", "xep_0163", "xep_0191", "xep_0199")


class Client(ClientXMPP):  # type: ignore[misc]
    """``messages`` and ``presences`` are the stanzas as trees."""

    def __init__(self, jid: str, interests: Sequence[str] = ()) -> None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        super().__init__(jid, "pw", ssl_context=context)
        for plugin in PLUGINS:
            self.register_plugin(plugin)
        self.interests = interests
        self.messages: asyncio.Queue[Element] = asyncio.Queue()
        self.presences: asyncio.Queue[Element] = asyncio.Queue()
        self.started = asyncio.Event()
        self.auto_authorize = self.auto_subscribe = None
        self.add_event_handler("session_start", lambda _: self.started.set())
        self.add_filter("in", self._keep)

    def _keep(self, stanza: Any) -> Any:
        if stanza.name == "message":
            self.messages.put_nowait(stanza.xml)
        elif stanza.name == "presence":
            self.presences.put_nowait(stanza.xml)
        return stanza

    async def go_online(self) -> None:
        """Sends presence, with capabilities, and waits until the server has handled it."""
        await self.plugin["xep_0030"].add_feature("urn:example:kith-test")
        for node in self.interests:
            await self.plugin["xep_0030"].add_feature(f"{node}+notify")
        await self.plugin["xep_0115"].update_caps(broadcast=False)
        self.send_presence()
        await self.plugin["xep_0199"].send_ping(self.boundjid.domain)
        await asyncio.sleep(0.1)  # the server asks for the capabilities, and gets them
        await self.plugin["xep_0199"].send_ping(self.boundjid.domain)

    async def next_event(self, timeout: float = 5) -> Element:
        """The next PEP event: the child of ``<event/>``. ``from`` is set to the account's address."""
        while True:
            message = await asyncio.wait_for(self.messages.get(), timeout)
            event = message.find(f"{EVENT}event")
            if event is not None:
                event[0].set("from", message.get("from", ""))
                event[0].set("delayed", str(message.find("{urn:xmpp:delay}delay") is not None))
                return event[0]

    async def expect_no_event(self) -> None:
        """Whatever is under way has come, and no event was in it."""
        await self.plugin["xep_0199"].send_ping(self.boundjid.domain)
        await asyncio.sleep(0.1)
        while not self.messages.empty():
            message = self.messages.get_nowait()
            assert message.find(f"{EVENT}event") is None, ElementTree.tostring(message)

    async def ask(self, type: str, child: str, to: str | None = None) -> Any:
        """An iq of one's own. Raises IqError."""
        iq = self.make_iq(ito=to, itype=type)
        iq.append(ElementTree.fromstring(child))
        return await iq.send(timeout=10)

    async def refused(self, type: str, child: str, to: str | None = None) -> tuple[str, str]:
        """The condition and the application's condition of the error that such an iq gets."""
        try:
            await self.ask(type, child, to)
        except IqError as error:
            found = error.iq.xml.find("{jabber:client}error")
            names = [element.tag.partition("}")[2] for element in found]
            names = [name for name in names if name != "text"]
            return names[0], names[1] if len(names) > 1 else ""
        raise AssertionError("the request was not refused")


@asynccontextmanager
async def connected(
    port: int, jid: str, interests: Sequence[str] = (), available: bool = True
) -> AsyncIterator[Client]:
    """Logged in over STARTTLS; ``interests`` are the nodes that are wanted with ``+notify``."""
    client = Client(jid, interests)
    client.enable_direct_tls = False
    client.connect("127.0.0.1", port)
    try:
        await asyncio.wait_for(client.started.wait(), 10)
        if available:
            await client.go_online()
        yield client
    finally:
        await asyncio.wait_for(client.disconnect(wait=0.5), 5)


async def befriend(one: Client, other: Client) -> None:
    """Each gets the other's presence."""
    for asking, asked in ((one, other), (other, one)):
        asking.send_presence_subscription(pto=asked.boundjid.bare, ptype="subscribe")
        await _until(asked, "subscribe", asking)
        asked.send_presence_subscription(pto=asking.boundjid.bare, ptype="subscribed")
        await _until(asking, "subscribed", asked)


async def _until(client: Client, type: str, sender: Client) -> None:
    while True:
        presence = await asyncio.wait_for(client.presences.get(), 5)
        if presence.get("type") == type and presence.get("from") == sender.boundjid.bare:
            return
