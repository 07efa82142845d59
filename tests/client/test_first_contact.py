"""Many who begin at once, keys that are gone: everything can be read in the end, and a bot hears of it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Any, cast
from xml.etree.ElementTree import Element

import oldmemo
import pytest
import x3dh.base_state
from slixmpp import JID

from kith.client import Client, MessageHealed, MessageReceived, MessageUnreadable, Trust
from kith.client import sessions as kept
from tests.client.conftest import People, receive, until


class _SamePrekey:
    """For x3dh: everybody who begins chooses the same one of the published prekeys."""

    token_bytes = staticmethod(secrets.token_bytes)

    @staticmethod
    def choice(keys: list[bytes]) -> bytes:
        return min(keys)


@pytest.fixture
def same_prekey(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(x3dh.base_state, "secrets", _SamePrekey)


def lose_sessions(client: Client, peer: str) -> None:
    """As after a crash without a backup, or an old backup: there is no session with the peer any more."""
    sql = client._db.sql
    found = sql.execute("SELECT key FROM keys WHERE key LIKE ?", (f"%/{peer}/%",)).fetchall()
    for (key,) in found:
        if any(part in key for part in ("double_ratchet", "archive")):
            sql.execute("DELETE FROM keys WHERE key = ?", (key,))
    client._db.commit()


async def test_all_who_choose_the_same_prekey_at_once_can_be_read(
    people: People, same_prekey: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = await people.open(people.account("bot"))
    # The bundle that all of them see is the one from before.
    upload = bot._encryption.publish
    monkeypatch.setattr(type(bot._encryption), "publish", lambda self: _nothing(self))
    writers = [await people.open(people.account("ada")) for _ in range(6)]
    await asyncio.gather(*(writer.send(bot.jid, f"from {writer.jid}") for writer in writers))
    got = await receive(bot, len(writers))
    assert {message.body for message in got} == {f"from {writer.jid}" for writer in writers}
    monkeypatch.undo()
    await bot._key_work.run(upload())
    for writer in writers:
        await writer.send(bot.jid, "and again")
        await bot.send(writer.jid, "an answer")
    assert [message.body for message in await receive(bot, 6)] == ["and again"] * 6
    for writer in writers:
        assert [message.body for message in await receive(writer)] == ["an answer"]


async def _nothing(encryption: Any) -> None:
    encryption.bundle_outdated.clear()


async def test_a_used_prekey_is_replaced_at_once_and_kept_for_a_day(
    people: People, same_prekey: None
) -> None:
    bot = await people.open(people.account("bot"))
    backend = bot._encryption.backend
    assert await backend.get_num_visible_pre_keys() == kept.PRE_KEYS
    before = await published(bot)
    assert len(before) == kept.PRE_KEYS
    ada = await people.open(people.account("ada"))
    await ada.send(bot.jid, "hello")
    await receive(bot)
    (used,) = await backend._used()
    await until_published(bot, lambda ids: used not in ids and len(ids) == kept.PRE_KEYS)
    backend._now = lambda: 1e12  # much later
    await backend.delete_hidden_pre_keys()
    assert await backend._used() == {}


async def published(client: Client) -> set[str]:
    """The ids of the prekeys that others see."""
    this, _ = await client._encryption.sessions.get_own_device_information()
    pubsub: Any = cast("dict[str, Any]", client._stream.plugin)["xep_0060"]
    node = f"{oldmemo.oldmemo.NAMESPACE}.bundles:{this.device_id}"
    answer = await pubsub.get_items(JID(client.jid), node, max_items=1)
    bundle: Element = next(iter(answer["pubsub"]["items"]["item"].xml))
    return {key.get("preKeyId", "") for key in bundle.iter(f"{{{oldmemo.oldmemo.NAMESPACE}}}preKeyPublic")}


async def until_published(client: Client, true: Callable[[set[str]], bool]) -> None:
    async with asyncio.timeout(60):
        while not true(await published(client)):
            await asyncio.sleep(0.05)


async def test_a_bundle_without_prekeys_is_enough_to_begin(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = await people.open(people.account("bot"))
    serialize = oldmemo.etree.serialize_bundle

    def without(bundle: Any) -> Element:
        element = serialize(bundle)
        prekeys = element.find(f"{{{oldmemo.oldmemo.NAMESPACE}}}prekeys")
        assert prekeys is not None
        prekeys.clear()
        return element

    monkeypatch.setattr(oldmemo.etree, "serialize_bundle", without)
    await bot._key_work.run(bot._encryption.publish())
    assert await published(bot) == set()
    ada = await people.open(people.account("ada"))
    for number in range(3):
        await ada.send(bot.jid, str(number))
    got = await receive(bot, 3)
    assert [message.body for message in got] == ["0", "1", "2"]
    await got[-1].reply("read")
    assert [message.body for message in await receive(ada)] == ["read"]
    await ada.send(bot.jid, "3")
    assert [message.body for message in await receive(bot)] == ["3"]


async def test_two_who_write_first_at_the_same_moment_read_each_other(people: People) -> None:
    ada, ben = await people.open(people.account("ada")), await people.open(people.account("ben"))
    for number in range(4):
        await asyncio.gather(ada.send(ben.jid, f"a{number}"), ben.send(ada.jid, f"b{number}"))
    assert [message.body for message in await receive(ben, 4)] == [f"a{number}" for number in range(4)]
    assert [message.body for message in await receive(ada, 4)] == [f"b{number}" for number in range(4)]
    for client in (ada, ben):
        assert not [message for message in client.history(ada.jid) + client.history(ben.jid) if message.error]


async def test_what_cannot_be_read_is_healed_and_a_bot_hears_of_it(people: People) -> None:
    bot, ada = await people.open(people.account("bot")), await people.open(people.account("ada"))
    await ada.send(bot.jid, "one")
    (first,) = await receive(bot)
    await first.reply("yes")
    await receive(ada)
    lose_sessions(bot, ada.jid)
    with bot.events() as events:
        sent = await ada.send(bot.jid, "two")
        (got,) = await receive(bot)
        kinds = []
        async with asyncio.timeout(60):
            async for event in events:
                if isinstance(event, MessageUnreadable | MessageHealed | MessageReceived):
                    kinds.append(type(event))
                if isinstance(event, MessageHealed):
                    break
    assert (got.body, got.id, got.encrypted, got.trust) == ("two", sent.id, True, Trust.BLIND)
    assert kinds == [MessageReceived, MessageUnreadable, MessageHealed]
    assert [message.body for message in bot.history(ada.jid)] == ["one", "yes", "two"]
    assert [message.body for message in ada.history(bot.jid)] == ["one", "yes", "two"]
    await ada.send(bot.jid, "three")
    assert [message.body for message in await receive(bot)] == ["three"]
    await bot.send(ada.jid, "four")
    assert [message.body for message in await receive(ada)] == ["four"]


async def test_both_sides_may_have_lost_their_sessions(people: People) -> None:
    bot, ada = await people.open(people.account("bot")), await people.open(people.account("ada"))
    await ada.send(bot.jid, "one")
    (first,) = await receive(bot)
    await first.reply("yes")
    await receive(ada)
    lose_sessions(bot, ada.jid)
    lose_sessions(ada, bot.jid)
    await asyncio.gather(ada.send(bot.jid, "two"), bot.send(ada.jid, "three"))
    assert [message.body for message in await receive(bot)] == ["two"]
    assert [message.body for message in await receive(ada)] == ["three"]


async def test_a_device_that_is_not_trusted_gets_no_text_again_before_its_key_was_compared(
    people: People,
) -> None:
    ada_jid = people.account("ada")
    bot, ada = await people.open(people.account("bot")), await people.open(ada_jid)
    await ada.send(bot.jid, "one")
    await receive(bot)
    for key in await ada.fingerprints(bot.jid):
        await ada.distrust(bot.jid, key.text)
        level = Trust.UNDECIDED
        await ada._healing.on_request(bot.jid, key.device, ada.history(bot.jid)[0].id, level)
    rows = ada._db.sql.execute("SELECT peer FROM refused").fetchall()
    assert rows == [(bot.jid,)]
    (key,) = await ada.fingerprints(bot.jid)
    await ada.verify(bot.jid, key.text)
    await until(lambda: ada._db.sql.execute("SELECT peer FROM refused").fetchall() == [])
    await until(lambda: ada._healing._answers)


async def test_a_stranger_is_not_asked_before_they_were_accepted(people: People) -> None:
    """Asking would tell whoever makes unreadable messages that this device is there."""
    ben = await people.open(people.account("ben"), auto_accept=False)
    ada = await people.open(people.account("ada"))
    await ada.send(ben.jid, "one")
    await receive(ben)
    lose_sessions(ben, ada.jid)
    with ben.events() as events:
        await until(lambda: ada.history(ben.jid)[-1].state.rank >= 3)
        await _in_old_session(ada, ben.jid, "two")
        async with asyncio.timeout(60):
            async for event in events:
                if isinstance(event, MessageUnreadable):
                    break
    said: list[str] = []
    write = ben._stream.send_raw
    ben._stream.send_raw = lambda data: (said.append(str(data)), write(data))  # type: ignore[assignment]
    await asyncio.sleep(0.3)
    assert [message.body for message in ben.history(ada.jid)] == ["one", ""]
    assert not [text for text in said if f'to="{ada.jid}"' in text]
    await ben.accept(ada.jid)
    assert [message.body for message in await receive(ben)] == ["two"]


async def _in_old_session(client: Client, peer: str, body: str) -> None:
    """The session counts as confirmed, so that the message has no key exchange with it."""
    backend = client._encryption.backend
    found = await client._encryption.sessions.get_device_information(peer)
    for device in found:
        session = await backend.load_session(peer, device.device_id)
        assert session is not None
        session.confirm()
        await backend.store_session(session)
    client._db.commit()
    await client.send(peer, body)
