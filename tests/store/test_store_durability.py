"""Promise 1: what was answered is on disk, whenever the process is killed."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kith.ports.store import LogQuery
from kith.store.sqlite import SQLiteStore
from tests.store.conftest import Logs

_WRITER = """
import asyncio, os, sys
from pathlib import Path
from kith.ports.store import Append
from kith.store.sqlite import SQLiteStore

async def main():
    store = SQLiteStore(Path(sys.argv[1]))
    await store.open()
    next = await store.last_id(0) + 1
    await store.create_accounts([("a@x", {}), ("b@x", {})])  # 1 and 2
    def answer(id):
        return lambda existing, error: os.write(1, b"%d\\n" % id) if error is None else None
    while True:
        for _ in range(17):
            owners, data = [(1, "b@x", 0), (2, "a@x", 1)], b"<message>%d</message>" % next
            store.append(Append(next, data, owners, answer(next), "a@x", "b@x", b"%d" % next))
            next += 1
        await asyncio.sleep(0.0005)

asyncio.run(main())
"""


def write_until_killed(path: Path, seconds: float) -> list[int]:
    """The ids that were answered before a kill, so long after the first eighteen: two commits at least."""
    process = subprocess.Popen([sys.executable, "-c", _WRITER, path], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        first = b"".join(process.stdout.readline() for _ in range(18))
        time.sleep(seconds)
    finally:
        process.kill()
    rest, _ = process.communicate(timeout=30)
    return [int(line) for line in (first + rest).split(b"\n")[:-1]]  # the last line may be cut


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_every_answered_message_is_found_after_a_kill_at_any_moment(tmp_path, seed):
    path = tmp_path / "kith.sqlite"
    moment = random.Random(seed)
    answered: list[int] = []
    for _ in range(2):  # the second time on what the first kill left
        answered += await asyncio.to_thread(write_until_killed, path, moment.uniform(0.05, 0.3))
    assert len(answered) > 34
    store = SQLiteStore(path)
    await store.open()
    last = await store.last_id(0)
    for account in (1, 2):
        page = await store.page(LogQuery(account, limit=10_000_000))
        stored = {entry.id: entry.stanza for entry in page.entries}
        assert [id for id in answered if stored.get(id) != b"<message>%d</message>" % id] == []
        assert list(stored) == list(range(1, last + 1))  # no holes: commits in the order of the calls
    (fine,) = await store._read(lambda c: c.execute("PRAGMA integrity_check").fetchone())
    assert fine == "ok"
    await store.close()


async def test_what_was_queued_before_it_is_asked_is_settled(logs: Logs) -> None:
    for round in range(5):
        for id in range(20 * round + 1, 20 * round + 11):
            logs.append(id)
        first = asyncio.create_task(logs.store.flush())
        await asyncio.sleep(0)
        for id in range(20 * round + 11, 20 * round + 21):
            logs.append(id)  # the one who asked before need not wait for these
        second = asyncio.create_task(logs.store.flush())
        await first
        assert len(logs.answers) >= 20 * round + 10
        await second
        assert len(logs.answers) == 20 * round + 20
        assert (
            await logs.undelivered(logs.b, after=20 * round, limit=50)
            == [answer[0] for answer in logs.answers][-20:]
        )


async def test_who_waits_together_writes_once(logs: Logs) -> None:
    writer = logs.store._writer
    assert writer is not None
    logs.append(1)
    asked = writer.asked
    await asyncio.gather(*(logs.store.flush() for _ in range(50)))
    assert writer.asked < asked + 5  # the store may do something by itself at the same time
    assert writer.idle
