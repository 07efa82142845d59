"""The SDK while its server is killed again and again: a mark means what the server said, nothing else."""

from __future__ import annotations

import asyncio
import functools
import random
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from kith.client import Client, State
from tests.chaos.conftest import LONG
from tests.chaos.servers import Kith
from tests.client.conftest import until

KILLS = 30 if LONG else 5
SENDERS = 3


class _Writer:
    """Writes numbered messages to one peer as fast as the client takes them."""

    def __init__(self, client: Client, peer: str, encrypted: bool) -> None:
        self.client = client
        self.peer = peer
        self.encrypted = encrypted
        self.written = 0
        self.enough = False

    async def run(self) -> None:
        while not self.enough:
            await self.client.send(self.peer, str(self.written), encrypted=self.encrypted)
            self.written += 1
            await asyncio.sleep(0.03)

    @property
    def count(self) -> int:
        """How many it shows as sent."""
        states = "('sent', 'delivered', 'read')"
        (count,) = self.client._db.sql.execute(
            f"SELECT count(*) FROM messages WHERE NOT incoming AND state IN {states}"
        ).fetchone()
        return int(count)

    def marked(self) -> list[str]:
        """What it shows as sent, in the order of writing."""
        shown = self.client.history(self.peer, limit=self.written + 10)
        return [one.body for one in shown if one.state.rank >= State.SENT.rank]


def _arrived(reader: Client, sender: str) -> list[str]:
    """What the reader has of a sender, in the order of its arrival."""
    found = reader.history(sender, limit=1_000_000)
    return [one.body for one in sorted(found, key=lambda one: one.row) if not one.error]


@pytest.mark.timeout(900 if LONG else 180)
async def test_no_message_marked_as_sent_is_lost_however_often_the_server_is_killed(tmp_path: Path) -> None:
    rng = random.Random(KILLS)
    server = Kith(tmp_path)
    names = ["reader", *(f"sender{n}" for n in range(SENDERS))]
    server.add_users(names)
    server.start()
    try:
        async with AsyncExitStack() as stack:

            async def client(name: str) -> Client:
                there = Client(
                    f"{name}@localhost", "pw", data=tmp_path / name, host="127.0.0.1", port=server.port,
                    auto_accept=True,
                )  # fmt: skip
                return await stack.enter_async_context(there)

            reader = await client("reader")
            writers = [
                _Writer(await client(f"sender{n}"), reader.jid, encrypted=n == 0) for n in range(SENDERS)
            ]
            work = [asyncio.create_task(writer.run()) for writer in writers]
            for _ in range(KILLS):
                before = [writer.count for writer in writers]

                def all_go_on(before: list[int] = before) -> bool:
                    return all(w.count > count + 5 for w, count in zip(writers, before, strict=True))

                await until(all_go_on, 60)
                await asyncio.sleep(rng.uniform(0, 0.5))
                server.kill()
                await asyncio.sleep(rng.uniform(0, 0.5))
                await asyncio.to_thread(server.start)
                for writer in writers:
                    writer.client.reconnect()
                reader.reconnect()
            for writer in writers:
                writer.enough = True
            await asyncio.gather(*work)
            for writer in writers:
                writer.client.reconnect()
            reader.reconnect()
            await until(lambda: all(writer.client.queued() == 0 for writer in writers), 90)
            for writer in writers:
                everything = [str(number) for number in range(writer.written)]
                assert writer.marked() == everything
                arrived = functools.partial(_arrived, reader, writer.client.jid)
                await until(lambda arrived=arrived, count=writer.written: len(arrived()) >= count, 60)  # type: ignore[misc]
                assert arrived() == everything, "lost, twice, or out of order"
    finally:
        server.kill()
