"""History for newcomers: encrypted anew by an admin's device, and only what was said in the group before."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kith.core.actors.account import Session
from kith.wire.stanza import Stanza
from tests.clocks import SetClock
from tests.groups.there import GROUP, GROUPS, There, conditions, groups, texts
from tests.parts import DOMAIN

#: Reads the archive of the room.
ARCHIVE = f"<iq type='set' id='q' to='{GROUP}'><query xmlns='urn:xmpp:mam:2'/></iq>"


class Ticking(SetClock):
    """No two moments are the same."""

    def now(self) -> float:
        self.time += 0.01
        return self.time


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[There]:
    async with groups(tmp_path) as made:
        yield made


async def place(there: There, session: Session, text: str) -> str:
    """Writes something, and returns the id that the group gives it."""
    (heard,) = [one for one in await there.write(session, text) if texts([one]) == [text]]
    return re.findall(f"id='([0-9a-f]{{16}})' by='{GROUP}'", heard.inner.decode())[0]


async def tea(there: There, **config: str) -> tuple[Session, Session, str]:
    """A group of ada, its owner, and ben, with history; the id of what ben has said, before cyd came."""
    ada = await there.person("ada/phone", receives=True)
    ben = await there.person("ben/phone", receives=True)
    await there.make(ada, **{f"{{{GROUPS}}}history": "1"} | config)
    await there.affiliate(ada, {"ben": "member"})
    said = await place(there, ben, "before")
    await there.person("cyd/phone")
    await there.affiliate(ada, {"cyd": "member"})
    there.heard(ada)
    return ada, ben, said


async def asks(there: There, session: Session, type: str, inner: str) -> Stanza:
    (answer,) = [
        one
        for one in await there.says(session, f"<iq type='{type}' id='n' to='{GROUP}'>{inner}</iq>")
        if one.kind == "iq"
    ]
    return answer


async def reserve(there: There, session: Session, more: str = "") -> Stanza:
    return await asks(there, session, "set", f"<history xmlns='{GROUPS}' jid='cyd@{DOMAIN}'{more}/>")


async def give(there: There, session: Session, id: str, text: str = "anew", to: str = "cyd") -> list[str]:
    """Sends a newcomer a message from before, and returns the conditions of errors."""
    history = f"<history xmlns='{GROUPS}' jid='{to}@{DOMAIN}' id='{id}'/>"
    xml = f"<message to='{GROUP}' id='h'>{history}<body>{text}</body></message>"
    return conditions(await there.says(session, xml))


async def new(there: There, session: Session) -> list[str]:
    """Who is new, as an admin is told."""
    answer = await asks(there, session, "get", f"<newcomers xmlns='{GROUPS}'/>")
    assert answer.type == "result"
    return re.findall("<newcomer jid='([^@]*)@", answer.inner.decode())


async def test_an_admin_gives_a_newcomer_alone_what_was_said_before(there: There) -> None:
    ada, ben, said = await tea(there)
    cyd = await there.person("cyd/tablet", receives=True)
    eve = await there.person("ben/other")
    await there.enter(eve, "ben")
    assert await new(there, ada) == ["ben", "cyd"]
    answer = await reserve(there, ada)
    assert answer.element[0].get("most") == "100"
    assert (answer.element[0].get("before") or "") > said
    for session in (ben, cyd, eve):
        there.heard(session)
    assert await give(there, ada, said) == []
    assert await give(there, ada, said) == []  # a retry
    (got,) = there.heard(cyd)
    history = got.element.find(f"{{{GROUPS}}}history")
    assert history is not None
    assert (history.get("id"), history.get("jid"), history.get("nick")) == (said, f"ben@{DOMAIN}", "ben")
    assert history.get("at", "").endswith("Z")
    assert got.attrs["from"] == f"{GROUP}/ada"
    assert texts(there.heard(ben) + there.heard(eve)) == []
    assert await there.log("cyd") == ["anew"]
    assert await there.log("ben") == await there.log("ada") == ["before"]
    # nor has anybody else who reads the archive of the room
    found = texts(await there.says(ben, ARCHIVE))
    assert found == ["before"]
    assert (await reserve(there, ada)).element[0][0].get("id") == said
    await reserve(there, ada, " done='true'")
    assert await new(there, ada) == ["ben"]
    assert await give(there, ada, said) == ["item-not-found"]


async def test_only_what_was_said_before_is_given_and_to_newcomers_alone(there: There) -> None:
    ada, ben, said = await tea(there)
    after = await place(there, ben, "after")
    assert await give(there, ada, after) == ["item-not-found"]
    assert await give(there, ada, "00000000000000ff") == ["item-not-found"]
    assert await give(there, ada, "x") == ["bad-request"]
    assert await give(there, ada, said, to="dan") == ["item-not-found"]
    assert await give(there, ada, said, to="ada") == ["item-not-found"]
    assert await give(there, ben, said) == ["forbidden"]
    answer = await asks(there, ben, "get", f"<newcomers xmlns='{GROUPS}'/>")
    assert conditions([answer]) == ["forbidden"]
    await there.configure(ada, **{f"{{{GROUPS}}}history": "0"})
    assert await give(there, ada, said) == ["not-allowed"]
    assert await there.log("cyd") == ["after"]


async def test_one_client_at_a_time_gives_history(tmp_path: Path) -> None:
    clock = Ticking()
    async with groups(tmp_path, clock=clock) as there:
        ada, _, said = await tea(there)
        other = await there.person("ada/tablet")
        assert conditions([await reserve(there, ada)]) == []
        assert conditions([await reserve(there, other)]) == ["conflict"]
        assert await give(there, other, said) == ["conflict"]
        clock.forward(61)
        assert await give(there, other, said) == []
        assert conditions([await reserve(there, ada)]) == ["conflict"]
        clock.forward(8 * 86400)
        assert await new(there, ada) == []
        assert await give(there, ada, said) == ["item-not-found"]


async def test_a_newcomer_gets_a_hundred_messages_at_most(there: There) -> None:
    ada = await there.person("ada/phone", receives=True)
    await there.make(ada, **{f"{{{GROUPS}}}history": "1"})
    said = [await place(there, ada, str(number)) for number in range(101)]
    await there.person("cyd/phone")
    await there.affiliate(ada, {"cyd": "member"})
    there.heard(ada)
    refused = [await give(there, ada, id) for id in said]
    assert refused == [[]] * 100 + [["policy-violation"]]


async def test_what_is_taken_back_later_is_gone_at_newcomers_too(there: There) -> None:
    ada, ben, said = await tea(there)
    assert await give(there, ada, said, "secret") == []
    retract = f"<retract xmlns='urn:xmpp:message-retract:1' id='{said}'/>"
    await there.write(ben, "", retract)
    await there.room.settle()
    assert await there.log("cyd") == []
    assert await give(there, ada, said) == ["item-not-found"]


async def test_a_member_never_claims_that_it_is_history(there: There) -> None:
    ada, ben, said = await tea(there)
    forged = f"<history xmlns='{GROUPS}' id='{said}' jid='ada@{DOMAIN}' nick='ada'/>"
    await there.write(ben, "hello", forged)
    (got,) = there.heard(ada)
    assert b"<history" not in got.inner


async def test_who_asks_to_come_in_is_shown_to_admins_alone(there: There) -> None:
    ada, ben, _ = await tea(there)
    await there.enter(ben, "ben")
    await asks(there, ada, "set", f"<group xmlns='{GROUPS}'><settings approve='true'/></group>")
    token = (await asks(there, ada, "set", f"<link xmlns='{GROUPS}'/>")).element[0].get("token")
    there.heard(ben)
    dan = await there.person("dan/phone")
    await asks(there, dan, "set", f"<join xmlns='{GROUPS}' token='{token}'/>")
    assert any(b"<asks " in one.inner for one in there.heard(ada))
    assert there.heard(ben) == []
    assert not any(b"<asks " in one.inner for one in await there.says(ben, ARCHIVE))
