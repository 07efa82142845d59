"""The web app and the Python SDK write to each other on a real server, encrypted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from kith.client import Client
from tests.api.person import Person
from tests.client.conftest import People, receive
from tests.client.test_first_contact import lose_sessions
from tests.conftest import RunningServer
from tests.web.device import Devices, WebDevice


@pytest.fixture
async def people(server: RunningServer, tmp_path: Path) -> AsyncIterator[People]:
    async with AsyncExitStack() as stack:
        yield People(server, tmp_path, stack)


async def both_ways(web: WebDevice, sdk: Client, *before: str) -> list[str]:
    """What the web app then shows of the conversation."""
    texts = [*before, "from the web", "from the SDK"]
    await web.send(sdk.jid, "from the web")
    (came,) = await receive(sdk)
    assert (came.body, came.peer, came.encrypted) == ("from the web", web.address, True)
    await sdk.send(web.address, "from the SDK", encrypted=True)
    rows = await web.shows(sdk.jid, *texts)
    assert all(row["encrypted"] for row in rows)
    return texts


async def test_messages_go_both_ways_whoever_begins(devices: Devices, people: People) -> None:
    web = await devices.of(Person(people.server))
    sdk = await people.open(people.account("ben"))
    texts = await both_ways(web, sdk)
    await both_ways(web, sdk, *texts)
    carl = await people.open(people.account("carl"))
    await carl.send(web.address, "I began", encrypted=True)
    await web.shows(carl.jid, "I began")
    await both_ways(web, carl, "I began")


async def test_four_devices_of_one_person_get_the_same_and_one_was_away(
    devices: Devices, people: People
) -> None:
    ada = Person(people.server)
    browsers = [await devices.of(ada, f"browser {count}") for count in range(4)]
    sdk = await people.open(people.account("ben"))
    await browsers[3].do("cut", False)
    written = [f"{count}" for count in range(6)]
    for text in written:
        await sdk.send(browsers[0].address, text, encrypted=True)
    await asyncio.gather(*(browser.shows(sdk.jid, *written) for browser in browsers[:3]))
    await browsers[3].do("plug")
    await browsers[3].shows(sdk.jid, *written)
    await browsers[1].send(sdk.jid, "from the second")
    (came,) = await receive(sdk)
    assert came.body == "from the second"
    for browser in browsers:
        rows = await browser.shows(sdk.jid, *written, "from the second")
        assert all(row["encrypted"] and row["kind"] == "text" for row in rows)


async def test_what_the_sdk_cannot_read_the_web_app_sends_again(devices: Devices, people: People) -> None:
    web = await devices.of(Person(people.server))
    sdk = await people.open(people.account("ben"))
    texts = await both_ways(web, sdk)
    lose_sessions(sdk, web.address)
    await web.send(sdk.jid, "which it can't read at first")
    (came,) = await receive(sdk)
    assert (came.body, came.encrypted) == ("which it can't read at first", True)
    assert [message.body for message in sdk.history(web.address)] == [*texts, came.body]
    await both_ways(web, sdk, *texts, came.body)


async def test_what_the_web_app_cannot_read_the_sdk_sends_again(devices: Devices, people: People) -> None:
    """The SDK's data come from an old backup, so that it uses keys that it had used before."""
    web = await devices.of(Person(people.server))
    sdk = await people.open(people.account("ben"))
    texts = await both_ways(web, sdk)
    backup = sdk._db.sql.execute("SELECT key, value FROM keys").fetchall()
    for number in range(3):
        await sdk.send(web.address, f"{number}", encrypted=True)
        texts.append(f"{number}")
    await web.shows(sdk.jid, *texts)
    sdk._db.sql.execute("DELETE FROM keys")
    sdk._db.sql.executemany("INSERT INTO keys VALUES (?, ?)", backup)
    sdk._db.commit()
    await sdk.send(web.address, "after the backup", encrypted=True)
    texts.append("after the backup")
    await web.shows(sdk.jid, *texts)
    await both_ways(web, sdk, *texts)
