"""Where one is logged in: listed, renamed, and out at once when revoked."""

from __future__ import annotations

import sqlite3
from xml.etree.ElementTree import Element

from tests.api.person import Device, Person, until
from tests.conftest import RunningServer
from tests.raw import RawClient, condition

AXOLOTL = "eu.siacs.conversations.axolotl"
LIST = f"{AXOLOTL}.devicelist"


def forget_codes(server: RunningServer) -> None:
    """As if a day had passed for all numbers."""
    database = sqlite3.connect(server.data_dir / "kith.sqlite", timeout=10)
    with database:
        database.execute("DELETE FROM document WHERE space = 'codes'")
    database.close()


async def two_devices(server: RunningServer) -> tuple[Person, Device, Device]:
    person = Person(server)
    phone = await person.register("phone")
    forget_codes(server)
    return person, phone, await person.register("laptop")


def publish(node: str, item: str, payload: str) -> str:
    return (
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
        f"<publish node='{node}'><item id='{item}'>{payload}</item></publish></pubsub>"
    )


def device_list(*ids: int) -> str:
    inner = "".join(f"<device id='{id}'/>" for id in ids)
    return publish(LIST, "current", f"<list xmlns='{AXOLOTL}'>{inner}</list>")


def bundle(id: int) -> str:
    return publish(f"{AXOLOTL}.bundles:{id}", "current", f"<bundle xmlns='{AXOLOTL}'/>")


async def listed(client: RawClient, node: str = LIST) -> list[str] | str:
    """The ids on the account's list, or the condition of the error."""
    request = f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{node}'/></pubsub>"
    answer = await client.iq("get", request)
    if answer.get("type") == "error":
        return condition(answer)
    return [device.get("id") or "" for device in answer.iter(f"{{{AXOLOTL}}}device")]


async def test_devices_are_listed_with_what_is_known_of_them(server: RunningServer) -> None:
    person, phone, laptop = await two_devices(server)
    client = await laptop.online(server.port)
    answer = await person.ask("GET", "/api/devices", device=phone)
    assert answer.status == 200
    found = {device["id"]: device for device in answer.body["devices"]}
    assert set(found) == {phone.login["device"], laptop.login["device"]}
    mine, other = found[phone.login["device"]], found[laptop.login["device"]]
    assert (mine["name"], mine["platform"], mine["current"], mine["online"]) == (
        "phone",
        "Linux",
        True,
        False,
    )
    assert (other["software"], other["current"], other["online"]) == ("Raw", False, True)
    assert mine["last_seen"].endswith("Z")
    client.abort()


async def test_a_name_that_was_given_stays_whatever_the_client_calls_itself(server: RunningServer) -> None:
    person, phone, laptop = await two_devices(server)
    path = f"/api/devices/{laptop.login['device']}"
    answer = await person.ask("PATCH", path, {"name": "The  old\nlaptop"}, phone)
    assert answer.body["name"] == "The old laptop"
    (await laptop.online(server.port)).abort()
    answer = await person.ask("GET", "/api/devices", device=phone)
    assert "The old laptop" in [device["name"] for device in answer.body["devices"]]


async def test_a_revoked_device_is_out_while_it_is_connected(server: RunningServer) -> None:
    person, phone, laptop = await two_devices(server)
    stays, goes = await phone.online(server.port), await laptop.online(server.port)
    answer = await person.ask("DELETE", f"/api/devices/{laptop.login['device']}", device=phone)
    assert answer.status == 204
    assert (await goes.tag("error"))[0].tag.endswith("not-authorized")
    await goes.end()
    gone = await stays.take(lambda e: e.get("type") == "unavailable")
    assert gone.get("from") == goes.jid
    assert await laptop.refused(server.port)
    assert (await person.ask("GET", "/api/devices", device=laptop)).status == 401
    again = await person.ask("DELETE", f"/api/devices/{laptop.login['device']}", device=phone)
    assert (again.status, again.error) == (404, "not-found")
    await stays.ping()
    stays.abort()


async def test_a_revoked_device_is_out_that_has_bound_as_of_old(server: RunningServer) -> None:
    person = Person(server)
    phone = await person.register()
    async with RawClient(server.port) as client:
        await client.login2(
            phone.local,
            "<fast xmlns='urn:xmpp:fast:0'/>",
            agent=phone.login["agent"],
            mechanism="HT-SHA-256-NONE",
            data=phone.proof(),
        )
        await client.tag("features")
        await client.bind()
        await person.done("DELETE", f"/api/devices/{phone.login['device']}", device=phone)
        await client.end()


