"""Retention: what is old goes, but nothing that somebody still waits for."""

from __future__ import annotations

import asyncio
import time

from kith.ports.store import INCOMING, LogQuery
from kith.store.sqlite import SQLiteStore
from tests.store.conftest import Logs


async def test_old_delivered_entries_go_and_their_messages_when_no_log_holds_them(logs):
    for id in range(1, 11):
        logs.append(id)
    logs.store.mark_delivered(logs.b, 10)
    assert await logs.store.expire(6) == 10
    for account in (logs.a, logs.b):
        assert [entry.id for entry in (await logs.store.page(LogQuery(account))).entries] == [6, 7, 8, 9, 10]
    assert await logs.stored("message") == 5


async def test_undelivered_entries_stay_however_old(logs):
    for id in range(1, 7):
        logs.append(id)
    logs.store.mark_undelivered(logs.b, [2])
    logs.store.mark_delivered(logs.b, 4)
    assert await logs.store.expire(100) == 6 + 3
    assert await logs.undelivered(logs.b) == [2, 5, 6]
    assert [entry.stanza for entry in await logs.store.undelivered(logs.b, 0, 9)] == [
        b"<message>%d</message>" % id for id in (2, 5, 6)
    ]
    assert await logs.stored("message") == 3


async def test_many_entries_expire_while_others_write(logs):
    for id in range(1, 5001):
        logs.append(id)
    logs.store.mark_delivered(logs.b, 5000)
    await logs.store.settled()
    expiry = asyncio.ensure_future(logs.store.expire(5001))
    slowest, id = 0.0, 5001
    while not expiry.done():
        began = time.perf_counter()
        logs.append(id)
        id += 1
        await logs.store.settled()
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
    await logs.store.settled()
    commits = logs.store._writer.transactions  # type: ignore[union-attr]
    removing = asyncio.create_task(logs.store.delete_account("a@x"))
    between = 0
    for id in range(10_001, 20_000):
        logs.append(id, owners=[(logs.b, "c@x", 0)])
        await logs.store.settled()
        if removing.done():
            break
        between += 1
    assert await removing
    assert between >= 3
    assert logs.store._writer.transactions - commits >= 10  # type: ignore[union-attr]
    assert await logs.stored("message") == len(logs.answers) - 5000


async def test_a_removal_that_was_cut_off_is_finished_by_the_next_start(logs: Logs) -> None:
    for id in range(1, 3001):
        logs.append(id)  # a to b
    await logs.store.settled()

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


async def test_what_comes_while_a_log_is_emptied_stays(logs: Logs) -> None:
    for id in range(1, 3001):
        logs.append(id, owners=[(logs.a, "b@x", 0)])
    await logs.store.settled()
    emptying = asyncio.create_task(logs.store.empty_log(logs.a))
    for id in range(5001, 5010):
        logs.append(id, owners=[(logs.a, "b@x", 0)])
        await logs.store.settled()
    await emptying
    kept = [entry.id for entry in (await logs.store.page(LogQuery(logs.a))).entries]
    assert kept[-1] == 5009
    assert set(kept) <= set(range(5001, 5010))
