"""Which devices are woken, each by itself, and how often; also over restarts."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kith.core.actors.account import Account
from kith.core.log.envelope import Envelope
from kith.core.routing.server_messages import ServerMessages
from kith.core.sessions.resumption import Resumption
from kith.push.carrier import Gone, Later
from kith.push.registration import SPACE
from kith.push.rules import ANSWER, BACKOFF, CALL_AGAIN, VISIT
from kith.wire.jid import parse_jid
from kith.wire.stanza import Stanza
from tests.clocks import SetClock
from tests.push.night import SOON, night

PROPOSE = "<propose xmlns='urn:xmpp:jingle-message:0' id='c'/>"


async def test_a_sleeping_device_is_woken_at_once_and_by_content_alone(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben = await n.person("ben/desktop")
        await n.sleeper("ada/phone")
        await n.write(ben, "ada", "<composing xmlns='http://jabber.org/protocol/chatstates'/>")
        await n.write(ben, "ada", "<received xmlns='urn:xmpp:receipts' id='m1'/>")
        await n.passes()
        assert n.carrier.woken == []
        await n.write(ben, "ada")
        assert n.carrier.woken == ["ada/phone"]


async def test_a_device_is_woken_once_until_it_was_here(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben = await n.person("ben/desktop")
        await n.sleeper("ada/phone")
        for _ in range(20):
            await n.write(ben, "ada")
        await n.passes()
        assert n.carrier.woken == ["ada/phone"]
        phone = await n.person("ada/phone")
        await n.leaves(phone)
        await n.passes()
        assert n.carrier.woken == []  # it has read everything
        await n.write(ben, "ada")
        assert n.carrier.woken == ["ada/phone"]


async def test_a_device_that_does_not_come_is_woken_again_for_something_new_after_a_while(
    tmp_path: Path,
) -> None:
    async with night(tmp_path) as n:
        ben = await n.person("ben/desktop")
        await n.sleeper("ada/phone")
        await n.write(ben, "ada")
        assert n.carrier.woken == ["ada/phone"]
        await n.passes(10 * BACKOFF[0])
        assert n.carrier.woken == []  # nothing new
        await n.write(ben, "ada")
        assert n.carrier.woken == ["ada/phone"]
        await n.write(ben, "ada")
        await n.passes(BACKOFF[1] / 2)
        assert n.carrier.woken == []
        await n.passes(BACKOFF[1])
        assert n.carrier.woken == ["ada/phone"]


async def test_a_call_wakes_a_device_that_was_woken_for_messages(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben = await n.person("ben/desktop")
        await n.sleeper("ada/phone")
        await n.write(ben, "ada")
        await n.passes(CALL_AGAIN)
        n.carrier.pushes.clear()
        await n.write(ben, "ada", PROPOSE)
        assert [wake.call for _, wake in n.carrier.pushes] == [True]


async def test_a_call_that_was_answered_elsewhere_wakes_nobody(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben, desktop = await n.person("ben/desktop"), await n.person("ada/desktop")
        phone = await n.person("ada/phone")
        await n.sleeper("ada/phone")
        await n.write(ben, "ada", PROPOSE)
        await n.write(desktop, "ada", "<accept xmlns='urn:xmpp:jingle-message:0' id='c'/>")
        await n.acknowledges(desktop)
        await n.passes()
        assert n.carrier.woken == []
        assert phone.sm is not None


async def test_a_sleeping_phone_is_woken_although_a_desktop_is_in_use(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben, desktop = await n.person("ben/desktop"), await n.person("ada/desktop")
        await n.sleeper("ada/phone")
        await n.write(ben, "ada")
        await n.acknowledges(desktop)
        assert n.carrier.woken == []
        await n.passes()
        assert n.carrier.woken == ["ada/phone"]


async def test_a_message_that_was_read_on_the_desktop_wakes_nobody(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben, desktop = await n.person("ben/desktop"), await n.person("ada/desktop")
        await n.sleeper("ada/phone")
        first = await n.write(ben, "ada")
        await n.write(desktop, "ben", f"<displayed xmlns='urn:xmpp:chat-markers:0' id='{first}'/>")
        await n.passes()
        assert n.carrier.woken == []
        await n.write(ben, "ada")
        await n.write(ben, "ada")
        await n.write(desktop, "ben", f"<displayed xmlns='urn:xmpp:chat-markers:0' id='{first}'/>")
        await n.passes()
        assert n.carrier.woken == ["ada/phone"]  # only the first one was read


async def test_a_read_mark_in_another_chat_does_not_keep_a_phone_asleep(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben, eve = await n.person("ben/desktop"), await n.person("eve/desktop")
        desktop = await n.person("ada/desktop")
        await n.sleeper("ada/phone")
        first = await n.write(ben, "ada")
        await n.write(eve, "ada")
        await n.write(desktop, "ben", f"<displayed xmlns='urn:xmpp:chat-markers:0' id='{first}'/>")
        await n.passes()
        assert n.carrier.woken == ["ada/phone"]


async def test_who_answers_on_the_desktop_has_read(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben, desktop = await n.person("ben/desktop"), await n.person("ada/desktop")
        await n.sleeper("ada/phone")
        await n.write(ben, "ada")
        await n.write(desktop, "ben")
        await n.passes()
        assert n.carrier.woken == []


async def test_a_mark_of_how_far_a_chat_was_shown_keeps_the_phone_asleep(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben, desktop = await n.person("ben/desktop"), await n.person("ada/desktop")
        await n.sleeper("ada/phone")
        n.there.heard(desktop)
        await n.write(ben, "ada")
        got = next(one for one in n.there.heard(desktop) if one.kind == "message")
        stanza_id = got.child("{urn:xmpp:sid:0}stanza-id")
        assert stanza_id is not None
        await n.there.says(
            desktop,
            "<iq type='set' id='mds'><pubsub xmlns='http://jabber.org/protocol/pubsub'>"
            "<publish node='urn:xmpp:mds:displayed:0'><item id='ben@localhost'>"
            "<displayed xmlns='urn:xmpp:mds:displayed:0'>"
            f"<stanza-id xmlns='urn:xmpp:sid:0' id='{stanza_id.get('id')}' by='ada@localhost'/>"
            "</displayed></item></publish></pubsub></iq>",
        )
        await n.passes()
        assert n.carrier.woken == []


async def test_a_device_whose_connection_answers_is_not_woken(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben, phone = await n.person("ben/desktop"), await n.person("ada/phone")
        await n.sleeper("ada/phone")
        await n.write(ben, "ada")
        await n.passes(ANSWER / 2)
        await n.acknowledges(phone)
        await n.passes(10 * ANSWER)
        assert n.carrier.woken == []


async def test_a_device_whose_connection_only_looks_alive_is_woken(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben = await n.person("ben/desktop")
        await n.person("ada/phone")
        await n.sleeper("ada/phone")
        await n.write(ben, "ada")
        await n.passes(ANSWER - 1)
        assert n.carrier.woken == []
        await n.passes(2)
        assert n.carrier.woken == ["ada/phone"]


async def test_an_inactive_device_that_answers_is_not_woken_and_one_that_does_not_is_sooner(
    tmp_path: Path,
) -> None:
    async with night(tmp_path) as n:
        ben, phone = await n.person("ben/desktop"), await n.person("ada/phone")
        await n.sleeper("ada/phone")
        await n.there.says(phone, "<inactive xmlns='urn:xmpp:csi:0'/>")
        await n.write(ben, "ada")
        await n.acknowledges(phone)
        await n.passes()
        assert n.carrier.woken == []
        await n.write(ben, "ada")
        await n.passes(ANSWER - 5)
        assert n.carrier.woken == ["ada/phone"]


async def test_a_device_that_resumes_is_not_woken_for_what_it_then_gets(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben, phone = await n.person("ben/desktop"), await n.person("ada/phone")
        await n.sleeper("ada/phone")
        sink = phone.sink
        n.vanishes(phone)
        n.there.node.get(Resumption)._tokens["token-ada/phone"] = phone
        await n.write(ben, "ada")
        assert n.carrier.woken == []  # it may have changed the network
        session = await n.there.node.sessions.resume(phone.account, "token-ada/phone", "0")
        session.sink = sink
        n.there.node.sessions.resumed(session)
        await n.acknowledges(session)
        await n.passes()
        assert n.carrier.woken == []


async def test_each_device_is_woken_by_itself(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben, tablet = await n.person("ben/desktop"), await n.person("ada/tablet")
        for device in ("phone", "tablet", "watch"):
            await n.sleeper(f"ada/{device}")
        await n.write(ben, "ada")
        await n.acknowledges(tablet)
        await n.passes()
        assert sorted(n.carrier.woken) == ["ada/phone", "ada/watch"]


async def test_what_one_has_written_oneself_wakes_no_other_device(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        desktop = await n.person("ada/desktop")
        await n.person("ben/desktop")
        await n.sleeper("ada/phone")
        await n.write(desktop, "ben")
        await n.write(desktop, "ada")
        await n.passes()
        assert n.carrier.woken == []


async def test_a_device_that_reads_its_log_and_leaves_is_woken_for_what_came_in_between(
    tmp_path: Path,
) -> None:
    async with night(tmp_path) as n:
        ben = await n.person("ben/desktop")
        await n.sleeper("ada/phone")
        await n.write(ben, "ada")
        assert n.carrier.woken == ["ada/phone"]
        phone = await n.there.session("ada/phone", presence=False)  # as a service worker does
        await n.there.says(phone, "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>")
        await n.write(ben, "ada")
        await n.passes()
        assert n.carrier.woken == []  # it is still here
        await n.leaves(phone)
        assert n.carrier.woken == ["ada/phone"]


async def test_a_visitor_that_vanishes_without_a_farewell_is_woken_again(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben = await n.person("ben/desktop")
        await n.sleeper("ada/phone")
        await n.write(ben, "ada")
        phone = await n.there.session("ada/phone", presence=False)
        await n.there.says(phone, "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>")
        n.carrier.pushes.clear()
        await n.write(ben, "ada")
        await n.passes(VISIT + 1)  # the system has frozen it; its connection still looks alive
        assert n.carrier.woken == ["ada/phone"]


async def test_whoever_gets_the_address_of_a_removed_account_does_not_get_its_devices(
    tmp_path: Path,
) -> None:
    async with night(tmp_path) as n:
        ben = await n.person("ben/desktop")
        await n.sleeper("ada/phone")
        account = n.there.node.accounts.get("ada@localhost")
        assert account is not None
        n.there.node.accounts.drop(account)
        assert await n.there.node.store.delete_account("ada@localhost")
        await n.there.node.store.create_accounts([("ada@localhost", {})])
        await n.write(ben, "ada")
        await n.passes()
        assert n.carrier.woken == []
        account = await n.there.node.accounts.load("ada@localhost")
        assert account is not None
        assert n.pushing.registered(account.id) == []


async def test_a_registration_that_the_service_does_not_know_any_more_ends(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben = await n.person("ben/desktop")
        await n.sleeper("ada/phone")
        n.carrier.failure = Gone("no such thing")
        await n.write(ben, "ada")
        ada = await n.there.node.accounts.load("ada@localhost")
        assert ada is not None
        assert ada.waking is None
        assert await n.there.node.store.documents(ada.id, SPACE) == []


async def test_registrations_that_two_remove_at_once_end_without_an_error(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        for device in ("phone", "tablet"):
            await n.sleeper(f"ada/{device}")
        ada = await n.there.node.accounts.load("ada@localhost")
        assert ada is not None
        ids = [one.id for one in n.pushing.registered(ada.id)]
        removing = (n.pushing.unregister(ada.id, ids) for _ in range(2))
        assert sum(await asyncio.gather(*removing)) == 2
        assert ada.waking is None
        assert await n.there.node.store.documents(ada.id, SPACE) == []


async def test_a_service_that_refuses_for_now_is_asked_again_when_it_wants(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben = await n.person("ben/desktop")
        await n.sleeper("ada/phone")
        n.carrier.failure = Later("busy", 120.0)
        await n.write(ben, "ada")
        n.carrier.failure = None
        await n.passes(100)
        assert n.carrier.woken == []
        await n.passes(30)
        assert n.carrier.woken == ["ada/phone"]
        await n.passes(1000)
        assert n.carrier.woken == []


async def test_a_device_that_was_revoked_is_not_woken(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben = await n.person("ben/desktop")
        await n.sleeper("ada/phone", device="0123456789abcdef")  # no such device
        await n.write(ben, "ada")
        assert n.carrier.woken == []
        assert n.pushing.count == 0


async def test_what_the_server_itself_writes_wakes_a_device(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        await n.sleeper("ada/phone")
        account = await n.there.node.accounts.load("ada@localhost")
        assert account is not None
        n.there.node.get(ServerMessages).tell(account, "your code was asked for")
        await n.there.settle()
        assert n.carrier.woken == ["ada/phone"]


async def test_a_message_to_an_account_that_just_left_the_memory_wakes_its_devices(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben = await n.person("ben/desktop")
        await n.sleeper("ada/phone")
        ben.receive(
            Stanza.from_bytes(b"<message to='ada@localhost' type='chat'><body>hello</body></message>")
        )
        account = n.there.node.accounts.get("ada@localhost")
        assert account is not None
        n.there.node.accounts.drop(account)
        await n.there.settle()
        assert n.carrier.woken == ["ada/phone"]


async def test_a_service_that_wants_to_be_left_alone_is_so_although_the_device_was_here(
    tmp_path: Path,
) -> None:
    async with night(tmp_path) as n:
        ben = await n.person("ben/desktop")
        await n.sleeper("ada/phone")
        n.carrier.failure = Later("too many requests", 3600.0)
        await n.write(ben, "ada")
        n.carrier.failure = None
        phone = await n.person("ada/phone")
        await n.leaves(phone)
        await n.write(ben, "ada")
        await n.passes(1800)
        assert n.carrier.woken == []
        await n.passes(1800)
        assert n.carrier.woken == ["ada/phone"]


async def test_what_one_device_has_got_does_not_wake_it_because_another_one_has_not(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben, phone = await n.person("ben/desktop"), await n.person("ada/phone")
        for device in ("phone", "tablet"):
            await n.sleeper(f"ada/{device}")
        await n.write(ben, "ada")
        await n.acknowledges(phone)
        await n.leaves(phone)
        await n.passes()
        assert n.carrier.woken == ["ada/tablet"]
        await n.write(ben, "ada")
        await n.passes()
        assert n.carrier.woken == ["ada/phone"]


async def test_a_device_that_connects_and_says_nothing_was_not_here(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben = await n.person("ben/desktop")
        await n.sleeper("ada/phone")
        await n.write(ben, "ada")
        await n.leaves(await n.there.session("ada/phone", presence=False))
        n.carrier.pushes.clear()
        await n.write(ben, "ada")
        assert n.carrier.woken == []
        await n.passes(BACKOFF[0])
        assert n.carrier.woken == ["ada/phone"]


async def test_a_device_that_has_lost_its_connection_a_while_ago_is_woken_at_once(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben, phone = await n.person("ben/desktop"), await n.person("ada/phone")
        await n.sleeper("ada/phone")
        n.vanishes(phone)
        await n.passes(60)
        await n.write(ben, "ada")
        assert n.carrier.woken == ["ada/phone"]


async def test_a_read_mark_counts_in_its_own_chat_alone(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben, eve = await n.person("ben/desktop"), await n.person("eve/desktop")
        desktop = await n.person("ada/desktop")
        await n.sleeper("ada/phone")
        text = "<message to='ada@localhost' type='chat' id='same'><body>hello</body></message>"
        await n.there.says(eve, text)
        await n.there.says(ben, text)
        await n.write(desktop, "ben", "<displayed xmlns='urn:xmpp:chat-markers:0' id='same'/>")
        await n.passes()
        assert [wake.count for _, wake in n.carrier.pushes] == [1]  # for eve's


async def test_one_push_is_on_its_way_to_a_device_at_a_time(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben = await n.person("ben/desktop")
        await n.sleeper("ada/phone")
        answered, asked = asyncio.Event(), 0

        async def slow(owner: str, registration: object, wake: object) -> None:
            nonlocal asked
            asked += 1
            await answered.wait()

        n.carrier.push = slow  # type: ignore[method-assign]
        n.there.rest()
        n.there._always += 1
        await n.write(ben, "ada")
        n.clock.forward(CALL_AGAIN)
        await n.write(ben, "ada", PROPOSE)
        assert asked == 1
        answered.set()
        n.there._always -= 1
        await n.there.settle()
        assert asked == 2  # the call came after it


async def test_a_device_that_comes_before_its_push_has_left_is_not_woken(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben = await n.person("ben/desktop")
        await n.sleeper("ada/phone")
        n.pushing._gate = asyncio.Semaphore(0)  # others are before it
        n.there._always += 1
        await n.write(ben, "ada")
        phone = await n.person("ada/phone")
        await n.leaves(phone)
        n.pushing._gate.release()
        n.there._always -= 1
        await n.there.settle()
        assert n.carrier.woken == []


async def test_a_night_of_messages_takes_bounded_memory(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben = await n.person("ben/desktop")
        await n.sleeper("ada/phone")
        for _ in range(100):
            await n.write(ben, "ada")
        assert len(next(iter(n.pushing._sleepers.values()))._messages) <= 64
        assert n.carrier.woken == ["ada/phone"]


async def test_a_service_that_works_again_begins_anew(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben = await n.person("ben/desktop")
        await n.sleeper("ada/phone")
        for _ in range(3):
            n.carrier.failure = Later("busy")
            await n.write(ben, "ada")
            n.carrier.failure = None
            await n.passes(31)
            assert n.carrier.woken == ["ada/phone"]
            await n.leaves(await n.person("ada/phone"))


async def test_devices_move_with_their_account_to_another_address(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben = await n.person("ben/desktop")
        await n.sleeper("ada/phone")
        node = n.there.node
        before = node.accounts.get("ada@localhost")
        assert before is not None
        assert await node.store.rename_account("ada@localhost", "eva@localhost")
        node.accounts.drop(before)
        node.accounts.appeared("eva@localhost")
        account, left = await node.accounts.load("eva@localhost"), await node.accounts.load("ada@localhost")
        assert account is not None
        assert left is not None
        await node.hooks.account_moved(account, left)
        await n.write(ben, "ada")
        assert n.carrier.woken == []
        await n.write(ben, "eva")
        assert n.carrier.woken == ["ada/phone"]
        phone = await n.person("eva/phone")
        await n.write(ben, "eva")
        await n.acknowledges(phone)
        await n.passes(10 * BACKOFF[0])
        assert n.carrier.woken == []


# -- restarts ------------------------------------------------------------------------------------------------


async def test_what_was_not_pushed_before_a_kill_is_pushed_after_it(tmp_path: Path) -> None:
    clock = SetClock()
    async with night(tmp_path, clock=clock) as n:
        ben = await n.person("ben/desktop")
        await n.sleeper("ada/phone")
        n.pushing.wake = lambda *what: None  # type: ignore[method-assign]  # killed before it does
        await n.write(ben, "ada")
    async with night(tmp_path, clock=clock) as n:
        assert n.carrier.woken == []  # devices that were connected are given a moment
        await n.passes()
        assert n.carrier.woken == ["ada/phone"]


async def test_a_damaged_registration_keeps_nobody_else_asleep_after_a_restart(tmp_path: Path) -> None:
    clock = SetClock()
    async with night(tmp_path, clock=clock) as n:
        store = n.there.node.store
        await store.create_accounts([("aaron@localhost", {})])  # is read first
        aaron = await store.account("aaron@localhost")
        assert aaron is not None
        await store.put(aaron.id, SPACE, "damaged", b"\xc1")
        await n.sleeper("ada/phone")
    async with night(tmp_path, clock=clock) as n:
        ben = await n.person("ben/desktop")
        await n.passes()
        await n.write(ben, "ada")
        assert n.carrier.woken == ["ada/phone"]
        await n.write(ben, "aaron")
        assert n.pushing.registered(aaron.id) == []


async def test_what_came_before_a_device_has_registered_never_wakes_it(tmp_path: Path) -> None:
    clock = SetClock()
    async with night(tmp_path, clock=clock) as n:
        ben = await n.person("ben/desktop")
        await n.leaves(await n.person("ada/phone"))
        await n.write(ben, "ada")
        clock.forward(1)
        await n.sleeper("ada/phone")
    async with night(tmp_path, clock=clock) as n:
        await n.passes(60)
        assert n.carrier.woken == []


async def test_what_was_pushed_before_a_restart_is_not_pushed_after_it(tmp_path: Path) -> None:
    clock = SetClock()
    async with night(tmp_path, clock=clock) as n:
        ben = await n.person("ben/desktop")
        await n.sleeper("ada/phone")
        await n.write(ben, "ada")
        assert n.carrier.woken == ["ada/phone"]
    async with night(tmp_path, clock=clock) as n:
        await n.passes(3 * BACKOFF[0])
        assert n.carrier.woken == []
        ben = await n.person("ben/desktop")
        await n.write(ben, "ada")
        await n.passes()
        assert n.carrier.woken == ["ada/phone"]


async def test_after_a_kill_during_a_push_the_device_is_woken_again_only_if_it_does_not_come(
    tmp_path: Path,
) -> None:
    for name, comes in (("comes", True), ("stays", False)):
        (tmp_path / name).mkdir()
        clock = SetClock()
        async with night(tmp_path / name, clock=clock) as n:
            ben = await n.person("ben/desktop")
            await n.sleeper("ada/phone")

            async def killed(owner: str, registration: object, wake: object) -> None:
                raise RuntimeError("killed")

            n.carrier.push = killed  # type: ignore[method-assign]
            n.pushing.changed = lambda *what: None  # type: ignore[method-assign]
            await n.write(ben, "ada")
        async with night(tmp_path / name, clock=clock) as n:
            await n.passes(SOON)
            assert n.carrier.woken == []
            if comes:
                phone = await n.person("ada/phone")
                await n.leaves(phone)
            await n.passes(60)
            assert n.carrier.woken == ([] if comes else ["ada/phone"])


async def test_what_a_device_has_got_before_a_restart_does_not_wake_it_after(tmp_path: Path) -> None:
    clock = SetClock()
    async with night(tmp_path, clock=clock) as n:
        ben, phone = await n.person("ben/desktop"), await n.person("ada/phone")
        await n.person("ada/desktop")
        await n.sleeper("ada/phone")
        await n.write(ben, "ada")
        await n.acknowledges(phone)
        await n.passes(1)
        await n.passes(ANSWER)
    async with night(tmp_path, clock=clock) as n:
        await n.passes(60)
        assert n.carrier.woken == []


async def test_a_message_to_somebody_who_registered_nothing_does_not_load_their_account(
    tmp_path: Path,
) -> None:
    async with night(tmp_path) as n:
        await n.sleeper("ada/phone")
        node = n.there.node
        await node.store.create_accounts([("cleo@localhost", {})])
        node.accounts.appeared("cleo@localhost")
        loaded: list[str] = []
        load = n.pushing._accounts.load

        async def noted(jid: str) -> Account | None:
            loaded.append(jid)
            return await load(jid)

        n.pushing._accounts.load = noted  # type: ignore[method-assign]
        for number, to in enumerate(("cleo@localhost", "ada@localhost"), 1):
            stanza = Stanza.build("message", {"type": "chat", "to": to, "id": str(number)})
            n.pushing._unloaded(Envelope(number, b"", stanza, parse_jid(to), None))
        await n.there.settle()
        assert loaded == ["ada@localhost"]


async def test_a_call_of_somebody_blocked_wakes_nobody(tmp_path: Path) -> None:
    async with night(tmp_path) as n:
        ben, phone = await n.person("ben/desktop"), await n.person("ada/desktop")
        await n.sleeper("ada/phone")
        block = "<block xmlns='urn:xmpp:blocking'><item jid='ben@localhost'/></block>"
        await n.there.says(phone, f"<iq type='set' id='b'>{block}</iq>")
        await n.leaves(phone)
        await n.write(ben, "ada", PROPOSE)
        await n.passes()
        assert n.carrier.woken == []
        cyd = await n.person("cyd/desktop")
        await n.write(cyd, "ada", PROPOSE)
        assert n.carrier.woken == ["ada/phone"]
