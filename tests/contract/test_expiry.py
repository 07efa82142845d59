"""What is old goes, but nothing that somebody still waits for."""

from __future__ import annotations

import asyncio

from kith.ports.store import LogQuery
from tests.contract.logs import Logs


async def test_old_delivered_entries_go(logs: Logs) -> None:
    for id in range(1, 11):
        logs.append(id)
    logs.store.mark_delivered(logs.b, 10)
    assert await logs.store.expire(6) == 10
    for account in (logs.a, logs.b):
        assert [entry.id for entry in (await logs.store.page(LogQuery(account))).entries] == [6, 7, 8, 9, 10]


async def test_undelivered_entries_stay_however_old(logs: Logs) -> None:
    for id in range(1, 7):
        logs.append(id)
    logs.store.mark_undelivered(logs.b, [2])
    logs.store.mark_delivered(logs.b, 4)
    assert await logs.store.expire(100) == 6 + 3
    assert await logs.undelivered(logs.b) == [2, 5, 6]
    assert [entry.stanza for entry in await logs.store.undelivered(logs.b, 0, 9)] == [
        b"<message>%d</message>" % id for id in (2, 5, 6)
    ]


async def test_what_comes_while_a_log_is_emptied_stays(logs: Logs) -> None:
    for id in range(1, 3001):
        logs.append(id, owners=[(logs.a, "b@x", 0)])
    await logs.store.flush()
    emptying = asyncio.create_task(logs.store.empty_log(logs.a))
    for id in range(5001, 5010):
        logs.append(id, owners=[(logs.a, "b@x", 0)])
        await logs.store.flush()
    await emptying
    kept = [entry.id for entry in (await logs.store.page(LogQuery(logs.a))).entries]
    assert kept[-1] == 5009
    assert set(kept) <= set(range(5001, 5010))
