"""A database of Kith 0.1 opens with all that it holds, and knows the retries of what it was sent."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from kith.core.log.log import origin_of
from kith.core.log.retries import distinct_origin, is_retry
from kith.ports.store import INCOMING, Append, LogQuery, Retries
from kith.store.schema import MIGRATIONS
from kith.store.sqlite import SQLiteStore
from kith.wire.stanza import Stanza
from tests.store import version3


async def retried(
    store: SQLiteStore, messages: list[version3.Old], offset: int = 1 << 40
) -> list[int | None]:
    """Sends messages once more, as those who sent them do; the ids under which the store has them."""
    answers: list[int | None] = []

    def done(existing: int | None, error: BaseException | None) -> None:
        assert error is None
        answers.append(existing)

    for message in messages:
        store.append(
            Append(
                message.id + offset,
                message.stanza.replace(b"/1'", b"/another'"),
                [(int(message.recipient[1:].partition("@")[0]), message.sender, INCOMING)],
                done,
                message.sender,
                message.recipient,
                origin_of(Stanza.from_bytes(message.stanza)),
                Retries(is_retry, distinct_origin),
            )
        )
    await store.flush()
    return answers


async def check(path: Path, count: int, people: int) -> None:
    """Opens a database of 0.1 that `version3.build` has made, and looks for all that it held."""
    store = SQLiteStore(path)
    await store.open()
    last = version3.FIRST + count - 1
    assert await store.last_id(0) == last
    held = list(version3.messages(count, people))
    some = held[:: max(1, count // 5000)] + held[-200:]
    gone = f"p{people}@x"
    for message in [message for message in some if message.recipient != gone][:300]:
        account = int(message.recipient[1:].partition("@")[0])
        undelivered = await store.undelivered(account, message.id - 1, 1)
        assert [(entry.id, entry.stanza) for entry in undelivered] == [(message.id, message.stanza)]
    assert len(await store.outbox(None, 0, 10)) == 0
    mine = [message for message in held if message.sender == "p2@x" and message.id % 10]
    theirs = [message for message in held if message.recipient == "p2@x" and message.id % 10]
    assert await store.count(LogQuery(2)) == len(mine) + len(theirs)
    known = [
        message for message in some if message.origin and gone not in (message.sender, message.recipient)
    ]
    assert {message.sender.partition("@")[2] for message in known} == {"x", "elsewhere"}
    assert await retried(store, known) == [message.id for message in known]
    without = [message for message in some if not message.origin][:10]
    assert await retried(store, without, 2 << 40) == [None] * len(without)
    await store.close()


async def test_retries_of_what_was_sent_to_the_version_before_are_known(tmp_path: Path) -> None:
    path = tmp_path / "kith.sqlite"
    version3.build(path, 2000, 50)
    await check(path, 2000, 50)
    migrated = sqlite3.connect(path)
    assert migrated.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    assert migrated.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    migrated.close()


async def test_who_has_the_address_of_an_account_that_is_gone_since_is_not_taken_for_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "kith.sqlite"
    version3.build(path, 2000, 50)
    store = SQLiteStore(path)
    await store.open()
    await store.create_accounts([("p50@x", {})])
    sent = [
        message for message in version3.messages(2000, 50) if message.sender == "p50@x" and message.origin
    ]
    assert sent
    assert await retried(store, sent) == [None] * len(sent)
    await store.close()
