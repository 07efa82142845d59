"""The archive's pages against a plain list, for any log and any question (XEP-0313 §4, XEP-0059)."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from kith.ports.store import INCOMING, UNARCHIVED, Append, LogQuery, Page
from kith.store import conversations, log
from kith.store.sqlite import SQLiteStore

_PEERS = ["a@x", "b@x", "c@x"]
_flags = st.sampled_from([0, INCOMING, INCOMING | UNARCHIVED, UNARCHIVED])
_ids = st.integers(1, 60)
_entries = st.dictionaries(
    _ids, st.tuples(st.sampled_from([1, 2]), st.sampled_from(_PEERS), _flags), max_size=40
)
_queries = st.builds(
    LogQuery,
    account=st.sampled_from([1, 2, 3]),
    peer=st.none() | st.sampled_from([*_PEERS, "unknown@x"]),
    after=st.none() | _ids,
    before=st.none() | _ids,
    ids=st.none() | st.lists(_ids, max_size=6),
    limit=st.integers(0, 12),
    backwards=st.booleans(),
)


def expected(entries: dict[int, tuple[int, str, int]], query: LogQuery) -> tuple[list[int], bool, int]:
    """Ids of the page, whether it is complete, and the count, from a plain list."""
    found = [
        id
        for id, (account, peer, flags) in sorted(entries.items())
        if account == query.account
        and not flags & UNARCHIVED
        and (query.peer is None or peer == query.peer)
        and (query.after is None or id > query.after)
        and (query.before is None or id < query.before)
        and (query.ids is None or id in query.ids)
    ]
    part = found[max(len(found) - query.limit, 0) :] if query.backwards else found[: query.limit]
    return part, len(found) <= query.limit, len(found)


@settings(max_examples=60, deadline=None)
@given(
    entries=_entries,
    queries=st.lists(_queries, min_size=1, max_size=15),
    few=st.sampled_from([0, 2, conversations.FEW]),
)
def test_pages_and_counts_are_those_of_a_plain_list(entries, queries, few):
    async def run() -> None:
        with (
            tempfile.TemporaryDirectory() as folder,
            mock.patch.multiple(conversations, FEW=few, _AT_ONCE=3),
        ):
            store = SQLiteStore(Path(folder) / "kith.sqlite")
            await store.open()
            await store.create_accounts([("one@x", {}), ("two@x", {})])
            half = sorted(entries)[len(entries) // 2 :]
            for id, (account, peer, flags) in sorted(entries.items()):
                if half and id == half[0]:
                    await store.page(LogQuery(account, peer=peer))  # a part is indexed before the rest comes
                store.append(Append(id, b"%d" % id, [(account, peer, flags)], lambda *_: None))
            await store.settled()
            for query in queries:
                ids, complete, count = expected(entries, query)
                page = await store.page(query)
                assert ([entry.id for entry in page.entries], page.complete) == (ids, complete)
                assert all(entry.stanza == b"%d" % entry.id for entry in page.entries)
                assert await store.count(query) == count
            for account in (1, 2, 3):
                shown = expected(entries, LogQuery(account, limit=100))[0]
                assert await store.bounds(account) == ((shown[0], shown[-1]) if shown else None)
                peers = sorted({peer for owner, peer, _ in entries.values() if owner == account})
                assert sorted(await store.peers(account)) == peers
            await store.close()

    asyncio.run(run())


async def test_paging_to_the_end_shows_every_entry_once_both_ways(logs):
    for id in range(1, 1001):
        peer = "b@x" if id % 3 else "c@x"
        logs.append(id, owners=[(logs.a, peer, 0)])
    await logs.store.settled()
    wanted = [id for id in range(1, 1001) if id % 3]
    seen: list[int] = []
    page = Page(complete=False)
    while not page.complete:
        after = seen[-1] if seen else None
        page = await logs.store.page(LogQuery(logs.a, peer="b@x", after=after, limit=37))
        seen += [entry.id for entry in page.entries]
    assert seen == wanted
    seen, page = [], Page(complete=False)
    while not page.complete:
        before = seen[0] if seen else None
        page = await logs.store.page(LogQuery(logs.a, peer="b@x", before=before, limit=37, backwards=True))
        seen = [entry.id for entry in page.entries] + seen
    assert seen == wanted


async def test_a_reader_that_goes_on_after_its_last_id_misses_nothing_that_is_written_meanwhile(logs):
    last, seen = 0, []

    async def read() -> None:
        nonlocal last
        while last < 2000:
            for entry in (await logs.store.page(LogQuery(logs.b, after=last, limit=100))).entries:
                seen.append(entry.id)
                last = entry.id

    reader = asyncio.ensure_future(read())
    for id in range(1, 2001):
        logs.append(id)
        if id % 20 == 0:
            await asyncio.sleep(0.001)
    await asyncio.wait_for(reader, 30)
    assert seen == list(range(1, 2001))


async def test_no_question_walks_through_the_whole_log(logs):
    """Each statement's plan names the index that ends at the entries wanted."""
    plans: list[str] = []

    def explain(connection, statement, values):
        plans.extend(row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + statement, values))

    class Watched:
        def __init__(self, connection):
            self.connection = connection

        def execute(self, statement, values=()):
            explain(self.connection, statement, values)
            return self.connection.execute(statement, values)

    logs.append(1, owners=[(logs.a, "b@x", 0)])
    await logs.store.settled()
    await logs.store._read(lambda c: log.page(Watched(c), LogQuery(logs.a, peer="b@x", after=1)))
    assert any("conversation USING PRIMARY KEY (account=? AND peer=? AND id>?" in plan for plan in plans)
    assert any("log USING PRIMARY KEY (account=? AND id=?)" in plan for plan in plans)
    assert any("log USING PRIMARY KEY (account=? AND id>?" in plan for plan in plans)
    assert not any("ORDER BY" in plan for plan in plans), plans  # nothing is sorted
    plans.clear()
    await logs.store._read(lambda c: log.undelivered(Watched(c), logs.a, 0, 10))
    assert any("log_undelivered (account=? AND id>? AND id<?)" in plan for plan in plans)
    plans.clear()
    await logs.store._write(lambda c: log.mark_delivered(Watched(c), logs.a, 1, []))
    assert any("log_unarchived (account=? AND id<?)" in plan for plan in plans)
