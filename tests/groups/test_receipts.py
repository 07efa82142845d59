"""Who has received and read what, summed up for the author alone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kith.core.actors.account import Session
from kith.features.privacy import PrivacySettings
from kith.groups import messages, receipts
from kith.ports.store import LogQuery
from kith.records import privacy
from kith.records.privacy import Privacy
from kith.wire.stanza import Stanza
from tests.groups.there import GROUP, GROUPS, There, conditions, groups, texts
from tests.parts import DOMAIN

EVERY = 0.02


@pytest.fixture
async def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[There]:
    monkeypatch.setattr(receipts, "_EVERY", EVERY)
    async with groups(tmp_path, PrivacySettings) as made:
        yield made


async def last_id(there: There) -> str:
    record = await there.node.store.account(GROUP)
    assert record is not None
    page = await there.node.store.page(LogQuery(record.id, limit=1, backwards=True))
    return f"{page.entries[0].id:016x}"


async def mark(there: There, session: Session, **marks: str) -> list[Stanza]:
    attrs = " ".join(f"{name}='{id}'" for name, id in marks.items())
    xml = f"<message type='groupchat' to='{GROUP}'><marks xmlns='{GROUPS}' {attrs}/></message>"
    return await there.says(session, xml)


async def sums(there: There, session: Session) -> list[tuple[str, str, str]]:
    """The sums that an author is told, in order, after a while."""
    await asyncio.sleep(EVERY * 3)
    found = [one.inner.decode() for one in there.heard(session) if one.type == "headline"]
    pattern = r"<message id='\w+' delivered='(\d+)' read='(\d+)' of='(\d+)'/>"
    return [match for text in found for match in re.findall(pattern, text)]


async def trio(there: There) -> tuple[Session, Session, Session]:
    """A group of three people with one device each. It has loaded its marks, of which there are none yet."""
    ada, ben, cyd = [await there.person(f"{name}/phone", receives=True) for name in ("ada", "ben", "cyd")]
    await there.make(ada)
    await there.affiliate(ada, {"ben": "member", "cyd": "member"})
    await mark(there, ben, delivered="0" * 16)
    return ada, ben, cyd


async def stored(there: There) -> bytes:
    """The marks of the group, as they are stored after a while."""
    await asyncio.sleep(EVERY * 6)
    await there.node.store.flush()
    record = await there.node.store.account(GROUP)
    assert record is not None
    document = await there.node.store.document(record.id, "receipts", "")
    assert document is not None
    return document.value


async def test_the_author_alone_is_told_how_many_have_a_message(there: There) -> None:
    ada, ben, cyd = await trio(there)
    await there.write(ada, "hello")
    id = await last_id(there)
    for session in (ada, ben, cyd):
        there.heard(session)
    await mark(there, ben, delivered=id)
    await mark(there, cyd, read=id)
    assert await sums(there, ada) == [("2", "1", "2")]
    assert there.heard(ben) == there.heard(cyd) == []
    await mark(there, ben, read=id)
    await mark(there, ben, read=id)
    assert await sums(there, ada) == [("2", "2", "2")]
    assert await there.log("ada") == await there.log("ben") == ["hello"]


async def test_what_was_written_before_anybody_has_said_anything_counts_as_well(there: There) -> None:
    ada = await there.person("ada/phone", receives=True)
    ben = await there.person("ben/phone")
    await there.make(ada)
    await there.affiliate(ada, {"ben": "member"})
    await there.write(ada, "hello")
    there.heard(ada)
    await mark(there, ben, read=await last_id(there))
    assert await sums(there, ada) == [("1", "1", "1")]


async def test_the_author_sees_who_and_when_and_nobody_else_does(there: There) -> None:
    ada = await there.person("ada/phone")
    ben = await there.person("ben/phone")
    await there.person("cyd/phone")
    await there.make(ada)
    await there.affiliate(ada, {"ben": "member", "cyd": "member"})
    await there.write(ada, "hello")
    id = await last_id(there)
    await mark(there, ben, read=id)
    request = f"<iq type='get' id='r' to='{GROUP}'><receipts xmlns='{GROUPS}' id='{id}'/></iq>"
    answer = await there.says(ada, request)
    found = {
        one.get("jid", ""): {name for name in ("delivered", "read") if one.get(name)}
        for one in answer[-1].element.iter(f"{{{GROUPS}}}receipt")
    }
    assert found[f"ben@{DOMAIN}"] == {"delivered", "read"}
    assert found[f"cyd@{DOMAIN}"] == set()
    assert conditions(await there.says(ben, request)) == ["item-not-found"]


async def test_who_hides_reading_has_received_it(there: There) -> None:
    ada = await there.person("ada/phone", receives=True)
    ben = await there.person("ben/phone")
    await privacy.save(there.node.store, ben.account.id, Privacy(read_receipts=False))
    await there.node.hooks.privacy_changed(ben.account)
    await there.make(ada)
    await there.affiliate(ada, {"ben": "member"})
    await mark(there, ben, delivered="0" * 16)
    await there.write(ada, "hello")
    await mark(there, ben, read=await last_id(there))
    assert await sums(there, ada) == [("1", "0", "1")]


@pytest.mark.parametrize("id", ["", "x", "f" * 16, "7" + "f" * 15, "-1"])
async def test_marks_of_nonsense_and_of_the_future_count_for_nothing(there: There, id: str) -> None:
    ada = await there.person("ada/phone", receives=True)
    ben = await there.person("ben/phone")
    await there.make(ada)
    await there.affiliate(ada, {"ben": "member"})
    await mark(there, ben, delivered="0" * 16)
    await there.write(ada, "hello")
    there.heard(ada)
    assert conditions(await mark(there, ben, read=id)) == []
    assert await sums(there, ada) in ([], [("0", "0", "1")])


async def test_marks_are_there_after_a_restart(there: There) -> None:
    ada = await there.person("ada/phone")
    ben = await there.person("ben/phone")
    await there.make(ada)
    await there.affiliate(ada, {"ben": "member"})
    await there.write(ada, "hello")
    id = await last_id(there)
    await mark(there, ben, read=id)
    marks = await stored(there)
    assert f"ben@{DOMAIN}".encode() in marks


async def test_who_has_left_is_told_nothing_more_and_forgotten(there: There) -> None:
    ada, ben, cyd = await trio(there)
    await there.write(cyd, "hello")
    id = await last_id(there)
    await mark(there, cyd, read=id)
    await asyncio.sleep(EVERY * 3)
    await there.affiliate(ada, {"cyd": "none"})
    there.heard(cyd)
    await mark(there, ben, read=id)
    await mark(there, ada, read=id)
    assert await sums(there, cyd) == []
    marks = await stored(there)
    assert [name for name in (b"ben@", b"cyd@") if name in marks] == [b"ben@"]


DISPLAYED = "<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/>"


async def test_a_marker_brings_nothing_in_that_needs_the_right_to_write(there: There) -> None:
    ada = await there.person("ada/phone", receives=True)
    ben = await there.person("ben/phone", receives=True)
    await there.make(ada, **{f"{{{GROUPS}}}announce": "1"})
    await there.affiliate(ada, {"ben": "member"})
    there.heard(ada)
    for more in ("", f"<marks xmlns='{GROUPS}'/>"):
        assert conditions(await there.write(ben, "spam", DISPLAYED + more)) == ["forbidden"]
    assert texts(there.heard(ada)) == []
    assert conditions(await there.write(ben, "", DISPLAYED)) == []
    assert [b"<displayed" in one.inner for one in there.heard(ada)] == [True]


async def test_markers_do_not_flood_a_large_group_whose_members_have_not_entered(
    there: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await there.person("ada/phone", receives=True)
    ben = await there.person("ben/phone", receives=True)
    await there.make(ada)
    await there.affiliate(ada, {"ben": "member"})
    there.heard(ada)
    monkeypatch.setattr(messages, "_FEW", 1)
    assert conditions(await there.write(ben, "", DISPLAYED)) == []
    assert there.heard(ada) == []
