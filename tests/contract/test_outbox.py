"""The outbox: what was acknowledged to its sender, and its peer's owner is not known to have."""

from __future__ import annotations

import pytest

from kith.base.slots import SLOTS, slot_of
from kith.ports.store import INCOMING, OUTGOING, UNARCHIVED, LogQuery, Outgoing, Queued
from tests.contract.conftest import Backend
from tests.contract.logs import Logs


def outgoing(logs: Logs, id: int, flags: int = 0, peer: str = "z@y", origin: bytes | None = None) -> None:
    """From a."""
    logs.append(id, [(logs.a, peer, OUTGOING | flags)], recipient=peer, origin=origin)


async def test_what_is_in_the_outbox_comes_in_the_order_of_commits_with_all_that_a_repetition_needs(
    logs: Logs, backend: Backend
) -> None:
    outgoing(logs, 1)
    logs.append(2)
    outgoing(logs, 3, UNARCHIVED, peer="y@y")
    logs.append(4, [(logs.b, "z@y", OUTGOING)], sender="b@x", recipient="z@y")
    await logs.store.flush()
    expected = [
        Outgoing(logs.a, 1, "z@y", b"<message>1</message>", OUTGOING),
        Outgoing(logs.a, 3, "y@y", b"<message>3</message>", OUTGOING | UNARCHIVED),
        Outgoing(logs.b, 4, "z@y", b"<message>4</message>", OUTGOING),
    ]
    assert await logs.store.outbox(None, 0, 10) == expected
    logs.store = await backend.crash(logs.store)
    await logs.store.open()
    assert await logs.store.outbox(None, 0, 10) == expected
    assert await logs.outbox(after=1, limit=1) == [3]
    assert await logs.outbox(after=4) == []


async def test_the_owner_of_a_slot_finds_what_its_accounts_have_sent(logs: Logs) -> None:
    senders = [f"sender{number}@x" for number in range(20)]
    await logs.store.create_accounts([(jid, {}) for jid in senders])
    for id, jid in enumerate(senders, 1):
        logs.append(id, [(await logs.account(jid), "z@y", OUTGOING)], sender=jid, recipient="z@y")
    await logs.store.flush()
    found: list[int] = []
    for slot in {slot_of(jid) for jid in senders}:
        ids = await logs.outbox(slot)
        assert [slot_of(senders[id - 1]) for id in ids] == [slot] * len(ids)
        found += ids
    assert sorted(found) == list(range(1, 21))
    empty = next(slot for slot in range(SLOTS) if slot not in {slot_of(jid) for jid in senders})
    assert await logs.outbox(empty) == []


async def test_what_was_handed_on_leaves_the_outbox_and_stays_in_the_archive(
    logs: Logs, backend: Backend
) -> None:
    for id in range(1, 6):
        outgoing(logs, id)
    logs.store.handed_on(logs.a, [2, 4])
    logs.store.handed_on(logs.a, [2])  # the same answer once more
    logs.store.handed_on(logs.b, [1])  # of another account
    await logs.store.flush()
    assert await logs.outbox() == [1, 3, 5]
    assert await logs.ids(logs.a) == [1, 2, 3, 4, 5]
    logs.store = await backend.crash(logs.store)
    await logs.store.open()
    assert await logs.outbox() == [1, 3, 5]


async def test_what_is_not_archived_is_never_shown_and_goes_when_it_was_handed_on(logs: Logs) -> None:
    outgoing(logs, 1, UNARCHIVED, origin=b"o")
    await logs.store.flush()
    logs.store.mark_delivered(logs.a, 10)  # says nothing of what the account has sent
    await logs.store.flush()
    assert await logs.ids(logs.a) == []
    assert await logs.store.bounds(logs.a) is None
    assert await logs.undelivered(logs.a) == []
    assert await logs.outbox() == [1]
    logs.store.handed_on(logs.a, [1])
    await logs.store.flush()
    assert await logs.outbox() == []
    logs.append(2, [(logs.a, "z@y", OUTGOING | UNARCHIVED)], recipient="z@y", origin=b"o")
    await logs.store.flush()
    assert logs.answers[-1] == (2, 1, None)  # its sender tries again
    assert await logs.outbox() == []


async def test_an_entry_that_is_also_received_goes_when_it_was_delivered_and_handed_on(logs: Logs) -> None:
    flags = INCOMING | UNARCHIVED | OUTGOING
    for id in (1, 2):
        logs.append(id, [(logs.a, "z@y", flags)])
    logs.store.mark_delivered(logs.a, 1)
    logs.store.handed_on(logs.a, [2])
    await logs.store.flush()
    assert await logs.outbox() == [1]
    assert await logs.undelivered(logs.a) == [2]
    logs.store.handed_on(logs.a, [1])
    logs.store.mark_delivered(logs.a, 2)
    await logs.store.flush()
    assert await logs.outbox() == []
    assert await logs.undelivered(logs.a) == []


