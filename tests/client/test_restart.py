"""The server is restarted for a new version: people notice nothing but a moment."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from kith.client import Link
from tests.client.conftest import People, receive, until
from tests.conftest import running


async def test_a_restart_drops_no_message_and_shows_nobody_an_error(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        async with AsyncExitStack() as stack:
            people = People(server, tmp_path, stack)
            ada = await people.open(people.account("ada"))
            ben = await people.open(people.account("ben"))
            await ada.send(ben.jid, "0")
            assert [message.body for message in await receive(ben)] == ["0"]

            async def write() -> None:
                for number in range(1, 40):
                    await ada.send(ben.jid, str(number))
                    await asyncio.sleep(0.05)

            writing = asyncio.create_task(write())
            await asyncio.sleep(0.5)
            assert await asyncio.to_thread(server.stop) == 0
            await asyncio.to_thread(server.start)
            await writing
            got = await receive(ben, 39, timeout=40)
            assert [message.body for message in got] == [str(number) for number in range(1, 40)]
            assert all(message.encrypted for message in got)
            await until(lambda: ada.queued() == 0)
            assert {ada.link, ben.link} == {Link.ONLINE}
            log = server.log.read_text()
            assert "sessions taken up" in log
            assert "count=2 of=2" in log
            assert log.count("level=error") == 0
