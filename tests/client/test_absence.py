"""Connections fail, people go away and come back, programs end: nothing is lost, nothing comes twice."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from slixmpp.exceptions import IqTimeout
from slixmpp.stanza import Iq

from kith.client import Link, State
from kith.client.catchup import CatchUp
from tests.client.conftest import People, receive, until


async def test_one_who_was_away_gets_everything_once_and_in_order(people: People) -> None:
    ada = await people.open(people.account("ada"))
    ben_jid = people.account("ben")
    async with people.device(ben_jid) as ben:
        await ada.send(ben_jid, "0")
        assert [message.body for message in await receive(ben)] == ["0"]
    for number in range(1, 31):
        await ada.send(ben_jid, str(number))
    async with people.device(ben_jid) as ben:
        await ben.caught_up()
        got = await receive(ben, 30)
        assert [message.body for message in got] == [str(number) for number in range(1, 31)]
        assert all(message.encrypted for message in got)
        assert len(ben.history(ada.jid, limit=100)) == 31
    async with people.device(ben_jid) as ben:
        await ben.caught_up()
        await ada.send(ben_jid, "31")
        assert [message.body for message in await receive(ben)] == ["31"]


async def test_what_is_written_offline_is_sent_later_once_and_in_order(people: People) -> None:
    ben = await people.open(people.account("ben"))
    cable = await people.cable()
    ada = await people.open(people.account("ada"), port=cable.port)
    await ada.send(ben.jid, "online")
    await receive(ben)
    cable.unplug()
    await until(lambda: ada.link is not Link.ONLINE)
    for number in range(5):
        message = await ada.send(ben.jid, str(number))
        assert message.state is State.QUEUED
    assert ada.queued() == 5
    await cable.plug_in()
    ada.reconnect()
    assert [message.body for message in await receive(ben, 5)] == ["0", "1", "2", "3", "4"]
    await until(lambda: ada.queued() == 0)
    await asyncio.sleep(0.2)
    assert [message.body for message in ben.history(ada.jid)] == ["online", "0", "1", "2", "3", "4"]


async def test_the_outbox_survives_the_program(people: People) -> None:
    ben = await people.open(people.account("ben"))
    ada_jid = people.account("ada")
    cable = await people.cable()
    async with people.device(ada_jid, port=cable.port) as ada:
        cable.unplug()
        await until(lambda: ada.link is not Link.ONLINE)
        await ada.send(ben.jid, "written before the end")
    async with people.device(ada_jid) as ada:
        assert [message.body for message in await receive(ben)] == ["written before the end"]
        await until(lambda: ada.queued() == 0)


async def test_an_account_that_was_online_once_may_start_offline(people: People) -> None:
    jid, ben_jid = people.account("ada"), people.account("ben")
    cable = await people.cable()
    async with people.device(jid, port=cable.port) as ada:
        await ada.send(ben_jid, "remember me", encrypted=False)
    cable.unplug()
    async with people.device(jid, port=cable.port) as ada:
        assert ada.link is not Link.ONLINE
        assert [message.body for message in ada.history(ben_jid)] == ["remember me"]


async def test_a_cut_connection_is_resumed_and_loses_nothing(people: People) -> None:
    ada = await people.open(people.account("ada"))
    cable = await people.cable()
    ben = await people.open(people.account("ben"), port=cable.port)
    bodies = [str(number) for number in range(40)]
    connections = cable.connections
    for number, body in enumerate(bodies):
        await ada.send(ben.jid, body)
        if number in (10, 25):
            await until(lambda: ben.link is Link.ONLINE and cable.connections == connections)  # noqa: B023
            cable.cut()
            connections += 1
    got = await receive(ben, 40)
    assert [message.body for message in got] == bodies
    assert cable.connections == connections
    await asyncio.sleep(0.2)
    assert len(ben.history(ada.jid, limit=100)) == 40


async def test_a_sender_that_is_cut_again_and_again_sends_everything_once(people: People) -> None:
    cable = await people.cable()
    ada = await people.open(people.account("ada"), port=cable.port)
    ben = await people.open(people.account("ben"))
    bodies = [str(number) for number in range(30)]
    for number, body in enumerate(bodies):
        await ada.send(ben.jid, body)
        if number % 10 == 5:
            cable.cut()
    got = await receive(ben, 30, timeout=40)
    assert [message.body for message in got] == bodies
    await until(lambda: ada.queued() == 0)


async def test_history_survives_a_restart_and_pages_back(people: People) -> None:
    ben = await people.open(people.account("ben"))
    ada_jid = people.account("ada")
    async with people.device(ada_jid) as ada:
        for number in range(12):
            await ada.send(ben.jid, f"line {number}")
        await until(lambda: ada.queued() == 0)
    async with people.device(ada_jid) as ada:
        page = ada.history(ben.jid, limit=5)
        assert [message.body for message in page] == [f"line {number}" for number in range(7, 12)]
        before = ada.history(ben.jid, before=page[0], limit=5)
        assert [message.body for message in before] == [f"line {number}" for number in range(2, 7)]
        assert [message.body for message in ada.search("line 11")] == ["line 11"]


async def test_a_bot_that_ended_in_the_middle_goes_on_where_it_was(people: People) -> None:
    ada = await people.open(people.account("ada"))
    bot_jid = people.account("bot")
    async with people.device(bot_jid) as bot:
        for body in ("one", "two", "three"):
            await ada.send(bot_jid, body)
        async for message in bot.messages():
            if message.body == "two":
                break  # it was handed out, but not seen to the end
        await until(lambda: len(bot.history(ada.jid)) == 3)
    async with people.device(bot_jid) as bot:
        assert [message.body for message in await receive(bot, 2)] == ["two", "three"]


@pytest.mark.parametrize("after", [0, 400, 700, 1500, 2500, 3000, 4000, 6000, 9000])
async def test_a_cut_at_any_point_of_a_login_is_only_a_delay(people: People, after: int) -> None:
    """In the stream header, the TLS handshake, the login, the resumption or the setting up."""
    cable = await people.cable()
    ada_jid = people.account("ada")
    async with people.device(ada_jid, port=cable.port):
        pass
    ben = await people.open(people.account("ben"))
    cable.budget = after
    ada = await people.open(ada_jid, port=cable.port)
    await ada.wait_online(10)
    await ada.send(ben.jid, "here I am")
    assert [message.body for message in await receive(ben)] == ["here I am"]


async def test_what_comes_live_while_the_archive_is_read_takes_no_memory_and_comes_once(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server sends what waited also live: for a bot with a backlog, that was all of it in memory."""
    bot_jid, ada = people.account("bot"), await people.open(people.account("ada"))
    async with people.device(bot_jid):
        pass
    for number in range(60):
        await ada.send(bot_jid, str(number), encrypted=False)
    await until(lambda: ada.queued() == 0)
    monkeypatch.setattr("kith.client.incoming._MAX_QUEUED", 5)
    monkeypatch.setattr("kith.client.catchup._PAGE_SIZE", 10)
    longest, run = 0, CatchUp.run

    async def slow(catch_up: CatchUp, take: Any) -> None:
        await asyncio.sleep(0.5)  # what waited comes live first
        await run(catch_up, take)

    class Measured(asyncio.Queue[Any]):
        def put_nowait(self, item: Any) -> None:
            nonlocal longest
            super().put_nowait(item)
            longest = max(longest, self.qsize())

    monkeypatch.setattr(CatchUp, "run", slow)
    monkeypatch.setattr("kith.client.incoming.asyncio.Queue", Measured)
    bot = people.device(bot_jid)
    async with bot:
        for number in range(60, 80):
            await ada.send(bot_jid, str(number), encrypted=False)
        got = await receive(bot, 80)
    assert [message.body for message in got] == [str(number) for number in range(80)]
    assert 5 <= longest < 30


