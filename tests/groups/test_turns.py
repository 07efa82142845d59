"""One thing at a time happens in a group, whatever becomes of those who wait."""

from __future__ import annotations

import asyncio

from kith.groups.turns import Turns


async def test_who_gives_up_waiting_lets_nobody_pass() -> None:
    turns = Turns()
    done: list[str] = []
    go = asyncio.Event()

    async def work(name: str) -> None:
        done.append(f"{name} begins")
        if name == "first":
            await go.wait()
        done.append(f"{name} ends")

    first, second, third = (
        asyncio.create_task(turns.take("tea", lambda name=name: work(name)))  # type: ignore[misc]
        for name in ("first", "second", "third")
    )
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait([second])
    assert done == ["first begins"]
    go.set()
    await asyncio.gather(first, third)
    assert done == ["first begins", "first ends", "third begins", "third ends"]
    assert not turns.busy("tea")


async def test_who_is_cancelled_at_its_turn_or_within_it_makes_room() -> None:
    turns = Turns()
    go, never = asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(turns.take("tea", go.wait))
    second = asyncio.create_task(turns.take("tea", never.wait))
    third = asyncio.create_task(turns.take("tea", never.wait))
    await asyncio.sleep(0)
    go.set()
    await first
    second.cancel()  # its turn has come, but it has not run
    await asyncio.wait([second])
    await asyncio.sleep(0)
    third.cancel()  # within its work
    await asyncio.wait([third])
    assert not turns.busy("tea")
