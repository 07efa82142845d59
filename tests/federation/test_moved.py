"""XEP-0283 across servers: a contact elsewhere is told of the new address, and can check it."""

from __future__ import annotations

from pathlib import Path

from tests.api.person import Device, Person
from tests.federation.world import world
from tests.raw import CLIENT, RawClient

MOVED = "{urn:xmpp:moved:1}"


async def test_a_contact_on_another_server_learns_of_the_new_number(tmp_path: Path) -> None:
    with world(tmp_path) as here, here.kith("a.example") as one, here.kith("b.example") as other:
        person, new = Person(one), Person(one)
        phone = await person.register()
        mine = await phone.online(one.port)
        async with RawClient(other.port, "b.example") as ben:
            await ben.login("ben")
            await ben.bind()
            await ben.available()
            mine.send(f"<presence type='subscribe' to='{ben.bare}'/>")
            await ben.take(lambda e: e.get("type") == "subscribe", 30)
            ben.send(f"<presence type='subscribed' to='{mine.bare}'/>")
            await mine.take(lambda e: e.get("type") == "subscribed", 30)

            moved = {"number": new.number, "code": await new.send_code()}
            answer = await person.ask("POST", "/api/account/number", moved, phone)
            assert answer.status == 200
            told = await ben.take(lambda e: e.tag == CLIENT + "presence" and e.get("type") == "subscribe", 30)
            assert told.get("from") == f"{new.number}@a.example"
            assert told.findtext(f"{MOVED}moved/{MOVED}old-jid") == phone.login["address"]
            ask = (
                "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:moved:1'/></pubsub>"
            )
            statement = await ben.iq("get", ask, phone.login["address"])
            assert statement.findtext(f".//{MOVED}new-jid") == f"{new.number}@a.example"
            ben.send(f"<message to='{phone.login['address']}' type='chat'><body>?</body></message>")
            bounced = await ben.take(lambda e: e.tag == CLIENT + "message" and e.get("type") == "error", 30)
            gone = bounced.find(".//{urn:ietf:params:xml:ns:xmpp-stanzas}gone")
            assert gone is not None
            assert gone.text == f"xmpp:{new.number}@a.example"
            again = await Device({**phone.login, "address": answer.body["address"]}).online(one.port)
            ben.send(f"<presence type='subscribed' to='{again.bare}'/>")
            ben.send(f"<message to='{again.bare}' type='chat'><body>there you are</body></message>")
            message = await again.take(lambda e: e.findtext(f"{CLIENT}body") == "there you are", 30)
            assert message.get("from") == ben.jid
            again.abort()
