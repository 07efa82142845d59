"""Standard clients: a password for each, several at once, none of them good after it is revoked."""

from __future__ import annotations

import asyncio
import base64
import uuid
from typing import Any
from xml.etree import ElementTree

import pytest
from scramp import ScramClient

from kith.records.devices import MAX_APP_DEVICES
from tests.api.person import Device, Person, until
from tests.api.test_devices import bundle, device_list, listed
from tests.conftest import RunningServer
from tests.features.slix import Client
from tests.raw import PATIENCE, RawClient, authenticate, condition

BIND = "<bind xmlns='urn:xmpp:bind:0'/>"


async def app_password(person: Person, phone: Device, name: str = "App") -> dict[str, Any]:
    answer = await person.ask("POST", "/api/app-passwords", {"name": name}, phone)
    assert answer.status == 201, answer
    return dict(answer.body)


class Scram(RawClient):
    """Logs in by SCRAM (RFC 5802)."""

    async def scram(self, mechanism: str, user: str, password: str) -> str:
        """``success``, or the condition of the failure."""
        self.open(sender=user if "@" in user else f"{user}@localhost")  # SHA-512 is for the account named
        await self.tag("features")
        client = ScramClient([mechanism], user, password)
        first = base64.b64encode(client.get_client_first().encode()).decode()
        self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{first}</auth>")
        self.challenge = base64.b64decode((await self.tag("challenge")).text or "").decode()
        client.set_server_first(self.challenge)
        final = base64.b64encode(client.get_client_final().encode()).decode()
        self.send(f"<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{final}</response>")
        answer = await self.take(lambda e: e.tag.endswith(("}success", "}failure")))
        if answer.tag.endswith("}failure"):
            return answer[0].tag.partition("}")[2]
        client.set_server_final(base64.b64decode(answer.text or "").decode())
        return "success"

    @property
    def salt(self) -> str:
        return self.challenge.partition("s=")[2]


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_scram_takes_each_of_several_passwords(server: RunningServer, mechanism: str) -> None:
    person = Person(server)
    phone = await person.register()
    made = [await app_password(person, phone, f"App {count}") for count in range(3)]
    assert len({one["password"] for one in made}) == 3
    for one in made:
        async with Scram(server.port) as client:
            assert await client.scram(mechanism, phone.local, one["password"]) == "success"
    async with Scram(server.port) as client:
        assert await client.scram(mechanism, phone.local, made[0]["password"] + "x") == "not-authorized"
    for one in made:
        async with RawClient(server.port) as client:
            await client.login(phone.local, one["password"])


async def test_scram_does_not_tell_who_has_app_passwords_or_an_account(server: RunningServer) -> None:
    person, plain, nobody = Person(server), Person(server), Person(server)
    phone = await person.register()
    await plain.register()

    async def salt(user: str) -> str:
        async with Scram(server.port) as client:
            assert await client.scram("SCRAM-SHA-256", user, "wrong") == "not-authorized"
            return client.salt

    before = await salt(phone.local)
    one = await app_password(person, phone)
    assert await salt(phone.local) == before
    await person.done("DELETE", f"/api/app-passwords/{one['id']}", device=phone)
    assert await salt(phone.local) == before
    for other in (plain, nobody):
        assert await salt(other.number) == await salt(f"{other.number}@localhost")
        assert len(await salt(other.number)) == len(before)
    assert len({before, await salt(plain.number), await salt(nobody.number)}) == 3


async def test_an_app_password_is_shown_once_with_address_and_code(server: RunningServer) -> None:
    person = Person(server)
    phone = await person.register()
    made = await app_password(person, phone, "Gajim on the desk")
    assert made["address"] == phone.login["address"]
    assert made["uri"] == f"xmpp:{made['address']}?login;password={made['password']}"
    assert made["qr"].startswith("<svg")
    listed = (await person.ask("GET", "/api/app-passwords", device=phone)).body["app_passwords"]
    assert [one["name"] for one in listed] == ["Gajim on the desk"]
    assert made["password"] not in str(listed)
    renamed = await person.ask("PATCH", f"/api/app-passwords/{made['id']}", {"name": "Dino"}, phone)
    assert renamed.body["name"] == "Dino"
    assert b"Dino" in (kept := server.on_disk())
    assert made["password"].encode() not in kept


