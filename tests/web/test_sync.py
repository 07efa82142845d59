"""The web app's sync layer and encryption, against a real server, with the network as it is."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.conftest import RunningServer
from tests.web.device import Devices, WebDevice, until


async def _become_contacts(ada: WebDevice, ben: WebDevice) -> None:
    await ada.do("addContact", ben.address, "Ben")
    await ben.do("addContact", ada.address, "Ada")

    async def both() -> bool:
        rows = [await ada.do("contact", ben.address), await ben.do("contact", ada.address)]
        return all(row and row["subscription"] == "both" for row in rows)

    await until(both)


async def test_messages_go_both_ways_encrypted_and_come_to_be_read(devices: Devices) -> None:
    ada, ben = await devices.two()
    text = ']]> <b>it\'s</b> & "ö" 👩‍💻'
    await ada.send(ben.address, text)
    (came,) = await ben.shows(ada.address, text)
    assert (came["kind"], came["encrypted"], came["mine"]) == ("text", True, False)
    await ben.send(ada.address, "and back")
    await ada.shows(ben.address, text, "and back")
    assert (await ben.do("chat", ada.address))["unread"] == 1
    await ben.do("read", ada.address, came["key"])

    async def is_read() -> bool:
        return bool((await ada.messages(ben.address))[0]["progress"] == "read")

    await until(is_read)
    assert (await ben.do("chat", ada.address))["unread"] == 0
    await until(lambda: _empty(ada))


async def _empty(device: WebDevice) -> bool:
    return await device.do("waiting") == []


async def test_what_is_written_without_a_network_goes_out_in_order_once(
    devices: Devices, server: RunningServer
) -> None:
    ada, ben = await devices.two()
    await ada.send(ben.address, "0")
    await ben.shows(ada.address, "0")
    await ada.do("cut", False)
    for number in range(1, 6):
        await ada.send(ben.address, str(number))
    assert [row["progress"] for row in (await ada.messages(ben.address))[1:]] == ["waiting"] * 5
    await ben.send(ada.address, "meanwhile")
    await ada.do("plug")
    await ben.shows(ada.address, *"0", "meanwhile", *"12345")
    await ada.shows(ben.address, *"0", "meanwhile", *"12345")


async def test_a_lost_connection_is_resumed(devices: Devices) -> None:
    ada, ben = await devices.two()
    for round in range(3):
        await ada.do("cut")
        await ben.send(ada.address, f"to ada {round}")
        await ada.send(ben.address, f"to ben {round}")
    for one, other in ((ada, ben), (ben, ada)):

        async def complete(one: WebDevice = one, other: WebDevice = other) -> bool:
            texts = await one.texts(other.address)
            return sorted(texts) == sorted(f"to {to} {round}" for to in ("ada", "ben") for round in range(3))

        await until(complete)


async def test_a_server_that_restarts_is_normal(devices: Devices, server: RunningServer) -> None:
    ada, ben = await devices.two()
    await ada.send(ben.address, "before")
    await ben.shows(ada.address, "before")
    await asyncio.to_thread(server.stop)
    await ada.send(ben.address, "while it is away")
    await asyncio.to_thread(server.start)
    await ben.shows(ada.address, "before", "while it is away")


async def test_edits_reactions_replies_and_deletions_reach_the_other_side(devices: Devices) -> None:
    ada, ben = await devices.two()
    await ada.send(ben.address, "frist")
    await ada.send(ben.address, "second")
    first, second = await ben.shows(ada.address, "frist", "second")
    own = (await ada.messages(ben.address))[0]
    await ada.do("edit", own["key"], "first")
    await ben.shows(ada.address, "first", "second")
    await ben.do("react", first["key"], ["👍"])

    async def reacted(emojis: dict[str, Any]) -> bool:
        return bool((await ada.messages(ben.address))[0]["reactions"] == emojis)

    await until(lambda: reacted({ben.address: ["👍"]}))
    await ben.do("react", first["key"], [])
    await until(lambda: reacted({}))
    reply = {"id": second["id"], "from": second["from"], "text": second["text"]}
    await ben.do("send", ada.address, "to the second", {"reply": reply})
    rows = await ada.shows(ben.address, "first", "second", "to the second")
    assert rows[2]["reply"] == {"id": second["id"], "from": ada.address, "text": "second"}
    await ada.do("deleteForEveryone", own["key"])
    rows = await ben.shows(ada.address, "", "second", "to the second")
    assert rows[0]["kind"] == "deleted"


async def test_two_devices_of_one_person_show_the_same(devices: Devices, server: RunningServer) -> None:
    from tests.api.person import Person

    person = Person(server)
    phone = await devices.of(person, "phone")
    laptop = await devices.of(person, "laptop")
    ben = await devices.of(Person(server), "ben")
    await phone.send(ben.address, "from the phone")
    await ben.shows(phone.address, "from the phone")
    await laptop.shows(ben.address, "from the phone")
    await ben.send(phone.address, "to both")
    rows = await phone.shows(ben.address, "from the phone", "to both")
    await laptop.shows(ben.address, "from the phone", "to both")
    await laptop.do("pin", ben.address, True)
    await laptop.do("read", ben.address, rows[1]["key"])

    async def synced() -> bool:
        chat = await phone.do("chat", ben.address)
        return chat["unread"] == 0 and chat["pinned"] > 0

    await until(synced)


async def test_contacts_profiles_and_presence(devices: Devices) -> None:
    ada, ben = await devices.two()
    await _become_contacts(ada, ben)
    await ben.do("setProfile", {"nick": "Benjamin", "about": "Here"})

    async def known() -> bool:
        row = await ada.do("contact", ben.address)
        return (row["nick"], row["about"], row["name"]) == ("Benjamin", "Here", "Ben")

    await until(known)

    async def there() -> bool:
        return bool(ada.seen("live")[-1]["present"].get(ben.address) == "online")

    await until(there)
    await ben.do("typing", ada.address, True)

    async def typing() -> bool:
        return ben.address in ada.seen("live")[-1]["typing"]

    await until(typing)
    await ada.do("block", ben.address, True)
    assert (await ada.do("contact", ben.address))["blocked"]


async def test_a_revoked_device_is_logged_out_and_its_keys_are_gone(devices: Devices) -> None:
    ada, ben = await devices.two()
    await ada.send(ben.address, "hello")
    await ben.shows(ada.address, "hello")
    await ada.do("cut", False)
    revoked = await _revoke(ada, devices)
    assert revoked == 204
    await ada.do("plug")

    async def out() -> bool:
        return bool(ada.seen("live")[-1]["connection"] == "logged-out")

    await until(out)
    assert await ada.do("fact", "credential") is None
    assert await ada.texts(ben.address) == ["hello"]


async def _revoke(device: WebDevice, devices: Devices) -> int:
    from tests.api.person import Person

    person = Person(devices._server)
    path = f"/api/devices/{device.login.login['device']}"
    return (await person.ask("DELETE", path, device=device.login)).status
