"""A message is stored once, however often its sender tries (promise 2).

It is known by its sender's address, its recipient's and its origin, wherever it was tried before.
"""

from __future__ import annotations

import pytest

from kith.ports.store import INCOMING, OUTGOING, UNARCHIVED, Retries
from tests.contract.conftest import Backend
from tests.contract.logs import Logs

SAME_TEXT = Retries(lambda stored, new: stored in (b"", new), lambda key, stanza: key + stanza)


async def test_a_retry_in_a_later_commit_gets_the_first_id_and_stores_nothing(logs: Logs) -> None:
    assert await logs.appended(1, origin=b"o") is None
    assert await logs.appended(2, origin=b"o") == 1
    assert await logs.ids(logs.a) == await logs.ids(logs.b) == [1]


async def test_a_retry_in_the_same_commit_gets_the_first_id(logs: Logs) -> None:
    logs.append(1, origin=b"o")
    logs.append(2)
    logs.append(3, origin=b"o")
    await logs.store.flush()
    assert logs.answers == [(1, None, None), (2, None, None), (3, 1, None)]
    assert await logs.ids(logs.b) == [1, 2]


async def test_retries_among_new_messages_leave_the_new_ones_alone(logs: Logs) -> None:
    for id in range(1, 51):
        logs.append(id, origin=b"%d" % id)
    await logs.store.flush()
    logs.answers.clear()
    for id in range(101, 201):
        logs.append(id, origin=b"%d" % (id - 100))
    await logs.store.flush()
    assert logs.answers == [(id, id - 100 if id <= 150 else None, None) for id in range(101, 201)]
    assert len(await logs.ids(logs.b)) == 100


@pytest.mark.parametrize("other", [{"sender": "b@x"}, {"sender": "z@elsewhere"}, {"recipient": "c@x"}])
async def test_the_same_origin_of_another_sender_or_for_another_recipient_is_another_message(
    logs: Logs, other: dict[str, str]
) -> None:
    logs.append(1, origin=b"o")
    logs.append(2, origin=b"o", **other)
    await logs.store.flush()
    assert [existing for _, existing, _ in logs.answers] == [None, None]
    assert await logs.appended(3, origin=b"o", **other) == 2


async def test_addresses_and_origins_are_not_mixed_up(logs: Logs) -> None:
    """Whatever they are put together from, the parts of the key stay apart."""
    keys = [("z@e", "b@x", b"o"), ("z@", "eb@x", b"o"), ("z@e", "b@xo", b""), ("z@e\0b", "@x", b"o")]
    for id, (sender, recipient, origin) in enumerate(keys, 1):
        logs.append(
            id, [(logs.b, sender, INCOMING)], sender=sender, recipient=recipient, origin=origin or b"-"
        )
    await logs.store.flush()
    assert [existing for _, existing, _ in logs.answers] == [None] * len(keys)


@pytest.mark.parametrize("sender", ["a@x", "z@elsewhere"])
async def test_a_retry_is_known_after_the_power_went(logs: Logs, backend: Backend, sender: str) -> None:
    owners = [(logs.b, sender, INCOMING)]
    assert await logs.appended(1, owners, origin=b"o", sender=sender) is None
    logs.store = await backend.crash(logs.store)
    await logs.store.open()
    assert await logs.appended(2, owners, origin=b"o", sender=sender) == 1


async def test_a_retry_is_known_after_its_sender_has_changed_the_address(logs: Logs) -> None:
    """The old address is somebody else's from then on."""
    assert await logs.appended(1, origin=b"o") is None
    assert await logs.store.rename_account("a@x", "new@x")
    assert await logs.appended(2, origin=b"o", sender="new@x") == 1
    heir = [(await logs.account("a@x"), "b@x", 0), (logs.b, "a@x", INCOMING)]
    assert await logs.appended(3, heir, origin=b"o") is None


async def test_who_gets_the_address_of_a_deleted_account_is_not_taken_for_it(logs: Logs) -> None:
    assert await logs.appended(1, origin=b"1") is None
    assert await logs.store.delete_account("a@x")
    await logs.store.create_accounts([("a@x", {})])
    owners = [(await logs.account("a@x"), "b@x", 0), (logs.b, "a@x", INCOMING)]
    assert await logs.appended(2, owners, origin=b"1") is None
    assert await logs.ids(logs.b) == [1, 2]


