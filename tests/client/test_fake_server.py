"""The fake server of `kith.client.testing` behaves as a real one, as far as clients can tell."""

from __future__ import annotations

import pytest

from kith.client import Availability, Link, LoginFailed, MessageEdited, NotSent, State
from kith.client.bot import Bot, Context, filters
from kith.client.testing import FakeServer
from tests.client.conftest import event, until


async def test_two_people_talk_encrypted_and_the_server_sees_no_text() -> None:
    async with FakeServer() as server:
        ada = await server.person("ada", "ben@localhost")
        ben = await server.person("ben", "ada@localhost")
        await ada.send("a secret")
        got = await ben.receives()
        assert (got.body, got.encrypted) == ("a secret", True)
        await got.reply("mine too", quote=True)
        assert (await ada.receives()).body == "mine too"
        with ada.client.events() as events:
            await ben.client.edit(ben.client.history(ada.jid)[-1], "mine three")
            await event(events, MessageEdited)
        texts = [text for entry in server.account("ada").archive for text in entry.message.itertext()]
        assert not any("secret" in text or "mine" in text for text in texts)


async def test_what_was_written_while_somebody_was_away_waits_in_the_archive() -> None:
    async with FakeServer() as server:
        async with server.client("ben"):
            pass
        ada = await server.person("ada", "ben@localhost")
        sent = await ada.send("come back")
        ben = await server.person("ben", "ada@localhost")
        assert (await ben.receives()).body == "come back"
        await ada.client.wait_for(sent, State.DELIVERED)


async def test_a_cut_connection_and_a_restart_lose_nothing() -> None:
    async with FakeServer() as server:
        ada = await server.person("ada", "ben@localhost")
        ben = await server.person("ben", "ada@localhost")
        for body in ("1", "2"):
            await ada.send(body)
            await ben.receives()
            server.cut()
            await until(lambda: ada.client.link is not Link.ONLINE)
        await ada.client.wait_online()
        await server.stop()
        await ada.send("3")
        await server.restart()
        ada.client.reconnect()
        ben.client.reconnect()
        assert (await ben.receives(30)).body == "3"
        await ben.receives_nothing(0.1)


async def test_contacts_presence_and_blocking() -> None:
    async with FakeServer() as server:
        ada = await server.person("ada", "ben@localhost")
        ben = await server.person("ben", "ada@localhost")
        await ada.client.add_contact(ben.jid, "Ben")
        await until(lambda: ada.client.online(ben.jid) and ben.client.online(ada.jid))
        (contact,) = ada.client.contacts()
        assert (contact.name, contact.sees_us, contact.shows_us) == ("Ben", True, True)
        ben.client.set_presence(Availability.AWAY, "at lunch")
        await until(lambda: ada.client.presence(ben.jid).status == "at lunch")
        assert ada.client.contacts()[0].presence.availability is Availability.AWAY
        await ada.client.block(ben.jid)
        assert await ada.client.blocked() == [ben.jid]
        with pytest.raises(NotSent):
            await ben.client.send(ada.jid, "hello?", encrypted=False, wait=State.DELIVERED)
        await ada.client.unblock(ben.jid)
        await ben.send("hello again", encrypted=False)
        assert (await ada.receives()).body == "hello again"
        await ada.client.remove_contact(ben.jid)
        await until(lambda: ada.client.contacts() == [])
        await until(lambda: not ben.client.online(ada.jid))


async def test_a_wrong_password_is_refused() -> None:
    async with FakeServer() as server:
        client = server.client("ada")
        server.account("ada").password = "another"
        with pytest.raises(LoginFailed):
            await client.__aenter__()


async def test_a_bot_in_a_group_is_tested_without_a_network() -> None:
    bot = Bot("bot@localhost", "secret")

    @bot.on_message(filters.group & filters.mentioned)
    async def greet(context: Context) -> None:
        await context.reply(f"Hello, {context.author}!", quote=True)

    async with FakeServer() as server, server.running(bot):
        ada = await server.person("ada", "bot@localhost")
        group = await ada.client.make_group("Tea", ["bot@localhost", "nobody@localhost"])
        assert [member.jid for member in group.members] == ["ada@localhost", "bot@localhost"]
        ada.peer = group.jid
        await ada.send("nobody is meant")
        await ada.send("@bot are you there?")
        got = await ada.receives()
        assert (got.body, got.author, got.encrypted) == ("Hello, ada@localhost!", "bot@localhost", True)
        ben = await server.person("ben", group.jid)
        await ada.client.add_members(group.jid, "ben@localhost")
        await until(lambda: ben.client.groups() and len(ben.client.group(group.jid).members) == 3)
        await ben.send("@bot and me?")
        assert (await ada.receives()).body == "@bot and me?"
        for person in (ada, ben):
            assert (await person.receives()).body == "Hello, ben@localhost!", person.jid
        await ada.client.change_group(group.jid, name="Coffee")
        await until(lambda: ben.client.group(group.jid).name == "Coffee")
        await ada.client.remove_members(group.jid, "ben@localhost")
        await until(lambda: not ben.client.groups())
        await ada.send("@bot still there?")
        assert (await ada.receives()).body == "Hello, ada@localhost!"
        texts = [text for entry in server.account("ben").archive for text in entry.message.itertext()]
        assert not any("Hello" in text or "still" in text for text in texts)
