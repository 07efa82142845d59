"""The archive's pages, for any log and any question (XEP-0313 §4, XEP-0059)."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kith.ports.store import LogQuery, Page
from tests.contract.conftest import BACKENDS
from tests.contract.logs import Logs
from tests.contract.pages import ENTRIES, QUERIES, compare, fill


@pytest.mark.parametrize("kind", list(BACKENDS))
@settings(max_examples=30, deadline=None)
@given(entries=ENTRIES, queries=st.lists(QUERIES, min_size=1, max_size=15))
def test_pages_and_counts_are_those_of_a_plain_list(kind, entries, queries):
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            store = BACKENDS[kind](Path(folder)).store()
            await store.open()
            await fill(store, entries)
            await compare(store, entries, queries)
            await store.close()

    asyncio.run(run())


async def test_paging_to_the_end_shows_every_entry_once_both_ways(logs: Logs) -> None:
    for id in range(1, 1001):
        peer = "b@x" if id % 3 else "c@x"
        logs.append(id, owners=[(logs.a, peer, 0)])
    await logs.store.flush()
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


async def test_a_page_of_large_entries_is_shorter_than_asked_for_and_not_complete(logs: Logs) -> None:
    for id in range(1, 31):
        logs.append(id, stanza=b"x" * 100_000)
    await logs.store.flush()
    seen: list[int] = []
    page = Page(complete=False)
    while not page.complete:
        page = await logs.store.page(LogQuery(logs.b, after=seen[-1] if seen else None, limit=1000))
        assert 0 < len(page.entries) < 30
        seen += [entry.id for entry in page.entries]
    assert seen == list(range(1, 31))


async def test_a_message_that_is_rewritten_is_another_in_every_log(logs: Logs) -> None:
    logs.append(1)
    logs.append(2)
    await logs.store.rewrite(1, b"<message>gone</message>")
    for account in (logs.a, logs.b):
        stanzas = [entry.stanza for entry in (await logs.store.page(LogQuery(account))).entries]
        assert stanzas == [b"<message>gone</message>", b"<message>2</message>"]
