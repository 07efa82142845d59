"""What accounts cost, and what a deleted one leaves in the tables."""

from __future__ import annotations

from kith.ports.store import Keys
from tests.store.conftest import Logs


async def test_ten_thousand_accounts_are_created_in_a_transaction_together(logs: Logs) -> None:
    keys = {"SHA-1": Keys(b"s" * 16, b"k" * 20, b"k" * 20, 10_000)}
    assert logs.store._writer is not None
    before = logs.store._writer.transactions.count
    created = await logs.store.create_accounts([(f"user{number}@x", keys) for number in range(10_000)])
    assert len(created) == 10_000
    # a few, since the store may do something by itself at the same time, but not one for each
    assert logs.store._writer.transactions.count < before + 5


async def test_the_messages_of_deleted_accounts_go_with_the_last_log_that_holds_them(logs: Logs) -> None:
    for id in range(1, 4):
        logs.append(id)
    logs.append(4, owners=[(logs.a, "a@x", 1)])
    await logs.store.delete_account("a@x")
    assert await logs.stored("message") == 3
    await logs.store.delete_account("b@x")
    assert await logs.stored("message") == 0
