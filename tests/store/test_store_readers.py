"""The threads that read: who waits for whom, and what becomes of what was asked at the end."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable

import pytest

from kith.store.reader import Readers


@pytest.fixture
async def readers() -> AsyncIterator[Readers]:
    made = Readers(lambda: sqlite3.connect(":memory:"), asyncio.get_running_loop())
    yield made
    await asyncio.to_thread(made.close)


def one(number: int) -> Callable[[sqlite3.Connection], int]:
    return lambda connection: int(connection.execute("SELECT ?", (number,)).fetchone()[0])


async def test_each_gets_its_own_answer(readers: Readers) -> None:
    for _ in range(20):
        assert await asyncio.gather(*(readers.read(one(number)) for number in range(200))) == [*range(200)]
        await asyncio.sleep(0)


async def test_a_failure_is_the_askers_alone(readers: Readers) -> None:
    def wrong(connection: sqlite3.Connection) -> None:
        connection.execute("SELECT nothing")

    results = await asyncio.gather(
        readers.read(one(1)), readers.read(wrong), readers.read(one(2)), return_exceptions=True
    )
    assert [results[0], results[2]] == [1, 2]
    assert isinstance(results[1], sqlite3.OperationalError)


async def test_who_is_slow_holds_up_nobody_while_a_thread_is_free(readers: Readers) -> None:
    free = threading.Event()
    slow = asyncio.ensure_future(readers.read(lambda _: free.wait(20)))
    async with asyncio.timeout(60):
        assert await asyncio.gather(*(readers.read(one(number)) for number in range(50))) == [*range(50)]
    assert not slow.done()
    free.set()
    assert await slow


async def test_what_comes_while_all_are_at_work_is_done_afterwards(readers: Readers) -> None:
    free = threading.Event()
    slow = [asyncio.ensure_future(readers.read(lambda _: free.wait(20))) for _ in range(2)]
    waiting = [asyncio.ensure_future(readers.read(one(number))) for number in range(5)]
    await asyncio.sleep(0.05)
    assert not any(read.done() for read in waiting)
    free.set()
    assert await asyncio.gather(*slow, *waiting) == [True, True, *range(5)]
    # and the threads are there for more
    assert await asyncio.gather(*(readers.read(one(number)) for number in range(5))) == [*range(5)]


async def test_who_does_not_wait_any_more_is_no_trouble(readers: Readers) -> None:
    reads = [asyncio.ensure_future(readers.read(lambda _: time.sleep(0.01))) for _ in range(10)]
    await asyncio.sleep(0)
    for read in reads[::2]:
        read.cancel()
    await asyncio.gather(*reads, return_exceptions=True)
    assert await readers.read(one(7)) == 7


async def test_what_was_asked_before_the_end_is_answered() -> None:
    readers = Readers(lambda: sqlite3.connect(":memory:"), asyncio.get_running_loop())
    reads = [asyncio.ensure_future(readers.read(lambda _: time.sleep(0.01))) for _ in range(20)]
    await asyncio.sleep(0)
    await asyncio.to_thread(readers.close)
    async with asyncio.timeout(60):
        assert await asyncio.gather(*reads) == [None] * 20
