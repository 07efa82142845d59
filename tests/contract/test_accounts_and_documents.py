"""Accounts and the small values that features keep for them."""

from __future__ import annotations

import asyncio

from kith.base.slots import slot_of
from kith.ports.store import Document, Keys, LogQuery
from tests.contract.conftest import Backend
from tests.contract.logs import Logs


async def test_documents_come_in_the_order_of_their_last_write(logs: Logs) -> None:
    store = logs.store
    first = await store.put(logs.a, "roster", "x", b"1")
    second = await store.put(logs.a, "roster", "y", b"2")
    third = await store.put(logs.a, "roster", "x", b"3")
    assert first < second < third
    assert await store.documents(logs.a, "roster") == [
        Document("y", b"2", second),
        Document("x", b"3", third),
    ]
    assert await store.documents(logs.b, "roster") == []


async def test_several_spaces_are_read_in_one_look(logs: Logs) -> None:
    store = logs.store
    for space, key in (("b", "x"), ("a", "x"), ("b", "y"), ("c", "x"), ("b", "x")):
        await store.put(logs.a, space, key, key.encode())
    await store.put(logs.b, "a", "other", b"")
    found = await store.documents_of(logs.a, ["a", "b", "empty"])
    assert {space: [document.key for document in documents] for space, documents in found.items()} == {
        "a": ["x"],
        "b": ["y", "x"],
        "empty": [],
    }
    assert found["b"] == await store.documents(logs.a, "b")
    assert await store.documents_of(logs.a, []) == {}


async def test_a_seq_is_never_given_twice_even_after_removal_and_reopening(
    logs: Logs, backend: Backend
) -> None:
    seq = await logs.store.put(logs.a, "s", "k", b"")
    assert await logs.store.remove(logs.a, "s", "k") == 1
    await logs.store.close()
    logs.store = backend.store()
    await logs.store.open()
    assert await logs.store.put(logs.b, "s", "k", b"") > seq


async def test_a_document_is_only_replaced_if_it_is_the_one_that_was_read(logs: Logs) -> None:
    store = logs.store
    assert await store.put_if(logs.a, "s", "k", b"1", 7) == 0
    assert await store.document(logs.a, "s", "k") is None
    first = await store.put_if(logs.a, "s", "k", b"1", 0)
    assert await store.document(logs.a, "s", "k") == Document("k", b"1", first)
    assert await store.put_if(logs.a, "s", "k", b"2", 0) == 0
    second = await store.put_if(logs.a, "s", "k", b"2", first)
    assert second > first
    await store.remove(logs.a, "s", "k")
    assert await store.put_if(logs.a, "s", "k", b"3", second) == 0
    assert await store.documents(logs.a, "s") == []


async def test_removing_says_how_many_there_were(logs: Logs) -> None:
    for key in "xyz":
        await logs.store.put(logs.a, "s", key, b"")
    assert await logs.store.remove(logs.a, "s", "nothing") == 0
    assert await logs.store.remove(logs.a, "s", "x") == 1
    assert await logs.store.remove(logs.a, "s") == 2
    assert await logs.store.documents(logs.a, "s") == []


async def test_spaces_are_found_by_how_they_start(logs: Logs) -> None:
    for space in ["pep:a", "pep:b", "pepper", "roster", "pep%", "p"]:
        await logs.store.put(logs.a, space, "k", b"")
    assert await logs.store.spaces(logs.a, "pep:") == ["pep:a", "pep:b"]
    assert await logs.store.spaces(logs.a, "pep%") == ["pep%"]
    assert len(await logs.store.spaces(logs.a, "")) == 6
    await logs.store.remove(logs.a, "pep:a")
    assert await logs.store.spaces(logs.a, "pep:") == ["pep:b"]


async def test_creating_accounts_skips_those_that_exist(logs: Logs) -> None:
    assert await logs.store.create_accounts([("a@x", {}), ("n@x", {}), ("n@x", {})]) == ["n@x"]
    record = await logs.store.account("a@x")
    assert record is not None
    assert record.keys["SHA-256"] == Keys(b"s", b"t", b"u", 10_000)
    assert await logs.store.accounts() == ["a@x", "b@x", "c@x", "n@x"]


async def test_keys_of_a_known_account_can_be_changed(logs: Logs) -> None:
    keys = {"SHA-1": Keys(b"1", b"2", b"3", 1)}
    assert await logs.store.set_keys("a@x", keys)
    record = await logs.store.account("a@x")
    assert record is not None
    assert record.keys == keys
    assert not await logs.store.set_keys("nobody@x", keys)
    assert await logs.store.account("nobody@x") is None


