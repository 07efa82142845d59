"""A status is gone from everywhere when its time is over, or when its author deletes it; who has seen it."""

from __future__ import annotations

import re

import pytest

from kith.core.actors.account import Session
from kith.features.privacy import PrivacySettings
from kith.records import privacy
from kith.status.inboxes import Inboxes
from tests.parts import DOMAIN
from tests.status.there import DAY, There, conditions, ids, kinds


async def stored(there: There) -> int:
    """How many messages there are in the store, in any log."""
    store = there.node.store
    await store.flush()
    number = await store._read(lambda db: db.execute("SELECT count(*) FROM message").fetchone()[0])  # type: ignore[attr-defined]
    assert isinstance(number, int)
    return number


async def sweep(there: There) -> None:
    await there.node.store.expire_shared(int(there.clock.now()))


async def test_after_a_day_it_is_gone_from_every_log_and_from_the_disk(there: There) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    await there.befriend("ada", "ben")
    await there.post(ada, "x", "ada", "ben")
    await there.see(ben, "ada", "x")
    there.clock.forward(DAY - 1)
    await sweep(there)
    assert kinds(await there.log(ben)) == ["ada: x", "ben sees x"]
    there.clock.forward(1)
    assert kinds(await there.log(ben)) == ["ben sees x"]  # before anything is deleted
    assert conditions(await there.see(ben, "ada", "x")) == ["item-not-found"]
    assert conditions(await there.retract(ada, "x")) == ["item-not-found"]
    await sweep(there)
    assert kinds(await there.log(ben)) == kinds(await there.log(ada)) == []
    assert await stored(there) == 0
    await there.post(ada, "y", "ben", seconds=60)  # what is noted of the old one goes too
    author = await there.service.authors.load(f"ada@{DOMAIN}", ada.account.id)
    assert set(author.posts) == {"y"}
    assert [one.key for one in await there.node.store.documents(author.log, "status")] == ["y"]
    there.clock.forward(60)
    await sweep(there)
    assert await stored(there) == 0


async def test_a_retry_after_a_day_does_not_bring_it_back(there: There) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    await there.befriend("ada", "ben")
    await there.post(ada, "x", "ben", seconds=60)
    there.heard(ben)
    there.clock.forward(61)
    await sweep(there)
    assert await there.post(ada, "x", "ben", seconds=60) == []
    assert kinds(there.heard(ben)) == kinds(await there.log(ben)) == []


async def test_a_page_continues_after_an_entry_that_has_expired(there: There) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    await there.befriend("ada", "ben")
    await there.post(ada, "short", "ben", seconds=60)
    (first,) = ids(await there.log(ben))
    await there.post(ada, "long", "ben")
    there.clock.forward(100)
    await sweep(there)
    assert kinds(await there.log(ben, after=first)) == ["ada: long"]


async def test_the_author_deletes_it_everywhere(there: There) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    cyd = await there.person("cyd/phone", knows=False)
    await there.befriend("ada", "ben", "cyd")
    keys = "<key rid='7'>secret</key>"
    await there.publishes(ben, [7])
    await there.post(ada, "x", "ada", "ben", keys=keys)
    await there.post(ada, "x", "cyd", id="x")
    there.heard(ben)
    assert kinds(await there.retract(ada, "x")) == ["ada deletes x"]
    assert kinds(there.heard(ben)) == ["ada deletes x"]
    for session in (ada, ben, cyd):
        log = await there.log(session)
        assert set(kinds(log)) == {"ada deletes x"}
        assert not any(word in one.inner for one in log for word in (b"secret", b"payload", b"sealed"))
    assert await there.retract(ada, "x") == []  # a retry
    assert await there.post(ada, "x", "ben") == []  # a late one
    assert kinds(there.heard(ben)) == []
    assert conditions(await there.see(ben, "ada", "x")) == ["item-not-found"]
    there.clock.forward(DAY)
    await sweep(there)
    assert await stored(there) == 0


async def set_receipts(there: There, session: Session, on: bool) -> None:
    settings = privacy.Privacy(read_receipts=on)
    there.node.get(PrivacySettings)._set(session.account, settings)


async def test_the_author_and_own_devices_learn_who_has_seen_it_once(there: There) -> None:
    ada, ben, desk = [await there.person(name) for name in ("ada/phone", "ben/phone", "ben/desk")]
    await there.befriend("ada", "ben")
    await there.post(ada, "x", "ada", "ben")
    there.heard(ben), there.heard(desk)
    assert kinds(await there.see(ben, "ada", "x")) == ["ben sees x"]
    assert kinds(there.heard(desk)) == ["ben sees x"]
    (seen,) = there.heard(ada)
    assert kinds([seen]) == ["ben sees x"]
    assert re.search(rf"author='ada@{DOMAIN}' at='2026-[^']*Z'", seen.inner.decode())
    await there.see(desk, "ada", "x")
    assert kinds(there.heard(ada)) == []
    assert kinds(await there.log(ada)) == ["ada: x", "ben sees x"]
    await there.see(ada, "ada", "x")  # one's own
    assert kinds(await there.log(ben)) == ["ada: x", "ben sees x"]


@pytest.mark.parametrize("whose", ["ada", "ben"])
async def test_without_read_receipts_nobody_learns_it_either_way(there: There, whose: str) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    await there.befriend("ada", "ben")
    await there.post(ada, "x", "ben")
    there.heard(ben)
    await set_receipts(there, ada if whose == "ada" else ben, on=False)
    assert kinds(await there.see(ben, "ada", "x")) == ["ben sees x"]
    assert kinds(there.heard(ada)) == kinds(await there.log(ada)) == []
    await set_receipts(there, ada if whose == "ada" else ben, on=True)
    await there.see(ben, "ada", "x")  # it was said, and is not said again
    assert kinds(await there.log(ada)) == []


async def test_a_session_listens_again_after_a_restart_and_not_after_its_end(there: There) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    await there.befriend("ada", "ben")
    inboxes = there.node.get(Inboxes)
    saved = inboxes.session_saved(ben)
    inboxes.session_closed(ben)
    await there.post(ada, "x", "ben")
    assert kinds(there.heard(ben)) == []
    inboxes.session_restored(ben, saved)
    await there.post(ada, "y", "ben")
    assert kinds(there.heard(ben)) == ["ada: y"]
    there.node.sessions.end(ben)
    assert not inboxes._listening.get(saved)  # type: ignore[call-overload]
