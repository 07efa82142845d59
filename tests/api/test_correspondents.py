"""Who may write: an account that hears from its contacts alone hears nothing else, wherever it is."""

from __future__ import annotations

from pathlib import Path

from tests.api.person import Person
from tests.api.test_account import friends
from tests.api.test_privacy import three
from tests.conftest import RunningServer, running
from tests.federation.world import world
from tests.raw import CLIENT, RawClient, condition

CONTACTS, EVERYONE = {"messages": "contacts"}, {"messages": "everyone"}


async def refused(sender: RawClient, to: str, inside: str = "<body>psst</body>", type: str = "chat") -> str:
    """What a message is refused with; "" where it is not."""
    sender.send(f"<message to='{to}' type='{type}' id='m'>{inside}</message>")
    await sender.ping()
    errors = [e for e in sender.inbox if e.tag == CLIENT + "message" and e.get("type") == "error"]
    sender.inbox[:] = [e for e in sender.inbox if e not in errors]
    return condition(errors[0]) if errors else ""


async def archived(client: RawClient) -> set[str | None]:
    """Texts in the archive of the account."""
    await client.result("set", "<query xmlns='urn:xmpp:mam:2' queryid='q'/>")
    results = [e for e in client.inbox if e.find("{urn:xmpp:mam:2}result") is not None]
    client.inbox[:] = [e for e in client.inbox if e not in results]
    return {e.findtext(f".//{CLIENT}body") for e in results}


async def test_strangers_are_refused_as_the_blocked_are_and_contacts_are_not(server: RunningServer) -> None:
    person, phone, me, contact, stranger = await three(server)
    assert await refused(stranger, me.bare) == ""
    await me.message()
    answer = await person.ask("PATCH", "/api/privacy", CONTACTS, phone)
    assert answer.body["messages"] == "contacts"
    for type in ("chat", "normal"):
        assert await refused(stranger, me.bare, "<body>spam</body>", type) == "service-unavailable"
    assert await refused(stranger, me.bare, "<body>spam</body>", "headline") == ""  # they get no errors
    typing = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
    assert await refused(stranger, me.bare, typing) == "service-unavailable"
    assert await refused(stranger, me.jid) == "service-unavailable"
    assert await refused(contact, me.bare, "<body>dinner?</body>") == ""
    assert (await me.message()).findtext(CLIENT + "body") == "dinner?"
    assert await refused(me, me.bare, "<body>note</body>") == ""
    assert (await me.message()).findtext(CLIENT + "body") == "note"
    await me.expect_nothing()
    assert await archived(me) == {"psst", "dinner?", "note"}
    await person.done("PATCH", "/api/privacy", EVERYONE, phone)
    assert await refused(stranger, me.bare) == ""
    await me.message()
    for client in (me, contact, stranger):
        client.abort()


async def test_a_stranger_can_ask_to_become_a_contact(server: RunningServer) -> None:
    person, phone, me, contact, stranger = await three(server)
    await person.done("PATCH", "/api/privacy", CONTACTS, phone)
    stranger.send(f"<presence type='subscribe' to='{me.bare}'/>")
    await me.take(lambda e: e.get("type") == "subscribe")
    assert await refused(stranger, me.bare) == "service-unavailable"
    me.send(f"<presence type='subscribed' to='{stranger.bare}'/>")
    await me.ping()
    assert await refused(stranger, me.bare) == ""
    await me.message()
    await me.result(
        "set",
        f"<query xmlns='jabber:iq:roster'><item jid='{stranger.bare}' subscription='remove'/></query>",
    )
    assert await refused(stranger, me.bare) == "service-unavailable"
    for client in (me, contact, stranger):
        client.abort()