async def test_slixmpp_logs_in_and_is_out_when_its_password_is_revoked(server: RunningServer) -> None:
    person = Person(server)
    phone = await person.register()
    made, other = await app_password(person, phone), await app_password(person, phone)
    client = Client(made["address"])
    client.password = made["password"]
    client.enable_direct_tls = False
    client.connect("127.0.0.1", server.port)
    await asyncio.wait_for(client.started.wait(), PATIENCE)
    await client.go_online()
    left = asyncio.Event()
    client.add_event_handler("disconnected", lambda _: left.set())

    async def online() -> Any:
        answer = await person.ask("GET", "/api/app-passwords", device=phone)
        return [one["online"] for one in answer.body["app_passwords"]]

    assert await online() == [True, False]
    assert (await person.ask("DELETE", f"/api/app-passwords/{made['id']}", device=phone)).status == 204
    await asyncio.wait_for(left.wait(), PATIENCE)
    client.abort()
    async with Scram(server.port) as raw:
        assert await raw.scram("SCRAM-SHA-256", phone.local, made["password"]) == "not-authorized"
    async with Scram(server.port) as raw:
        assert await raw.scram("SCRAM-SHA-256", phone.local, other["password"]) == "success"
    again = await person.ask("DELETE", f"/api/app-passwords/{made['id']}", device=phone)
    assert (again.status, again.error) == (404, "not-found")


async def test_what_a_client_got_with_its_password_ends_with_it(server: RunningServer) -> None:
    person = Person(server)
    phone = await person.register()
    stays = await phone.online(server.port)
    made = await app_password(person, phone)
    agent = str(uuid.uuid4())
    ask = (
        "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/><bind xmlns='urn:xmpp:bind:0'/>"
    )
    client = RawClient(server.port)
    await client.connect()
    success = await client.login2(phone.local, ask, password=made["password"], agent=agent)
    token = success.find("{urn:xmpp:fast:0}token")
    assert token is not None
    await client.result("set", device_list(1, 2))
    await client.result("set", bundle(2))
    app = Device({"address": phone.login["address"], "agent": agent, "token": token.get("token")})
    with_token = await app.online(server.port)  # a client that comes back
    await client.end()
    refused = await person.ask("GET", "/api/devices", device=app)
    assert (refused.status, refused.error) == (403, "forbidden")

    async def noted() -> Any:
        answer = await person.ask("GET", "/api/app-passwords", device=phone)
        return answer.body["app_passwords"][0]["omemo"] == [2]

    await until(noted)
    await person.done("DELETE", f"/api/app-passwords/{made['id']}", device=phone)
    await with_token.end()
    assert await app.refused(server.port)
    assert await listed(stays) == ["1"]
    stays.abort()


async def test_a_client_with_an_app_password_is_for_chatting_only(server: RunningServer) -> None:
    person = Person(server)
    phone = await person.register()
    made = await app_password(person, phone)
    async with RawClient(server.port) as client:
        await client.login(phone.local, made["password"])
        await client.bind()
        query = "<query xmlns='jabber:iq:register'>{}</query>"
        for inside in ("<remove/>", f"<username>{phone.local}</username><password>mine</password>"):
            answer = await client.iq("set", query.format(inside), "localhost")
            assert condition(answer) == "not-allowed", ElementTree.tostring(answer)
        assert (await person.ask("GET", "/api/devices", device=phone)).status == 200


async def test_an_upgrade_makes_no_password_of_an_app_password(server: RunningServer) -> None:
    person = Person(server)
    phone = await person.register()
    made = await app_password(person, phone)
    async with RawClient(server.port) as client:
        upgrade = "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-512</upgrade>"
        request = authenticate(phone.local, made["password"], upgrade)
        client.open(sender=phone.login["address"], then=request)
        await client.succeeded()


