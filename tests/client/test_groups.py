"""Groups in the SDK: people on a real server, in one group."""

from __future__ import annotations

import asyncio
from xml.etree.ElementTree import Element

import pytest
from slixmpp.exceptions import IqTimeout

from kith.client import (
    Affiliation,
    Client,
    GroupChanged,
    KeysChanged,
    Message,
    MessageChanged,
    NotChangeable,
    NoTrustedDevices,
    NotSendable,
    Refused,
    State,
)
from kith.client.groups.sync import GroupSync
from tests.client.conftest import People, event, receive, until


async def three(people: People) -> tuple[Client, Client, Client, str]:
    """Ada, Ben and Cyd, and the address of the group that Ada has made of them."""
    ada, ben, cyd = [await people.open(people.account(name)) for name in ("ada", "ben", "cyd")]
    group = await ada.make_group("Tea", [ben.jid, cyd.jid], description="At five")
    for client in (ben, cyd):
        await until(lambda: client.groups() and client.groups()[0].number == group.number)  # noqa: B023
    return ada, ben, cyd, group.jid


def texts(client: Client, group: str) -> list[str]:
    return [message.body for message in client.history(group, limit=200) if message.change is None]


async def test_what_one_writes_everybody_reads_encrypted(people: People) -> None:
    ada, ben, cyd, group = await three(people)
    sent = await ada.send(group, "Who is there?")
    for client in (ben, cyd):
        (got,) = await receive(client)
        assert (got.peer, got.author, got.body, got.group) == (group, ada.jid, "Who is there?", True)
        assert (got.encrypted, got.trust.sound, got.incoming) == (True, True, True)
    await got.reply("I am")
    assert [(m.author, m.body) for m in await receive(ben)] == [(cyd.jid, "I am")]
    assert [(m.author, m.body) for m in await receive(ada)] == [(cyd.jid, "I am")]
    sent = await ada.wait_for(sent, State.SENT)
    assert (sent.author, sent.incoming) == (ada.jid, False)
    for client in (ada, ben, cyd):
        assert texts(client, group) == ["Who is there?", "I am"]
    assert b"Who is there?" not in b"".join(
        path.read_bytes() for path in people.server.data_dir.rglob("*") if path.is_file()
    )


async def test_everybody_knows_the_group_and_its_members(people: People) -> None:
    ada, ben, cyd, jid = await three(people)
    for client in (ada, ben, cyd):
        group = client.group(jid)
        assert (group.name, group.description, group.belongs) == ("Tea", "At five", True)
        assert {member.jid: member.affiliation for member in group.members} == {
            ada.jid: Affiliation.OWNER,
            ben.jid: Affiliation.MEMBER,
            cyd.jid: Affiliation.MEMBER,
        }
    assert [chat.title for chat in ben.chats()] == ["Tea"]


async def test_a_member_who_was_away_gets_everything_in_one_order(people: People) -> None:
    ada, ben, cyd, group = await three(people)
    await cyd.close()
    for number in range(5):
        await ada.send(group, f"ada {number}")
        await ben.send(group, f"ben {number}")
    await ada.change_group(group, name="Coffee")
    await until(lambda: ada.queued() == ben.queued() == 0)
    back = await people.open(cyd.jid)
    got = await receive(back, 10)
    assert all(message.encrypted and message.error is None for message in got)
    assert texts(back, group) == texts(ada, group) == texts(ben, group)
    assert back.group(group).name == "Coffee"
    notices = [message.change for message in back.history(group) if message.change is not None]
    assert notices[-1].name == "Coffee"
    assert notices[-1].by == ada.jid


async def test_another_device_of_mine_reads_what_i_write_and_get(people: People) -> None:
    ada, ben, _, group = await three(people)
    laptop = await people.open(ada.jid, "laptop")
    assert laptop.group(group).belongs
    await asyncio.sleep(0.1)
    await ada.send(group, "from my phone")
    (copy,) = await receive(laptop)
    assert (copy.body, copy.incoming, copy.author, copy.encrypted) == ("from my phone", False, ada.jid, True)
    await ben.send(group, "to all")
    assert [message.body for message in await receive(laptop)] == ["to all"]


