"""Statuses by the SDK: posted for contacts, read by their devices, seen, answered, deleted and muted."""

from __future__ import annotations

import asyncio

import pytest

from kith.client import Client, NotSendable, Status, StatusKind, StatusPosted, StatusSeen
from kith.client.status.content import Content, content_of, quote_json, quote_of
from kith.client.status.values import Audience, StatusQuote
from tests.client.conftest import People, receive


async def until_there(client: Client, count: int, author: str | None = None) -> list[Status]:
    async with asyncio.timeout(30):
        while len(found := client.statuses(author)) != count:
            await asyncio.sleep(0.05)
    return found


async def befriend(one: Client, other: Client) -> None:
    await one.add_contact(other.jid)
    async with asyncio.timeout(30):
        while not (one._contacts.is_mutual(other.jid) and other._contacts.is_mutual(one.jid)):
            await asyncio.sleep(0.05)


async def test_a_status_is_posted_seen_answered_and_deleted(people: People) -> None:
    ada, ben = await people.open(people.account("ada")), await people.open(people.account("ben"))
    desk = await people.open(ada.jid, "desk")
    await befriend(ada, ben)
    await people.has_keys(ada, ben.jid)
    await people.has_keys(ada, ada.jid)
    events = ada.events()
    posted = await ada.post_status("At the sea", color="#0B7A75", forward=True)
    assert (posted.own, posted.seen, posted.color, posted.viewers) == (True, True, "#0b7a75", ())
    (got,) = await until_there(ben, 1)
    assert (got.author, got.text, got.kind, got.forward) == (ada.jid, "At the sea", StatusKind.TEXT, True)
    assert (got.own, got.seen) == (False, False)
    (copy,) = await until_there(desk, 1)
    assert copy.own
    await ben.view_status(got)
    async with asyncio.timeout(30):
        async for event in events:
            if isinstance(event, StatusSeen):
                break
    (mine,) = ada.statuses()
    assert [viewer.jid for viewer in mine.viewers] == [ben.jid]
    assert ben.statuses()[0].seen
    await ben.react_to_status(got, "🌊")
    await ben.reply_to_status(got, "Lovely")
    reaction, reply = await receive(ada, 2)
    assert (reaction.body, reply.body, reply.encrypted) == ("🌊", "Lovely", True)
    assert reaction.status is not None
    assert reply.status is not None
    assert (reaction.status.id, reaction.status.text, reaction.status.reaction) == (got.id, got.text, True)
    assert not reply.status.reaction
    await ada.delete_status(mine)
    assert await until_there(ben, 0) == await until_there(desk, 0) == ada.statuses() == []


async def test_who_was_away_and_who_is_left_out(people: People) -> None:
    ada, jid = await people.open(people.account("ada")), people.account("ben")
    ben, cyd = await people.open(jid), await people.open(people.account("cyd"))
    for other in (ben, cyd):
        await befriend(ada, other)
        await people.has_keys(ada, other.jid)
    await ben.close()
    await ada.set_status_audience("except", [cyd.jid])
    assert ada.status_audience() == Audience("except", frozenset({cyd.jid}))
    await ada.post_status("one")
    again = await people.open(jid)
    (one,) = await until_there(again, 1)
    assert one.text == "one"
    await again.mute_statuses(ada.jid)
    assert again.statuses()[0].muted
    await again.mute_statuses(ada.jid, on=False)
    assert not again.statuses()[0].muted
    assert cyd.statuses() == []
    with pytest.raises(NotSendable):
        await ada.post_status(" ")
    with pytest.raises(NotSendable):
        await again.delete_status(one)
    assert StatusPosted(one).status is one


@pytest.mark.parametrize(
    "sealed",
    [
        None,
        [],
        {},
        {"status": 1},
        {"status": {"kind": "text"}},
        {"status": {"v": 2, "kind": "text"}},
        {"status": {"v": 1, "kind": "poem"}},
        {"status": {"v": 1, "kind": ["text"]}},
        {"status": {"v": 1, "kind": "photo"}},
        {"status": {"v": 1, "kind": "photo"}, "media": [{"kind": "voice"}]},
    ],
)
def test_what_is_no_status_is_ignored(sealed: object) -> None:
    assert content_of("x", sealed) is None


def test_what_is_odd_in_a_status_is_left_out() -> None:
    odd = {"v": 1, "kind": "text", "color": "url(x)", "seconds": -1, "forward": 1, "more": 2}
    assert content_of("x" * 800, {"status": odd}) == Content(StatusKind.TEXT, "x" * 700)
    content = Content(StatusKind.TEXT, "x", "#00ff00", 60, True)
    assert content_of("x", content.sealed()) == content
    quote = StatusQuote("a@x", "1", StatusKind.PHOTO, "text", "#00ff00", b"jpeg", True)
    assert quote_of(quote_json(quote)) == quote
    for broken in (
        {},
        {"about": 1},
        {"about": {"author": 1}},
        {"about": {"author": "a", "id": "", "kind": "text"}},
    ):
        assert quote_of(broken) is None
