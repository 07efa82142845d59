"""Messages that change others: edits, deletions, reactions, replies."""

from __future__ import annotations

import asyncio

import pytest

from kith.client import (
    Client,
    Message,
    MessageDeleted,
    MessageEdited,
    NotChangeable,
    Reactions,
    ReactionsChanged,
    State,
)
from tests.client.conftest import People, event, receive, until


async def pair(people: People) -> tuple[Client, Client]:
    return await people.open(people.account("ada")), await people.open(people.account("ben"))


def last(client: Client, peer: str) -> Message:
    return client.history(peer)[-1]


@pytest.mark.parametrize("encrypted", [True, False])
async def test_an_edited_message_has_the_new_text_on_both_sides_and_is_one(
    people: People, encrypted: bool
) -> None:
    ada, ben = await pair(people)
    message = await ada.send(ben.jid, "helo", encrypted=encrypted)
    (got,) = await receive(ben)
    with ben.events() as events:
        edited = await message.edit("hello")
        told = await event(events, MessageEdited)
    assert (edited.body, edited.edited) == ("hello", True)
    assert (told.message.body, told.before.body, told.message.row) == ("hello", "helo", got.row)
    await last(ada, ben.jid).edit("hello!")
    await until(lambda: last(ben, ada.jid).body == "hello!")
    for client, peer in ((ada, ben.jid), (ben, ada.jid)):
        assert [(one.body, one.edited) for one in client.history(peer)] == [("hello!", True)]
    assert ben.chat(ada.jid).unread == 1
    assert [one.body for one in ben.search("hello")] == ["hello!"]
    assert ben.search("helo") == []


async def test_a_deleted_message_leaves_no_text_on_any_device_and_not_on_the_server(people: People) -> None:
    ada, ben = await pair(people)
    message = await ada.send(ben.jid, "a secret of mine", encrypted=False)
    await receive(ben)
    with ben.events() as events:
        await message.delete()
        told = await event(events, MessageDeleted)
    assert told.message.deleted
    for client, peer in ((ada, ben.jid), (ben, ada.jid)):
        (one,) = client.history(peer)
        assert (one.body, one.deleted) == ("", True)
    with pytest.raises(NotChangeable):
        await last(ada, ben.jid).edit("again")
    later = await people.open(ben.jid, "laptop")
    await later.caught_up()
    assert later.history(ada.jid) == []


async def test_reactions_are_encrypted_replace_each_other_and_can_be_taken_back(people: People) -> None:
    ada, ben = await pair(people)
    await ada.send(ben.jid, "I got the job")
    (got,) = await receive(ben)
    with ada.events() as events:
        await got.react("🎉")
        told = await event(events, ReactionsChanged)
    assert told.by_peer
    assert told.message.reactions == Reactions(theirs=("🎉",))
    assert last(ben, ada.jid).reactions == Reactions(ours=("🎉",))
    await got.react("👍", "❤️")
    await until(lambda: last(ada, ben.jid).reactions.theirs == ("👍", "❤️"))
    await got.react()
    await until(lambda: not last(ada, ben.jid).reactions)
    assert len(ada.history(ben.jid)) == len(ben.history(ada.jid)) == 1
    stored = b"".join(p.read_bytes() for p in people.server.data_dir.rglob("*") if p.is_file())
    assert "🎉".encode() not in stored
    with pytest.raises(NotChangeable):
        await got.react("not an emoji")


async def test_a_reply_quotes_for_other_apps_and_names_the_message(people: People) -> None:
    ada, ben = await pair(people)
    sent = await ada.send(ben.jid, "first line\nsecond", encrypted=False)
    await ada.send(ben.jid, "something else", encrypted=False)
    got, _ = await receive(ben, 2)
    seen: list[str] = []
    ada._stream.add_event_handler("message", lambda stanza: seen.append(str(stanza)))
    await got.reply("the answer", quote=True)
    (answer,) = await receive(ada)
    assert (answer.body, answer.reply_to) == ("the answer", sent.id)
    (stanza,) = [one for one in seen if "the answer" in one]
    assert "&gt; first line\n&gt; second\nthe answer" in stanza
    assert 'end="22"' in stanza


async def test_what_is_changed_offline_goes_out_in_order_with_the_next_connection(people: People) -> None:
    ada_jid, ben = people.account("ada"), await people.open(people.account("ben"))
    cable = await people.cable()
    ada = await people.open(ada_jid, port=cable.port)
    await ada.send(ben.jid, "zero")
    await receive(ben)
    cable.unplug()
    await until(lambda: ada.link is not ada.link.ONLINE)
    message = await ada.send(ben.jid, "one")
    await message.edit("two")
    await last(ada, ben.jid).edit("three")
    await cable.plug_in()
    ada.reconnect()
    await until(lambda: len(ben.history(ada_jid)) == 2 and last(ben, ada_jid).edited)
    await until(lambda: ada.queued() == 0)
    await until(lambda: [one.body for one in ben.history(ada_jid)] == ["zero", "three"])


async def test_only_the_author_can_change_a_message(people: People) -> None:
    ada, ben = await pair(people)
    await ada.send(ben.jid, "mine")
    (got,) = await receive(ben)
    for change in (got.edit("yours"), got.delete()):
        with pytest.raises(NotChangeable):
            await change
    # and whoever tries it on the wire changes nothing of ours
    for child in (
        "<replace xmlns='urn:xmpp:message-correct:0'",
        "<retract xmlns='urn:xmpp:message-retract:1'",
    ):
        ben._stream.send_raw(
            f"<message to='{ada.jid}' type='chat' id='forged{len(child)}'><body>yours</body>"
            f"{child} id='{got.id}'/></message>"
        )
    await until(lambda: len(ada.history(ben.jid)) >= 2)
    assert ada.history(ben.jid)[0].body == "mine"
    assert not ada.history(ben.jid)[0].deleted


async def test_an_unencrypted_edit_does_not_change_an_encrypted_message(people: People) -> None:
    ada, ben = await pair(people)
    sent = await ada.send(ben.jid, "encrypted")
    await receive(ben)
    ada._stream.send_raw(
        f"<message to='{ben.jid}' type='chat' id='x'><body>forged</body>"
        f"<replace xmlns='urn:xmpp:message-correct:0' id='{sent.id}'/></message>"
    )
    await until(lambda: len(ben.history(ada.jid)) == 2)
    assert [(one.body, one.encrypted) for one in ben.history(ada.jid)] == [
        ("encrypted", True),
        ("forged", False),
    ]


async def test_a_change_that_cannot_be_sent_is_undone(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kith.client import NoTrustedDevices

    ada, ben = await pair(people)
    message = await ada.send(ben.jid, "before")
    await ada.wait_for(message, State.SENT)
    for key in await ada.fingerprints(ben.jid):
        await ada.distrust(ben.jid, key.text)
    with pytest.raises(NoTrustedDevices):
        await message.edit("after")
    assert (last(ada, ben.jid).body, last(ada, ben.jid).edited) == ("before", False)
    await asyncio.sleep(0)


async def test_an_edit_that_comes_again_from_the_archive_does_not_undo_a_later_one(people: People) -> None:
    ada, ben = await pair(people)
    message = await ada.send(ben.jid, "0", encrypted=False)
    for text in ("1", "2"):
        message = await message.edit(text)
    await until(lambda: ben.history(ada.jid) and last(ben, ada.jid).body == "2")
    ben._db.set("place", "")
    ben._incoming.catch_up()
    await ben.caught_up()
    assert [one.body for one in ben.history(ada.jid)] == ["2"]
