"""The end of an account, and what a person is given of what the server has."""

from __future__ import annotations

import asyncio
import json
import zipfile
from pathlib import Path

from tests.api.person import Device, Person, until
from tests.api.test_app_passwords import Scram, app_password
from tests.api.test_devices import bundle, device_list, forget_codes
from tests.conftest import RunningServer, running
from tests.raw import condition


async def friends(server: RunningServer, one: Device, other: Device) -> None:
    mine, theirs = await one.online(server.port), await other.online(server.port)
    for asks, asked in ((mine, theirs), (theirs, mine)):
        asks.send(f"<presence type='subscribe' to='{asked.bare}'/>")
        await asks.ping()
        asked.send(f"<presence type='subscribed' to='{asks.bare}'/>")
        await asked.ping()
    mine.abort()
    theirs.abort()


async def test_an_account_says_who_it_is(server: RunningServer) -> None:
    person = Person(server)
    phone = await person.register()
    answer = await person.ask("GET", "/api/account", device=phone)
    assert answer.body == {
        "address": phone.login["address"],
        "number": person.number,
        "device": phone.login["device"],
        "pin": False,
    }


async def test_deleting_needs_the_address_and_the_pin(server: RunningServer) -> None:
    person = Person(server)
    phone = await person.register()
    await person.done("PUT", "/api/pin", {"pin": "112233"}, phone)
    address = phone.login["address"]
    for request, error in (
        ({"address": "other@localhost", "pin": "112233"}, "forbidden"),
        ({"address": address}, "pin-required"),
        ({"address": address, "pin": "000000"}, "wrong-pin"),
    ):
        answer = await person.ask("POST", "/api/account/delete", request, phone)
        assert (answer.status, answer.error) == (403, error)
    answer = await person.ask("POST", "/api/account/delete", {"address": address, "pin": "112233"}, phone)
    assert answer.status == 204


async def test_the_own_address_confirms_a_deletion_however_it_is_written(server: RunningServer) -> None:
    """Addresses are compared as RFC 7622 prepares them; that it is the own one, the next refusal shows."""
    person = Person(server)
    phone = await person.register()
    await person.done("PUT", "/api/pin", {"pin": "112233"}, phone)
    wide = "".join(chr(ord(character) + 0xFEE0) for character in phone.local)
    for local in (phone.local, wide):
        for domain in ("localhost", "LOCALHOST", "localhost.", "\uff4cocalhost"):
            request = {"address": f"{local}@{domain}"}
            answer = await person.ask("POST", "/api/account/delete", request, phone)
            assert answer.error == "pin-required", request
    for address in (phone.local, f"{phone.local}@", f"{phone.local}@localhost/x", "localhost", "", "\n"):
        answer = await person.ask("POST", "/api/account/delete", {"address": address}, phone)
        assert answer.error == "forbidden", address


async def test_all_that_is_the_accounts_own_is_gone_even_from_the_files(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        person, friend = Person(server), Person(server)
        phone, other = await person.register(), await friend.register()
        await friends(server, phone, other)
        made = await app_password(person, phone)
        client, watching = await phone.online(server.port), await other.online(server.port)
        await client.result("set", device_list(7))
        await client.result("set", bundle(7))
        nick = "<nick xmlns='http://jabber.org/protocol/nick'>Very Special Name</nick>"
        node = "<publish node='http://jabber.org/protocol/nick'><item id='current'>{}</item></publish>"
        pubsub = f"<pubsub xmlns='http://jabber.org/protocol/pubsub'>{node.format(nick)}</pubsub>"
        assert (await client.iq("set", pubsub)).get("type") == "result"
        client.send(f"<message to='{client.bare}' type='chat'><body>a note to self</body></message>")
        await client.ping()
        request = {"address": phone.login["address"]}
        assert (await person.ask("POST", "/api/account/delete", request, phone)).status == 204
        await client.end()
        await watching.take(lambda e: e.get("type") == "unsubscribed")
        watching.send(f"<message to='{phone.login['address']}' type='chat'><body>?</body></message>")
        bounced = await watching.take(lambda e: e.get("type") == "error")
        assert condition(bounced) == "service-unavailable"
        assert await phone.refused(server.port)
        async with Scram(server.port) as raw:
            assert await raw.scram("SCRAM-SHA-256", phone.local, made["password"]) == "not-authorized"
        assert (await person.ask("GET", "/api/account", device=phone)).status == 401
        watching.abort()
        server.stop()
        kept = server.on_disk()
        assert b"Very Special Name" not in kept
        assert b"a note to self" not in kept
        server.start()
        forget_codes(server)
        anew = await person.register()
        assert anew.login["new"] is True
        fresh = await anew.online(server.port)
        assert len((await fresh.iq("get", "<query xmlns='jabber:iq:roster'/>"))[0]) == 0
        fresh.abort()


async def test_a_person_gets_all_that_the_server_has_of_them(server: RunningServer, tmp_path: Path) -> None:
    person, friend = Person(server), Person(server)
    phone, other = await person.register("my phone"), await friend.register()
    await friends(server, phone, other)
    made = await app_password(person, phone, "Gajim")
    await person.done("PUT", "/api/pin", {"pin": "112233"}, phone)
    client = await phone.online(server.port)
    for count in range(3):
        client.send(f"<message to='{other.login['address']}' type='chat'><body>hi {count}</body></message>")
    await client.ping()
    client.abort()
    file = tmp_path / "mine.zip"
    printed = server.kith("user", "export", phone.login["address"], "--output", str(file)).stdout
    assert "3 messages" in printed
    assert file.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(file) as archive:
        documents = json.loads(archive.read("documents.json"))
        messages = [json.loads(line) for line in archive.read("messages.jsonl").splitlines()]
        everything = b"".join(archive.read(name) for name in archive.namelist())
        assert json.loads(archive.read("account.json"))["address"] == phone.login["address"]
    assert [f"<body>hi {count}</body>" in message["stanza"] for count, message in enumerate(messages)] == [
        True
    ] * 3
    assert other.login["address"] in documents["roster"]
    assert documents["devices"][phone.login["device"]]["name"] in ("my phone", "Test")
    assert documents["app-passwords"][made["id"]]["name"] == "Gajim"
    assert "pin" in documents
    for secret in (phone.login["token"], made["password"], "argon2"):
        assert secret.encode() not in everything
    again = server.kith("user", "export", phone.login["address"], "--output", str(file), check=False)
    assert again.returncode == 2
    assert "exists" in again.stderr
    nobody = server.kith("user", "export", "nobody", "--output", str(tmp_path / "no.zip"), check=False)
    assert nobody.returncode == 2


async def test_deleting_twice_at_once_is_no_error(server: RunningServer) -> None:
    person = Person(server)
    phone = await person.register()
    request = {"address": phone.login["address"]}
    asked = [person.ask("POST", "/api/account/delete", request, phone) for _ in range(2)]
    answers = sorted(answer.status for answer in await asyncio.gather(*asked))
    assert answers in ([204, 204], [204, 401])

    async def gone() -> bool:
        return (await person.ask("GET", "/api/account", device=phone)).status == 401

    await until(gone)
