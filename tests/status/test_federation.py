"""Statuses from other servers: authors reach mutual contacts here alone, and learn what was seen."""

from __future__ import annotations

from typing import Any

from kith.core.actors.account import Session
from kith.core.actors.intake import Work
from kith.core.log.log import Keep
from kith.wire.jid import JID
from kith.wire.stanza import Stanza
from tests.parts import DOMAIN
from tests.status.there import STATUS, There, kinds

EVE = "eve@far.test"


class Far:
    """The connections to other servers."""

    def __init__(self) -> None:
        self.kept: list[Stanza] = []

    def receive(self, stanza: Stanza, sender: JID, to: JID) -> None: ...

    def admit(self, session: Session, stanza: Stanza, to: JID, keep: Keep) -> Work:
        self.kept.append(stanza)
        session.pipelined()
        session.committed()
        return None


def rows(there: There) -> Any:
    return there.node.store._read(  # type: ignore[attr-defined]
        lambda db: db.execute("SELECT count(*) FROM account WHERE kind = 2").fetchone()[0]
    )


async def test_mutual_contacts_get_what_somebody_elsewhere_posts(there: There) -> None:
    ben, cyd = await there.person("ben/phone"), await there.person("cyd/phone")
    await there.befriend("ben", EVE)
    status = there.status("x", "ben", "cyd", "nobody")
    assert await there.foreign(f"{EVE}/a", status) == []
    assert await there.foreign(f"{EVE}/b", status) == []  # it comes again
    (entry,) = there.heard(ben)
    assert (kinds([entry]), entry.attrs["from"]) == (["eve: x"], EVE)
    assert kinds(there.heard(cyd)) == kinds(await there.log(cyd)) == []
    assert kinds(await there.log(ben)) == ["eve: x"]
    await there.foreign(
        f"{EVE}/a", f"<message to='status.{DOMAIN}'><retract xmlns='{STATUS}' id='x'/></message>"
    )
    assert kinds(there.heard(ben)) == ["eve deletes x"]


async def test_strangers_elsewhere_leave_nothing_here(there: There) -> None:
    await there.person("ben/phone")
    before = await rows(there)
    for n in range(5):
        assert await there.foreign(f"e{n}@far.test/a", there.status("x", "ben")) == []
        retract = f"<message to='status.{DOMAIN}'><retract xmlns='{STATUS}' id='x'/></message>"
        assert await there.foreign(f"e{n}@far.test/a", retract) == ["item-not-found"]
    assert await rows(there) == before


async def test_nobody_posts_in_the_name_of_accounts_here(there: There) -> None:
    await there.person("ben/phone")
    await there.person("ada/phone")
    await there.befriend("ada", "ben")
    assert await there.foreign(f"ada@{DOMAIN}/x", there.status("x", "ben")) == ["service-unavailable"]


async def test_what_was_long_on_its_way_is_there_for_the_rest_of_its_day(there: There) -> None:
    ben = await there.person("ben/phone")
    await there.befriend("ben", EVE)
    delay = "<delay xmlns='urn:xmpp:delay' from='{}' stamp='{}'/>"
    hour, days = "2026-11-29T23:53:20Z", "2026-11-28T00:00:00Z"
    await there.foreign(f"{EVE}/a", there.status("late", "ben", more=delay.format("far.test", hour)))
    (entry,) = there.heard(ben)
    assert b"until='2026-11-30T23:53:20" in entry.inner
    await there.foreign(f"{EVE}/a", there.status("old", "ben", more=delay.format("far.test", days)))
    assert there.heard(ben) == []
    for odd in (
        delay.format("other.test", days),
        delay.format("far.test", "x"),
        delay.format("far.test", "2999-01-01T00:00:00Z"),
    ):
        await there.foreign(f"{EVE}/a", there.status(odd[-20:-3].strip("'/"), "ben", more=odd))
        (entry,) = there.heard(ben)
        assert b"until='2026-12-01T00:53:20" in entry.inner


async def test_what_was_seen_goes_to_the_author_elsewhere_once_and_from_there(there: There) -> None:
    far = Far()
    there.node.hosts.remote = far
    ben, ada = await there.person("ben/phone"), await there.person("ada/phone")
    await there.befriend("ben", "ada", EVE)
    await there.foreign(f"{EVE}/a", there.status("x", "ben"))
    await there.see(ben, EVE, "x")
    await there.see(ben, EVE, "x")
    (told,) = far.kept
    assert told.attrs["to"] == "status.far.test"
    assert f"<seen xmlns='{STATUS}' id='x' author='{EVE}'/>".encode() in told.inner
    assert kinds(await there.log(ben)) == ["eve: x", "ben sees x"]
    assert ben.handled == ben.received
    await there.post(ada, "y", "ada")
    there.heard(ada)
    for sender, heard in (("mal@far.test", []), (EVE, ["eve sees y"]), (EVE, [])):
        seen = (
            f"<message to='status.{DOMAIN}'><seen xmlns='{STATUS}' author='ada@{DOMAIN}' id='y'/></message>"
        )
        assert await there.foreign(f"{sender}/a", seen) == []
        assert kinds(there.heard(ada)) == heard
    for id, author in (("none", f"ada@{DOMAIN}"), ("y", f"nobody@{DOMAIN}"), ("y", "x@else.test")):
        seen = f"<message to='status.{DOMAIN}'><seen xmlns='{STATUS}' author='{author}' id='{id}'/></message>"
        assert await there.foreign(f"{EVE}/a", seen) == []