async def test_who_was_removed_keeps_the_history_and_gets_nothing_more(people: People) -> None:
    ada, ben, cyd, group = await three(people)
    await ada.send(group, "before")
    await receive(cyd)
    events = cyd.events()
    await ada.remove_members(group, cyd.jid)
    notice = (await event(events, GroupChanged)).notice
    assert [(one.jid, one.now) for one in notice.change.members] == [(cyd.jid, Affiliation.NONE)]
    assert not cyd.group(group).belongs
    await ada.send(group, "after")
    await receive(ben, 2)
    assert texts(cyd, group) == ["before"]
    with pytest.raises(NotSendable):
        await cyd.send(group, "me too")
    with pytest.raises(Refused):
        await ben.remove_members(group, ada.jid)


async def test_who_was_added_reads_what_follows_and_nothing_before(people: People) -> None:
    ada, ben, _, group = await three(people)
    dan = await people.open(people.account("dan"))
    await ada.send(group, "before")
    assert await ada.add_members(group, dan.jid, "nobody@localhost") == {"nobody@localhost": "item-not-found"}
    await ada.send(group, "after")
    await ben.send(group, "from ben")
    got = await receive(dan, 2)
    assert {message.body for message in got} == {"after", "from ben"}
    assert all(message.error is None for message in dan.history(group))


async def test_a_member_leaves_and_the_owner_makes_admins(people: People) -> None:
    ada, ben, cyd, group = await three(people)
    await cyd.leave_group(group)
    assert not cyd.group(group).belongs
    assert cyd.groups() == []
    await until(lambda: ben.group(group).member(cyd.jid) is None)
    await ada.set_affiliation(group, Affiliation.ADMIN, ben.jid)
    await until(lambda: ben.group(group).affiliation is Affiliation.ADMIN)
    await ben.add_members(group, cyd.jid)
    await until(lambda: cyd.group(group).belongs)


async def test_only_admins_write_in_an_announcement_group(people: People) -> None:
    ada, ben, _, group = await three(people)
    await ada.change_group(group, announce=True)
    await until(lambda: ben.group(group).settings.announce)
    with pytest.raises(NotSendable):
        await ben.send(group, "may I?")
    await ada.send(group, "I may")
    assert [message.body for message in await receive(ben)] == ["I may"]


async def test_edits_deletions_and_reactions_reach_everybody(people: People) -> None:
    ada, ben, cyd, group = await three(people)
    sent = await ada.send(group, "at five", wait=State.SENT)
    (got,), (other,) = await receive(ben), await receive(cyd)
    await got.react("👍")
    await other.react("🎉")
    await until(lambda: len(ada.history(group)[-1].reactions.people) == 2)
    assert dict(ada.history(group)[-1].reactions.people) == {ben.jid: ("👍",), cyd.jid: ("🎉",)}
    await until(lambda: ben.history(group)[-1].reactions.theirs == ("🎉",))
    assert ben.history(group)[-1].reactions.ours == ("👍",)
    await sent.edit("at six")
    await until(lambda: texts(cyd, group) == ["at six"])
    assert cyd.history(group)[-1].edited
    await sent.delete()
    await until(lambda: cyd.history(group)[-1].deleted and ben.history(group)[-1].deleted)


async def test_a_reply_names_the_message_that_it_answers(people: People) -> None:
    ada, ben, cyd, group = await three(people)
    await ada.send(group, "one", wait=State.SENT)
    got = await receive(ben, 1)
    await got[0].reply("two", quote=True)
    answer = (await receive(cyd, 2))[-1]
    assert answer.body == "two"
    named = cyd.find(group, answer.reply_to or "")
    assert named is not None
    assert named.body == "one"


