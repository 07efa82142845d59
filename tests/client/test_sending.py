"""What can't be sent is refused, ends nothing, and holds up nobody."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

import pytest

from kith.client import BadCharacters, Client, ConnectionChanged, Link, NotSent, State, TooLarge
from kith.client.message import Draft, Message, Trust
from kith.client.outbox import Outbox
from kith.client.unacknowledged import Unacknowledged
from tests.client.conftest import People, receive, until


@pytest.mark.parametrize("body", ["a\x00b", "\x1b[31mred", "half \ud800 of a pair", "\ufffe"])
async def test_characters_that_xml_does_not_have_are_refused_before_anything_is_stored(
    people: People, body: str
) -> None:
    ada = await people.open(people.account("ada"))
    for encrypted in (True, False):
        with pytest.raises(BadCharacters, match=r"U\+"):
            await ada.send("ben@localhost", body, encrypted=encrypted)
    assert ada.history("ben@localhost") == []
    assert ada.queued() == 0
    with pytest.raises(BadCharacters):
        await ada.add_contact("ben@localhost", body)
    assert ada.link is Link.ONLINE


async def test_a_message_that_is_too_large_is_refused_and_the_largest_one_arrives(people: People) -> None:
    ada, ben = await people.open(people.account("ada")), await people.open(people.account("ben"))
    for encrypted in (True, False):
        most = ada.largest_text(encrypted)
        with pytest.raises(TooLarge, match=f"{most} at most"):
            await ada.send(ben.jid, "ä" * (most // 2 + 1), encrypted=encrypted)
        await ada.send(ben.jid, "x" * most, encrypted=encrypted)
        (got,) = await receive(ben)
        assert len(got.body) == most
    with pytest.raises(TooLarge):
        await ada.send(ben.jid, "<" * most, encrypted=False)  # as &lt; it is longer
    assert ada.queued() == 0


async def test_a_bot_that_echoes_a_quarter_of_a_million_characters_survives(people: People) -> None:
    bot, ada = await people.open(people.account("bot")), await people.open(people.account("ada"))

    async def echo() -> None:
        async for message in bot.messages():
            if message.incoming:
                await message.reply(message.body)
                with suppress(TooLarge):
                    await message.reply(message.body * 2)

    echoing = asyncio.create_task(echo())
    try:
        await ada.send(bot.jid, "y" * 250_000)
        await ada.send(bot.jid, "short")
        got = await receive(ada, 3)
        assert [len(message.body) for message in got] == [250_000, 5, 10]  # twice the first is too much
        assert not echoing.done()
    finally:
        echoing.cancel()


def _planted(client: Client, peer: str, body: str) -> None:
    """A message as an older version would have left it in the outbox, without looking at it."""
    id = "planted"
    draft = Draft(peer, id, body, False, False, Trust.PLAIN, datetime.now(UTC), State.QUEUED, origin=id)
    client._history.add(replace(draft, here=True))
    client._db.commit()
    client._outbox.wake()


def _strikes(client: Client) -> int:
    (count,) = client._db.sql.execute("SELECT coalesce(max(strikes), 0) FROM flights").fetchone()
    return int(count)


async def test_a_stanza_that_ends_streams_fails_alone_also_after_a_restart(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client does not look at sizes here, as if the server took less than it says."""
    monkeypatch.setattr("kith.client.sendable.check", lambda *_: None)
    ada_jid, ben = people.account("ada"), await people.open(people.account("ben"))
    async with people.device(ada_jid) as ada:
        await ada.send(ben.jid, "before", encrypted=False)
        await receive(ben)
        _planted(ada, ben.jid, "z" * (ada._stream.max_bytes + 1000))
        for number in range(3):
            await ada.send(ben.jid, str(number), encrypted=False)
        await until(lambda: _strikes(ada) > 0)
    async with people.device(ada_jid) as ada:
        await until(lambda: ada.queued() == 0, 60)
        shown = {message.body[:10]: message for message in ada.history(ben.jid)}
        assert shown["z" * 10].state is State.FAILED
        assert "policy violation" in str(shown["z" * 10].error)
        assert all(shown[str(number)].state.rank >= State.SENT.rank for number in range(3))
        got = await receive(ben, 3)
        assert [message.body for message in got] == ["0", "1", "2"]
        await ada.send(ben.jid, "after")
        assert [message.body for message in await receive(ben)] == ["after"]


