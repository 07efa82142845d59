"""What operators want to know, across accounts."""

from __future__ import annotations

from kith.ports.store import INCOMING, OUTGOING, UNARCHIVED, UNDELIVERED, Usage
from tests.contract.logs import Logs

_END = 1 << 62


async def test_an_overview_has_all_accounts_in_order_with_their_documents(logs: Logs) -> None:
    store = logs.store
    await store.put(logs.b, "last", "", b"1")
    await store.put(logs.b, "devices", "x", b"2")
    await store.put(logs.b, "devices", "y", b"3")
    await store.put(logs.b, "roster", "z", b"4")
    await store.create_accounts([("d@x", {})])
    found = await store.overview(["last", "devices"], "", 10)
    assert [(one.jid, one.password) for one in found] == [
        ("a@x", True),
        ("b@x", True),
        ("c@x", True),
        ("d@x", False),
    ]
    assert found[0].documents == {"last": [], "devices": []}
    assert found[1].id == logs.b
    assert [document.key for document in found[1].documents["devices"]] == ["x", "y"]
    assert [document.value for document in found[1].documents["last"]] == [b"1"]
    assert [one.jid for one in await store.overview(["last"], "b@x", 1)] == ["c@x"]
    assert await store.overview(["last"], "d@x", 5) == []


async def test_usage_counts_messages_and_documents_of_one_account(logs: Logs) -> None:
    store = logs.store
    await logs.appended(10, stanza=b"<message>10</message>")
    await logs.appended(11, [(logs.a, "z@elsewhere", OUTGOING)], stanza=b"<message>longer</message>")
    await logs.appended(12, [(logs.b, "a@x", INCOMING | UNARCHIVED)], stanza=b"<message/>")
    await store.put(logs.b, "roster", "z", b"four")
    before = await store.usage(logs.a)
    assert (before.messages, before.message_bytes) == (2, 21 + 25)
    assert (before.undelivered, before.outgoing) == (0, 1)
    assert await store.usage(logs.b) == Usage(2, 21 + 10, 2, 0, 1, 4)
    store.mark_delivered(logs.b, 10)
    await store.flush()
    assert (await store.usage(logs.b)).undelivered == 1
    assert await store.usage(logs.c) == Usage(0, 0, 0, 0, 0, 0)


async def test_what_became_of_messages_is_told_newest_first(logs: Logs) -> None:
    store = logs.store
    for id in (10, 11, 12):
        await logs.appended(id)
    await logs.appended(13, [(logs.a, "z@elsewhere", OUTGOING)])
    await logs.appended(14, [(logs.a, "c@x", 0), (logs.c, "a@x", INCOMING | UNARCHIVED)])
    store.mark_delivered(logs.b, 11)
    store.mark_undelivered(logs.b, [10])
    await store.flush()
    found = await store.logged(logs.a, _END, 10)
    assert [one.id for one in found] == [14, 13, 12, 11, 10]
    newest, abroad, waiting, delivered, lost = found
    assert (newest.peer, newest.peer_flags) == ("c@x", INCOMING | UNARCHIVED)
    assert (abroad.peer, abroad.flags, abroad.peer_mark, abroad.peer_flags) == (
        "z@elsewhere",
        OUTGOING,
        None,
        None,
    )
    assert (waiting.peer_mark, waiting.peer_flags) == (11, INCOMING)
    assert (delivered.peer_mark, delivered.stanza) == (11, b"<message>11</message>")
    assert lost.peer_flags == INCOMING | UNDELIVERED
    assert [one.id for one in await store.logged(logs.a, 13, 2)] == [12, 11]
    assert [one.id for one in await store.logged(logs.a, _END, 9, "c@x")] == [14]
    assert [(one.id, one.mark) for one in await store.logged(logs.b, _END, 1)] == [(12, 11)]
    await store.delete_account("c@x")
    assert (await store.logged(logs.a, _END, 1))[0].peer_mark is None


async def test_large_messages_are_told_in_several_parts(logs: Logs) -> None:
    large = b"<message>" + b"x" * 600_000 + b"</message>"
    for id in (10, 11, 12):
        await logs.appended(id, stanza=large)
    found, before = [], _END
    while page := await logs.store.logged(logs.a, before, 10):
        assert len(page) <= 2
        found += [one.id for one in page]
        before = page[-1].id
    assert found == [12, 11, 10]
