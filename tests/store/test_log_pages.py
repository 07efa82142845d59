"""How the archive's pages are found: with an index that catches up, and without walking through a log."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from kith.ports.store import LogQuery
from kith.store import conversations, log, outbox
from kith.store.sqlite import SQLiteStore
from tests.contract.pages import ENTRIES, QUERIES, compare, fill


@settings(max_examples=40, deadline=None)
@given(
    entries=ENTRIES,
    queries=st.lists(QUERIES, min_size=1, max_size=15),
    few=st.sampled_from([0, 2]),
)
def test_pages_are_those_of_a_plain_list_however_far_the_index_of_conversations_is_behind(
    entries, queries, few
):
    async def run() -> None:
        with (
            tempfile.TemporaryDirectory() as folder,
            mock.patch.multiple(conversations, FEW=few, _BATCH=3),
        ):
            store = SQLiteStore(Path(folder) / "kith.sqlite")
            await store.open()
            await fill(store, entries)
            await compare(store, entries, queries)
            await store.close()

    asyncio.run(run())


async def test_no_question_walks_through_the_whole_log(logs):
    """Each statement's plan names the index that ends at the entries wanted."""
    plans: list[str] = []

    def explain(connection, statement, values):
        plans.extend(row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + statement, values))

    class Watched:
        def __init__(self, connection):
            self.connection = connection

        def create_function(self, *arguments, **named):
            self.connection.create_function(*arguments, **named)

        def execute(self, statement, values=()):
            explain(self.connection, statement, values)
            return self.connection.execute(statement, values)

    logs.append(1, owners=[(logs.a, "b@x", 0)])
    await logs.store.flush()
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
    plans.clear()
    await logs.store._read(lambda c: outbox.entries(Watched(c), None, 0, 10))
    assert any("log_outgoing (id>?)" in plan for plan in plans)
    assert not any("ORDER BY" in plan for plan in plans), plans
