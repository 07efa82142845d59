"""A client that this project did not write: slixmpp, with what it gets in queues."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from slixmpp import ClientXMPP
from slixmpp.exceptions import IqError

from tests.raw import PATIENCE

EVENT = "{http://jabber.org/protocol/pubsub#event}"
INFO = "{http://jabber.org/protocol/disco#info}query"
PLUGINS = ("xep_0004", "xep_0030", "xep_0060", "xep_0115", "xep_0163", "xep_0191", "xep_0199")


_kinds = itertools.count()


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
        self._known = asyncio.Event()  # the server was told what this client can do
        self.auto_authorize = self.auto_subscribe = None
        self.add_event_handler("session_start", lambda _: self.started.set())
        self.add_filter("in", self._keep)
        self.add_filter("out", self._told)

    def _keep(self, stanza: Any) -> Any:
        if stanza.name == "message":
            self.messages.put_nowait(stanza.xml)
        elif stanza.name == "presence":
            self.presences.put_nowait(stanza.xml)
        return stanza

    def _told(self, stanza: Any) -> Any:
        if stanza.name == "iq" and stanza["type"] == "result" and stanza.xml.find(INFO) is not None:
            self._known.set()
        return stanza

    async def go_online(self) -> None:
        """Sends presence, with capabilities, and waits until the server knows them."""
        # it asks each client of a kind that it has not seen, so that this can be waited for
        await self.plugin["xep_0030"].add_feature(f"urn:example:kith-test:{next(_kinds)}")
        for node in self.interests:
            await self.plugin["xep_0030"].add_feature(f"{node}+notify")
        await self.plugin["xep_0115"].update_caps(broadcast=False)
        self._known.clear()
        self.send_presence()
        await asyncio.wait_for(self._known.wait(), PATIENCE)
        await self.settled()

    async def settled(self) -> None:
        """What was sent before is handled, and what came of it for this client is here."""
        await self.plugin["xep_0199"].send_ping(self.boundjid.domain, timeout=PATIENCE)

    async def next_event(self, timeout: float = PATIENCE) -> Element:
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
        await self.settled()
        await asyncio.sleep(0.1)  # what is read from the store first may come a little later
        while not self.messages.empty():
            message = self.messages.get_nowait()
            assert message.find(f"{EVENT}event") is None, ElementTree.tostring(message)

    async def ask(self, type: str, child: str, to: str | None = None) -> Any:
        """An iq of one's own. Raises IqError."""
        iq = self.make_iq(ito=to, itype=type)
        iq.append(ElementTree.fromstring(child))
        return await iq.send(timeout=PATIENCE)

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
        await asyncio.wait_for(client.started.wait(), PATIENCE)
        if available:
            await client.go_online()
        yield client
    finally:
        await asyncio.wait_for(client.disconnect(wait=0.5), PATIENCE)


async def befriend(one: Client, other: Client) -> None:
    """Each gets the other's presence."""
    for asking, asked in ((one, other), (other, one)):
        asking.send_presence_subscription(pto=asked.boundjid.bare, ptype="subscribe")
        await _until(asked, "subscribe", asking)
        asked.send_presence_subscription(pto=asking.boundjid.bare, ptype="subscribed")
        await _until(asking, "subscribed", asked)


async def _until(client: Client, type: str, sender: Client) -> None:
    while True:
        presence = await asyncio.wait_for(client.presences.get(), PATIENCE)
        if presence.get("type") == type and presence.get("from") == sender.boundjid.bare:
            return
