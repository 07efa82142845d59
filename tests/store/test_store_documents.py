"""Accounts and the small values that features keep for them."""

from __future__ import annotations

import time

from kith.ports.store import Document, Keys, LogQuery


async def test_documents_come_in_the_order_of_their_last_write(logs):
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


async def test_a_seq_is_never_given_twice_even_after_removal_and_reopening(logs):
    seq = await logs.store.put(logs.a, "s", "k", b"")
    assert await logs.store.remove(logs.a, "s", "k") == 1
    await logs.store.close()
    await logs.store.open()
    assert await logs.store.put(logs.b, "s", "k", b"") > seq


async def test_a_document_is_only_replaced_if_it_is_the_one_that_was_read(logs):
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


async def test_removing_says_how_many_there_were(logs):
    for key in "xyz":
        await logs.store.put(logs.a, "s", key, b"")
    assert await logs.store.remove(logs.a, "s", "nothing") == 0
    assert await logs.store.remove(logs.a, "s", "x") == 1
    assert await logs.store.remove(logs.a, "s") == 2
    assert await logs.store.documents(logs.a, "s") == []


async def test_spaces_are_found_by_how_they_start(logs):
    for space in ["pep:a", "pep:b", "pepper", "roster", "pep%", "p"]:
        await logs.store.put(logs.a, space, "k", b"")
    assert await logs.store.spaces(logs.a, "pep:") == ["pep:a", "pep:b"]
    assert await logs.store.spaces(logs.a, "pep%") == ["pep%"]
    assert len(await logs.store.spaces(logs.a, "")) == 6
    await logs.store.remove(logs.a, "pep:a")
    assert await logs.store.spaces(logs.a, "pep:") == ["pep:b"]


async def test_creating_accounts_skips_those_that_exist(logs):
    assert await logs.store.create_accounts([("a@x", {}), ("n@x", {}), ("n@x", {})]) == ["n@x"]
    record = await logs.store.account("a@x")
    assert record.keys["SHA-256"] == Keys(b"s", b"t", b"u", 10_000)
    assert await logs.store.accounts() == ["a@x", "b@x", "c@x", "n@x"]


async def test_keys_of_a_known_account_can_be_changed(logs):
    keys = {"SHA-1": Keys(b"1", b"2", b"3", 1)}
    assert await logs.store.set_keys("a@x", keys)
    assert (await logs.store.account("a@x")).keys == keys
    assert not await logs.store.set_keys("nobody@x", keys)
    assert await logs.store.account("nobody@x") is None


async def test_ten_thousand_accounts_are_created_in_a_second_or_so(logs):
    keys = {"SHA-1": Keys(b"s" * 16, b"k" * 20, b"k" * 20, 10_000)}
    began = time.perf_counter()
    created = await logs.store.create_accounts([(f"user{number}@x", keys) for number in range(10_000)])
    assert len(created) == 10_000
    assert time.perf_counter() - began < 3


async def test_a_deleted_account_leaves_nothing_and_others_keep_their_copies(logs):
    store = logs.store
    for id in range(1, 4):
        logs.append(id)
    logs.append(4, owners=[(logs.a, "a@x", 1)])
    await store.put(logs.a, "s", "k", b"")
    await store.put(logs.b, "s", "k", b"")
    assert await store.delete_account("a@x")
    assert not await store.delete_account("a@x")
    assert await store.account("a@x") is None
    assert await store.documents(logs.a, "s") == []
    assert await store.count(LogQuery(logs.a)) == 0
    assert [entry.id for entry in (await store.page(LogQuery(logs.b))).entries] == [1, 2, 3]
    assert len(await store.documents(logs.b, "s")) == 1
    assert await logs.stored("message") == 3
    await store.create_accounts([("a@x", {})])
    assert (await store.account("a@x")).id != logs.a  # nobody inherits by number
    await store.delete_account("b@x")
    assert await logs.stored("message") == 0
