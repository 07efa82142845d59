"""What the journal holds gets into the database beside the commits, and the journal begins anew."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable

import pytest

from kith.store import checkpoint
from kith.store.connection import conclude, connect
from tests.store.conftest import Logs

_MIB = 2**20


async def write_until(logs: Logs, holds: Callable[[], bool]) -> None:
    """Messages of 20 kB, a hundred in a commit, 400 MB at most."""
    for first in range(1, 20_001, 100):
        for id in range(first, first + 100):
            logs.append(id, stanza=b"x" * 20_000)
        await logs.store.flush()
        if holds():
            break
    assert holds()
    assert {error for _, _, error in logs.answers} == {None}
    assert await logs.stored("message") == len(logs.answers)


async def test_the_journal_begins_anew_while_one_writes(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    copies: Counter[str] = Counter()
    copy = checkpoint._copy

    def counted(connection: sqlite3.Connection) -> int:
        copies[threading.current_thread().name] += 1
        return copy(connection)

    monkeypatch.setattr(checkpoint, "_copy", counted)
    journal = logs.path.with_name("kith.sqlite-wal")
    heads = set()

    def anew() -> bool:
        with journal.open("rb") as file:
            heads.add(file.read(32)[16:24])  # https://www.sqlite.org/fileformat2.html#walformat: salt
        return len(heads) >= 3

    await write_until(logs, anew)
    assert logs.path.stat().st_size > 20 * _MIB
    assert copies["kith-checkpoint"] > copies["kith-store"] > 0


@pytest.mark.parametrize("thread", ["kith-checkpoint", "kith-store"])
async def test_what_can_not_be_copied_now_is_copied_later(
    logs: Logs, monkeypatch: pytest.MonkeyPatch, thread: str
) -> None:
    """Neither thread ends by it."""
    copy = checkpoint._copy
    tries = 0

    def failing(connection: sqlite3.Connection) -> int:
        nonlocal tries
        if threading.current_thread().name == thread:
            tries += 1
            if tries == 1:
                raise sqlite3.OperationalError("disk I/O error")
        return copy(connection)

    monkeypatch.setattr(checkpoint, "_copy", failing)
    await write_until(logs, lambda: tries >= 3)
    assert logs.path.stat().st_size > 20 * _MIB


@pytest.mark.parametrize("who", ["the server itself", "a command that ends"])
async def test_nobody_who_empties_the_journal_makes_writers_wait_for_a_long_read(
    logs: Logs, who: str
) -> None:
    """A look-through after a crash, or a backup: SQLite would wait for it and keep writers out meanwhile."""
    logs.append(1)
    await logs.store.flush()
    reader = connect(logs.path, 10.0)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM message").fetchone()
    logs.append(2)
    await logs.store.flush()
    if who == "the server itself":
        emptying = asyncio.ensure_future(logs.store.tidy())
    else:
        emptying = asyncio.ensure_future(asyncio.to_thread(conclude, connect(logs.path, 10.0)))
    for id in range(3, 40):
        logs.append(id)
        await asyncio.wait_for(logs.store.flush(), 5.0)
        await asyncio.sleep(0.01)
    assert {error for _, _, error in logs.answers} == {None}
    assert await asyncio.wait_for(emptying, 5.0) is not True
    reader.close()
    assert await logs.store.tidy()
    assert logs.path.with_name("kith.sqlite-wal").stat().st_size == 0