async def test_the_author_learns_who_has_received_and_read_a_message(people: People) -> None:
    ada, ben, cyd, group = await three(people)
    events = ada.events()
    sent = await ada.send(group, "read this", wait=State.SENT)
    for client in (ben, cyd):
        await receive(client)
    await ben.mark_read(group)

    def now() -> Message:
        return ada.history(group)[-1]

    await until(lambda: now().receipts is not None and now().receipts.read == 1)  # type: ignore[union-attr]
    assert now().receipts.delivered == now().receipts.of == 2  # type: ignore[union-attr]
    assert now().state is State.DELIVERED
    assert (await event(events, MessageChanged)).message.row == sent.row
    found = {one.jid: one for one in await ada.receipts(sent)}
    assert found[ben.jid].read is not None
    assert found[cyd.jid].read is None
    assert found[cyd.jid].delivered is not None


async def test_who_is_invited_gets_nothing_before_they_accept(people: People) -> None:
    ada = await people.open(people.account("ada"))
    ben = await people.open(people.account("ben"), auto_accept=False)
    await ben.block(ada.jid)
    group = (await ada.make_group("Tea", [ben.jid])).jid
    member = ada.group(group).member(ben.jid)
    assert member is not None
    assert member.invited
    await ben.unblock(ada.jid)
    events = ben.events()
    ada._invite(ada.group(group), [ben.jid])
    assert (await event(events, GroupChanged)).group == group
    assert ben.group(group).invited
    assert not ben.chat(group).accepted
    with pytest.raises(NotSendable):
        await ben.send(group, "not yet")
    await ada.send(group, "before")
    assert (await ben.join_group(group)).belongs
    await until(lambda: ada.group(group).member(ben.jid).belongs)  # type: ignore[union-attr]
    await ada.send(group, "after")
    assert [message.body for message in await receive(ben)] == ["after"]
    notices = [message.change for message in ada.history(group) if message.change is not None]
    assert [(one.was, one.now) for one in notices[-1].members] == [(Affiliation.NONE, Affiliation.MEMBER)]


async def test_nothing_is_said_about_a_notice(people: People) -> None:
    ada, ben, _, group = await three(people)
    notice = ben.history(group)[-1]
    assert notice.change is not None
    with pytest.raises(NotChangeable):
        await notice.react("👍")
    with pytest.raises(NotChangeable):
        await notice.delete()
    with pytest.raises(NotSendable):
        await ben.send(group, "to a notice", reply_to=notice)
    await ada.send(group, "a text")
    assert [message.body for message in await receive(ben)] == ["a text"]


async def test_admins_delete_what_others_have_written(people: People) -> None:
    ada, ben, cyd, group = await three(people)
    sent = await ben.send(group, "something rude", wait=State.SENT)
    (got,), (seen,) = await receive(ada), await receive(cyd)
    with pytest.raises(NotChangeable):
        await seen.delete()
    await got.delete()
    await until(lambda: cyd.history(group)[-1].deleted)
    await until(lambda: ben.find(group, sent.id).deleted)  # type: ignore[union-attr]


async def test_a_new_key_of_a_member_is_told_and_makes_no_chat(people: People) -> None:
    ada, ben, _, group = await three(people)
    await ada.send(group, "one", wait=State.SENT)
    events = ada.events()
    laptop = await people.open(ben.jid, "laptop")
    ada._encryption._fetched.clear()  # as if a minute had passed
    await ada.send(group, "two", wait=State.SENT)
    changed = await event(events, KeysChanged)
    assert (changed.peer, changed.trusted) == (ben.jid, True)
    assert [message.body for message in await receive(laptop)] == ["two"]
    assert [chat.peer for chat in ada.chats()] == [group]


