"""Links by which people come into groups, and people whom admins let in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kith.core.actors.account import Session
from kith.core.sessions.removal import Removal
from kith.groups.links import GroupLinks
from tests.groups.test_registering import form, register
from tests.groups.there import GROUP, GROUPS, There, conditions, groups, texts
from tests.parts import DOMAIN


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[There]:
    async with groups(tmp_path) as made:
        yield made


async def ask(there: There, session: Session, type: str, inner: str) -> dict[str, str]:
    """The attributes of the answer, or the condition of the error."""
    xml = f"<iq type='{type}' id='l' to='{GROUP}'>{inner}</iq>"
    (answer,) = [one for one in await there.says(session, xml) if one.kind == "iq"]
    if answer.type == "error":
        return {"error": conditions([answer])[0]}
    return dict(answer.element[0].attrib) if len(answer.element) else {}


async def link(there: There, session: Session, revoke: bool = False) -> dict[str, str]:
    attribute = " revoke='true'" if revoke else ""
    return await ask(there, session, "set", f"<link xmlns='{GROUPS}'{attribute}/>")


async def join(there: There, session: Session, token: str) -> dict[str, str]:
    return await ask(there, session, "set", f"<join xmlns='{GROUPS}' token='{token}'/>")


async def change(there: There, session: Session, settings: str) -> None:
    await ask(there, session, "set", f"<group xmlns='{GROUPS}'><settings {settings}/></group>")


async def test_who_has_the_link_comes_in_until_it_is_revoked(there: There) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    cyd = await there.person("cyd/phone")
    await there.make(ada)
    assert await ask(there, ada, "get", f"<link xmlns='{GROUPS}'/>") == {}
    made = await link(there, ada)
    assert made["uri"] == f"xmpp:{GROUP}?join;password={made['token']}"
    assert made["url"].endswith(f"/group/tea/{made['token']}")
    assert await ask(there, ada, "get", f"<link xmlns='{GROUPS}'/>") == made
    assert await join(there, ben, "x" * 32) == {"error": "not-authorized"}
    assert await join(there, ben, made["token"]) == {"state": "inside"}
    assert await join(there, ben, made["token"]) == {"state": "inside"}
    await there.write(ada, "hello")
    assert await there.log("ben") == ["hello"]
    new = await link(there, ada)
    assert new["token"] != made["token"]
    assert await join(there, cyd, made["token"]) == {"error": "not-authorized"}
    await link(there, ada, revoke=True)
    assert await join(there, cyd, new["token"]) == {"error": "not-authorized"}
    assert await join(there, cyd, "") == {"error": "not-authorized"}


async def test_any_client_enters_with_the_link_as_password(there: There) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    await there.make(ada)
    token = (await link(there, ada))["token"]
    muc = "<x xmlns='http://jabber.org/protocol/muc'>{}<history maxstanzas='0'/></x>"
    refused = await there.enter(ben, "ben", inner=muc.format("<password>wrong</password>"))
    assert conditions(refused) == ["registration-required"]
    assert conditions(await there.enter(ben, "ben", inner=muc.format(f"<password>{token}</password>"))) == []
    assert texts(await there.write(ben, "here")) == ["here"]
    await there.write(ada, "hello")
    assert await there.log("ben") == ["here", "hello"]


async def test_who_is_banned_stays_out(there: There) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    await there.make(ada)
    token = (await link(there, ada))["token"]
    await there.affiliate(ada, {"ben": "outcast"})
    assert await join(there, ben, token) == {"error": "forbidden"}
    muc = f"<x xmlns='http://jabber.org/protocol/muc'><password>{token}</password></x>"
    assert conditions(await there.enter(ben, "ben", inner=muc)) == ["forbidden"]


async def test_only_those_who_may_add_people_have_the_link(there: There) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    eve = await there.person("eve/phone")
    await there.make(ada)
    await there.affiliate(ada, {"ben": "member"})
    token = (await link(there, ada))["token"]
    assert (await ask(there, ben, "get", f"<link xmlns='{GROUPS}'/>"))["token"] == token
    assert await ask(there, eve, "get", f"<link xmlns='{GROUPS}'/>") == {"error": "item-not-found"}
    await change(there, ada, "invite='admins'")
    assert await ask(there, ben, "get", f"<link xmlns='{GROUPS}'/>") == {"error": "forbidden"}
    assert await link(there, ben) == {"error": "forbidden"}


async def test_admins_let_in_who_asks(there: There) -> None:
    ada = await there.person("ada/phone", receives=True)
    ben, cyd = await there.person("ben/phone"), await there.person("cyd/phone")
    dan = await there.person("dan/phone", receives=True)
    await there.make(ada)
    await there.affiliate(ada, {"dan": "member"})
    await change(there, ada, "approve='true'")
    token = (await link(there, ada))["token"]
    there.heard(ada)
    there.heard(dan)
    assert await join(there, ben, token) == {"state": "asked"}
    assert await join(there, ben, token) == {"state": "asked"}
    assert await join(there, cyd, token) == {"state": "asked"}
    asked = [one for one in there.heard(ada) if b"<asks " in one.inner]
    asking = [text for one in asked for text in ("ben", "cyd") if f"<asks jid='{text}@".encode() in one.inner]
    assert asking == ["ben", "cyd"]
    assert there.heard(dan) == []
    assert await ask(there, dan, "get", f"<asking xmlns='{GROUPS}'/>") == {"error": "forbidden"}
    assert await ask(there, dan, "set", f"<approve xmlns='{GROUPS}' jid='ben@{DOMAIN}'/>") == {
        "error": "forbidden"
    }
    assert await ask(there, ada, "set", f"<approve xmlns='{GROUPS}' jid='ben@{DOMAIN}'/>") == {}
    assert await ask(there, ada, "set", f"<decline xmlns='{GROUPS}' jid='cyd@{DOMAIN}'/>") == {}
    again = await ask(there, ada, "set", f"<approve xmlns='{GROUPS}' jid='cyd@{DOMAIN}'/>")
    assert again == {"error": "item-not-found"}
    await there.write(ada, "hello")
    assert (await there.log("ben"), await there.log("cyd")) == (["hello"], [])


async def test_who_has_asked_is_not_somebody_who_has_the_address_now(there: There) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    await there.make(ada)
    await change(there, ada, "approve='true'")
    token = (await link(there, ada))["token"]
    assert await join(there, ben, token) == {"state": "asked"}
    await there.node.get(Removal).remove(ben.account)
    there.heard(ada)
    await there.person("ben/other")
    assert await ask(there, ada, "set", f"<approve xmlns='{GROUPS}' jid='ben@{DOMAIN}'/>") == {
        "error": "item-not-found"
    }
    await there.write(ada, "hello")
    assert await there.log("ben") == []


async def test_the_page_of_a_link_knows_the_group(there: There) -> None:
    ada = await there.person("ada/phone")
    await there.make(ada)
    token = (await link(there, ada))["token"]
    links = there.node.get(GroupLinks)
    assert await links.page("tea", token) == ("tea", f"xmpp:{GROUP}?join;password={token}", 1)
    assert await links.page("tea", "") is None
    assert await links.page("tea", "x" * 32) is None
    assert await links.page("@@@", token) is None
    assert await links.page("nothing", token) is None


async def test_who_asks_by_link_and_by_registration_is_in_one_list(there: There) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    cyd, dan = await there.person("cyd/phone"), await there.person("dan/phone")
    await there.make(ada, **{f"{{{GROUPS}}}requests": "1"})
    await change(there, ada, "approve='true'")
    token = (await link(there, ada))["token"]
    there.heard(ada)
    assert await join(there, ben, token) == {"state": "asked"}
    assert conditions(await register(there, cyd, form(roomnick="Cynthia"))) == []
    # a client that knows nothing of groups gets a form for each, and decides with it
    asked = [one for one in there.heard(ada) if b"muc#register_allow" in one.inner]
    assert [name for one in asked for name in ("ben", "cyd") if f">{name}@".encode() in one.inner] == [
        *("ben", "cyd")
    ]
    listed = await there.says(ada, f"<iq type='get' id='l' to='{GROUP}'><asking xmlns='{GROUPS}'/></iq>")
    assert [dict(one.attrib) | {"at": ""} for one in listed[0].element[0]] == [
        {"jid": f"ben@{DOMAIN}", "at": ""},
        {"jid": f"cyd@{DOMAIN}", "at": "", "nick": "Cynthia"},
    ]
    person = f"<field var='{{{GROUPS}}}jid'><value>ben@{DOMAIN}</value></field>"
    answer = form(allow="1").replace("</x>", person + "</x>")
    assert conditions(await there.says(ada, f"<message id='m' to='{GROUP}'>{answer}</message>")) == []
    assert await ask(there, ada, "set", f"<approve xmlns='{GROUPS}' jid='cyd@{DOMAIN}'/>") == {}
    (group,) = there.service.groups.all()
    assert [member.nick for member in group.members.belonging()] == ["ada", "ben", "Cynthia"]
    # who is added meanwhile does not ask any more
    assert await join(there, dan, token) == {"state": "asked"}
    await there.affiliate(ada, {"dan": "member"})
    assert await ask(there, ada, "set", f"<approve xmlns='{GROUPS}' jid='dan@{DOMAIN}'/>") == {
        "error": "item-not-found"
    }
