"""Sessions that wait for a lost connection are bounded in time and in stanzas (XEP-0198 §5)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.disk import Disk, preload
from tests.conftest import RunningServer, running
from tests.core.test_stream_management import SM, enabled, resume, text
from tests.raw import RawClient, body, online


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Waits a second, and holds five stanzas."""
    folder = tmp_path_factory.mktemp("hasty") / "data"
    with running(folder, resume_timeout="1", resume_stanzas="5") as server:
        for name in ("ada", "ben", "cem", "dora"):
            server.add_user(name)
        yield server


async def test_a_session_waits_no_longer_than_set_and_loses_nothing(hasty: RunningServer) -> None:
    sender, receiver = await online(hasty.port, "ada"), await online(hasty.port, "ben", "phone")
    element = await enabled(receiver)
    assert element.get("max") == "1"
    receiver.abort()
    sender.send(text(receiver.bare, "while it waited"))
    await sender.ping()
    await asyncio.sleep(3.5)
    back = await resume(hasty, "ben", element.get("id") or "", 0)
    assert (await back.tag("failed"))[0].tag.endswith("item-not-found")
    await back.bind("phone")
    await back.available()
    assert body(await back.message()) == "while it waited"
    await back.expect_nothing()


async def test_a_session_that_is_owed_too_much_ends_and_loses_nothing(hasty: RunningServer) -> None:
    sender, receiver = await online(hasty.port, "cem"), await online(hasty.port, "dora", "phone")
    token = (await enabled(receiver)).get("id") or ""
    receiver.abort()
    for number in range(8):
        sender.send(text(receiver.bare, f"n{number}"))
    await sender.ping()
    back = await resume(hasty, "dora", token, 0)
    await back.tag("failed")
    await back.bind("phone")
    await back.available()
    assert [body(await back.message()) for _ in range(8)] == [f"n{number}" for number in range(8)]
    await back.expect_nothing()


async def test_a_session_that_two_connections_ask_for_at_once_outlives_its_time_limit(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    server = RunningServer(tmp_path / "data", resume_timeout="1")
    preload(server.environ, disk)
    server.start()
    try:
        server.add_user("eve")
        eve = await online(server.port, "eve", "phone")
        token = (await enabled(eve)).get("id") or ""
        impatient = await logged_in(server, "eve")
        patient = await logged_in(server, "eve")
        disk.mode = "H"
        eve.send(text(eve.bare, "on its way"))
        await asyncio.sleep(0.2)
        for client in (impatient, patient):
            client.send(f"<resume xmlns='{SM}' previd='{token}' h='0'/>")
            await asyncio.sleep(0.2)
        impatient.abort()
        await asyncio.sleep(0.2)
        disk.mode = "0"
        await patient.tag("resumed")
        assert body(await patient.message()) == "on its way"
        await asyncio.sleep(3)
        await patient.ping()
    finally:
        disk.mode = "0"
        server.kill()


async def logged_in(server: RunningServer, user: str) -> RawClient:
    client = RawClient(server.port)
    await client.connect()
    await client.login(user)
    return client
