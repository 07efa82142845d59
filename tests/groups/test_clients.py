"""What Kith's own clients ask of groups in one request each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest

from kith.base.rates import RateLimit
from kith.core.actors.account import Session
from kith.features.blocking import Blocking
from kith.features.privacy import PrivacySettings
from kith.groups import adding, expiry
from kith.records import privacy
from kith.records.privacy import Privacy
from kith.wire.ns import NICK
from kith.wire.stanza import Stanza
from tests.groups.there import ADMIN, GROUP, GROUPS, JOIN, ORIGIN, OWNER, There, conditions, groups, texts
from tests.parts import DOMAIN

SERVICE = f"groups.{DOMAIN}"
ID = "0f5c3a1e9b7d4c2a8e6f"
MEMBER = f"{{{GROUPS}}}member"


@pytest.fixture
async def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[There]:
    monkeypatch.setattr(expiry, "_EVERY", 0.05)
    async with groups(tmp_path, PrivacySettings, Blocking) as made:
        yield made


def answer(stanzas: list[Stanza]) -> Element:
    (iq,) = [stanza for stanza in stanzas if stanza.kind == "iq"]
    assert iq.type == "result", iq.inner
    return iq.element[0] if len(iq.element) else iq.element


async def create(there: There, session: Session, *people: str, id: str = ID, inner: str = "") -> Element:
    members = "".join(f"<member jid='{name}@{DOMAIN}'/>" for name in people)
    request = f"<create xmlns='{GROUPS}' id='{id}'>{inner}{members}</create>"
    xml = f"<iq type='set' id='n' to='{SERVICE}'>{request}</iq>"
    return answer(await there.says(session, xml))


async def state(there: There, session: Session, group: str, since: int = 0) -> Element:
    xml = f"<iq type='get' id='s' to='{group}'><group xmlns='{GROUPS}' since='{since}'/></iq>"
    return answer(await there.says(session, xml))


def people(state: Element) -> dict[str, str]:
    return {
        element.get("jid", "").partition("@")[0]: element.get("affiliation", "")
        + (" (invited)" if element.get("invited") else "")
        for element in state.iter(f"{{{GROUPS}}}member")
    }


async def test_a_group_is_made_of_people_in_one_request(there: There) -> None:
    ada = await there.person("ada/phone", receives=True)
    ben = await there.person("ben/phone", receives=True)
    await there.person("cyd/phone")
    made = await create(there, ada, "ben", "cyd", "nobody", inner="<name>Tea</name>")
    assert [(one.get("jid"), one.get("condition")) for one in made] == [
        (f"nobody@{DOMAIN}", "item-not-found")
    ]
    group = made.get("jid", "")
    (notice,) = [stanza for stanza in there.heard(ben) if stanza.kind == "message"]
    (change,) = notice.element.iter(f"{{{GROUPS}}}change")
    assert (change.get("by"), change.get("number")) == (f"ada@{DOMAIN}", "2")
    assert people(change) == {"ben": "member", "cyd": "member"}
    assert [element.get("nick") for element in change] == ["ben", "cyd"]
    found = await state(there, ben, group)
    assert (found.get("name"), found.get("affiliation"), found.get("complete")) == ("Tea", "member", "true")
    assert people(found) == {"ada": "owner", "ben": "member", "cyd": "member"}
    assert texts(await there.write(ben, "hi", group=group)) == ["hi"]
    assert await there.log("cyd") == ["hi"]


async def test_a_repeated_request_makes_one_group(there: There) -> None:
    ada = await there.person("ada/phone")
    await there.person("ben/phone")
    one = await create(there, ada, "ben")
    two = await create(there, ada, "ben")
    assert one.get("jid") == two.get("jid")
    assert people(await state(there, ada, one.get("jid", ""))) == {"ada": "owner", "ben": "member"}
    other = await create(there, ada, "ben", id=ID + "x")
    assert other.get("jid") != one.get("jid")
    listed = answer(await there.says(ada, f"<iq type='get' id='l'><groups xmlns='{GROUPS}'/></iq>"))
    assert {element.get("jid") for element in listed} == {one.get("jid"), other.get("jid")}


async def test_what_has_changed_since_a_number(there: There) -> None:
    ada = await there.person("ada/phone")
    for name in ("ben", "cyd", "dan"):
        await there.person(f"{name}/phone")
    group = (await create(there, ada, "ben")).get("jid", "")
    before = await state(there, ada, group)
    number = int(before.get("number", ""))
    await there.affiliate(ada, {"cyd": "member", "ben": "admin"}, group)
    after = await state(there, ada, group, number)
    assert after.get("complete") is None
    assert people(after) == {"ben": "admin", "cyd": "member"}
    assert people(await state(there, ada, group, int(after.get("number", "")))) == {}
    await there.affiliate(ada, {"ben": "none"}, group)
    later = await state(there, ada, group, number)
    assert later.get("complete") == "true"
    assert people(later) == {"ada": "owner", "cyd": "member"}


async def test_nobody_outside_sees_a_group(there: There) -> None:
    ada = await there.person("ada/phone")
    eve = await there.person("eve/phone")
    group = (await create(there, ada)).get("jid", "")
    refused = await there.says(eve, f"<iq type='get' id='s' to='{group}'><group xmlns='{GROUPS}'/></iq>")
    assert conditions(refused) == ["item-not-found"]
    for request in ("add", "group", "nick", "accept"):
        xml = f"<iq type='set' id='s' to='{group}'><{request} xmlns='{GROUPS}'><member jid='eve@{DOMAIN}'/>"
        refused = await there.says(eve, f"{xml}</{request}></iq>")
        assert conditions(refused) in (["item-not-found"], [])
        assert people(await state(there, ada, group)) == {"ada": "owner"}


async def test_who_wants_to_be_asked_is_invited_and_gets_nothing_before(there: There) -> None:
    ada = await there.person("ada/phone")
    ben = await there.person("ben/phone", receives=True)
    account = ben.account
    await privacy.save(there.node.store, account.id, Privacy(groups="nobody"))
    await there.node.hooks.privacy_changed(account)
    group = (await create(there, ada, "ben")).get("jid", "")
    assert people(await state(there, ada, group)) == {"ada": "owner", "ben": "member (invited)"}
    await there.write(ada, "before", group=group)
    assert await there.log("ben") == []
    await there.says(ben, f"<iq type='set' id='y' to='{group}'><accept xmlns='{GROUPS}'/></iq>")
    assert people(await state(there, ada, group)) == {"ada": "owner", "ben": "member"}
    await there.write(ada, "after", group=group)
    assert await there.log("ben") == ["after"]


async def test_who_has_blocked_somebody_is_not_added_by_them(there: There) -> None:
    ada = await there.person("ada/phone")
    ben = await there.person("ben/phone")
    block = f"<block xmlns='urn:xmpp:blocking'><item jid='ada@{DOMAIN}'/></block>"
    await there.says(ben, f"<iq type='set' id='b'>{block}</iq>")
    group = (await create(there, ada, "ben")).get("jid", "")
    assert people(await state(there, ada, group))["ben"] == "member (invited)"
    await there.says(ben, f"<presence to='{group}/ben'>{JOIN}</presence>")
    assert people(await state(there, ada, group))["ben"] == "member"


async def test_settings_are_for_admins_and_the_name_for_all_unless_they_say_otherwise(there: There) -> None:
    ada = await there.person("ada/phone")
    ben = await there.person("ben/phone")
    group = (await create(there, ada, "ben")).get("jid", "")

    async def change(session: Session, inner: str) -> list[str]:
        xml = f"<iq type='set' id='h' to='{group}'><group xmlns='{GROUPS}'>{inner}</group></iq>"
        return conditions(await there.says(session, xml))

    assert await change(ben, "<name>Our tea</name>") == []
    assert await change(ben, "<settings announce='true'/>") == ["forbidden"]
    assert await change(ada, "<settings announce='true' change='admins' expire='60'/>") == []
    assert await change(ben, "<name>Mine</name>") == ["forbidden"]
    assert await change(ada, "<settings colour='red'/>") == ["not-acceptable"]
    assert await change(ada, f"<name>{'x' * 300}</name>") == ["not-acceptable"]
    assert conditions(await there.write(ben, "may I", group=group)) == ["forbidden"]
    assert texts(await there.write(ada, "I may", group=group)) == []
    assert await there.log("ben") == ["I may"]
    found = await state(there, ben, group)
    assert found.get("name") == "Our tea"


async def test_a_notice_names_the_settings_that_were_changed(there: There) -> None:
    ada = await there.person("ada/phone")
    ben = await there.person("ben/phone", receives=True)
    group = (await create(there, ada, "ben")).get("jid", "")
    there.room.heard(ben)
    for inner in (
        "<name>Chai</name><settings announce='true' expire='60'/>",
        "<settings announce='false' expire='60'/>",
    ):
        await there.says(
            ada, f"<iq type='set' id='h' to='{group}'><group xmlns='{GROUPS}'>{inner}</group></iq>"
        )
    told = [one.element.find(f".//{{{GROUPS}}}settings") for one in there.room.heard(ben)]
    assert [one.attrib for one in told if one is not None] == [
        {"announce": "true", "expire": "60"},
        {"announce": "false"},
    ]


async def test_people_are_called_what_they_call_themselves(there: There) -> None:
    ada = await there.person("ada/phone")
    ben = await there.person("ben/phone")
    cyd = await there.person("cyd/phone")
    await there.person("dan/phone")
    for session, name, access in (
        (ada, " Ada  L. ", "open"),
        (ben, "Ada L.", "open"),
        (cyd, "Cy", "whitelist"),
    ):
        node = (
            f"<publish node='{NICK}'><item id='current'><nick xmlns='{NICK}'>{name}</nick></item></publish>"
            "<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
            "<value>http://jabber.org/protocol/pubsub#publish-options</value></field>"
            f"<field var='pubsub#access_model'><value>{access}</value></field></x></publish-options>"
        )
        xml = f"<iq type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'>{node}</pubsub></iq>"
        assert conditions(await there.says(session, xml)) == []
    group = (await create(there, ada, "ben", "cyd", "dan")).get("jid", "")
    found = {one.get("jid", ""): one.get("nick") for one in (await state(there, ada, group)).iter(MEMBER)}
    assert found == {
        f"{name}@{DOMAIN}": nick
        for name, nick in {"ada": "Ada L.", "ben": "Ada L. 2", "cyd": "cyd", "dan": "dan"}.items()
    }


async def test_a_nickname_is_unique(there: There) -> None:
    ada = await there.person("ada/phone")
    ben = await there.person("ben/phone")
    group = (await create(there, ada, "ben")).get("jid", "")
    xml = f"<iq type='set' id='k' to='{group}'><nick xmlns='{GROUPS}'>ada</nick></iq>"
    assert answer(await there.says(ben, xml)).text == "ada 2"


async def test_members_know_each_other(there: There) -> None:
    ada = await there.person("ada/phone")
    ben = await there.person("ben/phone")
    eve = await there.person("eve/phone")
    group = (await create(there, ada, "ben")).get("jid", "")
    known = there.node.hooks.acquainted
    assert await known(ada.account.address, ben.bare)
    assert not await known(ada.account.address, eve.bare)
    await there.affiliate(ada, {"ben": "none"}, group)
    assert not await known(ada.account.address, ben.bare)


async def test_a_message_disappears_when_its_time_is_over(there: There) -> None:
    ada = await there.person("ada/phone")
    await there.person("ben/phone")
    group = (await create(there, ada, "ben", inner="<settings expire='1'/>")).get("jid", "")
    await there.write(ada, "short", ORIGIN.format("5c1b9a1e-5a0c-4cf6-9d1c-0c55d8b2a7f1"), group=group)
    assert await there.log("ben") == ["short"]
    for _ in range(100):
        if await there.log("ben") == []:
            break
        await asyncio.sleep(0.05)
    assert await there.log("ben") == []
    assert await there.log("ada") == []


async def test_nobody_floods_the_members_with_changes(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone", receives=True)
    group = (await create(there, ada, "ben")).get("jid", "")
    token = answer(
        await there.says(ada, f"<iq type='set' id='l' to='{group}'><link xmlns='{GROUPS}'/></iq>")
    ).get("token")
    few = RateLimit(2, 60.0)
    monkeypatch.setitem(there.service.rates._limits, "change", few)
    refused = "policy-violation"

    async def asks(inner: str) -> list[str]:
        return conditions(await there.says(ben, f"<iq type='set' id='f' to='{group}'>{inner}</iq>"))

    assert await asks(f"<nick xmlns='{GROUPS}'>one</nick>") == []
    assert await asks(f"<group xmlns='{GROUPS}'><name>two</name></group>") == []
    there.heard(ben)
    admin = f"<query xmlns='{ADMIN}'><item jid='ben@{DOMAIN}' affiliation='member' nick='four'/></query>"
    for inner in (
        f"<nick xmlns='{GROUPS}'>three</nick>",
        f"<group xmlns='{GROUPS}'><name>three</name></group>",
        f"<add xmlns='{GROUPS}'><member jid='eve@elsewhere.example'/></add>",
        f"<link xmlns='{GROUPS}'/>",
        "<vCard xmlns='vcard-temp'><FN>three</FN></vCard>",
        admin,
    ):
        assert await asks(inner) == [refused], inner
    cyd = await there.person("cyd/phone")
    come = f"<iq type='set' id='j' to='{group}'><join xmlns='{GROUPS}' token='{token}'/></iq>"
    leave = f"<iq type='set' id='r' to='{group}'><query xmlns='jabber:iq:register'><remove/></query></iq>"
    for _ in range(2):
        assert conditions(await there.says(cyd, come)) == []
        assert conditions(await there.says(cyd, leave)) == []
    assert conditions(await there.says(cyd, come)) == [refused]


async def test_nobody_makes_groups_without_end(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = await there.person("ada/phone")
    monkeypatch.setitem(there.service.rates._limits, "creation", RateLimit(2, 3600.0))
    for number in (1, 2, 2):  # a retry makes none
        await create(there, ada, id=f"{ID}{number}")
    request = f"<create xmlns='{GROUPS}' id='{ID}3'/>"
    heard = await there.says(ada, f"<iq type='set' id='n' to='{SERVICE}'>{request}</iq>")
    assert conditions(heard) == ["policy-violation"]


async def test_nobody_is_added_to_groups_without_end(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    monkeypatch.setattr(adding, "MAX_GROUPS", 2)
    for number in (1, 2):
        await create(there, ada, "ben", id=f"{ID}{number}")
    made = await create(there, ada, "ben", "cyd", id=f"{ID}3")
    refused = f"{{{GROUPS}}}refused"
    assert [(one.get("jid"), one.get("condition")) for one in made.iter(refused)] == [
        (f"ben@{DOMAIN}", "resource-constraint"),
        (f"cyd@{DOMAIN}", "item-not-found"),
    ]
    group = made.get("jid", "")
    assert conditions(await there.affiliate(ada, {"ben": "member"}, group)) == ["resource-constraint"]
    await create(there, ben, id=f"{ID}4")  # one's own decision
    assert people(await state(there, ada, group)) == {"ada": "owner"}


async def test_who_is_only_invited_changes_nothing_and_passes_nothing_on(there: There) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    await privacy.save(there.node.store, ben.account.id, Privacy(groups="nobody"))
    await there.node.hooks.privacy_changed(ben.account)
    group = (await create(there, ada, "ben")).get("jid", "")
    assert people(await state(there, ada, group))["ben"] == "member (invited)"

    async def asks(type: str, inner: str) -> list[str]:
        return conditions(await there.says(ben, f"<iq type='{type}' id='f' to='{group}'>{inner}</iq>"))

    requests = (
        ("set", f"<group xmlns='{GROUPS}'><name>mine</name></group>"),
        ("set", "<vCard xmlns='vcard-temp'><FN>mine</FN></vCard>"),
        ("set", f"<link xmlns='{GROUPS}'/>"),
        ("get", f"<link xmlns='{GROUPS}'/>"),
    )
    for type, inner in requests:
        assert await asks(type, inner) == ["forbidden"], inner
    assert await asks("set", f"<accept xmlns='{GROUPS}'/>") == []
    for type, inner in requests:
        assert await asks(type, inner) == [], inner


@pytest.mark.parametrize(
    ("type", "inner"),
    [
        *(
            ("get", f"<{name} xmlns='{GROUPS}'/>")
            for name in ("group", "link", "asking", "newcomers", "devices")
        ),
        *(("set", f"<{name} xmlns='{GROUPS}'/>") for name in ("group", "add", "nick", "accept", "approve")),
        ("get", "<ping xmlns='urn:xmpp:ping'/>"),
        ("get", "<query xmlns='jabber:iq:register'/>"),
        ("set", "<query xmlns='jabber:iq:register'><remove/></query>"),
        ("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>"),
        ("get", "<query xmlns='http://jabber.org/protocol/disco#info' node='x-roomuser-item'/>"),
        ("get", "<query xmlns='http://jabber.org/protocol/disco#items'/>"),
        ("get", f"<query xmlns='{ADMIN}'><item affiliation='member'/></query>"),
        ("set", f"<query xmlns='{ADMIN}'><item affiliation='member' jid='eve@{DOMAIN}'/></query>"),
        ("get", f"<query xmlns='{OWNER}'/>"),
        ("set", "<query xmlns='urn:xmpp:mam:2'/>"),
        ("get", "<metadata xmlns='urn:xmpp:mam:2'/>"),
        ("get", "<vCard xmlns='vcard-temp'/>"),
        ("set", "<vCard xmlns='vcard-temp'/>"),
        (
            "set",
            "<moderate xmlns='urn:xmpp:message-moderate:1' id='x'>"
            "<retract xmlns='urn:xmpp:message-retract:1'/></moderate>",
        ),
    ],
)
async def test_a_hidden_group_answers_strangers_as_if_it_did_not_exist(
    there: There, type: str, inner: str
) -> None:
    ada, eve = await there.person("ada/phone"), await there.person("eve/phone")
    await there.make(ada)
    answers = [
        await there.says(eve, f"<iq type='{type}' id='h' to='{jid}'>{inner}</iq>")
        for jid in (GROUP, f"nothing@groups.{DOMAIN}")
    ]
    assert [conditions(answer) for answer in answers] == [["item-not-found"]] * 2
    assert len({one[0].inner for one in answers}) == 1
