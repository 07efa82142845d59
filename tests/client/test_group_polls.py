"""Mentions and polls, inside of the encryption."""

from __future__ import annotations

import base64
import json
import os
from xml.etree.ElementTree import Element

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from kith.client import Mention, MessageExpired, NotChangeable, State, sealed
from kith.client.extra import Extra
from tests.client.conftest import People, event, receive, until
from tests.client.test_groups import three


async def test_a_mention_is_encrypted_and_reaches_who_is_meant(people: People) -> None:
    ada, ben, cyd, group = await three(people)
    name = ben.jid.partition("@")[0]
    await ada.send(group, f"Dear @{name}, are you there?", wait=State.SENT)
    (got,), (other,) = await receive(ben), await receive(cyd)
    assert got.mentions == other.mentions == (Mention(5, 6 + len(name), ben.jid),)
    assert got.mentions_me()
    assert not other.mentions_me()
    await ben.send(group, "@all: yes")
    assert (await receive(cyd))[0].mentions_me()
    data = b"".join(path.read_bytes() for path in people.server.data_dir.rglob("*") if path.is_file())
    assert b'"mentions"' not in data


async def test_a_poll_is_answered_and_closed_by_its_author(people: People) -> None:
    ada, ben, cyd, group = await three(people)
    asked = await ada.send_poll(group, "Tea or coffee?", ["Tea", "Coffee"])
    (poll,), (same,) = await receive(ben), await receive(cyd)
    assert poll.poll is not None
    assert (poll.poll.question, [one.text for one in poll.poll.options]) == (
        "Tea or coffee?",
        ["Tea", "Coffee"],
    )
    assert poll.body == "Tea or coffee?\n1. Tea\n2. Coffee"
    tea, coffee = poll.poll.options
    await ben.vote(poll, tea)
    await cyd.vote(same, coffee)
    await cyd.vote(same, tea)
    for client in (ada, ben, cyd):
        await until(lambda: client.poll_result(client.history(group)[-1]).count(tea) == 2)  # noqa: B023
        assert client.poll_result(client.history(group)[-1]).count(coffee) == 0
    with pytest.raises(NotChangeable):
        await ben.vote(poll, tea, coffee)
    with pytest.raises(NotChangeable):
        await ben.close_poll(poll)
    assert (await ada.close_poll(asked)).closed
    await until(lambda: ben.poll_result(poll).closed)
    with pytest.raises(NotChangeable):
        await ben.vote(poll, tea)
    assert [message.body for message in ben.history(group) if message.change is None] == [poll.body]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["mentions", "poll", "vote", "close", "of", "options", "id", "text", "jid", "start"]
            ),
            inner,
            max_size=5,
        )
    ),
)


@given(_JSON)
def test_whatever_a_member_seals_is_read_or_left_out(value: object) -> None:
    key, iv = os.urandom(16), os.urandom(12)
    message, element = Element("message"), Element(sealed.TAG, iv=base64.b64encode(iv).decode())
    element.text = base64.b64encode(AESGCM(key).encrypt(iv, json.dumps(value).encode(), None)).decode()
    message.append(element)
    extra = sealed.unseal(message, key)
    assert Extra.parse(extra.stored() or "{}") == extra
    assert sealed.unseal(message, os.urandom(16)) == Extra()


async def test_a_pin_is_seen_by_all_until_it_is_taken_back(people: People) -> None:
    ada, ben, cyd, group = await three(people)
    first = await ada.wait_for(await ada.send(group, "Tea at five"), State.SENT)
    (got,) = await receive(ben)
    await ben.pin(got)
    await until(lambda: cyd.pinned(group) and ada.pinned(group))
    assert [(one.author, one.body) for one in cyd.pinned(group)] == [(ada.jid, "Tea at five")]
    assert [message.body for message in cyd.history(group) if message.change is None] == ["Tea at five"]
    await ada.unpin(first)
    await until(lambda: not cyd.pinned(group) and not ben.pinned(group))


async def test_messages_disappear_when_their_time_is_over(people: People) -> None:
    ada, ben, _, group = await three(people)
    await ada.send(group, "stays")
    await receive(ben)
    await ada.change_group(group, expire=2)
    await until(lambda: ben.group(group).settings.expire == 2)
    await ada.send(group, "goes")
    with ada.events() as mine, ben.events() as theirs:
        for events in (mine, theirs):
            assert (await event(events, MessageExpired)).message.body == "goes"
    for client in (ada, ben):
        found = [message.body for message in client.history(group) if message.change is None]
        assert found == ["stays"]


async def test_a_group_has_a_picture_that_members_change(people: People) -> None:
    ada, ben, _, group = await three(people)
    assert await ben.group_picture(group) == b""
    picture = b"\x89PNG\r\n\x1a\n" + bytes(100)
    await ada.set_group_picture(group, picture)
    assert await ben.group_picture(group) == picture
    await ben.set_group_picture(group, b"")
    assert await ada.group_picture(group) == b""