async def test_whoever_was_written_to_before_may_answer_but_a_receipt_is_no_writing(
    server: RunningServer,
) -> None:
    person, phone, me, contact, stranger = await three(server)
    spammer = await (await Person(server).register()).online(server.port)
    assert await refused(me, stranger.bare, "<body>is this still for sale?</body>") == ""
    for number in range(3):
        assert await refused(spammer, me.bare, f"<body>spam {number}</body>") == ""
        receipt = f"<received xmlns='urn:xmpp:receipts' id='{number}'/><store xmlns='urn:xmpp:hints'/>"
        assert await refused(me, spammer.bare, receipt) == ""
        await me.message()
    await person.done("PATCH", "/api/privacy", CONTACTS, phone)
    assert await refused(stranger, me.bare, "<body>yes</body>") == ""
    assert (await me.message()).findtext(CLIENT + "body") == "yes"
    assert await refused(spammer, me.bare) == "service-unavailable"
    assert await refused(me, spammer.bare, "<received xmlns='urn:xmpp:receipts' id='3'/>") == ""
    assert await refused(spammer, me.bare) == "service-unavailable"
    for client in (me, contact, stranger, spammer):
        client.abort()


async def test_a_room_is_heard_while_one_is_in_it(server: RunningServer) -> None:
    """It is what gets one's presence, whatever it is (XEP-0045 §7.2)."""
    person, phone, me, contact, room = await three(server)
    await person.done("PATCH", "/api/privacy", CONTACTS, phone)
    assert await refused(room, me.jid, "<body>hello all</body>", "groupchat") == ""  # rooms get no errors
    await me.expect_nothing()
    me.send(f"<presence to='{room.bare}/me'/>")
    await me.ping()
    assert await refused(room, me.jid, "<body>hello all</body>", "groupchat") == ""
    assert (await me.message()).findtext(CLIENT + "body") == "hello all"
    me.send(f"<presence to='{room.bare}/me' type='unavailable'/>")
    await me.ping()
    assert await refused(room, me.jid, "<body>hello all</body>", "groupchat") == ""  # rooms get no errors
    await me.expect_nothing()
    for client in (me, contact, room):
        client.abort()


async def test_it_holds_while_nobody_is_there_and_after_a_restart(tmp_path: Path) -> None:
    """Whoever was written to may answer, even then."""
    with running(tmp_path / "data") as server:
        people = [Person(server) for _ in range(4)]
        mine, contacts, strangers, asked = [await person.register() for person in people]
        await friends(server, mine, contacts)
        await people[0].done("PATCH", "/api/privacy", CONTACTS, mine)
        me = await mine.online(server.port)
        assert await refused(me, asked.login["address"], "<body>who are you?</body>") == ""
        me.abort()
    with running(tmp_path / "data") as server:
        contact, stranger, other = [await d.online(server.port) for d in (contacts, strangers, asked)]
        address = mine.login["address"]
        assert await refused(stranger, address) == "service-unavailable"
        assert await refused(contact, address, "<body>away?</body>") == ""
        assert await refused(other, address, "<body>me!</body>") == ""
        me = await mine.online(server.port)
        assert await archived(me) == {"who are you?", "away?", "me!"}
        assert await refused(stranger, address) == "service-unavailable"
        await me.expect_nothing()
        for client in (me, contact, stranger, other):
            client.abort()


async def test_it_holds_for_people_of_other_servers(tmp_path: Path) -> None:
    with world(tmp_path) as here, here.kith("a.example") as one, here.kith("b.example") as other:
        person = Person(one)
        phone = await person.register()
        await person.done("PATCH", "/api/privacy", CONTACTS, phone)
        me = await phone.online(one.port)
        async with RawClient(other.port, "b.example") as ben:
            await ben.login("ben")
            await ben.bind()
            await ben.available()
            ben.send(f"<message to='{me.bare}' type='chat'><body>psst</body></message>")
            error = await ben.take(lambda e: e.get("type") == "error", 30)
            assert condition(error) == "service-unavailable"
            me.send(f"<message to='{ben.bare}' type='chat'><body>well?</body></message>")
            await ben.take(lambda e: e.findtext(CLIENT + "body") == "well?", 30)
            ben.send(f"<message to='{me.bare}' type='chat'><body>here I am</body></message>")
            await me.take(lambda e: e.findtext(CLIENT + "body") == "here I am", 30)
        me.abort()
