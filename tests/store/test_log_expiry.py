"""Retention: what is old goes, but nothing that somebody still waits for."""

from __future__ import annotations

import asyncio
import time

from kith.ports.store import INCOMING
from kith.store.sqlite import SQLiteStore
from tests.store.conftest import Logs


async def test_messages_go_with_the_last_entry_that_holds_them(logs: Logs) -> None:
    for id in range(1, 11):
        logs.append(id)
    logs.store.mark_delivered(logs.b, 8)
    assert await logs.store.expire(6) == 10
    assert await logs.stored("message") == 5
    assert await logs.store.expire(100) == 5 + 3
    assert await logs.stored("message") == 2  # undelivered ones


async def test_many_entries_expire_while_others_write(logs: Logs) -> None:
    for id in range(1, 5001):
        logs.append(id)
    logs.store.mark_delivered(logs.b, 5000)
    await logs.store.flush()
    expiry = asyncio.ensure_future(logs.store.expire(5001))
    slowest, id = 0.0, 5001
    while not expiry.done():
        began = time.perf_counter()
        logs.append(id)
        id += 1
        await logs.store.flush()
        slowest = max(slowest, time.perf_counter() - began)
    assert await expiry == 10_000
    assert slowest < 1
    assert await logs.stored("message") == id - 5001


async def test_entries_of_an_account_that_is_gone_expire_too(logs: Logs) -> None:
    await asyncio.wait([logs.store._finishing])  # type: ignore[union-attr]  # the start removes them as well
    logs.append(1, owners=[(9999, "a@x", INCOMING)])
    assert await logs.store.expire(2) == 1
    assert await logs.stored("message") == 0


async def test_a_large_log_goes_in_portions_between_which_others_write(logs: Logs) -> None:
    for id in range(1, 5001):
        logs.append(id, owners=[(logs.a, "b@x", 0)])
    await logs.store.flush()
    commits = logs.store._writer.transactions.count  # type: ignore[union-attr]
    removing = asyncio.create_task(logs.store.delete_account("a@x"))
    between = 0
    for id in range(10_001, 20_000):
        logs.append(id, owners=[(logs.b, "c@x", 0)])
        await logs.store.flush()
        if removing.done():
            break
        between += 1
    assert await removing
    assert between >= 3
    assert logs.store._writer.transactions.count - commits >= 10  # type: ignore[union-attr]
    assert await logs.stored("message") == len(logs.answers) - 5000


async def test_a_removal_that_was_cut_off_is_finished_by_the_next_start(logs: Logs) -> None:
    for id in range(1, 3001):
        logs.append(id)  # a to b
    await logs.store.flush()

    async def nothing(account: int) -> None:
        """The power goes."""

    logs.store.empty_log = nothing  # type: ignore[method-assign]
    assert await logs.store.delete_account("a@x")
    assert await logs.stored("log") == 6000
    await logs.store.close()
    again = SQLiteStore(logs.path)
    await again.open()
    assert again._finishing is not None
    await again._finishing
    logs.store = again
    assert await logs.stored("log") == 3000
    assert await logs.stored("message") == 3000
