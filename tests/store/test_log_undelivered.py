"""What was kept for delivery only leaves nothing in the tables once it was delivered."""

from __future__ import annotations

from kith.ports.store import INCOMING, UNARCHIVED
from tests.store.conftest import Logs


async def test_what_was_delivered_goes_when_no_other_log_holds_it(logs: Logs) -> None:
    logs.append(1, owners=[(logs.b, "a@x", INCOMING | UNARCHIVED)])
    logs.append(2, owners=[(logs.a, "b@x", 0), (logs.b, "a@x", INCOMING | UNARCHIVED)])
    logs.append(3)
    await logs.store.flush()
    logs.store.mark_delivered(logs.b, 2)
    assert await logs.stored("message") == 2  # a's log holds 2 still
    assert await logs.stored("log") == 3


async def test_what_came_late_goes_as_well(logs: Logs) -> None:
    logs.append(1, owners=[(logs.b, "a@x", INCOMING | UNARCHIVED)])
    logs.store.mark_undelivered(logs.b, [1])
    logs.store.mark_delivered(logs.b, 5)
    await logs.store.flush()
    logs.store.mark_delivered(logs.b, 5, [1])
    assert await logs.stored("message") == 0
    assert await logs.stored("log") == 0


async def test_of_what_has_a_key_the_key_stays_until_origins_are_forgotten(logs: Logs) -> None:
    logs.append(1, owners=[(logs.b, "a@x", INCOMING | UNARCHIVED)], origin=b"o", stanza=b"<message>secret")
    logs.store.mark_delivered(logs.b, 1)
    assert await logs.stored("log") == 0
    assert await logs.stored("message WHERE stanza = x'' AND holders = 0") == 1
    assert await logs.store.forget_origins(2) == 1
    assert await logs.stored("message") == 0