async def test_connections_that_end_for_what_was_sent_are_made_anew_ever_more_slowly(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kith.client.sendable.check", lambda *_: None)
    ada = await people.open(people.account("ada"))
    waits: list[float] = []
    with ada.events() as events:
        async with asyncio.timeout(60):
            for _ in range(4):
                ada._stream.send_raw("<message><unclosed></message>")
                async for event in events:
                    if isinstance(event, ConnectionChanged) and event.link is Link.RECONNECTING:
                        waits.append(event.retry_in)
                        break
                ada.reconnect()
                await until(lambda: ada.link is Link.ONLINE)
    assert waits[3] > waits[0]
    assert all(0.5 * 0.5 * 2**n <= wait <= 1.5 * 0.5 * 2**n for n, wait in enumerate(waits)), waits


async def test_a_connection_that_only_ends_is_suspected_late_and_innocents_stay_queued(
    people: People,
) -> None:
    ben = await people.open(people.account("ben"))
    cable = await people.cable()
    ada = await people.open(people.account("ada"), port=cable.port)
    await ada.send(ben.jid, "first", encrypted=False)
    await receive(ben)
    for _ in range(Unacknowledged.SUSPICIOUS - 1):
        cable.cut()
        await until(lambda: ada.link is not Link.ONLINE)
        ada.reconnect()
        await until(lambda: ada.link is Link.ONLINE)
    await ada.send(ben.jid, "second", encrypted=False)
    (got,) = await receive(ben)
    assert got.body == "second"
    assert _strikes(ada) == 0


async def test_waiting_for_a_failed_message_ends_at_once_and_leaves_no_listener(people: People) -> None:
    ada = await people.open(people.account("ada"))
    message = await ada.send("nobody-there@localhost", "hello?", encrypted=False)
    with pytest.raises(NotSent):
        await ada.wait_for(message, State.DELIVERED, timeout=60)
    assert (await ada.wait_for(message, State.FAILED)).error
    with pytest.raises(TimeoutError):
        await ada.wait_for(
            await ada.send("nobody-there@localhost", "again", encrypted=False), State.READ, timeout=0
        )
    assert ada._events.listeners == 0


async def test_a_bounced_message_can_be_sent_again_and_arrives_as_one(people: People) -> None:
    ada = await people.open(people.account("ada"))
    name = "late" + ada.jid.partition("@")[0]
    message = await ada.send(f"{name}@localhost", "are you there?", encrypted=False)
    with pytest.raises(NotSent):
        await ada.wait_for(message, State.READ, timeout=60)
    people.server.add_user(name)
    late = await people.open(f"{name}@localhost")
    async with asyncio.timeout(60):
        again = await ada.resend(ada.history(late.jid)[-1])
    assert again.row == message.row
    (got,) = await receive(late)
    assert got.body == "are you there?"
    await ada.wait_for(again, State.DELIVERED, timeout=60)
    assert len(ada.history(late.jid)) == 1
    assert (await ada.resend(again)).state is State.DELIVERED  # nothing to do


async def test_what_was_being_encrypted_while_the_session_was_lost_goes_out_in_its_turn(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    ben, cable = await people.open(people.account("ben")), await people.cable()
    ada = await people.open(people.account("ada"), port=cable.port)
    await ada.send(ben.jid, "first", encrypted=False)
    await until(lambda: ada.queued() == 0)
    free, content = asyncio.Event(), Outbox._content

    async def waits_for_its_turn(outbox: Outbox, message: Message) -> list[Element]:
        if message.body == "4":
            await free.wait()
        return await content(outbox, message)

    monkeypatch.setattr(Outbox, "_content", waits_for_its_turn)
    cable.swallowing = True
    for body in ("1", "2", "3"):
        await ada.send(ben.jid, body, encrypted=False)
    last = asyncio.create_task(ada.send(ben.jid, "4", encrypted=False))
    await asyncio.sleep(0)
    ada._stream.end_session()  # as when the server was killed: it does not know the session any more
    cable.cut()
    await until(lambda: ada.link is not Link.ONLINE)
    ada.reconnect()
    await until(lambda: ada.link is Link.ONLINE)
    free.set()
    await last
    await until(lambda: ada.queued() == 0)
    came = await receive(ben, 5)
    assert [message.body for message in came] == ["first", "1", "2", "3", "4"]
