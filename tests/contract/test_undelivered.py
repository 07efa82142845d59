"""The log's undelivered part: what a device that comes back is sent."""

from __future__ import annotations

from kith.ports.store import INCOMING, UNARCHIVED, UNDELIVERED, LogQuery
from tests.contract.logs import Logs


async def mark(logs: Logs) -> int:
    record = await logs.store.account("b@x")
    assert record is not None
    return record.delivered


async def test_incoming_entries_above_the_mark_are_undelivered_and_sent_ones_never(logs: Logs) -> None:
    for id in range(1, 6):
        logs.append(id)
    logs.store.mark_delivered(logs.b, 2)
    await logs.store.flush()
    assert await logs.undelivered(logs.b) == [3, 4, 5]
    assert await logs.undelivered(logs.b, after=3) == [4, 5]
    assert await logs.undelivered(logs.b, limit=2) == [3, 4]
    assert await logs.undelivered(logs.a) == []


async def test_the_mark_never_goes_back(logs: Logs) -> None:
    logs.store.mark_delivered(logs.b, 10)
    logs.store.mark_delivered(logs.b, 4)
    await logs.store.flush()
    assert await mark(logs) == 10


async def test_entries_given_up_stay_undelivered_below_the_mark_until_they_come_late(logs: Logs) -> None:
    for id in range(1, 8):
        logs.append(id)
    logs.store.mark_undelivered(logs.b, [2, 4])
    logs.store.mark_delivered(logs.b, 5)
    await logs.store.flush()
    assert await logs.undelivered(logs.b) == [2, 4, 6, 7]
    assert await logs.undelivered(logs.b, after=2, limit=2) == [4, 6]
    entries = await logs.store.undelivered(logs.b, 0, 1)
    assert entries[0].flags == INCOMING | UNDELIVERED
    logs.store.mark_delivered(logs.b, 0, [2])
    await logs.store.flush()
    assert await logs.undelivered(logs.b) == [4, 6, 7]


async def test_an_entry_flagged_above_the_mark_is_listed_once(logs: Logs) -> None:
    logs.append(1)
    logs.store.mark_undelivered(logs.b, [1])
    await logs.store.flush()
    assert await logs.undelivered(logs.b) == [1]


async def test_only_incoming_entries_can_be_flagged(logs: Logs) -> None:
    logs.append(1)
    logs.store.mark_undelivered(logs.a, [1])
    await logs.store.flush()
    assert await logs.undelivered(logs.a) == []


async def test_what_is_kept_for_delivery_is_never_in_the_archive_and_goes_when_delivered(logs: Logs) -> None:
    logs.append(1, owners=[(logs.b, "a@x", INCOMING | UNARCHIVED)])
    logs.append(2, owners=[(logs.a, "b@x", 0), (logs.b, "a@x", INCOMING | UNARCHIVED)])
    logs.append(3)
    await logs.store.flush()
    assert await logs.undelivered(logs.b) == [1, 2, 3]
    assert [entry.id for entry in (await logs.store.page(LogQuery(logs.b))).entries] == [3]
    assert await logs.store.bounds(logs.b) == (3, 3)
    assert await logs.store.count(LogQuery(logs.b)) == 1
    logs.store.mark_delivered(logs.b, 2)
    await logs.store.flush()
    assert await logs.undelivered(logs.b) == [3]
    assert [entry.id for entry in (await logs.store.page(LogQuery(logs.a))).entries] == [2, 3]


async def test_what_is_kept_for_delivery_survives_being_given_up(logs: Logs) -> None:
    logs.append(1, owners=[(logs.b, "a@x", INCOMING | UNARCHIVED)])
    logs.store.mark_undelivered(logs.b, [1])
    logs.store.mark_delivered(logs.b, 5)
    await logs.store.flush()
    assert await logs.undelivered(logs.b) == [1]
    logs.store.mark_delivered(logs.b, 5, [1])
    await logs.store.flush()
    assert await logs.undelivered(logs.b) == []


async def test_delivery_to_one_leaves_the_message_to_all_others_who_hold_it(logs: Logs) -> None:
    owners = [(logs.a, "room@x", 0), (logs.b, "room@x", INCOMING | UNARCHIVED), (logs.c, "room@x", INCOMING)]
    logs.append(1, owners=owners)
    logs.store.mark_delivered(logs.b, 1)
    await logs.store.flush()
    assert await logs.undelivered(logs.c) == [1]
    assert [entry.stanza for entry in (await logs.store.page(LogQuery(logs.a))).entries] == [
        b"<message>1</message>"
    ]


async def test_a_new_account_starts_with_nothing_to_deliver(logs: Logs) -> None:
    logs.append(1)
    await logs.store.flush()
    await logs.store.create_accounts([("d@x", {})])
    record = await logs.store.account("d@x")
    assert record is not None
    assert await logs.undelivered(record.id) == []
