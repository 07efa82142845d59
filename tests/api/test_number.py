"""Another number: what moves with it, and who learns of it (XEP-0283)."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from xml.etree.ElementTree import Element

import msgspec

from kith.core.actors.roster import Item
from kith.records.moves import Move
from tests.api.person import Answer, Device, Person, until
from tests.api.test_account import friends
from tests.api.test_app_passwords import Scram, app_password
from tests.api.test_devices import forget_codes
from tests.conftest import RunningServer, running
from tests.raw import CLIENT, RawClient, body, condition

ROSTER = "<query xmlns='jabber:iq:roster'/>"
MOVED = "{urn:xmpp:moved:1}"


async def change(person: Person, phone: Device, new: Person, code: str = "") -> Answer:
    code = code or await new.send_code()
    return await person.ask("POST", "/api/account/number", {"number": new.number, "code": code}, phone)


def at(phone: Device, answer: Answer) -> Device:
    """The same device under the new address."""
    return Device({**phone.login, "address": answer.body["address"]})


async def contacts(client: RawClient) -> dict[str, str]:
    roster = await client.iq("get", ROSTER)
    return {item.get("jid") or "": item.get("subscription") or "" for item in roster[0]}


async def archived(client: RawClient) -> list[str]:
    answer = await client.iq("set", "<query xmlns='urn:xmpp:mam:2'/>")
    assert answer.get("type") == "result"
    found = [e for e in client.inbox if e.find("{urn:xmpp:mam:2}result") is not None]
    return [text.text or "" for message in found for text in message.iter(f"{CLIENT}body")]


async def test_everything_moves_and_contacts_have_the_new_address(server: RunningServer) -> None:
    person, new, friend = Person(server), Person(server), Person(server)
    phone, other = await person.register(), await friend.register()
    await friends(server, phone, other)
    app = await app_password(person, phone)
    watching = await other.online(server.port)
    await contacts(watching)
    client = await phone.online(server.port)
    client.send(f"<message to='{watching.bare}' type='chat'><body>before</body></message>")
    assert body(await watching.message()) == "before"
    answer = await change(person, phone, new)
    assert (answer.status, answer.body["address"]) == (200, f"{new.number}@localhost")
    error = await client.tag("error")
    assert new.number in "".join(error.itertext())
    await client.end()

    pushes: dict[str, Element] = {}
    while len(pushes) < 2:
        push = await watching.take(lambda e: e.tag == CLIENT + "iq" and e.get("type") == "set")
        pushes[push[0][0].get("jid") or ""] = push[0][0]
    assert pushes[phone.login["address"]].get("subscription") == "remove"
    assert pushes[answer.body["address"]].get("subscription") == "both"

    moved = at(phone, answer)
    client = await moved.online(server.port)
    assert client.bare == f"{new.number}@localhost"
    assert await watching.take(lambda e: e.get("from") == client.jid) is not None
    assert await contacts(client) == {watching.bare: "both"}
    assert "before" in await archived(client)
    client.send(f"<message to='{watching.bare}' type='chat'><body>after</body></message>")
    assert body(await watching.message()) == "after"
    assert await phone.refused(server.port)
    async with Scram(server.port) as raw:
        assert await raw.scram("SCRAM-SHA-256", new.number, app["password"]) == "not-authorized"
    client.abort()
    watching.abort()


async def test_the_older_address_says_where_the_account_is(server: RunningServer) -> None:
    person, new, stranger = Person(server), Person(server), Person(server)
    phone = await person.register()
    answer = await change(person, phone, new)
    client = await (await stranger.register()).online(server.port)
    old = phone.login["address"]
    client.send(f"<message to='{old}' type='chat'><body>hello?</body></message>")
    bounced = await client.take(lambda e: e.tag == CLIENT + "message")
    assert condition(bounced) == "gone"
    gone = bounced.find(f"{CLIENT}error/{{urn:ietf:params:xml:ns:xmpp-stanzas}}gone")
    assert gone is not None
    assert gone.text == f"xmpp:{answer.body['address']}"
    items = "<items node='urn:xmpp:moved:1'/>"
    statement = await client.iq(
        "get", f"<pubsub xmlns='http://jabber.org/protocol/pubsub'>{items}</pubsub>", old
    )
    assert [e.text for e in statement.iter(f"{MOVED}new-jid")] == [answer.body["address"]]
    # another device of the account learns of it by its token, which is good for both
    known = await person.ask("GET", "/api/account", device=phone)
    assert known.body["address"] == answer.body["address"]
    client.abort()


async def test_the_new_number_has_to_be_shown_and_free(server: RunningServer) -> None:
    person, new, taken = Person(server), Person(server), Person(server)
    phone = await person.register()
    await taken.register()
    forget_codes(server)
    code = await new.send_code()
    wrong = await change(person, phone, new, f"{(int(code) + 1) % 1_000_000:06}")
    assert (wrong.status, wrong.error) == (403, "wrong-code")
    used = await change(person, phone, taken)
    assert (used.status, used.error) == (409, "conflict")
    same = await change(person, phone, person)
    assert (same.status, same.error) == (409, "conflict")
    (await phone.online(server.port)).abort()


async def test_who_gets_the_older_number_gets_nothing_of_the_account(server: RunningServer) -> None:
    person, new, friend = Person(server), Person(server), Person(server)
    phone, other = await person.register(), await friend.register()
    await friends(server, phone, other)
    answer = await change(person, phone, new)
    forget_codes(server)
    heir = Person(server, person.number)
    theirs = await heir.register("heir")
    assert theirs.login["new"] is True
    client = await theirs.online(server.port)
    assert await contacts(client) == {}
    assert await archived(client) == []
    watching = await other.online(server.port)
    watching.send(f"<message to='{client.bare}' type='chat'><body>welcome</body></message>")
    assert body(await client.message()) == "welcome"
    mine = await at(phone, answer).online(server.port)
    assert await contacts(mine) == {watching.bare: "both"}
    assert (await person.ask("GET", "/api/account", device=phone)).status == 401
    for one in (client, watching, mine):
        one.abort()


async def test_one_can_move_on_and_back(server: RunningServer) -> None:
    person, new = Person(server), Person(server)
    phone = await person.register()
    there = at(phone, await change(person, phone, new))
    forget_codes(server)
    back = await change(new, there, person)
    assert (back.status, back.body["address"]) == (200, phone.login["address"])
    (await phone.online(server.port)).abort()


async def test_every_older_address_leads_to_the_newest(server: RunningServer) -> None:
    person, new, newest = Person(server), Person(server), Person(server)
    phone = await person.register()
    there = at(phone, await change(person, phone, new))
    answer = await change(new, there, newest)
    assert answer.status == 200
    for device in (phone, there, at(phone, answer)):
        known = await person.ask("GET", "/api/account", device=device)
        assert known.body["number"] == newest.number


async def test_moving_to_two_numbers_at_once_ends_at_one(server: RunningServer) -> None:
    person, one, other = Person(server), Person(server), Person(server)
    phone = await person.register()
    codes = [await new.send_code() for new in (one, other)]
    answers = await asyncio.gather(
        change(person, phone, one, codes[0]), change(person, phone, other, codes[1])
    )
    assert 200 in {answer.status for answer in answers} <= {200, 409}
    known = await person.ask("GET", "/api/account", device=phone)
    assert known.body["number"] in (one.number, other.number)
    (await at(phone, known).online(server.port)).abort()


async def test_a_move_that_was_interrupted_is_finished_at_the_next_start(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        person, new, friend = Person(server), Person(server), Person(server)
        phone, other = await person.register(), await friend.register()
        await friends(server, phone, other)
        server.stop()
        old, address = phone.login["address"], f"{new.number}@localhost"
        with contextlib.closing(sqlite3.connect(server.data_dir / "kith.sqlite")) as database, database:
            (id,) = database.execute("SELECT id FROM account WHERE jid = ?", (old,)).fetchone()
            database.execute("UPDATE account SET jid = ? WHERE id = ?", (address, id))
            keys = msgspec.msgpack.encode({})
            database.execute("INSERT INTO account (jid, keys, delivered) VALUES (?, ?, 0)", (old, keys))
            move = msgspec.msgpack.encode(Move(id, address, 2e9))
            database.execute("INSERT INTO document VALUES (0, 'moved', ?, ?, 1000)", (old, move))
            database.execute("UPDATE counter SET value = 2000 WHERE name = 'document'")
        server.start()
        client = await other.online(server.port)

        async def told() -> bool:
            return await contacts(client) == {address: "both"}

        await until(told)
        client.abort()
        assert server.stop() == 0


async def test_an_account_of_a_number_that_was_written_otherwise_moves_at_the_next_start(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "data") as server:
        person, friend = Person(server, "+5491123456789"), Person(server)
        phone, other = await person.register(), await friend.register()
        address, older = phone.login["address"], "+541123456789@localhost"
        assert address == "+5491123456789@localhost"
        server.stop()
        with contextlib.closing(sqlite3.connect(server.data_dir / "kith.sqlite")) as database, database:
            database.execute("UPDATE account SET jid = ? WHERE jid = ?", (older, address))
        server.start()

        async def moved() -> bool:
            return not await phone.refused(server.port)

        await until(moved)
        as_before = Device({**phone.login, "address": older})
        answer = await person.ask("GET", "/api/account", device=as_before)
        assert (answer.status, answer.body["address"]) == (200, address)
        client = await other.online(server.port)
        client.send(f"<message to='{older}' type='chat'><body>hello</body></message>")
        assert condition(await client.message()) == "gone"
        client.abort()
        assert server.stop() == 0


async def test_damaged_records_keep_nothing_from_the_others(tmp_path: Path) -> None:
    """A number with a newline got into rosters: after a restart, nobody's change of number was finished."""
    with running(tmp_path / "data") as server:
        person, new, friend = Person(server), Person(server), Person(server)
        phone, other = await person.register(), await friend.register()
        await friends(server, phone, other)
        server.stop()
        old, address = phone.login["address"], f"{new.number}@localhost"
        with contextlib.closing(sqlite3.connect(server.data_dir / "kith.sqlite")) as database, database:
            ids = dict(database.execute("SELECT jid, id FROM account").fetchall())
            id = ids[old]
            database.execute("UPDATE account SET jid = ? WHERE id = ?", (address, id))
            database.execute(
                "INSERT INTO account (jid, keys, delivered) VALUES (?, ?, 0)",
                (old, msgspec.msgpack.encode({})),
            )
            bad = Item("+4917012345\n@localhost", listed=True, to=True, from_=True)
            damaged = [
                (0, "moved", "+4915100000000@localhost", b"\x93"),
                (0, "moved", "+4915100000001@localhost\n", msgspec.msgpack.encode(Move(1, "x\n", 1.0))),
                (0, "codes", "damaged", b"\x93"),
                (0, "links", "damaged", b"\x93"),
                (0, "invites", "damaged", b"\x93"),
                (0, "reports", "damaged", b"\x93"),
                (0, "proofs", "damaged", b"\x93"),
                (0, "sms", "sent", b"\x93"),
                (0, "sessions", "damaged", b"{"),
                (0, "moved", old, msgspec.msgpack.encode(Move(id, address, 2e9))),
                (id, "devices", "0" * 16, b"\x93"),
                *((ids_of, "roster", bad.jid, msgspec.msgpack.encode(bad)) for ids_of in ids.values()),
            ]
            rows = [(*row, 1000 + count) for count, row in enumerate(damaged)]
            database.executemany("INSERT OR REPLACE INTO document VALUES (?, ?, ?, ?, ?)", rows)
            database.execute("UPDATE counter SET value = 2000 WHERE name = 'document'")
        server.start()
        client = await other.online(server.port)

        async def told() -> bool:
            return await contacts(client) == {address: "both"}

        await until(told)
        moved = Device({**phone.login, "address": address})
        mine = await moved.online(server.port)
        assert await contacts(mine) == {other.login["address"]: "both"}
        assert (await person.ask("GET", "/api/devices", device=moved)).status == 200
        assert (await person.ask("POST", "/api/links", {})).status == 201
        assert (await Person(server).register()).login["new"]
        mine.abort()
        client.abort()
        assert "damaged" in server.log.read_text()
        assert server.stop() == 0