async def test_keys_are_only_upgraded_if_they_are_those_that_were_read(logs: Logs) -> None:
    record = await logs.store.account("a@x")
    assert record is not None
    first, second = {"SHA-1": Keys(b"1", b"2", b"3", 1)}, {"SHA-1": Keys(b"4", b"5", b"6", 1)}
    assert await logs.store.upgrade_keys("a@x", record.keys, first)
    assert not await logs.store.upgrade_keys("a@x", record.keys, second)
    again = await logs.store.account("a@x")
    assert again is not None
    assert again.keys == first


async def test_an_account_comes_with_one_of_its_documents(logs: Logs) -> None:
    seq = await logs.store.put(logs.a, "s", f"k{logs.a}", b"mine")
    nobody = await logs.store.put(0, "s", "k0", b"nobody's")
    record, document = await logs.store.account_with("a@x", "s", lambda id: f"k{id}")
    assert record is not None
    assert (record.id, document) == (logs.a, Document(f"k{logs.a}", b"mine", seq))
    assert await logs.store.account_with("n@x", "s", lambda id: f"k{id}") == (
        *(None, Document("k0", b"nobody's", nobody)),
    )


async def test_what_is_put_soon_is_durable_before_whatever_is_queued_after_it(
    logs: Logs, backend: Backend
) -> None:
    logs.store.put_soon(logs.a, "s", "k", b"1")
    logs.append(1)
    await logs.store.flush()
    logs.store = await backend.crash(logs.store)
    await logs.store.open()
    assert await logs.ids(logs.a) == [1]
    document = await logs.store.document(logs.a, "s", "k")
    assert document is not None
    assert document.value == b"1"


async def test_an_account_keeps_its_log_and_documents_when_its_address_changes(logs: Logs) -> None:
    logs.append(1)
    await logs.store.put(logs.a, "s", "k", b"mine")
    logs.store.mark_delivered(logs.a, 1)
    assert not await logs.store.rename_account("a@x", "b@x")
    assert not await logs.store.rename_account("nobody@x", "n@x")
    assert await logs.store.rename_account("a@x", "n@x")
    assert await logs.account("n@x") == logs.a
    assert await logs.ids(logs.a) == [1]
    assert await logs.store.accounts() == ["a@x", "b@x", "c@x", "n@x"]
    heir = await logs.store.account("a@x")
    assert heir is not None
    assert heir.id not in (logs.a, logs.b, logs.c)
    assert heir.keys == {}
    assert await logs.ids(heir.id) == await logs.undelivered(heir.id) == []
    assert await logs.store.documents(heir.id, "s") == []


async def test_a_deleted_account_leaves_nothing_and_others_keep_their_copies(logs: Logs) -> None:
    store = logs.store
    for id in range(1, 4):
        logs.append(id)
    logs.append(4, owners=[(logs.a, "a@x", 1)])
    await store.put(logs.a, "s", "k", b"")
    await store.put(logs.b, "s", "k", b"")
    free: list[bool] = []

    async def ended() -> None:
        free.append(await store.account("a@x") is None)

    assert await store.delete_account("a@x", ended)
    assert free == [True]
    assert not await store.delete_account("a@x")
    assert await store.account("a@x") is None
    assert await store.documents(logs.a, "s") == []
    assert await store.count(LogQuery(logs.a)) == 0
    assert await logs.ids(logs.b) == [1, 2, 3]
    assert len(await store.documents(logs.b, "s")) == 1
    await store.create_accounts([("a@x", {})])
    assert await logs.account("a@x") != logs.a  # nobody inherits by number


async def test_a_space_is_taken_from_the_accounts_of_a_slot_and_is_there_once(logs: Logs) -> None:
    store = logs.store
    for account in (logs.a, logs.b):
        for key in ("x", "y"):
            await store.put(account, "sessions", key, key.encode())
    await store.put(logs.a, "roster", "x", b"")
    await store.put(0, "sessions", "old", b"")  # of the server itself, so of no account
    taken = await store.take("sessions", slot_of("a@x"))
    assert [(jid, document.key, document.value) for jid, document in taken] == [
        ("a@x", "x", b"x"),
        ("a@x", "y", b"y"),
    ]
    assert await store.documents(logs.a, "sessions") == []
    assert len(await store.documents(logs.b, "sessions")) == 2
    assert await store.take("sessions", slot_of("a@x")) == []
    assert {jid for jid, _ in await store.take("sessions", None)} == {"b@x"}
    assert await store.take("sessions", None) == []
    assert [document.key for document in await store.documents(logs.a, "roster")] == ["x"]


async def test_of_several_who_take_a_space_one_gets_it(logs: Logs) -> None:
    await logs.store.put(logs.a, "sessions", "x", b"")
    found = await asyncio.gather(*(logs.store.take("sessions", None) for _ in range(5)))
    assert sum(map(len, found)) == 1