async def test_an_account_with_a_password_has_no_app_passwords(server: RunningServer) -> None:
    jid = server.add_user("old-style")
    agent = str(uuid.uuid4())
    async with RawClient(server.port) as client:
        ask = "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"
        success = await client.login2("old-style", ask, agent=agent)
        token = success.find("{urn:xmpp:fast:0}token")
        assert token is not None
    device = Device({"address": jid, "agent": agent, "token": token.get("token")})
    answer = await Person(server).ask("POST", "/api/app-passwords", {}, device)
    assert (answer.status, answer.error) == (409, "conflict")


async def devices(person: Person, phone: Device) -> list[dict[str, Any]]:
    """As the owner sees them."""
    return list((await person.ask("GET", "/api/devices", device=phone)).body["devices"])


TOKEN = "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"


async def by_app(
    server: RunningServer, phone: Device, password: str, agent: str = "", inline: str = BIND
) -> RawClient:
    """A client with an app password that calls itself by an id."""
    client = RawClient(server.port)
    await client.connect()
    await client.login2(phone.local, inline, password=password, agent=agent or str(uuid.uuid4()))
    return client


async def test_an_app_password_pushes_out_no_device_of_others(server: RunningServer) -> None:
    person = Person(server)
    phone = await person.register()
    one, other = await app_password(person, phone, "One"), await app_password(person, phone, "Other")
    friend = await by_app(server, phone, other["password"])
    online = await phone.online(server.port)
    for _ in range(60):
        client = await by_app(server, phone, one["password"], inline="")
        client.abort()
    await online.ping()
    await friend.ping()
    assert not await phone.refused(server.port)
    shown = await devices(person, phone)
    assert [device["app_password"] for device in shown].count("") == 1
    assert [device["app_password"] for device in shown].count(other["id"]) == 1
    assert [device["app_password"] for device in shown].count(one["id"]) == MAX_APP_DEVICES
    online.abort()
    friend.abort()


async def test_who_knows_a_devices_id_does_not_get_its_place_by_an_app_password(
    server: RunningServer,
) -> None:
    person = Person(server)
    phone = await person.register()
    app = await app_password(person, phone)
    online = await phone.online(server.port)
    agent = phone.login["agent"]
    thief = await by_app(server, phone, app["password"], agent, BIND + TOKEN)
    await online.ping()
    shown = {device["app_password"]: device for device in await devices(person, phone)}
    assert shown[""]["current"]
    assert shown[app["id"]]["id"] != shown[""]["id"]
    # each has its own token, under the same id
    token = thief.success.find("{urn:xmpp:fast:0}token")
    assert token is not None
    stolen = Device(phone.login | {"token": token.get("token")})
    assert not await stolen.refused(server.port)
    assert (await person.ask("GET", "/api/account", device=stolen)).error == "forbidden"
    assert not await phone.refused(server.port)
    assert (await person.ask("DELETE", f"/api/app-passwords/{app['id']}", device=phone)).status == 204
    assert await stolen.refused(server.port)
    assert not await phone.refused(server.port)
    online.abort()
    thief.abort()


async def test_an_app_password_takes_no_resource_and_no_room_from_other_sessions(
    server: RunningServer,
) -> None:
    person = Person(server)
    phone = await person.register()
    app = await app_password(person, phone)
    online = await phone.online(server.port)
    resource = online.jid.partition("/")[2]
    greedy = []
    for _ in range(12):
        client = RawClient(server.port)
        await client.connect()
        await client.login(phone.local, app["password"])
        await client.bind(resource)
        greedy.append(client)
    bound = [client.jid for client in greedy if client.jid]
    assert len(bound) == 8
    assert online.jid not in bound
    await online.ping()
    again = await phone.online(server.port)
    await again.ping()
    for client in (*greedy, online, again):
        client.abort()


async def test_there_are_at_most_twenty(server: RunningServer) -> None:
    person = Person(server)
    phone = await person.register()
    asked = [person.ask("POST", "/api/app-passwords", {}, phone) for _ in range(22)]
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status for answer in answers) == [201] * 20 + [409] * 2