async def blocks(client: RawClient, jid: str) -> None:
    answer = await client.iq("set", f"<block xmlns='urn:xmpp:blocking'><item jid='{jid}'/></block>")
    assert answer.get("type") == "result"


async def expect_learns_nothing(client: RawClient, old: str, number: str) -> None:
    """Whoever asks at the older address, in any way."""
    client.inbox.clear()
    client.send(f"<message to='{old}' type='chat'><body>where are you?</body></message>")
    bounced = await client.take(lambda e: e.tag == CLIENT + "message")
    assert condition(bounced) == "service-unavailable"
    items = "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:moved:1'/></pubsub>"
    assert (await client.iq("get", items, old)).get("type") == "error"
    client.send(f"<presence to='{old}' type='probe'/><presence to='{old}' type='subscribe'/>")
    await client.ping()
    assert not [e for e in client.inbox if number in "".join(e.itertext())]


async def test_who_is_blocked_is_not_told_the_new_number(server: RunningServer) -> None:
    person, new = Person(server), Person(server)
    blocked, blocking, later, friend = (Person(server) for _ in range(4))
    phone = await person.register()
    devices = [await one.register() for one in (blocked, blocking, later, friend)]
    for device in devices:
        await friends(server, phone, device)
    old = phone.login["address"]
    mine = await phone.online(server.port)
    await blocks(mine, f"{blocked.number}@localhost")
    watching = [await device.online(server.port) for device in devices]
    await blocks(watching[1], old)
    answer = await change(person, phone, new)
    assert answer.status == 200
    address = answer.body["address"]
    assert await contacts(watching[3]) == {address: "both"}
    for client in watching[:2]:  # whichever of the two has blocked the other
        assert await contacts(client) == {old: "both"}
    await expect_learns_nothing(watching[0], old, new.number)
    # somebody who is blocked after the move does not learn of a further one, nor at the first address
    mine = await at(phone, answer).online(server.port)
    await blocks(mine, f"{later.number}@localhost")
    await expect_learns_nothing(watching[2], old, new.number)
    for client in watching:
        client.abort()
    server.stop()
    server.start()
    client = await devices[2].online(server.port)
    await expect_learns_nothing(client, old, new.number)
    client.abort()