async def test_a_device_can_revoke_itself(server: RunningServer) -> None:
    person = Person(server)
    phone = await person.register()
    client = await phone.online(server.port)
    answer = await person.ask("DELETE", f"/api/devices/{phone.login['device']}", device=phone)
    assert answer.status == 204
    await client.end()
    assert (await person.ask("GET", "/api/devices", device=phone)).status == 401


async def test_nobody_revokes_a_device_of_somebody_else(server: RunningServer) -> None:
    ada, ben = Person(server), Person(server)
    mine, other = await ada.register(), await ben.register()
    answer = await ada.ask("DELETE", f"/api/devices/{other.login['device']}", device=mine)
    assert answer.status == 404
    (await other.online(server.port)).abort()


async def test_the_keys_of_a_revoked_device_go_off_the_list(server: RunningServer) -> None:
    person, phone, laptop = await two_devices(server)
    stays, goes = await phone.online(server.port), await laptop.online(server.port)
    await stays.result("set", device_list(11, 22))
    await stays.result("set", bundle(11))
    await goes.result("set", bundle(22))

    async def known() -> bool:
        answer = await person.ask("GET", "/api/devices", device=phone)
        return sorted(device["omemo"] for device in answer.body["devices"]) == [[11], [22]]

    await until(known)
    assert await listed(stays) == ["11", "22"]
    await person.done("DELETE", f"/api/devices/{laptop.login['device']}", device=phone)
    assert await listed(stays) == ["11"]
    assert await listed(stays, f"{AXOLOTL}.bundles:22") == "item-not-found"
    assert await listed(stays, f"{AXOLOTL}.bundles:11") == []
    stays.abort()


async def test_a_client_can_say_itself_which_keys_are_its_own(server: RunningServer) -> None:
    person, phone, laptop = await two_devices(server)
    client = await phone.online(server.port)
    await client.result("set", device_list(11, 33))
    path = f"/api/devices/{laptop.login['device']}"
    answer = await person.ask("PATCH", path, {"omemo": [33]}, laptop)
    assert answer.body["omemo"] == [33]
    await person.done("DELETE", path, device=phone)
    assert await listed(client) == ["11"]
    client.abort()


async def test_the_operator_revokes_with_the_same_effect(server: RunningServer) -> None:
    _, phone, laptop = await two_devices(server)
    stays, goes = await phone.online(server.port), await laptop.online(server.port)
    await stays.result("set", device_list(11, 44))
    await goes.result("set", bundle(44))
    server.kith("device", "revoke", phone.login["address"], laptop.login["device"])
    await goes.end()

    async def gone() -> bool:
        return await listed(stays) == ["11"]

    await until(gone)
    stays.abort()


async def test_a_token_that_xmpp_renews_is_good_here_and_ends_the_older(server: RunningServer) -> None:
    person = Person(server)
    phone = await person.register()
    async with RawClient(server.port) as client:
        ask = "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"
        success = await client.login2(
            phone.local,
            f"<fast xmlns='urn:xmpp:fast:0'/>{ask}",
            agent=phone.login["agent"],
            mechanism="HT-SHA-256-NONE",
            data=phone.proof(),
        )
        token: Element | None = success.find("{urn:xmpp:fast:0}token")
        assert token is not None
    newer = Device({**phone.login, "token": token.get("token")})
    assert (await person.ask("GET", "/api/devices", device=newer)).status == 200
    assert (await person.ask("GET", "/api/devices", device=phone)).status == 401


async def test_what_is_no_credential_is_refused(server: RunningServer) -> None:
    person = Person(server)
    for wrong in ("", "Basic eDp5", "Bearer", "Bearer !!", "Bearer " + "A" * 3000, "Bearer YTpiOmM"):
        answer = await person.ask("GET", "/api/devices", headers={"Authorization": wrong})
        assert (answer.status, answer.error) == (401, "not-authorized")


async def test_tokens_are_not_in_the_data_folder(server: RunningServer) -> None:
    phone = await Person(server).register()
    token = phone.login["token"].encode()
    kept = server.on_disk()
    assert str(phone.login["device"]).encode() in kept
    assert token not in kept
    assert phone.login["agent"].encode() not in kept
