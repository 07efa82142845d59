"""Work with keys, one piece at a time: what is cancelled leaves nothing behind, whenever that happens."""

from __future__ import annotations

import asyncio
import gc
import inspect
from pathlib import Path

import pytest

from kith.client.database import Database
from kith.client.key_work import Interrupted, KeyWork


@pytest.fixture
def turn(tmp_path: Path) -> KeyWork:
    return KeyWork(Database(tmp_path))


async def work(begun: asyncio.Event, end: asyncio.Event) -> str:
    begun.set()
    await end.wait()
    return "done"


async def test_what_is_cancelled_before_its_turn_is_never_begun(turn: KeyWork) -> None:
    begun, end, never = asyncio.Event(), asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(turn.run(work(begun, end)))
    await begun.wait()
    waiting = work(never, end)
    second = asyncio.create_task(turn.run(waiting))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert second.cancelled()
    assert inspect.getcoroutinestate(waiting) == inspect.CORO_CLOSED
    end.set()
    assert await first == "done"
    assert not never.is_set()
    gc.collect()


async def test_what_is_cancelled_in_its_turn_lets_the_next_one_have_it(turn: KeyWork) -> None:
    begun, end = asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(turn.run(work(begun, end)))
    await begun.wait()
    second = asyncio.create_task(turn.run(work(asyncio.Event(), end)))
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert first.cancelled()
    end.set()
    assert await second == "done"


async def test_what_is_interrupted_says_so(turn: KeyWork) -> None:
    begun = asyncio.Event()
    first = asyncio.create_task(turn.run(work(begun, asyncio.Event())))
    await begun.wait()
    turn.interrupt()
    with pytest.raises(Interrupted):
        await first
    end = asyncio.Event()
    end.set()
    assert await turn.run(work(begun, end)) == "done"
