"""Promise 1 when the power goes: what no sync has covered is lost, torn or there, as it comes."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import time
from pathlib import Path

import pytest

from kith.ports.store import LogQuery
from kith.store.errors import StoreError
from kith.store.sqlite import SQLiteStore
from kith.wire.stanza import Stanza
from tests.chaos.conftest import LONG
from tests.chaos.disk import Disk, Operation, Powercut, preload, read_journal
from tests.chaos.people import Sender, until
from tests.chaos.servers import Kith

CUTS = 400 if LONG else 25
#: How long people write, at least, and how many of their messages are acknowledged until then.
SECONDS = 30.0 if LONG else 4.0
MESSAGES = 200
RECIPIENTS = ("ada", "ben")


class Unsound(Exception):
    """SQLite finds faults in the database."""


class Dated(Sender):
    """Notes when each acknowledgement came, on the clock of the disk's journal."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.moments: dict[int, int] = {}

    def handled(self, h: int) -> None:
        before = set(self.acknowledged)
        super().handled(h)
        now = time.monotonic_ns()
        for number in self.acknowledged - before:
            self.moments[number] = now


async def record(folder: Path) -> tuple[list[Operation], list[Dated]]:
    """People write to a server; what it did to its disk, to the end of an orderly stop."""
    disk = Disk(folder, journal=True)
    server = Kith(folder)
    preload(server.environ, disk)
    server.start()
    try:
        server.add_users([*RECIPIENTS, *(f"sender{n}" for n in range(4))])
        rng = random.Random(1)
        senders = [Dated(server, f"sender{n}", rng, list(RECIPIENTS)) for n in range(4)]
        tasks = [asyncio.create_task(sender.run()) for sender in senders]
        await asyncio.sleep(SECONDS)
        await until(lambda: sum(len(s.acknowledged) for s in senders) >= MESSAGES, 60, "nobody can write")
        for sender in senders:
            sender.enough = True
        await until(lambda: all(sender.stopping for sender in senders), 30, "senders do not end")
        await asyncio.gather(*tasks)
        assert await asyncio.to_thread(server.stop) == 0
    finally:
        server.kill()
    return read_journal(disk.journal), senders


async def stored(folder: Path) -> set[str]:
    """The ids of all messages in the logs of those who got them."""
    store = SQLiteStore(folder / "kith.sqlite")
    await store.open()
    try:
        (fine,) = await store._read(lambda c: c.execute("PRAGMA integrity_check").fetchone())
        if fine != "ok":
            raise Unsound(fine)
        found = set()
        for name in RECIPIENTS:
            record = await store.account(f"{name}@localhost")
            if record is not None:
                complete, last = False, None
                while not complete:  # a page is bounded in bytes too
                    page = await store.page(LogQuery(record.id, after=last, limit=10_000))
                    found.update(Stanza.from_bytes(entry.stanza).id for entry in page.entries)
                    complete = page.complete
                    last = page.entries[-1].id if page.entries else None
        return found
    finally:
        await store.close()


@pytest.mark.timeout(1200 if LONG else 120)
async def test_what_was_acknowledged_is_there_after_a_power_cut_at_any_moment(tmp_path: Path) -> None:
    operations, senders = await record(tmp_path)
    names = {operation.name for operation in operations if operation.op == "W"}
    assert {"kith.sqlite", "kith.sqlite-wal"} <= names  # checkpoints among them
    acknowledged = {(sender.name, n): t for sender in senders for n, t in sender.moments.items()}
    assert len(acknowledged) >= MESSAGES
    rng = random.Random(2)
    first, last = min(acknowledged.values()), operations[-1].done
    moments = [rng.randint(first, last) for _ in range(CUTS // 2)]
    # just after an acknowledgement, and in the middle of a checkpoint or the stop
    moments += [rng.choice(list(acknowledged.values())) for _ in range(CUTS // 4)]
    into_database = [o.done for o in operations if o.name == "kith.sqlite" and o.done > first]
    moments += [rng.choice(into_database) for _ in range(CUTS // 4)]
    power = Powercut(operations)
    for number, moment in enumerate(moments):
        folder = tmp_path / f"cut{number}"
        folder.mkdir()
        power.restore(moment, folder, rng)
        there = await stored(folder)
        lost = [key for key, at in acknowledged.items() if at <= moment and f"{key[0]}-{key[1]}" not in there]
        assert not lost, (moment, lost)
        shutil.rmtree(folder)


async def test_the_harness_would_see_a_loss(tmp_path: Path) -> None:
    """Without the syncs in the journal, acknowledged messages are missing or the database is broken."""
    operations, senders = await record(tmp_path)
    power = Powercut([operation for operation in operations if operation.op != "S"])
    folder = tmp_path / "cut"
    folder.mkdir()
    power.restore(operations[-1].done, folder, random.Random(3))
    acknowledged = {f"{sender.name}-{n}" for sender in senders for n in sender.acknowledged}
    try:
        there = await stored(folder)
    except (sqlite3.DatabaseError, StoreError, Unsound):
        return
    assert acknowledged - there
