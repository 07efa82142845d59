"""Contacts: found without showing the address book, and seen by each other where both have each other."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator

import pytest
from voprf.ristretto import Evaluator

from kith.accounts.discovery import BUDGET
from kith.client.api import ServerAPI
from kith.client.discovery import discover, evaluate
from kith.client.errors import Refused, ServerLacks
from kith.client.linking import decoded
from tests.api.person import Device, Person, new_number, until
from tests.conftest import RunningServer
from tests.raw import CLIENT

ROSTER = "<query xmlns='jabber:iq:roster'/>"


@contextlib.asynccontextmanager
async def api(server: RunningServer, device: Device) -> AsyncIterator[ServerAPI]:
    async with ServerAPI(f"http://127.0.0.1:{server.http_port}", device.credential) as it:
        yield it


async def test_those_who_are_here_are_found_and_no_others(server: RunningServer) -> None:
    me, friends = Person(server), [Person(server) for _ in range(3)]
    phone = await me.register()
    for friend in friends:
        await friend.register()
    here = [friend.number for friend in friends]
    nowhere = [new_number() for _ in range(700)]
    async with api(server, phone) as http:
        known: dict[str, bytes] = {}
        found = await discover(http, [*nowhere[:350], *here, *nowhere[350:]], known)
        assert found == here
        assert len(known) == 703
        newcomer = Person(server)
        assert await discover(http, [newcomer.number], known) == []
        await newcomer.register()

        async def there() -> bool:
            return await discover(http, [newcomer.number], known) == [newcomer.number]

        await until(there)


async def test_a_number_that_an_account_has_left_is_not_here(server: RunningServer) -> None:
    me, mover, new = Person(server), Person(server), Person(server)
    phone, theirs = await me.register(), await mover.register()
    moved = {"number": new.number, "code": await new.send_code()}
    assert (await mover.ask("POST", "/api/account/number", moved, theirs)).status == 200
    assert mover.number not in server.kith("user", "list").stdout
    assert new.number in server.kith("user", "list").stdout
    async with api(server, phone) as http:

        async def followed() -> bool:
            return await discover(http, [mover.number, new.number]) == [new.number]

        await until(followed)


async def test_the_server_keeps_nothing_of_the_address_book(server: RunningServer) -> None:
    me = Person(server)
    phone = await me.register()
    numbers = [new_number() for _ in range(5)]
    async with api(server, phone) as http:
        values: dict[str, bytes] = {}
        await discover(http, numbers, values)
    kept = server.on_disk()
    assert me.number.encode() in kept
    for number in numbers:
        assert number[1:].encode() not in kept
        assert values[number][:10] not in kept
    assert numbers[0] not in server.log.read_text()


async def test_an_account_can_not_enumerate_the_network(server: RunningServer) -> None:
    me = Person(server)
    phone = await me.register()
    async with api(server, phone) as http:
        key = decoded((await http.ask("GET", "/api/contacts/members"))["public_key"])
        await evaluate(http, [f"+4915120{n:06}" for n in range(BUDGET)], key)
        with pytest.raises(Refused) as error:
            await evaluate(http, [f"+4915121{n:06}" for n in range(100)], key)
        assert error.value.reason == "too-many"
        assert 40_000 < error.value.answer["retry_after"] <= 86400 / 2


async def test_a_server_with_a_key_for_each_person_is_found_out(server: RunningServer) -> None:
    phone = await Person(server).register()
    async with api(server, phone) as http:
        other = Evaluator.from_seed(b"x" * 32, b"other").public_key.serialize()
        with pytest.raises(ServerLacks, match="prove"):
            await evaluate(http, ["+491701234567"], other)
        with pytest.raises(ServerLacks, match="another key"):
            await discover(http, ["+491701234567"], key=other)


async def test_who_is_here_is_for_devices_only(server: RunningServer) -> None:
    assert (await Person(server).ask("GET", "/api/contacts/members")).status == 401


async def add(person: Person, phone: Device, *others: Person) -> int:
    people = [{"number": other.number, "name": f"Friend {n}"} for n, other in enumerate(others)]
    answer = await person.ask("POST", "/api/contacts", {"contacts": people}, phone)
    assert answer.status == 200, answer
    return int(answer.body["added"])


async def test_presence_flows_when_both_have_each_other(server: RunningServer) -> None:
    ada, ben = Person(server), Person(server)
    one, two = await ada.register(), await ben.register()
    mine, theirs = await one.online(server.port), await two.online(server.port)
    for client in (mine, theirs):
        await client.result("get", ROSTER)
    assert await add(ada, one, ben) == 1
    push = await mine.take(lambda e: e.tag == CLIENT + "iq" and e.get("type") == "set")
    assert (push[0][0].get("subscription"), push[0][0].get("name")) == ("none", "Friend 0")
    await theirs.expect_nothing("presence")
    await theirs.expect_nothing("iq")
    assert await add(ben, two, ada) == 1
    for client, other in ((mine, theirs), (theirs, mine)):
        seen = await client.take(lambda e, other=other: e.get("from") == other.jid)
        assert seen.tag == CLIENT + "presence"
        roster = await client.iq("get", ROSTER)
        assert [(i.get("jid"), i.get("subscription")) for i in roster[0]] == [(other.bare, "both")]
    assert await add(ada, one, ben) == 0
    mine.abort()
    theirs.abort()


async def test_the_answer_does_not_tell_who_has_an_account(server: RunningServer) -> None:
    ada, ben, nobody = Person(server), Person(server), Person(server)
    one = await ada.register()
    await ben.register()
    assert await add(ada, one, ben) == await add(ada, one, nobody) == 1
    client = await one.online(server.port)
    roster = await client.iq("get", ROSTER)
    items = {i.get("jid"): (i.get("subscription"), i.get("ask"), i.get("approved")) for i in roster[0]}
    assert items[f"{ben.number}@localhost"] == items[f"{nobody.number}@localhost"]
    client.abort()


async def test_who_comes_later_is_seen_by_those_who_had_the_number(server: RunningServer) -> None:
    ada, later = Person(server), Person(server)
    one = await ada.register()
    assert await add(ada, one, later) == 1
    two = await later.register()
    watching = await one.online(server.port)
    await add(later, two, ada)
    theirs = await two.online(server.port)
    await watching.take(lambda e: e.get("from") == theirs.jid)
    watching.abort()
    theirs.abort()


async def test_the_budget_is_the_same_after_a_restart(server: RunningServer) -> None:
    me = Person(server)
    phone = await me.register()
    async with api(server, phone) as http:
        await discover(http, [new_number() for _ in range(10)])
    with contextlib.closing(sqlite3.connect(server.data_dir / "kith.sqlite", timeout=10)) as database:
        query = (
            "SELECT count(*) FROM document WHERE space = 'discovery' AND account = "
            "(SELECT id FROM account WHERE jid = ?)"
        )
        assert database.execute(query, (phone.login["address"],)).fetchone()[0] == 1
