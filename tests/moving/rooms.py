"""Rooms that people of another server have: members, a subject, a description, a password, and an archive."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from tests.moving.life import session
from tests.raw import CLIENT, RawClient

_MUC = "http://jabber.org/protocol/muc"


def room_of(domain: str, service: str = "rooms", name: str = "tea") -> str:
    return f"{name}@{service}.{domain}"


async def enter(client: RawClient, room: str, password: str = "") -> None:
    """Enters a room, and waits until all of it has come."""
    nick = client.bare.partition("@")[0].title()
    inner = f"<password>{password}</password>" if password else ""
    client.send(f"<presence to='{room}/{nick}'><x xmlns='{_MUC}'>{inner}</x></presence>")
    await client.take(lambda e: e.tag == CLIENT + "message" and e.find(CLIENT + "subject") is not None)


async def say(client: RawClient, room: str, text: str) -> None:
    client.send(f"<message to='{room}' type='groupchat' id='{text}'><body>{text}</body></message>")
    await client.take(lambda e: e.findtext(CLIENT + "body") == text)


async def affiliate(client: RawClient, room: str, jid: str, affiliation: str) -> None:
    item = f"<item jid='{jid}' affiliation='{affiliation}'/>"
    await client.result("set", f"<query xmlns='{_MUC}#admin'>{item}</query>", room)


async def meet(port: int, domain: str, service: str = "rooms") -> None:
    """Ada makes a room, of which Ben is an admin, Cem a member, and somebody is banned; they write there."""
    room = room_of(domain, service)
    async with session(port, domain, "ada") as ada, session(port, domain, "ben") as ben:
        await enter(ada, room)
        values = {
            "roomname": "Tea &amp; more",
            "roomdesc": "At five",
            "persistentroom": "1",
            "membersonly": "1",
            "publicroom": "0",
            "whois": "anyone",
            "roomsecret": "milk",
        }
        fields = "".join(
            f"<field var='muc#roomconfig_{name}'><value>{value}</value></field>"
            for name, value in values.items()
        )
        kind = f"<field var='FORM_TYPE' type='hidden'><value>{_MUC}#roomconfig</value></field>"
        form = f"<x xmlns='jabber:x:data' type='submit'>{kind}{fields}</x>"
        await ada.result("set", f"<query xmlns='{_MUC}#owner'>{form}</query>", room)
        await affiliate(ada, room, ben.bare, "admin")
        await affiliate(ada, room, f"cem@{domain}", "member")
        await affiliate(ada, room, "bad@elsewhere.example", "outcast")
        await enter(ben, room, "milk")
        ada.send(f"<message to='{room}' type='groupchat'><subject>Which cake?</subject></message>")
        await ben.take(lambda e: e.findtext(CLIENT + "subject") == "Which cake?")
        for client, text in ((ada, "Apple"), (ben, "Cheese"), (ada, "Both")):
            await say(client, room, text)


async def see(port: int, domain: str, user: str, room: str) -> dict[str, object]:
    """What somebody finds in a room: its information, its lists, its subject, and its archive."""
    found: dict[str, object] = {}
    async with session(port, domain, user) as client:
        await client.ping()
        nick = user.title()
        client.send(
            f"<presence to='{room}/{nick}'><x xmlns='{_MUC}'><password>milk</password></x></presence>"
        )
        subject = await client.take(lambda e: e.find(CLIENT + "subject") is not None)
        found["subject"] = subject.findtext(CLIENT + "subject")
        info = await client.result("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", room)
        found["info"] = sorted(one.get("var", "") for one in info[0] if one.get("var", "").startswith("muc_"))
        found["name"] = next(one.get("name") for one in info[0] if one.tag.endswith("identity"))
        found["description"] = _value(info, "muc#roominfo_description")
        for word in ("owner", "admin", "member", "outcast"):
            asked = f"<query xmlns='{_MUC}#admin'><item affiliation='{word}'/></query>"
            answer = await client.iq("get", asked, room)
            found[word] = sorted(item.get("jid", "") for item in answer.iter(f"{{{_MUC}#admin}}item"))
        client.inbox.clear()
        await client.result("set", "<query xmlns='urn:xmpp:mam:2'/>", room)
        found["archive"] = [
            (message.get("from"), text)
            for result in client.inbox
            for message in result.iter(CLIENT + "message")
            if (text := message.findtext(CLIENT + "body"))
        ]
    return found


def _value(info: Element, var: str) -> str:
    field = next(one for one in info.iter("{jabber:x:data}field") if one.get("var") == var)
    return field.findtext("{jabber:x:data}value") or ""