async def test_what_was_turned_away_leaves_the_log_as_well_and_may_be_tried_again(logs: Logs) -> None:
    outgoing(logs, 1, origin=b"o")
    outgoing(logs, 2, UNARCHIVED)
    outgoing(logs, 3)
    logs.store.turned_away(logs.a, [1, 2])
    logs.store.handed_on(logs.a, [3])
    logs.store.turned_away(logs.a, [3])  # too late: it is there
    await logs.store.flush()
    assert await logs.outbox() == []
    assert await logs.ids(logs.a) == [3]
    outgoing(logs, 4, origin=b"o")
    await logs.store.flush()
    assert logs.answers[-1] == (4, None, None)
    assert await logs.outbox() == [4]


async def test_a_retry_is_acknowledged_from_the_outbox_and_is_in_it_once(logs: Logs) -> None:
    outgoing(logs, 1, origin=b"o")
    outgoing(logs, 2, origin=b"o")
    await logs.store.flush()
    assert logs.answers == [(1, None, None), (2, 1, None)]
    assert await logs.outbox() == [1]


@pytest.mark.parametrize("flags", [0, UNARCHIVED])
async def test_what_is_in_the_outbox_does_not_get_too_old(logs: Logs, flags: int) -> None:
    outgoing(logs, 1, flags)
    outgoing(logs, 2)
    logs.store.handed_on(logs.a, [2])
    await logs.store.flush()
    assert await logs.store.expire(100) == 1
    assert await logs.outbox() == [1]


async def test_what_is_outgoing_counts_as_undelivered_to_nobody(logs: Logs) -> None:
    outgoing(logs, 1)
    logs.append(2, [(logs.a, "b@x", INCOMING | OUTGOING)])
    logs.append(3)
    logs.store.mark_delivered(logs.a, 3)
    logs.store.mark_delivered(logs.b, 2)
    await logs.store.flush()
    assert await logs.undelivered(logs.a) == []
    assert (await logs.store.holdings()).undelivered == 1
    logs.store.mark_undelivered(logs.a, [1, 2])
    await logs.store.flush()
    assert await logs.undelivered(logs.a) == [2]
    logs.store.mark_delivered(logs.a, 3, [2])
    await logs.store.flush()
    assert await logs.undelivered(logs.a) == []
    assert await logs.outbox() == [1, 2]


async def test_the_outbox_of_a_deleted_account_is_empty(logs: Logs) -> None:
    outgoing(logs, 1)
    await logs.store.flush()
    await logs.store.delete_account("a@x")
    assert await logs.outbox() == []
    assert await logs.store.count(LogQuery(logs.a)) == 0


async def test_a_large_outbox_comes_in_portions(logs: Logs) -> None:
    for id in range(1, 40):
        logs.append(id, [(logs.a, "z@y", OUTGOING)], stanza=b"x" * 100_000)
    await logs.store.flush()
    seen: list[int] = []
    portions = 0
    while part := await logs.outbox(after=seen[-1] if seen else 0, limit=1000):
        seen += part
        portions += 1
    assert seen == list(range(1, 40))
    assert portions > 1


async def test_what_waits_for_one_domain_is_found_and_counted(logs: Logs) -> None:
    for id, peer in enumerate(("z@y", "z@other", "y", "y@y", "y@other.y"), 1):
        outgoing(logs, id, peer=peer)
    logs.append(6, [(logs.b, "z@y", OUTGOING)], sender="b@x", recipient="z@y", stanza=b"<message/>")
    logs.append(7, [(logs.b, "z@y", 0)], sender="b@x", recipient="z@y")
    await logs.store.flush()
    found = await logs.store.outbox_to("y", 0, 10)
    assert [(entry.account, entry.id, entry.peer) for entry in found] == [
        (logs.a, 1, "z@y"),
        (logs.a, 3, "y"),
        (logs.a, 4, "y@y"),
        (logs.b, 6, "z@y"),
    ]
    assert [entry.id for entry in await logs.store.outbox_to("y", 1, 2)] == [3, 4]
    assert await logs.store.outbox_to("x", 0, 10) == []
    size = len(b"<message>1</message>")
    assert sorted(await logs.store.outbox_sizes()) == [
        Queued(logs.a, "other", 1, size),
        Queued(logs.a, "other.y", 1, size),
        Queued(logs.a, "y", 3, 3 * size),
        Queued(logs.b, "y", 1, len(b"<message/>")),
    ]
