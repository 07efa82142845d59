"""A plain list that answers what the archive is asked, and questions for both (XEP-0313 §4, XEP-0059)."""

from __future__ import annotations

from hypothesis import strategies as st

from kith.ports.store import INCOMING, UNARCHIVED, Append, LogQuery, Store

_PEERS = ["a@x", "b@x", "c@x"]
_flags = st.sampled_from([0, INCOMING, INCOMING | UNARCHIVED, UNARCHIVED])
_ids = st.integers(1, 60)
ENTRIES = st.dictionaries(
    _ids, st.tuples(st.sampled_from([1, 2]), st.sampled_from(_PEERS), _flags), max_size=40
)
QUERIES = st.builds(
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


async def fill(store: Store, entries: dict[int, tuple[int, str, int]]) -> None:
    """A new store, with two accounts that have the ids 1 and 2. In the middle, somebody asks for a page."""
    await store.create_accounts([("one@x", {}), ("two@x", {})])
    half = sorted(entries)[len(entries) // 2 :]
    for id, (account, peer, flags) in sorted(entries.items()):
        if half and id == half[0]:
            await store.page(LogQuery(account, peer=peer))
        store.append(Append(id, b"%d" % id, [(account, peer, flags)], lambda *_: None))
    await store.flush()


async def compare(store: Store, entries: dict[int, tuple[int, str, int]], queries: list[LogQuery]) -> None:
    """Asks both, and expects the same answers."""
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
