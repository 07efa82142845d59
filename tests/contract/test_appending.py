"""`LogStore.append`: in order, all or nothing, durable when told, and no message pays for another's fault."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from kith.base.slots import slot_of
from kith.ports.store import INCOMING, OUTGOING, UNARCHIVED, LogQuery, Unavailable
from tests.contract.conftest import Backend
from tests.contract.logs import Logs


async def test_answers_come_in_the_order_of_the_calls_whatever_was_called(logs: Logs) -> None:
    order: list[int] = []
    puts = []
    for id in range(1, 400):
        logs.append(id)
        if id % 7 == 0:
            put = asyncio.ensure_future(logs.store.put(logs.a, "s", str(id), b""))
            put.add_done_callback(lambda _, id=id: order.append(id))
            puts.append(put)
        if id % 31 == 0:
            await asyncio.sleep(0)
    seqs = await asyncio.gather(*puts)
    await logs.store.flush()
    assert [id for id, _, _ in logs.answers] == list(range(1, 400))
    assert order == [id for id in range(1, 400) if id % 7 == 0]
    assert seqs == sorted(seqs)


async def test_what_was_answered_is_there_after_the_power_went(logs: Logs, backend: Backend) -> None:
    for id in range(1, 201):
        logs.append(id, origin=b"%d" % id)
        if id % 20 == 0:
            await asyncio.sleep(0.001)
    await logs.store.flush()
    seq = await logs.store.put(logs.a, "s", "k", b"value")
    for id in range(201, 401):
        logs.append(id)
    answered = [id for id, _, error in logs.answers if error is None]
    logs.store = await backend.crash(logs.store)
    await logs.store.open()
    assert answered[:200] == list(range(1, 201))
    for account in (logs.a, logs.b):
        there = await logs.ids(account)
        assert there[: len(answered)] == answered
        assert there == list(range(1, len(there) + 1))  # no holes: commits in the order of the calls
    document = await logs.store.document(logs.a, "s", "k")
    assert document == ("k", b"value", seq)


async def test_a_message_is_in_the_logs_of_all_its_owners_or_of_none(logs: Logs, backend: Backend) -> None:
    """Whenever the power goes."""
    for id in range(1, 301):
        logs.append(id, owners=[(logs.a, "b@x", 0), (logs.b, "a@x", INCOMING), (logs.c, "a@x", INCOMING)])
    while not logs.answers:
        await asyncio.sleep(0)
    logs.store = await backend.crash(logs.store)
    await logs.store.open()
    there = [await logs.ids(account) for account in (logs.a, logs.b, logs.c)]
    assert there[0] == there[1] == there[2]
    assert there[0]


async def test_closing_commits_what_was_queued_before(logs: Logs, backend: Backend) -> None:
    for id in range(1, 501):
        logs.append(id)
    await logs.store.close()
    assert len(logs.answers) == 500
    logs.store = backend.store()
    await logs.store.open()
    assert await logs.ids(logs.b) == list(range(1, 501))


async def test_more_messages_than_a_commit_takes_all_arrive(logs: Logs) -> None:
    for id in range(1, 3001):
        logs.append(id)
    await logs.store.flush()
    assert [id for id, _, error in logs.answers if error is None] == list(range(1, 3001))
    assert await logs.store.count(LogQuery(logs.b)) == 3000
    assert logs.store.waiting_bytes == 0


async def test_a_message_that_cannot_be_stored_does_not_fail_its_neighbours(logs: Logs) -> None:
    logs.append(1)
    logs.append(2)
    logs.append(1)  # its id is taken
    logs.append(3, owners=[(logs.a, "b@x", 0), (logs.a, "b@x", 0)])  # twice in one log
    logs.append(4)
    await logs.store.flush()
    assert [id for id, _, _ in logs.answers] == [1, 2, 1, 3, 4]
    assert [error is not None for _, _, error in logs.answers] == [False, False, True, True, False]
    assert await logs.ids(logs.a) == [1, 2, 4]


async def test_one_message_enters_as_many_logs_as_it_has_owners(logs: Logs) -> None:
    logs.append(1, owners=[(account, "room@x", INCOMING) for account in range(1, 3001)])
    await logs.store.flush()
    assert logs.answers == [(1, None, None)]
    assert await logs.ids(1) == await logs.ids(1500) == await logs.ids(3000) == [1]


async def test_a_reader_that_goes_on_after_its_last_id_misses_nothing_that_is_written_meanwhile(
    logs: Logs,
) -> None:
    last, seen = 0, []

    async def read() -> None:
        nonlocal last
        while last < 2000:
            for entry in (await logs.store.page(LogQuery(logs.b, after=last, limit=100))).entries:
                seen.append(entry.id)
                last = entry.id
            await asyncio.sleep(0)

    reader = asyncio.ensure_future(read())
    for id in range(1, 2001):
        logs.append(id)
        if id % 20 == 0:
            await asyncio.sleep(0.001)
    await asyncio.wait_for(reader, 30)
    assert seen == list(range(1, 2001))


async def test_what_is_settled_can_be_read(logs: Logs) -> None:
    for id in range(1, 50):
        logs.append(id)
        await logs.store.flush()
        assert (await logs.ids(logs.b, backwards=True, limit=1)) == [id]


@pytest.mark.parametrize("remove", ["delivered", "account", "emptied", "expired", "turned away", None])
async def test_the_last_id_of_a_slot_is_never_less_than_one_that_was_given(
    logs: Logs, backend: Backend, remove: str | None
) -> None:
    """Nor after it was removed: a node whose clock is behind would give it to another message."""
    if remove == "turned away":
        logs.append(1000, owners=[(logs.b, "c@x", OUTGOING)], sender="b@x", recipient="c@x")
        logs.store.turned_away(logs.b, [1000])
    else:
        logs.append(1000, owners=[(logs.b, "a@x", INCOMING | (UNARCHIVED if remove == "delivered" else 0))])
        if remove in ("delivered", "expired"):
            logs.store.mark_delivered(logs.b, 1000)
    await logs.store.flush()
    if remove == "account":
        await logs.store.delete_account("b@x")
    elif remove == "emptied":
        await logs.store.empty_log(logs.b)
    elif remove == "expired":
        assert await logs.store.expire(2000) == 1
    assert await logs.ids(logs.b) == ([1000] if remove is None else [])
    assert await logs.store.last_id(slot_of("b@x")) >= 1000
    await logs.store.close()
    logs.store = backend.store()
    await logs.store.open()
    assert await logs.store.last_id(slot_of("b@x")) >= 1000


async def test_what_cannot_be_written_now_is_refused_and_whoever_asked_is_told(
    logs: Logs, backend: Backend
) -> None:
    """Each of them, with an error that tells them to try again: nothing is acknowledged, or forgotten."""
    assert await logs.appended(1, origin=b"1") is None
    backend.break_disk(logs.store)
    logs.append(2, origin=b"2")
    logs.store.mark_delivered(logs.b, 1)
    writes = [
        logs.store.put(logs.a, "s", "k", b"v"),
        logs.store.put_if(logs.a, "s", "another", b"v", 0),
        logs.store.create_accounts([("n@x", {})]),
        logs.store.rewrite(1, b"<message/>"),
    ]
    for write in writes:
        with pytest.raises(Unavailable) as refused:
            await write
        assert refused.value.condition in ("internal-server-error", "resource-constraint")
    logs.append(3)
    with contextlib.suppress(Unavailable):  # it may share a commit with what is refused
        await logs.store.flush()
    assert [id for id, _, _ in logs.answers] == [1, 2, 3]
    assert all(isinstance(error, Unavailable) for _, _, error in logs.answers[1:])
    assert logs.store.waiting_bytes == 0