@pytest.mark.parametrize("together", [True, False])
async def test_messages_with_one_origin_are_told_apart_by_what_they_say(logs: Logs, together: bool) -> None:
    """In one commit and in several, the first and each other one once."""
    stanzas = [b"one", b"two", b"one", b"two", b"three", b"two", b"three", b"one"]
    for id, stanza in enumerate(stanzas, 1):
        logs.append(id, stanza=stanza, origin=b"o", retries=SAME_TEXT)
        if not together:
            await logs.store.flush()
    await logs.store.flush()
    assert [existing for _, existing, error in logs.answers if error is None] == [
        *(None, None, 1, 2, None, 2, 5, 1)
    ]
    assert await logs.ids(logs.b) == [1, 2, 5]


async def test_a_stored_message_is_known_when_another_comes_before_its_retry(logs: Logs) -> None:
    """The two share a commit, and the stored one's origin with it."""
    await logs.appended(1, stanza=b"stored", origin=b"o", retries=SAME_TEXT)
    logs.answers.clear()
    logs.append(2, stanza=b"other", origin=b"o", retries=SAME_TEXT)
    logs.append(3, stanza=b"stored", origin=b"o", retries=SAME_TEXT)
    logs.append(4, stanza=b"other", origin=b"o", retries=SAME_TEXT)
    await logs.store.flush()
    assert logs.answers == [(2, None, None), (3, 1, None), (4, 2, None)]


async def test_what_was_kept_for_delivery_only_is_known_after_it_was_delivered(logs: Logs) -> None:
    """Of its text, nothing is left: `Retries.is_retry` gets an empty one."""
    owners = [(logs.b, "a@x", INCOMING | UNARCHIVED)]
    assert await logs.appended(1, owners, stanza=b"typed", origin=b"o", retries=SAME_TEXT) is None
    logs.store.mark_delivered(logs.b, 1)
    assert await logs.appended(2, owners, stanza=b"typed", origin=b"o", retries=SAME_TEXT) == 1
    assert await logs.undelivered(logs.b) == []
    assert await logs.store.forget_origins(2) == 1
    assert await logs.appended(3, owners, stanza=b"typed", origin=b"o", retries=SAME_TEXT) is None


async def test_origins_are_forgotten_after_a_while_and_messages_stay(logs: Logs) -> None:
    for id in range(1, 1301):
        logs.append(id, origin=b"%d" % id if id % 2 else None)
    await logs.store.flush()
    assert await logs.store.forget_origins(1101) == 550
    assert await logs.store.forget_origins(1101) == 0
    assert len(await logs.ids(logs.b)) == 1300
    assert await logs.appended(2001, origin=b"1099") is None
    assert await logs.appended(2002, origin=b"1101") == 1101
    assert await logs.store.forget_origins(1201) == 50


@pytest.mark.parametrize("together", [True, False])
async def test_a_message_enters_the_logs_of_two_owners_one_after_the_other(
    logs: Logs, together: bool
) -> None:
    """As two nodes write it that share a store: each log has it once, whoever comes first."""
    sent, received = [(logs.a, "b@x", OUTGOING)], [(logs.b, "a@x", INCOMING)]
    ids = iter(range(1, 100))
    for round in range(3):
        for owners in (sent, received, sent, received):
            logs.append(next(ids), owners, stanza=b"same", origin=b"o", retries=SAME_TEXT)
            if not together:
                await logs.store.flush()
        if round == 1:
            logs.store.handed_on(logs.a, [1])
    await logs.store.flush()
    assert [existing for _, existing, _ in logs.answers] == [None, None, *[1, 2] * 5]
    assert (await logs.ids(logs.a), await logs.ids(logs.b)) == ([1], [2])


@pytest.mark.parametrize("first", ["sent", "received"])
async def test_a_retry_that_one_owner_has_is_not_delivered_again_when_both_are_owned_here(
    logs: Logs, first: str
) -> None:
    """The outbox brings it to the recipient. The sender's own log gets what it lacks."""
    sent, received = [(logs.a, "b@x", OUTGOING)], [(logs.b, "a@x", INCOMING)]
    assert await logs.appended(1, sent if first == "sent" else received, origin=b"o") is None
    assert await logs.appended(2, origin=b"o") == 1
    assert await logs.ids(logs.b) == ([] if first == "sent" else [1])
    assert await logs.ids(logs.a) == ([1] if first == "sent" else [2])
    assert await logs.appended(3, origin=b"o") in (1, 2)
    assert await logs.ids(logs.a) == ([1] if first == "sent" else [2])
