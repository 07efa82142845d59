"""Bookmarks are there for what an account is a member of (XEP-0402), also after a crash."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kith.core.actors.account import Session
from kith.features.bookmarks import Bookmarks
from kith.groups.bookmarks import RoomBookmarks
from tests.groups.there import GROUP, OWNER, There, conditions, groups
from tests.parts import DOMAIN

NODE = "urn:xmpp:bookmarks:1"


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[There]:
    async with groups(tmp_path, Bookmarks) as made:
        yield made


async def bookmarks(there: There, session: Session) -> dict[str, str]:
    """The bookmarks, by address."""
    items = f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{NODE}'/></pubsub>"
    (answer,) = [
        s for s in await there.says(session, f"<iq type='get' id='b'>{items}</iq>") if s.kind == "iq"
    ]
    return dict(re.findall(r"<item id='([^']*)'>(.*?)</item>", answer.inner.decode()))


async def old_bookmarks(there: There, session: Session) -> list[str]:
    storage = "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query>"
    (answer,) = await there.says(session, f"<iq type='get' id='b'>{storage}</iq>")
    return re.findall(r"jid='([^']*)'", answer.inner.decode())


async def test_who_is_added_has_a_bookmark_and_loses_it_when_removed(there: There) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    await there.make(ada, roomname="Tea")
    assert list(await bookmarks(there, ada)) == [GROUP]
    await there.affiliate(ada, {"ben": "member"})
    found = await bookmarks(there, ben)
    assert found == {
        GROUP: f"<conference xmlns='{NODE}' autojoin='true' name='Tea'><nick>ben</nick></conference>"
    }
    there.heard(ben)
    assert await old_bookmarks(there, ben) == [GROUP]
    await there.affiliate(ada, {"ben": "none"})
    assert await bookmarks(there, ben) == {}


async def test_a_bookmark_of_the_person_stays_as_it_is(there: There) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    await there.make(ada)
    own = f"<conference xmlns='{NODE}' name='My tea'><nick>B</nick></conference>"
    publish = f"<publish node='{NODE}'><item id='{GROUP}'>{own}</item></publish>"
    await there.says(
        ben,
        f"<iq type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'>{publish}</pubsub></iq>",
    )
    await there.affiliate(ada, {"ben": "member"})
    assert (await bookmarks(there, ben))[GROUP] == own


async def test_a_person_who_deletes_a_bookmark_does_not_get_it_back(tmp_path: Path) -> None:
    async with groups(tmp_path, Bookmarks) as there:
        ada = await there.person("ada/phone")
        await there.make(ada)
        retract = f"<retract node='{NODE}'><item id='{GROUP}'/></retract>"
        await there.says(
            ada,
            f"<iq type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'>{retract}</pubsub></iq>",
        )
    async with groups(tmp_path, Bookmarks) as there:
        ada = await there.person("ada/phone")
        assert await bookmarks(there, ada) == {}


async def test_what_a_crash_has_prevented_is_made_up_for_at_the_next_login(tmp_path: Path) -> None:
    other = f"other@groups.{DOMAIN}"
    async with groups(tmp_path, Bookmarks) as there:
        ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
        await there.make(ada)
        await there.make(ada, group=other)
        await there.affiliate(ada, {"ben": "member"}, other)
        assert list(await bookmarks(there, ben)) == [other]
        marks = there.node.get(RoomBookmarks)
        marks._add = marks._remove = _crash  # type: ignore[method-assign,assignment]
        await there.affiliate(ada, {"ben": "member"})
        await there.affiliate(ada, {"ben": "none"}, other)
        assert list(await bookmarks(there, ben)) == [other]
    async with groups(tmp_path, Bookmarks) as there:
        ben = await there.person("ben/phone")
        await there.room.settle()
        assert list(await bookmarks(there, ben)) == [GROUP]


async def _crash(*args: object) -> None:
    """Does nothing, as if the server had been killed."""


async def test_a_group_that_is_destroyed_leaves_no_bookmarks(there: There) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    await there.make(ada)
    await there.affiliate(ada, {"ben": "member"})
    xml = f"<iq type='set' id='d' to='{GROUP}'><query xmlns='{OWNER}'><destroy/></query></iq>"
    assert conditions(await there.says(ada, xml)) == []
    assert await bookmarks(there, ben) == await bookmarks(there, ada) == {}