async def test_an_archive_that_is_not_answered_is_read_again_by_the_next_connection(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else everything that comes would be left out for an archive that nobody reads."""
    bot_jid, ada = people.account("bot"), await people.open(people.account("ada"))
    async with people.device(bot_jid):
        pass
    await ada.send(bot_jid, "1", encrypted=False)
    run, failures = CatchUp.run, 1

    async def fails(catch_up: CatchUp, take: Any) -> None:
        nonlocal failures
        if failures:
            failures -= 1
            raise IqTimeout(Iq())
        await run(catch_up, take)

    monkeypatch.setattr(CatchUp, "run", fails)
    bot = await people.open(bot_jid)
    await ada.send(bot_jid, "2", encrypted=False)
    assert [message.body for message in await receive(bot, 2)] == ["1", "2"]
    assert not failures


async def test_a_connection_on_which_much_comes_is_not_given_up_for_a_late_answer(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kith.client.connection._PING_EVERY", 0.05)
    monkeypatch.setattr("kith.client.connection._PING_TIMEOUT", 0.2)
    ada = await people.open(people.account("ada"))
    pings = 0

    async def late(*_: Any, **__: Any) -> None:
        nonlocal pings
        pings += 1
        ada._stream.heard = heard()
        raise IqTimeout(Iq())

    def heard() -> float:
        return time.monotonic() - (0 if pings < 5 else 10)

    monkeypatch.setattr(ada._stream.plugin["xep_0199"], "send_ping", late)
    ada._stream.abort()  # the next connection pings as often as this test says
    await until(lambda: ada.link is not Link.ONLINE)
    ada.reconnect()
    await ada.wait_online()
    await until(lambda: pings >= 4)
    assert ada.link is Link.ONLINE
    await until(lambda: ada.link is not Link.ONLINE)  # but it is, once nothing comes any more


async def test_a_connection_that_is_lost_while_the_archive_is_read_holds_up_nothing(people: People) -> None:
    ada, cable = await people.open(people.account("ada")), await people.cable()
    ben = await people.open(people.account("ben"), port=cable.port)
    await ada.send(ben.jid, "1", encrypted=False)
    await receive(ben)
    cable.swallowing = True
    ben._incoming.catch_up()
    await asyncio.sleep(0.2)
    await ada.send(ben.jid, "2", encrypted=False)
    ben._stream.end_session()  # as when the server was killed: it does not know the session any more
    cable.cut()
    await until(lambda: ben.link is not Link.ONLINE)
    ben.reconnect()
    assert [message.body for message in await receive(ben, timeout=25)] == ["2"]
    await ada.send(ben.jid, "3", encrypted=False)
    assert [message.body for message in await receive(ben)] == ["3"]
