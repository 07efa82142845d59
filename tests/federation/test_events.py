"""XEP-0163 across servers: a contact elsewhere learns of new keys at once, and of the last as it comes."""

from __future__ import annotations

import base64
import hashlib
from xml.etree.ElementTree import Element

from tests.conftest import RunningServer
from tests.federation.world import World
from tests.raw import RawClient

NODE = "eu.siacs.conversations.axolotl.devicelist"
INFO = "http://jabber.org/protocol/disco#info"


def caps(name: str) -> str:
    text = f"client/phone//{name}<{NODE}+notify<{INFO}<"
    ver = base64.b64encode(hashlib.sha1(text.encode()).digest()).decode()
    return f"<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:test' ver='{ver}'/>"


async def online(server: RunningServer, user: str, known: bool = False) -> RawClient:
    client = RawClient(server.port, server.domain)
    await client.connect()
    await client.login(user)
    await client.bind()
    client.send(f"<presence>{caps(user)}</presence>")
    if not known:
        await say_what_one_is(client, user)
    return client


async def say_what_one_is(client: RawClient, name: str) -> None:
    """Answers a question for the capabilities."""
    asked = await client.take(lambda e: e.get("type") == "get" and e.tag.endswith("iq"))
    node = asked[0].get("node", "")
    client.send(
        f"<iq type='result' id='{asked.get('id')}' to='{asked.get('from')}'>"
        f"<query xmlns='{INFO}' node='{node}'><identity category='client' type='phone' name='{name}'/>"
        f"<feature var='{INFO}'/><feature var='{NODE}+notify'/></query></iq>"
    )


def publish(device: int) -> str:
    return (
        f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{NODE}'><item id='current'>"
        f"<list xmlns='eu.siacs.conversations.axolotl'><device id='{device}'/></list>"
        "</item></publish></pubsub>"
    )


async def devices(client: RawClient, owner: str) -> list[str | None]:
    event = await client.take(lambda e: e.get("from") == owner and _list(e))
    return [device.get("id") for device in _list(event)]


def _list(element: Element) -> list[Element]:
    return list(element.iter("{eu.siacs.conversations.axolotl}device"))


async def test_a_contact_elsewhere_is_told_of_keys(here: World) -> None:
    with here.kith("east.test") as east, here.kith("west.test") as west:
        ann, ben = await online(east, "ann"), await online(west, "ben")
        for one, other in ((ann, ben), (ben, ann)):
            one.send(f"<presence type='subscribe' to='{other.bare}'/>")
            await other.take(lambda e: e.get("type") == "subscribe")
            other.send(f"<presence type='subscribed' to='{one.bare}'/>")
            await one.take(lambda e: e.get("type") == "subscribed")
        await say_what_one_is(ben, "ben")  # the other server does not know such a client yet
        await say_what_one_is(ann, "ann")
        await ben.ping()
        await ben.result("get", "<ping xmlns='urn:xmpp:ping'/>", "east.test")
        await ann.result("get", "<ping xmlns='urn:xmpp:ping'/>", "west.test")
        await ann.result("set", publish(1))
        assert await devices(ben, "ann@east.test") == ["1"]
        ben.abort()
        await ann.result("set", publish(2))
        again = await online(west, "ben", known=True)
        assert await devices(again, "ann@east.test") == ["2"]
        ann.abort()
        again.abort()