async def test_a_member_who_was_verified_and_has_other_keys_gets_nothing_unseen(people: People) -> None:
    ada, ben, cyd, group = await three(people)
    (key,) = [key for key in await ada.fingerprints(ben.jid) if key.active]
    await ada.verify(ben.jid, key.text)
    await ada.send(group, "one", wait=State.SENT)
    await receive(ben)
    laptop = await people.open(ben.jid, "laptop")
    ada._encryption._fetched.clear()
    await ada.send(group, "two", wait=State.SENT)
    assert [message.body for message in await receive(ben)] == ["two"]
    await receive(cyd, 2)
    (new,) = [key for key in await ada.fingerprints(ben.jid) if not key.trust.sound]
    ada._db.sql.execute(  # as if Ben had logged the verified device out
        "UPDATE keys SET value = replace(value, 'true', 'false') WHERE key = ?",
        (f"/devices/{ben.jid}/{key.device}/active",),
    )
    ada._db.commit()
    with pytest.raises(NoTrustedDevices):
        await ada.send(group, "three")
    await ada.trust(ben.jid, new.text)
    await ada.send(group, "four")
    # The new device asked for what it could not read, and gets it once it is trusted.
    await until(lambda: texts(laptop, group) == ["two", "four"])


async def test_a_group_that_could_not_be_read_is_asked_again_later(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, _, _, group = await three(people)

    async def request(kind: str, to: str, *children: Element) -> Element:
        raise IqTimeout(None)

    monkeypatch.setattr(GroupSync, "request", lambda self, *args: request(*args))
    with pytest.raises(IqTimeout):
        await ada._group_sync.update(group)
    assert ada._groups.outdated() == [group]
    monkeypatch.undo()
    ada._group_sync.wake()
    await until(lambda: ada._groups.outdated() == [])


async def test_who_comes_in_reads_what_was_said_before_if_the_group_shows_it(people: People) -> None:
    ada, ben, cyd = [await people.open(people.account(name)) for name in ("ada", "ben", "cyd")]
    other = await people.open(ada.jid, device="tablet")
    group = (await ada.make_group("Tea", [ben.jid], history=True)).jid
    for device in (ada, other):
        device._group_parts.newcomers._again = 0.2
    await until(lambda: ben.groups() and other.groups())
    first = await ada.wait_for(await ada.send(group, "frist"), State.SENT)
    await ada.edit(first, "first")
    (got,) = await receive(ben)
    await got.reply("second", quote=True)
    await receive(ada)
    taken = await ada.wait_for(await ada.send(group, "taken back"), State.SENT)
    await ada.delete(taken)
    await ada.send_poll(group, "Tea or coffee?", ["Tea", "Coffee"])
    await until(lambda: ada.queued() == 0 and len(texts(other, group)) == 4)
    await ada.add_members(group, cyd.jid)
    await until(lambda: len(texts(cyd, group)) == 3)
    history = [message for message in cyd.history(group) if message.change is None]
    assert [(one.author, one.body.partition("\n")[0]) for one in history] == [
        *((ada.jid, "first"), (ben.jid, "second"), (ada.jid, "Tea or coffee?"))
    ]
    assert all((one.given_by, one.encrypted, one.trust.sound) == (ada.jid, True, True) for one in history)
    assert history[1].reply_to is not None
    assert history[2].poll is not None
    assert [message.body for message in ben.history(group) if message.given_by] == []
    await ben.send(group, "welcome")
    assert [message.body for message in await receive(cyd)] == ["welcome"]
    assert cyd.chat(group).unread == 1
    # of the two devices of the admin, the one that came second has nothing left to do
    await until(lambda: not (ada._group_parts.newcomers._owed() or other._group_parts.newcomers._owed()))
    assert [message.body for message in cyd.history(group) if message.given_by] == [
        message.body for message in history
    ]


async def test_history_that_was_interrupted_goes_on_with_the_next_session(people: People) -> None:
    ada, cyd = [await people.open(people.account(name)) for name in ("ada", "cyd")]
    group = (await ada.make_group("Tea", history=True)).jid
    for number in range(3):
        await ada.send(group, str(number), encrypted=False)
    await until(lambda: ada.queued() == 0)
    await ada.add_members(group, cyd.jid)
    await until(lambda: "1" in texts(cyd, group))
    ada._group_parts.newcomers._set_owed({group})  # as if it had ended before it said that it was done
    await ada.close()
    await people.open(ada.jid)
    await until(lambda: texts(cyd, group) == ["0", "1", "2"])
