"""Messages that a group shares with accounts: stored once, and in the log of each."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence

import pytest

from kith.ports.store import INCOMING, SHARED, Append, LogQuery, Retries, Shared, Write
from tests.contract.conftest import Backend
from tests.contract.logs import Logs

GROUP = "g@groups.x"
ANY = Retries(lambda stored, new: True, lambda origin, stanza: origin)


class Group:
    """A group in a store, and short words for what tests do with it."""

    def __init__(self, logs: Logs, id: int) -> None:
        self.logs = logs
        self.id = id
        self.answers: list[int | None] = []

    def entry(
        self,
        id: int,
        audience: Sequence[int],
        own: Mapping[int, bytes] | None = None,
        origin: bytes | None = None,
        expires: int | None = None,
        documents: Sequence[Write] = (),
    ) -> Append:
        def done(existing: int | None, error: BaseException | None) -> None:
            assert error is None
            self.answers.append(existing)

        return Append(
            id,
            b"<message>%d</message>" % id,
            [(self.id, "a@x", 0)],
            done,
            "a@x",
            GROUP,
            origin,
            ANY,
            Shared(self.id, audience, own or {}, expires),
            documents,
        )

    async def share(self, *arguments: object, **named: object) -> int | None:
        self.logs.store.append(self.entry(*arguments, **named))  # type: ignore[arg-type]
        await self.logs.store.flush()
        return self.answers[-1]


async def group_of(logs: Logs, name: str = GROUP) -> Group:
    others = [Write(logs.a, "groups", name, b"")]
    id = await logs.store.create_group(name, [("group", "config", b"{}")], others)
    assert id is not None
    return Group(logs, id)


async def test_a_shared_message_is_in_the_log_of_each_and_of_the_group(logs: Logs) -> None:
    group = await group_of(logs)
    logs.append(5)
    await group.share(7, [logs.a, logs.b], {logs.a: b"for a"})
    logs.append(9)
    await logs.store.flush()
    assert await logs.ids(logs.a, shared=True) == [5, 7, 9]
    assert await logs.ids(logs.a) == [5, 9]
    assert await logs.ids(logs.c, shared=True) == []
    assert await logs.ids(group.id) == [7]
    page = await logs.store.page(LogQuery(logs.a, ids=[7], shared=True))
    (entry,) = page.entries
    assert (entry.stanza, entry.flags, entry.own) == (b"<message>7</message>", SHARED, b"for a")
    (entry,) = (await logs.store.page(LogQuery(logs.b, ids=[7], shared=True))).entries
    assert entry.own == b""
    assert (await logs.store.page(LogQuery(logs.b, ids=[7]))).entries == []


async def test_the_log_of_a_group_read_for_an_account_has_its_own_parts(logs: Logs) -> None:
    group = await group_of(logs)
    await group.share(5, [logs.a], {logs.a: b"for a"})
    await group.share(7, [logs.a, logs.b], {logs.b: b"for b"})
    for reader, wanted in ((logs.a, [b"for a", b""]), (logs.b, [b"", b"for b"]), (logs.c, [b"", b""])):
        for backwards in (False, True):
            page = await logs.store.page(LogQuery(group.id, reader=reader, backwards=backwards))
            assert [entry.own for entry in page.entries] == wanted
    assert [entry.own for entry in (await logs.store.page(LogQuery(group.id))).entries] == [b"", b""]


async def test_a_group_is_no_account(logs: Logs) -> None:
    group = await group_of(logs)
    assert await logs.store.accounts() == ["a@x", "b@x", "c@x"]
    assert await logs.store.groups() == [GROUP]
    assert await logs.store.create_group(GROUP, [("group", "config", b"other")]) is None
    document = await logs.store.document(group.id, "group", "config")
    assert document is not None
    assert document.value == b"{}"
    record = await logs.store.account(GROUP)
    assert record is not None
    assert record.id == group.id
    assert [one.key for one in await logs.store.documents(logs.a, "groups")] == [GROUP]
    assert (await logs.store.holdings()).accounts == 3
    assert GROUP not in [account.jid for account in await logs.store.overview([], "", 10)]


async def test_shared_messages_wait_for_nobody_and_move_no_mark(logs: Logs) -> None:
    group = await group_of(logs)
    await group.share(5, [logs.b])
    logs.append(6)
    await group.share(7, [logs.b])
    await logs.store.flush()
    assert await logs.undelivered(logs.b) == [6]
    store = logs.store
    assert [e.id for e in await store.undelivered(logs.b, 0, 10, since=5, shared=True)] == [6, 7]
    assert [e.id for e in await store.undelivered(logs.b, 0, 10, since=6, shared=True)] == [6, 7]
    store.mark_delivered(logs.b, 6)
    await store.flush()
    assert [e.id for e in await store.undelivered(logs.b, 0, 10, since=6, shared=True)] == [7]
    assert [e.id for e in await store.undelivered(logs.b, 0, 10, shared=True)] == []
    assert (await store.holdings()).undelivered == 0


async def test_a_retry_is_shared_once_and_writes_no_documents(logs: Logs) -> None:
    group = await group_of(logs)
    assert await group.share(5, [logs.a, logs.b], origin=b"o") is None
    again = group.entry(6, [logs.a, logs.b, logs.c], origin=b"o")
    assert await logs.store.stored(again) == 5
    documents = [Write(group.id, "group", "number", b"2")]
    assert await group.share(6, [logs.a, logs.b, logs.c], origin=b"o", documents=documents) == 5
    assert await logs.ids(logs.c, shared=True) == []
    assert await logs.ids(logs.a, shared=True) == [5]
    assert await logs.store.document(group.id, "group", "number") is None
    assert await logs.store.stored(group.entry(7, [], origin=b"p")) is None
    assert await logs.store.stored(group.entry(7, [])) is None


async def test_a_queued_message_is_known_before_it_is_committed(logs: Logs) -> None:
    group = await group_of(logs)
    logs.store.append(group.entry(5, [logs.a], origin=b"o"))
    assert await logs.store.stored(group.entry(6, [logs.a], origin=b"o")) == 5


async def test_documents_are_written_in_the_commit_of_their_message(logs: Logs) -> None:
    group = await group_of(logs)
    await logs.store.put(logs.a, "groups", GROUP, b"old")
    writes = [Write(group.id, "member", "b@x", b"b"), Write(logs.a, "groups", GROUP, None)]
    await group.share(5, [logs.b], documents=writes)
    found = await logs.store.document(group.id, "member", "b@x")
    assert found is not None
    assert found.value == b"b"
    assert found.seq > 0
    assert await logs.store.document(logs.a, "groups", GROUP) is None


async def test_which_groups_an_account_has_heard_of(logs: Logs) -> None:
    one, two = await group_of(logs), await group_of(logs, "h@groups.x")
    await one.share(5, [logs.a, logs.b])
    await two.share(6, [logs.b])
    assert await logs.store.groups_of(logs.b) == [(one.id, GROUP), (two.id, "h@groups.x")]
    assert await logs.store.groups_of(logs.c) == []
    assert await logs.ids(logs.b, peer="h@groups.x", shared=True) == [6]
    assert await logs.ids(logs.b, peer="nobody@groups.x", shared=True) == []


@pytest.mark.parametrize("seed", range(3))
async def test_pages_of_several_groups_come_in_one_order(logs: Logs, seed: int) -> None:
    rng = random.Random(seed)
    groups = [await group_of(logs, f"{name}@groups.x") for name in "ghi"]
    everything: list[int] = []
    for id in range(10, 60):
        group = rng.choice([*groups, None])
        if group is None:
            logs.append(id, [(logs.b, "a@x", INCOMING)])
            everything.append(id)
        else:
            there = rng.random() < 0.7
            logs.store.append(group.entry(id, [logs.b, logs.a] if there else [logs.a]))
            everything += [id] if there else []
    await logs.store.flush()
    limit = rng.randint(1, 9)
    forward: list[int] = []
    page = await logs.store.page(LogQuery(logs.b, limit=limit, shared=True))
    while True:
        forward += [entry.id for entry in page.entries]
        if page.complete:
            break
        page = await logs.store.page(LogQuery(logs.b, after=forward[-1], limit=limit, shared=True))
    assert forward == everything
    back: list[int] = []
    page = await logs.store.page(LogQuery(logs.b, limit=limit, backwards=True, shared=True))
    while True:
        back = [entry.id for entry in page.entries] + back
        if page.complete:
            break
        query = LogQuery(logs.b, before=back[0], limit=limit, backwards=True, shared=True)
        page = await logs.store.page(query)
    assert back == everything
    bounds = everything[0], everything[-1]
    assert await logs.store.bounds(logs.b, shared=True) == bounds
    assert await logs.store.count(LogQuery(logs.b, shared=True)) == len(everything)
    some = rng.sample(everything, 5)
    assert await logs.ids(logs.b, ids=some, shared=True) == sorted(some)


async def test_ids_are_selected_within_the_bounds_and_from_the_peer(logs: Logs) -> None:
    one, two = await group_of(logs), await group_of(logs, "h@groups.x")
    logs.append(4)
    for id, group in ((5, one), (6, two), (7, one), (8, one)):
        await group.share(id, [logs.a])
    everything = [4, 5, 6, 7, 8]
    assert await logs.ids(logs.a, ids=everything, shared=True) == everything
    assert await logs.ids(logs.a, ids=everything, peer=GROUP, shared=True) == [5, 7, 8]
    assert await logs.ids(logs.a, ids=everything, after=4, before=8, shared=True) == [5, 6, 7]
    assert await logs.ids(logs.a, ids=everything, peer="b@x", shared=True) == [4]


async def test_a_message_expires_for_everybody(logs: Logs) -> None:
    group = await group_of(logs)
    await group.share(5, [logs.a, logs.b], expires=100)
    await group.share(6, [logs.a, logs.b], expires=200)
    assert await logs.store.expire_shared(99) == 0
    assert await logs.store.expire_shared(100) == 1
    assert await logs.ids(logs.a, shared=True) == [6]
    assert await logs.ids(group.id) == [6]
    assert (await logs.store.page(LogQuery(logs.a, ids=[5], shared=True))).entries == []


async def test_retention_takes_shared_messages_too(logs: Logs) -> None:
    group = await group_of(logs)
    await group.share(5, [logs.a, logs.b])
    await group.share(9, [logs.a, logs.b])
    assert await logs.store.expire(9) == 1
    assert await logs.ids(logs.b, shared=True) == [9]
    assert await logs.ids(group.id) == [9]


async def test_an_emptied_log_loses_what_was_shared_and_others_keep_it(logs: Logs) -> None:
    group = await group_of(logs)
    await group.share(5, [logs.a, logs.b])
    await logs.store.empty_log(logs.b)
    assert await logs.ids(logs.b, shared=True) == []
    assert await logs.store.groups_of(logs.b) == []
    assert await logs.ids(logs.a, shared=True) == [5]
    audience = [logs.a, logs.b]
    await group.share(6, audience)
    assert await logs.ids(logs.b, shared=True) == [6]
    await logs.store.empty_log(logs.b)
    await group.share(7, audience)  # the same object as before
    assert await logs.ids(logs.b, shared=True) == [7]


async def test_a_rewritten_message_is_rewritten_for_all(logs: Logs) -> None:
    group = await group_of(logs)
    await group.share(5, [logs.a, logs.b], {logs.a: b"key"})
    await logs.store.rewrite(5, b"<message>gone</message>")
    (entry,) = (await logs.store.page(LogQuery(logs.a, shared=True))).entries
    assert (entry.stanza, entry.own) == (b"<message>gone</message>", b"")


@pytest.mark.parametrize("turns", [0, 1, 2, 5])
async def test_after_a_crash_there_is_the_message_with_its_documents_or_neither(
    backend: Backend, logs: Logs, turns: int
) -> None:
    group = await group_of(logs)
    writes = [Write(group.id, "member", "b@x", b"b")]
    logs.store.append(group.entry(5, [logs.b], documents=writes))
    for _ in range(turns):
        await asyncio.sleep(0.001)
    logs.store = await backend.crash(logs.store)
    await logs.store.open()
    there = [5] if await logs.store.document(group.id, "member", "b@x") is not None else []
    assert await logs.ids(logs.b, shared=True) == there
    assert await logs.ids(group.id) == there
