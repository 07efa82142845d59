"""The web app and the SDK, encrypted: two programs that have only the standards in common."""

from __future__ import annotations

import asyncio

from kith.client import State
from tests.api.person import Person
from tests.client.conftest import People, people, receive
from tests.conftest import RunningServer
from tests.web.device import Devices, WebDevice, until

__all__ = ["people"]


async def test_the_web_app_and_the_sdk_read_each_other(
    devices: Devices, server: RunningServer, people: People
) -> None:
    ada = await devices.of(Person(server))
    ben = await people.open(people.account("ben"))
    # who is not let in is not told that something has come
    await ada.do("acceptContact", ben.jid)
    sent = await ben.send(ada.address, "from the SDK")
    (row,) = await ada.shows(ben.jid, "from the SDK")
    assert (row["encrypted"], row["kind"]) == (True, "text")
    await ben.wait_for(sent, State.DELIVERED)
    await ada.do("read", ben.jid, row["key"])
    await ben.wait_for(sent, State.READ)
    await ada.send(ben.jid, "from the web")
    (got,) = await receive(ben)
    assert (got.body, got.encrypted, got.peer) == ("from the web", True, ada.address)
    await got.read()

    async def is_read() -> bool:
        return bool((await ada.messages(ben.jid))[1]["progress"] == "read")

    await until(is_read)


async def test_a_device_that_was_away_reads_what_its_three_others_read(
    devices: Devices, server: RunningServer, people: People
) -> None:
    person = Person(server)
    all_four = [await devices.of(person, f"browser {number}") for number in range(4)]
    first, *_, away = all_four
    ben = await people.open(people.account("ben"))
    await ben.send(first.address, "to all four")
    for device in all_four:
        await device.shows(ben.jid, "to all four")
    await away.do("cut", False)
    await ben.send(first.address, "while one is away")
    await first.shows(ben.jid, "to all four", "while one is away")
    await first.send(ben.jid, "from the first")
    texts = ("to all four", "while one is away", "from the first")

    async def expect_the_same(device: WebDevice) -> None:
        rows = await device.shows(ben.jid, *texts)
        assert all(row["encrypted"] for row in rows)

    await asyncio.gather(*(expect_the_same(device) for device in all_four[:3]))
    (got, *_) = await receive(ben)
    assert got.body == "from the first"
    await away.do("plug")
    await expect_the_same(away)
