"""Messages to groups while members and connections change: none is lost or comes twice, in one order."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

import pytest

from kith.client import Client, Link, MessageHealed, State
from tests.client.conftest import People, event, receive, until
from tests.client.test_groups import texts, three

_OMEMO = "{eu.siacs.conversations.axolotl}"


async def device_of(client: Client) -> str:
    this, _ = await client._encryption.sessions.get_own_device_information()
    return str(this.device_id)


def watch(client: Client, monkeypatch: pytest.MonkeyPatch) -> list[list[Element]]:
    """What a client sends to groups from now on: the children of each stanza."""
    sent: list[list[Element]] = []
    send = client._outbox._in_flight.send

    def note(self: object, peer: str, id: str, children: list[Element], *more: Any) -> None:
        if more[1:] == ("groupchat",):
            sent.append(children)
        send(peer, id, children, *more)

    monkeypatch.setattr(type(client._outbox._in_flight), "send", note)
    return sent


def keys(children: list[Element]) -> set[str | None]:
    return {key.get("rid") for child in children for key in child.iter(f"{_OMEMO}key")}


async def test_a_message_for_members_of_before_is_encrypted_anew_and_keeps_its_place(
    people: People,
) -> None:
    ada, ben, cyd, group = await three(people)
    dan = await people.open(people.account("dan"))
    await ben.add_members(group, dan.jid)
    await until(lambda: ada.group(group).member(dan.jid))
    # Ada has not heard of Dan yet.
    sql = ada._db.sql
    sql.execute("UPDATE groups SET number = number - 1, wanted = number - 1 WHERE jid = ?", (group,))
    sql.execute("DELETE FROM group_members WHERE jid = ?", (dan.jid,))
    ada._db.commit()
    bodies = [str(number) for number in range(20)]
    for body in bodies:
        await ada.send(group, body)
    for client in (ben, cyd, dan):
        got = await receive(client, 20)
        assert [message.body for message in got] == bodies
        assert all(message.encrypted for message in got)
    await until(lambda: ada.queued() == 0)
    assert {message.state for message in ada.history(group) if not message.change} == {State.SENT}


async def test_messages_of_a_group_keep_their_order_while_members_come_and_go(people: People) -> None:
    ada, ben, cyd, group = await three(people)
    dan = await people.open(people.account("dan"))
    for number in range(4):
        for part in range(4):
            await ada.send(group, f"ada {number}.{part}")
        if number % 2:
            await ben.send(group, f"ben {number}")
            await ada.remove_members(group, dan.jid)
        else:
            await ben.add_members(group, dan.jid)
    await until(lambda: ada.queued() == ben.queued() == 0)
    mine = [f"ada {number}.{part}" for number in range(4) for part in range(4)]
    for client in (ada, ben, cyd):
        await until(lambda: len(texts(client, group)) == 18)  # noqa: B023
        assert [text for text in texts(client, group) if text.startswith("ada")] == mine
    assert texts(ada, group) == texts(ben, group) == texts(cyd, group)
    assert all(message.error is None for message in dan.history(group, limit=200))


async def test_a_sender_whose_connection_breaks_sends_everything_once(people: People) -> None:
    ada, ben, cyd, group = await three(people)
    cable = await people.cable()
    await ada.close()
    async with people.device(ada.jid, port=cable.port) as again:
        bodies = [str(number) for number in range(30)]
        for number, body in enumerate(bodies):
            await again.send(group, body)
            if number % 10 == 5:
                cable.cut()
        assert [message.body for message in await receive(ben, 30)] == bodies
        await until(lambda: again.queued() == 0)
        assert texts(again, group) == texts(cyd, group) == bodies


async def test_a_message_that_waited_for_a_restart_is_for_the_members_of_now(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, ben, cyd, group = await three(people)
    cable = await people.cable()
    await ada.close()
    async with people.device(ada.jid, port=cable.port) as offline:
        await offline.send(group, "arrives", wait=State.SENT)
        cable.swallowing = True
        await offline.send(group, "written before")  # encrypted, sent, and lost on the way
        cable.unplug()
        await until(lambda: offline.link is not Link.ONLINE)
        await offline.send(group, "written offline")
    await cyd.leave_group(group)
    dan = await people.open(people.account("dan"))
    await ben.add_members(group, dan.jid)
    back = people.device(ada.jid)
    async with back:
        for client in (ben, dan):
            await until(lambda: texts(client, group)[-2:] == ["written before", "written offline"])  # noqa: B023
        await until(lambda: back.queued() == 0)
    assert texts(dan, group) == ["written before", "written offline"]
    assert texts(cyd, group) == ["arrives"]


async def test_whoever_was_removed_gets_no_keys(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, ben, cyd, group = await three(people)
    sent = watch(ada, monkeypatch)
    await ada.send(group, "for all", wait=State.SENT)
    devices = {client.jid: await device_of(client) for client in (ben, cyd)}
    assert keys(sent[-1]) == set(devices.values())
    await ada.remove_members(group, cyd.jid)
    await ada.send(group, "for Ben", wait=State.SENT)
    assert keys(sent[-1]) == {devices[ben.jid]}


async def test_a_broken_session_heals_in_the_place_of_the_message(people: People) -> None:
    ada, ben, _, group = await three(people)
    await ada.send(group, "one")
    await receive(ben)
    device = await device_of(ada)
    ben._db.sql.execute("DELETE FROM keys WHERE key LIKE ?", (f"/eu.siacs%/{ada.jid}/{device}/%",))
    ben._db.commit()
    ben._encryption.storage._forget()
    events = ben.events()
    await ada.send(group, "two")
    await ada.send(group, "three")
    healed = await event(events, MessageHealed)
    assert (healed.message.peer, healed.message.author) == (group, ada.jid)
    await until(lambda: texts(ben, group) == ["one", "two", "three"])
    assert [message.body for message in ben.history(ada.jid)] == []


async def test_nobody_is_sent_again_what_was_said_before_they_came(people: People) -> None:
    ada, _, _, group = await three(people)
    secret = await ada.send(group, "before Dan", wait=State.SENT)
    dan = await people.open(people.account("dan"))
    await ada.add_members(group, dan.jid)
    after = await ada.send(group, "after", wait=State.SENT)
    await receive(dan)
    device = int(await device_of(dan))
    assert ada._healing._requested(dan.jid, after.id, group) is not None
    assert ada._healing._requested(dan.jid, secret.id, group) is None
    dan._healing.on_unreadable(ada.jid, int(await device_of(ada)), secret.id, False, group)
    dan._db.commit()
    assert device
    await ada.send(group, "still nothing")
    await receive(dan)
    assert "before Dan" not in texts(dan, group)


async def test_a_message_said_to_one_alone_is_not_put_into_the_group(people: People) -> None:
    ada, ben, _, group = await three(people)
    sent = await ada.send(group, "said to all", wait=State.SENT)
    await receive(ben)
    device = int(await device_of(ben))
    element, key = await ada._key_work.run(
        ada._encryption.encrypt_with_key(ben.jid, device, "said to Ben alone")
    )
    ada._db.commit()
    children = ada._group_parts.content.resent(sent, element, key, "new", "unknown-id")
    ada._healing._send(ben.jid, children)
    await ada.send(group, "the next")
    assert [message.body for message in await receive(ben)] == ["the next"]
    assert ben.history(ada.jid) == []
