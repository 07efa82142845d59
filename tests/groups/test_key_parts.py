"""Keys of messages to large groups, sent in parts before the message."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

import pytest

from kith.core.actors.account import Session
from kith.groups import key_parts
from kith.wire.stanza import Stanza
from tests.groups.test_key_requests import publish
from tests.groups.there import GROUP, GROUPS, ORIGIN, There, conditions

OMEMO = "eu.siacs.conversations.axolotl"


def keys(*devices: int) -> str:
    return "".join(f"<key rid='{id}' prekey='true'>k{id}</key>" for id in devices)


async def part(there: There, session: Session, id: str, *devices: int) -> list[str]:
    xml = f"<iq type='set' id='k' to='{GROUP}'><keys xmlns='{GROUPS}' id='{id}'>{keys(*devices)}</keys></iq>"
    return conditions(await there.says(session, xml))


async def write(there: There, session: Session, id: str, *devices: int, inner: str = "") -> list[Stanza]:
    encrypted = (
        f"<encrypted xmlns='{OMEMO}'><header sid='1'>{keys(*devices)}<iv>aXY=</iv></header>"
        "<payload>cGF5</payload></encrypted>"
    )
    named = f"<for xmlns='{GROUPS}' number='2' keys='{id}'/>"
    return await there.write(session, "", encrypted + named + inner)


def rids(stanza: Stanza) -> list[str]:
    return re.findall(r"rid='([0-9]+)'", stanza.inner.decode())


async def made(there: There) -> tuple[Session, Session]:
    ada = await there.person("ada/phone", receives=True)
    ben = await there.person("ben/phone", receives=True)
    await publish(there, ada, 1, 2)
    await publish(there, ben, 3, 4)
    await there.make(ada)
    await there.affiliate(ada, {"ben": "member"})
    there.heard(ben)
    return ada, ben


async def test_each_gets_their_keys_from_the_parts_and_the_message(there: There) -> None:
    ada, ben = await made(there)
    assert await part(there, ada, "one", 1, 3) == []
    assert await part(there, ada, "one", 4, 9) == []
    (own,) = await write(there, ada, "one", 2)
    (got,) = there.heard(ben)
    assert sorted(rids(own)) == ["1", "2", "9"]
    assert sorted(rids(got)) == ["3", "4", "9"]
    header = got.element.find(f"{{{OMEMO}}}encrypted/{{{OMEMO}}}header")
    assert isinstance(header, Element)
    assert [child.tag for child in header][-1] == f"{{{OMEMO}}}key"
    assert header.findtext(f"{{{OMEMO}}}iv") == "aXY="


async def test_a_message_whose_parts_are_gone_is_refused(there: There) -> None:
    ada, ben = await made(there)
    (refusal,) = await write(there, ada, "gone")
    assert conditions([refusal]) == ["conflict"]
    assert b"<keys-missing xmlns='urn:kith:groups:0' id='gone'/>" in refusal.inner
    assert await part(there, ben, "gone", 1) == []  # those of somebody else do not count
    assert conditions(await write(there, ada, "gone")) == ["conflict"]
    assert there.heard(ben) == []


async def test_a_retry_needs_no_parts(there: There) -> None:
    ada, _ = await made(there)
    origin = ORIGIN.format("5c1b9a1e-5a0c-4cf6-9d1c-0c55d8b2a7f1")
    assert await part(there, ada, "once", 1, 3) == []
    await write(there, ada, "once", inner=origin)
    assert conditions(await write(there, ada, "lost", inner=origin)) == []
    assert ada.handled == ada.received


async def test_parts_have_limits(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, _ = await made(there)
    eve = await there.person("eve/phone")
    assert await part(there, eve, "x", 1) == ["item-not-found"]
    assert await part(there, ada, "", 1) == ["bad-request"]
    monkeypatch.setattr(key_parts, "_MAX_BYTES", 100)
    assert await part(there, ada, "many", 1, 2, 3, 4) == ["resource-constraint"]
    assert await part(there, ada, "many", 1) == []
    monkeypatch.setattr(key_parts, "_MAX_WAITING", 50)
    assert await part(there, ada, "more", 1) == ["resource-constraint"]
    monkeypatch.setattr(key_parts, "_SECONDS", -1.0)
    assert await part(there, ada, "later", 1) == []


async def test_keys_that_are_sent_again_count_as_what_they_are(
    there: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, _ = await made(there)
    monkeypatch.setattr(key_parts, "_MAX_BYTES", 200)

    async def one(key: str) -> list[str]:
        keys = f"<keys xmlns='{GROUPS}' id='a'><key rid='1'>{key}</key></keys>"
        return conditions(await there.says(ada, f"<iq type='set' id='k' to='{GROUP}'>{keys}</iq>"))

    assert await one("short") == []
    assert await one("long" * 100) == ["resource-constraint"]
    for _ in range(10):
        assert await one("k" * 100) == []
    assert await part(there, ada, "empty") == ["bad-request"]


async def test_parts_of_one_person_wait_for_a_few_messages(there: There) -> None:
    ada, ben = await made(there)
    assert await part(there, ben, "bens", 3) == []
    for number in range(key_parts._MAX_MESSAGES + 1):
        assert await part(there, ada, f"id{number}", 1, 3) == []
    assert conditions(await write(there, ada, "id0")) == ["conflict"]
    for id in ("id1", f"id{key_parts._MAX_MESSAGES}"):
        assert conditions(await write(there, ada, id)) == []
    assert conditions(await write(there, ben, "bens")) == []


@pytest.mark.parametrize("devices", [(900, 901), (3, 4)])  # of nobody here, and of one member
async def test_nobody_gets_more_than_a_stanza(there: There, devices: tuple[int, ...]) -> None:
    ada, ben = await made(there)
    for device in devices:
        keys = f"<keys xmlns='{GROUPS}' id='big'><key rid='{device}'>{'k' * 300_000}</key></keys>"
        assert conditions(await there.says(ada, f"<iq type='set' id='k' to='{GROUP}'>{keys}</iq>")) == []
    for _ in range(2):  # the first reads the devices
        assert conditions(await write(there, ada, "big")) == ["policy-violation"]
    assert there.heard(ben) == []
    assert await part(there, ada, "small", 1, 3) == []
    assert conditions(await write(there, ada, "small")) == []
