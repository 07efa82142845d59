"""How messages are written: gathered, beside other processes, and on a disk that refuses.

What any store promises of them is in `tests/contract`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading

import pytest

from kith.ports.store import INCOMING, UNARCHIVED, Append, LogQuery, Retries, Unavailable
from kith.store import appends, gathering
from kith.store.errors import StoreError
from kith.store.schema import MIGRATIONS
from kith.store.sqlite import SQLiteStore


async def test_a_message_that_cannot_be_stored_does_not_fail_its_neighbours(logs):
    logs.append(1)
    logs.append(2, stanza=[])  # not storable
    logs.append(3)
    logs.append(1)  # its id is taken
    logs.append(4, owners=[(logs.a, "b@x", 0), (logs.a, "b@x", 0)])  # twice in one log
    logs.append(5)
    await logs.store.flush()
    assert [id for id, _, _ in logs.answers] == [1, 2, 3, 1, 4, 5]
    failed = [error is not None for _, _, error in logs.answers]
    assert failed == [False, True, False, True, True, False]
    assert [entry.id for entry in (await logs.store.page(LogQuery(logs.a))).entries] == [1, 3, 5]
    assert await logs.stored("message") == 3


async def test_a_full_disk_fails_what_does_not_fit_and_nothing_else(logs):
    def limit(pages):
        return logs.store._write(lambda c: c.execute(f"PRAGMA max_page_count = {pages}").fetchone())

    (used,) = await logs.store._write(lambda c: c.execute("PRAGMA page_count").fetchone())
    await limit(used + 10)
    logs.append(1, stanza=b"x" * 1_000_000)
    logs.append(2)
    await logs.store.flush()
    assert isinstance(logs.answers[0][2], Unavailable)
    assert logs.answers[0][2].condition == "resource-constraint"
    assert logs.answers[1] == (2, None, None)
    await limit(1_000_000)
    logs.append(3, stanza=b"x" * 1_000_000)
    await logs.store.flush()
    assert logs.answers[2] == (3, None, None)


async def test_a_callback_that_raises_does_not_keep_others_from_theirs(logs):
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))

    class Bad(list):
        def append(self, answer):
            super().append(answer)
            if answer[0] == 1:
                raise ValueError("bad callback")

    logs.answers = Bad()
    logs.append(1)
    logs.append(2)
    await logs.store.flush()
    assert [answer[0] for answer in logs.answers] == [1, 2]
    assert [str(error) for error in reported] == ["bad callback"]


async def test_a_write_that_nobody_waits_for_reports_its_failure(logs):
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    logs.store.mark_delivered(logs.a, 2**70)
    await logs.store.flush()
    assert [type(error) for error in reported] == [OverflowError]


async def test_appending_never_waits_for_the_disk(logs):
    other = sqlite3.connect(logs.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for id in range(1, 1001):
        logs.append(id)
    await asyncio.sleep(0)
    assert logs.answers == []
    other.execute("COMMIT")
    other.close()
    await logs.store.flush()
    assert logs.answers == [(id, None, None) for id in range(1, 1001)]


async def test_a_database_that_stays_locked_fails_all_that_waits_at_once(logs, monkeypatch):
    """It is not tried anew for each message."""
    await logs.store.close()
    store = SQLiteStore(logs.path, busy=0.1)
    await store.open()
    logs.store, original = store, logs.store
    other = sqlite3.connect(logs.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    transactions, queued = store._writer.transactions, threading.Event()
    commit = transactions.commit
    monkeypatch.setattr(transactions, "commit", lambda batch: queued.wait(60) and commit(batch))
    before = transactions.count
    for id in range(1, 101):
        logs.append(id)
    asyncio.get_running_loop().call_later(0.01, queued.set)
    with pytest.raises(StoreError, match="locked"):
        await store.flush()
    assert transactions.count - before <= 2  # the first message, and all that came meanwhile
    assert [type(error) for _, _, error in logs.answers] == [type(logs.answers[0][2])] * 100
    assert isinstance(logs.answers[0][2], StoreError)
    other.execute("COMMIT")
    other.close()
    logs.append(101)
    await store.flush()
    assert logs.answers[-1] == (101, None, None)
    await store.close()
    logs.store = original


async def test_one_message_in_many_logs_is_stored_once(logs):
    owners = [(account, "room@x", INCOMING) for account in range(1, 3001)]
    logs.append(1, owners=owners)
    assert await logs.stored("message") == 1
    assert await logs.stored("log") == 3000


async def test_a_message_that_comes_alone_waits_for_no_company(logs):
    await logs.store.close()
    store = SQLiteStore(logs.path, gather=3600)
    await store.open()
    answered = asyncio.Queue()
    async with asyncio.timeout(30):
        for id in (1, 2, 3):
            done = lambda existing, error: answered.put_nowait(error)  # noqa: E731
            store.append(Append(id, b"<message/>", [(logs.a, "b@x", 0)], done))
            assert await answered.get() is None  # nothing else is written, which would end the wait
    await store.close()


async def test_writes_that_follow_each_other_do_not_wait_for_company(logs):
    await logs.store.close()
    store = SQLiteStore(logs.path, gather=3600)
    await store.open()
    async with asyncio.timeout(30):
        for number in range(20):
            await store.put(logs.a, "s", str(number), b"")
    await store.close()


async def test_who_waits_for_each_answer_before_writing_on_waits_for_no_company(logs, monkeypatch):
    wanted, enough = [], gathering.Gathering.wanted
    monkeypatch.setattr(
        gathering.Gathering, "wanted", lambda self, now: wanted.append(enough(self, now)) or wanted[-1]
    )
    await logs.store.close()
    store = SQLiteStore(logs.path)
    await store.open()
    answered = asyncio.Queue()
    for id in range(1, 301):
        done = lambda existing, error: answered.put_nowait(error)  # noqa: E731
        store.append(Append(id, b"<message/>", [(logs.a, "b@x", 0)], done))
        assert await answered.get() is None
    await store.close()
    assert len(wanted) >= 300
    assert set(wanted) == {1}


async def test_senders_who_wait_for_their_answers_wait_for_each_other_and_for_nobody_else(logs, monkeypatch):
    monkeypatch.setattr(gathering, "BUSY", 0)  # however slow the disk is
    monkeypatch.setattr(gathering, "SPAN", 60)
    await logs.store.close()
    store = SQLiteStore(logs.path, gather=5.0)
    await store.open()
    answered = asyncio.Queue()
    ids = iter(range(1, 10_000))

    def write():
        id = next(ids)
        done = lambda existing, error: answered.put_nowait(id)  # noqa: E731
        store.append(Append(id, b"<message/>", [(logs.a, "b@x", 0)], done))

    async with asyncio.timeout(60):
        for _ in range(4):
            write()
        for _ in range(400):
            await answered.get()
            write()
    await store.close()
    assert store.commits.sizes.sum / sum(store.commits.sizes.counts) > 2


async def test_messages_of_several_senders_share_commits_without_being_under_way_together(logs, monkeypatch):
    """Of several senders, each by itself, and however fast the disk is."""
    monkeypatch.setattr(gathering, "BUSY", 0)  # on a slow machine there are fewer in a second
    monkeypatch.setattr(gathering, "SPAN", 60)
    await logs.store.close()
    store = SQLiteStore(logs.path, gather=5.0)
    await store.open()
    logs.store, original = store, logs.store
    for id in range(1, 601):
        logs.append(id, sender=f"sender{id % 10}@x")
        await asyncio.sleep(0.001)
    await store.flush()
    assert [id for id, _, _ in logs.answers] == list(range(1, 601))
    assert sum(store.commits.sizes.counts) < 300  # 60 where ten come within the time that it waits
    await store.close()
    logs.store = original


async def test_origins_are_forgotten_after_a_while_and_messages_stay(logs):
    for id in range(1, 1301):
        logs.append(id, origin=b"%d" % id if id % 2 else None)
    await logs.store.flush()
    assert await logs.store.forget_origins(1101) == 550
    assert await logs.store.forget_origins(1101) == 0
    assert await logs.stored("message WHERE origin IS NOT NULL") == 100
    assert await logs.stored("message") == 1300
    logs.answers.clear()
    logs.append(2001, origin=b"1099")
    logs.append(2002, origin=b"1101")
    await logs.store.flush()
    assert logs.answers == [(2001, None, None), (2002, 1101, None)]
    assert await logs.store.forget_origins(1201) == 50


async def test_an_older_database_forgets_its_origins_too(tmp_path):
    path = tmp_path / "kith.sqlite"
    old = sqlite3.connect(path)
    for script in MIGRATIONS[:3]:
        old.executescript(script)
    old.executemany(
        "INSERT INTO message (id, sender, origin, stanza, holders) VALUES (?, 1, ?, x'61', 1)",
        [(id, b"%d" % id) for id in range(1, 1201)],
    )
    old.execute("PRAGMA user_version = 3")
    old.commit()
    old.close()
    store = SQLiteStore(path)
    await store.open()
    assert await store.forget_origins(1001) == 1000
    await store.close()
    after = sqlite3.connect(path)
    assert after.execute("SELECT count(*), count(origin) FROM message").fetchone() == (1200, 200)


async def test_an_id_that_comes_again_and_again_costs_the_same_each_time(logs, monkeypatch):
    """Of what was delivered and not archived, nothing but the id is left: a counter tells no more."""
    looked_up = []
    known_keys = appends.known_keys

    def counted(connection, keys):
        looked_up.append(len(keys))
        return known_keys(connection, keys)

    monkeypatch.setattr(appends, "known_keys", counted)
    never = Retries(lambda stored, new: bool(stored) and stored == new, lambda key, stanza: key + stanza[:1])
    owners = [(logs.b, "a@x", INCOMING | UNARCHIVED)]
    for id in range(1, 60):
        logs.append(id, owners, b"1", stanza=b"<message/>", retries=never)
        logs.store.mark_delivered(logs.b, id)
        await logs.store.flush()
        assert len(looked_up) <= 4
        looked_up.clear()
    assert [existing for _, existing, error in logs.answers if error is None] == [None] * 59


@pytest.mark.parametrize("kinds", [1, 500])
async def test_a_burst_under_one_id_is_written_in_few_statements(logs, monkeypatch, kinds):
    rounds = []
    plan = appends._plan
    monkeypatch.setattr(appends, "_plan", lambda *arguments: rounds.append(1) or plan(*arguments))
    told_apart = Retries(lambda stored, new: stored == new, lambda key, stanza: (key + stanza)[-16:])
    for id in range(1, 1001):
        logs.append(id, origin=b"1", stanza=b"<message>%d" % (id % kinds), retries=told_apart)
    await logs.store.flush()
    assert await logs.stored("message") == kinds
    commits = logs.store.commits.sizes
    assert len(rounds) <= 9 * sum(commits.counts)
