"""Three people who use a server as people do, and what they find when they come back.

The same stanzas go to Prosody, ejabberd and Kith, so what a client finds after a move can be compared.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import AsyncIterator
from xml.etree.ElementTree import Element, canonicalize, tostring

from tests.raw import CLIENT, RawClient

PASSWORDS = {"ada": "Geheim 1 ä", "ben": "geheim 2", "cem": "geheim 3"}
#: A picture of one pixel.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_ROSTER = "jabber:iq:roster"
_PUBSUB = "http://jabber.org/protocol/pubsub"
DEVICES = "eu.siacs.conversations.axolotl.devicelist"
BUNDLE = "eu.siacs.conversations.axolotl.bundles:77"
BOOKMARKS = "urn:xmpp:bookmarks:1"
NOTES = "urn:example:notes"


@contextlib.asynccontextmanager
async def session(port: int, domain: str, user: str, present: bool = True) -> AsyncIterator[RawClient]:
    """A client that has logged in with the password of before."""
    client = RawClient(port, domain)
    await client.connect()
    await client.login(user, PASSWORDS[user])
    await client.bind("phone")
    await client.result("get", f"<query xmlns='{_ROSTER}'/>")  # or Prosody does not tell of approvals
    if present:
        await client.available()
    yield client
    client.send("</stream:stream>")
    with contextlib.suppress(TimeoutError):
        await client.end(5)
    client.abort()


def publish(node: str, id: str, payload: str, **options: str) -> str:
    """A request to publish an item, with options of the node."""
    fields = "".join(
        f"<field var='pubsub#{name}'><value>{value}</value></field>" for name, value in options.items()
    )
    form = (
        "<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
        f"<value>{_PUBSUB}#publish-options</value></field>{fields}</x></publish-options>"
    )
    return (
        f"<pubsub xmlns='{_PUBSUB}'><publish node='{node}'><item id='{id}'>{payload}</item></publish>"
        f"{form if options else ''}</pubsub>"
    )


async def live(port: int, domain: str) -> None:
    """Ada and Ben become contacts, and write to each other; Cem gets a request and a message while offline.

    Ada has a card with a picture, OMEMO keys, bookmarks, notes, a private setting, and blocks somebody.
    """
    ben_jid, cem_jid = f"ben@{domain}", f"cem@{domain}"
    async with session(port, domain, "ada") as ada, session(port, domain, "ben") as ben:
        item = f"<item jid='{ben_jid}' name='Ben &amp; Co'><group>Friends</group><group>Ärzte</group></item>"
        await ada.result("set", f"<query xmlns='{_ROSTER}'>{item}</query>")
        alone = "<item jid='eva@elsewhere.example' name='Eva'/>"
        await ada.result("set", f"<query xmlns='{_ROSTER}'>{alone}</query>")
        for one, other in ((ada, ben), (ben, ada)):
            one.send(f"<presence to='{other.bare}' type='subscribe'/>")
            await other.take(lambda e: e.tag == CLIENT + "presence" and e.get("type") == "subscribe")
            other.send(f"<presence to='{one.bare}' type='subscribed'/>")
            await one.take(lambda e: e.tag == CLIENT + "presence" and e.get("type") == "subscribed")
        ada.send(f"<presence to='{cem_jid}' type='subscribe'/>")
        await ada.ping()
        photo = base64.b64encode(PNG).decode()
        await ada.result(
            "set",
            f"<vCard xmlns='vcard-temp'><FN>Ada Ängström</FN><NICKNAME>ada</NICKNAME>"
            f"<PHOTO><TYPE>image/png</TYPE><BINVAL>{photo}</BINVAL></PHOTO></vCard>",
        )
        devices = "<list xmlns='eu.siacs.conversations.axolotl'><device id='77'/><device id='78'/></list>"
        bundle = "<bundle xmlns='eu.siacs.conversations.axolotl'><identityKey>BQ==</identityKey></bundle>"
        await ada.result("set", publish(DEVICES, "current", devices, access_model="open"))
        await ada.result("set", publish(BUNDLE, "current", bundle, access_model="open"))
        for room, name in (("one@rooms.example", "One"), ("two@rooms.example", "Two")):
            mark = (
                f"<conference xmlns='{BOOKMARKS}' name='{name}' autojoin='true'><nick>ada</nick></conference>"
            )
            options = {"access_model": "whitelist", "persist_items": "true"}
            answer = await ada.iq("set", publish(BOOKMARKS, room, mark, **options, max_items="20"))
            if answer.get("type") == "error":  # ejabberd does not know the last option
                await ada.result("set", publish(BOOKMARKS, room, mark, **options))
        note = "<note xmlns='urn:example:notes'>milk &lt;2 l&gt;</note>"
        await ada.result("set", publish(NOTES, "first", note))
        await ada.result(
            "set",
            "<query xmlns='jabber:iq:private'><exodus xmlns='exodus:prefs'><nick>Ada</nick></exodus></query>",
        )
        blocked = "<item jid='spam@elsewhere.example'/><item jid='bad.example'/>"
        await ada.result("set", f"<block xmlns='urn:xmpp:blocking'>{blocked}</block>")
        for sender, to, text in ((ada, ben_jid, "Hello"), (ben, ada.bare, "Good <morning> & so on")):
            escaped = text.replace("&", "&amp;").replace("<", "&lt;")
            sender.send(f"<message to='{to}' type='chat' id='{text[:4]}'><body>{escaped}</body></message>")
            await (ben if sender is ada else ada).message()
        ben.send(f"<message to='{cem_jid}' type='chat' id='late'><body>Read this later</body></message>")
        await ben.ping()


def plain(element: Element | None) -> str:
    """An element as text that is the same for the same content."""
    if element is None:
        return ""
    element.tail = None
    return canonicalize(tostring(element, encoding="unicode"), strip_text=True)


async def view(port: int, domain: str, user: str, waits: int = 0) -> dict[str, object]:
    """What a client of a person finds. ``waits``: how many messages have to wait for it."""
    found: dict[str, object] = {}
    async with session(port, domain, user, present=False) as client:
        roster = await client.result("get", f"<query xmlns='{_ROSTER}'/>")
        found["roster"] = {
            item.get("jid"): (
                item.get("name", ""),
                item.get("subscription"),
                item.get("ask", ""),
                sorted(group.text or "" for group in item),
            )
            for item in roster[0]
        }
        for node in (DEVICES, BUNDLE, BOOKMARKS, NOTES, "urn:xmpp:avatar:metadata"):
            answer = await client.iq(
                "get", f"<pubsub xmlns='{_PUBSUB}'><items node='{node}'/></pubsub>", client.bare
            )
            items = answer.findall(f".//{{{_PUBSUB}}}item")
            found[node] = {item.get("id"): plain(item[0]) for item in items}
        card = await client.result("get", "<vCard xmlns='vcard-temp'/>")
        for child in card[0]:
            child[:] = sorted(child, key=lambda element: element.tag)
        found["vCard"] = {child.tag: plain(child) for child in card[0]}
        private = await client.result(
            "get", "<query xmlns='jabber:iq:private'><exodus xmlns='exodus:prefs'/></query>"
        )
        found["private"] = plain(private[0][0])
        blocked = await client.result("get", "<blocklist xmlns='urn:xmpp:blocking'/>")
        found["blocked"] = sorted(item.get("jid", "") for item in blocked[0])
        client.inbox.clear()
        await client.available()
        found["offline"] = [(await client.message()).findtext(f"{CLIENT}body") for _ in range(waits)]
        await client.expect_nothing()
        found["requests"] = [
            e.get("from")
            for e in client.inbox
            if e.tag == CLIENT + "presence" and e.get("type") == "subscribe"
        ]
        client.inbox.clear()
        await client.result("set", "<query xmlns='urn:xmpp:mam:2' queryid='q'/>")
        found["archive"] = [
            (message.get("from", "").partition("/")[0], message.findtext(f"{CLIENT}body"))
            for element in client.inbox
            for message in element.findall(f".//{{urn:xmpp:forward:0}}forwarded/{CLIENT}message")
        ]
    return found
